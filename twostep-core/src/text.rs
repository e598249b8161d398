//! Letters that change how others are shown. Users choose names and reasons, and administrators read them in tables.

/// Whether a letter moves, hides or turns round what stands about it: control characters, line and paragraph separators, and what
/// Unicode has for changing directions (Unicode Standard Annex 9) or for being invisible. The joiners that emoji and some scripts need
/// are none of these.
#[must_use]
pub fn disturbs(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Whether a text is one line of 1 to `longest` characters that show what they are, without a blank at either end.
#[must_use]
pub fn is_plain_line(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.chars().count()) && !text.chars().any(disturbs) && text.trim() == text
}

/// The end of every question that is answered by yes or no; whatever is not [`is_yes`] is no.
pub const YES_OR_NO: &str = "[y/N] ";

/// Whether an answer to a question is yes: `y` or `yes`, in any case.
#[must_use]
pub fn is_yes(answer: &[u8]) -> bool {
    let answer = answer.trim_ascii();
    answer.eq_ignore_ascii_case(b"y") || answer.eq_ignore_ascii_case(b"yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_is_the_letter_or_the_word() {
        for yes in ["y", "Y", "yes", "YES", " Yes\r\n"] {
            assert!(is_yes(yes.as_bytes()), "{yes:?}");
        }
        for no in ["", "\n", "n", "no", "ye", "yess", "yes please", "j", "1"] {
            assert!(!is_yes(no.as_bytes()), "{no:?}");
        }
    }

    #[test]
    fn a_line_shows_what_it_is() {
        for good in ["old phone", "téléphone à clé", "👩\u{200d}💻", "电话", "x"] {
            assert!(is_plain_line(good, 64), "{good:?}");
        }
        for bad in [
            "",
            " x",
            "x ",
            "a\nb",
            "a\u{202e}b",
            "a\u{2028}b",
            "\u{200b}",
            "a\u{61c}",
            "\u{3164}",
            "\u{1b}[2J",
        ] {
            assert!(!is_plain_line(bad, 64), "{bad:?}");
        }
        assert!(!is_plain_line(&"x".repeat(65), 64));
    }
}
