//! What happens on a terminal only: script(1) lends one.

use crate::place::Place;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    screen: ChildStdout,
    seen: String,
}

impl Terminal {
    fn start(place: &Place, arguments: &str) -> Self {
        let config = place.folder.join("config.toml");
        let line =
            format!("{} --config {} {arguments}", env!("CARGO_BIN_EXE_twostep-admin"), config.display());
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

    fn wait_for(&mut self, text: &str) {
        let mut buffer = [0; 4096];
        while !self.seen.contains(text) {
            let read = self.screen.read(&mut buffer).unwrap();
            assert!(read > 0, "no {text:?} in {:?}", self.seen);
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    }

    fn type_line(&mut self, text: &str) {
        self.keyboard.write_all(format!("{text}\n").as_bytes()).unwrap();
    }

    /// Waits for the end.
    fn status(mut self) -> i32 {
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
fn anything_but_yes_changes_nothing() {
    let place = Place::new("terminal-no");
    place.run(&["enroll", "root", "--app-only"]).is(0);
    let mut terminal = Terminal::start(&place, "unenroll root");
    terminal.wait_for("Type yes");
    terminal.type_line("y");
    assert_eq!(terminal.status(), 1);
    assert_eq!(place.json(&["show", "root"])["state"], "active");
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
