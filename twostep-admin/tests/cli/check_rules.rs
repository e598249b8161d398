//! check: the rules of the configuration.

use crate::check::{findings, healthy};
use crate::place::Place;
use std::fs::File;
use std::time::{Duration, UNIX_EPOCH};

/// What `check` says of the configuration, as `line severity message`.
fn of_configuration(place: &Place, text: &str) -> Vec<String> {
    place.configure(text);
    told(place)
}

fn told(place: &Place) -> Vec<String> {
    let path = place.folder.join("config.toml");
    let of_it = |finding: &serde_json::Value| {
        let line =
            finding["subject"].as_str()?.strip_prefix(path.to_str()?)?.trim_start_matches(':').to_owned();
        let (severity, message) = (finding["severity"].as_str()?, finding["message"].as_str()?);
        Some(format!("{line} {severity} {message}").trim_start().to_owned())
    };
    findings(place).iter().filter_map(of_it).collect()
}

/// Exactly these, each by its beginning and one more thing that it says.
#[track_caller]
fn are(place: &Place, text: &str, expected: &[(&str, &str)]) {
    let found = of_configuration(place, text);
    let fits = found.len() == expected.len()
        && expected
            .iter()
            .all(|(begins, says)| found.iter().any(|one| one.starts_with(begins) && one.contains(says)));
    assert!(fits, "wanted {expected:#?}, found {found:#?} in\n{text}");
}

fn in_days(days: u64) -> String {
    twostep_store::host::now().wall.plus(Duration::from_secs(days * 86_400)).date()
}

#[test]
fn exemptions_are_named_with_their_reason_owner_and_last_day() {
    let place = healthy("check-exempt");
    let day = in_days(100);
    let text = format!(
        "[[rule]]\nservice = \"cron\"\ndemand = \"nothing\"\nreason = \"nightly copies\"\nowner = \"alice\"\nuntil = {day}"
    );
    let full = format!("reason: nightly copies; owner: alice; last day: {day}");
    are(&place, &text, &[("1 note an exemption", &full)]);
    let none = "reason: none given; owner: none given; last day: none, it does not end";
    are(&place, "[[rule]]\nservice = \"cron\"\ndemand = \"nothing\"", &[("1 note an exemption", none)]);
    assert!(
        findings(&place)
            .iter()
            .any(|one| one["remedy"].as_str().unwrap().ends_with("add: reason, owner, until"))
    );
    are(&place, "[[rule]]\nservice = \"cron\"\ndemand = \"code\"\n[[rule]]\ndemand = \"deny\"", &[]);
}

#[test]
fn an_exemption_that_ends_soon_and_a_rule_that_is_over_are_warnings() {
    let place = healthy("check-rule-ends");
    let exempt =
        |days| format!("[[rule]]\nservice = \"cron\"\ndemand = \"nothing\"\nuntil = {}", in_days(days));
    let soon = format!("last day is {}", in_days(12));
    are(&place, &exempt(12), &[("1 note", "an exemption"), ("1 warning this exemption's", &soon)]);
    are(&place, &exempt(15), &[("1 note", "an exemption")]);
    let over = "[[rule]]\ngroup = \"no-such-group\"\ndemand = \"nothing\"\nuntil = 2024-02-29\n\
                [[rule]]\nservice = \"imap\"\ntrust = \"address\"\nuntil = 2024-02-29\n";
    let last = "last day was 2024-02-29: it does nothing any more";
    are(&place, over, &[("1 warning this rule's", last), ("5 warning this rule's", last)]);
}

#[test]
fn an_exemption_for_everybody_is_a_warning() {
    let place = healthy("check-exempt-all");
    let all = "this exemption has no condition: everybody is exempt";
    for text in ["", "service = [\"*\", \"sshd\"]\n"] {
        let text = format!("[[rule]]\n{text}demand = \"nothing\"");
        are(&place, &text, &[("1 note", ""), ("1 warning", all)]);
    }
    for from in ["[\"10.0.0.0/8\", \"0.0.0.0/0\"]", "\"::/0\"", "[\"0.0.0.0/1\", \"128.0.0.0/1\"]"] {
        let text = format!("[[rule]]\nfrom = {from}\ndemand = \"nothing\"");
        are(&place, &text, &[("1 note", ""), ("1 warning", "holds every address of IPv4 or IPv6")]);
    }
    are(&place, "[[rule]]\nfrom = \"10.0.0.0/8\"\ndemand = \"nothing\"", &[("1 note", "")]);
    are(&place, "[[rule]]\nfrom = \"0.0.0.0/0\"\ndemand = \"code\"", &[]);
}

#[test]
fn names_in_rules_that_nss_does_not_know_are_told() {
    let place = healthy("check-rule-names");
    let text = "[[rule]]\nuser = [\"root\", \"no-such-user\"]\ngroup = [\"root\", \"no-such-group\"]\ndemand = \"nothing\"\n\
                [[rule]]\nuser = \"nobody-here\"\ndemand = \"deny\"\n";
    are(
        &place,
        text,
        &[
            ("1 note", ""),
            ("1 warning names the user no-such-user, whom", "whoever gets it is exempt"),
            ("1 error names the group no-such-group, which", "nobody is exempt by that"),
            ("5 warning names the user nobody-here", "the rule passes over it"),
        ],
    );
}

