//! Texts and what is made of them.

use super::*;
use crate::device::DeviceKind;
use crate::hook::Command;
use crate::memory_hard::Cost;
use crate::name::{Domains, Naming};
use crate::policy::{Readers, Setting};
use crate::rule::Demanded;
use crate::schedule::{Schedule, Unenrolled};
use crate::time::UnixTime;

fn mistakes(text: &str) -> Vec<String> {
    parse(text)
        .unwrap_err()
        .iter()
        .map(|mistake| mistake.render(Path::new("/etc/twostep/config.toml")))
        .collect()
}

#[test]
fn nothing_configured_is_the_defaults() {
    assert_eq!(parse("# nothing\n").unwrap(), Policy::defaults());
    assert_eq!(Policy::defaults().app.services.value.len(), 7);
}

#[test]
fn everything_configured_is_read() {
    let policy = parse(
        "issuer = \"Example\"\n[paths]\nstore = \"/srv/s.db\"\nkey = \"/srv/k\"\nroster = \"/srv/r\"\nruntime = \"/run/t\"\n\
         [interactive]\nunenrolled = \"deny\"\n[app]\nunenrolled = \"deny\"\nservices = [\"imap\", \"ftp\"]\n",
    )
    .unwrap();
    assert_eq!(policy.issuer.as_deref(), Some("Example"));
    assert_eq!(policy.paths.store, Path::new("/srv/s.db"));
    assert_eq!(
        policy.interactive.unenrolled,
        Setting { value: Schedule::always(Unenrolled::Deny), origin: Origin::Line(8) }
    );
    assert_eq!(policy.app.services.value.len(), 2);
    assert_eq!(policy.app.services.origin, Origin::Line(11));
}

#[test]
fn commands_are_programs_with_words() {
    let policy = parse(
        "[app]\non_revoke = [\"/usr/bin/doveadm\", \"kick\", \"{user}\"]\n\
         on_create = [\"/usr/local/sbin/tell\", \"--what={event}\", \"{name}\", \"{x}\"]\n",
    )
    .unwrap();
    let filled =
        |command: Option<Command>| command.unwrap().filled("alice", "{user}'s phone", "create").unwrap();
    assert_eq!(filled(policy.app.hooks.on_revoke), ["/usr/bin/doveadm", "kick", "alice"]);
    let told = ["/usr/local/sbin/tell", "--what=create", "{user}'s phone", "{x}"];
    assert_eq!(filled(policy.app.hooks.on_create), told);
    for (text, about) in [
        ("[\"doveadm\"]", "begins with the path"),
        ("[]", "begins with the path"),
        ("\"/bin/true\"", "expected a list"),
        ("[\"/bin/x\", 1]", "expected a string"),
        ("[\"/bin/{user}\"]", "begins with the path"),
    ] {
        let told = mistakes(&format!("[app]\non_create = {text}\n"));
        assert!(told.iter().any(|one| one.contains(about)), "{text}: {told:?}");
    }
}

/// What an earlier version took is skipped where commands are run, and refuses nobody.
#[test]
fn a_command_that_cannot_be_run_is_no_mistake() {
    for text in ["\"-c\", \"tell {name}\"", "\"-c\", \"{name}\"", "\"{name}-x\"", "\"--name={name}\""] {
        let policy = parse(&format!("[app]\non_create = [\"/bin/sh\", {text}]\n")).unwrap();
        assert!(policy.app.hooks.on_create.unwrap().refusal().is_some(), "{text}");
    }
}

