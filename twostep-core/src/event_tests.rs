use super::*;

fn event(reason: Reason) -> Event {
    Event {
        reason,
        user: UserName::parse("alice").ok(),
        service: ServiceName::parse("sshd").ok(),
        source: Some(Source::of_host("203.0.113.9", &[])),
    }
}

#[test]
fn a_line_is_keys_and_values() {
    assert_eq!(
        event(Reason::CodeWrong).line(),
        "result=refused reason=code-wrong user=alice service=sshd from=203.0.113.9"
    );
    assert_eq!(
        event(Reason::CodeOfAnotherTime { seconds: -600 }).line(),
        "result=refused reason=code-wrong user=alice service=sshd from=203.0.113.9 clock-off=-600s"
    );
    assert_eq!(
        event(Reason::AppPasswordRevoked { name: "old phone".into() }).line(),
        "result=refused reason=app-password-revoked user=alice service=sshd from=203.0.113.9 name=\"old phone\""
    );
}

#[test]
fn nothing_can_forge_a_line_or_a_key() {
    let line =
        event(Reason::AppPassword { name: "x\" user=root\nresult=accepted \u{1b}[2J \u{202e}ü\\".into() })
            .line();
    assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{line}");
    assert!(
        line.ends_with(r#"name="x\" user=root\u{a}result=accepted \u{1b}[2J \u{202e}\u{fc}\\""#),
        "{line}"
    );
}

/// One of every reason. The match makes a new variant show up here.
fn every_reason() -> Vec<Reason> {
    every_reason_with("")
}

/// The same, with this wherever a reason has a text.
pub(crate) fn every_reason_with(text: &str) -> Vec<Reason> {
    let text = || text.to_owned();
    let orphan = || UserName::parse("alice").unwrap();
    let key =
        || crate::device::SeenKey::of_auth_info(crate::device::tests::KEY.as_bytes()).unwrap().fingerprint;
    use Reason::*;
    match (Code { authenticator: 1 }) {
        Code { .. } | BackupCode { .. } | AppPassword { .. } | Key | NotEnrolled | PendingSkipped => {}
        NotEnrolledDenied | CodeWrong | CodeReplayed | ClockBehind | Empty | SameAsPassword => {}
        AppPasswordAtPrompt | Throttled { .. } | Capped | EnrollmentChanged | AppOnly | UidChanged { .. } => {
        }
        NotAllowed { .. } | Busy { .. } => {}
        UserUnknown | NameSpelling | NotAnAppPassword | AppPasswordWrong | AppPasswordRevoked { .. } => {}
        KeyAlone
        | CodeNotAsked
        | AccountExpired
        | UserSwitched
        | Conversation
        | Store { .. }
        | Configuration { .. }
        | Argument { .. } => {}
        Broker { .. } | Nss { .. } | Service | Internal { .. } | Hash { .. } | Activated => {}
        Change { .. } => {}
        BypassCode { .. } | BypassOver | BypassNotEnough | CodeOfAnotherTime { .. } => {}
        OfOrphan { .. } | Orphan { .. } => {}
        AppPasswordExpired { .. } | AppPasswordOutOfScope { .. } | VirtualUsersOff => {}
        RosterLost { .. } | RosterMadeAnew { .. } => {}
        BreakGlass { .. } | BreakGlassUnusable { .. } => {}
        SecurityKey { .. } | SshKey { .. } => {}
        TrustedDevice { .. } | ToEnroll { .. } | Exempt { .. } => {}
        DeniedByRule { .. } | NotSetUp { .. } | AtOdds { .. } | CodeUnjudged => {}
    }
    vec![
        Code { authenticator: 1 },
        BackupCode { left: 1 },
        BypassCode { left: 1 },
        BypassOver,
        BypassNotEnough,
        Orphan { of: orphan(), cause: "code-wrong" },
        AppPassword { name: text() },
        SecurityKey { key: key() },
        SshKey { key: key() },
        TrustedDevice { device: text() },
        ToEnroll { by: Some(UnixTime(0)) },
        Exempt { rule: Origin::Line(7) },
        BreakGlass { entry: 7 },
        DeniedByRule { rule: Origin::Line(7) },
        NotSetUp { cause: "nothing was entered" },
        AtOdds { rule: Origin::Line(7) },
        CodeUnjudged,
        Key,
        NotEnrolled,
        PendingSkipped,
        NotEnrolledDenied,
        CodeOfAnotherTime { seconds: 600 },
        CodeReplayed,
        ClockBehind,
        Empty,
        SameAsPassword,
        AppPasswordAtPrompt,
        Throttled { wait: Duration::ZERO },
        Capped,
        EnrollmentChanged,
        AppOnly,
        UidChanged { was: 1, is: 2 },
        UserUnknown,
        NameSpelling,
        NotAnAppPassword,
        AppPasswordWrong,
        AppPasswordRevoked { name: text() },
        AppPasswordExpired { name: text(), since: UnixTime(0) },
        AppPasswordOutOfScope { name: text(), cause: "service" },
        VirtualUsersOff,
        KeyAlone,
        CodeNotAsked,
        AccountExpired,
        UserSwitched,
        Conversation,
        Store { cause: text(), remedy: text() },
        Configuration { cause: text() },
        Argument { word: text() },
        Broker { cause: text(), remedy: text() },
        NotAllowed { uid: 1, more: 1 },
        Busy { uid: 1, cause: "requests", more: 1 },
        Nss { cause: text() },
        Service,
        Internal { cause: text() },
        Hash { cause: text(), remedy: "" },
        RosterLost { cause: text(), remedy: text() },
        RosterMadeAnew { cause: text() },
        BreakGlassUnusable { cause: text(), remedy: text() },
        Activated,
    ]
}

#[test]
fn every_reason_and_key_is_documented() {
    let document = include_str!("../../docs/log.md");
    let mut documented: Vec<&str> = document.lines().filter_map(|line| line.strip_prefix("| `")).collect();
    for reason in every_reason() {
        let line = Event { reason, user: None, service: None, source: None }.line();
        let mut words = line.split_whitespace();
        let (result, word) = (words.next().unwrap(), words.next().unwrap());
        let row = format!("{result} {word}` |");
        let found = documented.iter().position(|line| line.starts_with(&row));
        let row = documented.remove(found.unwrap_or_else(|| panic!("docs/log.md has no row for {row}")));
        for key in words.filter_map(|word| word.split_once('=')) {
            assert!(row.contains(&format!("`{}`", key.0)), "docs/log.md does not tell of {} in {row}", key.0);
        }
    }
    documented.retain(|line| line.starts_with("result=") && !line.starts_with("result=changed"));
    assert!(documented.is_empty(), "docs/log.md tells of what there is not: {documented:#?}");
}

/// It has the row of what was right.
#[test]
fn a_code_of_an_orphan_is_told_with_its_name() {
    let of = UserName::parse("alice").unwrap();
    let line = event(Reason::OfOrphan { of, by: Box::new(Reason::BackupCode { left: 9 }) }).line();
    assert_eq!(
        line,
        "result=accepted reason=backup-code user=alice service=sshd from=203.0.113.9 left=9 orphan=alice \
         remedy=\"twostep-admin settle alice --rename NEW, or --drop\""
    );
    let document = include_str!("../../docs/log.md");
    assert!(document.contains("\n| `orphan` | "));
}

#[test]
fn an_endless_value_ends() {
    assert!(event(Reason::Argument { word: "x".repeat(100_000) }).line().len() < 1_000);
}

#[test]
fn an_unknown_user_is_not_named() {
    let mut event = event(Reason::UserUnknown);
    event.user = None;
    assert_eq!(event.line(), "result=refused reason=user-unknown service=sshd from=203.0.113.9");
}
