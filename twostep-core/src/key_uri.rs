//! What a phone scans: the Key URI format (github.com/google/google-authenticator/wiki/Key-Uri-Format), as text and as a QR code.

use crate::totp::{Kind, Parameters};
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use std::fmt::{self, Write};
use zeroize::Zeroizing;

/// `otpauth://totp/ISSUER:USER?secret=…`, or `otpauth://hotp/…` with a counter of 0. `secret` is in base32; `issuer` has no colon, at
/// which apps split the label.
#[must_use]
pub fn uri(issuer: &str, user: &str, secret: &str, parameters: Parameters) -> Zeroizing<String> {
    uri_from(0, issuer, user, secret, parameters)
}

/// [`uri`], where what counts begins with this counter.
#[must_use]
pub fn uri_from(
    counter: u64,
    issuer: &str,
    user: &str,
    secret: &str,
    parameters: Parameters,
) -> Zeroizing<String> {
    let mut uri = begun(parameters.kind(), issuer, user, secret);
    uri.push_str("&issuer=");
    percent_encoded(&mut uri, issuer);
    let algorithm = parameters.algorithm().as_str().to_ascii_uppercase();
    put(&mut uri, format_args!("&algorithm={algorithm}&digits={}", parameters.digits()));
    match parameters.kind() {
        Kind::Totp { period } => put(&mut uri, format_args!("&period={period}")),
        Kind::Hotp => put(&mut uri, format_args!("&counter={counter}")),
    }
    uri
}

/// The shortest that phones read, `otpauth://totp/ISSUER:USER?secret=…`, for [`Parameters::COMMON`], which is what they take for granted: its
/// QR code fits on a console with 24 lines.
#[must_use]
pub fn short(issuer: &str, user: &str, secret: &str) -> Zeroizing<String> {
    begun(Parameters::COMMON.kind(), issuer, user, secret)
}

fn begun(kind: Kind, issuer: &str, user: &str, secret: &str) -> Zeroizing<String> {
    // Its room is made at once: a string that grows leaves copies of itself behind.
    let mut uri = Zeroizing::new(String::with_capacity(1024));
    put(&mut uri, format_args!("otpauth://{}/", kind.as_str()));
    percent_encoded(&mut uri, issuer);
    uri.push(':');
    percent_encoded(&mut uri, user);
    put(&mut uri, format_args!("?secret={secret}"));
    uri
}

fn put(to: &mut String, text: fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = to.write_fmt(text);
}

/// The QR code, two modules a character, black on white whatever the terminal's own colours are: many phones cannot read a white
/// one on black. None where the text is too long for one (2,953 bytes).
#[must_use]
pub fn qr(uri: &str) -> Option<Zeroizing<String>> {
    let code = QrCode::with_error_correction_level(uri, EcLevel::L).ok()?;
    let drawn = Zeroizing::new(code.render::<Dense1x2>().quiet_zone(true).build());
    let mut text = Zeroizing::new(String::with_capacity(drawn.len() * 2));
    for line in drawn.lines() {
        text.push_str("\x1b[0;30;47m");
        text.push_str(line);
        text.push_str("\x1b[0m\n");
    }
    Some(text)
}

/// The same without colours, which ssh shows as escapes: the light modules are drawn, so that it is right on a dark terminal. On a light
/// one it is the other way round, which most phones read as well.
#[must_use]
pub fn qr_without_colours(uri: &str) -> Option<Zeroizing<String>> {
    let code = QrCode::with_error_correction_level(uri, EcLevel::L).ok()?;
    let mut drawing = code.render::<Dense1x2>();
    drawing.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).quiet_zone(true);
    Some(Zeroizing::new(drawing.build()))
}

/// RFC 3986 §2.3: all but the unreserved characters are escaped.
fn percent_encoded(to: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => to.push(char::from(byte)),
            byte => {
                put(to, format_args!("%{byte:02X}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::totp::Algorithm;

    #[test]
    fn a_uri_is_that_of_the_key_uri_format() {
        assert_eq!(
            *uri("Example Ltd", "alice@example", "GEZDGNBV", Parameters::COMMON),
            "otpauth://totp/Example%20Ltd:alice%40example?secret=GEZDGNBV&issuer=Example%20Ltd&algorithm=SHA1&digits=6&period=30"
        );
    }

    #[test]
    fn what_counts_has_a_counter_and_no_period() {
        let parameters = Parameters::new(Algorithm::Sha256, 8, Kind::Hotp).unwrap();
        assert_eq!(
            *uri_from(17, "Example", "alice", "GEZDGNBV", parameters),
            "otpauth://hotp/Example:alice?secret=GEZDGNBV&issuer=Example&algorithm=SHA256&digits=8&counter=17"
        );
        assert!(uri("Example", "alice", "GEZDGNBV", parameters).ends_with("&counter=0"));
    }

    #[test]
    fn the_shortest_one_fits_on_a_console() {
        let uri = short("mail.example.org", "alice", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(*uri, "otpauth://totp/mail.example.org:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let qr = qr_without_colours(&uri).unwrap();
        assert!(qr.lines().count() <= 21, "{}", qr.lines().count());
        // The light modules are drawn: the quiet zone is.
        assert!(qr.lines().take(2).all(|line| line.chars().all(|module| module == '█')), "{}", *qr);
    }

    #[test]
    fn the_qr_code_is_square_with_a_quiet_zone() {
        let text = qr("otpauth://totp/a:b?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let width = lines[0].chars().count() - "\x1b[0;30;47m\x1b[0m".len();
        assert!(lines.iter().all(|line| line.starts_with("\x1b[0;30;47m    ")));
        assert!(lines.len() * 2 == width || lines.len() * 2 == width + 1, "{} lines of {width}", lines.len());
    }
}
