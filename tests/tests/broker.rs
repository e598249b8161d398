//! The broker itself: who may ask it what, what it survives, and that nobody gets in when it does not.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use twostep_core::name::ServiceName;
use twostep_core::protocol::own::{Aid, Change, HelpDesk};
use twostep_core::protocol::{
    Answer, Echo, FromBroker, Message, Mode, Phase, Refusal, SignIn, ToBroker, Verdict,
};
use twostep_core::secret::Secret;
use twostep_host::link::{Link, LinkError};
use twostep_tests::broker::{SOCKET, TWOSTEPD};
use twostep_tests::callers::{SU, login, stacks, su};
use twostep_tests::pam::{Code, Item};
use twostep_tests::wait::PATIENCE;
use twostep_tests::{FalseBroker, Host, OrDie, Phone, RawLink, child, eventually, in_box, own};

const PASSWORD: &str = "correct horse";

/// alice is enrolled, bob and carol are not.
fn with_people(host: &Host) -> Phone {
    host.wire_su_and_sudo();
    for user in ["alice", "bob", "carol"] {
        host.add_user(user, PASSWORD);
    }
    host.enroll("alice")
}

fn connect() -> Link {
    Link::over(RawLink::connect().or_die("connect").into_socket())
}

/// Runs `body` as another user.
#[track_caller]
fn as_uid(uid: u32, body: impl FnOnce() -> String) -> String {
    child::run(|| {
        child::become_ids(uid, uid, uid, uid);
        body()
    })
}

fn sign_in(user: &str, service: &str) -> ToBroker {
    let sign_in = SignIn {
        phase: Phase::Auth,
        user: user.to_owned(),
        service: ServiceName::parse(service).or_die("read a service"),
        rhost: Some("203.0.113.9".to_owned()),
        tty: None,
        mode: Mode::ByService,
        prompt: None,
        echo: Echo::Hidden,
        config: None,
    };
    ToBroker::SignIn { sign_in }
}

/// What the broker says to one message.
fn told(message: &ToBroker) -> Result<FromBroker, LinkError> {
    let link = connect();
    link.send(message)?;
    link.receive(PATIENCE)
}

fn refusal(told: Result<FromBroker, LinkError>) -> Option<Refusal> {
    match told {
        Ok(FromBroker::Refused { refusal, .. }) => Some(refusal),
        _ => None,
    }
}

#[test]
fn a_screen_locker_asks_for_its_own_user_and_for_nobody_else() {
    in_box(|host| {
        let mut phone = with_people(host);
        let _broker = host.start_broker();
        let (alice, bob) = (host.uid("alice"), host.uid("bob"));
        assert_eq!(login([alice; 3], "vlock", "alice", &phone.fresh_code()), "PAM_SUCCESS PAM_SUCCESS");
        let line = host.wait_for_log(&["result=accepted", "reason=code ", "user=alice", "service=vlock"]);
        assert_eq!(line.value("from"), Some(format!("uid:{alice}").as_str()));
        assert_eq!(login([alice; 3], "vlock", "alice", &phone.wrong_code()), "PAM_AUTH_ERR");
        for (asker, user) in [(bob, "alice"), (bob, "root"), (alice, "bob"), (bob, "nobody-here")] {
            let told = login([asker; 3], "su", user, &phone.wrong_code());
            assert!(told.starts_with("PAM_AUTHINFO_UNAVAIL"), "{asker} for {user}: {told}");
        }
        let line =
            host.wait_for_log(&["result=refused", "reason=not-allowed", &format!("uid={bob}"), "user=alice"]);
        assert!(line.value("remedy").is_some(), "{line}");
        // Not one of these has touched alice's counts.
        assert_eq!(host.admin_json(&["show", "alice"])["wrong_codes"], 1);
    });
}

