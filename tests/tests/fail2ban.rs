//! fail2ban's filter: which lines of the log count as guesses, and whose address is taken. By fail2ban-regex, on the lines as they are
//! written.

use std::collections::BTreeSet;
use std::time::Duration;

use twostep_core::attempt::Source;
use twostep_core::change::{Action, Author, By};
use twostep_core::device::SeenKey;
use twostep_core::event::{Event, Reason};
use twostep_core::name::{ServiceName, UserName};
use twostep_core::policy::Origin;
use twostep_core::time::UnixTime;
use twostep_tests::{Host, in_bare_box};

/// In which mode of the filter a reason counts, besides those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    Code,
    App,
    Aggressive,
    Never,
}

impl Counts {
    fn modes(self) -> &'static [&'static str] {
        match self {
            Self::Code => &["code", "normal", "aggressive"],
            Self::App => &["app", "normal", "aggressive"],
            Self::Aggressive => &["aggressive"],
            Self::Never => &[],
        }
    }
}

const MODES: [&str; 4] = ["code", "app", "normal", "aggressive"];

/// What a name would look like that is to get somebody else banned.
const FORGED: &str = "x\" result=refused reason=code-wrong user=bob service=sshd from=192.0.2.66 y=\"";

fn event(reason: Reason, from: &str) -> Event {
    Event {
        reason,
        user: UserName::parse("alice").ok(),
        service: ServiceName::parse("sshd").ok(),
        source: Some(Source::of_host(from, &[])),
    }
}

/// A line of the log with everything before it, in both formats that syslog writes.
fn in_both_formats(tag: &str, line: &str) -> [String; 2] {
    [
        format!("Nov 24 13:45:01 box {tag}[4711]: {line}\n"),
        format!("2026-11-24T13:45:01.123456+00:00 box {tag}[4711]: {line}\n"),
    ]
}

fn put_in_place(host: &Host) {
    for file in ["filter.d/twostep.conf", "jail.d/twostep.conf"] {
        let ours = format!("{}/../packaging/fail2ban/{file}", env!("CARGO_MANIFEST_DIR"));
        host.write(format!("/etc/fail2ban/{file}"), &host.read(ours));
    }
}

