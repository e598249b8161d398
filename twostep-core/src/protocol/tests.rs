use super::own::{
    Aid, AppPassword, Authenticator, Change, Done, Enrollment, ForgottenDevice, HelpDesk, LastUse, NewSecret,
    Past, Status, TrustedDevice,
};
use super::wire::LIST_MAX;
use super::*;
use crate::name::ServiceName;
use crate::secret::Secret;
use crate::time::UnixTime;

fn text(text: &str) -> String {
    text.to_owned()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn sign_in() -> SignIn {
    SignIn {
        phase: Phase::Auth,
        user: text("alice"),
        service: ServiceName::parse("su").unwrap(),
        rhost: None,
        tty: Some(text("/dev/pts/3")),
        mode: Mode::ByService,
        prompt: None,
        echo: Echo::Hidden,
        config: None,
    }
}

fn requests() -> Vec<ToBroker> {
    let change = |change| ToBroker::Change { user: Some(text("alice")), change };
    let help =
        |aid| ToBroker::HelpDesk { task: HelpDesk { user: text("bob"), reason: text("ticket 7"), aid } };
    vec![
        ToBroker::SignIn { sign_in: sign_in() },
        ToBroker::SignIn {
            sign_in: SignIn {
                phase: Phase::AccountAfterKey,
                mode: Mode::AfterKey,
                rhost: Some(text("203.0.113.9")),
                prompt: Some(text("Code: ")),
                config: Some(text("/srv/c.toml")),
                ..sign_in()
            },
        },
        ToBroker::Answer { answer: Answer::Text { text: secret("123456") } },
        ToBroker::Answer { answer: Answer::PasswordAgain },
        ToBroker::Answer { answer: Answer::Failed },
        ToBroker::Commit { user: text("alice") },
        ToBroker::Status { user: None },
        ToBroker::History { user: None, limit: 20 },
        change(Change::Enroll { label: text("phone") }),
        change(Change::AddAuthenticator { label: text("spare") }),
        change(Change::RemoveAuthenticator { which: text("7") }),
        change(Change::AddAppPassword {
            name: text("old phone"),
            services: vec![text("imap")],
            networks: vec![text("192.0.2.0/24")],
            expires: Some(UnixTime(9)),
        }),
        change(Change::RevokeAppPassword { which: text("old phone") }),
        change(Change::RevokeAllAppPasswords),
        change(Change::RenameAppPassword { which: text("1"), name: text("tablet") }),
        change(Change::BackupCodes),
        change(Change::ForgetTrustedDevice { which: text("203.0.113.9") }),
        change(Change::ForgetAllTrustedDevices),
        change(Change::ReplaceAuthenticator { which: None }),
        change(Change::ReplaceAuthenticator { which: Some(text("phone")) }),
        change(Change::Unenroll),
        ToBroker::Confirm { code: secret("123456") },
        help(Aid::Show),
        help(Aid::Unlock),
        help(Aid::Bypass { lifetime: 7200, uses: 1 }),
    ]
}

fn status() -> Status {
    Status {
        user: text("alice"),
        state: Enrollment::Active,
        app_only: false,
        created: Some(UnixTime(1_800_000_000)),
        activated: None,
        backup_codes: 9,
        bypass_until: None,
        wrong_codes: 2,
        authenticators: vec![Authenticator {
            id: 3,
            label: text("phone"),
            kind: text("totp"),
            algorithm: text("sha1"),
            digits: 6,
            period: Some(30),
            created: UnixTime(-1),
            last_used: None,
        }],
        app_passwords: vec![AppPassword {
            id: 4,
            name: text("tablet"),
            created: UnixTime(1),
            last_used: Some(LastUse { at: UnixTime(2), service: text("imap"), source: text("203.0.113.9") }),
            limits: Some(text("imap, until 2027-06-30")),
        }],
        trusted_devices: vec![TrustedDevice {
            id: 5,
            service: text("sshd"),
            kind: text("key"),
            device: text("SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"),
            since: UnixTime(1_800_000_000),
            until: UnixTime(1_802_592_000),
        }],
        may_enroll: true,
        help_desk: false,
    }
}

fn replies() -> Vec<FromBroker> {
    let done = |done| FromBroker::Done { done };
    let new = NewSecret {
        issuer: text("Example"),
        user: text("alice"),
        secret: secret("GEZDGNBVGY3TQOJQ"),
        algorithm: text("sha1"),
        digits: 6,
        period: 30,
    };
    let past = Past {
        at: UnixTime(5),
        action: text("app-password-add"),
        target: Some(text("tablet")),
        by: text("alice"),
        reason: None,
    };
    let forgotten =
        ForgottenDevice { id: 6, service: text("sshd"), kind: text("address"), device: text("203.0.113.9") };
    let mut all = vec![
        FromBroker::Ask { ask: Ask::Password { prompt: text("Password: ").into() } },
        FromBroker::Ask { ask: Ask::Hidden { prompt: text("Verification code: ").into() } },
        FromBroker::HandOn { password: 13, code: 7 },
        FromBroker::Rename { user: text("alice") },
        FromBroker::Ask { ask: Ask::Shown { prompt: text("Name: ").into() } },
        FromBroker::Ask { ask: Ask::Account },
        FromBroker::Tell { text: text("two\nlines") },
        FromBroker::Refused { refusal: Refusal::NotAllowed, text: text("no") },
        FromBroker::Status { status: status() },
        FromBroker::History { entries: vec![past] },
        FromBroker::NewSecret { new },
        FromBroker::WrongCode { left: 2 },
        done(Done::Enrolled { backup_codes: vec![secret("a"), secret("b")] }),
        done(Done::AuthenticatorAdded { id: 9 }),
        done(Done::AuthenticatorRemoved { label: text("spare") }),
        done(Done::AppPassword { id: 1, name: text("tablet"), password: secret("abcd efgh ijkl mnop") }),
        done(Done::Revoked { names: vec![text("a"), text("b")] }),
        done(Done::Renamed { from: text("a"), to: text("b") }),
        done(Done::BackupCodes { codes: Vec::new() }),
        done(Done::Unlocked { forgotten: 3 }),
        done(Done::Bypass { code: secret("k7m2p9q4rt8xw"), until: UnixTime(9), uses: 1 }),
        done(Done::Forgotten { devices: vec![forgotten] }),
        done(Done::AuthenticatorReplaced { label: text("phone") }),
        done(Done::Unenrolled),
    ];
    for verdict in [
        Verdict::Accepted,
        Verdict::Ignored,
        Verdict::Refused,
        Verdict::UserUnknown,
        Verdict::TalkFailed,
        Verdict::Unavailable,
    ] {
        all.push(FromBroker::Verdict { verdict });
    }
    all
}

#[test]
fn every_message_is_read_as_it_was_written() {
    for message in requests() {
        assert_eq!(ToBroker::decode(&message.encode().unwrap()), Ok(message));
    }
    for message in replies() {
        assert_eq!(FromBroker::decode(&message.encode().unwrap()), Ok(message));
    }
}

#[test]
fn the_first_bytes_are_those_of_the_document() {
    let bytes = ToBroker::Commit { user: text("bob") }.encode().unwrap();
    assert_eq!(*bytes, [3, 3, 0, 3, b'b', b'o', b'b']);
    let bytes = FromBroker::Verdict { verdict: Verdict::Refused }.encode().unwrap();
    assert_eq!(*bytes, [3, 3, 3]);
}

#[test]
fn a_message_cut_short_or_with_more_behind_is_none() {
    for message in requests() {
        let mut bytes = message.encode().unwrap().to_vec();
        for end in 0..bytes.len() {
            assert!(ToBroker::decode(&bytes[..end]).is_err(), "{message:?} cut at {end}");
        }
        bytes.push(0);
        assert_eq!(ToBroker::decode(&bytes), Err(Malformed::Long));
    }
}

#[test]
fn another_version_is_told_as_such() {
    assert_eq!(ToBroker::decode(&[4, 3, 0, 0]), Err(Malformed::Version(4)));
    assert_eq!(ToBroker::decode(&[3, 99]), Err(Malformed::Choice(99)));
    assert_eq!(ToBroker::decode(&[]), Err(Malformed::Short));
}

#[test]
fn a_service_name_has_one_spelling() {
    let mut bytes = ToBroker::SignIn { sign_in: sign_in() }.encode().unwrap().to_vec();
    let at = bytes.windows(2).position(|pair| pair == b"su").unwrap();
    bytes[at] = b'S';
    assert_eq!(ToBroker::decode(&bytes), Err(Malformed::Text));
}

#[test]
fn what_is_too_long_is_not_written() {
    let long = "x".repeat(REQUEST_MAX);
    assert_eq!(ToBroker::Commit { user: long.clone() }.encode().map(drop), Err(Malformed::Bounds));
    let many = vec![text(""); LIST_MAX + 1];
    let message = FromBroker::Done { done: Done::Revoked { names: many } };
    assert_eq!(message.encode().map(drop), Err(Malformed::Bounds));
    assert_eq!(ToBroker::decode(&vec![1; REQUEST_MAX + 1]), Err(Malformed::Long));
}

/// xorshift64*: the same damage on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % sides
    }

    /// A message damaged in one to four places: bytes changed, put in, taken out, repeated, the end cut off.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.roll(3) {
            let at = self.roll(bytes.len() + 1);
            let byte = [0, 1, 2, 0x7f, 0xff, u8::try_from(self.roll(256)).unwrap()][self.roll(6)];
            match self.roll(5) {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 => bytes.truncate(at),
                3 => {
                    let tail = bytes[at..].to_vec();
                    bytes.extend(tail);
                }
                _ if at < bytes.len() => bytes[at] = byte,
                _ => bytes.push(byte),
            }
        }
    }
}

