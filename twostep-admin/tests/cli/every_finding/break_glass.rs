//! The way in for emergencies.

use super::{Kind, Row};

const CODE: &str = "@include common-auth\nauth required pam_twostep.so\naccount required pam_twostep.so\n@include common-account\n";
const PLAIN: &str = "@include common-auth\n@include common-account\n";
const LOGIN: &str =
    "[[exemption]]\nservice = \"login\"\ntty = \"tty1\"\nuser = \"root\"\nreason = \"r\"\nowner = \"o\"\n";
const GDM: &str =
    "[[exemption]]\nservice = \"gdm\"\ntty = \"tty1\"\nuser = \"root\"\nreason = \"r\"\nowner = \"o\"\n";
const RESCUE: &str =
    "[[exemption]]\nservice = \"sshd-rescue\"\nuser = \"root\"\nreason = \"r\"\nowner = \"o\"\n";

const fn row(
    kind: Kind,
    given: &'static [(&'static str, &'static str)],
    ill: &'static str,
    well: &'static str,
) -> Row {
    Row { kind, given, file: "twostep/break-glass.toml", ill, well }
}

pub(super) const ROWS: &[Row] = &[
    row(("break-glass-missing", "warning"), &[("pam.d/login", CODE)], "", LOGIN),
    row(("break-glass-missing", "note"), &[("pam.d/sshd", CODE)], "", RESCUE),
    row(("break-glass-mistake", "error"), &[], "[[exemption]]\nservice = \"sshd\"\n", LOGIN),
    row(("break-glass-network", "warning"), &[], RESCUE, LOGIN),
    row(
        ("break-glass-stack-missing", "warning"),
        &[("pam.d/login", CODE), ("pam.d/other", CODE)],
        GDM,
        LOGIN,
    ),
    row(("break-glass-not-needed", "note"), &[("pam.d/login", CODE), ("pam.d/gdm", PLAIN)], GDM, LOGIN),
];
