//! pam status, enable, disable: on copies of Debian's and Red Hat's layouts, and on what they refuse to touch.

use crate::check::healthy;
use crate::place::{Done, Place};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

const RED_HATS: &str = "auth required pam_env.so\nauth sufficient pam_unix.so\nauth required pam_deny.so\n\
                        account required pam_unix.so\naccount sufficient pam_localuser.so\naccount required pam_permit.so\n";
const SSHD: &str = "# PAM configuration for sshd\n@include common-auth\naccount    required     pam_nologin.so\n\
                    @include common-account\n@include common-session\n";

fn pam(place: &Place, arguments: &[&str]) -> Done {
    let at = |name: &str| place.folder.join(name).to_str().unwrap().to_owned();
    let (dir, backups, ssh) = (at("pam.d"), at("backups"), at("ssh"));
    let mut all = vec!["pam"];
    all.extend(arguments);
    all.extend(["--pam-dir", &dir]);
    if arguments[0] != "status" {
        all.extend(["--backups", &backups, "--ssh-dir", &ssh]);
    }
    place.run(&all)
}

fn read(place: &Place, name: &str) -> String {
    fs::read_to_string(place.folder.join(name)).unwrap()
}

/// The lines of a file that mean something, with single blanks and without what `pam enable` says of itself.
fn lines(place: &Place, name: &str) -> Vec<String> {
    let line = |line: &str| line.split('#').next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    read(place, name).lines().map(line).filter(|line| !line.is_empty()).collect()
}

#[test]
fn debians_layout_is_wired_shown_first_and_put_back() {
    let place = healthy("pam-debian");
    place.write("pam.d/sshd", SSHD, 0o640);
    let done = pam(&place, &["enable", "sshd", "--yes"]).is(0);
    done.shows("+auth     required   pam_twostep.so")
        .shows("\n @include common-auth\n")
        .shows("sshd: password, then code")
        .shows("pam try sshd USER");
    assert_eq!(
        lines(&place, "pam.d/sshd"),
        [
            "@include common-auth",
            "auth required pam_twostep.so",
            "account required pam_nologin.so",
            "account required pam_twostep.so",
            "@include common-account",
            "@include common-session"
        ]
    );
    let mode = |name: &str| fs::metadata(place.folder.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("pam.d/sshd"), mode("backups")), (0o640, 0o700));
    assert_eq!(read(&place, "backups/sshd.before"), SSHD);
    pam(&place, &["enable", "sshd", "--yes"]).is(1).says("pam_twostep.so is there already");
    pam(&place, &["disable", "sshd", "--yes"])
        .is(0)
        .shows("-auth     required   pam_twostep.so")
        .shows("sshd: not wired: password");
    assert_eq!(read(&place, "pam.d/sshd"), SSHD);
    assert!(!place.folder.join("backups/sshd.before").exists());
    pam(&place, &["disable", "sshd", "--yes"]).is(1).says("has no line with pam_twostep.so");
}

#[test]
fn what_was_changed_since_is_kept_when_the_lines_go() {
    let place = healthy("pam-changed");
    place.write("pam.d/sshd", SSHD, 0o644);
    pam(&place, &["enable", "sshd", "--yes"]).is(0);
    let changed = read(&place, "pam.d/sshd") + "session optional pam_mail.so\n";
    place.write("pam.d/sshd", &changed, 0o644);
    pam(&place, &["disable", "sshd", "--yes"]).is(0).shows("only its lines are taken out");
    assert_eq!(read(&place, "pam.d/sshd"), format!("{SSHD}session optional pam_mail.so\n"));
}

/// What lies there becomes a stack again.
#[test]
fn backups_that_others_can_write_are_not_put_back() {
    let place = healthy("pam-backups");
    place.write("pam.d/sshd", SSHD, 0o644);
    pam(&place, &["enable", "sshd", "--yes"]).is(0);
    let wired = read(&place, "pam.d/sshd");
    fs::set_permissions(place.folder.join("backups"), fs::Permissions::from_mode(0o777)).unwrap();
    pam(&place, &["disable", "sshd", "--yes"]).is(1).says("backups");
    assert_eq!(read(&place, "pam.d/sshd"), wired);
}

#[test]
fn nothing_is_written_unless_somebody_says_yes() {
    let place = healthy("pam-asks");
    let path = place.write("pam.d/sshd", SSHD, 0o644);
    let before = fs::metadata(&path).unwrap().ino();
    pam(&place, &["enable", "sshd"]).is(2).says("nobody to ask").shows("+account  required   pam_twostep.so");
    assert_eq!((read(&place, "pam.d/sshd").as_str(), fs::metadata(&path).unwrap().ino()), (SSHD, before));
    assert!(!place.folder.join("backups").exists());
}

