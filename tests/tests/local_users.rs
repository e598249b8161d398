//! Local users who mean harm: to somebody's account, to all who need the broker, to the log.

use std::fs;
use std::path::Path;
use std::process::Command;

use twostep_core::name::ServiceName;
use twostep_core::protocol::{Echo, FromBroker, Message, Mode, Phase, Refusal, SignIn, ToBroker};
use twostep_tests::broker::{TWOSTEPD, a_file_that_is_slow_to_close, on_an_old_kernel};
use twostep_tests::callers::{su, sudo};
use twostep_tests::fuse::flood;
use twostep_tests::wait::soon;
use twostep_tests::{Host, OrDie, Phone, RawLink, child, eventually, in_box};

const PASSWORD: &str = "correct horse";
const ALICES: &str = "battery staple";

/// alice is enrolled; mallory and carol are not, and mallory knows alice's password.
fn with_people(host: &Host) -> Phone {
    host.wire_su_and_sudo();
    host.add_user("alice", ALICES);
    for user in ["mallory", "carol"] {
        host.add_user(user, PASSWORD);
    }
    host.enroll("alice")
}

/// mallory tries a wrong code for alice.
#[track_caller]
fn guess(host: &Host, wrong: &str) -> String {
    let mut console = su(host, "mallory", "alice");
    console.answer("Password: ", ALICES);
    console.answer("Verification code: ", wrong);
    assert_ne!(console.end(), Some(0), "{}", console.shown());
    console.shown().to_owned()
}

/// Whoever runs su is where a login comes from: the owner does not wait for a guesser's mistakes, and her right codes do not let him begin
/// anew.
#[test]
fn a_guesser_at_su_neither_locks_the_owner_out_nor_begins_anew_with_her() {
    in_box(|host| {
        let mut phone = with_people(host);
        let _broker = host.start_broker();
        let wrong = phone.wrong_code();
        for _ in 0..5 {
            guess(host, &wrong);
        }
        let mallory = format!("from=uid:{}", host.uid("mallory"));
        host.wait_for_log(&["reason=code-wrong", "user=alice", "service=su", &mallory]);
        assert!(guess(host, &wrong).contains("Please try again in"));

        let mut console = sudo(host, "alice");
        console.answer("password for alice: ", ALICES);
        console.answer("Verification code: ", &phone.fresh_code());
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        let alice = format!("from=uid:{}", host.uid("alice"));
        host.wait_for_log(&["result=accepted", "user=alice", "service=sudo", &alice]);
        assert!(guess(host, &wrong).contains("Please try again in"));
        assert_eq!(host.admin_json(&["show", "alice"])["wrong_codes"], 5);
    });
}

/// Waits until somebody has removed a file: what children are told by.
fn until_removed(file: &str) {
    eventually(format_args!("{file} to be removed"), || (!Path::new(file).exists()).then_some(()));
}

/// An open file that comes with a message is closed by whoever throws the message away, which can take as long as its sender likes.
#[test]
fn files_that_are_sent_along_hold_nobody_up() {
    in_box(|host| {
        with_people(host);
        let broker = host.start_broker();
        let mallory = host.uid("mallory");
        let [connected, stay] = ["/tmp/connected", "/tmp/stay"];
        host.write(stay, "");
        let sender = child::start(|| {
            child::become_ids(mallory, mallory, mallory, mallory);
            // As many as she may have, and more: some are turned away, some are read, some are never read.
            let mut kept = Vec::new();
            for _ in 0..140 {
                let (slow, other_end) = a_file_that_is_slow_to_close();
                if let Ok(link) = RawLink::connect() {
                    link.send_with(b"\x01\x04\x00", &slow);
                    link.send_with(b"\x01\x04\x00", &slow);
                    kept.push((link, other_end));
                }
                // The last one to close it is held up, which is not to be this loop.
                std::thread::spawn(move || drop(slow));
            }
            fs::write(connected, "").or_die("tell that all are connected");
            until_removed(stay);
            fs::remove_file(connected).or_die("tell that they go");
            // The links go, the other ends stay: nobody ever reads them.
            let _others: Vec<_> = kept.into_iter().map(|(_, other_end)| other_end).collect();
            loop {
                std::thread::park();
            }
        });
        // While they come, while they are there, and while they go.
        let step = |number| match number {
            1 => eventually("mallory to connect", || fs::metadata(connected).ok().map(drop)),
            3 => {
                fs::remove_file(stay).or_die("have mallory go");
                until_removed(connected);
            }
            _ => {}
        };
        for number in 0..5 {
            step(number);
            let mut console = su(host, "alice", "carol");
            console.answer("Password: ", PASSWORD);
            assert_eq!(console.end(), Some(0), "{}", console.shown());
        }
        eventually("the threads to end", || (broker.threads() == 1).then_some(()));
        assert_eq!(broker.stop(), Some(0));
        sender.kill();
    });
}