fn fuzz<M: Message + PartialEq + std::fmt::Debug>(messages: &[M], rounds: usize) {
    let mut dice = Dice(0x7477_6f73_7465_7001);
    let seeds: Vec<_> = messages.iter().map(|message| message.encode().unwrap()).collect();
    let mut read = 0;
    for _ in 0..rounds {
        let mut bytes = seeds[dice.roll(seeds.len())].to_vec();
        dice.damage(&mut bytes);
        if let Ok(message) = M::decode(&bytes) {
            // What is read has one form only.
            assert_eq!(*message.encode().unwrap(), *bytes, "{message:?}");
            read += 1;
        }
    }
    assert!(read > rounds / 100, "the damage left {read} of {rounds} readable: it tests nothing");
}

#[test]
fn damaged_requests_break_nothing() {
    fuzz(&requests(), 500_000);
}

#[test]
fn damaged_replies_break_nothing() {
    fuzz(&replies(), 500_000);
}

#[test]
fn a_long_text_is_cut_between_characters() {
    assert_eq!(bounded("alice"), "alice");
    assert_eq!(bounded(&"x".repeat(5000)), "x".repeat(TEXT_MAX));
    assert_eq!(bounded(&"ü€".repeat(5000)), "ü€".repeat(TEXT_MAX / 5) + "ü");
}
