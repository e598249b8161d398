//! Something else in the broker's place: nobody is let in by it, and nobody waits for it for ever.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use twostep_core::protocol::{FromBroker, Message, Verdict};
use twostep_tests::broker::SOCKET;
use twostep_tests::callers::{SU, login};
use twostep_tests::{FalseBroker, Host, OrDie, Phone, child, eventually, in_box};

const PASSWORD: &str = "correct horse";
/// Milliseconds that are never over: the other side speaks or goes before.
const LONG: i32 = 300_000;

/// alice is enrolled.
fn with_alice(host: &Host) -> Phone {
    host.add_user("alice", PASSWORD);
    host.enroll("alice")
}

#[test]
fn only_roots_socket_with_root_behind_it_is_spoken_to() {
    in_box(|host| {
        let mut phone = with_alice(host);
        let broker = host.start_broker();
        let code = phone.fresh_code();
        let refused = |told: &str| {
            assert_eq!(login(SU, "su", "alice", &code), "PAM_AUTHINFO_UNAVAIL", "{told}");
            host.wait_for_log(&["result=unavailable", "reason=broker ", told]);
        };
        chown(SOCKET, Some(1234), None).or_die("chown the socket");
        refused("belongs to uid 1234");
        chown(SOCKET, Some(0), None).or_die("chown the socket");
        fs::set_permissions("/run/twostep", fs::Permissions::from_mode(0o777)).or_die("open the folder");
        refused("can be written by others");
        drop(broker);
        // A false server, in a place that looks right.
        let _ = fs::remove_file(SOCKET);
        let server = child::start(|| {
            child::become_ids(1234, 1234, 1234, 1234);
            let server = FalseBroker::listen();
            let peer = server.accept();
            let heard = peer.receive(LONG).unwrap_or_default();
            format!("{}", heard.len())
        });
        eventually("the false server to listen", || fs::metadata(SOCKET).ok());
        fs::set_permissions("/run/twostep", fs::Permissions::from_mode(0o755)).or_die("close the folder");
        chown(SOCKET, Some(0), None).or_die("chown the socket");
        refused("a process of uid 1234 listens");
        assert_eq!(server.join(), "0", "something was said to a false server");
        fs::remove_file(SOCKET).or_die("remove the socket");
        refused("is missing");
        host.write(SOCKET, "");
        refused("is not a socket");
        fs::remove_file(SOCKET).or_die("remove the file");
        let _broker = host.start_broker();
        assert_eq!(login(SU, "su", "alice", &code), "PAM_SUCCESS PAM_SUCCESS");
    });
}

/// A server that is root, and wrong all the same: a broker of another version, a broken one.
#[test]
fn a_server_that_talks_nonsense_lets_nobody_in() {
    in_box(|host| {
        with_alice(host);
        let accepted = FromBroker::Verdict { verdict: Verdict::Accepted }.encode().or_die("encode");
        let half = accepted[..accepted.len() - 1].to_vec();
        let longer = [&accepted[..], &[0]].concat();
        let newer = [&[9], &accepted[1..]].concat();
        let elsewhere = FromBroker::WrongCode { left: 1 };
        let silent = Vec::new();
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (vec![0xa5; 60_000], "message"),
            (half, "ends too early"),
            (longer, "does not end where it should"),
            (newer, "is of version 9"),
            (elsewhere.encode().or_die("encode").to_vec(), "has no place in a login"),
            (silent, "did not answer in time"),
        ];
        for (words, told) in cases {
            let server = child::start(|| {
                let peer = FalseBroker::listen().accept();
                let _ = peer.receive(LONG);
                if !words.is_empty() {
                    peer.send(&words);
                }
                // Until the peer has had enough.
                while peer.receive(LONG).is_some_and(|heard| !heard.is_empty()) {}
                String::new()
            });
            eventually("the server to listen", || fs::metadata(SOCKET).ok());
            // The server waits for the end of the connection: a module that waited for ever would hang here.
            assert_eq!(login(SU, "su", "alice", "123456"), "PAM_AUTHINFO_UNAVAIL", "{told}");
            host.wait_for_log(&["result=unavailable", "reason=broker ", told]);
            server.join();
            fs::remove_file(SOCKET).or_die("remove the socket");
        }
    });
}
