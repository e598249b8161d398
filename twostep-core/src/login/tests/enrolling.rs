//! Enrolling while signing in.

use super::*;
use crate::decide::Enroll;
use crate::key_uri::{self, Ink, Qr};
use crate::login::enroll::{drawn, room, what_to_type};

const SCAN: &str = "Or type this key into an authenticator app…";
const DRAWN: &str = "▄▄▄▄▄▄▄…";
const AGAIN: &str = "That is not its code. The code that it shows now: ";
const NOTE: &str = "They are not shown again. Press Enter when you have them: …";

fn host(unenrolled: &str) -> Host {
    let mut host = Host::with(State::Active);
    host.configure(&format!("[interactive]\nunenrolled = {unenrolled}\n"));
    host
}

/// The auth phase of bob, who is not enrolled.
fn password(host: &mut Host) -> Record {
    let Ending::Ignore(Some(record)) = host.at_prompt("bob", vec![]) else { panic!("{}", host.last_line()) };
    assert!(host.last_line().contains("result=ignored reason=to-enroll user=bob"), "{}", host.last_line());
    record
}

fn is_enrolled(host: &Host) -> bool {
    host.shelf.enrollments.iter().any(|one| one.user.as_str() == "bob")
}

#[test]
fn the_qr_code_is_shown_when_the_password_is_known_to_be_right_and_not_before() {
    let mut host = host("\"enroll\"");
    let record = password(&mut host);
    assert!(host.shelf.drafted.is_empty(), "a secret was made for whoever may not have the password");
    let steps = vec![Step::Ask(SCAN, Ok(code())), Step::Ask(NOTE, Ok(String::new()))];
    assert!(matches!(host.account("bob", &record, steps), Ending::Accept(_)));
    assert!(is_enrolled(&host));
    assert!(host.last_line().contains("result=changed reason=enroll user=bob"), "{}", host.last_line());
    assert_eq!(
        host.at_prompt("bob", vec![ask(&code()), Step::Tell("not accepted")]),
        Ending::Refuse,
        "a code twice"
    );
}

/// pam_access, an expired account, sssd's access rules: they stand behind our account line.
#[test]
fn whoever_the_modules_behind_refuse_is_shown_no_secret_and_not_enrolled() {
    let mut must = host("\"enroll\"");
    let record = password(&mut must);
    must.refused_behind = true;
    assert_eq!(must.account("bob", &record, vec![Step::Tell("Nothing was set up")]), Ending::Refuse);
    assert!(must.last_line().contains("another module of the account phase"), "{}", must.last_line());
    assert!(must.shelf.drafted.is_empty() && !is_enrolled(&must));
    // While there is time, the modules behind are left to refuse.
    let mut may = host("\"enroll from 2099-01-01\"");
    let record = password(&mut may);
    may.refused_behind = true;
    let yes = vec![Step::Ask("Set it up now? [y/N] …", Ok("y".into()))];
    assert!(matches!(may.account("bob", &record, yes), Ending::Ignore(_)));
    assert!(may.shelf.drafted.is_empty() && !is_enrolled(&may));
}

#[test]
fn nothing_is_stored_before_all_is_seen() {
    let mut host = host("\"enroll\"");
    let record = password(&mut host);
    for (steps, cause) in [
        (vec![Step::Ask(SCAN, Err(TalkFailed)), Step::Tell("cannot be done here")], "cannot ask"),
        (vec![Step::Ask(SCAN, Ok(String::new())), Step::Tell("was not set up")], "nothing was entered"),
        (
            vec![
                Step::Ask(SCAN, Ok("000000".into())),
                Step::Ask(AGAIN, Ok("abc".into())),
                Step::Ask(AGAIN, Ok("0".into())),
                Step::Tell("None of these"),
            ],
            "no right code",
        ),
        (
            vec![
                Step::Ask(SCAN, Ok(code())),
                Step::Ask(NOTE, Err(TalkFailed)),
                Step::Tell("cannot be done here"),
            ],
            "cannot ask",
        ),
    ] {
        assert_eq!(host.account("bob", &record, steps), Ending::Refuse, "{cause}");
        assert!(
            host.last_line().contains("result=refused reason=not-set-up user=bob"),
            "{}",
            host.last_line()
        );
        assert!(host.last_line().contains(cause), "{}", host.last_line());
        assert!(!is_enrolled(&host));
    }
    assert!(host.shelf.drafted.windows(2).all(|days| days[0] == days[1]));
}

#[test]
fn a_wrong_first_code_can_be_tried_again() {
    let mut host = host("\"enroll\"");
    let record = password(&mut host);
    let spaced = format!("{} {}", &code()[..3], &code()[3..]);
    let steps = vec![
        Step::Ask(SCAN, Ok("000000".into())),
        Step::Ask(AGAIN, Ok(spaced)),
        Step::Ask(NOTE, Ok(String::new())),
    ];
    assert!(matches!(host.account("bob", &record, steps), Ending::Accept(_)));
}

/// What the terminal is like nobody says: text is read everywhere, and a QR code is drawn for anyone who says how.
#[test]
fn a_qr_code_is_drawn_on_demand_and_costs_no_try() {
    let mut host = host("\"enroll\"");
    let record = password(&mut host);
    let typed = |text: &str| Ok(text.to_owned());
    let mut steps = vec![
        Step::Ask(SCAN, typed("light")),
        Step::Ask(DRAWN, typed(" Dark ")),
        Step::Ask("\n███████…", typed("000000")),
        Step::Ask(AGAIN, typed("LIGHT")),
        Step::Ask(DRAWN, typed("000000")),
        Step::Ask(AGAIN, Ok(code())),
        Step::Ask(NOTE, Ok(String::new())),
    ];
    assert!(matches!(host.account("bob", &record, std::mem::take(&mut steps)), Ending::Accept(_)));
}

