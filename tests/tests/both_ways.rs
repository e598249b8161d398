//! One suite, run both ways: judged by the module in a process that is wholly root, and by the broker for one that is not. Prompts,
//! results and log lines are the same.

use std::ffi::c_int;

use twostep_tests::pam::{Code, Item, Reply, SILENT, Stacks};
use twostep_tests::{Host, Phone, child, in_box};

const PASSWORD: &str = "correct horse";

/// Who calls libpam.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Real, effective and saved uid 0, as sshd has them.
    Here,
    /// With root's real uid, so that what it says of where it comes from is taken for true; but not wholly root.
    Broker,
}

/// One login from its beginning to its account phase.
#[derive(Clone, Debug)]
struct Login {
    service: &'static str,
    user: String,
    reply: Reply,
    /// Where from: each from somewhere else, so that none must wait for another's mistakes.
    rhost: Option<String>,
    flags: c_int,
    /// The name that PAM has by the account phase.
    becomes: Option<&'static str>,
}

impl Login {
    fn to(service: &'static str, user: &str, reply: impl Into<Reply>) -> Self {
        let rhost = Some("203.0.113.9".to_owned());
        Self { service, user: user.to_owned(), reply: reply.into(), rhost, flags: 0, becomes: None }
    }

    fn from(self, rhost: &str) -> Self {
        Self { rhost: Some(rhost.to_owned()), ..self }
    }

    /// What the caller sees of it: results and prompts.
    fn run(&self, way: Way) -> String {
        let run = || {
            let stacks = stacks();
            if way == Way::Broker {
                child::become_ids(0, 0, 0, 1234);
            }
            let mut pam = stacks.start_answering(self.service, &self.user, self.reply.clone());
            if let Some(rhost) = &self.rhost {
                pam.set_item(Item::Rhost, rhost);
            }
            if self.service == "key" {
                pam.put_env("SSH_AUTH_INFO_0=publickey ssh-ed25519 AAAA");
            }
            let auth = pam.authenticate(self.flags);
            let cred = pam.set_cred(0);
            if let Some(name) = self.becomes {
                pam.set_item(Item::User, name);
            }
            let account = if auth == Code::SUCCESS {
                // Some callers ask twice.
                match pam.acct_mgmt(self.flags) {
                    Code::SUCCESS => format!("PAM_SUCCESS {:?}", pam.acct_mgmt(self.flags)),
                    code => format!("{code:?}"),
                }
            } else {
                "-".to_owned()
            };
            let text = format!(
                "{} {:.40}: auth {auth:?}, setcred {cred:?}, account {account}, heard {:?}",
                self.service,
                self.user,
                pam.heard()
            );
            drop(pam);
            drop(stacks);
            text
        };
        child::run(run)
    }
}

/// Takes password and code apart, before the password modules.
const ONE_PROMPT: &str = "auth required pam_twostep.so one-prompt\nauth required pam_unix.so nodelay";

/// What rules make of a login.
const RULES: &str = "[interactive]
unenrolled = \"enroll from 2099-01-01\"
[[rule]]
service = \"free\"
demand = \"nothing\"
[[rule]]
service = \"barred\"
from = \"203.0.113.0/24\"
demand = \"deny\"
[[rule]]
service = \"grouped\"
group = \"alice\"
demand = \"nothing\"
[[rule]]
service = \"mail\"
demand = \"code\"
[[rule]]
service = \"must\"
unenrolled = \"enroll\"
[[rule]]
service = \"asks\"
user = \"alice\"
demand = \"app-password\"
";

/// The ways a line can stand in a stack, and pam_unix before one of them, as Debian has it. A lone IGNORE would show as PERM_DENIED.
fn stacks() -> Stacks {
    let permit = "auth optional pam_permit.so\naccount optional pam_permit.so";
    let stack = |words: &str| {
        format!("auth required pam_twostep.so {words}\naccount required pam_twostep.so {words}\n{permit}")
    };
    Stacks::new()
        .file("sshd", &stack(""))
        .file("asks", &stack("[prompt=Your code, please: ]"))
        .file("imap", &stack(""))
        .file("mail", &stack("app"))
        .file("key", &stack("after-key"))
        .file("nokey", &stack("after-key"))
        .file("typo", &stack("nullok"))
        .file("elsewhere", &stack("config=/etc/twostep/other.toml"))
        .file("unix", &format!("auth required pam_unix.so nodelay\n{}", stack("")))
        .file("free", &stack(""))
        .file("barred", &stack(""))
        .file("grouped", &stack(""))
        .file("must", &stack(""))
        .file("one", &format!("{ONE_PROMPT}\n{}", stack("")))
        .file("half", &format!("{ONE_PROMPT}\naccount required pam_twostep.so\n{permit}"))
}

