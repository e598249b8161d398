//! The way in that holds when everything else refuses everybody: /etc/twostep/break-glass.toml.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::sync::OnceLock;

use twostep_tests::pam::{Code, ESTABLISH_CRED, Item, Stacks};
use twostep_tests::process::{make_console, sit_at};
use twostep_tests::{Console, Host, OrDie, child, in_box};

const FILE: &str = "/etc/twostep/break-glass.toml";
const CONFIGURATION: &str = "/etc/twostep/config.toml";
const STORE_FOLDER: &str = "/var/lib/twostep";
const KEY: &str = "/etc/twostep/master.key";
const PASSWORD: &str = "correct horse";

/// `tty2` is exempt too, but nobody is there.
const ROOT_AT_THE_CONSOLE: &str = "[[exemption]]\nservice = \"login\"\ntty = [\"CONSOLE\", \"tty2\"]\nuser = \"root\"\n\
                                   reason = \"the way in\"\nowner = \"ops\"\n";
static CONSOLE: OnceLock<String> = OnceLock::new();

/// The virtual console that this process is at.
fn console() -> &'static str {
    CONSOLE.get().expect("sit at a console first")
}

fn root_at_the_console() -> String {
    ROOT_AT_THE_CONSOLE.replace("CONSOLE", console())
}

/// root is enrolled, alice is enrolled, bob is not; all have one password. This process is at a console of that number, as login is; the
/// consoles are the kernel's, so that each test has its own.
fn with_an_exemption(host: &Host, number: u32) {
    for number in [number, 2] {
        make_console(number);
    }
    sit_at(Path::new(&format!("/dev/tty{number}")));
    CONSOLE.set(format!("tty{number}")).or_die("sit at one console");
    for user in ["alice", "bob"] {
        host.add_user(user, PASSWORD);
    }
    host.set_password("root", PASSWORD);
    for user in ["root", "alice"] {
        host.enroll(user);
    }
    host.write(FILE, &root_at_the_console());
}

/// The documented stack, with these words on the module's lines.
fn stacks(words: &str) -> Stacks {
    let all = format!(
        "auth requisite pam_unix.so nodelay\nauth required pam_twostep.so {words}\n\
         account required pam_twostep.so {words}\naccount required pam_unix.so"
    );
    ["login", "sshd", "su", "sudo", "sshd-rescue"]
        .into_iter()
        .fold(Stacks::new(), |stacks, service| stacks.file(service, &all))
}

/// What is broken, and how.
type Mishap = (&'static str, fn(&Host));

/// Where somebody sits, as the service says.
#[derive(Clone, Copy)]
struct Seat<'a> {
    service: &'a str,
    user: &'a str,
    tty: Option<&'a str>,
    rhost: Option<&'a str>,
}

fn at(tty: &str) -> Seat<'_> {
    Seat { service: "login", user: "root", tty: Some(tty), rhost: None }
}

/// One login that knows the password and nothing else: the first phase that refuses, or success.
fn sign_in(stacks: &Stacks, seat: Seat<'_>, password: &str) -> Code {
    let mut pam = stacks.start_answering(seat.service, seat.user, password);
    if let Some(tty) = seat.tty {
        pam.set_item(Item::Tty, tty);
    }
    if let Some(rhost) = seat.rhost {
        pam.set_item(Item::Rhost, rhost);
    }
    match pam.authenticate(0) {
        Code::SUCCESS => pam.acct_mgmt(0),
        refused => refused,
    }
}

#[track_caller]
fn only_root_at_tty1_gets_in(host: &Host, words: &str) {
    let stacks = stacks(words);
    assert_eq!(sign_in(&stacks, at(console()), PASSWORD), Code::SUCCESS);
    assert_eq!(sign_in(&stacks, at(&format!("/dev/{}", console())), PASSWORD), Code::SUCCESS);
    let line = host.wait_for_log(&["result=ignored", "reason=break-glass ", "user=root", "service=login"]);
    assert_eq!((line.severity, line.value("entry")), (4, Some("1")), "{line}");
    assert_ne!(sign_in(&stacks, at(console()), "wrong"), Code::SUCCESS, "a wrong password");
    for thief in thieves() {
        let Seat { service, user, tty, rhost } = thief;
        assert_ne!(
            sign_in(&stacks, thief, PASSWORD),
            Code::SUCCESS,
            "{service}, {user}, tty {tty:?}, from {rhost:?}"
        );
    }
}

