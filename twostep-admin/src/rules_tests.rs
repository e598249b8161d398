//! Tests of the rules as `check` looks at them, where the name service fails.

use super::*;
use crate::testing::Answers;
use twostep_core::name::UserName;
use twostep_core::ports::Person;

#[test]
fn a_name_service_that_fails_is_told_once() {
    let rules =
        "[[rule]]\nuser = \"alice\"\ndemand = \"code\"\n[[rule]]\nuser = \"bob\"\ndemand = \"code\"\n";
    let policy = twostep_core::config::parse(rules).expect("a policy");
    let told = |answer| {
        let directory = &Answers(answer);
        let file = Path::new("/etc/twostep/config.toml");
        let mut look = Look { policy: &policy, file, at: UnixTime(0), directory, findings: Vec::new() };
        look.names();
        look.findings.into_iter().map(|found| (found.documented(), found.message)).collect::<Vec<_>>()
    };
    let alice = Person { name: UserName::parse("alice").expect("a name"), uid: 1_000 };
    assert_eq!(told(Ok(Some(alice))), []);
    let failure = DirectoryFailed("sssd is stopped".to_owned());
    assert_eq!(told(Err(failure)), [(Id::NameServiceFails, "sssd is stopped".to_owned())]);
}
