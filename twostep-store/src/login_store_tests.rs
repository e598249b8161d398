//! Finding who is enrolled, over a real store.

use super::*;
use crate::testing::host;
use twostep_core::name::Naming;
use twostep_core::ports::Store;

#[test]
fn other_spellings_are_found_without_reading_all_names() {
    let files = host("alike");
    let mut session = files.session().unwrap();
    let enroll = |session: &Session, user: &str| {
        let sql = "INSERT INTO enrollment (user, uid, state, created) VALUES (?, 1, 'active', 0)";
        session.connection.execute(sql, [user]).unwrap();
    };
    for user in ["Alice", "EXAMPLE\\bob", "carol@example.org", "ALICE2@example.org"] {
        enroll(&session, user);
    }
    let alike = |session: &mut Session, raw: &str| {
        let found = session.alike(&Readings::of(raw, &Naming::default()).unwrap()).unwrap();
        found.map(|enrollment| enrollment.user.to_string())
    };
    for (raw, found) in [
        ("ALICE", Some("Alice")),
        ("alice@host", Some("Alice")),
        ("bob", Some("EXAMPLE\\bob")),
        ("Bob+tag@example.org", Some("EXAMPLE\\bob")),
        ("example\\bob", Some("EXAMPLE\\bob")),
        ("carol", Some("carol@example.org")),
        ("CAROL@EXAMPLE.ORG", Some("carol@example.org")),
        ("carol@elsewhere.org", None),
        ("alice2", Some("ALICE2@example.org")),
        ("alic", None),
        ("example.org", None),
    ] {
        assert_eq!(alike(&mut session, raw).as_deref(), found, "{raw}");
    }
    for condition in
        [format!("{USER_PART} = ?1"), format!("{USER_PART} >= ?1 || '@' AND {USER_PART} < ?1 || 'A'")]
    {
        let sql = format!("EXPLAIN QUERY PLAN SELECT user FROM enrollment WHERE {condition}");
        let plan: String = session.connection.query_row(&sql, ["alice"], |row| row.get(3)).unwrap();
        assert!(plan.contains("USING INDEX enrollment_user_part"), "{plan}");
    }
}

/// What the index finds is what a look at every name would find.
#[test]
fn the_index_passes_over_nobody() {
    let files = host("alike-all");
    let mut session = files.session().unwrap();
    let parts = ["alice", "ALICE", ""];
    let mut names = std::collections::BTreeSet::new();
    for (one, two) in parts.iter().flat_map(|one| parts.iter().map(move |two| (one, two))) {
        for separator in ["@", "\\", "/"] {
            names.insert(format!("{one}{separator}{two}"));
            names.insert(format!("EXAMPLE\\{one}{separator}{two}"));
        }
    }
    crate::settings::leave_transaction(&session.connection).unwrap();
    for name in &names {
        session.connection.execute("DELETE FROM enrollment", []).unwrap();
        let Ok(enrolled) = UserName::parse(name) else { continue };
        let sql = "INSERT INTO enrollment (user, uid, state, created) VALUES (?, 1, 'active', 0)";
        session.connection.execute(sql, [name]).unwrap();
        for raw in &names {
            let Some(readings) = Readings::of(raw, &Naming::default()) else { continue };
            let found = session.alike(&readings).unwrap().is_some();
            assert_eq!(found, readings.may_be(&enrolled), "{raw} for {name}");
        }
    }
}
