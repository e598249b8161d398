//! Setting two-step up while signing in: over a real ssh, on the console, with su and sudo.

use twostep_tests::callers::{as_user, su};
use twostep_tests::{Console, Host, Phone, Ssh, in_box};

const PASSWORD: &str = "correct horse";
const BOBS: &str = "battery staple";
const SCAN: &str = "The code that it shows now: ";
const NOTED: &str = "Press Enter when you have them: ";

/// bob is not enrolled, and must be.
fn with_bob(host: &Host, unenrolled: &str) {
    host.configure(&format!("[interactive]\nunenrolled = {unenrolled}\n"));
    host.wire_sshd();
    host.start_sshd("");
    host.add_user("bob", BOBS);
}

fn state(host: &Host, user: &str) -> String {
    host.admin_json(&["show", user])["state"].as_str().unwrap_or_default().to_owned()
}

/// Takes the key that is shown, and the QR code on demand, confirms it, and returns the phone and the backup codes.
#[track_caller]
fn scan(console: &mut Console) -> (Phone, Vec<String>) {
    let shown = console.wait_for(SCAN);
    assert!(shown.is_ascii(), "more than text before anybody asked for it:\n{shown}");
    console.type_line("dark");
    let drawn = console.wait_for(SCAN);
    assert!(drawn.lines().filter(|line| line.contains('█')).count() > 15, "no QR code in:\n{drawn}");
    let mut phone = Phone::typed_from(&shown);
    console.type_line(&phone.fresh_code());
    let shown = console.wait_for(NOTED);
    let codes: Vec<String> = shown
        .lines()
        .map(str::trim)
        .filter(|line| line.len() == 15 && line.matches('-').count() == 2)
        .map(str::to_owned)
        .collect();
    assert_eq!(codes.len(), 10, "{shown}");
    (phone, codes)
}

#[test]
fn over_ssh_the_key_comes_after_the_password_and_then_one_is_in() {
    in_box(|host| {
        with_bob(host, "\"enroll\"");
        let mut console = Ssh::to("bob").on_terminal("id -un");
        console.answer("Password: ", BOBS);
        let (mut phone, codes) = scan(&mut console);
        assert_eq!(state(host, "bob"), "none", "stored before all was seen");
        console.type_line("");
        console.wait_for("bob\r\n");
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        assert_eq!(state(host, "bob"), "active");
        host.wait_for_log(&["result=ignored", "reason=to-enroll", "user=bob", "service=sshd"]);
        host.wait_for_log(&["result=changed", "reason=enroll", "user=bob", "by=login"]);

        assert!(Ssh::to("bob").answers(&[BOBS, &phone.fresh_code()]).run("true").success);
        let attempt = Ssh::to("bob").answers(&[BOBS, &codes[0]]).run("true");
        assert!(attempt.success && attempt.stderr.contains("9 are left"), "{attempt:#?}");
    });
}

#[test]
fn with_a_wrong_password_nothing_is_shown_and_nothing_stored() {
    in_box(|host| {
        with_bob(host, "\"enroll\"");
        host.go_on_after_wrong_passwords("/etc/pam.d/sshd");
        let attempt = Ssh::to("bob").answers(&["wrong horse"]).run("true");
        assert!(!attempt.success, "{attempt:#?}");
        assert!(!attempt.stderr.contains("authenticator app"), "{attempt:#?}");
        assert_eq!(state(host, "bob"), "none");
        assert_eq!(host.admin_json(&["history"]).as_array().map(Vec::len), Some(0));
    });
}

/// Whoever runs into sshd's time limit finds the same secret at the next try, and nothing was half stored.
#[test]
fn killed_at_any_prompt_nothing_is_stored_and_the_secret_is_the_same_again() {
    in_box(|host| {
        with_bob(host, "\"enroll\"");
        // From an address that is somebody's. Where anybody can come from, nobody is shown a secret twice.
        host.add_address("192.0.2.77");
        let home = || Ssh::to("bob").option("BindAddress=192.0.2.77").on_terminal("true");
        let secret = |console: &mut Console| {
            console.answer("Password: ", BOBS);
            let shown = console.wait_for(SCAN);
            let at = unix_day();
            (format!("{:?}", Phone::typed_from(&shown)), at, Phone::typed_from(&shown))
        };
        let mut console = home();
        let (first, day, _) = secret(&mut console);
        kill_sessions(host);
        drop(console);
        assert_eq!(state(host, "bob"), "none");

        let mut console = home();
        let (second, again, mut phone) = secret(&mut console);
        // At midnight it is another one, as documented.
        assert!(first == second || day != again, "{first} {second}");
        console.type_line(&phone.fresh_code());
        console.wait_for(NOTED);
        kill_sessions(host);
        drop(console);
        assert_eq!(state(host, "bob"), "none", "half stored");
        assert_eq!(host.admin_json(&["list"]).as_array().map(Vec::len), Some(0));

        // The session of a login that had not come to its end is not in either; and all works at the next try.
        let mut console = home();
        console.answer("Password: ", BOBS);
        scan(&mut console);
        console.type_line("");
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        assert_eq!(state(host, "bob"), "active");
    });
}

fn unix_day() -> u64 {
    twostep_tests::phone::unix_time() / 86_400
}

/// Kills what sshd has forked for connections, as its time limit does.
fn kill_sessions(host: &Host) {
    host.command("pkill", &["-KILL", "-f", r"^sshd: .*\[(pam|priv|net)\]"]).expect_success();
}

