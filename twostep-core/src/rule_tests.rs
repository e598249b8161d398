use super::*;
use std::cell::Cell;

/// alice, who is of ops; counts what it is asked.
struct Alice {
    asked: Cell<u32>,
    down: bool,
}

impl Alice {
    fn answer(&self, yes: bool) -> Result<bool, ()> {
        self.asked.set(self.asked.get() + 1);
        if self.down { Err(()) } else { Ok(yes) }
    }
}

impl Inquiry for Alice {
    type Error = ();

    fn is_any_of(&mut self, users: &[UserName], by: By) -> Result<Match, ()> {
        let named = |name| users.iter().any(|user| user.as_str() == name);
        // al is another name of hers.
        let other = if named("al") && by == By::NameOrUid { Match::Doubted } else { Match::No };
        self.answer(true).map(|_| if named("alice") { Match::Yes } else { other })
    }

    fn is_member_of(&mut self, groups: &[String], _: By) -> Result<Match, ()> {
        let ops = self.answer(groups.iter().any(|group| group == "ops"))?;
        Ok(if ops { Match::Yes } else { Match::No })
    }
}

/// Which of these rules decides, by its line, and how often NSS was asked.
fn decides(
    text: &str,
    service: &str,
    tty: Option<&str>,
    from: Option<&str>,
    down: bool,
) -> (Result<Option<usize>, ()>, u32) {
    let policy = crate::config::parse(text).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let service = ServiceName::parse(service).unwrap();
    // Only these tests are at a console.
    let tty = tty.map_or(Tty::None, |tty| if is_line(tty) { Tty::Proven(tty) } else { Tty::Named(tty) });
    let source = Source::told(from, tty, &service, &[]);
    let scene = Scene { service: &service, tty, source: &source, at: UnixTime(1_800_000_000) };
    let mut alice = Alice { asked: Cell::new(0), down };
    let chosen = choose(&policy.rules, &scene, &mut alice).map(|choice| choice.rule.map(line));
    (chosen, alice.asked.get())
}

#[test]
fn a_glob_matches_the_whole_text() {
    for (pattern, text, expected) in [
        ("sshd", "sshd", true),
        ("sshd", "sshd2", false),
        ("ssh*", "sshd", true),
        ("*", "", true),
        ("", "", true),
        ("", "x", false),
        ("?", "", false),
        ("tty?", "tty1", true),
        ("tty?", "tty12", false),
        ("*a*b", "xaxbxab", true),
        ("*a*b", "xaxbxabx", false),
        ("a**b", "ab", true),
        ("*.example", "x.example", true),
        ("[a]", "a", false),
    ] {
        assert_eq!(Glob::new(pattern).matches(text), expected, "{pattern} {text}");
    }
    // No pattern takes for ever.
    assert!(!Glob::new(&format!("{}c", "a*".repeat(200))).matches(&format!("{}b", "a".repeat(5_000))));
}

#[test]
fn the_first_rule_that_matches_decides() {
    let text = "[[rule]]\nservice = \"cron\"\ndemand = \"nothing\"\n[[rule]]\nservice = [\"ssh*\"]\ndemand = \"code\"\n\
                [[rule]]\ndemand = \"deny\"\n";
    assert_eq!(decides(text, "cron", None, None, false).0, Ok(Some(1)));
    assert_eq!(decides(text, "sshd", None, None, false).0, Ok(Some(4)));
    assert_eq!(decides(text, "login", None, None, false).0, Ok(Some(7)));
    assert_eq!(decides("", "login", None, None, false).0, Ok(None));
}

