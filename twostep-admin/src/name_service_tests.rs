//! Tests of the name service as `check` looks at it.

use super::*;

fn told(text: &str) -> Vec<Id> {
    ids(switch(text))
}

fn ids(findings: impl IntoIterator<Item = Finding>) -> Vec<Id> {
    findings.into_iter().map(|finding| finding.documented()).collect()
}

fn policy(text: &str) -> Policy {
    twostep_core::config::parse(text).expect("a policy")
}

#[test]
fn what_is_wrong_with_the_roster_is_told_by_what_it_does() {
    let path = Path::new("/var/lib/twostep/roster");
    let told = |fault| ids(kept_right(path, fault));
    assert_eq!(told(Ok(None)), []);
    assert_eq!(told(Ok(Some(Wrong::OutOfStep))), [Id::RosterLetsIn]);
    assert_eq!(told(Ok(Some(Wrong::Settings))), [Id::RosterSettings]);
    assert_eq!(told(Err(StoreError::Busy)), [Id::RosterNotLookedAt]);
}

#[test]
fn a_roster_that_nobody_keeps_must_not_lie_where_it_is_read() {
    let unkept = policy("[roster]\nkeep = false");
    assert_eq!(ids(misread(&unkept, true)), [Id::RosterLeftBehind]);
    assert_eq!(ids(misread(&policy("[paths]\nroster = \"/elsewhere\""), true)), [Id::RosterLeftBehind]);
    assert_eq!(ids(misread(&policy(""), true)), []);
}

#[test]
fn groups_that_are_asked_for_want_a_roster() {
    assert_eq!(ids(misread(&policy("[roster]\nkeep = false"), false)), [Id::RosterNotKept]);
    assert_eq!(ids(misread(&policy(""), false)), []);
}

#[test]
fn a_roster_that_is_kept_elsewhere_is_not_read() {
    assert_eq!(ids(misread(&policy("[paths]\nroster = \"/elsewhere\""), false)), [Id::RosterElsewhere]);
    assert_eq!(ids(misread(&policy(""), false)), []);
}

fn group(name: &str, gid: u32) -> Option<Group> {
    Some(Group { name: name.to_owned(), passwd: c"x".to_owned(), gid: Gid::from_raw(gid), mem: Vec::new() })
}

#[test]
fn a_gid_of_ours_is_nobody_elses() {
    let told = |found| ids(of_gid("twostep-enrolled", Gid::from_raw(4_711), found));
    assert_eq!(told(Ok(group("intruders", 4_711))), [Id::GroupGidTaken]);
    assert_eq!(told(Ok(group("twostep-enrolled", 4_711))), []);
    assert_eq!(told(Ok(None)), []);
}

#[test]
fn a_name_of_ours_means_our_group() {
    let told = |found| ids(of_name("twostep-enrolled", Gid::from_raw(4_711), found));
    assert_eq!(told(Ok(group("twostep-enrolled", 100))), [Id::GroupNameTaken]);
    assert_eq!(told(Ok(None)), [Id::GroupUnknown]);
    assert_eq!(told(Err(nix::errno::Errno::EIO)), [Id::GroupLookUpFails]);
    assert_eq!(told(Ok(group("twostep-enrolled", 4_711))), []);
}

#[test]
fn a_line_for_groups_is_all_it_takes() {
    assert_eq!(told("passwd: files\ngroup: files twostep\n"), []);
    assert!(names("group:\tfiles [NOTFOUND=continue] twostep # ours", "group", SERVICE));
    assert!(!names("group: files # twostep", "group", SERVICE));
}

#[test]
fn a_source_whose_failure_is_hidden_by_the_next_one_is_told() {
    let told = |line: &str| {
        let found = hidden(&format!("group: {line}\n"), "group").into_iter().collect::<Vec<_>>();
        found.iter().map(Finding::documented).collect::<Vec<Id>>()
    };
    for ill in [
        "files sss systemd",
        "sss files",
        "files sss twostep",
        "files ldap [NOTFOUND=return] twostep",
        "files sss [UNAVAIL=return] twostep",
        "files [SUCCESS=merge] sss [SUCCESS=merge] systemd",
        "files sss [UNAVAIL=return TRYAGAIN=return] ldap systemd",
    ] {
        assert_eq!(told(ill), [Id::SourceFailureHidden], "{ill}");
    }
    for well in [
        "files",
        "files systemd",
        "files systemd twostep",
        "files systemd sss",
        "files twostep sss",
        "files sss [UNAVAIL=return TRYAGAIN=return] systemd",
        "sss [ !SUCCESS=return SUCCESS=merge ] files",
        "files sss [SUCCESS=merge unavail=return tryagain = return] twostep",
    ] {
        assert_eq!(told(well), [], "{well}");
    }
}

#[test]
fn an_initgroups_line_must_name_it_too() {
    assert_eq!(told("group: files twostep\ninitgroups: files\n"), [Id::InitgroupsWithoutTwostep]);
    assert_eq!(told("group: files\ninitgroups: files\n"), []);
}

#[test]
fn an_initgroups_line_must_not_end_before_it() {
    assert_eq!(told("initgroups: files twostep"), [Id::InitgroupsEndsEarly]);
    assert_eq!(told("initgroups: files [SUCCESS=continue] sss twostep"), [Id::InitgroupsEndsEarly]);
    assert_eq!(told("initgroups: files [SUCCESS = continue] twostep"), []);
    assert_eq!(told("initgroups: twostep [success=continue] files"), []);
}

#[test]
fn members_by_the_hosts_own_file_are_told() {
    let roster = Policy::defaults().roster;
    let (name, gid) = roster.named().into_iter().next().expect("there are four");
    let told = |file: &str| -> Vec<String> {
        let found = listed(file, &roster);
        assert!(found.iter().all(|finding| finding.documented() == Id::GroupMembersByFile));
        found.into_iter().map(|finding| finding.message).collect()
    };
    for line in [
        format!("{name}:x:{gid}:alice,bob"),
        format!("{name}:x:5:alice,bob"),
        format!("other:x:{gid}:alice,bob"),
    ] {
        let found = told(&format!("root:x:0:\n{line}\n"));
        assert!(found.len() == 1 && found[0].starts_with("alice,bob are in it"), "{line}: {found:?}");
    }
    for silent in
        [format!("{name}:x:{gid}:\n"), format!("staff:x:50:alice,{name}\n"), format!("{name}\n::\n")]
    {
        assert_eq!(told(&silent), Vec::<String>::new(), "{silent}");
    }
}

#[test]
fn nscd_undoes_that_only_some_may_read() {
    let conf = "enable-cache group yes\npositive-time-to-live group 60\n";
    let told = |conf, readers: &Readers| ids(remembering(conf, readers));
    let some = Readers::Group("staff".to_owned());
    assert_eq!(told(conf, &Readers::Everyone), [Id::NscdRemembersGroups]);
    assert_eq!(told(conf, &some), [Id::NscdRemembersGroups, Id::NscdUndoesReaders]);
    assert_eq!(told("enable-cache group no\n", &some), []);
}

#[test]
fn nscd_remembers_what_it_is_told_to() {
    assert_eq!(remembered("enable-cache group yes\npositive-time-to-live group 60\n"), Some(60));
    assert_eq!(remembered("\tenable-cache\t\tgroup\t\tyes\n"), Some(3_600));
    assert_eq!(remembered("enable-cache group no\n#enable-cache group yes\n"), None);
    assert_eq!(remembered("enable-cache passwd yes\n"), None);
}
