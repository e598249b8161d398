//! What a phone scans: the Key URI format (github.com/google/google-authenticator/wiki/Key-Uri-Format), as text and as a QR code.

use crate::totp::{Kind, Parameters};
use qrcode::{Color, EcLevel, QrCode};
use std::fmt::{self, Write};
use zeroize::Zeroizing;

/// `otpauth://totp/ISSUER:USER?secret=…`, or `otpauth://hotp/…` with a counter of 0. `secret` is in base32; `issuer` has no colon, at
/// which apps split the label.
#[must_use]
pub fn uri(issuer: &str, user: &str, secret: &str, parameters: Parameters) -> Zeroizing<String> {
    uri_from(0, issuer, user, secret, parameters)
}

/// [`uri`], where what counts begins with this counter.
///
/// It is as short as can be, since its QR code has to fit on a terminal: the issuer is in the label only, and parameters whose value is
/// the one that apps assume, [`Parameters::COMMON`]'s, are left out.
#[must_use]
pub fn uri_from(
    counter: u64,
    issuer: &str,
    user: &str,
    secret: &str,
    parameters: Parameters,
) -> Zeroizing<String> {
    // Its room is made at once: a string that grows leaves copies of itself behind.
    let mut uri = Zeroizing::new(String::with_capacity(1024));
    put(&mut uri, format_args!("otpauth://{}/", parameters.kind().as_str()));
    percent_encoded(&mut uri, issuer);
    uri.push(':');
    percent_encoded(&mut uri, user);
    put(&mut uri, format_args!("?secret={secret}"));
    let common = Parameters::COMMON;
    if parameters.algorithm() != common.algorithm() {
        put(&mut uri, format_args!("&algorithm={}", parameters.algorithm().as_str().to_ascii_uppercase()));
    }
    if parameters.digits() != common.digits() {
        put(&mut uri, format_args!("&digits={}", parameters.digits()));
    }
    match parameters.kind() {
        kind if kind == common.kind() => {}
        Kind::Totp { period } => put(&mut uri, format_args!("&period={period}")),
        Kind::Hotp => put(&mut uri, format_args!("&counter={counter}")),
    }
    uri
}

fn put(to: &mut String, text: fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = to.write_fmt(text);
}

/// The light modules around a code: four by ISO/IEC 18004, and as few as one where there is no room; cameras take that.
const QUIET_ZONES: std::ops::RangeInclusive<usize> = 1..=4;

/// A QR code with the lowest error correction: the smallest one, and a screen has no scratches.
pub struct Qr {
    side: usize,
    dark: Zeroizing<Vec<bool>>,
}

/// Which modules are drawn as letters are; the others are left to the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// The dark ones: letters are darker than the background.
    Dark,
    /// The light ones: letters are lighter.
    Light,
}

