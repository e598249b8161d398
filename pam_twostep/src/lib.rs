//! The PAM module of twostep: entry points over the login of [`twostep_core`] in services that run wholly as root, and over
//! the broker in all others.
//!
//! What is unsafe lies in `ffi.rs`. Everything here runs inside sshd, login or dovecot: no panic leaves it, nothing is left
//! behind in the process, and whatever goes wrong is a refusal.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]
#![deny(unsafe_code)]

mod arguments;
mod break_glass;
mod broker;
mod ffi;
mod guard;
mod here;
mod phases;
mod service;
mod talk;

use pam::constants::{PamFlag, PamResultCode};
use pam::module::{PamHandle, PamHooks};
use phases::Phase;
use std::ffi::CStr;

/// The module.
struct Twostep;

impl PamHooks for Twostep {
    fn sm_authenticate(handle: &mut PamHandle, words: Vec<&CStr>, flags: PamFlag) -> PamResultCode {
        guard::run(handle, &words, flags, Phase::Auth)
    }

    fn acct_mgmt(handle: &mut PamHandle, words: Vec<&CStr>, flags: PamFlag) -> PamResultCode {
        guard::run(handle, &words, flags, Phase::Account)
    }

    fn sm_setcred(handle: &mut PamHandle, words: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        guard::credentials(handle, &words)
    }

    fn sm_open_session(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        PamResultCode::PAM_IGNORE
    }

    fn sm_close_session(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        PamResultCode::PAM_IGNORE
    }

    fn sm_chauthtok(handle: &mut PamHandle, words: Vec<&CStr>, flags: PamFlag) -> PamResultCode {
        guard::run(handle, &words, flags, Phase::Password)
    }
}
