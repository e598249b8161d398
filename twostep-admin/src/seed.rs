//! The secret of an authenticator, or codes of it, read from a file.

use crate::failure::{Failure, NotASecret};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use twostep_core::secret::Secret;
use twostep_core::totp::{SECRET_MAX, SECRET_MIN};
use twostep_terminal::one_line;
use zeroize::Zeroizing;

/// More text than any secret takes, blanks included.
const TEXT_MAX: u64 = 4096;

/// Reads a secret in base32 from a file, or from standard input where it is named `-`.
pub(crate) fn read(path: &Path) -> Result<Secret, Failure> {
    parse(&text(path)?).map_err(Failure::NotASecret)
}

/// What is in a file, or comes from standard input where it is named `-`. Whoever else can read the file is warned about.
pub(crate) fn text(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let unread = |error| Failure::SecretUnread(path.to_owned(), error);
    let mut text = Zeroizing::new(Vec::with_capacity(TEXT_MAX as usize));
    if path == Path::new("-") {
        io::stdin().lock().take(TEXT_MAX).read_to_end(&mut text).map_err(unread)?;
    } else {
        let file = File::open(path).map_err(unread)?;
        let mode = file.metadata().map_err(unread)?.mode() & 0o7777;
        if mode & 0o044 != 0 {
            eprintln!(
                "twostep-admin: warning: others can read {} (mode {mode:04o})\n  hint: delete it when done, or chmod go= it",
                one_line(&path.to_string_lossy())
            );
        }
        file.take(TEXT_MAX).read_to_end(&mut text).map_err(unread)?;
    }
    Ok(text)
}

fn parse(text: &[u8]) -> Result<Secret, NotASecret> {
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    for byte in text {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b'-' => {}
            byte => plain.push(char::from(*byte).to_ascii_uppercase()),
        }
    }
    let decoded =
        totp_rs::Secret::try_from_base32(plain.trim_end_matches('=')).map_err(|_| NotASecret::Base32)?;
    let bytes = decoded.as_bytes();
    if !(SECRET_MIN..=SECRET_MAX).contains(&bytes.len()) {
        return Err(NotASecret::Length(bytes.len()));
    }
    Ok(Secret::new(bytes.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B.
    const RFC: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn any_spelling_of_base32_is_read() {
        for text in
            [RFC, "gezd gnbv gy3t qojq gezd gnbv gy3t qojq\n", "GEZDGNBV-GY3TQOJQ-GEZDGNBV-GY3TQOJQ====\r\n"]
        {
            assert_eq!(parse(text.as_bytes()).unwrap().expose(), b"12345678901234567890", "{text:?}");
        }
    }

    #[test]
    fn what_is_too_short_or_no_base32_is_refused() {
        assert_eq!(parse(b"GEZDGNBV"), Err(NotASecret::Length(5)));
        assert_eq!(parse(&[b'A'; 300]), Err(NotASecret::Length(187)));
        assert_eq!(parse(b"not base32 at all: 0189"), Err(NotASecret::Base32));
        assert_eq!(parse(&[0xff; 40]), Err(NotASecret::Base32));
        assert_eq!(parse(b""), Err(NotASecret::Length(0)));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let secret = parse(RFC.as_bytes()).unwrap();
        assert_eq!(*twostep_core::totp::base32(&secret), RFC);
    }
}
