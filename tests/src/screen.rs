//! What people see: real xterms on an X server in memory, and zbarimg, which reads QR codes as a phone's camera would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::command;
use crate::wait::{OrDie, eventually, found_within};

const DISPLAY: &str = ":9";
const FOLDER: &str = "/run/screen";
/// How many xterms stand beside each other, and how many rows of them there are; each in a place of so many pixels.
const ACROSS: usize = 4;
const DOWN: usize = 3;
const PLACE: (usize, usize) = (640, 560);
/// xterm's own, with half blocks.
const FONT: &str = "-misc-fixed-medium-r-semicondensed--13-*-*-*-*-*-iso10646-1";
/// How long a camera looks for a code that ought to be there.
const UNTIL_DRAWN: Duration = Duration::from_secs(20);
/// Shows a file. xterm answers where its cursor is once it has drawn all that came before; then it is asked to print its text.
const REPLAY: &str =
    r#"stty raw -echo; cat "$1"; printf '\033[6n'; IFS= read -rs -d R; printf '\033[i'; exec sleep 3600"#;

/// The colours of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// Light letters on black.
    Dark,
    /// Black letters on white.
    Light,
}

/// What is expected on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A code that a camera reads.
    Code,
    /// Nothing of one.
    Text,
}

/// What a program has sent to a terminal, and that terminal.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Columns and rows.
    pub size: (u16, u16),
    /// `C.UTF-8` or `C`.
    pub locale: &'static str,
    /// Its colours.
    pub colours: Colours,
    /// What it should show.
    pub expected: Expected,
}

/// What is on a terminal at the end.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its text, row by row.
    pub text: String,
    /// What a camera reads there.
    pub codes: Vec<String>,
}

/// Shows each on an xterm of its own. A camera looks for a code again and again where one is expected, and once elsewhere.
pub fn show(all: &[Sent]) -> Vec<Seen> {
    let screen = Screen::start();
    let rounds = all.chunks(ACROSS * DOWN).enumerate();
    rounds.flat_map(|(round, some)| screen.show(round, some)).collect()
}

/// An X server that draws into a file.
struct Screen(Child);

impl Screen {
    fn start() -> Self {
        fs::create_dir_all(FOLDER).or_die("make a folder for the screen");
        let size = format!("{}x{}x24", ACROSS * PLACE.0, DOWN * PLACE.1);
        let mut server = Command::new("Xvfb");
        server.args([DISPLAY, "-screen", "0", &size, "-fbdir", FOLDER, "-nolisten", "tcp", "-noreset"]);
        server.args(["-extension", "GLX"]).stdin(Stdio::null());
        let output = fs::File::create("/var/log/Xvfb.output").or_die("make Xvfb's log");
        server.stdout(output.try_clone().or_die("copy a descriptor")).stderr(output);
        let screen = Self(server.spawn().or_die("start Xvfb"));
        let socket = format!("/tmp/.X11-unix/X{}", &DISPLAY[1..]);
        eventually("Xvfb to listen", || std::os::unix::net::UnixStream::connect(&socket).ok());
        screen
    }

    fn show(&self, round: usize, some: &[Sent]) -> Vec<Seen> {
        let name = |number: usize| PathBuf::from(format!("{FOLDER}/{round}-{number}"));
        let terminals: Vec<Terminal> = (some.iter().enumerate())
            .map(|(number, sent)| Terminal::start(sent, number, &name(number)))
            .collect();
        let look = |(terminal, sent): (&Terminal, &Sent)| {
            let text = eventually("xterm to print its text", || fs::read(terminal.file("text")).ok());
            let camera = || {
                terminal.photograph();
                read_codes(&terminal.file("pgm"))
            };
            // xterm has drawn it all, and the server may still be at it.
            let limit = if sent.expected == Expected::Code { UNTIL_DRAWN } else { Duration::ZERO };
            let codes = found_within(limit, || Some(camera()).filter(|codes| !codes.is_empty()));
            let codes = codes.unwrap_or_default();
            Seen { text: String::from_utf8_lossy(&text).into_owned(), codes }
        };
        terminals.iter().zip(some).map(look).collect()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An xterm that shows what was sent.
struct Terminal {
    child: Child,
    /// What is left out of the names of its files.
    name: PathBuf,
    /// Its upper left corner.
    at: (usize, usize),
}

impl Terminal {
    fn start(sent: &Sent, number: usize, name: &Path) -> Self {
        let at = (number % ACROSS * PLACE.0, number / ACROSS * PLACE.1);
        let (columns, rows) = sent.size;
        let file = name.with_extension("sent");
        fs::write(&file, &sent.bytes).or_die("write what an xterm is to show");
        let (background, foreground) = match sent.colours {
            Colours::Dark => ("black", "gray90"),
            Colours::Light => ("white", "black"),
        };
        let mut xterm = Command::new("xterm");
        xterm.env("DISPLAY", DISPLAY).env("LC_ALL", sent.locale).env("HOME", "/root").current_dir("/");
        xterm.args(["-geometry", &format!("{columns}x{rows}+{}+{}", at.0, at.1)]);
        xterm.args(["-fn", FONT, "-bg", background, "-fg", foreground]);
        let print = format!("XTerm*printerCommand: cat >{0}.part && mv {0}.part {0}.text", name.display());
        xterm.args(["+sb", "-xrm", &print, "-xrm", "XTerm*printAttributes: 0"]);
        xterm.args(["-e", "bash", "-c", REPLAY, "replay"]).arg(&file);
        let child = xterm.stdin(Stdio::null()).spawn().or_die("start xterm");
        Self { child, name: name.to_owned(), at }
    }

    fn file(&self, extension: &str) -> PathBuf {
        self.name.with_extension(extension)
    }

    /// Its place on the screen, as a grey picture.
    fn photograph(&self) {
        let screen = fs::read(format!("{FOLDER}/Xvfb_screen0")).or_die("read the screen");
        let word = |at: usize| {
            u32::from_be_bytes(screen[at * 4..at * 4 + 4].try_into().or_die("read a word of the screen"))
                as usize
        };
        // XWDFile.h: the header's size, the bytes of a line, and the entries of a colour table, twelve bytes each.
        let pixels = &screen[word(0) + word(19) * 12..];
        let mut picture = format!("P5 {} {} 255\n", PLACE.0, PLACE.1).into_bytes();
        for line in self.at.1..self.at.1 + PLACE.1 {
            let line = &pixels[line * word(12) + self.at.0 * 4..];
            // Everything is black, white or grey: the green part of a pixel does.
            picture.extend(line.chunks(4).take(PLACE.0).map(|pixel| pixel[1]));
        }
        fs::write(self.file("pgm"), picture).or_die("write a picture");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_codes(picture: &Path) -> Vec<String> {
    let mut zbarimg = Command::new("zbarimg");
    zbarimg
        .args(["--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", "--nodbus"])
        .arg(picture)
        .current_dir("/");
    let done = command::run(&mut zbarimg);
    done.stdout.lines().map(str::to_owned).collect()
}