/// All who have the password, and are not at the console.
fn thieves() -> Vec<Seat<'static>> {
    let root = at(console());
    vec![
        // Exempt, and a terminal of this host, but not this process's.
        at("tty2"),
        at("tty3"),
        at("tty11"),
        at("pts/1"),
        at("/dev/pts/1"),
        at("tty2\n"),
        at("/dev//tty2"),
        at("/dev/pts/../tty2"),
        at("TTY2"),
        at(""),
        Seat { tty: None, ..root },
        Seat { rhost: Some("203.0.113.9"), ..root },
        Seat { rhost: Some("127.0.0.1"), ..root },
        Seat { rhost: Some("localhost"), ..root },
        Seat { user: "alice", ..root },
        Seat { user: "ROOT", ..root },
        Seat { user: "root ", ..root },
        Seat { service: "sshd", tty: Some("ssh"), rhost: Some("203.0.113.9"), ..root },
        Seat { service: "sshd", ..root },
        Seat { service: "su", ..root },
        Seat { service: "sudo", ..root },
    ]
}

#[test]
fn a_configuration_mistake_refuses_root_at_tty1_too() {
    in_box(|host| {
        with_an_exemption(host, 43);
        for text in ["[interactive\n", "unknown = 1\n", "\u{0}", "[interactive]\nunenrolled = 1\n"] {
            host.write(CONFIGURATION, text);
            only_root_at_tty1_gets_in(host, "");
        }
        host.write(CONFIGURATION, "");
        chown(CONFIGURATION, Some(65534), None).or_die("give the configuration away");
        only_root_at_tty1_gets_in(host, "");
        fs::remove_file(CONFIGURATION).or_die("remove the configuration");
        only_root_at_tty1_gets_in(host, "config=/etc/twostep/none.toml");
    });
}

#[test]
fn whatever_else_is_broken_root_at_tty1_gets_in_by_password_and_nobody_else_does() {
    let mishaps: [Mishap; 6] = [
        ("nothing", |_| {}),
        ("the disk is full", |host| {
            fs::rename(STORE_FOLDER, "/var/lib/twostep-full").or_die("put the store aside");
            fs::create_dir(STORE_FOLDER).or_die("make a folder");
            let tmpfs = ["-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", STORE_FOLDER];
            host.command("mount", &tmpfs).expect_success();
            host.command("cp", &["/var/lib/twostep-full/store.db", STORE_FOLDER]).expect_success();
            let filler = format!("of={STORE_FOLDER}/filler");
            host.command("dd", &["if=/dev/zero", &filler, "bs=4k"]);
        }),
        ("the store is gone", |_| {
            fs::remove_file(format!("{STORE_FOLDER}/store.db")).or_die("remove the store")
        }),
        ("the key is gone", |_| fs::remove_file(KEY).or_die("remove the key")),
        ("looking groups up fails", |host| {
            host.configure(
                "[[rule]]\ngroup = \"no-such-group\"\ndemand = \"code\"\n[[rule]]\ndemand = \"deny\"\n",
            );
            host.switch_groups("nowhere");
        }),
        ("the runtime folder is gone", |_| fs::remove_dir_all("/run/twostep").or_die("remove it")),
    ];
    in_box(|host| {
        with_an_exemption(host, 44);
        for (what, mishap) in mishaps {
            println!("{what}");
            mishap(host);
            only_root_at_tty1_gets_in(host, "");
        }
    });
}

#[test]
fn a_word_the_module_does_not_know_spares_root_at_tty1() {
    in_box(|host| {
        with_an_exemption(host, 45);
        for words in ["nullok", "app=yes", "config=relative", "config=/etc/twostep/none.toml typo"] {
            only_root_at_tty1_gets_in(host, words);
        }
    });
}

/// Lines of the two profiles for a whole host: the first asks the configuration whether the service is one for app passwords.
#[test]
fn lines_for_the_whole_host_spare_root_at_tty1_without_a_configuration() {
    in_box(|host| {
        with_an_exemption(host, 46);
        host.write(CONFIGURATION, "[interactive\n");
        let stacks = Stacks::new().file(
            "login",
            "auth [success=2 ignore=ignore default=die] pam_twostep.so app-services\nauth requisite pam_unix.so nodelay\n\
             auth required pam_twostep.so\nauth required pam_permit.so\n\
             account [success=done ignore=ignore default=die] pam_twostep.so app-services\n\
             account required pam_twostep.so\naccount required pam_unix.so",
        );
        assert_eq!(sign_in(&stacks, at(console()), PASSWORD), Code::SUCCESS);
        assert_ne!(sign_in(&stacks, at(console()), "wrong"), Code::SUCCESS);
        assert_ne!(sign_in(&stacks, at("tty3"), PASSWORD), Code::SUCCESS);
        let mut pam = stacks.start_answering("login", "root", PASSWORD);
        pam.set_item(Item::Tty, console());
        assert_eq!((pam.authenticate(0), pam.set_cred(ESTABLISH_CRED)), (Code::SUCCESS, Code::SUCCESS));
    });
}

