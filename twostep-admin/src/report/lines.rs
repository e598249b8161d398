//! Lines of a file that may be gigabytes long and hold anything.

use std::io::{self, BufRead, Read};

/// Longer ones are passed over. Ours are shorter by far, in the journal's JSON too.
const LONGEST: u64 = 64 << 10;

/// Gives every line of UTF-8 to `take`, without its end.
pub(crate) fn each(mut reader: impl BufRead, mut take: impl FnMut(&str)) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') && line.len() as u64 == LONGEST {
            reader.skip_until(b'\n')?;
            continue;
        }
        if let Ok(text) = str::from_utf8(&line) {
            take(text.trim_end_matches(['\n', '\r']));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_or_no_text_is_passed_over() {
        let mut text = b"one\r\n\xff\xfe\n".to_vec();
        for length in [LONGEST as usize - 2, LONGEST as usize - 1, LONGEST as usize, 1_000_000] {
            text.extend(vec![b'x'; length]);
            text.push(b'\n');
        }
        text.extend(b"\ntwo");
        let mut found = Vec::new();
        each(text.as_slice(), |line| found.push(line.to_owned())).unwrap();
        found.retain(|line| line.len() < 10 || line.len() >= LONGEST as usize - 1);
        assert_eq!((found.len(), found[0].as_str(), found[1].len()), (4, "one", LONGEST as usize - 1));
        assert_eq!(found[2..], ["", "two"]);
    }
}
