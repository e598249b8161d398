//! A new secret as people see it: a QR code where the terminal can show one as a whole, together with the question for the first code;
//! else the secret and its URI as text, and why.

use crate::put_line;
use crate::text::{grouped, printable};
use std::fmt::Write;
use std::os::fd::AsFd;
use terminal_size::{Height, Width, terminal_size_of};
use twostep_core::key_uri::Qr;
use zeroize::Zeroizing;

/// What both commands ask when a new secret is shown.
pub const FIRST_CODE: &str = "Code that the authenticator shows: ";

/// The size of a terminal that does not know its own.
const UNKNOWN: (Width, Height) = (Width(80), Height(24));

/// A terminal that a QR code can be drawn on, as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canvas {
    columns: usize,
    rows: usize,
    cell: Cell,
    colours: Colours,
}

/// What a character of the terminal can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    /// Two modules, one above the other.
    HalfBlocks,
    /// Half a module: two blanks of one colour, where there is no UTF-8.
    Blank,
}

/// How black on white is said. Without, dark and light terminals would differ; and themes have colours of their own for 30 and 47.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colours {
    Eight,
    TwoHundredFiftySix,
}

/// Why there is no [`Canvas`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoCanvas {
    /// Nobody wants a code, or nobody sees it: there is nothing to explain.
    Unwanted,
    /// For this reason.
    Because(String),
}

/// What a terminal is called and can do, by the environment.
#[derive(Clone, Debug, Default)]
struct Environment {
    term: String,
    colorterm: bool,
    no_color: bool,
    /// The first of LC_ALL, LC_CTYPE and LANG that is set.
    locale: String,
}

impl Environment {
    #[allow(clippy::disallowed_methods, reason = "only how something is drawn depends on it")]
    fn read() -> Self {
        // A value that is no UTF-8 names no terminal and no locale.
        let set = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let is_set = |name| set(&name).is_some();
        Self {
            term: set(&"TERM").unwrap_or_default(),
            colorterm: is_set("COLORTERM"),
            no_color: is_set("NO_COLOR"),
            locale: ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).unwrap_or_default(),
        }
    }

    fn has_colours(&self) -> bool {
        // DEC's terminals, and terminfo's names for those without.
        let without = ["vt1", "vt2"].iter().any(|name| self.term.starts_with(name))
            || ["-m", "-mono"].iter().any(|name| self.term.ends_with(name));
        !matches!(self.term.as_str(), "" | "dumb" | "unknown") && !without
    }

    fn is_utf8(&self) -> bool {
        let codeset = self.locale.split(['.', '@']).nth(1).unwrap_or_default();
        ["utf-8", "utf8"].iter().any(|name| codeset.eq_ignore_ascii_case(name))
    }
}

impl Canvas {
    /// The terminal behind a stream.
    ///
    /// # Errors
    /// Where a QR code is not `wanted`, or cannot be drawn.
    pub fn of(stream: &(impl AsFd + std::io::IsTerminal), wanted: bool) -> Result<Self, NoCanvas> {
        if !wanted || !stream.is_terminal() {
            return Err(NoCanvas::Unwanted);
        }
        Self::with(&Environment::read(), terminal_size_of(stream).unwrap_or(UNKNOWN))
    }

    fn with(
        environment: &Environment,
        (Width(columns), Height(rows)): (Width, Height),
    ) -> Result<Self, NoCanvas> {
        if environment.no_color {
            return Err(NoCanvas::Because("NO_COLOR is set".to_owned()));
        }
        if !environment.has_colours() {
            return Err(NoCanvas::Because("the terminal has no colours, according to TERM".to_owned()));
        }
        let many = environment.colorterm || environment.term.contains("256color");
        Ok(Self {
            columns: columns.into(),
            rows: rows.into(),
            cell: if environment.is_utf8() { Cell::HalfBlocks } else { Cell::Blank },
            colours: if many { Colours::TwoHundredFiftySix } else { Colours::Eight },
        })
    }

    /// How many modules a side a code can have, with so many rows of text around it.
    fn modules(&self, text: usize) -> usize {
        let rows = self.rows.saturating_sub(text);
        match self.cell {
            Cell::HalfBlocks => self.columns.min(2 * rows),
            Cell::Blank => (self.columns / 2).min(rows),
        }
    }

    /// How many columns and rows the smallest drawing of a code takes.
    fn least(&self, qr: &Qr) -> (usize, usize) {
        match self.cell {
            Cell::HalfBlocks => (qr.narrowest(), qr.narrowest().div_ceil(2)),
            Cell::Blank => (2 * qr.narrowest(), qr.narrowest()),
        }
    }