#[test]
fn a_service_asks_for_the_services_it_is_granted() {
    in_box(|host| {
        let mut phone = with_people(host);
        let app_password = host.add_app_password("alice", "psql");
        host.command("useradd", &["--system", "database"]).expect_success();
        let text = host.read("/etc/twostep/config.toml");
        let text = format!("{text}\n[app]\nservices = [\"postgresql\"]\n");
        let granted = format!("{text}\n[broker]\ncallers = {{ database = [\"postgresql\"] }}\n");
        let _broker = host.start_broker();
        let database = host.uid("database");
        let try_it = |service, user, reply: &str| login([database; 3], service, user, reply);

        // Nothing is granted unless the configuration says so; which is read at every request.
        host.write("/etc/twostep/config.toml", &text);
        assert_eq!(try_it("postgresql", "alice", &app_password), "PAM_AUTHINFO_UNAVAIL");
        host.write("/etc/twostep/config.toml", &granted);
        assert_eq!(try_it("postgresql", "alice", &app_password), "PAM_SUCCESS PAM_SUCCESS");
        host.wait_for_log(&["reason=app-password ", "user=alice", "service=postgresql", "psql"]);
        assert_eq!(try_it("postgresql", "alice", PASSWORD), "PAM_AUTH_ERR");
        assert_eq!(try_it("postgresql", "bob", PASSWORD), "PAM_SUCCESS PAM_SUCCESS", "not enrolled");
        for service in ["su", "exim", "imap"] {
            assert_eq!(try_it(service, "alice", &phone.fresh_code()), "PAM_AUTHINFO_UNAVAIL");
        }
        // And it has more places than any other, as soon as that was looked up.
        let busy = |uid: u32| {
            as_uid(uid, || {
                let links: Vec<_> = (0..40).filter_map(|_| RawLink::connect().ok()).collect();
                let busy = |link: &&RawLink| link.receive(20).is_some_and(|told| !told.is_empty());
                links.iter().filter(busy).count().to_string()
            })
        };
        eventually("it to have more places", || (busy(database) == "0").then_some(()));
        assert_eq!(busy(host.uid("bob")), "8");
    });
}

#[test]
fn whoever_asks_too_often_is_refused_and_nobody_else() {
    in_box(|host| {
        let phone = with_people(host);
        let _broker = host.start_broker();
        let (alice, wrong) = (host.uid("alice"), phone.wrong_code());
        // Eight at once, since one more is allowed every three seconds, and one login may take as long on a busy machine.
        let told = child::race(
            8,
            |_| (),
            |()| {
                let told: Vec<String> =
                    (0..12).map(|_| login([alice; 3], "vlock", "alice", &wrong)).collect();
                told.join(" ")
            },
        );
        assert!(told.iter().any(|one| one.contains("PAM_AUTHINFO_UNAVAIL")), "{told:?}");
        host.wait_for_log(&["result=refused", "reason=busy", &format!("uid={alice}"), "requests"]);
        assert_eq!(login([host.uid("bob"); 3], "vlock", "bob", ""), "PAM_SUCCESS PAM_SUCCESS");
        assert_eq!(login(SU, "su", "bob", ""), "PAM_SUCCESS PAM_SUCCESS");
    });
}

#[test]
fn killed_in_the_middle_it_lets_nobody_in() {
    in_box(|host| {
        let mut phone = with_people(host);
        let broker = host.start_broker();
        let mut console = su(host, "bob", "alice");
        console.answer("Password: ", PASSWORD);
        console.wait_for("Verification code: ");
        broker.kill();
        let broker = host.start_broker();
        console.type_line(&phone.fresh_code());
        assert!(console.end().is_some_and(|status| status != 0), "{}", console.shown());
        host.wait_for_log(&["result=unavailable", "reason=broker ", "service=su", "closed the connection"]);

        // Between the phases: the verdict of the first is worth nothing without the second.
        let (code, pid) = (phone.fresh_code(), broker.pid().cast_signed());
        let told = child::run(|| {
            let stacks = stacks();
            child::become_ids(0, 1234, 0, 0);
            let mut pam = stacks.start_answering("su", "alice", &*code);
            let auth = pam.authenticate(0);
            // SAFETY-free way to be root for a signal: the effective uid is 0.
            let killed = Command::new("/bin/kill").args(["-KILL", &pid.to_string()]).status();
            assert!(killed.is_ok_and(|status| status.success()));
            eventually("the broker to be gone", || RawLink::connect().err());
            let account = pam.acct_mgmt(0);
            std::mem::forget(stacks);
            format!("{auth:?} {account:?}")
        });
        assert_eq!(told, "PAM_SUCCESS PAM_AUTHINFO_UNAVAIL");
        drop(broker);
        let _broker = host.start_broker();
        assert_eq!(login(SU, "su", "alice", &phone.fresh_code()), "PAM_SUCCESS PAM_SUCCESS");
    });
}