#[test]
fn nss_is_asked_last_and_a_failure_of_it_chooses_nothing() {
    let text = "[[rule]]\nservice = \"console\"\ndemand = \"nothing\"\n\
                [[rule]]\nfrom = \"10.0.0.0/8\"\nuser = \"robot\"\ndemand = \"nothing\"\n\
                [[rule]]\ngroup = [\"ops\"]\ndemand = \"code\"\n";
    assert_eq!(decides(text, "console", None, None, true), (Ok(Some(1)), 0));
    assert_eq!(decides(text, "sshd", None, Some("203.0.113.9"), false), (Ok(Some(8)), 1));
    assert_eq!(decides(text, "sshd", None, Some("10.1.2.3"), false), (Ok(Some(8)), 2));
    assert_eq!(decides(text, "sshd", None, Some("10.1.2.3"), true), (Err(()), 1));
}

#[test]
fn networks_are_of_addresses_and_of_nothing_else() {
    let text = "[[rule]]\nfrom = [\"192.0.2.7\", \"10.0.0.0/8\", \"2001:db8::/32\"]\ndemand = \"nothing\"\n";
    for (from, expected) in [
        (Some("192.0.2.7"), true),
        (Some("192.0.2.8"), false),
        (Some("10.255.0.1"), true),
        (Some("::ffff:10.0.0.1"), true),
        (Some("2001:db8:1::1"), true),
        (Some("2001:db9::1"), false),
        (Some("host.example"), false),
        (Some("10.0.0.1 "), false),
        (Some(""), false),
        (None, false),
    ] {
        assert_eq!(decides(text, "sshd", Some("ssh"), from, false).0 == Ok(Some(1)), expected, "{from:?}");
    }
    // All the networks there are have no place for who comes from nowhere.
    let all = "[[rule]]\nfrom = [\"0.0.0.0/0\", \"::/0\"]\ndemand = \"nothing\"\n";
    assert_eq!(decides(all, "sshd", Some("tty1"), None, false).0, Ok(None));
}

#[test]
fn terminals_are_named_without_their_folder() {
    let text = "[[rule]]\ntty = [\"tty?\", \"pts/*\"]\ndemand = \"nothing\"\n";
    for (tty, expected) in [
        (Some("/dev/tty1"), true),
        (Some("tty1"), true),
        (Some("/dev/pts/3"), true),
        (Some("ssh"), false),
        (None, false),
    ] {
        assert_eq!(decides(text, "login", tty, None, false).0 == Ok(Some(1)), expected, "{tty:?}");
    }
}

#[test]
fn a_rule_is_over_when_its_day_is() {
    // The time of these tests is 2027-01-15 08:00 UTC.
    for (until, there) in [
        ("2027-01-15", true),
        ("2027-01-14", false),
        ("2027-01-15T08:00:00Z", false),
        ("2027-01-15T10:00:01+02:00", true),
    ] {
        let text = format!("[[rule]]\ndemand = \"nothing\"\nuntil = {until}\n");
        assert_eq!(decides(&text, "sshd", None, None, false).0 == Ok(Some(1)), there, "{until}");
    }
}

#[test]
fn a_rule_says_whose_affair_it_is_without_a_login() {
    let only = |text: &str| {
        let policy = crate::config::parse(&format!("[[rule]]\ndemand = \"nothing\"\n{text}")).unwrap();
        policy.rules.into_iter().next().unwrap()
    };
    for (text, service_alone, everybody, anywhere) in [
        ("", true, true, false),
        ("service = \"sshd\"", true, false, false),
        ("service = [\"sshd\", \"**\"]", true, true, false),
        ("service = \"?*\"", true, false, false),
        ("user = \"robot\"", false, false, false),
        ("group = \"ops\"", false, false, false),
        ("tty = \"*\"", false, false, false),
        ("from = \"10.0.0.0/8\"", false, false, false),
        ("from = [\"10.0.0.0/8\", \"::/0\"]", false, false, true),
        ("from = \"0.0.0.0/0\"", false, false, true),
        ("from = [\"0.0.0.0/1\", \"128.0.0.0/1\"]", false, false, true),
    ] {
        let rule = only(text);
        let told = (rule.goes_by_service_alone(), rule.is_for_everybody(), rule.is_from_anywhere());
        assert_eq!(told, (service_alone, everybody, anywhere), "{text}");
    }
    let service = |name| ServiceName::parse(name).unwrap();
    let rule = only("service = \"ssh*\"");
    assert!(rule.is_for(&service("sshd")) && !rule.is_for(&service("login")));
}