/// The addresses that the filter finds in a log, in its order.
fn found(host: &Host, mode: &str, log: &str, more: &[&str]) -> Vec<String> {
    host.write("/tmp/log", log);
    let filter = format!("twostep[mode={mode}]");
    let arguments = [&["-c", "/etc/fail2ban", "-o", "<ip>"], more, &["/tmp/log", &filter]].concat();
    let done = host.command("fail2ban-regex", &arguments).expect_success();
    done.stdout.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn orphan(cause: &'static str) -> Reason {
    Reason::Orphan { of: UserName::parse("alice").expect("a name"), cause }
}

/// What tells of a guess, and what of a mistake.
fn guesses() -> Vec<(Reason, Counts)> {
    use Counts::{Aggressive, App, Code, Never};
    let name = || "old phone".to_owned();
    vec![
        (Reason::CodeWrong, Code),
        (Reason::CodeOfAnotherTime { seconds: 600 }, Code),
        (Reason::UserUnknown, Code),
        (orphan("code-wrong"), Code),
        (Reason::NotAnAppPassword, App),
        (Reason::AppPasswordWrong, App),
        (Reason::CodeReplayed, Aggressive),
        (Reason::Throttled { wait: Duration::from_secs(9) }, Aggressive),
        (Reason::BypassOver, Aggressive),
        (Reason::SameAsPassword, Aggressive),
        (Reason::AppPasswordRevoked { name: name() }, Never),
        (Reason::AppPasswordExpired { name: name(), since: UnixTime(0) }, Never),
        (Reason::AppPasswordOutOfScope { name: name(), cause: "service" }, Never),
        (Reason::AppPasswordAtPrompt, Never),
        (Reason::Capped, Never),
        (Reason::ClockBehind, Never),
        (Reason::Empty, Never),
        (Reason::Conversation, Never),
    ]
}

/// What tells of the user or the host.
fn states() -> Vec<Reason> {
    let text = || "something".to_owned();
    let info = b"publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    let key = SeenKey::of_auth_info(info).expect("a key");
    vec![
        Reason::DeniedByRule { rule: Origin::Line(7) },
        Reason::NotSetUp { cause: "nothing was entered" },
        Reason::NotEnrolledDenied,
        Reason::EnrollmentChanged,
        Reason::BypassNotEnough,
        Reason::AppOnly,
        Reason::UidChanged { was: 1, is: 2 },
        orphan("code-replayed"),
        orphan("app-service"),
        Reason::NameSpelling,
        Reason::VirtualUsersOff,
        Reason::KeyAlone,
        Reason::CodeNotAsked,
        Reason::UserSwitched,
        Reason::AccountExpired,
        Reason::NotAllowed { uid: 1, more: 0 },
        Reason::Busy { uid: 1, cause: "requests", more: 0 },
        Reason::Store { cause: text(), remedy: text() },
        Reason::Configuration { cause: text() },
        Reason::AtOdds { rule: Origin::Line(7) },
        Reason::Argument { word: text() },
        Reason::Broker { cause: text(), remedy: text() },
        Reason::Nss { cause: text() },
        Reason::CodeUnjudged,
        Reason::Service,
        Reason::Internal { cause: text() },
        Reason::Hash { cause: text(), remedy: "" },
        Reason::Code { authenticator: 1 },
        Reason::BackupCode { left: 9 },
        Reason::BypassCode { left: 0 },
        Reason::AppPassword { name: text() },
        Reason::Key,
        Reason::SshKey { key: key.fingerprint.clone() },
        Reason::SecurityKey { key: key.fingerprint },
        Reason::TrustedDevice { device: text() },
        Reason::NotEnrolled,
        Reason::PendingSkipped,
        Reason::ToEnroll { by: None },
        Reason::Exempt { rule: Origin::Line(7) },
        Reason::Activated,
    ]
}

#[test]
fn only_guesses_count_and_in_the_mode_that_they_belong_to() {
    in_bare_box(|host| {
        put_in_place(host);
        let documented = host.read(format!("{}/../docs/log.md", env!("CARGO_MANIFEST_DIR")));
        let states = states().into_iter().map(|reason| (reason, Counts::Never));
        let all: Vec<_> = guesses().into_iter().chain(states).collect();
        for row in documented.lines().filter_map(|line| line.strip_prefix("| `result=refused reason=")) {
            let word = row.split('`').next().unwrap_or_default();
            assert!(all.iter().any(|(reason, _)| reason.word() == word), "{word}: does it count?");
        }
        let mut log = String::new();
        let mut expected = vec![BTreeSet::new(); MODES.len()];
        for (number, (reason, counts)) in all.into_iter().enumerate() {
            for (family, from) in ["198.51.100.", "2001:db8::a:"].into_iter().enumerate() {
                let from = format!("{from}{}", number + 1);
                let tag = if number % 2 == 0 { "pam_twostep" } else { "twostepd" };
                // One format for each family here; the other way round in the next test.
                log += &in_both_formats(tag, &event(reason.clone(), &from).line())[family];
                for (mode, expected) in MODES.iter().zip(&mut expected) {
                    if counts.modes().contains(mode) {
                        expected.insert(from.clone());
                    }
                }
            }
        }
        for (mode, expected) in MODES.iter().zip(expected) {
            let found: BTreeSet<_> = found(host, mode, &log, &[]).into_iter().collect();
            assert_eq!(found, expected, "mode {mode}, in\n{log}");
        }
    });
}

#[test]
fn the_address_is_the_one_that_the_module_wrote() {
    in_bare_box(|host| {
        put_in_place(host);
        let mut log = String::new();
        let mut expected = Vec::new();
        // Users whose names hold keys, and none at all.
        for (number, user) in
            [FORGED, "x y", "EXAMPLE\\alice", "jürgen", "a from=192.0.2.66"].iter().enumerate()
        {
            for from in [format!("198.51.100.{number}"), format!("2001:db8::a{number}")] {
                let user = UserName::parse(user).ok();
                assert!(user.is_some());
                let line = Event { user, ..event(Reason::CodeWrong, &from) }.line();
                log.extend(in_both_formats("pam_twostep", &line));
                expected.extend([from.clone(), from]);
            }
        }
        let bare = Event { user: None, service: None, ..event(Reason::CodeWrong, "203.0.113.1") };
        log.extend(in_both_formats("twostepd", &bare.line()));
        let mapped = event(Reason::CodeWrong, "::ffff:203.0.113.1");
        log.extend(in_both_formats("twostepd", &mapped.line()));
        expected.extend(["203.0.113.1"; 4].map(str::to_owned));
        assert_eq!(found(host, "normal", &log, &[]), expected, "in\n{log}");
    });
}

#[test]
fn nobody_is_banned_by_a_forged_line() {
    in_bare_box(|host| {
        put_in_place(host);
        let name = || FORGED.to_owned();
        let author = Author { by: By::User, why: None };
        let change = Reason::Change { action: Action::AppPasswordAdd, author, target: Some(name()) };
        let forged = [
            Reason::AppPassword { name: name() },
            Reason::AppPasswordRevoked { name: name() },
            Reason::TrustedDevice { device: name() },
            Reason::Argument { word: name() },
            Reason::Store { cause: name(), remedy: name() },
            change,
        ];
        let mut lines: Vec<String> =
            forged.map(|reason| Event { source: None, ..event(reason, "192.0.2.1") }.line()).into();
        // From somewhere that is no address.
        let nowhere = ["evil.example 192.0.2.66", "192.0.2.66.example"]
            .map(|host| Source::of_host(host, &[]))
            .into_iter()
            .chain([
                Source::Local,
                Source::Caller(1000),
                Source::Service(ServiceName::parse("cron").unwrap()),
            ]);
        lines
            .extend(nowhere.map(|source| {
                Event { source: Some(source), ..event(Reason::CodeWrong, "192.0.2.1") }.line()
            }));
        lines.push(Event { source: None, ..event(Reason::CodeWrong, "192.0.2.1") }.line());
        let mut log: String = lines.iter().flat_map(|line| in_both_formats("pam_twostep", line)).collect();
        // What other programs write, with whatever a stranger has told them.
        let guess = event(Reason::CodeWrong, "192.0.2.66").line();
        for (tag, text) in [
            ("sshd", guess.clone()),
            ("sshd", format!("pam_twostep[1]: {guess}")),
            ("sshd", format!("Invalid user pam_twostep[1]: {guess} from 192.0.2.1 port 22")),
            ("xpam_twostep", guess.clone()),
            ("twostep-admin", guess.clone()),
            ("pam_twostep", format!("debug {guess}")),
            ("pam_twostep", format!("{guess}x")),
            ("pam_twostep", format!("{guess} and so on")),
        ] {
            log.extend(in_both_formats(tag, &text));
        }
        log += &format!("Nov 24 13:45:01 sshd[1]: pam_twostep[1]: {guess}\n");
        assert_eq!(found(host, "aggressive", &log, &[]), [""; 0], "in\n{log}");
    });
}

#[test]
fn the_journal_is_read_too_and_only_what_root_has_sent() {
    in_bare_box(|host| {
        put_in_place(host);
        // As fail2ban puts an entry together; its time is a field of its own.
        let line = event(Reason::CodeWrong, "2001:db8::1").line();
        let log = format!("box pam_twostep[4711]: {line}\nbox sshd[1]: {line}\npam_twostep[1]: {line}\n");
        assert_eq!(found(host, "normal", &log, &["-d", "{NONE}"]), ["2001:db8::1", "2001:db8::1"]);

        let configuration = |local: &str| {
            host.write("/etc/fail2ban/jail.d/zz.local", &format!("[sshd]\nenabled = false\n{local}"));
            host.command("fail2ban-client", &["-c", "/etc/fail2ban", "-d"]).expect_success().stdout
        };
        assert!(!configuration("").contains("twostep"), "the jails are not off");
        let on = configuration("[twostep]\nenabled = true\n[twostep-app]\nenabled = true\n");
        for jail in ["twostep", "twostep-app"] {
            let matched = format!(
                "['set', '{jail}', 'addjournalmatch', '_UID=0', 'SYSLOG_IDENTIFIER=pam_twostep', '+', '_UID=0', \
                 'SYSLOG_IDENTIFIER=twostepd']"
            );
            assert!(on.contains(&matched), "{on}");
            assert!(on.contains(&format!("['start', '{jail}']")), "{on}");
        }
    });
}