/// Of `sufficient` lines that are included nothing behind is ever come to: they must be a substack.
#[test]
fn red_hats_include_becomes_a_substack() {
    let place = healthy("pam-red-hat");
    place.write("pam.d/system-auth", RED_HATS, 0o644);
    let text = "auth       include      system-auth\naccount    include      system-auth\nsession    include      system-auth\n";
    place.write("pam.d/sudo", text, 0o644);
    pam(&place, &["enable", "sudo", "--yes"]).is(0).shows("sudo: password, then code");
    assert_eq!(
        lines(&place, "pam.d/sudo"),
        [
            "auth substack system-auth",
            "auth required pam_twostep.so",
            "account required pam_twostep.so",
            "account include system-auth",
            "session include system-auth"
        ]
    );
    // By line, too, where the file has been changed.
    let changed = read(&place, "pam.d/sudo") + "# more\n";
    place.write("pam.d/sudo", &changed, 0o644);
    pam(&place, &["disable", "sudo", "--yes"]).is(0);
    assert_eq!(read(&place, "pam.d/sudo"), format!("{text}# more\n"));
    let own = "auth substack system-auth\nauth include postlogin\naccount sufficient pam_succeed_if.so uid = 0 use_uid quiet\naccount include system-auth\n";
    place.write("pam.d/postlogin", "session optional pam_umask.so\n", 0o644);
    place.write("pam.d/su", own, 0o644);
    pam(&place, &["enable", "su", "--yes"]).is(0);
    assert_eq!(
        lines(&place, "pam.d/su")[2..4],
        ["auth include postlogin", "account required pam_twostep.so"]
    );
}

#[test]
fn in_a_plain_file_the_line_goes_to_where_a_right_password_comes_out() {
    let place = healthy("pam-plain");
    let text = "auth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so\nauth required pam_permit.so\naccount required pam_unix.so\n";
    place.write("pam.d/vpn", text, 0o644);
    pam(&place, &["enable", "vpn", "--yes"]).is(0);
    assert_eq!(
        lines(&place, "pam.d/vpn")[1..3],
        ["auth requisite pam_deny.so", "auth required pam_twostep.so"]
    );
}

#[test]
fn a_stack_in_which_the_code_can_be_skipped_is_not_written() {
    let place = healthy("pam-refuses");
    for (text, why) in [
        (
            "auth sufficient pam_unix.so\nauth required pam_deny.so\naccount required pam_unix.so\n",
            ":1: who passes pam_unix.so here is never asked",
        ),
        ("auth required pam_unix.so\nauth include nowhere\n", "nobody would get in"),
        ("auth required pam_unix.so\n@include nowhere\n", ":2: @include of nowhere, which cannot be read"),
    ] {
        place.write("pam.d/vpn", text, 0o644);
        pam(&place, &["enable", "vpn", "--yes"]).is(1).says("there is no place for the line").says(why);
        assert_eq!(read(&place, "pam.d/vpn"), text);
    }
    place.write("pam.d/vpn", "auth required pam_permit.so\n", 0o644);
    pam(&place, &["enable", "vpn", "--yes"])
        .is(1)
        .says("no line of it takes a password")
        .says("docs/wiring.md");
    assert!(!place.folder.join("backups").exists());
}

#[test]
fn app_services_are_those_of_the_configuration_and_get_a_file_where_they_have_none() {
    let place = healthy("pam-app");
    place.configure("[app]\nservices = [\"imap\"]");
    pam(&place, &["enable", "imap", "--yes"])
        .is(0)
        .shows("imap: app password; the account password from those who may give it");
    let app = "[success=done ignore=ignore default=die] pam_twostep.so app";
    let expected = [
        &format!("auth {app}"),
        "@include common-auth",
        &format!("account {app}"),
        "@include common-account",
        "@include common-session",
    ];
    assert_eq!(lines(&place, "pam.d/imap"), expected);
    pam(&place, &["disable", "imap", "--yes"]).is(0);
    assert!(!place.folder.join("pam.d/imap").exists());
    pam(&place, &["enable", "vpn", "--yes"]).is(1).says("there is no ").says("pam.d/vpn");
    pam(&place, &["enable", "smtp", "--app", "--yes"]).is(0).shows("smtp: app password");
}

