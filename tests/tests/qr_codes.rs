//! QR codes as a phone's camera sees them on a real terminal: of any usual size, dark and light, with and without UTF-8.

use std::process::Command;
use twostep_tests::callers::command_as_user;
use twostep_tests::screen::{self, Colours, Seen, Sent};
use twostep_tests::{Console, Host, Ssh, in_box};

const PASSWORD: &str = "correct horse";
const UTF8: &str = "C.UTF-8";
const ASCII: &str = "C";
const USUAL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (100, 40);
const NARROW: (u16, u16) = (40, 24);

/// What is on the screen when a first code is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// A code that a camera reads, and nothing of it has scrolled away.
    Code,
    /// The whole secret in groups of four, and nothing of a code.
    Secret,
}
use Shown::{Code, Secret};

/// For commands, which know their terminal.
const COMMANDS: [((u16, u16), &str, Shown); 6] = [
    (USUAL, UTF8, Code),
    (LARGE, UTF8, Code),
    (NARROW, UTF8, Code),
    (USUAL, ASCII, Secret),
    (LARGE, ASCII, Code),
    (NARROW, ASCII, Secret),
];

/// For logins, which do not: there is a code for whoever asks for one, and needs UTF-8.
const LOGINS: [((u16, u16), &str, Shown); 6] = [
    (USUAL, UTF8, Code),
    (LARGE, UTF8, Code),
    (NARROW, UTF8, Code),
    (USUAL, ASCII, Secret),
    (LARGE, ASCII, Secret),
    (NARROW, ASCII, Secret),
];

struct Case {
    what: String,
    sent: Sent,
    shown: Shown,
    secret: String,
}

#[test]
fn a_camera_reads_every_code_and_where_none_fits_there_is_the_secret() {
    in_box(|host| {
        let mut cases = Vec::new();
        commands(host, &mut cases);
        logins(host, &mut cases);
        let all: Vec<_> = cases.iter().map(|case| (case.sent.clone(), case.shown == Code)).collect();
        let seen = screen::show(&all);
        let wrong: Vec<String> =
            cases.iter().zip(&seen).filter_map(|(case, seen)| case.wrong(seen)).collect();
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    });
}

impl Case {
    /// What is not as it should be.
    fn wrong(&self, seen: &Seen) -> Option<String> {
        let Self { what, sent, shown, secret } = self;
        let user = what.rsplit(' ').next().unwrap_or_default();
        let uri = format!("otpauth://totp/box:{user}?secret={}", secret.replace(' ', ""));
        // Blocks, colours, or what ssh makes of blocks without UTF-8: octal numbers.
        let drawn = !sent.bytes.is_ascii() || sent.bytes.contains(&0x1b) || seen.text.contains("\\342");
        // It may be broken at the edge.
        let without_blanks = |text: &str| text.split_whitespace().collect::<String>();
        let cause = match shown {
            Code if seen.codes.is_empty() => "no code is read",
            Code if seen.codes != [uri] => "another code",
            Secret if drawn || !seen.codes.is_empty() => "a code is drawn",
            Secret if !without_blanks(&seen.text).contains(&without_blanks(secret)) => "not the whole secret",
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
    for (number, (size, locale, shown)) in COMMANDS.into_iter().enumerate() {
        let mut both = |what: &str, mut command: Command, answers: &[(&str, &str)]| {
            command.env("LC_ALL", locale).env("TERM", "xterm").env_remove("NO_COLOR");
            let mut console = Console::start_sized(command, size.0, size.1);
            answers.iter().for_each(|(prompt, answer)| console.answer(prompt, answer));
            let text = console.wait_for("Code that the authenticator shows: ");
            for colours in [Colours::Dark, Colours::Light] {
                let sent = Sent { bytes: console.sent().to_owned(), size, locale, colours };
                cases.push(Case { what: what.to_owned(), sent, shown, secret: secret(&text) });
            }
        };
        let mut admin = Command::new("/usr/sbin/twostep-admin");
        admin.args(["enroll", "alice"]).current_dir("/");
        both("twostep-admin enroll alice", admin, &[]);

        let user = format!("user{number}");
        host.add_user(&user, PASSWORD);
        let code = host.enroll(&user).fresh_code();
        let add = command_as_user(host, &user, "/usr/bin/twostep", &["authenticator", "add", "spare"], &[]);
        let answers = [("Password: ", PASSWORD), ("Verification code: ", code.as_str())];
        both(&format!("twostep authenticator add by {user}"), add, &answers);
    }
}

fn logins(host: &Host, cases: &mut Vec<Case>) {
    host.configure("[interactive]\nunenrolled = \"enroll\"\n");
    host.wire_sshd();
    host.wire_login();
    host.start_sshd("");
    host.add_user("bob", PASSWORD);
    for (size, locale, shown) in LOGINS {
        for colours in [Colours::Dark, Colours::Light] {
            let mut login = |what: &str, mut command: Command, name: Option<&str>| {
                command.env("LC_ALL", locale).env("TERM", "xterm");
                let mut console = Console::start_sized(command, size.0, size.1);
                name.iter().for_each(|name| console.answer("login: ", name));
                console.answer("Password: ", PASSWORD);
                let text = console.wait_for("The code that it shows now: ");
                if shown == Code {
                    console.type_line(if colours == Colours::Dark { "dark" } else { "light" });
                    console.wait_for("The code that it shows now: ");
                }
                let sent = Sent { bytes: console.sent().to_owned(), size, locale, colours };
                cases.push(Case { what: what.to_owned(), sent, shown, secret: secret(&text) });
            };
            login("ssh bob", Ssh::to("bob").for_terminal("true"), None);
            login("login bob", Command::new("/bin/login"), Some("bob"));
        }
    }
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