/// Everybody there is, anew.
struct People {
    phone: Phone,
    pending: Phone,
    backup_code: String,
    app_password: String,
    revoked: String,
}

impl People {
    fn make(host: &Host) -> Self {
        for user in ["alice", "pat", "otto"] {
            host.admin(&["unenroll", user, "--yes"]);
        }
        let document = host.admin_json(&["enroll", "alice", "--activate", "--no-qr"]);
        let pending = host.admin_json(&["enroll", "pat", "--pending", "--no-qr"]);
        host.admin(&["enroll", "otto", "--app-only"]).expect_success();
        let revoked = host.add_app_password("alice", "old");
        host.admin(&["app-password", "revoke", "alice", "old", "--yes"]).expect_success();
        Self {
            phone: Phone::from_enrollment(&document),
            pending: Phone::from_enrollment(&pending),
            backup_code: document["backup_codes"][0].as_str().expect("a backup code").to_owned(),
            app_password: host.add_app_password("alice", "mail"),
            revoked,
        }
    }

    /// Logins of every kind, in an order in which one leads to the next.
    fn logins(mut self) -> Vec<Login> {
        let right = self.phone.fresh_code();
        let wrong = self.phone.wrong_code();
        let pats = self.pending.fresh_code();
        let long = "x".repeat(5_000);
        vec![
            Login::to("sshd", "alice", &right),
            Login::to("sshd", "alice", &right).from("203.0.113.10"),
            Login::to("sshd", "alice", &wrong).from("203.0.113.11"),
            Login::to("sshd", "alice", "").from("203.0.113.12"),
            Login::to("sshd", "alice", &self.app_password).from("203.0.113.13"),
            Login::to("unix", "alice", PASSWORD).from("203.0.113.14"),
            Login::to("unix", "alice", "no password").from("203.0.113.14"),
            Login::to("sshd", "alice", &long).from("203.0.113.15"),
            Login::to("sshd", "alice", vec![0xff, 0xfe]).from("203.0.113.16"),
            Login::to("asks", "alice", &wrong).from("home.example.org"),
            Login::to("asks", "alice", &wrong).from(&format!("{long}.example.org")),
            Login { rhost: None, ..Login::to("sshd", "alice", &wrong) },
            Login { flags: SILENT, ..Login::to("sshd", "alice", &wrong) },
            Login::to("sshd", "alice", Reply::Fails(Code::CONV_ERR)),
            Login::to("sshd", "alice", Reply::Null),
            Login::to("sshd", "alice", &self.backup_code).from("203.0.113.17"),
            Login::to("sshd", "alice", &self.backup_code).from("203.0.113.18"),
            Login::to("key", "alice", &wrong).from("203.0.113.19"),
            Login::to("key", "bob", "x"),
            Login::to("nokey", "alice", "x"),
            Login::to("sshd", "bob", "x"),
            Login { becomes: Some("alice"), ..Login::to("sshd", "bob", "x") },
            Login::to("sshd", "otto", "x"),
            Login::to("sshd", "nobody-here", "x"),
            Login::to("sshd", "ALICE", "x"),
            Login::to("sshd", "alice\n", "x"),
            Login::to("sshd", &long, "x"),
            Login::to("imap", &long, "x"),
            Login::to("sshd", "pat", ""),
            Login::to("sshd", "pat", &pats),
            Login::to("sshd", "pat", "").from("203.0.113.20"),
            Login::to("imap", "alice", &self.app_password),
            Login::to("mail", "alice", &self.app_password),
            Login::to("mail", "alice", &self.app_password.to_uppercase()),
            Login::to("imap", "alice", PASSWORD),
            Login::to("imap", "alice", &self.revoked),
            Login::to("imap", "alice", "abcd efgh ijkl mnop"),
            Login::to("imap", "alice", ""),
            Login::to("imap", "alice", Reply::Fails(Code::CONV_ERR)),
            Login::to("imap", "bob", PASSWORD),
            Login::to("imap", "alice@example.org", &self.app_password),
            Login::to("typo", "alice", "x"),
        ]
    }

