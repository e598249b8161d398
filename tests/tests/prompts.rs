//! What a person meets at a prompt, beside the plain password and code: one-prompt clients, hints, counters, and what strangers see.

use twostep_tests::callers::{as_user, su};
use twostep_tests::{Console, Host, Phone, Ssh, in_box};

const PASSWORD: &str = "correct horse";
const BOBS: &str = "battery staple";

fn people(host: &Host) -> Phone {
    host.add_user("alice", PASSWORD);
    host.add_user("bob", BOBS);
    host.enroll("alice")
}

fn with_one_prompt(host: &Host) -> Phone {
    host.wire_sshd();
    host.wire_one_prompt("/etc/pam.d/sshd");
    host.start_sshd("PasswordAuthentication yes");
    people(host)
}

/// sshd's method `password` can send one string only.
#[test]
fn a_client_with_one_prompt_sends_password_and_code_in_one() {
    in_box(|host| {
        let mut phone = with_one_prompt(host);
        let one = |user: &str, sent: &str| Ssh::to(user).methods("password").answers(&[sent]).run("id -un");
        let code = phone.fresh_code();
        let attempt = one("alice", &format!("{PASSWORD}{code}"));
        assert!(attempt.success, "{attempt:#?}\n{}", host.sshd_log());
        host.wait_for_log(&["result=accepted", "reason=code ", "user=alice"]);
        assert!(!one("alice", &format!("{PASSWORD}{code}")).success, "a code twice");
        assert!(!one("alice", &format!("{PASSWORD}{}", phone.wrong_code())).success);
        host.wait_for_log(&["result=refused", "reason=code-wrong", "user=alice"]);
        // Without a code, and without a password: refused, and nothing counted.
        assert!(!one("alice", PASSWORD).success);
        host.wait_for_log(&["result=refused", "reason=same-as-password", "user=alice"]);
        let wrong_before = host.admin_json(&["show", "alice"])["wrong_codes"].clone();
        for guess in ["123456", "password123456", &format!("wrong horse{}", phone.fresh_code())] {
            assert!(!one("alice", guess).success, "{guess}");
        }
        assert_eq!(host.admin_json(&["show", "alice"])["wrong_codes"], wrong_before);
        // A backup code stands there as well, and who is not enrolled gives the password alone.
        let set = host.admin_json(&["backup-codes", "alice", "--yes"]);
        let codes = set.as_array().or_else(|| set["backup_codes"].as_array()).expect("codes");
        assert!(one("alice", &format!("{PASSWORD}{}", codes[0].as_str().expect("a code"))).success);
        assert!(one("bob", BOBS).success);
    });
}

/// With the line alone that takes them apart, nobody would look at the code.
#[test]
fn a_code_that_no_line_judges_lets_nobody_in() {
    in_box(|host| {
        let mut phone = with_one_prompt(host);
        host.edit("/etc/pam.d/sshd", |line| {
            if line == twostep_tests::wiring::INTERACTIVE_AUTH {
                format!("# {line}")
            } else {
                line.to_owned()
            }
        });
        for code in [phone.fresh_code(), phone.wrong_code(), String::new()] {
            let attempt =
                Ssh::to("alice").methods("password").answers(&[&format!("{PASSWORD}{code}")]).run("true");
            assert!(!attempt.success, "{code}: {attempt:#?}");
        }
        host.wait_for_log(&["result=unavailable", "reason=code-unjudged", "user=alice", "remedy="]);
        assert!(Ssh::to("bob").methods("password").answers(&[BOBS]).run("true").success);
    });
}

/// A client that can be asked twice is, where the code was left out.
#[test]
fn where_the_code_is_left_out_it_is_asked_for() {
    in_box(|host| {
        let mut phone = with_one_prompt(host);
        let attempt = Ssh::to("alice").answers(&[PASSWORD, &phone.fresh_code()]).run("true");
        assert!(attempt.success, "{attempt:#?}");
        assert!(attempt.prompts[0].ends_with("Password and verification code: "), "{attempt:#?}");
        let attempt = Ssh::to("alice").answers(&[&format!("{PASSWORD}{}", phone.fresh_code())]).run("true");
        assert!(attempt.success, "{attempt:#?}");
    });
}