#[test]
fn callers_of_the_broker_are_users_with_services() {
    let policy = parse(
        "[broker]\nhelp_desk = \"helpdesk\"\nprotected = [\"wheel\"]\n\
         callers = { postgres = [\"postgresql\"], \"Debian-exim\" = [\"exim\"] }\n[self_service]\nenroll = \"deny\"\nunenroll = \"allow\"\n",
    )
    .unwrap();
    let callers: Vec<_> = policy.broker.callers.iter().map(|one| (one.user.as_str(), one.origin)).collect();
    assert_eq!(callers, [("Debian-exim", Origin::Line(4)), ("postgres", Origin::Line(4))]);
    assert_eq!(policy.broker.help_desk.as_deref(), Some("helpdesk"));
    assert_eq!(policy.broker.protected.value, ["wheel"]);
    assert_eq!(policy.self_service.enroll.value, Schedule::always(Unenrolled::Deny));
    assert!(policy.self_service.unenroll && !Policy::defaults().self_service.unenroll);
    let told = mistakes("[broker]\ncallers = { \" x\" = [\"a b\"], y = 1 }\nhelp_desk = \"a:b\"\n");
    assert_eq!(told.len(), 4, "{told:#?}");
}

#[test]
fn a_wrong_value_is_named_with_its_place_and_the_remedy() {
    assert_eq!(
        mistakes("\n\n[interactive]\nunenrolled = \"optionl\"\n"),
        [
            "/etc/twostep/config.toml:4:14: unknown value \"optionl\" for `unenrolled`\n  hint: one of \"allow\", \"enroll\", \"deny\""
        ]
    );
    assert!(mistakes("[self_service]\nenroll = \"no\"\n")[0].contains("unknown value \"no\" for `enroll`"));
}

#[test]
fn all_mistakes_are_told_at_once() {
    let told = mistakes(
        "isuer = 1\n[paths]\nstore = \"store.db\"\nkey = 5\n[app]\nservices = [\"a b\", 3]\n[apps]\n",
    );
    assert_eq!(told.len(), 6, "{told:#?}");
    assert!(told[0].contains(":1:1: unknown key \"isuer\""));
    assert!(told[1].contains(":3:9: `store`: \"store.db\" is no path"));
    assert!(told[2].contains(":4:7: `key`: expected a string"));
    assert!(told[5].contains(":7:2: unknown key \"apps\""), "{}", told[5]);
}

#[test]
fn a_syntax_error_refuses_the_text() {
    let told = mistakes("[interactive]\nunenrolled = allow\n");
    assert!(told[0].starts_with("/etc/twostep/config.toml:2:14:"), "{told:?}");
}

#[test]
fn a_key_given_twice_is_a_mistake() {
    assert!(mistakes("[interactive]\nunenrolled = \"deny\"\nunenrolled = \"allow\"\n")[0].contains(":3:1"));
}

#[test]
fn columns_count_characters() {
    assert!(mistakes("issuer = \"ü\" x\n")[0].contains(":1:14"), "{:?}", mistakes("issuer = \"ü\" x\n"));
}

#[test]
fn a_rule_is_read_with_all_it_can_have() {
    let policy = parse(
        "[interactive]\ntrust = [\"key\"]\ntrust_days = 14\nask_everyone = true\n\n[[rule]]\nservice = [\"SSHD\", \"ftp*\"]\n\
         user = \"robot\"\ngroup = [\"ops\", \"dba\"]\nfrom = [\"192.0.2.7\", \"2001:db8::/32\"]\ntty = \"/dev/tty?\"\n\
         demand = \"nothing\"\nreason = \"nightly copies\"\nowner = \"alice\"\nuntil = 2027-01-31\n[[rule]]\nunenrolled = \"deny\"\ntrust = []\n",
    )
    .unwrap();
    assert_eq!(policy.interactive.trust.value, [DeviceKind::Key]);
    assert_eq!(policy.interactive.trust_for.as_secs(), 14 * 86_400);
    assert!(policy.interactive.ask_everyone);
    let [first, second] = &policy.rules[..] else { panic!("{:?}", policy.rules) };
    assert_eq!((first.origin, second.origin), (Origin::Line(6), Origin::Line(16)));
    assert!(first.services.as_ref().unwrap()[0].matches("sshd"));
    assert_eq!(first.networks.as_ref().unwrap().len(), 2);
    assert!(first.ttys.as_ref().unwrap()[0].matches("tty1"));
    assert_eq!(first.demand.as_ref().unwrap().value, Demanded::Nothing);
    assert_eq!(first.demand.as_ref().unwrap().origin, Origin::Line(12));
    assert_eq!((first.reason.as_deref(), first.owner.as_deref()), (Some("nightly copies"), Some("alice")));
    assert_eq!(first.until.unwrap(), UnixTime::of_date(2027, 2, 1).unwrap());
    assert!(first.is_exemption() && !second.is_exemption());
    assert_eq!(second.trust.as_ref().unwrap().value, []);
}