#[test]
fn links_and_files_for_others_are_left_alone() {
    let place = healthy("pam-links");
    place.write("system-auth", RED_HATS, 0o644);
    symlink(place.folder.join("system-auth"), place.folder.join("pam.d/system-auth")).unwrap();
    place.write(
        "pam.d/login",
        "auth substack system-auth\naccount include system-auth\n@include common-session\n",
        0o644,
    );
    pam(&place, &["enable", "system-auth", "--yes"])
        .is(1)
        .says("is no service's own file: login includes it")
        .says("pam enable login");
    symlink("/etc/authselect/vpn", place.folder.join("pam.d/vpn")).unwrap();
    pam(&place, &["enable", "vpn", "--yes"])
        .is(1)
        .says("is a link to /etc/authselect/vpn")
        .says("authselect");
    assert_eq!(read(&place, "system-auth"), RED_HATS);
}

#[test]
fn lines_written_by_hand_are_left_to_the_hand() {
    let place = healthy("pam-hand");
    place.write(
        "pam.d/login",
        "@include common-auth\nauth required pam_twostep.so\n@include common-account\n",
        0o644,
    );
    pam(&place, &["enable", "login", "--yes"])
        .is(1)
        .says("login:2: pam_twostep.so is there already")
        .says("by hand");
    pam(&place, &["disable", "login", "--yes"]).is(1).says("login:2: `pam enable` has not written this line");
}

#[test]
fn sshd_is_told_to_ask_before_anything_else_tells_it_otherwise() {
    let place = healthy("pam-sshd");
    place.write("pam.d/sshd", SSHD, 0o644);
    fs::create_dir_all(place.folder.join("ssh/sshd_config.d")).unwrap();
    place.write(
        "ssh/sshd_config",
        "# c\nInclude /etc/ssh/sshd_config.d/*.conf\nKbdInteractiveAuthentication no\n",
        0o644,
    );
    let ours = "ssh/sshd_config.d/00-twostep.conf";
    pam(&place, &["enable", "sshd", "--yes"])
        .is(0)
        .shows("+KbdInteractiveAuthentication yes")
        .shows("systemctl reload ssh");
    assert!(read(&place, ours).ends_with("UsePAM yes\nKbdInteractiveAuthentication yes\n"));
    pam(&place, &["disable", "sshd", "--yes"]).is(0).shows("00-twostep.conf is gone");
    assert!(!place.folder.join(ours).exists());
    // Where ours would come too late it is not written, but said.
    for (main, early, told) in [
        (
            "KbdInteractiveAuthentication no\nInclude /etc/ssh/sshd_config.d/*.conf\n",
            "",
            "sshd_config:1 comes before any Include",
        ),
        ("PermitRootLogin no\n", "", "includes no sshd_config.d"),
        ("Include /etc/ssh/sshd_config.d/*.conf\n", "\nUsePAM no\n", "00-a.conf:2 comes before it"),
    ] {
        place.write("ssh/sshd_config", main, 0o644);
        place.write("ssh/sshd_config.d/00-a.conf", early, 0o644);
        pam(&place, &["enable", "sshd", "--yes"])
            .is(0)
            .shows(told)
            .shows("UsePAM yes, KbdInteractiveAuthentication yes");
        assert!(!place.folder.join(ours).exists());
        pam(&place, &["disable", "sshd", "--yes"]).is(0);
    }
}

#[test]
fn status_says_of_each_service_what_it_demands_and_what_skips_that() {
    let place = healthy("pam-status");
    place.write("pam.d/login", "@include common-auth\nauth required pam_twostep.so\naccount required pam_twostep.so\n@include common-account\n", 0o644);
    place.write("pam.d/cron", "@include common-auth\n@include common-account\n", 0o644);
    place.write("pam.d/vpn", "auth sufficient pam_unix.so\nauth required pam_twostep.so\n", 0o644);
    place.write("pam.d/closed", "auth required pam_deny.so\n", 0o644);
    let done = pam(&place, &["status"]).is(0);
    let done = done
        .shows("login")
        .shows("password, then code\n")
        .shows("not wired: password")
        .shows("nobody gets in");
    let done =
        done.shows("can be skipped in one way").shows("vpn:1: who passes pam_unix.so here is never asked");
    assert!(!done.stdout.contains("common-auth  "), "{}", done.stdout);
    let one = pam(&place, &["status", "login"]).is(0).shows("login: password, then code");
    one.shows("common-auth:1").shows("auth required pam_twostep.so").shows("account requisite pam_deny.so");
    let dir = place.folder.join("pam.d");
    let json = place.json(&["pam", "status", "vpn", "--pam-dir", dir.to_str().unwrap()]);
    assert_eq!((json["wired"].as_bool(), json["skipped"].as_array().unwrap().len()), (Some(true), 1));
    assert_eq!(json["lines"].as_array().unwrap().len(), 2);
}