#[test]
fn told_to_end_it_answers_first() {
    in_box(|host| {
        let mut phone = with_people(host);
        let broker = host.start_broker();
        let mut console = su(host, "bob", "alice");
        console.answer("Password: ", PASSWORD);
        console.wait_for("Verification code: ");
        broker.signal(libc::SIGTERM);
        eventually("the broker to accept nobody any more", || RawLink::connect().err());
        console.type_line(&phone.fresh_code());
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        assert_eq!(broker.stop(), Some(0));
        host.wait_for_log(&["twostepd[", "ends as told"]);

        // Whoever does not answer is not waited for for ever.
        let broker = host.start_broker();
        let mut console = su(host, "bob", "alice");
        console.answer("Password: ", PASSWORD);
        console.wait_for("Verification code: ");
        assert_eq!(broker.stop(), Some(0));
        console.type_line("123456");
        assert!(console.end().is_some_and(|status| status != 0), "{}", console.shown());
    });
}

#[test]
fn a_thousand_idle_connections_cost_nobody_else() {
    in_box(|host| {
        let mut phone = with_people(host);
        host.wire_sshd();
        host.start_sshd("");
        let broker = host.start_broker();
        let bob = host.uid("bob");
        let idle = child::start(|| {
            child::become_ids(bob, bob, bob, bob);
            let links: Vec<RawLink> = (0..1_000).filter_map(|_| RawLink::connect().ok()).collect();
            // The broker's own limit is told; then everybody is sent away for saying nothing.
            let (mut busy, mut closed) = (0, 0);
            for link in &links {
                let mut told = link.receive(300_000);
                while let Some(words) = told.as_ref().filter(|words| !words.is_empty()) {
                    busy += usize::from(words.len() > 2);
                    told = link.receive(300_000);
                }
                closed += usize::from(told.is_some());
            }
            format!("{busy} {closed} {}", links.len())
        });
        // The limit holds before there is a thread: beside bob's 32 there are the first one, that of su, and one that looks up whether bob is
        // in `[broker] callers`.
        let threads = || {
            let threads = broker.threads();
            assert!(threads <= 32 + 3, "{threads} threads");
            threads
        };
        eventually("the connections to be there", || (threads() > 30).then_some(()));
        let mut console = su(host, "carol", "alice");
        console.answer("Password: ", PASSWORD);
        threads();
        console.answer("Verification code: ", &phone.fresh_code());
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        threads();
        let told = idle.join();
        let numbers: Vec<usize> = told.split(' ').map(|text| text.parse().or_die("read a number")).collect();
        let [busy, closed, all] = numbers[..] else { panic!("{told}") };
        assert_eq!((closed, all), (1_000, 1_000), "{told}");
        assert!(busy >= 900, "{told}");
        eventually("the threads to end", || (broker.threads() == 1).then_some(()));
        host.wait_for_log(&["twostepd[", &format!("uid={bob}"), "too many connections"]);
        let mut console = su(host, "bob", "carol");
        console.answer("Password: ", PASSWORD);
        assert_eq!(console.end(), Some(0), "{}", console.shown());
    });
}

/// Bytes of every kind, whole and half messages, in and out of turn.
#[test]
fn garbage_does_the_broker_no_harm() {
    in_box(|host| {
        let mut phone = with_people(host);
        let broker = host.start_broker();
        let bob = host.uid("bob");
        let whole = sign_in("bob", "su").encode().or_die("encode").to_vec();
        as_uid(bob, || {
            let mut state = 0x2545_f491_4f6c_dd1d_u64;
            let mut random = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                usize::try_from(state >> 33).unwrap_or(0)
            };
            for round in 0..3_000 {
                let Ok(link) = RawLink::connect() else { continue };
                let mut bytes: Vec<u8> = match round % 4 {
                    0 => (0..random() % 9_000).map(|_| (random() & 0xff) as u8).collect(),
                    1 => whole[..random() % whole.len()].to_vec(),
                    _ => whole.clone(),
                };
                if round % 4 == 2 && !bytes.is_empty() {
                    let at = random() % bytes.len();
                    bytes[at] ^= 1 << (random() % 8);
                }
                link.send(&bytes);
                if round % 7 == 0 {
                    link.receive(1_000);
                    link.send(&bytes);
                }
            }
            String::new()
        });
        assert_eq!(login(SU, "su", "alice", &phone.fresh_code()), "PAM_SUCCESS PAM_SUCCESS");
        eventually("the threads to end", || (broker.threads() == 1).then_some(()));
        assert_eq!(broker.stop(), Some(0));
    });
}