#[test]
fn a_schedule_is_a_word_or_words_with_dates() {
    let read = |text: &str| {
        parse(&format!("[interactive]\nunenrolled = {text}\n")).unwrap().interactive.unenrolled.value
    };
    let december = UnixTime::of_date(2026, 12, 1).unwrap();
    let later = Schedule::changing(Unenrolled::Allow, vec![(december, Unenrolled::Enroll)]).unwrap();
    assert_eq!(read("\"enroll from 2026-12-01\""), later);
    assert_eq!(read("[\"allow\", \"enroll from 2026-12-01\"]"), later);
    let hour = UnixTime(december.0 - 3_600);
    let offset = Schedule::changing(Unenrolled::Allow, vec![(hour, Unenrolled::Deny)]).unwrap();
    assert_eq!(read("\"deny from 2026-12-01T00:00:00+01:00\""), offset);
    for (text, about) in [
        ("\"allow from 2026-12-01\"", "what holds before"),
        ("[]", "empty"),
        ("[\"allow\", \"deny\"]", "do not follow"),
        ("[\"enroll from 2026-12-02\", \"deny from 2026-12-01\"]", "do not follow"),
        ("\"deny from 2026-02-30\"", "no time"),
        ("\"deny from tomorrow\"", "no time"),
        ("\"deny from 2026-12-01T08:00:00\"", "no time"),
        ("\"deny 2026-12-01\"", "unknown value"),
        ("true", "expected a string"),
    ] {
        let told = mistakes(&format!("[interactive]\nunenrolled = {text}\n"));
        assert!(told.len() == 1 && told[0].contains(about), "{text}: {told:?}");
    }
}

#[test]
fn what_is_wrong_with_a_rule_is_named() {
    for (text, about) in [
        ("service = \"sshd\"", "decides nothing"),
        ("demand = \"code\"\nservice = []", "empty"),
        ("demand = \"cod\"", "unknown value"),
        ("demand = \"code\"\nfrom = \"host.example\"", "no names"),
        ("demand = \"code\"\nfrom = \"10.0.0.1/8\"", "\"10.0.0.0/8\""),
        ("demand = \"code\"\nfrom = \"::ffff:10.0.0.0/104\"", "write it as IPv4"),
        ("demand = \"code\"\nfrom = \"10.0.0.0/33\"", "no network"),
        ("demand = \"code\"\nservice = \"a b\"", "no service name"),
        ("demand = \"code\"\nuser = [\"a:b\"]", "no user name"),
        ("demand = \"code\"\ngroup = [\"\"]", "no group"),
        ("demand = \"code\"\ntty = \"\"", "no `tty`"),
        ("demand = \"code\"\nuntil = \"2027-01-01\"", "without quotes"),
        ("demand = \"code\"\nuntil = 08:00:00", "no time"),
        ("demand = \"code\"\nreason = \"\"", "cannot be a `reason`"),
        ("demand = \"code\"\nservices = \"sshd\"", "unknown key"),
        ("demand = \"nothing\"\ntrust = [\"key\"]", "mean nothing"),
        ("demand = \"deny\"\nunenrolled = \"allow\"", "mean nothing"),
        ("demand = \"app-password\"\ntrust = [\"key\"]", "means nothing"),
        ("trust = \"cookie\"", "unknown value"),
        ("demand = \"nothing\"\nssh_keys = \"code\"", "mean nothing"),
        ("demand = \"app-password\"\nsecurity_keys = \"enough\"", "`security_keys` means nothing"),
        ("ssh_keys = true", "expected"),
        ("security_keys = \"allow\"", "unknown value"),
    ] {
        let told = mistakes(&format!("[[rule]]\n{text}\n"));
        assert!(told.len() == 1 && told[0].contains(about), "{text}: {told:?}");
    }
    assert!(mistakes("rule = 1\n")[0].contains("[[rule]]"));
    assert!(mistakes("rule = [1]\n")[0].contains("expected a table"));
    assert!(mistakes("[interactive]\ntrust_days = 366\n")[0].contains("1 to 365"));
    assert!(mistakes("[interactive]\ntrust_days = -1\n")[0].contains("1 to 365"));
    assert!(mistakes("[interactive]\nssh_keys = \"enogh\"\n")[0].contains("one of \"code\", \"enough\""));
    assert!(mistakes("[interactive]\nask_everyone = \"yes\"\n")[0].contains("true or false"));
}

