//! `libnss_twostep.so.2`: enrollment as groups, for sshd's `Match Group`, sudoers and whatever else knows groups.
//!
//! It is loaded into every program that asks for a group. It reads one file, the public roster, and keeps nothing open: no thread, no
//! descriptor, no lock, no memory from the heap, no environment variable, nothing on stderr. Where the roster is missing, damaged or not
//! to be trusted, nobody is in any of its groups, and other sources are asked as if this one were not there.
//!
//! What is unsafe lies in `ffi.rs`.
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod answer;
#[allow(unsafe_code)] // The C library's calling convention: raw pointers.
mod ffi;
mod record;