#[test]
fn nobody_is_drawn_codes_for_ever() {
    let mut host = host("\"enroll\"");
    let record = password(&mut host);
    let mut steps = vec![Step::Ask(SCAN, Ok("light".into()))];
    steps.extend((0..6).map(|_| Step::Ask(DRAWN, Ok("light".into()))));
    steps.extend((0..2).map(|_| Step::Ask(AGAIN, Ok("light".into()))));
    steps.push(Step::Tell("None of these"));
    assert_eq!(host.account("bob", &record, steps), Ending::Refuse);
}

/// A client without UTF-8 gets no more than ASCII unless it asks for it, and on a terminal of 40 columns and 24 rows a drawing stands as
/// a whole, below ssh's own line and above the question.
#[test]
fn the_first_prompt_is_ascii_and_a_drawing_fits_on_the_smallest_usual_terminal() {
    for user in ["al", &"a".repeat(32)] {
        let uri =
            key_uri::uri("mail.example.org", user, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Parameters::COMMON);
        let qr = Qr::of(&uri).unwrap();
        assert!(what_to_type("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Some(&qr)).is_ascii());
        for ink in [Ink::Dark, Ink::Light] {
            let drawn = drawn(&qr, ink);
            assert_eq!(
                (drawn.lines().map(|line| line.chars().count()).max(), drawn.lines().count()),
                (Some(39), 22)
            );
        }
        assert_eq!(room(&qr), (39, 22));
    }
}

#[test]
fn with_time_left_one_is_asked_and_let_in_either_way() {
    // The time of these tests is 2027-01-15 08:00 UTC.
    const ASKED: &str = "needed here from 2027-01-17 on (2 days left). Set it up now?…";
    let mut host = host("\"enroll from 2027-01-17\"");
    let record = password(&mut host);
    assert_eq!(
        host.last_line(),
        "result=ignored reason=to-enroll user=bob service=sshd from=203.0.113.9 by=2027-01-17"
    );
    for answer in [Ok("n".to_owned()), Ok(String::new()), Err(TalkFailed)] {
        assert_eq!(host.account("bob", &record, vec![Step::Ask(ASKED, answer)]), Ending::Ignore(None));
        assert!(!is_enrolled(&host));
    }
    let steps = vec![
        Step::Ask(ASKED, Ok("y".into())),
        Step::Ask(SCAN, Ok(code())),
        Step::Ask(NOTE, Ok(String::new())),
    ];
    assert!(matches!(host.account("bob", &record, steps), Ending::Accept(_)));
    assert!(is_enrolled(&host));
}

#[test]
fn whoever_was_enrolled_meanwhile_signs_in_again() {
    let mut host = host("\"enroll\"");
    let record = password(&mut host);
    host.shelf.enrollments.push(Enrollment {
        user: UserName::parse("bob").unwrap(),
        uid: 1001,
        ..enrolled(State::Active)
    });
    assert_eq!(host.account("bob", &record, vec![Step::Tell("sign in again")]), Ending::Refuse);
}

#[test]
fn a_service_that_is_not_root_enrolls_nobody() {
    for (unenrolled, lets_in) in [("\"enroll\"", false), ("\"enroll from 2027-01-17\"", true)] {
        let mut host = host(unenrolled);
        let request = Request { word: Word::Doubted, ..Host::request("bob", ServiceClass::Interactive) };
        let ending = host.play(vec![], None, |ports, policy| authenticate(ports, policy, &request));
        let Ending::Ignore(Some(record)) = ending else { panic!("{ending:?}") };
        let steps = if lets_in { vec![] } else { vec![Step::Tell("cannot be done here")] };
        let ending =
            host.play(steps, None, |ports, policy| account_with_record(ports, policy, &request, &record));
        assert_eq!(ending == Ending::Ignore(None), lets_in, "{ending:?}");
        assert!(host.shelf.drafted.is_empty());
    }
}

#[test]
fn programs_are_not_shown_a_qr_code() {
    let mut host = Host::with(State::Active);
    host.configure("[app]\nunenrolled = [\"allow\", \"enroll from 2027-01-01\"]\n");
    assert_eq!(host.by_imap("bob", "hunter2"), Ending::Refuse);
    host.configure("[app]\nunenrolled = \"enroll from 2027-02-01\"\n");
    assert!(matches!(host.by_imap("bob", "hunter2"), Ending::Ignore(_)));
}

#[test]
fn a_key_alone_enrolls_nobody() {
    let by_key = |host: &mut Host, steps| {
        let request = Host::request("bob", ServiceClass::Interactive);
        host.play(steps, None, |ports, policy| {
            account_without_record(ports, policy, &request, Unrecorded::ByKey)
        })
    };
    assert_eq!(by_key(&mut host("\"enroll\""), vec![Step::Tell("PubkeyAuthentication=no")]), Ending::Refuse);
    let left = vec![Step::Tell("from 2027-01-17 on (2 days left)")];
    assert_eq!(by_key(&mut host("\"enroll from 2027-01-17\""), left), Ending::Ignore(None));
}

#[test]
fn the_record_says_what_is_to_come() {
    let mut host = host("\"enroll\"");
    let record = password(&mut host);
    let enroll = Enroll { by: None, origin: Origin::Line(2) };
    assert_eq!(record.todo, Some(Todo::Enroll(enroll)));
    assert_eq!(record.settles("bob"), None);
}