/// Through twostepd as well: sudo -S with one line.
#[test]
fn su_takes_one_string_through_the_broker() {
    in_box(|host| {
        host.wire_su_and_sudo();
        host.wire_one_prompt("/etc/pam.d/su");
        let mut phone = people(host);
        let _broker = host.start_broker();
        let mut console = su(host, "bob", "alice");
        console.answer("Password and verification code: ", &format!("{PASSWORD}{}", phone.fresh_code()));
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        let mut console = su(host, "bob", "alice");
        console.answer("Password and verification code: ", &format!("{PASSWORD}{}", phone.wrong_code()));
        assert_ne!(console.end(), Some(0), "{}", console.shown());
        let mut console = su(host, "alice", "bob");
        console.answer("Password and verification code: ", BOBS);
        assert_eq!(console.end(), Some(0), "{}", console.shown());
    });
}

/// What strangers see of alice, who is enrolled, of bob, who is not, and of nobody.
#[test]
fn where_everybody_is_asked_strangers_see_the_same_of_all() {
    in_box(|host| {
        host.configure("[interactive]\nask_everyone = true\n");
        host.wire_sshd();
        host.go_on_after_wrong_passwords("/etc/pam.d/sshd");
        host.start_sshd("");
        let mut phone = people(host);
        let seen = |user: &str, code: &str| {
            let attempt = Ssh::to(user).answers(&["wrong horse", code]).run("true");
            assert!(!attempt.success, "{attempt:#?}");
            let same = |text: &String| text.replace(user, "USER");
            (attempt.prompts.iter().map(same).collect::<Vec<_>>(), same(&attempt.stderr))
        };
        for code in ["000000", "", "abcd-efgh-jkmnp", "abcdefghijklmnop"] {
            let alices = seen("alice", code);
            assert_eq!(alices.0, ["(USER@127.0.0.1) Password: ", "(USER@127.0.0.1) Verification code: "]);
            for user in ["bob", "nobody-of-that-name"] {
                assert_eq!(seen(user, code), alices, "{user} {code:?}");
            }
        }
        // A right code with a wrong password looks no different, and whoever has both gets in.
        assert_eq!(seen("alice", &phone.fresh_code()), seen("bob", "000000"));
        assert!(Ssh::to("alice").answers(&[PASSWORD, &phone.fresh_code()]).run("true").success);
        assert!(Ssh::to("bob").answers(&[BOBS, ""]).run("true").success);
    });
}

#[test]
fn a_code_is_shown_while_it_is_typed_where_the_line_says_so() {
    in_box(|host| {
        host.wire_login();
        host.edit("/etc/pam.d/login", |line| {
            line.replace(
                "auth     required   pam_twostep.so",
                "auth required pam_twostep.so echo [prompt=Your code: ]",
            )
        });
        let mut phone = people(host);
        let code = phone.fresh_code();
        let mut console = Console::login();
        console.answer("login: ", "alice");
        console.answer("Password: ", PASSWORD);
        console.answer("Your code: ", &code);
        console.wait_for("$ ");
        assert!(console.shown().contains(&code), "{}", console.shown());
    });
}

#[test]
fn the_owner_is_told_how_many_wrong_codes_came_from_where_and_how_many_backup_codes_are_left() {
    in_box(|host| {
        host.wire_sshd();
        host.start_sshd("");
        host.add_address("192.0.2.77");
        let mut phone = people(host);
        let elsewhere = || Ssh::to("alice").option("BindAddress=192.0.2.77");
        for _ in 0..2 {
            assert!(!elsewhere().answers(&[PASSWORD, &phone.wrong_code()]).run("true").success);
        }
        assert!(!Ssh::to("alice").answers(&[PASSWORD, &phone.wrong_code()]).run("true").success);
        let attempt = Ssh::to("alice").answers(&[PASSWORD, &phone.fresh_code()]).run("true");
        let told = "3 wrong codes were entered since your last sign-in, from 192.0.2.77 and 127.0.0.1.";
        assert!(attempt.success && attempt.stderr.contains(told), "{attempt:#?}");
        let attempt = Ssh::to("alice").answers(&[PASSWORD, &phone.fresh_code()]).run("true");
        assert!(attempt.success && !attempt.stderr.contains("wrong code"), "{attempt:#?}");

        let set = host.admin_json(&["backup-codes", "alice", "--yes"]);
        let codes = set.as_array().or_else(|| set["backup_codes"].as_array()).expect("codes").clone();
        for (code, left) in codes.iter().take(8).zip((2..10).rev()) {
            let attempt = Ssh::to("alice").answers(&[PASSWORD, code.as_str().expect("a code")]).run("true");
            assert!(attempt.success && attempt.stderr.contains(&format!("{left} are left.")), "{attempt:#?}");
            assert_eq!(attempt.stderr.contains("twostep backup-codes"), left <= 3, "{attempt:#?}");
        }
        let bypass = host.admin_json(&["bypass", "alice", "--for", "2h", "--uses", "2"]);
        let code = bypass["bypass_code"].as_str().or(bypass["code"].as_str()).expect("a bypass code");
        for _ in 0..2 {
            assert!(Ssh::to("alice").answers(&[PASSWORD, code]).run("true").success);
        }
        assert!(!Ssh::to("alice").answers(&[PASSWORD, code]).run("true").success);
    });
}