#[test]
fn an_exempt_login_can_change_an_expired_password_while_nothing_can_be_judged() {
    in_box(|host| {
        with_an_exemption(host, 47);
        host.write(CONFIGURATION, "[interactive\n");
        let stacks = Stacks::new().file(
            "login",
            "auth requisite pam_unix.so nodelay\nauth required pam_twostep.so\naccount required pam_twostep.so\n\
             password required pam_twostep.so\npassword required pam_permit.so",
        );
        let change = |tty: &str| {
            let mut pam = stacks.start_answering("login", "root", PASSWORD);
            pam.set_item(Item::Tty, tty);
            let _signed_in = (pam.authenticate(0), pam.acct_mgmt(0));
            pam.chauthtok(0)
        };
        assert_eq!(change(console()), Code::SUCCESS);
        assert_eq!(change("tty3"), Code::AUTHTOK_ERR);
    });
}

#[test]
fn one_handle_for_several_names_exempts_only_the_one_that_the_exemption_names() {
    in_box(|host| {
        with_an_exemption(host, 48);
        let stacks = stacks("");
        let mut pam = stacks.start_answering("login", "root", PASSWORD);
        pam.set_item(Item::Tty, console());
        assert_eq!(pam.authenticate(0), Code::SUCCESS);
        pam.set_item(Item::User, "alice");
        assert_eq!(pam.acct_mgmt(0), Code::PERM_DENIED, "another name since the auth phase");
        assert_ne!(pam.authenticate(0), Code::SUCCESS);
        pam.set_item(Item::User, "root");
        assert_eq!((pam.authenticate(0), pam.acct_mgmt(0)), (Code::SUCCESS, Code::SUCCESS));
        // The file is another by the account phase: the auth phase has decided.
        assert_eq!(pam.authenticate(0), Code::SUCCESS);
        fs::remove_file(FILE).or_die("remove the file");
        assert_eq!(pam.acct_mgmt(0), Code::SUCCESS);
        assert_ne!(pam.authenticate(0), Code::SUCCESS);
    });
}

#[test]
fn a_caller_who_can_choose_the_terminal_is_not_exempt() {
    in_box(|host| {
        with_an_exemption(host, 49);
        for (real, effective, saved) in [(1000, 0, 0), (0, 1000, 0), (0, 0, 1000), (1000, 1000, 1000)] {
            let got = child::run(|| {
                let only = "auth required pam_twostep.so\nauth required pam_permit.so";
                let stacks = Stacks::new().file("login", only);
                child::become_ids(0, real, effective, saved);
                let mut pam = stacks.start_answering("login", "root", PASSWORD);
                pam.set_item(Item::Tty, console());
                let text = format!("{:?}", pam.authenticate(0));
                drop(pam);
                // The folder of stacks is root's.
                std::mem::forget(stacks);
                text
            });
            assert_eq!(got, "PAM_AUTHINFO_UNAVAIL", "uids {real} {effective} {saved}");
        }
    });
}

#[test]
fn a_real_login_at_a_pseudo_terminal_is_not_at_the_console() {
    in_box(|host| {
        with_an_exemption(host, 50);
        host.wire_login();
        host.write(CONFIGURATION, "[interactive\n");
        let mut console = Console::login();
        console.answer("login: ", "root");
        console.answer("Password: ", PASSWORD);
        console.wait_for("Login incorrect");
        host.wait_for_log(&["result=unavailable", "reason=configuration ", "service=login"]);
    });
}

/// What is wrong with the file itself opens nothing, and shuts nothing that was open.
#[test]
fn a_file_that_cannot_be_trusted_or_read_exempts_nobody_and_refuses_nobody() {
    let mishaps: [Mishap; 8] = [
        ("written by others", |host| host.set_mode(FILE, 0o646)),
        ("written by its group", |host| host.set_mode(FILE, 0o664)),
        ("another owner", |_| chown(FILE, Some(65534), None).or_die("give it away")),
        ("a link", |host| {
            host.write("/etc/twostep/elsewhere.toml", &root_at_the_console());
            fs::remove_file(FILE).or_die("remove it");
            symlink("elsewhere.toml", FILE).or_die("link it");
        }),
        ("a mistake", |host| host.write(FILE, &format!("{}until = 2026-12-01\n", root_at_the_console()))),
        ("no TOML", |host| host.write(FILE, "[[exemption")),
        ("open to a network", |host| {
            host.write(
                FILE,
                &format!("{0}{1}", root_at_the_console(), root_at_the_console().replace("tty =", "#")),
            );
        }),
        ("a folder", |_| {
            fs::remove_file(FILE).or_die("remove it");
            fs::create_dir(FILE).or_die("put a folder there");
        }),
    ];
    in_box(|host| {
        with_an_exemption(host, 51);
        for (what, mishap) in mishaps {
            println!("{what}");
            host.configure("");
            mishap(host);
            let stacks = stacks("");
            assert_ne!(sign_in(&stacks, at(console()), PASSWORD), Code::SUCCESS, "{what}: root needs a code");
            let bob = Seat { user: "bob", ..at(console()) };
            assert_eq!(sign_in(&stacks, bob, PASSWORD), Code::SUCCESS, "{what}: bob, who is not enrolled");
            host.write(CONFIGURATION, "[interactive\n");
            assert_ne!(
                sign_in(&stacks, at(console()), PASSWORD),
                Code::SUCCESS,
                "{what}: the way in is shut"
            );
            let line = host.wait_for_log(&["result=changed", "reason=break-glass-unusable ", "remedy="]);
            assert_eq!(line.severity, 3, "{line}");
            if fs::symlink_metadata(FILE).or_die("look at it").is_dir() {
                fs::remove_dir(FILE).or_die("remove the folder");
            } else {
                fs::remove_file(FILE).or_die("remove it");
            }
            host.write(FILE, &root_at_the_console());
        }
    });
}

