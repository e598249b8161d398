//! Arguments, init, the configuration, exit statuses.

use crate::place::{Place, run};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn init_makes_what_is_missing_and_only_that() {
    let place = Place::bare("init");
    let made = place.json(&["init"]);
    assert_eq!((&made["key"]["made"], &made["store"]["made"]), (&json!(true), &json!(true)));
    let key = fs::read(place.folder.join("key/master.key")).unwrap();
    for (name, mode) in
        [("key/master.key", 0o600), ("store/store.db", 0o600), ("store", 0o700), ("key", 0o755)]
    {
        let found = fs::metadata(place.folder.join(name)).unwrap().permissions().mode();
        assert_eq!(found & 0o7777, mode, "{name}");
    }
    let made = place.json(&["init"]);
    assert_eq!(
        (&made["key"]["made"], &made["store"]["made"], &made["folders"]),
        (&json!(false), &json!(false), &json!([]))
    );
    assert_eq!(fs::read(place.folder.join("key/master.key")).unwrap(), key);
    place.run(&["init"]).is(0).shows("found");
}

#[test]
fn init_makes_no_second_key_for_a_store() {
    let place = Place::new("init-key-lost");
    fs::remove_file(place.folder.join("key/master.key")).unwrap();
    place.run(&["init"]).is(3).says("there is no key").says("hint:");
    assert!(!place.folder.join("key/master.key").exists());
}

#[test]
fn a_store_that_is_lost_is_made_anew_only_on_purpose() {
    let place = Place::new("init-store-lost");
    fs::remove_file(place.folder.join("store/store.db")).unwrap();
    place.run(&["init"]).is(3).says("there is no store").says("--new-store");
    place.run(&["init", "--new-store"]).is(0).shows("nobody is enrolled in this new store");
}

#[test]
fn without_a_store_everything_is_status_3() {
    let place = Place::bare("no-store");
    for command in [&["show", "root"][..], &["list"], &["enroll", "root", "--activate"], &["unlock", "root"]]
    {
        let done = place.run(command).is(3).says("is missing").says("hint:");
        assert_eq!(done.stdout, "");
    }
}

#[test]
fn a_named_configuration_must_be_there() {
    run(&["--config", "/nowhere/config.toml", "list"], "").is(3).says("/nowhere is missing").says("hint:");
}

#[test]
fn mistakes_in_the_configuration_are_all_told() {
    let place = Place::new("config-mistakes");
    place.configure("isuer = \"x\"\n[interactive]\nunenrolled = \"optionl\"");
    let done = place.run(&["list"]).is(3).says("config.toml:1:1: unknown key \"isuer\"");
    done.says("config.toml:3:14: unknown value \"optionl\"")
        .says("hint: one of \"allow\", \"enroll\", \"deny\"");
}

#[test]
fn a_configuration_that_others_can_write_is_not_read() {
    let place = Place::new("config-open");
    fs::set_permissions(place.folder.join("config.toml"), fs::Permissions::from_mode(0o666)).unwrap();
    place.run(&["list"]).is(3).says("can be written by others").says("chmod go-w");
}

#[test]
fn global_options_stand_before_or_after() {
    let place = Place::new("global-options");
    let config = place.folder.join("config.toml");
    let config = config.to_str().unwrap();
    for arguments in [
        ["--json", "--config", config, "list"],
        ["list", "--config", config, "--json"],
        ["--config", config, "list", "--json"],
    ] {
        assert_eq!(run(&arguments, "").is(0).stdout, "[]\n");
    }
}

#[test]
fn nonsense_is_a_usage_error() {
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["enroll"],
        &["enroll", "root", "--digits", "9"],
        &["enroll", "root", "--period", "45"],
        &["enroll", "root", "--algorithm", "md5"],
        &["enroll", "root", "--activate", "--pending"],
        &["enroll", "root", "--label", " x"],
        &["list", "--state", "asleep"],
    ] {
        let done = run(arguments, "").is(2);
        assert_eq!(done.stdout, "", "{arguments:?}");
    }
    run(&["--help"], "").is(0).shows("Exit status").shows("app-password");
    run(&["--version"], "").is(0).shows("twostep-admin ");
}

/// A stack of programs that run the command as somebody who is not root, or only looks like it.
const NOT_ROOT: [&[&str]; 3] = [
    &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
    &["setpriv", "--ruid=65534"],
    &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "unshare", "--map-root-user"],
];

/// As root only: nobody else can become somebody else.
#[test]
fn whoever_is_not_root_is_told_so_and_nothing_else() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let program = crate::place::program_for_all();
    for wrapper in NOT_ROOT {
        let (first, rest) = wrapper.split_first().unwrap();
        let run = |arguments: &[&str]| {
            let mut command = std::process::Command::new(first);
            let output = command.args(rest).arg(&program).args(arguments).current_dir("/").output().unwrap();
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        };
        if run(&["--version"]).0 != Some(0) {
            eprintln!("not here: {wrapper:?}");
            continue;
        }
        for arguments in [
            &["list"][..],
            &["--json", "show", "root"],
            &["check"],
            &["explain", "root", "sshd"],
            &["pam", "status"],
            &["break-glass", "show"],
            &["roster", "show"],
            &["init"],
            &["--config", "/etc/passwd", "list"],
        ] {
            let told = (Some(3), "twostep-admin: run as root\n".to_owned());
            assert_eq!(run(arguments), told, "{wrapper:?} {arguments:?}");
        }
        for arguments in [&["--help"][..], &["list", "--help"], &["completions", "bash"]] {
            assert_eq!(run(arguments), (Some(0), String::new()), "{wrapper:?} {arguments:?}");
        }
    }
    fs::remove_file(program).unwrap();
}

#[test]
fn output_that_nobody_takes_is_an_error_and_no_panic() {
    let place = Place::new("closed-output");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_twostep-admin"))
        .args(["--config", place.folder.join("config.toml").to_str().unwrap(), "list"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("could not be written"));
}
