//! Other programs' configuration, beside services that are wired.

use super::{Kind, Row};

const CODE: &str = "@include common-auth\nauth required pam_twostep.so\naccount required pam_twostep.so\n@include common-account\n";
const AFTER_KEY: &str = "auth [success=done ignore=ignore default=die] pam_twostep.so after-key\n@include common-auth\n\
                         auth required pam_twostep.so\naccount required pam_twostep.so\n@include common-account\n";
const APP: &str = "auth [success=done ignore=ignore default=die] pam_twostep.so app\n@include common-auth\n@include common-account\n";
const BY_KEY_AND_CODE: &str = "UsePAM yes\nAuthenticationMethods publickey,keyboard-interactive:pam\n";

const SECURITY_KEYS: &str = "[interactive]\nsecurity_keys = \"enough\"";

const fn sshd(kind: Kind, ill: &'static str, well: &'static str) -> Row {
    Row { kind, given: &[("pam.d/sshd", CODE)], file: "ssh/sshd_config", ill, well }
}

const fn mail(kind: Kind, file: &'static str, ill: &'static str, well: &'static str) -> Row {
    Row { kind, given: &[("pam.d/imap", APP)], file, ill, well }
}

pub(super) const ROWS: &[Row] = &[
    sshd(("sshd-without-pam", "error"), "Port 22\n", "UsePAM yes\n"),
    sshd(
        ("sshd-cannot-ask", "error"),
        "UsePAM yes\nKbdInteractiveAuthentication no\n",
        "UsePAM yes\nKbdInteractiveAuthentication yes\n",
    ),
    Row {
        kind: ("sshd-never-asks-after-key", "warning"),
        given: &[("pam.d/sshd", AFTER_KEY)],
        file: "ssh/sshd_config",
        ill: "UsePAM yes\nAuthenticationMethods publickey\n",
        well: BY_KEY_AND_CODE,
    },
    sshd(("sshd-refuses-key-alone", "note"), "UsePAM yes\n", BY_KEY_AND_CODE),
    Row {
        kind: ("sshd-key-setting-unused", "warning"),
        given: &[("config.toml", SECURITY_KEYS), ("ssh/sshd_config", BY_KEY_AND_CODE)],
        file: "pam.d/sshd",
        ill: CODE,
        well: AFTER_KEY,
    },
    Row {
        kind: ("sshd-security-keys-unverified", "warning"),
        given: &[("config.toml", SECURITY_KEYS), ("pam.d/sshd", AFTER_KEY)],
        file: "ssh/sshd_config",
        ill: BY_KEY_AND_CODE,
        well: "UsePAM yes\nAuthenticationMethods publickey,keyboard-interactive:pam\nPubkeyAuthOptions verify-required\n",
    },
    sshd(
        ("sshd-match-by-absence", "warning"),
        "UsePAM yes\nMatch Group *,!twostep-enrolled\n",
        "UsePAM yes\nMatch Group twostep-unenrolled\n",
    ),
    mail(
        ("dovecot-remembers-passwords", "warning"),
        "dovecot/dovecot.conf",
        "auth_cache_size = 10M\n",
        "auth_cache_size = 0\n",
    ),
    mail(
        ("dovecot-service-not-wired", "error"),
        "dovecot/dovecot.conf",
        "passdb {\n  driver = pam\n}\n",
        "passdb {\n  driver = pam\n  args = %s\n}\n",
    ),
    mail(
        ("saslauthd-remembers-passwords", "warning"),
        "default/saslauthd",
        "OPTIONS=\"-c -m /run/saslauthd\"\n",
        "OPTIONS=\"-m /run/saslauthd\"\n",
    ),
    mail(
        ("faillock-reset", "warning"),
        "pam.d/common-account",
        "account required pam_faillock.so\naccount required pam_unix.so\n",
        "account required pam_unix.so\n",
    ),
];
