//! Signing in on the console: a real /bin/login on a pseudo-terminal.

use twostep_tests::phone::unix_time;
use twostep_tests::{Console, Host, Phone, in_box};

const PASSWORD: &str = "correct horse";
const BOBS: &str = "battery staple";

/// alice is enrolled, bob is not; login asks for password and code.
fn with_alice_and_bob(host: &Host) -> Phone {
    host.wire_login();
    host.add_user("alice", PASSWORD);
    host.add_user("bob", BOBS);
    host.enroll("alice")
}

/// Waits for the shell and makes sure whose it is.
#[track_caller]
fn shell_of(console: &mut Console, user: &str) {
    console.wait_for("$ ");
    console.type_line("id -un");
    console.wait_for(&format!("\n{user}"));
}

#[test]
fn password_and_code_let_in() {
    in_box(|host| {
        let mut phone = with_alice_and_bob(host);
        let mut console = Console::login();
        console.answer("login: ", "alice");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &phone.fresh_code());
        shell_of(&mut console, "alice");
        let line = host.wait_for_log(&["result=accepted", "reason=code ", "user=alice", "service=login"]);
        assert!(line.value("from").is_some(), "{line}");
    });
}

#[test]
fn the_code_is_not_shown_while_it_is_typed() {
    in_box(|host| {
        let mut phone = with_alice_and_bob(host);
        let code = phone.fresh_code();
        let mut console = Console::login();
        console.answer("login: ", "alice");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &code);
        shell_of(&mut console, "alice");
        assert!(!console.shown().contains(&code), "{}", console.shown());
    });
}

#[test]
fn a_wrong_code_an_empty_one_and_a_used_one_are_refused() {
    in_box(|host| {
        let mut phone = with_alice_and_bob(host);
        let used = phone.fresh_code();
        let mut console = Console::login();
        console.answer("login: ", "alice");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &used);
        shell_of(&mut console, "alice");
        drop(console);

        let mut console = Console::login();
        for (code, reason) in
            [(phone.wrong_code(), "code-wrong"), (String::new(), "empty"), (used, "code-replayed")]
        {
            console.answer("login: ", "alice");
            console.answer("Password: ", PASSWORD);
            console.answer("Verification code: ", &code);
            console.wait_for("Login incorrect");
            host.wait_for_log(&[&format!("reason={reason} "), "user=alice", "service=login"]);
        }
    });
}

#[test]
fn a_phone_ten_minutes_off_is_refused_and_the_log_says_so() {
    in_box(|host| {
        let phone = with_alice_and_bob(host);
        let mut console = Console::login();
        for (behind, sign) in [(false, "+"), (true, "-")] {
            let now = unix_time();
            let code = phone.code_at(if behind { now - 600 } else { now + 600 });
            console.answer("login: ", "alice");
            console.answer("Password: ", PASSWORD);
            console.answer("Verification code: ", &code);
            console.wait_for("Login incorrect");
            let line =
                host.wait_for_log(&["reason=code-wrong ", &format!(" clock-off={sign}"), "user=alice"]);
            let off: u64 = line.value("clock-off").unwrap()[1..].trim_end_matches('s').parse().unwrap();
            // A step may have ended meanwhile, or some on a busy host.
            assert!((510..=690).contains(&off), "{line}");
        }
    });
}

#[test]
fn who_is_not_enrolled_gets_in_with_the_password() {
    in_box(|host| {
        with_alice_and_bob(host);
        let mut console = Console::login();
        console.answer("login: ", "bob");
        console.answer("Password: ", BOBS);
        shell_of(&mut console, "bob");
        assert!(!console.shown().contains("Verification code"), "{}", console.shown());
    });
}

/// login keeps one PAM handle for all the names it asks for.
#[test]
fn the_next_name_on_the_same_handle_inherits_nothing() {
    in_box(|host| {
        with_alice_and_bob(host);
        let phone = host.enroll("bob");
        host.admin(&["unenroll", "alice", "--yes"]).expect_success();

        // alice passed the code step for being unenrolled; her password was wrong all the same.
        let mut console = Console::login();
        console.answer("login: ", "alice");
        console.answer("Password: ", "wrong horse");
        console.wait_for("Login incorrect");
        console.answer("login: ", "bob");
        console.answer("Password: ", BOBS);
        console.answer("Verification code: ", &phone.wrong_code());
        console.wait_for("Login incorrect");
        // And back: bob's refusal is not alice's.
        console.answer("login: ", "alice");
        console.answer("Password: ", PASSWORD);
        shell_of(&mut console, "alice");
    });
}

#[test]
fn a_wrong_code_for_one_name_then_another_name_with_its_own_right_one() {
    in_box(|host| {
        let alices = with_alice_and_bob(host);
        let mut bobs = host.enroll("bob");
        let mut console = Console::login();
        console.answer("login: ", "alice");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &alices.wrong_code());
        console.wait_for("Login incorrect");
        console.answer("login: ", "bob");
        console.answer("Password: ", BOBS);
        console.answer("Verification code: ", &bobs.fresh_code());
        shell_of(&mut console, "bob");
        host.wait_for_log(&["reason=code-wrong ", "user=alice", "service=login"]);
        host.wait_for_log(&["reason=code ", "user=bob", "service=login"]);
    });
}