    /// Every cell is filled by its background, which leaves no gap to the next one: full blocks do in some fonts.
    fn draw(&self, qr: &Qr, quiet: usize, to: &mut String) {
        let width = qr.width(quiet);
        let (height, cell) = match self.cell {
            Cell::HalfBlocks => (2, ["▄", " "]),
            Cell::Blank => (1, ["  ", "  "]),
        };
        for row in (0..width).step_by(height) {
            let mut before = None;
            for column in 0..width {
                let (upper, lower) =
                    (qr.is_dark(quiet, column, row), qr.is_dark(quiet, column, row + height - 1));
                if before != Some((upper, lower)) {
                    put(
                        to,
                        format_args!(
                            "\x1b[{};{}m",
                            self.colours.letters(lower),
                            self.colours.background(upper)
                        ),
                    );
                    before = Some((upper, lower));
                }
                to.push_str(cell[usize::from(upper == lower)]);
            }
            to.push_str("\x1b[0m\n");
        }
    }
}

impl Colours {
    fn letters(self, dark: bool) -> &'static str {
        match (self, dark) {
            (Self::Eight, true) => "30",
            (Self::Eight, false) => "37",
            (Self::TwoHundredFiftySix, true) => "38;5;16",
            (Self::TwoHundredFiftySix, false) => "38;5;231",
        }
    }

    fn background(self, dark: bool) -> &'static str {
        match (self, dark) {
            (Self::Eight, true) => "40",
            (Self::Eight, false) => "47",
            (Self::TwoHundredFiftySix, true) => "48;5;16",
            (Self::TwoHundredFiftySix, false) => "48;5;231",
        }
    }
}

fn put(to: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = to.write_fmt(text);
}

/// A new secret, under a line that begins with whose it is, to be followed by [`FIRST_CODE`].
#[must_use]
pub fn new_secret(
    whose: &str,
    base32: &str,
    uri: &str,
    canvas: Result<Canvas, NoCanvas>,
) -> Zeroizing<String> {
    // Its room is made at once: a string that grows leaves copies of itself behind.
    let mut text = Zeroizing::new(String::with_capacity(128 << 10));
    let whose = printable(whose);
    let secret = grouped(base32);
    let title = format!("{whose}: scan this, or type the secret below it");
    let why = match canvas.and_then(|canvas| fitted(canvas, &title, &secret, uri)) {
        Ok((canvas, qr, quiet)) => {
            put_line!(*text, "{title}");
            canvas.draw(&qr, quiet, &mut text);
            put_line!(*text, "{}", *secret);
            return text;
        }
        Err(NoCanvas::Because(why)) => format!("No QR code: {why}.\n"),
        Err(NoCanvas::Unwanted) => String::new(),
    };
    put_line!(
        *text,
        "{whose}: type the secret into an authenticator app\n{why}\nsecret  {}\nURI     {uri}\n",
        *secret
    );
    text
}

/// The code and its quiet zone, where all is on the screen at once.
fn fitted(canvas: Canvas, title: &str, secret: &str, uri: &str) -> Result<(Canvas, Qr, usize), NoCanvas> {
    let qr = Qr::of(uri).ok_or_else(|| NoCanvas::Because("the names are too long for one".to_owned()))?;
    let text = |columns| [title, secret, FIRST_CODE].iter().map(|line| rows(line, columns)).sum::<usize>();
    if let Some(quiet) = qr.quiet_zone(canvas.modules(text(canvas.columns))) {
        return Ok((canvas, qr, quiet));
    }
    let (columns, rows) = canvas.least(&qr);
    let rows = rows + text(columns.max(canvas.columns));
    let or = if canvas.cell == Cell::Blank { ", or a UTF-8 locale" } else { "" };
    Err(NoCanvas::Because(format!(
        "it needs a terminal of {columns} columns and {rows} rows{or}; this one has {} and {}",
        canvas.columns, canvas.rows
    )))
}