/// A file on a FUSE file system of one's own is closed when its server says so, and no signal ends that. Here the kernel cannot refuse
/// messages with open files.
#[test]
fn files_that_are_never_closed_hold_nobody_up() {
    in_box(|host| {
        with_people(host);
        let broker = host.start_broker_with(on_an_old_kernel(&mut Command::new(TWOSTEPD)));
        let mallory = host.uid("mallory");
        let sent = "/tmp/sent";
        let sender = flood(mallory, 2_400, sent);
        let su_is_answered = || {
            soon("su", || {
                let mut console = su(host, "alice", "carol");
                console.answer("Password: ", PASSWORD);
                assert_eq!(console.end(), Some(0), "{}", console.shown());
            });
        };
        for _ in 0..3 {
            su_is_answered();
        }
        eventually("mallory to send all", || fs::metadata(sent).ok().map(drop));
        su_is_answered();
        host.wait_for_log(&["twostepd[", &format!("uid={mallory}"), "open files"]);
        let connects = || {
            child::run(|| {
                child::become_ids(mallory, mallory, mallory, mallory);
                RawLink::connect().is_ok().to_string()
            })
        };
        assert_eq!(connects(), "false");
        // Nothing of it is left in the broker: the connections are closed elsewhere. One thread waits for that.
        eventually("the threads to end", || (broker.threads() <= 2).then_some(()));
        let pid = broker.pid();
        let files = fs::read_dir(format!("/proc/{pid}/fd")).or_die("list descriptors").count();
        assert!(files < 20, "{files} descriptors");
        assert_eq!(soon("the end", || broker.stop()), Some(0));

        // The process that hangs hinders no broker, nor can mallory start again without being kept out again; until all is closed.
        let broker = host.start_broker_with(on_an_old_kernel(&mut Command::new(TWOSTEPD)));
        assert_eq!(connects(), "true");
        fs::remove_file(sent).or_die("remove a file");
        let again = flood(mallory, 100, sent);
        eventually("mallory to be kept out", || (connects() == "false").then_some(()));
        su_is_answered();
        again.kill();
        eventually("mallory to be let in", || (connects() == "true").then_some(()));
        eventually("the threads to end", || (broker.threads() == 1).then_some(()));

        // Those who wait to be accepted as it ends are no other.
        broker.signal(libc::SIGSTOP);
        fs::remove_file(sent).or_die("remove a file");
        let last = flood(mallory, 100, sent);
        eventually("mallory to send all", || fs::metadata(sent).ok().map(drop));
        broker.signal(libc::SIGTERM);
        broker.signal(libc::SIGCONT);
        assert_eq!(soon("the end", || broker.stop()), Some(0));
        last.kill();
        sender.kill();
    });
}

/// Subordinate uids (subuid(5)) are 65,536 for everybody: to the broker they are one.
#[test]
fn many_uids_are_one_party() {
    in_box(|host| {
        with_people(host);
        let broker = host.start_broker();
        let stay = "/tmp/stay";
        host.write(stay, "");
        let crowd: Vec<_> = (0..16u32)
            .map(|n| {
                child::start(move || {
                    let uid = 200_000 + n;
                    child::become_ids(uid, uid, uid, uid);
                    let links: Vec<RawLink> = (0..128).filter_map(|_| RawLink::connect().ok()).collect();
                    until_removed(stay);
                    format!("{}", links.len())
                })
            })
            .collect();
        eventually("them to be there", || (broker.threads() > 30).then_some(()));
        let mut console = su(host, "alice", "carol");
        console.answer("Password: ", PASSWORD);
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        fs::remove_file(stay).or_die("have them go");
        crowd.into_iter().for_each(|one| drop(one.join()));
        host.wait_for_log(&["twostepd[", "too many connections"]);
    });
}

/// Whatever somebody sends who may not ask, the log has a line of it now and then, and none that looks like trouble with another's login.
#[test]
fn nobody_fills_the_log() {
    in_box(|host| {
        with_people(host);
        let _broker = host.start_broker();
        let mallory = host.uid("mallory");
        let before = host.log_lines().len();
        let ask = |user: &str, config: Option<&str>| {
            let sign_in = SignIn {
                phase: Phase::Auth,
                user: user.to_owned(),
                service: ServiceName::parse("su").or_die("read a service"),
                rhost: None,
                tty: None,
                mode: Mode::ByService,
                prompt: None,
                echo: Echo::Hidden,
                config: config.map(str::to_owned),
            };
            ToBroker::SignIn { sign_in }.encode().or_die("encode").to_vec()
        };
        child::run(|| {
            child::become_ids(mallory, mallory, mallory, mallory);
            let requests = [
                ask("root", Some("/x")),
                ask("alice", None),
                ask("mallory", Some("/x")),
                vec![7, 7],
                vec![1],
            ];
            for request in requests.iter().cycle().take(1_000) {
                let link = RawLink::connect().or_die("connect");
                assert!(link.send(request));
                let told = link.receive(300_000).unwrap_or_default();
                let Ok(FromBroker::Refused { refusal, .. }) = FromBroker::decode(&told) else {
                    panic!("{told:?}");
                };
                assert!(refusal != Refusal::Conflict, "{refusal:?}");
            }
            String::new()
        });
        let lines: Vec<_> = host.log_lines().split_off(before);
        assert!((3..20).contains(&lines.len()), "{lines:#?}");
        let about_root = |line: &&twostep_tests::LogLine| line.text.contains("user=root");
        assert!(
            lines.iter().filter(about_root).all(|line| line.text.contains("reason=not-allowed")),
            "{lines:#?}"
        );
    });
}