#[test]
fn prefixes_of_translators_have_a_length_that_says_where_the_address_is() {
    let policy = parse("[places]\nnat64_prefixes = [\"2001:db8:64::/96\", \"64:ff9b:1::/48\"]\n").unwrap();
    assert_eq!(
        policy.nat64.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["2001:db8:64::/96", "64:ff9b:1::/48"]
    );
    assert_eq!(parse("[places]\nnat64_prefixes = \"2001:db8::/32\"\n").unwrap().nat64.len(), 1);
    for (text, about) in [
        (
            "nat64_prefixes = [\"2001:db8::/33\"]",
            "2:19: `nat64_prefixes`: \"2001:db8::/33\" is no prefix of a translator",
        ),
        ("nat64_prefixes = [\"2001:db8::1\"]", "/32, /40, /48, /56, /64 or /96"),
        ("nat64_prefixes = [\"192.0.2.0/24\"]", "no prefix of a translator"),
        ("nat64_prefixes = [\"2001:db8::1/96\"]", "\"2001:db8::/96\""),
        ("nat64_prefixes = [\"nat64.example\"]", "no names"),
        ("nat64_prefixes = []", "empty"),
        ("nat64_prefixes = 96", "a list of strings"),
        ("nat64 = \"2001:db8::/32\"", "unknown key"),
    ] {
        let told = mistakes(&format!("[places]\n{text}\n"));
        assert!(told.len() == 1 && told[0].contains(about), "{text}: {told:?}");
    }
}

