use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

const LINE: &str = "result=refused reason=app-password-revoked user=alice service=imap from=192.0.2.1 name=\\\"old phone\\\"";

fn entry(tag: &str, uid: &str, message: &str) -> String {
    format!(
        r#"{{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1795528800123456","_BOOT_ID":"b","SYSLOG_IDENTIFIER":{tag},"_UID":{uid},"MESSAGE":{message}}}"#
    )
}

#[test]
fn an_entry_is_time_and_line() {
    let (at, line) = parse(&entry(r#""pam_twostep""#, r#""0""#, &format!("\"{LINE}\""))).unwrap();
    assert_eq!((at, line.detail("name")), (UnixTime(1_795_528_800), Some("old phone")));
    assert!(parse(&entry(r#""twostepd""#, r#""0""#, &format!("\"{LINE}\""))).is_some());
}

#[test]
fn what_somebody_else_has_sent_is_not_taken() {
    let line = format!("\"{LINE}\"");
    for (tag, uid, message) in [
        (r#""pam_twostep""#, r#""1000""#, line.as_str()),
        (r#""pam_twostep""#, r#"["0","1000"]"#, &line),
        (r#""pam_twostep""#, "null", &line),
        (r#"["pam_twostep","sshd"]"#, r#""0""#, &line),
        (r#""sshd""#, r#""0""#, &line),
        (r#""pam_twostep""#, r#""0""#, "[114,101]"),
        (r#""pam_twostep""#, r#""0""#, "null"),
        (r#""pam_twostep""#, r#""0""#, "\"result=refused\""),
        (r#""pam_twostep""#, r#""0""#, "\"a\", \"x\": {"),
    ] {
        assert!(parse(&entry(tag, uid, message)).is_none(), "{tag} {uid} {message}");
    }
    for junk in ["", "-- No entries --", "{}", "null", "[]", &"[".repeat(60_000)] {
        assert!(parse(junk).is_none());
    }
}

/// A program that another thread's new process still has open for writing cannot be run: one of these tests at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A journalctl of a test's own.
fn fake(name: &str, script: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("twostep-journalctl-{}-{name}", std::process::id()));
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path
}

fn run(name: &str, script: &str) -> (Result<(), Failure>, usize) {
    let program = fake(name, script);
    let mut count = 0;
    let done = read(&program, UnixTime(77), &mut |_, _| count += 1);
    fs::remove_file(&program).unwrap();
    (done, count)
}

fn failure(name: &str, script: &str) -> String {
    run(name, script).0.unwrap_err().to_string()
}

#[test]
fn only_what_is_asked_for_reaches_it() {
    let _guard = alone();
    let entry = entry(r#""pam_twostep""#, r#""0""#, &format!("\"{LINE}\""));
    let wanted = "--no-pager --output=json --all --output-fields=MESSAGE,SYSLOG_IDENTIFIER,_UID --since=@77 \
                  _UID=0 SYSLOG_IDENTIFIER=pam_twostep SYSLOG_IDENTIFIER=twostepd";
    let script = format!(
        "[ \"$*\" = \"{wanted}\" ] && [ -z \"$HOME\" ] || exit 9\ncat <<'END'\n{entry}\njunk\n{entry}\nEND"
    );
    let (done, count) = run("good", &script);
    assert_eq!((done.map_err(|failure| failure.to_string()), count), (Ok(()), 2));
}

#[test]
fn without_a_journal_a_file_is_recommended() {
    let _guard = alone();
    // As version 252 behaves: in JSON it is silent.
    let script = "[ \"$*\" = '--no-pager --lines=1' ] || exit 0; echo 'No journal files were found.' >&2; \
                  echo '-- No entries --'";
    let none = failure("none", script);
    assert!(
        none.contains("No journal files were found.") && none.contains("--log /var/log/auth.log"),
        "{none}"
    );
    let missing =
        read(Path::new("/nowhere/journalctl"), UnixTime(0), &mut |_, _| {}).unwrap_err().to_string();
    assert!(missing.contains("/nowhere/journalctl") && missing.contains("--log"), "{missing}");
    let refused = failure("refused", "echo 'due to insufficient permissions' >&2; exit 1");
    assert!(refused.contains("insufficient permissions"), "{refused}");
    assert!(failure("silent", "exit 3").contains("exit status: 3"));
}

#[test]
fn a_journal_without_a_line_of_ours_is_one() {
    let _guard = alone();
    let script = "[ \"$*\" = '--no-pager --lines=1' ] || exit 0; echo 'Nov 24 13:45:01 box cron[1]: x'";
    let (done, count) = run("empty", script);
    assert_eq!((done.is_ok(), count), (true, 0));
}

#[test]
fn one_that_talks_without_end_is_heard_to_its_end() {
    let _guard = alone();
    let script =
        "i=0; while [ $i -lt 3000 ]; do echo 'complaint complaint complaint complaint' >&2; i=$((i+1)); done";
    assert!(run("loud", script).0.is_ok());
}
