//! Mistakes in the configuration, and what its rules come to.

use super::Row;

const APP: &str = "auth [success=done ignore=ignore default=die] pam_twostep.so app\n@include common-auth\n@include common-account\n";
const CODE: &str = "@include common-auth\nauth required pam_twostep.so\naccount required pam_twostep.so\n@include common-account\n";
const CODE_ENDS: &str = "auth [success=done ignore=ignore default=die] pam_twostep.so\n@include common-auth\n\
                         account required pam_twostep.so\n@include common-account\n";

const fn row(kind: super::Kind, ill: &'static str, well: &'static str) -> Row {
    beside(kind, &[], ill, well)
}

const fn beside(
    kind: super::Kind,
    given: &'static [(&'static str, &'static str)],
    ill: &'static str,
    well: &'static str,
) -> Row {
    Row { kind, given, file: "config.toml", ill, well }
}

pub(super) const ROWS: &[Row] = &[
    row(("configuration-mistake", "error"), "x = 1", ""),
    row(("host-not-looked-at", "note"), "x = 1", ""),
    Row {
        kind: ("password-line-missing", "warning"),
        given: &[("config.toml", "[app]\nrevoke_on_password_change = true")],
        file: "pam.d/passwd",
        ill: "password required pam_unix.so\n",
        well: "password required pam_unix.so\npassword required pam_twostep.so\n",
    },
    row(
        ("exemption", "note"),
        "[[rule]]\nservice = \"cron\"\ndemand = \"nothing\"",
        "[[rule]]\nservice = \"cron\"\ndemand = \"code\"",
    ),
    row(
        ("exemption-for-everybody", "warning"),
        "[[rule]]\ndemand = \"nothing\"",
        "[[rule]]\nservice = \"cron\"\ndemand = \"nothing\"",
    ),
    row(
        ("exemption-from-anywhere", "warning"),
        "[[rule]]\nfrom = \"0.0.0.0/0\"\ndemand = \"nothing\"",
        "[[rule]]\nfrom = \"10.0.0.0/8\"\ndemand = \"nothing\"",
    ),
    row(
        ("exemption-console-unproven", "warning"),
        "[[rule]]\nservice = \"greetd\"\ntty = \"tty*\"\ndemand = \"nothing\"",
        "[[rule]]\nservice = \"login\"\ntty = \"tty*\"\ndemand = \"nothing\"",
    ),
    row(
        ("rule-over", "warning"),
        "[[rule]]\nservice = \"cron\"\ndemand = \"nothing\"\nuntil = 2024-02-29",
        "[[rule]]\nservice = \"cron\"\ndemand = \"nothing\"",
    ),
    row(
        ("service-misspelt", "warning"),
        "[[rule]]\nservice = \"imaps\"\ndemand = \"app-password\"",
        "[[rule]]\nservice = \"nextcloud\"\ndemand = \"app-password\"",
    ),
    row(
        ("service-misspelt", "warning"),
        "[app]\nservices = [\"imaps\", \"smtp\"]",
        "[app]\nservices = [\"imap\", \"smtp\"]",
    ),
    row(
        ("rule-user-unknown", "warning"),
        "[[rule]]\nuser = \"no-such-user\"\ndemand = \"deny\"",
        "[[rule]]\nuser = \"root\"\ndemand = \"deny\"",
    ),
    row(
        ("rule-user-misnamed", "warning"),
        "[app]\nvirtual_users = true\ndomains = [\"example.org\"]\n[[rule]]\nuser = \"carol@example.org\"\ndemand = \"deny\"",
        "[app]\nvirtual_users = true\ndomains = [\"example.org\"]\n[[rule]]\nuser = \"carol\"\ndemand = \"deny\"",
    ),
    row(
        ("rule-group-unknown", "error"),
        "[[rule]]\ngroup = \"no-such-group\"\ndemand = \"deny\"",
        "[[rule]]\ngroup = \"root\"\ndemand = \"deny\"",
    ),
    beside(
        ("rule-refuses-everybody", "error"),
        &[("pam.d/imap", APP)],
        "[[rule]]\nservice = \"imap\"\ndemand = \"code\"",
        "[[rule]]\nservice = \"imap\"\ndemand = \"app-password\"",
    ),
    beside(
        ("rule-code-alone-opens", "error"),
        &[("pam.d/vpn", CODE_ENDS)],
        "[[rule]]\nservice = \"vpn\"\ndemand = \"code\"",
        "[[rule]]\nservice = \"vpn\"\ndemand = \"app-password\"",
    ),
    beside(
        ("rule-app-password-refused", "error"),
        &[("pam.d/vpn", CODE)],
        "[[rule]]\nservice = \"vpn\"\ndemand = \"app-password\"",
        "[[rule]]\nservice = \"vpn\"\ndemand = \"code\"",
    ),
    row(
        ("addresses-trusted", "note"),
        "[interactive]\ntrust = [\"key\", \"address\"]",
        "[interactive]\ntrust = [\"key\"]",
    ),
    row(
        ("ssh-keys-enough", "note"),
        "[interactive]\nssh_keys = \"enough\"",
        "[interactive]\nsecurity_keys = \"enough\"",
    ),
    row(
        ("self-service-is-app-service", "warning"),
        "[app]\nservices = [\"imap\", \"twostep\"]",
        "[app]\nservices = [\"imap\"]",
    ),
    row(
        ("caller-unknown", "warning"),
        "[broker]\ncallers = { nobody-here = [\"exim\"] }",
        "[broker]\ncallers = { daemon = [\"exim\"] }",
    ),
    row(
        ("help-desk-unknown", "warning"),
        "[broker]\nhelp_desk = \"no-desk\"",
        "[broker]\nhelp_desk = \"daemon\"",
    ),
    row(
        ("protected-group-unknown", "error"),
        "[broker]\nhelp_desk = \"daemon\"\nprotected = [\"root\", \"no-such\"]",
        "[broker]\nhelp_desk = \"daemon\"\nprotected = [\"root\"]",
    ),
    row(
        ("hook-unsafe", "error"),
        "[app]\non_create = [\"/bin/sh\", \"-c\", \"tell {name}\"]",
        "[app]\non_create = [\"/bin/sh\", \"-c\", \"tell \\\"$1\\\"\", \"sh\", \"{name}\"]",
    ),
    // Every host has a group "root".
    row(
        ("protected-group-left-out", "warning"),
        "[broker]\nhelp_desk = \"daemon\"\nprotected = [\"bin\"]",
        "[broker]\nhelp_desk = \"daemon\"",
    ),
    beside(
        ("sudoers-not-looked-at", "warning"),
        &[("sudoers", "%ops ALL=((\n")],
        "[broker]\nhelp_desk = \"daemon\"",
        "[broker]\nprotected = [\"root\"]",
    ),
    beside(
        ("rights-not-looked-at", "note"),
        &[("polkit-1/rules.d/10-ops.rules", "")],
        "[broker]\nhelp_desk = \"daemon\"",
        "[broker]\nprotected = [\"root\"]",
    ),
    beside(
        ("rights-not-looked-at", "note"),
        &[("doas.conf", "permit :ops\n")],
        "[broker]\nhelp_desk = \"daemon\"",
        "",
    ),
    Row {
        kind: ("rights-not-looked-at", "note"),
        given: &[("config.toml", "[broker]\nhelp_desk = \"daemon\"")],
        file: "nsswitch.conf",
        ill: "sudoers: files sss\n",
        well: "sudoers: files # sss\n",
    },
    Row {
        kind: ("rights-not-looked-at", "note"),
        given: &[("config.toml", "[broker]\nhelp_desk = \"daemon\"")],
        file: "sudo.conf",
        ill: "Plugin sudoers_policy sudoers.so sudoers_file=/etc/other\n",
        well: "#Plugin sudoers_policy other.so\nPlugin sudoers_policy sudoers.so\n",
    },
];
