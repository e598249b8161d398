//! `make demo`: a real sshd, su and Dovecot in a throw-away copy of this host, and what they let in; and a user who helps herself.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use twostep_tests::callers::{as_user, su};
use twostep_tests::{Broker, Host, Imap, Phone, Ssh, program_in_box};

const PASSWORD: &str = "correct horse";

fn main() -> ExitCode {
    program_in_box(|host| {
        let (mut phone, app_password, _broker) = set_up(host);
        let mut transcript = Transcript::new();

        transcript.say("\nssh, a real sshd on 127.0.0.1:");
        let code = phone.fresh_code();
        transcript.ssh(
            "password, code from the phone",
            Expected::In,
            Ssh::to("alice").answers(&[PASSWORD, &code]),
        );
        transcript.ssh(
            "password, the same code again",
            Expected::Refused,
            Ssh::to("alice").answers(&[PASSWORD, &code]),
        );
        let wrong = phone.wrong_code();
        transcript.ssh(
            "password, a wrong code",
            Expected::Refused,
            Ssh::to("alice").answers(&[PASSWORD, &wrong]),
        );
        transcript.ssh(
            "password alone (no code)",
            Expected::Refused,
            Ssh::to("alice").answers(&[PASSWORD, ""]),
        );
        transcript.ssh(
            "password, an app password",
            Expected::Refused,
            Ssh::to("alice").answers(&[PASSWORD, &app_password]),
        );
        transcript.ssh("bob, not enrolled: password", Expected::In, Ssh::to("bob").answers(&[PASSWORD]));

        transcript.say("\nbob says \"su alice\", which is not wholly root and asks twostepd:");
        transcript.su("password, code from the phone", Expected::In, host, &phone.fresh_code());
        transcript.su("password, a wrong code", Expected::Refused, host, &wrong);

        transcript.say("\nIMAP, a real Dovecot on 127.0.0.1:");
        transcript.imap("account password", Expected::Refused, "alice", PASSWORD);
        transcript.imap("app password \"laptop\"", Expected::In, "alice", &app_password);
        host.admin(&["app-password", "revoke", "alice", "laptop", "--yes"]).expect_success();
        transcript.imap("\"laptop\" after its revocation", Expected::Refused, "alice", &app_password);
        transcript.imap("bob, not enrolled: password", Expected::In, "bob", PASSWORD);

        transcript.say("\nalice helps herself, without any privilege:");
        let made = transcript.app_password("twostep app-password add phone", host, &phone.fresh_code());
        transcript.imap("IMAP with it", Expected::In, "alice", &made);

        transcript.say("\nbob, by a rule of the configuration (unenrolled = \"enroll\"), sets it up when he signs in by ssh:");
        host.configure("[[rule]]\nservice = \"sshd\"\nunenrolled = \"enroll\"\n");
        let backup_code = transcript.enroll("password, then as he is told");
        transcript.ssh(
            "password, a backup code",
            Expected::In,
            Ssh::to("bob").answers(&[PASSWORD, &backup_code]),
        );

        transcript.say("\nWhat the host logged (authpriv):");
        for line in host.log_lines() {
            if let Some(at) = line.text.find("result=") {
                transcript.say(&format!("  {}", &line.text[at..]));
            }
        }
        transcript.end()
    })
}

fn set_up(host: &Host) -> (Phone, String, Broker) {
    println!(
        "A throw-away copy of this host, with its own /etc, network and log. Nothing on the host itself changes.\n"
    );
    host.add_user("alice", PASSWORD);
    host.add_user("bob", PASSWORD);
    host.wire_sshd();
    host.wire_su_and_sudo();
    host.wire_dovecot();
    host.start_sshd("");
    host.start_dovecot();
    let broker = host.start_broker();
    println!("  # twostep-admin enroll alice                      (bob is left as he is)");
    let phone = host.enroll("alice");
    println!("  # twostep-admin app-password add alice laptop");
    let app_password = host.add_app_password("alice", "laptop");
    (phone, app_password, broker)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    In,
    Refused,
}