#[test]
fn addresses_that_can_be_trusted_are_a_note() {
    let place = healthy("check-trust");
    let text = "[interactive]\ntrust = [\"key\", \"address\"]\ntrust_days = 7\n[[rule]]\nservice = \"sshd\"\ntrust = \"key\"\n\
                [[rule]]\nservice = \"login\"\ntrust = \"address\"\n";
    let days = "needs no code of hers for 7 days";
    are(
        &place,
        text,
        &[("2 note addresses can be trusted", days), ("9 note addresses can be trusted", days)],
    );
    are(&place, "[interactive]\ntrust = [\"key\"]", &[]);
}

/// The policy goes by the later of the clock and the time of its file.
#[test]
fn a_configuration_of_the_future_is_a_warning() {
    let place = healthy("check-future");
    let day = in_days(30);
    place.configure(&format!("[[rule]]\nservice = \"cron\"\ndemand = \"nothing\"\nuntil = {day}"));
    written_in_days(&place, 20);
    let found = told(&place).join("\n");
    assert!(
        found.contains("warning was written at") && found.contains("ahead of this host's clock"),
        "{found}"
    );
    assert!(found.contains("this exemption's last day is"), "ten days are left by that time: {found}");
    written_in_days(&place, 40);
    let found = told(&place).join("\n");
    assert!(found.contains("this rule's last day was"), "{found}");
    written_in_days(&place, 0);
    let found = told(&place).join("\n");
    assert!(!found.contains("ahead of"), "{found}");
}

/// Gives the configuration another time stamp.
fn written_in_days(place: &Place, days: u64) {
    let stamp = twostep_store::host::now().wall.0.unsigned_abs() + days * 86_400;
    let file = File::options().write(true).open(place.folder.join("config.toml")).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(stamp)).unwrap();
}

#[test]
fn a_rule_that_demands_what_the_line_cannot_ask_for_is_an_error() {
    let place = healthy("check-at-odds");
    let stop = "[success=done ignore=ignore default=die] pam_twostep.so";
    let rest = "@include common-auth\naccount required pam_twostep.so\n@include common-account\n";
    place.write(
        "pam.d/imap",
        &format!("auth {stop} app\n@include common-auth\n@include common-account\n"),
        0o644,
    );
    place.write("pam.d/sshd", &format!("auth {stop} after-key\n@include common-auth\nauth required pam_twostep.so\naccount required pam_twostep.so\n@include common-account\n"), 0o644);
    place.write("pam.d/vpn", &format!("auth required pam_twostep.so one-prompt\n{rest}"), 0o644);
    place.write(
        "pam.d/smtp",
        &format!("auth {stop}\n@include common-auth\n@include common-account\n"),
        0o644,
    );
    place.write("pam.d/cron", "@include common-account\n", 0o644);
    are(&place, "", &[]);
    let code = "demands a code, which line 1 of the stack imap cannot ask for (app): everybody";
    are(&place, "[[rule]]\nservice = \"imap\"\ndemand = \"code\"", &[("3 error", code)]);
    let vpn = "demands an app password, which line 1 of the stack vpn cannot ask for (one-prompt)";
    are(
        &place,
        "[[rule]]\nservice = \"v*\"\ngroup = \"root\"\ndemand = \"app-password\"",
        &[("4 error", vpn)],
    );
    are(
        &place,
        "[[rule]]\nservice = \"sshd\"\ndemand = \"app-password\"",
        &[
            ("3 error", "line 1 of the stack sshd cannot ask for (after-key)"),
            ("3 error", "line 3 of the stack sshd takes, but the password modules refuse"),
        ],
    );
    let smtp = "demands a code, which line 1 of the stack smtp cannot ask for (no word): everybody";
    are(&place, "[[rule]]\nservice = \"smtp\"\ndemand = \"code\"", &[("3 error", smtp)]);
    // Without a service it can be the affair of all of them.
    are(
        &place,
        "[[rule]]\nservice = \"smtp\"\nunenrolled = \"deny\"\n[[rule]]\nuser = \"root\"\ndemand = \"code\"",
        &[("6 error", code)],
    );
    for fine in [
        // An earlier rule decides all of imap.
        "[[rule]]\nservice = \"imap\"\ndemand = \"app-password\"\n[[rule]]\nservice = \"imap\"\ndemand = \"code\"",
        "[[rule]]\nservice = [\"sshd\", \"vpn\"]\ndemand = \"code\"",
        "[[rule]]\nservice = [\"imap\", \"smtp\"]\ndemand = \"app-password\"",
        "[[rule]]\nservice = \"cron\"\ndemand = \"app-password\"",
    ] {
        are(&place, fine, &[]);
    }
    let over = "[[rule]]\nservice = \"imap\"\ndemand = \"code\"\nuntil = 2024-01-01";
    are(&place, over, &[("1 warning", "this rule's last day")]);
}
