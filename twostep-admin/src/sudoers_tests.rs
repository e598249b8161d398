use super::*;

/// As cvtsudoers writes it.
fn sudoers(users: &str, commands: &str) -> Sudoers {
    let text = format!(
        r#"{{"Defaults": [{{"Options": [{{"env_reset": true}}, {{"targetpw": false}}]}}],
            "User_Specs": [{{"User_List": [{users}], "Host_List": [{{"hostname": "h"}}],
            "Cmnd_Specs": [{{"runasusers": [{{"username": "ALL"}}], "Commands": [{commands}]}}]}}]}}"#
    );
    serde_json::from_str(&text).expect("a document")
}

const ALL: &str = r#"{"command": "ALL"}"#;

#[test]
fn whoever_is_granted_a_command_is_a_grantee() {
    let users = r#"{"username": "alice"}, {"userid": 7}, {"usergroup": "ops"}, {"usergid": 1234},
        {"username": "eve", "negated": true}, {"netgroup": "n"}, {"nonunixgroup": "dom admins"}, {"nonunixgid": 5},
        {"username": "ALL"}, {"new-kind": "x"}"#;
    let other = |text: &str| Grantee::Other(text.to_owned());
    let expected = BTreeSet::from([
        Grantee::User("alice".to_owned()),
        Grantee::Uid(7),
        Grantee::Group("ops".to_owned()),
        Grantee::Gid(1234),
        Grantee::Everybody,
        other("+n"),
        other("%:dom admins"),
        other("%:#5"),
        other("new-kind x"),
    ]);
    assert_eq!(sudoers(users, ALL).grantees(), expected);
    assert_eq!(
        sudoers(users, r#"{"command": "/bin/x", "negated": true}, {"command": "/bin/y"}"#).grantees(),
        expected
    );
    // Only forbidden, or nothing at all.
    assert!(sudoers(users, r#"{"command": "ALL", "negated": true}"#).grantees().is_empty());
    assert!(sudoers(users, "").grantees().is_empty());
}

/// As sudo 1.9.13 writes `CWD=` and `CHROOT=`.
#[test]
fn what_cvtsudoers_itself_gets_wrong_is_read() {
    let text = r#"{
    "User_Specs": [
        {
            "User_List": [
                { "username": "alice" }
            ],
            "Cmnd_Specs": [
                {
                    "Options": [
                        "runchroot": "/a\", {",
                        { "runcwd": "/b" },
                        "runcwd": "/b"
                    ],
                    "Commands": [
                        { "command": "ALL" }
                    ]
                }
            ]
        }
    ]
}"#;
    let grantees = Sudoers::of(text).expect("a document").grantees();
    assert_eq!(grantees, BTreeSet::from([Grantee::User("alice".to_owned())]));
}

/// `root` and `daemon` are users and groups of every host.
#[test]
fn a_grant_outside_of_the_protected_groups_is_told_with_the_line_to_write() {
    let text = "[broker]\nhelp_desk = \"daemon\"\nprotected = [\"root\"]";
    let broker = twostep_core::config::parse(text).expect("a policy").broker;
    let told = |users: &str| unprotected(&sudoers(users, ALL).grantees(), Path::new("/etc/sudoers"), &broker);
    let safe = r#"{"usergroup": "root"}, {"usergid": 0}, {"usergroup": "daemon"}, {"username": "root"}, {"userid": 0},
        {"username": "daemon"}, {"username": "no-such-user"}, {"usergroup": "no-such-group"}"#;
    assert_eq!(told(safe), []);
    let found = told(
        r#"{"usergroup": "bin"}, {"username": "bin"}, {"username": "ALL"}, {"netgroup": "n"}, {"usergid": 4294967294}"#,
    );
    assert_eq!(found.len(), 5, "{found:#?}");
    assert!(found.iter().all(|found| found.documented() == Id::SudoersGrantUnprotected));
    let of = |who: &str| found.iter().find(|found| found.message.starts_with(who)).expect("a finding");
    assert_eq!(of("%bin ").remedy, r#"[broker] protected = ["root", "bin"]"#);
    assert!(of("bin ").remedy.contains(r#"protected = ["root", "bin", "no-help-desk"]"#), "{found:#?}");
    assert!(of("ALL ").remedy.contains("instead of ALL"));
}

#[test]
fn whose_code_sudo_asks_for_is_told() {
    let mut sudoers = sudoers("", ALL);
    let file = Path::new("/etc/sudoers");
    assert_eq!(sudoers.asks_for_another(file), None);
    let options = |text: &str| serde_json::from_str::<Defaults>(text).expect("options");
    sudoers.defaults.push(options(
        r#"{"Binding": [{"username": "x"}], "Options": [{"targetpw": true}, {"rootpw": true}]}"#,
    ));
    let found = sudoers.asks_for_another(file).expect("a finding");
    assert_eq!(found.documented(), Id::SudoAsksForAnother);
    assert!(found.message.contains("(rootpw, targetpw)"), "{found:?}");
}
