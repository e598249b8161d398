//! Lines and words, cut as libpam cuts them.

/// What libpam reads a line into. Longer ones are cut, and the rest is the next line.
const BUFFER: usize = 1024;

/// A line with its continuations, without comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Logical {
    /// Counted from one; where it begins.
    pub(crate) number: usize,
    pub(crate) text: String,
}

/// How a file's text ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a whole line.
    Clean,
    /// In the middle of a line, counted from one: libpam gives the file up.
    Broken(usize),
}

/// Lines that mean something. A comment or an empty line within a continuation is passed over.
pub(crate) fn logical(text: &str) -> (Vec<Logical>, Ending) {
    let mut lines = Vec::new();
    let (mut rest, mut number) = (text.as_bytes(), 1);
    let (mut buffer, mut begins) = (Vec::new(), None);
    loop {
        let room = BUFFER - buffer.len() - 1;
        if rest.is_empty() || room == 0 {
            // With no room left libpam would try for ever.
            return (lines, begins.map_or(Ending::Clean, Ending::Broken));
        }
        let end =
            rest.iter().take(room).position(|byte| *byte == b'\n').map_or(room.min(rest.len()), |at| at + 1);
        let (piece, after) = rest.split_at(end);
        let here = number;
        number += usize::from(piece.ends_with(b"\n"));
        rest = after;
        let seen = piece.split(|byte| *byte == 0).next().unwrap_or(&[]);
        let content = trim_start(seen);
        if content.is_empty() || content.starts_with(b"#") {
            continue;
        }
        begins = begins.or(Some(here));
        let comment = content.iter().position(|byte| *byte == b'#');
        let leading = seen.len() - content.len();
        let content =
            trim_end(content.get(..comment.unwrap_or(content.len())).unwrap_or(content), comment.is_some());
        buffer.extend_from_slice(seen.get(..leading).unwrap_or(&[]));
        match content.strip_suffix(b"\\").filter(|_| comment.is_none()) {
            Some(content) => {
                buffer.extend_from_slice(content);
                buffer.push(b' ');
            }
            None => {
                buffer.extend_from_slice(content);
                let text = String::from_utf8_lossy(&buffer).into_owned();
                lines.push(Logical { number: begins.take().unwrap_or(here), text });
                buffer.clear();
            }
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n')
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let blank = bytes.iter().take_while(|byte| is_blank(**byte)).count();
    bytes.get(blank..).unwrap_or(&[])
}

/// Before a comment nothing is a continuation, so that it does not matter there.
fn trim_end(bytes: &[u8], keep: bool) -> &[u8] {
    let blank = if keep { 0 } else { bytes.iter().rev().take_while(|byte| is_blank(**byte)).count() };
    bytes.get(..bytes.len() - blank).unwrap_or(bytes)
}

/// The words of a line. One that begins with `[` goes on to the `]`, without both; `\]` stands for `]` there.
pub(crate) struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    pub(crate) fn of(line: &'a str) -> Self {
        Self(line)
    }

    /// What has not been cut yet.
    pub(crate) fn rest(&self) -> &'a str {
        self.0
    }
}

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let rest = self.0.trim_start_matches([' ', '\t', '\n']);
        let Some(inner) = rest.strip_prefix('[') else {
            let end = rest.find([' ', '\t', '\n']).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            // The blank that ends the word goes with it.
            self.0 = after.get(1..).unwrap_or("");
            return (!word.is_empty()).then(|| word.to_owned());
        };
        let (mut word, mut end) = (String::new(), inner.len());
        let mut characters = inner.char_indices().peekable();
        while let Some((at, c)) = characters.next() {
            match c {
                '\\' if matches!(characters.peek(), Some((_, ']'))) => {
                    word.push(']');
                    characters.next();
                }
                ']' => {
                    end = at + 1;
                    break;
                }
                c => word.push(c),
            }
        }
        self.0 = inner.get(end..).unwrap_or("");
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(usize, String)> {
        logical(text).0.into_iter().map(|line| (line.number, line.text)).collect()
    }

    #[test]
    fn a_comment_ends_a_line_and_is_passed_over_within_one() {
        assert_eq!(texts("a \\\nb # \\\nc"), [(1, "a  b ".to_owned()), (3, "c".to_owned())]);
        assert_eq!(texts("\na \\\n# x\n\n b\nc"), [(2, "a   b".to_owned()), (6, "c".to_owned())]);
    }

    #[test]
    fn a_line_that_never_ends_breaks_the_file() {
        assert_eq!(logical("a\nb \\\n").1, Ending::Broken(2));
        assert_eq!(logical("a\nb \\").1, Ending::Broken(2));
        assert_eq!(logical("a").1, Ending::Clean);
    }

    #[test]
    fn a_long_line_is_two_and_so_is_a_long_comment() {
        let long = "x".repeat(1500);
        let lengths = |text: &str| logical(text).0.iter().map(|line| line.text.len()).collect::<Vec<_>>();
        assert_eq!(lengths(&long), [1023, 477]);
        assert_eq!(lengths(&format!("#{long}\n")), [478]);
    }

    #[test]
    fn a_carriage_return_is_no_blank() {
        assert_eq!(Words::of("auth x\r").collect::<Vec<_>>(), ["auth", "x\r"]);
        assert_eq!(texts("a \\\r\nb").len(), 2);
    }

    #[test]
    fn brackets_hold_a_word_together() {
        let words = |line| Words::of(line).collect::<Vec<_>>();
        assert_eq!(
            words(" auth [a=b  c]x.so [p=a \\] b] [] y"),
            ["auth", "a=b  c", "x.so", "p=a ] b", "", "y"]
        );
        assert_eq!(words("[a b"), ["a b"]);
        assert!(words(" \t").is_empty());
    }
}