#[test]
fn whoever_confirms_nothing_does_not_get_in() {
    in_box(|host| {
        with_bob(host, "\"enroll\"");
        let mut console = Ssh::to("bob").on_terminal("true");
        console.answer("Password: ", BOBS);
        for _ in 0..3 {
            console.wait_for(SCAN);
            console.type_line("000000x");
        }
        assert_ne!(console.end(), Some(0), "{}", console.shown());
        host.wait_for_log(&["result=refused", "reason=not-set-up", "user=bob", "no right code"]);

        let mut console = Ssh::to("bob").on_terminal("true");
        console.answer("Password: ", BOBS);
        console.wait_for(SCAN);
        console.type_line("");
        assert_ne!(console.end(), Some(0), "{}", console.shown());
        host.wait_for_log(&["result=refused", "reason=not-set-up", "user=bob", "nothing was entered"]);
        assert_eq!(state(host, "bob"), "none");
    });
}

#[test]
fn a_login_that_shows_nothing_is_refused_with_advice() {
    in_box(|host| {
        host.configure("[interactive]\nunenrolled = \"enroll\"\n");
        host.wire_sshd();
        host.start_sshd("PasswordAuthentication yes");
        host.add_user("bob", BOBS);
        let attempt = Ssh::to("bob").methods("password").answers(&[BOBS]).run("true");
        assert!(!attempt.success, "{attempt:#?}");
        assert!(attempt.stderr.contains("PreferredAuthentications=keyboard-interactive"), "{attempt:#?}");
        host.wait_for_log(&["result=refused", "reason=not-set-up", "user=bob", "cannot ask"]);

        let key = host.give_key("bob");
        let attempt = Ssh::to("bob").key(&key).run("true");
        assert!(!attempt.success, "{attempt:#?}");
        assert!(attempt.stderr.contains("-o PubkeyAuthentication=no"), "{attempt:#?}");
        host.wait_for_log(&["result=refused", "reason=not-set-up", "user=bob", "a key alone"]);
    });
}

#[test]
fn until_the_day_one_is_asked_and_let_in_either_way() {
    in_box(|host| {
        with_bob(host, "\"enroll from 2099-01-01\"");
        let mut console = Ssh::to("bob").on_terminal("id -un");
        console.answer("Password: ", BOBS);
        let shown = console.wait_for("Set it up now? [y/N] ");
        assert!(shown.contains("from 2099-01-01 on (") && shown.contains("days left)"), "{shown}");
        console.type_line("n");
        console.wait_for("bob\r\n");
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        assert_eq!(state(host, "bob"), "none");

        // Who cannot be asked gets in as well, until then.
        let key = host.give_key("bob");
        assert!(Ssh::to("bob").key(&key).run("true").success);

        let mut console = Ssh::to("bob").on_terminal("id -un");
        console.answer("Password: ", BOBS);
        console.answer("Set it up now? [y/N] ", "y");
        scan(&mut console);
        console.type_line("");
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        assert_eq!(state(host, "bob"), "active");
    });
}

#[test]
fn after_a_key_it_comes_too() {
    in_box(|host| {
        host.configure("[interactive]\nunenrolled = \"enroll\"\n");
        host.wire_sshd_with_keys();
        host.start_sshd("AuthenticationMethods publickey,keyboard-interactive:pam");
        host.add_user("bob", BOBS);
        let key = host.give_key("bob");
        let mut console = Ssh::to("bob").key(&key).on_terminal("id -un");
        let (mut phone, _) = scan(&mut console);
        console.type_line("");
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        assert!(Ssh::to("bob").key(&key).answers(&[&phone.fresh_code()]).run("true").success);
    });
}

#[test]
fn on_the_console_it_works_the_same() {
    in_box(|host| {
        host.configure("[interactive]\nunenrolled = \"enroll\"\n");
        host.wire_login();
        host.add_user("bob", BOBS);
        let mut console = Console::login();
        console.answer("login: ", "bob");
        console.answer("Password: ", BOBS);
        let (mut phone, _) = scan(&mut console);
        console.type_line("");
        console.wait_for("$ ");
        drop(console);
        let mut console = Console::login();
        console.answer("login: ", "bob");
        console.answer("Password: ", BOBS);
        console.answer("Verification code: ", &phone.fresh_code());
        console.wait_for("$ ");
    });
}

#[test]
fn through_the_broker_su_and_sudo_enroll_as_well() {
    in_box(|host| {
        host.configure("[interactive]\nunenrolled = \"enroll\"\n");
        host.wire_su_and_sudo();
        host.add_user("alice", PASSWORD);
        host.add_user("bob", BOBS);
        let _broker = host.start_broker();
        let mut console = su(host, "alice", "bob");
        console.answer("Password: ", BOBS);
        scan(&mut console);
        assert_eq!(state(host, "bob"), "none");
        console.type_line("");
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        assert_eq!(state(host, "bob"), "active");
        host.wait_for_log(&["result=changed", "reason=enroll", "user=bob", "by=login"]);

        let mut console = as_user(host, "alice", "/usr/bin/sudo", &["-k", "id", "-un"], &[]);
        console.answer("password for alice: ", PASSWORD);
        scan(&mut console);
        console.type_line("");
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        assert_eq!(state(host, "alice"), "active");

        // Killed in between: nothing.
        host.add_user("carol", PASSWORD);
        let mut console = su(host, "alice", "carol");
        console.answer("Password: ", PASSWORD);
        scan(&mut console);
        console.signal(libc::SIGKILL);
        console.end();
        assert_eq!(state(host, "carol"), "none");
    });
}