/// bob speaks the protocol as well as anybody, and wants what is alice's.
#[test]
fn nobody_sees_or_changes_what_is_anothers() {
    in_box(|host| {
        let phone = with_people(host);
        host.add_app_password("alice", "mail");
        host.enroll("bob");
        let before = host.admin_json(&["show", "alice"]);
        let history = host.admin_json(&["history", "alice"]);
        let _broker = host.start_broker();
        let (bob, code) = (host.uid("bob"), phone.code_at(twostep_tests::phone::unix_time()));
        as_uid(bob, || {
            let named = |user: &str| Some(user.to_owned());
            let secret = || Secret::new(code.as_bytes().to_vec());
            let requests = [
                ToBroker::Status { user: named("alice") },
                ToBroker::Status { user: named("root") },
                ToBroker::Status { user: named("nobody-here") },
                ToBroker::Status { user: named("alice\n") },
                ToBroker::History { user: named("alice"), limit: 10 },
                ToBroker::Change { user: named("alice"), change: Change::RevokeAllAppPasswords },
                ToBroker::Change { user: named("alice"), change: Change::BackupCodes },
                ToBroker::Change { user: named("alice"), change: Change::Enroll { label: "x".to_owned() } },
                sign_in("alice", "su"),
                sign_in("alice", "imap"),
                sign_in("root", "sudo"),
                ToBroker::HelpDesk {
                    task: HelpDesk { user: "alice".to_owned(), reason: "x".to_owned(), aid: Aid::Show },
                },
            ];
            for request in &requests {
                let told = told(request);
                assert_eq!(refusal(told.clone()), Some(Refusal::NotAllowed), "{request:?}: {told:?}");
            }
            // Out of turn.
            for request in [
                ToBroker::Answer { answer: Answer::Text { text: secret() } },
                ToBroker::Commit { user: "alice".to_owned() },
                ToBroker::Confirm { code: secret() },
            ] {
                assert_eq!(refusal(told(&request)), Some(Refusal::Protocol), "{request:?}");
            }
            // A login of one's own does not become another's.
            let link = connect();
            link.send(&sign_in("bob", "su")).or_die("send");
            assert!(matches!(link.receive(PATIENCE), Ok(FromBroker::Ask { .. })));
            link.send(&ToBroker::Commit { user: "alice".to_owned() }).or_die("send");
            let told = link.receive::<FromBroker>(PATIENCE);
            assert_eq!(told, Ok(FromBroker::Verdict { verdict: Verdict::TalkFailed }));
            // Nor does a proof come about without answers.
            let link = connect();
            link.send(&ToBroker::Change { user: None, change: Change::BackupCodes }).or_die("send");
            assert!(matches!(link.receive(PATIENCE), Ok(FromBroker::Ask { .. })));
            link.send(&ToBroker::Change { user: None, change: Change::BackupCodes }).or_die("send");
            assert_eq!(refusal(link.receive(PATIENCE)), Some(Refusal::Protocol));
            String::new()
        });
        assert_eq!(host.admin_json(&["show", "alice"]), before);
        assert_eq!(host.admin_json(&["history", "alice"]), history);
        // Of a user's own, what is asked for without proof holds no secret.
        as_uid(bob, || {
            let Ok(FromBroker::Status { status }) = told(&ToBroker::Status { user: None }) else {
                panic!("no status");
            };
            assert_eq!(status.user, "bob");
            String::new()
        });
    });
}

/// A login that has ended as it should for one name is not brought to its end for another.
#[test]
fn the_account_phase_is_for_who_gave_the_code() {
    in_box(|host| {
        let mut phone = with_people(host);
        let _broker = host.start_broker();
        let code = phone.fresh_code();
        let told = child::run(|| {
            let stacks = stacks();
            child::become_ids(0, 1234, 0, 0);
            let mut pam = stacks.start_answering("su", "alice", &*code);
            let auth = pam.authenticate(0);
            pam.set_item(Item::User, "bob");
            let account = pam.acct_mgmt(0);
            std::mem::forget(stacks);
            format!("{auth:?} {account:?}")
        });
        assert_eq!(told, format!("PAM_SUCCESS {:?}", Code::PERM_DENIED));
        host.wait_for_log(&["reason=user-switched", "service=su"]);
    });
}