#[test]
fn what_app_services_take_is_configured() {
    let text = "[app]\nmax_app_passwords = 7\nvirtual_users = true\ndomains = [\"Example.ORG\"]\nrevoke_on_password_change = true\n\
                [argon2id]\nmemory_kib = 46080\npasses = 1\nat_once = 3\n";
    let policy = parse(text).unwrap();
    assert_eq!((policy.app.most, policy.app.revoke_on_password_change), (7, true));
    let domains = Domains::Own(vec!["example.org".to_owned()]);
    assert_eq!(policy.app.naming, Naming { virtual_users: true, domains });
    assert_eq!(policy.argon2id.cost, Cost { memory: 46_080, passes: 1, lanes: 1 });
    assert_eq!(policy.argon2id.at_once, Some(3));
    for bad in [
        "[app]\nmax_app_passwords = 0",
        "[app]\nmax_app_passwords = 201",
        "[app]\nvirtual_users = \"yes\"",
        "[app]\ndomains = \"drop\"",
        "[app]\ndomains = []",
        "[app]\ndomains = [\"@example.org\"]",
        "[argon2id]\nmemory_kib = 7167",
        "[argon2id]\nmemory_kib = 131073",
        "[argon2id]\npasses = 0",
        "[argon2id]\nlanes = 5",
        "[argon2id]\nat_once = 0",
        // Each for itself would do.
        "[argon2id]\nmemory_kib = 7168\npasses = 4",
        "[argon2id]\nmemory_kib = 131072\npasses = 5",
        "[argon2id]\nmemory = 19456",
    ] {
        assert!(parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn the_roster_has_readers_and_groups() {
    let text = "[roster]\nkeep = false\nreaders = \"mail\"\nmembers = true\nenrolled = \"two\"\nunenrolled = \"\"\nfirst_gid = 900\n";
    let roster = parse(text).unwrap().roster;
    assert_eq!((roster.keep, roster.members), (false, true));
    assert_eq!(roster.readers, Readers::Group("mail".to_owned()));
    assert_eq!(roster.named(), [("two", 900), ("twostep-pending", 901), ("twostep-app", 902), ("", 903)]);
    assert_eq!(parse("[roster]\nreaders = \"everyone\"\n").unwrap().roster, Policy::defaults().roster);
    for (text, about) in [
        ("readers = \"a:b\"", "is no group"),
        ("enrolled = \"-x\"", "cannot be a group's name"),
        ("app = \"a group\"", "cannot be a group's name"),
        ("pending = \"ppppppppppppppppppppppppppppppppp\"", "cannot be a group's name"),
        ("enrolled = \"same\"\npending = \"same\"", "two groups have one name"),
        ("first_gid = 0", "first_gid"),
        ("first_gid = 4294967291", "first_gid"),
        ("groups = 1", "groups"),
    ] {
        let told = mistakes(&format!("[roster]\n{text}\n")).concat();
        assert!(told.contains(about), "{text}: {told}");
    }
}

#[test]
fn a_key_in_the_wrong_place_is_told_where_it_belongs() {
    for (text, told) in [
        (
            "unenrolled = \"deny\"\n",
            "`unenrolled` belongs to [interactive] or [app] or [roster]: put it below that line, or write interactive.unenrolled",
        ),
        (
            "[interactive]\nservices = [\"imap\"]\n",
            "`services` belongs to [app]: put it below that line, or write app.services",
        ),
        ("[interactive]\ntrust = []\nissuer = \"x\"\n", "`issuer` stands above the first line in brackets"),
        ("[interactive]\napp.services = [\"imap\"]\n", "`app` stands above the first line in brackets"),
        ("[[rule]]\ndemand = \"deny\"\nhelp_desk = \"x\"\n", "`help_desk` belongs to [broker]"),
    ] {
        let told_it = mistakes(text).concat();
        assert!(told_it.contains(told), "{text}: {told_it}");
    }
    assert!(!mistakes("isuer = 1\n").concat().contains("belongs"));
}

#[test]
fn every_mistake_says_what_to_do() {
    for text in [
        "issuer = 1\n",
        "interactive = 1\n",
        "rule = 1\n",
        "rule = [1]\n",
        "[app]\nservices = 1\nmax_app_passwords = \"x\"\nvirtual_users = 1\non_create = 1\n",
        "[broker]\nhelp_desk = \"a:b\"\nprotected = 1\ncallers = 1\n",
        "[[rule]]\nuser = \"*\"\nuntil = \"x\"\nfrom = \"x\"\n",
        "[[rule]]\n",
    ] {
        for mistake in parse(text).unwrap_err() {
            assert!(mistake.hint.is_some(), "{text}: {mistake}");
        }
    }
}

/// A key in quotes can have any letter. What is said of it goes to the log, on one line, and to terminals.
#[test]
fn no_key_reaches_log_or_terminal_as_it_is() {
    for value in ["1", "[1]", "[\"imap\"]"] {
        let text = format!("[broker.callers]\n\"a\\u001b]0;x\\u0007\\nresult=accepted\" = {value}\n");
        for mistake in parse(&text).unwrap_err() {
            let all = mistake.render(Path::new("config.toml")).replace("\n  hint: ", "; ");
            assert!(!all.chars().any(char::is_control), "{all:?}");
        }
    }
}