/// How many rows a line takes. Letters that may be wide are taken to be.
fn rows(line: &str, columns: usize) -> usize {
    let width: usize = line.chars().map(|letter| if letter.is_ascii() { 1 } else { 2 }).sum();
    // The cursor stands behind the question, and a line that just fits may take one row more.
    (width + 1).div_ceil(columns.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use twostep_core::key_uri;
    use twostep_core::totp::Parameters;

    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn environment(term: &str, locale: &str) -> Environment {
        Environment { term: term.to_owned(), locale: locale.to_owned(), ..Environment::default() }
    }

    fn canvas(term: &str, locale: &str, columns: u16, rows: u16) -> Result<Canvas, NoCanvas> {
        Canvas::with(&environment(term, locale), (Width(columns), Height(rows)))
    }

    fn shown(user: &str, canvas: Result<Canvas, NoCanvas>) -> String {
        let uri = key_uri::uri("mail.example.org", user, SECRET, Parameters::COMMON);
        new_secret(&format!("Authenticator \"phone\" of {user}"), SECRET, &uri, canvas).to_string()
    }

    /// Rows of what is shown, with the question after it.
    fn height(shown: &str, columns: u16) -> usize {
        shown
            .lines()
            .chain([FIRST_CODE])
            .map(|line| match line.strip_prefix("\x1b[") {
                Some(drawn) => {
                    let cells: usize = drawn
                        .split('\x1b')
                        .map(|run| run.split('m').nth(1))
                        .map(|run| run.map_or(0, |run| run.chars().count()))
                        .sum();
                    assert!(cells <= columns.into(), "{cells} cells on {columns} columns");
                    1
                }
                None => rows(line, columns.into()),
            })
            .sum()
    }

    #[test]
    fn whatever_is_drawn_is_on_the_screen_as_a_whole_with_the_question() {
        let mut drawn = 0;
        for user in ["alice", &"a".repeat(32), &"a".repeat(100)] {
            for columns in (20..=120).step_by(10) {
                for rows in (11..=70).step_by(2) {
                    for locale in ["C", "C.UTF-8"] {
                        let shown = shown(user, canvas("xterm", locale, columns, rows));
                        let is_drawn = shown.contains('\x1b');
                        drawn += usize::from(is_drawn);
                        assert!(is_drawn || shown.contains("No QR code: it needs a terminal of"), "{shown}");
                        if is_drawn {
                            assert!(height(&shown, columns) <= rows.into(), "{columns}x{rows}: {shown}");
                        }
                    }
                }
            }
        }
        assert!(drawn > 300, "{drawn}");
    }

    /// What is said to be enough is, and one row or column less is not.
    #[test]
    fn the_size_that_is_asked_for_is_the_least_one() {
        for (locale, needs) in [
            ("de_DE.utf8", "35 columns and 21 rows; this one has 80 and 12"),
            ("C", "70 columns and 38 rows, or a UTF-8 locale; this one has 80 and 12"),
        ] {
            let told = shown("alice", canvas("xterm", locale, 80, 12));
            assert!(told.contains(needs), "{told}");
        }
        for (columns, rows, fits) in
            [(80, 21, true), (80, 20, false), (35, 25, true), (35, 24, false), (34, 50, false)]
        {
            let shown = shown("alice", canvas("xterm", "C.UTF-8", columns, rows));
            assert_eq!(shown.contains('\x1b'), fits, "{columns}x{rows}: {shown}");
        }
    }

    #[test]
    fn without_colours_or_on_no_terminal_there_is_text() {
        for term in ["", "dumb", "vt100", "vt220", "linux-m", "xterm-mono"] {
            let told = shown("alice", canvas(term, "C.UTF-8", 80, 50));
            assert!(
                told.contains("no colours, according to TERM") && !told.contains('\x1b'),
                "{term}: {told}"
            );
        }
        let no_color = Environment { no_color: true, ..environment("xterm", "C.UTF-8") };
        let told = shown("alice", Canvas::with(&no_color, UNKNOWN));
        assert!(told.contains("No QR code: NO_COLOR is set.\n"), "{told}");
        assert!(shown("alice", Err(NoCanvas::Unwanted)).contains("app\n\nsecret  GEZD GNBV"));
        assert!(Canvas::of(&std::io::stdin(), false).is_err());
    }

    #[test]
    fn the_locale_says_whether_there_is_utf8() {
        for (locale, utf8) in [
            ("C.UTF-8", true),
            ("en_GB.utf8", true),
            ("de_DE.UTF-8@euro", true),
            ("C", false),
            ("", false),
            ("de_DE", false),
        ] {
            assert_eq!(environment("xterm", locale).is_utf8(), utf8, "{locale}");
        }
    }

    #[test]
    fn colours_are_those_of_the_fixed_palette_where_there_is_one() {
        assert!(shown("alice", canvas("linux", "C.UTF-8", 80, 24)).contains("\x1b[37;47m "));
        assert!(
            shown("alice", canvas("xterm-256color", "C.UTF-8", 80, 24)).contains("\x1b[38;5;231;48;5;231m ")
        );
        let blanks = shown("alice", canvas("xterm", "C", 100, 50));
        assert!(blanks.is_ascii() && blanks.contains("\x1b[30;40m  \x1b[37;47m  "), "{blanks}");
    }
}