fn line(rule: &Rule) -> usize {
    match rule.origin {
        Origin::Line(line) => line,
        other => panic!("{other:?}"),
    }
}

/// Which rules match a login by a service that says `tty`, from there: the one, and those in doubt.
fn said(text: &str, tty: &str, from: Option<&str>) -> (Option<usize>, Vec<usize>) {
    let policy = crate::config::parse(text).unwrap();
    let service = ServiceName::parse("web").unwrap();
    let source = Source::told(from, Tty::Named(tty), &service, &policy.nat64);
    let scene =
        Scene { service: &service, tty: Tty::Named(tty), source: &source, at: UnixTime(1_800_000_000) };
    let mut alice = Alice { asked: Cell::new(0), down: false };
    let choice = choose(&policy.rules, &scene, &mut alice).unwrap();
    (choice.rule.map(line), choice.doubted.into_iter().map(line).collect())
}

#[test]
fn a_console_that_a_service_only_says_matches_in_doubt() {
    let text = "[[rule]]\ntty = [\"tty*\", \"ttyS0\", \"console\", \"hvc0\"]\ndemand = \"nothing\"\n";
    for tty in ["tty1", "/dev/tty1", "ttyS0", "console", "hvc0", "ttyX"] {
        assert_eq!(said(text, tty, None), (None, vec![1]), "{tty}");
    }
    let words = "[[rule]]\ntty = [\"ssh\", \":0\", \"pts/*\"]\ndemand = \"nothing\"\n";
    for tty in ["ssh", ":0", "/dev/pts/3"] {
        assert_eq!(said(words, tty, None), (Some(1), vec![]), "{tty}");
    }
    assert_eq!(said(text, ":0", None), (None, vec![]));
}

#[test]
fn an_embedded_address_is_in_a_network_in_doubt() {
    let text = "[places]\nnat64_prefixes = \"2001:db8:64::/96\"\n[[rule]]\nfrom = \"192.0.2.0/24\"\ndemand = \"nothing\"\n\
                [[rule]]\nfrom = \"64:ff9b::/96\"\ndemand = \"code\"\n";
    for (from, expected) in [
        ("192.0.2.7", (Some(3), vec![])),
        ("64:ff9b::192.0.2.7", (Some(6), vec![3])),
        ("64:ff9b::198.51.100.7", (Some(6), vec![])),
        ("2001:db8:64::192.0.2.7", (None, vec![3])),
        ("2002:c000:207::1", (None, vec![3])),
        ("::192.0.2.7", (None, vec![3])),
        ("2001:db8:65::192.0.2.7", (None, vec![])),
    ] {
        assert_eq!(said(text, "ssh", Some(from)), expected, "{from}");
    }
}

/// What may match is looked at, and looked past.
#[test]
fn rules_that_match_in_doubt_are_kept_beside_the_one_that_matches() {
    let text = "[[rule]]\ntty = \"tty1\"\ndemand = \"code\"\n[[rule]]\nuser = \"al\"\nunenrolled = \"deny\"\n\
                [[rule]]\nuser = \"al\"\ndemand = \"nothing\"\n[[rule]]\nservice = \"su\"\ndemand = \"deny\"\n";
    let policy = crate::config::parse(text).unwrap();
    let (service, source) = (ServiceName::parse("su").unwrap(), Source::Caller(1000));
    let scene = Scene { service: &service, tty: Tty::Doubted, source: &source, at: UnixTime(1_800_000_000) };
    let mut alice = Alice { asked: Cell::new(0), down: false };
    let choice = choose(&policy.rules, &scene, &mut alice).unwrap();
    assert_eq!(choice.rule.map(line), Some(10));
    assert_eq!(choice.doubted.into_iter().map(line).collect::<Vec<_>>(), [1, 4]);
}