/// With no more than the unit leaves it: two capabilities, no new privileges, a socket that is handed over.
#[test]
fn it_works_with_what_its_unit_leaves_it() {
    in_box(|host| {
        let mut phone = with_people(host);
        host.edit("/etc/twostep/config.toml", |line| {
            line.replace("#roster.readers = \"everyone\"", "roster.readers = \"mail\"")
        });
        let socket = FalseBroker::listen();
        fs::set_permissions(SOCKET, fs::Permissions::from_mode(0o666)).or_die("open the socket");
        let unit = host.read(
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd/twostepd.service"),
        );
        assert!(
            unit.contains("CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_CHOWN\n")
                && unit.contains("NoNewPrivileges=yes")
        );
        let start = format!(
            "LISTEN_FDS=1 LISTEN_PID=$$ exec setpriv --bounding-set -all,+dac_read_search,+chown --no-new-privs {TWOSTEPD}"
        );
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &start]);
        socket.hand_to(&mut command);
        let broker = host.start_broker_with(&mut command);
        host.wait_for_log(&["twostepd[", "begins, listening on the supervisor's socket"]);
        let status = host.read(format!("/proc/{}/status", broker.pid()));
        let bounding =
            status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or_default().trim();
        assert_eq!(u64::from_str_radix(bounding, 16).or_die("read capabilities"), 1 << 2 | 1, "{status}");

        let mut console = su(host, "bob", "alice");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &phone.fresh_code());
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        let mut console =
            twostep_tests::callers::as_user(host, "alice", "/usr/bin/twostep", &["backup-codes"], &[]);
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &phone.fresh_code());
        console.wait_for("Backup codes");
        assert_eq!(console.end(), Some(0), "{}", console.shown());

        // A roster that is made anew is its readers'.
        let roster = "/var/lib/twostep-public/roster";
        fs::remove_file(roster).or_die("remove the roster");
        own::enroll(host, "bob", PASSWORD);
        let made = fs::metadata(roster).or_die("find the roster");
        assert_eq!((made.gid(), made.mode() & 0o7777), (8, 0o640));

        // A broken configuration does not keep it from starting: it is told to whoever asks, until it is mended.
        let text = host.read("/etc/twostep/config.toml");
        host.write("/etc/twostep/config.toml", &format!("{text}\nnonsense = 1\n"));
        assert_eq!(login(SU, "su", "alice", "123456"), "PAM_AUTHINFO_UNAVAIL");
        broker.signal(libc::SIGHUP);
        host.wait_for_log(&["twostepd[", "config.toml", "nonsense"]);
        host.write("/etc/twostep/config.toml", &text);
        broker.signal(libc::SIGHUP);
        host.wait_for_log(&["twostepd[", "the configuration is good"]);
        assert_eq!(login(SU, "su", "alice", &phone.fresh_code()), "PAM_SUCCESS PAM_SUCCESS");
        // The socket stays: it is the supervisor's.
        assert_eq!(broker.stop(), Some(0));
        assert!(fs::metadata(SOCKET).is_ok());
    });
}

#[test]
fn it_does_not_start_where_it_cannot_be_trusted() {
    in_box(|host| {
        let bob = {
            host.add_user("bob", PASSWORD);
            host.uid("bob")
        };
        let told = as_uid(bob, || {
            let done = Command::new(TWOSTEPD).output().or_die("start twostepd");
            format!("{:?} {}", done.status.code(), String::from_utf8_lossy(&done.stderr))
        });
        assert!(told.starts_with("Some(3)") && told.contains("must be started as root"), "{told}");
        let told = as_uid(bob, || {
            let done = Command::new(TWOSTEPD).args(["prove", "bob"]).output().or_die("start twostepd");
            format!("{:?}", done.status.code())
        });
        assert_eq!(told, "Some(2)");
        let done = host.command(TWOSTEPD, &["close"]);
        assert!(done.status == 2 && done.stderr.contains("for twostepd itself"), "{done}");
        host.set_mode("/run/twostep", 0o777);
        let done = host.command(TWOSTEPD, &[]);
        assert!(done.status == 3 && done.stderr.contains("chmod go-w /run/twostep"), "{done}");
        host.set_mode("/run/twostep", 0o755);
        let _broker = host.start_broker();
        let done = host.command(TWOSTEPD, &[]);
        assert!(done.status == 3 && done.stderr.contains("another twostepd listens"), "{done}");
    });
}