    /// Logins that rules decide, and those of clients with one prompt.
    fn by_rules(mut self) -> Vec<Login> {
        let right = format!("{PASSWORD}{}", self.phone.fresh_code());
        let wrong = format!("{PASSWORD}{}", self.phone.wrong_code());
        vec![
            Login::to("free", "alice", "x"),
            Login::to("free", "nobody-here", "x"),
            Login::to("barred", "alice", "x"),
            Login::to("barred", "alice", &self.phone.wrong_code()).from("198.51.100.7"),
            Login::to("grouped", "alice", "x"),
            Login::to("grouped", "pat", &self.pending.wrong_code()).from("203.0.113.10"),
            Login::to("mail", "alice", &self.app_password),
            Login::to("asks", "alice", &self.app_password),
            Login::to("asks", "ALICE", "x"),
            // The key is shown, and answered with something else than its code.
            Login::to("must", "bob", "x"),
            Login::to("must", "bob", ""),
            Login::to("must", "bob", Reply::Fails(Code::CONV_ERR)),
            Login::to("sshd", "bob", "x"),
            Login::to("one", "alice", &right),
            Login::to("one", "alice", &right).from("203.0.113.11"),
            Login::to("one", "alice", &wrong).from("203.0.113.12"),
            Login::to("one", "alice", PASSWORD).from("203.0.113.13"),
            Login::to("one", "alice", &format!("{PASSWORD}{}", self.backup_code)).from("203.0.113.14"),
            Login::to("one", "alice", "123456").from("203.0.113.15"),
            Login::to("one", "bob", PASSWORD),
            Login::to("one", "nobody-here", &right),
            Login::to("half", "alice", &wrong),
            Login::to("half", "bob", PASSWORD),
        ]
    }
}

/// A log line without what differs by its nature: pids, ids, seconds.
fn plain(line: &str) -> String {
    let mut text = String::new();
    for c in line.chars() {
        match c {
            '0'..='9' if text.ends_with('N') => {}
            '0'..='9' => text.push('N'),
            c => text.push(c),
        }
    }
    text
}

#[test]
fn prompts_results_and_log_lines_are_the_same() {
    in_box(|host| same_both_ways(host, People::logins, 7));
}

#[test]
fn what_rules_decide_and_password_and_code_in_one_are_the_same() {
    in_box(|host| {
        host.configure(RULES);
        same_both_ways(host, People::by_rules, 2);
    });
}

/// Plays these logins both ways and compares them; at least so many must be accepted.
fn same_both_ways(host: &Host, logins: fn(People) -> Vec<Login>, let_in: usize) {
    for user in ["alice", "bob", "pat", "otto"] {
        host.add_user(user, PASSWORD);
    }
    let broker = host.start_broker();
    let [here, there] = [Way::Here, Way::Broker].map(|way| {
        let logins = logins(People::make(host));
        let before = host.log_lines().len();
        let transcript: Vec<String> = logins
            .iter()
            .map(|login| {
                let seen = host.log_lines().len();
                let mut text = login.run(way);
                for line in &host.log_lines()[seen..] {
                    text = format!("{text}\n    {}", plain(&line.text));
                }
                text
            })
            .collect();
        let lines = host.log_lines();
        let ours = lines[before..].iter().filter(|line| line.text.starts_with("pam_twostep[")).count();
        assert!(ours >= logins.len() - 3, "{ours} lines for {} logins", logins.len());
        transcript
    });
    for (here, there) in here.iter().zip(there.iter()) {
        assert_eq!(here, there);
    }
    let accepted = here.iter().filter(|text| text.contains("result=accepted")).count();
    assert!(accepted >= let_in, "{accepted} of {} let in: {here:#?}", here.len());
    assert_eq!(broker.stop(), Some(0));
}

/// A line that names a configuration is judged by that one or not at all: the broker does not go where a peer points it.
#[test]
fn another_configuration_than_the_brokers_is_not_judged_by() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        let mut phone = host.enroll("alice");
        host.write("/etc/twostep/other.toml", "[interactive]\nunenrolled = \"allow\"\n");
        let _broker = host.start_broker();
        let told = Login::to("elsewhere", "alice", &phone.fresh_code()).run(Way::Broker);
        assert!(told.contains("auth PAM_AUTHINFO_UNAVAIL"), "{told}");
        host.wait_for_log(&[
            "reason=configuration ",
            "/etc/twostep/other.toml",
            "twostepd /etc/twostep/config.toml",
        ]);
        assert!(
            Login::to("elsewhere", "alice", &phone.fresh_code()).run(Way::Here).contains("auth PAM_SUCCESS")
        );
    });
}