/// sshd asks the account phase alone of whoever comes with a key.
#[test]
fn status_says_which_keys_are_enough() {
    let place = healthy("pam-status-keys");
    let after_key = "auth [success=done ignore=ignore default=die] pam_twostep.so after-key\n@include common-auth\n\
                     auth required pam_twostep.so\naccount required pam_twostep.so\n@include common-account\n";
    place.write("pam.d/sshd", after_key, 0o644);
    pam(&place, &["status", "sshd"]).is(0).shows("sshd: key and code, or password, then code\n");
    place.configure(
        "[interactive]\nsecurity_keys = \"enough\"\n[[rule]]\nuser = \"root\"\nssh_keys = \"enough\"",
    );
    pam(&place, &["status", "sshd"])
        .is(0)
        .shows("sshd: security key, or key and code, or password, then code\n");
    place.configure("[[rule]]\nservice = \"sshd\"\nssh_keys = \"enough\"");
    pam(&place, &["status", "sshd"]).is(0).shows("sshd: key, or password, then code\n");
    pam(&place, &["status", "sshd", "--json"]).is(0).shows("\"enough\":\"ssh-keys\"");
}

/// Other products exempt by such lines. Here the account line would refuse whom they let past the code.
#[test]
fn a_jump_by_place_or_group_is_told_with_the_rule_to_write() {
    let place = healthy("pam-jumps");
    let stack = |before: &str, jump: &str| {
        let text = format!(
            "{before}@include common-auth\n{jump}auth required pam_twostep.so\naccount required pam_twostep.so\n@include common-account\n"
        );
        place.write("pam.d/sshd", &text, 0o644);
        pam(&place, &["status", "sshd"]).is(0)
    };
    let rule = "write [[rule]] with `from`, `group` or `user` and demand = \"nothing\"";
    for jump in [
        "[success=1 default=ignore] pam_access.so accessfile=/etc/security/code.conf",
        "[success=1 default=ignore] pam_succeed_if.so user ingroup nocode",
        "[success=done default=ignore] pam_localuser.so",
        "sufficient pam_exec.so /usr/local/bin/is-trusted",
    ] {
        let module = jump.split_whitespace().find(|word| word.ends_with(".so")).unwrap();
        stack("", &format!("auth {jump}\n")).shows(rule).shows(&format!("who passes {module} here"));
    }
    stack("auth sufficient pam_rhosts.so\n", "").shows(rule).shows("who passes pam_rhosts.so here");
    // A password is no exemption.
    let before = stack("auth sufficient pam_unix.so\n", "");
    before.shows("a right password must go on");
}

#[test]
fn a_stack_for_prompts_gets_an_account_line_or_is_left_alone() {
    let place = healthy("pam-account");
    place.write(
        "pam.d/sshd",
        "@include common-auth\naccount required pam_nologin.so\naccount required pam_permit.so\n",
        0o644,
    );
    pam(&place, &["enable", "sshd", "--yes"]).is(0);
    assert_eq!(
        lines(&place, "pam.d/sshd")[2..],
        [
            "account required pam_twostep.so",
            "account required pam_nologin.so",
            "account required pam_permit.so"
        ]
    );
    let alone = "auth required pam_unix.so\n";
    place.write("pam.d/login", alone, 0o644);
    pam(&place, &["enable", "login", "--yes"]).is(1).says("keys alone would pass");
    assert_eq!(read(&place, "pam.d/login"), alone);
}

#[test]
fn an_account_line_is_put_where_nothing_skips_it() {
    let place = healthy("pam-account-skipped");
    place.write("pam.d/pre", "account sufficient pam_listfile.so\n", 0o644);
    let text = "auth include common-auth\n@include pre\naccount include common-account\n";
    place.write("pam.d/login", text, 0o644);
    pam(&place, &["enable", "login", "--yes"]).is(0);
    let done = lines(&place, "pam.d/login");
    let at = |line: &str| done.iter().position(|found| found == line).unwrap();
    assert!(at("account required pam_twostep.so") < at("@include pre"), "{done:?}");
}