impl Qr {
    /// None where the text is too long for one (2,953 bytes).
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
        let dark = Zeroizing::new(code.to_colors().iter().map(|module| *module == Color::Dark).collect());
        Some(Self { side: code.width(), dark })
    }

    /// Its modules in a row, with a quiet zone of so many on either side.
    #[must_use]
    pub fn width(&self, quiet: usize) -> usize {
        self.side + 2 * quiet
    }

    /// The fewest modules in a row that a camera can do with.
    #[must_use]
    pub fn narrowest(&self) -> usize {
        self.width(*QUIET_ZONES.start())
    }

    /// The widest quiet zone with which there are no more modules in a row than that.
    #[must_use]
    pub fn quiet_zone(&self, most: usize) -> Option<usize> {
        QUIET_ZONES.rev().find(|quiet| self.width(*quiet) <= most)
    }

    /// Whether a module is dark, counted from the corner of the quiet zone. All around it are light.
    #[must_use]
    pub fn is_dark(&self, quiet: usize, column: usize, row: usize) -> bool {
        let inside = |at: usize| at.checked_sub(quiet).filter(|at| *at < self.side);
        let module = inside(column).zip(inside(row)).and_then(|(x, y)| self.dark.get(y * self.side + x));
        module.copied().unwrap_or_default()
    }

    /// The lines of a drawing with two modules a character, one above the other.
    #[must_use]
    pub fn half_blocks(&self, quiet: usize, ink: Ink) -> Vec<Zeroizing<String>> {
        let width = self.width(quiet);
        let drawn = |column, row| self.is_dark(quiet, column, row) == (ink == Ink::Dark);
        let character = |column, row| match (drawn(column, row), drawn(column, row + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        };
        let line = |row| {
            let mut line = Zeroizing::new(String::with_capacity(width * '█'.len_utf8()));
            line.extend((0..width).map(|column| character(column, row)));
            line
        };
        (0..width).step_by(2).map(line).collect()
    }
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

    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn a_uri_is_that_of_the_key_uri_format_without_what_apps_assume() {
        assert_eq!(
            *uri("Example Ltd", "alice@example", "GEZDGNBV", Parameters::COMMON),
            "otpauth://totp/Example%20Ltd:alice%40example?secret=GEZDGNBV"
        );
        let parameters = Parameters::new(Algorithm::Sha512, 8, Kind::Totp { period: 60 }).unwrap();
        assert_eq!(
            *uri("Example", "alice", "GEZDGNBV", parameters),
            "otpauth://totp/Example:alice?secret=GEZDGNBV&algorithm=SHA512&digits=8&period=60"
        );
    }

    #[test]
    fn what_counts_has_a_counter_and_no_period() {
        let parameters = Parameters::new(Algorithm::Sha256, 8, Kind::Hotp).unwrap();
        assert_eq!(
            *uri_from(17, "Example", "alice", "GEZDGNBV", parameters),
            "otpauth://hotp/Example:alice?secret=GEZDGNBV&algorithm=SHA256&digits=8&counter=17"
        );
        assert!(uri("Example", "alice", "GEZDGNBV", parameters).ends_with("&counter=0"));
    }

    #[test]
    fn a_usual_code_has_33_modules_and_one_of_long_names_37() {
        let side = |issuer: &str, user: &str| {
            Qr::of(&uri(issuer, user, SECRET, Parameters::COMMON)).unwrap().width(0)
        };
        assert_eq!(side("mail.example.org", "alice"), 33);
        assert_eq!(side("mail.example.org", &"a".repeat(14)), 33);
        assert_eq!(side("mail.example.org", &"a".repeat(32)), 37);
    }

    #[test]
    fn the_quiet_zone_is_as_wide_as_there_is_room_for() {
        let qr = Qr::of(&uri("mail.example.org", "alice", SECRET, Parameters::COMMON)).unwrap();
        for (most, quiet) in [(99, Some(4)), (41, Some(4)), (40, Some(3)), (35, Some(1)), (34, None)] {
            assert_eq!(qr.quiet_zone(most), quiet, "{most}");
        }
        assert_eq!(qr.narrowest(), 35);
    }

    #[test]
    fn one_drawing_is_the_other_with_the_colours_reversed() {
        let qr = Qr::of("otpauth").unwrap();
        let (dark, light) = (qr.half_blocks(1, Ink::Dark), qr.half_blocks(1, Ink::Light));
        assert_eq!((dark.len(), qr.width(1)), (12, 23));
        // The quiet zone, and below it the upper edge of two finder patterns.
        assert!(dark[0].starts_with(" ▄▄▄▄▄▄▄ ") && light[0].starts_with("█▀▀▀▀▀▀▀█"), "{}", *dark[0]);
        let reversed = |line: &str| -> String {
            let pairs = [(' ', '█'), ('█', ' '), ('▀', '▄'), ('▄', '▀')];
            line.chars().filter_map(|c| pairs.iter().find(|(from, _)| *from == c)).map(|(_, to)| to).collect()
        };
        assert!(dark.iter().zip(&light).all(|(dark, light)| reversed(dark) == **light));
    }
}