#[test]
fn a_service_made_for_it_lets_its_users_in_from_a_network_by_password_or_key() {
    in_box(|host| {
        with_an_exemption(host, 52);
        host.write(
            FILE,
            "[[exemption]]\nservice = \"sshd-rescue\"\nuser = \"alice\"\nreason = \"management network\"\nowner = \"ops\"\n",
        );
        host.write(CONFIGURATION, "[interactive\n");
        let stacks = stacks("");
        let from = |service, user| Seat { service, user, tty: Some("ssh"), rhost: Some("203.0.113.9") };
        assert_eq!(sign_in(&stacks, from("sshd-rescue", "alice"), PASSWORD), Code::SUCCESS);
        for (service, user) in [("sshd", "alice"), ("sshd-rescue", "root"), ("sshd-rescue", "bob")] {
            assert_ne!(sign_in(&stacks, from(service, user), PASSWORD), Code::SUCCESS, "{service}, {user}");
        }
        let by_key = |user: &str| {
            let mut pam = stacks.start_answering("sshd-rescue", user, "");
            pam.put_env("SSH_AUTH_INFO_0=");
            pam.acct_mgmt(0)
        };
        assert_eq!(by_key("alice"), Code::SUCCESS);
        assert_ne!(by_key("bob"), Code::SUCCESS);
    });
}

#[test]
fn the_way_in_is_made_tried_with_everything_else_out_of_reach_and_shown() {
    in_box(|host| {
        with_an_exemption(host, 53);
        fs::remove_file(FILE).or_die("remove the file");
        host.wire_login();
        let ids = |host: &Host| -> Vec<String> {
            let found = host.admin(&["check", "--json"]).stdout;
            let found: serde_json::Value = serde_json::from_str(&found).or_die("read the findings");
            let all = found["findings"].as_array().into_iter().flatten();
            let ids = all.filter_map(|finding| finding["id"].as_str().map(str::to_owned));
            ids.filter(|id| id.starts_with("break-glass")).collect()
        };
        assert_eq!(ids(host), ["break-glass-missing"]);
        for number in [55, 56] {
            make_console(number);
        }
        host.admin(&["break-glass", "make", "--owner", "ops", "--tty", "tty55,tty56"]).expect_success();
        assert_eq!(ids(host), ["break-glass-untried"]);

        let try_it = |password: &str| {
            let mut console = Console::open("/usr/sbin/twostep-admin", &["break-glass", "try"]);
            console.answer("Password: ", password);
            let status = console.end();
            (status, console.shown().to_owned())
        };
        let (status, shown) = try_it("wrong");
        assert_eq!(status, Some(1), "{shown}");
        assert!(shown.contains("the way in is shut"), "{shown}");
        assert_eq!(ids(host), ["break-glass-untried"]);
        let (status, shown) = try_it(PASSWORD);
        assert_eq!(status, Some(0), "{shown}");
        assert!(shown.contains("The way in holds: login lets root in at tty56 without a code."), "{shown}");
        assert_eq!(ids(host), Vec::<String>::new());
        host.wait_for_log(&["reason=break-glass ", "user=root", "service=login"]);

        // Nothing of it is left: the host's own configuration, key and store are where they were.
        assert_eq!(host.admin_json(&["explain", "root", "login", "--tty", "tty55"])["reason"], "break-glass");
        assert_eq!(host.admin_json(&["explain", "root", "login", "--tty", "tty9"])["demand"], "code");
        let shown = host.admin_json(&["break-glass", "show"]);
        assert!(shown["exemptions"][0]["tried"].is_string(), "{shown}");
        let stack = host.read("/etc/pam.d/login");
        host.write("/etc/pam.d/login", &format!("auth required pam_deny.so\n{stack}"));
        assert_eq!(ids(host), ["break-glass-untried"]);
        let (status, shown) = try_it(PASSWORD);
        assert_eq!(status, Some(1), "{shown}");
    });
}