impl Expected {
    fn of(success: bool) -> Self {
        if success { Self::In } else { Self::Refused }
    }

    fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Refused => "refused",
        }
    }
}

/// What is printed, and whether all of it came out as said.
struct Transcript {
    colour: bool,
    wrong: usize,
    total: usize,
}

impl Transcript {
    fn new() -> Self {
        Self { colour: std::io::stdout().is_terminal(), wrong: 0, total: 0 }
    }

    fn say(&self, text: &str) {
        println!("{text}");
        // Lines show as they come also where stdout is a pipe.
        let _ = std::io::stdout().flush();
    }

    fn ssh(&mut self, tried: &str, expected: Expected, connection: Ssh) {
        let attempt = connection.run("true");
        let prompts: Vec<String> = attempt.prompts.iter().map(|prompt| as_asked(prompt)).collect();
        self.line(tried, expected, attempt.success, &format!("asked {}", prompts.join(", then ")));
    }

    fn su(&mut self, tried: &str, expected: Expected, host: &Host, code: &str) {
        let mut console = su(host, "bob", "alice");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", code);
        let success = console.end() == Some(0);
        self.line(tried, expected, success, "asked \"Password:\", then \"Verification code:\"");
    }

    /// Has bob set two-step up at a login; a backup code of his.
    fn enroll(&mut self, tried: &str) -> String {
        let mut console = Ssh::to("bob").on_terminal("true");
        console.answer("Password: ", PASSWORD);
        let mut phone = Phone::typed_from(&console.wait_for("The code that it shows now: "));
        console.type_line(&phone.fresh_code());
        let shown = console.wait_for("Press Enter when you have them: ");
        console.type_line("");
        let success = console.end() == Some(0);
        self.line(tried, Expected::In, success, "the key, a first code, ten backup codes");
        let code =
            shown.lines().map(str::trim).find(|line| line.len() == 15 && line.matches('-').count() == 2);
        code.unwrap_or_default().to_owned()
    }

    /// Has alice make an app password on a terminal of hers; it.
    fn app_password(&mut self, tried: &str, host: &Host, code: &str) -> String {
        let words: Vec<&str> = tried.split(' ').skip(1).collect();
        let mut console = as_user(host, "alice", "/usr/bin/twostep", &words, &[]);
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", code);
        let success = console.end() == Some(0);
        self.line(tried, Expected::In, success, "asked both; printed once, alone on its line");
        console.shown().trim_end().lines().next_back().unwrap_or_default().trim().to_owned()
    }

    fn imap(&mut self, tried: &str, expected: Expected, user: &str, password: &str) {
        let login = Imap::Imaplib.login(user, password);
        let said = if login.success { "folders listed".to_owned() } else { said(&login.said) };
        self.line(tried, expected, login.success, &said);
    }

    fn line(&mut self, tried: &str, expected: Expected, success: bool, came_back: &str) {
        let outcome = Expected::of(success);
        self.total += 1;
        let verdict = if outcome == expected {
            self.painted("32", "ok")
        } else {
            self.wrong += 1;
            self.painted("31", &format!("NOT AS EXPECTED ({})", expected.word()))
        };
        self.say(&format!("  {tried:<31} {:<8} {came_back:<46} {verdict}", outcome.word()));
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn end(self) -> ExitCode {
        if self.wrong == 0 {
            self.say(&format!("\nAll {} came out as said.", self.total));
            ExitCode::SUCCESS
        } else {
            self.say(&format!("\n{} of {} did NOT come out as said.", self.wrong, self.total));
            ExitCode::FAILURE
        }
    }
}

/// A prompt without the `(alice@127.0.0.1) ` that ssh puts before it.
fn as_asked(prompt: &str) -> String {
    format!("\"{}\"", prompt.rsplit(") ").next().unwrap_or(prompt).trim_end())
}

/// The server's words, without the marks Python puts around bytes.
fn said(text: &str) -> String {
    text.trim_start_matches("b'").trim_end_matches('\'').to_owned()
}
