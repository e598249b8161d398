//! Log daemons of every kind at /dev/log: what they hear of a login, and that none of them holds it up.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use twostep_tests::callers::su;
use twostep_tests::child::{self, Child};
use twostep_tests::pam::{Code, Item, Stacks};
use twostep_tests::process::traces;
use twostep_tests::{Host, Phone, Ssh, in_box};

const PASSWORD: &str = "correct horse";
const SOCKET: &str = "/dev/log";
const BOXES: &str = "/dev/log.box";
const STOP: &str = "that is all";

/// A daemon with a stream at /dev/log, as some have it; the C library's clients keep their connections, ours make one for each line.
struct Daemon(Child);

impl Daemon {
    fn start() -> Self {
        let listener = UnixListener::bind(SOCKET).expect("/dev/log is free");
        fs::set_permissions(SOCKET, fs::Permissions::from_mode(0o666)).expect("open it to everyone");
        Self(child::start(move || {
            let heard = Arc::new(Mutex::new(Vec::new()));
            let (told, stopped) = std::sync::mpsc::channel();
            let keep = Arc::clone(&heard);
            thread::spawn(move || {
                for connection in listener.incoming() {
                    let (mut connection, keep, told) =
                        (connection.expect("a connection"), Arc::clone(&keep), told.clone());
                    thread::spawn(move || {
                        let (mut buffer, mut line) = ([0; 4096], Vec::new());
                        while let Ok(length @ 1..) = connection.read(&mut buffer) {
                            line.extend_from_slice(&buffer[..length]);
                        }
                        let is_last = line == STOP.as_bytes();
                        keep.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
                        if is_last {
                            told.send(()).unwrap();
                        }
                    });
                }
            });
            stopped.recv().unwrap();
            // What was sent before is in other threads' hands.
            thread::sleep(Duration::from_millis(500));
            let heard = heard.lock().unwrap();
            heard.join("\n")
        }))
    }

    /// All that was heard: each connection a line, with a `\0` for every NUL.
    fn stop(self) -> String {
        let mut connection = UnixStream::connect(SOCKET).expect("the daemon listens");
        connection.write_all(STOP.as_bytes()).expect("the daemon reads");
        drop(connection);
        let text = self.0.join();
        fs::remove_file(SOCKET).expect("the socket was there");
        text.replace('\0', "\\0")
    }
}

/// Runs `body` while the box's own log is out of the way.
fn without_log<T>(body: impl FnOnce() -> T) -> T {
    fs::rename(SOCKET, BOXES).expect("the box has a log");
    let result = body();
    fs::rename(BOXES, SOCKET).expect("the box's log was kept");
    result
}

fn has(heard: &str, parts: &[&str]) -> bool {
    heard.lines().any(|line| parts.iter().all(|part| line.contains(part)) && line.ends_with("\\0"))
}

#[test]
fn a_stream_at_dev_log_hears_logins_and_the_broker_and_so_does_the_next_daemon() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        host.add_user("bob", PASSWORD);
        let phone = host.enroll("alice");
        host.wire_sshd();
        host.wire_su_and_sudo();
        host.start_sshd("");
        let _broker = host.start_broker();
        without_log(|| {
            for _ in 0..2 {
                let daemon = Daemon::start();
                assert!(!Ssh::to("alice").answers(&[PASSWORD, &phone.wrong_code()]).run("true").success);
                let mut console = su(host, "bob", "alice");
                console.answer("Password: ", PASSWORD);
                console.answer("Verification code: ", &phone.wrong_code());
                assert_ne!(console.end(), Some(0), "{}", console.shown());
                let heard = daemon.stop();
                for service in ["service=sshd", "service=su"] {
                    let parts = ["pam_twostep[", "result=refused reason=code-wrong user=alice", service];
                    assert!(has(&heard, &parts), "{service}:\n{heard}");
                }
            }
        });
    });
}

/// A wrong code of alice's; how long it took, and what it left in this process.
fn wrong_code(phone: &Phone) -> (Duration, String) {
    let wrong = phone.wrong_code();
    let told = child::run(|| {
        // Without the second, libpam has something to say itself, by syslog(3), which waits for ever.
        let stacks = Stacks::new()
            .file("sshd", "auth required pam_twostep.so")
            .file("other", "auth required pam_deny.so");
        let mut took = Duration::ZERO;
        let mut left = Vec::new();
        for _ in 0..2 {
            let mut pam = stacks.start_answering("sshd", "alice", wrong.as_str());
            pam.set_item(Item::Rhost, "198.18.0.1");
            let began = twostep_host::monotonic();
            assert_eq!(pam.authenticate(0), Code::AUTH_ERR);
            took = took.max(twostep_host::monotonic() - began);
            left.push(traces());
            pam.end();
        }
        let change = if left[0] == left[1] { "" } else { "something was left" };
        format!("{} {change}", took.as_millis())
    });
    let (millis, change) = told.split_once(' ').expect("two words");
    (Duration::from_millis(millis.parse().expect("a number")), change.to_owned())
}

#[test]
fn without_a_log_daemon_or_with_a_deaf_one_nobody_waits_for_long_and_nothing_is_left_open() {
    in_box(|host: &Host| {
        host.add_user("alice", PASSWORD);
        let phone = host.enroll("alice");
        let bounded = |what: &str| {
            let (took, change) = wrong_code(&phone);
            assert_eq!(change, "", "{what}");
            assert!(took < Duration::from_secs(10), "{what}: {took:?}");
            host.admin(&["unlock", "alice"]).expect_success();
        };
        without_log(|| bounded("no /dev/log"));
        without_log(|| {
            drop(UnixListener::bind(SOCKET).expect("/dev/log is free"));
            bounded("nobody behind it");
            fs::remove_file(SOCKET).expect("it was there");
        });
        without_log(|| {
            let _deaf = UnixDatagram::bind(SOCKET).expect("/dev/log is free");
            let client = UnixDatagram::unbound().expect("a socket");
            client.set_nonblocking(true).expect("it need not wait");
            while client.send_to(b"x", SOCKET).is_ok() {}
            bounded("a daemon that hangs");
            fs::remove_file(SOCKET).expect("it was there");
        });
    });
}
