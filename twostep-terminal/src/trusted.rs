//! A trusted device, as both commands list it.

use serde::Serialize;

/// A device that need not give a code for a while, made printable.
#[derive(Serialize)]
pub struct TrustedDevice {
    /// Its id.
    pub id: i64,
    /// Where it is trusted.
    pub service: String,
    /// `key` or `address`.
    pub kind: String,
    /// The fingerprint, or the address.
    pub device: String,
    /// Since when.
    pub since: String,
    /// Until when.
    pub until: String,
}
