use super::*;

fn authenticator(secret: &[u8], algorithm: Algorithm, digits: u8) -> Authenticator {
    Authenticator {
        id: AuthenticatorId(1),
        parameters: Parameters::new(algorithm, digits, Kind::Totp { period: 30 }).unwrap(),
        secret: Secret::new(secret.to_vec()),
        last_step: None,
    }
}

fn taken(step: u64, off: i8) -> Match {
    Match::Code(Consumed { step, offset: Offset::Steps(off) })
}

const SEED: &[u8] = b"1234567890123456789012345678901234567890123456789012345678901234";

/// RFC 6238 appendix B, with the seeds of its reference code: 20, 32 and 64 bytes.
#[test]
fn rfc_6238_appendix_b() {
    let rows: [(i64, &str, &str, &str); 6] = [
        (59, "94287082", "46119246", "90693936"),
        (1_111_111_109, "07081804", "68084774", "25091201"),
        (1_111_111_111, "14050471", "67062674", "99943326"),
        (1_234_567_890, "89005924", "91819424", "93441116"),
        (2_000_000_000, "69279037", "90698825", "38618901"),
        (20_000_000_000, "65353130", "77737706", "47863826"),
    ];
    for (time, sha1, sha256, sha512) in rows {
        for (code, algorithm, length) in
            [(sha1, Algorithm::Sha1, 20), (sha256, Algorithm::Sha256, 32), (sha512, Algorithm::Sha512, 64)]
        {
            let totp = authenticator(&SEED[..length], algorithm, 8);
            let step = totp.parameters.step_at(UnixTime(time)).unwrap();
            assert_eq!(*totp.code(step), code, "{algorithm:?} at {time}");
            assert_eq!(totp.judge(code, UnixTime(time)), taken(step, 0));
        }
    }
}

#[test]
fn one_step_either_side_is_accepted_and_no_more() {
    let totp = authenticator(&SEED[..20], Algorithm::Sha1, 6);
    let now = UnixTime(1_000_000_000);
    let present = totp.parameters.step_at(now).unwrap();
    for (offset, expected) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
        let step = present.checked_add_signed(offset.into()).unwrap();
        let code = totp.code(step);
        assert_eq!(totp.judge(&code, now) == taken(step, offset), expected, "offset {offset}");
    }
}

/// docs/threat-model.md has these figures.
#[test]
fn a_code_is_accepted_for_three_periods_of_which_two_come_after_it_is_first_shown() {
    for (period, in_all, once_shown) in [(30, 90, 60), (60, 180, 120)] {
        let parameters = Parameters::new(Algorithm::Sha1, 6, Kind::Totp { period }).unwrap();
        let totp = Authenticator { parameters, ..authenticator(&SEED[..20], Algorithm::Sha1, 6) };
        let first_shown = 1_000_000_020;
        assert_eq!(first_shown % i64::from(period), 0);
        let code = totp.code(totp.parameters.step_at(UnixTime(first_shown)).unwrap());
        let is_accepted = |at: &i64| matches!(totp.judge(&code, UnixTime(*at)), Match::Code(_));
        let around = first_shown - 300..first_shown + 300;
        assert_eq!(around.clone().filter(is_accepted).count(), in_all, "{period}");
        assert_eq!(around.filter(|at| *at >= first_shown && is_accepted(at)).count(), once_shown, "{period}");
    }
}

#[test]
fn a_code_is_accepted_once_and_takes_the_earlier_ones_with_it() {
    let mut totp = authenticator(&SEED[..20], Algorithm::Sha1, 6);
    let now = UnixTime(1_000_000_000);
    let present = totp.parameters.step_at(now).unwrap();
    totp.last_step = Some(present);
    assert_eq!(totp.judge(&totp.code(present), now), Match::Replayed);
    assert_eq!(totp.judge(&totp.code(present - 1), now), Match::Replayed);
    assert_eq!(totp.judge(&totp.code(present + 1), now), taken(present + 1, 1));
}

#[test]
fn a_clock_before_1970_has_no_earlier_step() {
    let totp = authenticator(&SEED[..20], Algorithm::Sha1, 6);
    assert_eq!(totp.judge(&totp.code(1), UnixTime(-5)), taken(1, 1));
    assert_eq!(totp.judge("000000", UnixTime(-5)), Match::None);
}

#[test]
fn what_is_not_exactly_a_code_is_none() {
    let totp = authenticator(&SEED[..20], Algorithm::Sha1, 6);
    for text in ["", "12345", "1234567", "+12345", "12345x", "１２３４５６", "１２"] {
        assert_eq!(totp.judge(text, UnixTime(59)), Match::None, "{text:?}");
    }
}

#[test]
fn two_codes_at_once_are_none() {
    let totp = authenticator(&SEED[..20], Algorithm::Sha1, 6);
    let both = format!("{}{}", *totp.code(1), *totp.code(2));
    assert_eq!(totp.judge(&both, UnixTime(59)), Match::None);
}

#[test]
fn parameters_are_bounded() {
    let by_time = |digits, period| Parameters::new(Algorithm::Sha1, digits, Kind::Totp { period });
    assert!(by_time(5, 30).is_err());
    assert!(by_time(9, 30).is_err());
    assert!(by_time(6, 0).is_err());
    assert!(by_time(8, 60).is_ok());
    assert!(Parameters::new(Algorithm::Sha512, 9, Kind::Hotp).is_err());
    assert!(Parameters::new(Algorithm::Sha512, 8, Kind::Hotp).is_ok());
}

#[test]
fn an_offset_is_read_back_by_its_kind() {
    let by_time = Kind::Totp { period: 30 };
    assert_eq!(Offset::of(by_time, Offset::Steps(-1).number()), Some(Offset::Steps(-1)));
    assert_eq!(Offset::of(Kind::Hotp, Offset::PassedOver(3).number()), Some(Offset::PassedOver(3)));
    assert_eq!(Offset::of(Kind::Hotp, -1), None);
    assert_eq!(Offset::of(by_time, 1_000), None);
}

#[test]
fn a_phone_that_is_off_is_told_by_how_much_and_its_code_is_not_accepted() {
    let now = UnixTime(1_111_111_109);
    for (period, last) in [(30, 720), (60, 720)] {
        let parameters = Parameters::new(Algorithm::Sha1, 6, Kind::Totp { period }).unwrap();
        let phone = Authenticator { parameters, ..authenticator(&SEED[..20], Algorithm::Sha1, 6) };
        let steps = |steps: i64| steps * i64::from(period);
        for seconds in [-last, -600, -300, steps(-2), steps(-1), 0, steps(1), steps(2), 300, 600, last] {
            let code = phone.code(parameters.step_at(UnixTime(now.0 + seconds)).unwrap());
            let told = i16::try_from(seconds).ok().filter(|_| seconds.abs() > steps(1));
            assert_eq!(phone.drift(&code, now), told, "{seconds}");
            assert_eq!(phone.judge(&code, now) == Match::None, told.is_some(), "{seconds}");
        }
        for seconds in [-last - steps(1), last + steps(1)] {
            let code = phone.code(parameters.step_at(UnixTime(now.0 + seconds)).unwrap());
            assert_eq!(phone.drift(&code, now), None, "{seconds}");
        }
    }
}

#[test]
fn what_counts_has_no_clock_that_could_be_off() {
    let token = Authenticator {
        parameters: Parameters::new(Algorithm::Sha1, 6, Kind::Hotp).unwrap(),
        ..authenticator(&SEED[..20], Algorithm::Sha1, 6)
    };
    assert_eq!(token.drift(&token.code(20), UnixTime(0)), None);
}
