use super::*;
use crate::attempt::Source;
use crate::event::tests::every_reason_with;
use crate::event::{Event, Reason};
use crate::name::{ServiceName, UserName};

const LINE: &str = "result=refused reason=code-wrong user=alice service=sshd from=203.0.113.9";

fn event(reason: Reason) -> Event {
    Event {
        reason,
        user: UserName::parse("alice").ok(),
        service: ServiceName::parse("sshd").ok(),
        source: Some(Source::of_host("2001:db8::9", &[])),
    }
}

/// Texts of every length and of letters that matter to the format, the same ones in each run.
fn texts() -> impl Iterator<Item = String> {
    const LETTERS: [char; 18] = [
        'a', 'Z', '7', ' ', '=', '"', '\\', '{', '}', 'u', '.', '%', '\n', '\0', '\u{1b}', 'ü', '\u{202e}',
        '電',
    ];
    let mut state = 1_u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 40).unwrap()
    };
    (0..200).map(move |_| {
        let length = next() % 60;
        (0..length).map(|_| LETTERS[next() % LETTERS.len()]).collect()
    })
}

#[test]
fn a_line_is_taken_apart() {
    let line =
        LogLine::parse(&event(Reason::AppPasswordRevoked { name: "old phone".into() }).line()).unwrap();
    assert_eq!((line.ending, line.reason.as_str()), (Ending::Refused, "app-password-revoked"));
    assert_eq!((line.user.as_deref(), line.service.as_deref()), (Some("alice"), Some("sshd")));
    assert_eq!((line.from.as_deref(), line.detail("name")), (Some("2001:db8::9"), Some("old phone")));
    assert_eq!(line.detail("cause"), None);
}

#[test]
fn what_was_written_is_what_is_read() {
    for text in
        texts().chain(["".into(), "result=accepted".into(), "x\" user=root from=192.0.2.1 y=\"".into()])
    {
        for reason in every_reason_with(&text) {
            let (ending, word) = (reason.ending(), reason.word());
            let mut event = event(reason);
            let line = event.line();
            let read = LogLine::parse(&line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((read.ending, read.reason.as_str()), (ending, word), "{line}");
            assert_eq!(read.user.as_deref(), Some("alice"), "{line}");
            assert_eq!(read.from.as_deref(), Some("2001:db8::9"), "{line}");
            // Whatever text there is in a reason stands in one of these.
            for key in ["name", "device", "word"] {
                assert!(read.detail(key).is_none_or(|value| value == text), "{line}");
            }
            (event.user, event.service, event.source) = (None, None, None);
            let bare = LogLine::parse(&event.line()).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((&bare.details, bare.user, bare.from), (&read.details, None, None), "{line}");
        }
    }
}

#[test]
fn users_with_odd_names_are_read_too() {
    for name in ["EXAMPLE\\alice", "jürgen", "two words", "a=\"b\"", "%n"] {
        let user = UserName::parse(name).ok();
        let line = Event { user, ..event(Reason::CodeWrong) }.line();
        assert_eq!(LogLine::parse(&line).unwrap().user.as_deref(), Some(name), "{line}");
    }
}

#[test]
fn the_longest_line_is_read_as_far_as_it_was_written() {
    let cause = "\u{1}".repeat(100_000);
    let line = event(Reason::Store { cause: cause.clone(), remedy: cause }).line();
    assert!(line.len() < LINE_MAX);
    let read = LogLine::parse(&line).unwrap();
    assert!(read.detail("remedy").unwrap().ends_with("\u{1}..."));
}

#[test]
fn what_the_writer_would_not_write_is_no_line() {
    for bad in [
        "",
        "result=refused",
        "reason=code-wrong result=refused",
        "result=elsewhere reason=code-wrong",
        "result=refused reason=code-wrong ",
        "result=refused  reason=code-wrong",
        "result=refused reason=code-wrong user=",
        "result=refused reason=code-wrong user=a\\b",
        "result=refused reason=code-wrong user=\"a",
        "result=refused reason=code-wrong user=\"a\"b",
        "result=refused reason=code-wrong user=\"\\x\"",
        "result=refused reason=code-wrong user=\"\\u{}\"",
        "result=refused reason=code-wrong user=\"\\u{110000}\"",
        "result=refused reason=code-wrong user=\"\\u{d800}\"",
        "result=refused reason=code-wrong user=\"\\u{+1}\"",
        "result=refused reason=code-wrong user=\"ü\"",
        "result=refused reason=code-wrong user=\"a\tb\"",
        "result=refused reason=code-wrong user=ü",
        "result=refused reason=code-wrong USER=alice",
        "result=refused reason=code-wrong =alice",
        "result=refused reason=code-wrong alice",
        "result=refused reason=code-wrong from=192.0.2.1 user=alice",
        "result=refused reason=code-wrong user=alice user=bob",
        "result=refused reason=code-wrong name=a name=b",
        "result=refused reason=code-wrong\n",
        "debug words=app phase=auth verdict=ignore",
    ] {
        assert_eq!(LogLine::parse(bad), None, "{bad:?}");
    }
}

#[test]
fn no_torn_or_changed_line_does_harm() {
    let whole = event(Reason::AppPasswordRevoked { name: "a \u{202e}\" \\ ü".into() }).line();
    for end in 0..whole.len() {
        let _torn = LogLine::parse(&whole[..end]);
        for letter in ["\"", "\\", "=", " ", "{", "}", "ü", "\0"] {
            let _changed = LogLine::parse(&format!("{}{letter}{}", &whole[..end], &whole[end + 1..]));
        }
    }
    for endless in
        ["x".repeat(100_000), format!("{LINE} name=\"{}", "\\".repeat(100_000)), "a=b ".repeat(25_000)]
    {
        assert_eq!(LogLine::parse(&endless), None);
    }
}