/// A hardware token that counts: ten presses in a pocket are caught up with at once, more by two codes in one answer.
#[test]
fn a_token_that_counts_is_caught_up_with() {
    in_box(|host| {
        host.wire_sshd();
        host.start_sshd("");
        host.add_user("alice", PASSWORD);
        let made = host.admin_json(&["enroll", "alice", "--hotp", "--activate", "--no-qr"]);
        let token = Phone::new(made["authenticator"]["secret"].as_str().expect("a secret"));
        // The same arithmetic as with time, at thirty seconds a counter.
        let code = |counter: u64| token.code_at(counter * 30);
        let signs_in = |answer: &str| Ssh::to("alice").answers(&[PASSWORD, answer]).run("true").success;
        assert!(signs_in(&code(0)));
        assert!(!signs_in(&code(0)), "a code twice");
        assert!(signs_in(&code(11)), "ten passed over");
        let shown = host.admin(&["show", "alice"]).stdout;
        assert!(shown.contains("10 passed over"), "{shown}");
        assert!(!signs_in(&code(11 + 40)));
        assert!(signs_in(&format!("{} {}", code(11 + 40), code(11 + 41))), "two successive ones");
        assert!(!signs_in(&code(11 + 41)), "both are used up");
        assert!(signs_in(&code(11 + 42)));
    });
}

/// What a user writes into her home has no say about which key was used.
#[test]
fn an_environment_file_of_the_users_gains_nothing() {
    in_box(|host| {
        host.wire_sshd_with_keys();
        host.edit("/etc/pam.d/sshd", |line| {
            if line.contains("after-key") {
                format!("auth required pam_env.so user_readenv=1\n{line}")
            } else {
                line.to_owned()
            }
        });
        host.start_sshd("");
        let mut phone = people(host);
        for user in ["alice", "bob"] {
            let file = format!("/home/{user}/.pam_environment");
            host.write(&file, "SSH_AUTH_INFO_0 DEFAULT=\"publickey ssh-ed25519 AAAA\"\nSSH_CONNECTION DEFAULT=\"192.0.2.1 1 192.0.2.2 22\"\n");
            host.command("chown", &[user, &file]).expect_success();
        }
        let attempt = Ssh::to("alice").answers(&["wrong horse"]).run("true");
        assert!(!attempt.success && attempt.prompts[0].ends_with("Password: "), "{attempt:#?}");
        assert!(!Ssh::to("alice").answers(&[PASSWORD, &phone.wrong_code()]).run("true").success);
        let line = host.wait_for_log(&["result=refused", "reason=code-wrong", "user=alice"]);
        assert_eq!(line.value("from"), Some("127.0.0.1"));
        assert!(Ssh::to("alice").answers(&[PASSWORD, &phone.fresh_code()]).run("true").success);
        assert!(!Ssh::to("bob").answers(&["wrong horse"]).run("true").success);
        assert!(Ssh::to("bob").answers(&[BOBS]).run("true").success);
    });
}

/// Account phases that come without an auth phase of ours are none of our business, even where rules refuse.
#[test]
fn a_cached_ticket_su_from_root_and_login_f_go_on_as_ever() {
    in_box(|host| {
        host.configure("[interactive]\nunenrolled = \"enroll\"\n");
        host.wire_su_and_sudo();
        host.wire_login();
        let mut phone = people(host);
        host.write(
            "/etc/sudoers.d/tests",
            "Defaults timestamp_timeout=15,timestamp_type=global,!lecture\nALL ALL=(ALL) ALL\n",
        );
        host.set_mode("/etc/sudoers.d/tests", 0o440);
        let broker = host.start_broker();
        let mut console = as_user(host, "alice", "/usr/bin/sudo", &["id", "-un"], &[]);
        console.answer("password for alice: ", PASSWORD);
        console.answer("Verification code: ", &phone.fresh_code());
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        // With the broker and the store gone.
        broker.kill();
        std::fs::rename("/var/lib/twostep", "/var/lib/elsewhere").expect("the store was there");
        let mut console = as_user(host, "alice", "/usr/bin/sudo", &["id", "-un"], &[]);
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        let done = host.command("su", &["alice", "-c", "id -un"]);
        assert!(done.success() && done.stdout == "alice\n", "{done:?}");
        let mut console = Console::open("/bin/login", &["-f", "alice"]);
        console.wait_for("$ ");
    });
}
