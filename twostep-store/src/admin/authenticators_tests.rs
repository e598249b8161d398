//! Authenticators that take the place of others, and what bypass codes prove for that.

use super::*;
use crate::admin::NewAuthenticator;
use crate::host::{self, Kernel};
use crate::testing::{SECRET, author, enroll, home, host};
use crate::vault::Files;
use std::time::Duration;
use twostep_core::backup_code::BackupCode;
use twostep_core::event::Reason;
use twostep_core::ports::Store;
use twostep_core::secret::Secret;
use twostep_core::time::Now;
use twostep_core::totp::Parameters;
use twostep_core::verify::{Answer, Operation, verify_for};

const HOUR: Duration = Duration::from_secs(3600);

/// Judges a backup code as the proof of something.
fn prove(operation: Operation, files: &Files, id: EnrollmentId, code: &BackupCode, now: &Now) -> Reason {
    let answer = Answer::BackupCode(code.clone());
    let mut judge = |credentials: Option<&_>| verify_for(operation, &answer, credentials, now).unwrap();
    files.session().unwrap().judge(id, &home(), answer.kind(), now, &mut judge).unwrap().reason
}

#[test]
fn a_used_up_bypass_code_proves_one_replacement_until_it_is_given_anew() {
    let files = host("bypass-replacement");
    let codes = [BackupCode::generate(&mut Kernel).unwrap()];
    let id = enroll(&files, &codes);
    let now = host::now();
    let give = || {
        let code = BackupCode::generate(&mut Kernel).unwrap();
        files.session().unwrap().give_bypass_code(id, &code, HOUR, 1, &author(), &now).unwrap();
        code
    };
    let sign_in = |code: &BackupCode| prove(Operation::SignIn, &files, id, code, &now);
    let replace = |code: &BackupCode| prove(Operation::ReplaceAuthenticator, &files, id, code, &now);
    let wrong = BackupCode::generate(&mut Kernel).unwrap();
    let first = give();
    assert_eq!(sign_in(&first), Reason::BypassCode { left: 0 });
    // Neither what others enter, nor new backup codes, end what it is still good for.
    assert_eq!(sign_in(&wrong), Reason::CodeWrong);
    assert_eq!(sign_in(&first), Reason::CodeWrong);
    files.session().unwrap().replace_backup_codes(id, &codes, &author(), UnixTime(9)).unwrap();
    assert_eq!(replace(&wrong), Reason::CodeWrong);
    assert_eq!(replace(&first), Reason::BypassCode { left: 0 });
    assert_eq!(replace(&first), Reason::CodeWrong, "once");
    assert_eq!(sign_in(&first), Reason::CodeWrong);
    // The one before is dead.
    assert_eq!(files.session().unwrap().bypass_until(id, &now).unwrap(), None);
    let second = give();
    assert!(files.session().unwrap().bypass_until(id, &now).unwrap().is_some());
    assert_eq!(sign_in(&second), Reason::BypassCode { left: 0 });
    let third = give();
    assert_eq!(replace(&second), Reason::CodeWrong);
    // Of 8 at once one is told that it was right.
    assert_eq!(sign_in(&third), Reason::BypassCode { left: 0 });
    let right = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| replace(&third))).collect();
        all.into_iter().map(|one| one.join().unwrap() != Reason::CodeWrong).filter(|right| *right).count()
    });
    assert_eq!(right, 1);
    assert_eq!(sign_in(&codes[0]), Reason::BackupCode { left: 0 });
}

#[test]
fn an_authenticator_is_replaced_at_once_and_what_stood_in_for_it_ends() {
    let files = host("replace");
    let id = enroll(&files, &[BackupCode::generate(&mut Kernel).unwrap()]);
    let now = host::now();
    let session = files.session().unwrap();
    let code = BackupCode::generate(&mut Kernel).unwrap();
    session.give_bypass_code(id, &code, HOUR, 2, &author(), &now).unwrap();
    let old = session.find_replaced(id, None).unwrap();
    let since = session.latest_change(id).unwrap();
    let (same, secret) = (Secret::new(SECRET.to_vec()), Secret::new(b"another phone's secret".to_vec()));
    let label = old.label.clone();
    let new = |secret| NewAuthenticator {
        label: &label,
        parameters: Parameters::COMMON,
        secret,
        last_step: Some(7),
        confirmed: None,
    };
    let replace =
        |secret| session.replace_authenticator(id, old.id, &new(secret), since, &author(), now.wall);
    // Its codes would go on to be right.
    assert!(matches!(replace(&same), Err(Refusal::SecretTaken(_))));
    assert_eq!(session.find_replaced(id, None).unwrap().id, old.id);
    let id_of_new = replace(&secret).unwrap();
    let all = session.authenticators(id).unwrap();
    assert_eq!(all.iter().map(|one| one.id).collect::<Vec<_>>(), [id_of_new]);
    assert_eq!(all[0].label, label);
    assert_eq!(session.bypass_until(id, &now).unwrap(), None);
    assert_eq!(session.summaries(None).unwrap()[0].backup_codes, 1, "they stay");
    // Anyone who has proven something before that has proven nothing for now.
    let third = Secret::new(b"a thief's secret, so to say".to_vec());
    assert!(matches!(replace(&third), Err(Refusal::Store(StoreError::Gone))));
    let thiefs = NewAuthenticator { label: &Label::stored("mine".to_owned()), ..new(&third) };
    let added = session.add_authenticator_since(id, &thiefs, since, &author(), now.wall);
    assert!(matches!(added, Err(Refusal::Store(StoreError::Gone))));
    session.add_authenticator(id, &thiefs, &author(), now.wall).unwrap();
    let told = session.find_replaced(id, None).unwrap_err().to_string();
    assert!(told.contains(&format!("\"{label}\", \"mine\"")), "{told}");
    assert_eq!(session.find_replaced(id, Some("mine")).unwrap().label.as_str(), "mine");
}
