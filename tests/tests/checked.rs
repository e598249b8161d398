//! `check` on a whole host: what it says of the host itself, and that it says nothing of one that is as it should be.

use serde_json::Value;
use twostep_tests::{Done, Host, OrDie, in_box};

/// All messages.
fn messages(done: &Done) -> Vec<String> {
    let document: Value = serde_json::from_str(&done.stdout).or_die(format_args!("read as JSON: {done}"));
    let findings = document["findings"].as_array().expect("findings").clone();
    findings.iter().map(|finding| finding["message"].as_str().expect("a message").to_owned()).collect()
}

/// What is found where `ill` is the case, and neither before nor after that.
#[track_caller]
fn only_while(host: &Host, ill: &str, well: &str, part: &str) {
    let is_told = || {
        let found = messages(&host.admin(&["--json", "check"]));
        found.iter().any(|message| message.contains(part))
    };
    assert!(!is_told(), "{part} is told of a healthy host");
    host.command("sh", &["-c", ill]).expect_success();
    assert!(is_told(), "{part} is not told after {ill}");
    host.command("sh", &["-c", well]).expect_success();
    assert!(!is_told(), "{part} is told still");
}

#[test]
fn what_is_wrong_with_the_host_itself_is_told_while_it_is_wrong() {
    in_box(|host| {
        only_while(
            host,
            "mv /run/twostep/private /run/twostep/gone",
            "mv /run/twostep/gone /run/twostep/private",
            "every app login pays for an Argon2id run",
        );
        only_while(
            host,
            "cp /etc/twostep/config.toml /root/kept && echo 'no_such_key = 1' >/etc/twostep/config.toml",
            "cp /root/kept /etc/twostep/config.toml && touch -d 2026-01-01 /etc/twostep/config.toml",
            "not looked at",
        );
        only_while(
            host,
            "chmod 0644 /etc/twostep/master.key",
            "chmod 0600 /etc/twostep/master.key",
            "master.key",
        );

        // What only root can read would be told as an error of the host's.
        let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "twostep-admin", "--json", "check"];
        let by_nobody = host.command("setpriv", &nobody);
        assert_eq!((by_nobody.status, by_nobody.stderr.as_str()), (3, "twostep-admin: run as root\n"));
    });
}
