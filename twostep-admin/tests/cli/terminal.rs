//! What happens on a terminal only: script(1) lends one.

use crate::place::Place;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub(crate) struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    screen: ChildStdout,
    pub(crate) seen: String,
}

impl Terminal {
    pub(crate) fn start(place: &Place, arguments: &str) -> Self {
        Self::start_after(place, "", arguments)
    }

    /// So many columns wide.
    fn of_width(place: &Place, arguments: &str, columns: u16) -> Self {
        Self::start_after(place, &format!("stty cols {columns};"), arguments)
    }

    /// The same behind other words of the shell's.
    pub(crate) fn start_after(place: &Place, before: &str, arguments: &str) -> Self {
        let config = place.folder.join("config.toml");
        let line = format!(
            "{before} {} --config {} {arguments}",
            env!("CARGO_BIN_EXE_twostep-admin"),
            config.display()
        );
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--echo", "never", "--command", &line, "/dev/null"])
            .env("TERM", "xterm")
            .env("LC_ALL", "C.UTF-8")
            .env_remove("NO_COLOR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (keyboard, screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, keyboard, screen, seen: String::new() }
    }

    pub(crate) fn wait_for(&mut self, text: &str) {
        let mut buffer = [0; 4096];
        while !self.seen.contains(text) {
            let read = self.screen.read(&mut buffer).unwrap();
            assert!(read > 0, "no {text:?} in {:?}", self.seen);
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    }

    pub(crate) fn type_line(&mut self, text: &str) {
        self.type_keys(&format!("{text}\n"));
    }

    pub(crate) fn type_keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end: what was shown.
    fn all(mut self) -> String {
        let mut rest = Vec::new();
        self.screen.read_to_end(&mut rest).unwrap();
        self.child.wait().unwrap();
        self.seen + &String::from_utf8(rest).unwrap()
    }

    /// Waits for the end.
    pub(crate) fn status(mut self) -> i32 {
        let mut rest = Vec::new();
        self.screen.read_to_end(&mut rest).unwrap();
        self.child.wait().unwrap().code().unwrap()
    }
}

/// Every session used to be open while the question stood, and every login that writes waited for it in vain.
#[test]
fn a_question_that_stands_holds_nobody_up() {
    let place = Place::new("terminal-waits");
    place.run(&["enroll", "root", "--app-only"]).is(0);
    let mut terminal = Terminal::start(&place, "unenroll root");
    terminal.wait_for("Type yes");
    place.run(&["enroll", "daemon", "--app-only"]).is(0);
    terminal.type_line("yes");
    assert_eq!(terminal.status(), 0);
    assert_eq!(place.json(&["show", "root"])["state"], "none");
}

#[test]
fn anything_but_yes_changes_nothing_and_y_is_yes() {
    let place = Place::new("terminal-no");
    place.run(&["enroll", "root", "--app-only"]).is(0);
    for (answer, status, state) in
        [("", 1, "active"), ("n", 1, "active"), ("yep", 1, "active"), ("y", 0, "none")]
    {
        let mut terminal = Terminal::start(&place, "unenroll root");
        terminal.wait_for("Type yes to go on [y/N] ");
        terminal.type_line(answer);
        assert_eq!(terminal.status(), status, "{answer:?}");
        assert_eq!(place.json(&["show", "root"])["state"], state, "{answer:?}");
    }
}

/// Names come from directories, too: what is drawn and what is asked is as free of such letters as what is printed.
#[test]
fn a_name_that_turns_letters_round_is_written_out_in_drawings_and_questions() {
    let place = Place::new("terminal-names");
    place.configure("[app]\nvirtual_users = true");
    let shown = "eve\\u{202e}@example";
    let enrolled = place.run(&["enroll", "eve\u{202e}@example", "--app-only"]).is(0);
    assert!(enrolled.stdout.contains(&format!("{shown} is enrolled")), "{enrolled:?}");
    assert!(!enrolled.stdout.contains('\u{202e}'), "{enrolled:?}");
    let mut terminal = Terminal::start(&place, "unenroll eve\u{202e}@example");
    terminal.wait_for("Type yes to go on [y/N] ");
    assert!(terminal.seen.contains(shown) && !terminal.seen.contains('\u{202e}'), "{}", terminal.seen);
    terminal.type_line("n");
    assert_eq!(terminal.status(), 1);
}

#[test]
fn what_concerns_all_users_wants_the_whole_word() {
    let place = Place::new("terminal-all-users");
    place.run(&["enroll", "root", "--app-only"]).is(0);
    place.run(&["app-password", "add", "root", "mail"]).is(0);
    for arguments in
        ["app-password revoke --all-users --created-before 0h", "trusted-devices forget --all-users"]
    {
        for (answer, status) in [("y", 1), ("yes", 0)] {
            let mut terminal = Terminal::start(&place, arguments);
            terminal.wait_for("Type yes, the whole word, to go on: ");
            terminal.type_line(answer);
            assert_eq!(terminal.status(), status, "{arguments}: {answer:?}");
        }
    }
}

#[test]
fn no_table_breaks_a_time_however_narrow_the_terminal() {
    let place = Place::new("terminal-tables");
    place.run(&["enroll", "root", "--activate"]).is(0);
    place.run(&["enroll", "daemon", "--app-only"]).is(0);
    place.enroll_as("gone-user", 4242);
    let limits = ["--service", "imap,smtp", "--from", "2001:db8:4711::/48", "--expires", "2099-06-30"];
    for (user, name) in [("root", "the old phone of the year before last"), ("daemon", "电话电话电话电话")]
    {
        let reason = ["--reason", "INC-4711: asked for by telephone, and called back"];
        place.run(&[&["app-password", "add", user, name][..], &limits, &reason].concat()).is(0);
    }
    let is_time = |word: &str| word.len() == 20 && word.starts_with("20") && word.ends_with('Z');
    for arguments in [
        "list",
        "list --state active",
        "show root",
        "show daemon",
        "history",
        "app-password list",
        "app-password list root",
        "authenticator list root",
        "app-password revoke --all-users --created-before 2099-01-01 --dry-run",
    ] {
        let words = arguments.split(' ').collect::<Vec<_>>();
        let plain = place.run(&words).is(0).stdout;
        let times = |text: &str| text.split_whitespace().filter(|word| is_time(word)).count();
        assert!(times(&plain) > 0, "{arguments}: {plain}");
        for columns in [40, 80, 132] {
            let shown = Terminal::of_width(&place, arguments, columns).all();
            assert_eq!(times(&shown), times(&plain), "{arguments} at {columns}:\n{shown}");
            for word in plain.split_whitespace().filter(|word| word.len() > 5 && word.is_ascii()) {
                assert!(shown.contains(word), "{arguments} at {columns}: {word} is broken in\n{shown}");
            }
        }
        assert_eq!(Terminal::start(&place, arguments).all().replace('\r', ""), plain, "{arguments}");
    }
}

#[test]
fn the_qr_code_is_shown_unless_it_is_not_wanted() {
    let place = Place::new("terminal-qr");
    for (arguments, wanted) in [("enroll root", true), ("enroll root --no-qr", false)] {
        let mut terminal = Terminal::start(&place, arguments);
        terminal.wait_for("Code that the authenticator shows");
        assert_eq!(terminal.seen.contains("\u{1b}[37;47m "), wanted, "{arguments}: {}", terminal.seen);
        assert_eq!(terminal.seen.contains("otpauth://"), !wanted, "{arguments}: {}", terminal.seen);
        terminal.type_line("1\n2\n3");
        assert_eq!(terminal.status(), 1);
    }
}
