//! Tests of lines by themselves that need no real configuration.

use super::*;

#[test]
fn a_line_for_app_services_wants_a_configuration_that_lists_them() {
    let ids = |words: &str, config: &str| {
        let entries = twostep_stacks::parse(&format!("auth required pam_twostep.so {words}\n"));
        let (files, policy) = (Files::new(), Policy::defaults());
        let mut stack = Stack {
            name: "common-auth",
            path: PathBuf::from("common-auth"),
            entries: &entries,
            files: &files,
            policy: Some(&policy),
            config: Path::new(config),
            now: UnixTime(0),
            findings: Vec::new(),
            lines: Vec::new(),
        };
        stack.check(true);
        stack.findings.iter().map(Finding::documented).collect::<Vec<_>>()
    };
    assert_eq!(ids("app-services", "/nowhere"), [Id::AppServicesUnlisted]);
    assert_eq!(ids("app-services", "/etc/passwd"), []);
    assert_eq!(ids("app", "/nowhere"), []);
    assert_eq!(ids("", "/nowhere"), []);
}
