//! QR codes as a phone's camera sees them on a real terminal: of any usual size, dark and light, with and without UTF-8.

use std::process::Command;
use twostep_tests::callers::command_as_user;
use twostep_tests::screen::Expected::{self, Code, Text};
use twostep_tests::screen::{self, Colours, Seen, Sent};
use twostep_tests::{Console, Host, Ssh, in_box};

const PASSWORD: &str = "correct horse";
const UTF8: &str = "C.UTF-8";
const ASCII: &str = "C";
const USUAL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (100, 40);
const NARROW: (u16, u16) = (40, 24);

/// As long as useradd lets one be: the code is larger.
const LONG: &str = "a-user-with-a-name-of-32-letters";

/// For commands, which know their terminal.
const COMMANDS: [((u16, u16), &str, Expected); 6] = [
    (USUAL, UTF8, Code),
    (LARGE, UTF8, Code),
    (NARROW, UTF8, Code),
    (USUAL, ASCII, Text),
    (LARGE, ASCII, Code),
    (NARROW, ASCII, Text),
];

/// For logins, which do not: there is a code for anyone who asks for one, and needs UTF-8.
const LOGINS: [((u16, u16), &str, Expected); 6] = [
    (USUAL, UTF8, Code),
    (LARGE, UTF8, Code),
    (NARROW, UTF8, Code),
    (USUAL, ASCII, Text),
    (LARGE, ASCII, Text),
    (NARROW, ASCII, Text),
];

struct Case {
    what: String,
    sent: Sent,
    secret: String,
}

#[test]
fn a_camera_reads_every_code_and_where_none_fits_there_is_the_secret() {
    in_box(|host| {
        let mut cases = Vec::new();
        commands(host, &mut cases);
        logins(host, &mut cases);
        let all: Vec<Sent> = cases.iter().map(|case| case.sent.clone()).collect();
        let seen = screen::show(&all);
        let wrong: Vec<String> =
            cases.iter().zip(&seen).filter_map(|(case, seen)| case.wrong(seen)).collect();
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    });
}

impl Case {
    /// What is not as it should be.
    fn wrong(&self, seen: &Seen) -> Option<String> {
        let Self { what, sent, secret } = self;
        let user = what.rsplit(' ').next().unwrap_or_default();
        let uri = format!("otpauth://totp/box:{user}?secret={}", secret.replace(' ', ""));
        // Blocks, colours, or what ssh makes of blocks without UTF-8: octal numbers.
        let drawn = !sent.bytes.is_ascii() || sent.bytes.contains(&0x1b) || seen.text.contains("\\342");
        // It may be broken at the edge.
        let without_blanks = |text: &str| text.split_whitespace().collect::<String>();
        let cause = match sent.expected {
            Code if seen.codes.is_empty() => "no code is read",
            Code if seen.codes != [uri] => "another code",
            Text if drawn || !seen.codes.is_empty() => "a code is drawn",
            Text if !without_blanks(&seen.text).contains(&without_blanks(secret)) => "not the whole secret",
            _ if !seen.text.trim_end().ends_with(':') => "the question is not there",
            _ => return None,
        };
        let Sent { size: (columns, rows), locale, colours, .. } = sent;
        Some(format!(
            "{what}, {columns}x{rows} {locale} {colours:?}: {cause}; codes: {:?}, text:\n{}",
            seen.codes, seen.text
        ))
    }
}

fn commands(host: &Host, cases: &mut Vec<Case>) {
    let _broker = host.start_broker();
    host.add_user("alice", PASSWORD);
    host.add_user(LONG, PASSWORD);
    let mut run = |what: &str, mut command: Command, answers: &[(&str, &str)], (size, locale, expected)| {
        let (columns, rows): (u16, u16) = size;
        command.env("LC_ALL", locale).env("TERM", "xterm").env_remove("NO_COLOR");
        let mut console = Console::start_sized(command, columns, rows);
        answers.iter().for_each(|(prompt, answer)| console.answer(prompt, answer));
        let text = console.wait_for("Code that the authenticator shows: ");
        for colours in [Colours::Dark, Colours::Light] {
            let sent = Sent { bytes: console.sent().to_owned(), size, locale, colours, expected };
            cases.push(Case { what: what.to_owned(), sent, secret: secret(&text) });
        }
    };
    let enroll = |user: &str| {
        let mut command = Command::new("/usr/sbin/twostep-admin");
        command.args(["enroll", user]).current_dir("/");
        command
    };
    for (number, terminal) in COMMANDS.into_iter().enumerate() {
        run("twostep-admin enroll alice", enroll("alice"), &[], terminal);
        let user = format!("user{number}");
        host.add_user(&user, PASSWORD);
        let code = host.enroll(&user).fresh_code();
        let add = ["authenticator", "add", "spare"];
        let add = command_as_user(host, &user, "/usr/bin/twostep", &add, &[]);
        let answers = [("Password: ", PASSWORD), ("Verification code: ", code.as_str())];
        run(&format!("twostep authenticator add by {user}"), add, &answers, terminal);
    }
    for terminal in [(USUAL, UTF8, Code), (NARROW, UTF8, Text), (LARGE, ASCII, Text)] {
        run(&format!("twostep-admin enroll {LONG}"), enroll(LONG), &[], terminal);
    }
}

fn logins(host: &Host, cases: &mut Vec<Case>) {
    host.configure("[interactive]\nunenrolled = \"enroll\"\n");
    host.wire_sshd();
    host.wire_login();
    host.start_sshd("");
    host.add_user("bob", PASSWORD);
    let mut run =
        |what: &str, mut command: Command, name: Option<&str>, (size, locale, expected), colours| {
            let (columns, rows): (u16, u16) = size;
            command.env("LC_ALL", locale).env("TERM", "xterm");
            let mut console = Console::start_sized(command, columns, rows);
            name.iter().for_each(|name| console.answer("login: ", name));
            console.answer("Password: ", PASSWORD);
            let text = console.wait_for("The code that it shows now: ");
            if expected == Code {
                console.type_line(if colours == Colours::Dark { "dark" } else { "light" });
                console.wait_for("The code that it shows now: ");
            }
            let sent = Sent { bytes: console.sent().to_owned(), size, locale, colours, expected };
            cases.push(Case { what: what.to_owned(), sent, secret: secret(&text) });
        };
    for terminal in LOGINS {
        for colours in [Colours::Dark, Colours::Light] {
            run("ssh bob", Ssh::to("bob").for_terminal("true"), None, terminal, colours);
            run("login bob", Command::new("/bin/login"), Some("bob"), terminal, colours);
        }
    }
    let ssh = Ssh::to(LONG).for_terminal("true");
    run(&format!("ssh {LONG}"), ssh, None, (NARROW, UTF8, Code), Colours::Dark);
}

/// The secret in groups of four, as it stands in what was sent.
fn secret(text: &str) -> String {
    let is_group = |word: &&str| {
        word.len() == 4 && word.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b))
    };
    let groups: Vec<&str> = text.split_whitespace().filter(is_group).collect();
    assert_eq!(groups.len(), 8, "{text}");
    groups.join(" ")
}
