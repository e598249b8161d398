//! Mistakes on the module's lines, and in where they stand.

use super::{Kind, Row};

/// A stack whose password modules are followed by this line.
macro_rules! after_password {
    ($line:literal) => {
        concat!(
            "@include common-auth\n",
            $line,
            "\naccount required pam_twostep.so\n@include common-account\n"
        )
    };
}

/// A stack whose password modules stand behind this line, and before one that asks for a code.
macro_rules! before_password {
    ($line:literal) => {
        concat!(
            $line,
            "\n@include common-auth\nauth required pam_twostep.so\naccount required pam_twostep.so\n@include common-account\n"
        )
    };
}

const CODE: &str = after_password!("auth required pam_twostep.so");
const APP: &str = "auth [success=done ignore=ignore default=die] pam_twostep.so app\n@include common-auth\n";
const AFTER_KEY: &str =
    before_password!("auth [success=done ignore=ignore default=die] pam_twostep.so after-key");
const ONE_PROMPT: &str = before_password!("auth required pam_twostep.so one-prompt");
const APP_SERVICES: &str =
    "auth [success=done ignore=ignore default=die] pam_twostep.so app-services\n@include common-auth\n";
const OTHER_LIST: &str = "auth [success=done ignore=ignore default=die] pam_twostep.so app-services config=/etc/passwd\n@include common-auth\n";
const ENROLLS: &str = "[interactive]\nunenrolled = \"enroll\"";
const NO_ACCOUNT_LINE: &str = "@include common-auth\nauth required pam_twostep.so\n@include common-account\n";

const fn of(file: &'static str, kind: Kind, ill: &'static str, well: &'static str) -> Row {
    Row { kind, given: &[], file, ill, well }
}

const fn login(kind: Kind, ill: &'static str) -> Row {
    of("pam.d/login", kind, ill, CODE)
}

const fn imap(kind: Kind, ill: &'static str) -> Row {
    of("pam.d/imap", kind, ill, APP)
}

const fn vpn(kind: Kind, ill: &'static str) -> Row {
    of("pam.d/vpn", kind, ill, ONE_PROMPT)
}

pub(super) const ROWS: &[Row] = &[
    login(("line-with-dash", "warning"), after_password!("-auth required pam_twostep.so")),
    login(("line-control-unreadable", "error"), after_password!("auth requird pam_twostep.so")),
    login(("line-module-missing", "error"), after_password!("auth required /nowhere/pam_twostep.so")),
    login(("line-word-unknown", "error"), after_password!("auth required pam_twostep.so ap")),
    vpn(("line-mode-twice", "error"), before_password!("auth required pam_twostep.so one-prompt after-key")),
    login(("line-config-relative", "error"), after_password!("auth required pam_twostep.so config=x")),
    login(("line-config-missing", "error"), after_password!("auth required pam_twostep.so config=/nowhere")),
    imap(("line-config-other", "warning"), OTHER_LIST),
    of("pam.d/ftp", ("app-services-not-listed", "note"), APP_SERVICES, APP),
    login(("line-refuses-nobody", "error"), after_password!("auth optional pam_twostep.so")),
    login(("line-refuses-unenrolled", "warning"), after_password!("auth [success=ok] pam_twostep.so")),
    login(
        ("code-alone-opens", "error"),
        "auth [success=done ignore=ignore default=die] pam_twostep.so\n@include common-auth\n\
         account required pam_twostep.so\n@include common-account\n",
    ),
    login(
        ("code-before-password", "warning"),
        "auth required pam_twostep.so\n@include common-auth\naccount required pam_twostep.so\n@include common-account\n",
    ),
    imap(
        ("password-judged-before", "error"),
        "@include common-auth\nauth [success=done ignore=ignore default=die] pam_twostep.so app\n",
    ),
    imap(("app-password-not-enough", "error"), "auth required pam_twostep.so app\n@include common-auth\n"),
    imap(
        ("unenrolled-get-in", "error"),
        "auth [success=done ignore=done default=die] pam_twostep.so app\n@include common-auth\n",
    ),
    of(
        "pam.d/sshd",
        ("after-key-asks-password", "error"),
        before_password!("auth required pam_twostep.so after-key"),
        AFTER_KEY,
    ),
    vpn(("one-prompt-after-password", "error"), after_password!("auth required pam_twostep.so one-prompt")),
    vpn(
        ("one-prompt-without-password", "error"),
        "auth required pam_twostep.so one-prompt\nauth required pam_permit.so\naccount required pam_twostep.so\n",
    ),
    of(
        "pam.d/vpn",
        ("one-prompt-asks-again", "warning"),
        "auth required pam_twostep.so one-prompt\nauth required pam_krb5.so\nauth required pam_twostep.so\n",
        "auth required pam_twostep.so one-prompt\nauth required pam_krb5.so try_first_pass\nauth required pam_twostep.so\n",
    ),
    vpn(
        ("one-prompt-code-not-judged", "error"),
        "auth required pam_twostep.so one-prompt\n@include common-auth\naccount required pam_twostep.so\n",
    ),
    vpn(
        ("one-prompt-refuses-everybody", "error"),
        before_password!("auth [success=ok default=die] pam_twostep.so one-prompt"),
    ),
    vpn(
        ("one-prompt-skips-password", "error"),
        before_password!("auth [success=ok ignore=done default=die] pam_twostep.so one-prompt"),
    ),
    login(
        ("account-line-late", "warning"),
        "@include common-auth\nauth required pam_twostep.so\n@include common-account\naccount required pam_twostep.so\n",
    ),
    login(
        ("account-line-ends", "error"),
        "@include common-auth\nauth required pam_twostep.so\n\
         account [success=done ignore=ignore default=die] pam_twostep.so\n@include common-account\n",
    ),
    login(("account-line-missing", "warning"), NO_ACCOUNT_LINE),
    of("pam.d/sshd", ("account-line-missing-for-keys", "error"), NO_ACCOUNT_LINE, CODE),
    Row {
        kind: ("account-line-missing-to-enroll", "error"),
        given: &[("config.toml", ENROLLS)],
        file: "pam.d/login",
        ill: NO_ACCOUNT_LINE,
        well: CODE,
    },
];
