//! Log lines of the broker.

use twostep_host::{Severity, Syslog};

/// Verdicts on logins: the same lines, under the same tag, as where the module judges by itself.
pub(crate) const LOGINS: Syslog = Syslog { tag: "pam_twostep" };
/// Everything else.
pub(crate) const BROKER: Syslog = Syslog { tag: "twostepd" };

/// For whoever keeps the host.
pub(crate) fn info(text: &str) {
    BROKER.note(Severity::Info, text);
}

/// Something was not right.
pub(crate) fn warning(text: &str) {
    BROKER.note(Severity::Warning, text);
}

/// Something must be done.
pub(crate) fn error(text: &str) {
    BROKER.note(Severity::Error, text);
}