#[test]
fn a_file_of_the_administrators_for_sshd_is_not_written_over() {
    let place = healthy("pam-own-file");
    place.write("pam.d/sshd", SSHD, 0o644);
    fs::create_dir_all(place.folder.join("ssh/sshd_config.d")).unwrap();
    place.write("ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\n", 0o644);
    let own = "UsePAM yes\nKbdInteractiveAuthentication yes\nAuthenticationMethods publickey,keyboard-interactive:pam\n";
    place.write("ssh/sshd_config.d/00-twostep.conf", own, 0o644);
    pam(&place, &["enable", "sshd", "--yes"]).is(0).shows("is there already, with other lines");
    assert_eq!(read(&place, "ssh/sshd_config.d/00-twostep.conf"), own);
}

#[test]
fn a_backup_that_is_lost_takes_no_file_along() {
    let place = healthy("pam-lost-backup");
    place.write("pam.d/sshd", SSHD, 0o644);
    pam(&place, &["enable", "sshd", "--yes"]).is(0);
    fs::remove_file(place.folder.join("backups/sshd.before")).unwrap();
    pam(&place, &["disable", "sshd", "--yes"]).is(0).shows("only its lines are taken out");
    assert_eq!(read(&place, "pam.d/sshd"), SSHD);
}

/// What a removal asks: it needs nothing but the stacks, and says nothing without saying that it could not tell all.
#[test]
fn the_files_that_name_the_module_are_listed_without_configuration_key_or_store() {
    let place = healthy("pam-files");
    place.write("pam.d/sshd", SSHD, 0o644);
    pam(&place, &["enable", "sshd", "--yes"]).is(0);
    let by_hand = place.folder.join("elsewhere");
    place.write("elsewhere", "auth required pam_twostep.so # twostep-admin pam enable\n", 0o644);
    place.write("pam.d/vpn", &format!("@include {}\n", by_hand.display()), 0o644);
    place.write("pam.d/vpn.bak", "auth required pam_twostep.so\n", 0o644);
    symlink("sshd", place.folder.join("pam.d/ssh-link")).unwrap();
    symlink("/dev/null", place.folder.join("pam.d/nothing")).unwrap();
    for gone in ["config.toml", "store.db", "master.key"] {
        let _where_there_is_one = fs::remove_file(place.folder.join(gone));
    }
    let sshd = place.folder.join("pam.d/sshd");
    let listed = format!("pam-enable {}\nother {}\n", sshd.display(), by_hand.display());
    assert_eq!(pam(&place, &["files"]).is(0).stdout, listed);
    pam(&place, &["files", "--json"]).is(0).shows(r#""by":"pam-enable""#);

    // What cannot be told is said, beside what can.
    place.write("pam.d/late", "@include \u{fffd}\n", 0o644);
    place.write("pam.d/odd\n\u{1b}[2J", "auth required x.so \\\n", 0o644);
    let done = pam(&place, &["files"]).is(1);
    assert_eq!(done.stdout, listed);
    done.says("pam.d/late cannot be read: line 1").says("odd\\n\\u{1b}[2J cannot be read: line 1 goes on");
}

/// A terminal obeys escape sequences, whoever has chosen the name that they are in.
#[test]
fn no_name_disturbs_the_terminal_that_it_is_shown_on() {
    let place = healthy("pam-names");
    place.write("pam.d/a\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\nb", "auth required pam_nowhere.so\n", 0o644);
    let disturbs = |text: &str| text.chars().any(|c| c != '\n' && twostep_core::text::disturbs(c));
    let dir = place.folder.join("pam.d");
    let dir = dir.to_str().unwrap();
    for arguments in [&["pam", "status"][..], &["pam", "status", "--json"], &["check"], &["check", "--json"]]
    {
        let done = place.run(&[arguments, &["--pam-dir", dir]].concat());
        assert!(!disturbs(&done.stdout) && !disturbs(&done.stderr), "{arguments:?}: {done:?}");
    }
    let row = pam(&place, &["status"]).is(0).stdout;
    assert!(
        row.lines().any(|line| line.trim_start().starts_with("a\\u{1b}]0;x\\u{7}\\u{9b}2J\\u{202e}\\nb ")),
        "{row}"
    );
    let done = place.run(&["report", "refused", "--log", "\u{1b}[2J"]).is(1);
    assert!(!disturbs(&done.stderr) && done.stderr.contains("\\u{1b}[2J"), "{done:?}");
}
