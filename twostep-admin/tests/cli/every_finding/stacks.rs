//! The folder of stacks, and what a service's lines come to together.

use super::{Kind, Row};

const CODE: &str = "@include common-auth\nauth required pam_twostep.so\naccount required pam_twostep.so\n@include common-account\n";
const PLAIN: &str = "@include common-auth\n@include common-account\n";
const APP: &str = "auth [success=done ignore=ignore default=die] pam_twostep.so app\n@include common-auth\n@include common-account\n";
const JUMP: &str = "auth [success=2 ignore=ignore default=die] pam_twostep.so app-services\n\
                    auth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so\nauth required pam_permit.so\n";
const JUMP_TOO_SHORT: &str = "auth [success=1 ignore=ignore default=die] pam_twostep.so app-services\n\
                              auth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so\nauth required pam_permit.so\n";
/// An expired password ends it.
const EXPIRED: &str = "account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so\naccount requisite pam_deny.so\n\
                       account required pam_permit.so\n";
const ACCOUNT_LINE_LAST: &str = "@include common-auth\nauth required pam_twostep.so\n@include common-account\naccount required pam_twostep.so\n";

const fn login(kind: Kind, ill: &'static str) -> Row {
    Row { kind, given: &[], file: "pam.d/login", ill, well: CODE }
}

pub(super) const ROWS: &[Row] = &[
    login(("nothing-wired", "note"), PLAIN),
    Row {
        kind: ("left-to-other", "warning"),
        given: &[("pam.d/imap", APP), ("config.toml", "[app]\nservices = [\"imap\", \"pop3\"]")],
        file: "pam.d/other",
        ill: PLAIN,
        well: "auth required pam_deny.so\n",
    },
    login(("stack-unreadable", "error"), "@include nowhere\n"),
    login(
        ("code-passed-over", "error"),
        "auth sufficient pam_unix.so\nauth required pam_twostep.so\naccount required pam_twostep.so\n",
    ),
    login(
        ("code-passed-over", "warning"),
        "auth sufficient pam_u2f.so\nauth required pam_unix.so\nauth required pam_twostep.so\naccount required pam_twostep.so\n",
    ),
    login(
        ("code-jumped-over", "error"),
        "auth [success=1 default=ignore] pam_unix.so\nauth required pam_twostep.so\naccount required pam_twostep.so\n",
    ),
    login(
        ("refusal-undone", "error"),
        "@include common-auth\nauth required pam_twostep.so\nauth [success=reset default=ignore] pam_group.so\n\
         auth required pam_permit.so\naccount required pam_twostep.so\n",
    ),
    Row {
        kind: ("account-line-passed-over", "warning"),
        given: &[("pam.d/common-account", EXPIRED)],
        file: "pam.d/login",
        ill: ACCOUNT_LINE_LAST,
        well: CODE,
    },
    Row {
        kind: ("account-line-passed-over", "error"),
        given: &[("pam.d/common-account", EXPIRED)],
        file: "pam.d/sshd",
        ill: ACCOUNT_LINE_LAST,
        well: CODE,
    },
    Row {
        kind: ("app-password-leads-nowhere", "error"),
        given: &[],
        file: "pam.d/imap",
        ill: JUMP_TOO_SHORT,
        well: JUMP,
    },
    login(
        ("code-asked-twice", "error"),
        "@include common-auth\nauth required pam_twostep.so\nauth required pam_twostep.so\n\
         account required pam_twostep.so\n@include common-account\n",
    ),
];
