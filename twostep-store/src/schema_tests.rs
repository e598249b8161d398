//! Versions and steps: how they are counted, and that a minor step does nothing that an older module could stumble over.

use super::*;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

const NEXT_MINOR: &str = include_str!("../sql/tests/next_minor.sql");

fn v(major: u16, minor: u16) -> Version {
    Version { major, minor }
}

#[test]
fn numbers_are_majors_alone_up_to_the_fifth_and_thousands_from_then_on() {
    for (number, version) in
        [(1, v(1, 0)), (4, v(4, 0)), (5, v(5, 0)), (5001, v(5, 1)), (6000, v(6, 0)), (12_345, v(12, 345))]
    {
        assert_eq!((Version::of(number), version.number()), (Some(version), number));
    }
    assert_eq!([-1, 0, i64::MAX].map(Version::of), [None; 3]);
    assert_eq!(v(5, 0).to_string(), "5.0");
    assert!(v(5, 999).number() < v(6, 0).number());
}

#[test]
fn a_newer_minor_fits_and_nothing_else_that_is_not_of_today() {
    let Version { major, minor } = SCHEMA;
    for newer in [v(major, minor + 1), v(major, 999), SCHEMA] {
        assert!(fits(newer).is_ok(), "{newer}");
    }
    for other in [v(major + 1, 0), v(major + 1, minor), v(9, 999)] {
        assert!(matches!(fits(other), Err(StoreError::Newer { found, known: SCHEMA }) if found == other));
    }
    let older_minor = minor.checked_sub(1).map(|minor| v(major, minor));
    for other in [v(1, 0), v(major - 1, 999)].into_iter().chain(older_minor) {
        assert!(matches!(fits(other), Err(StoreError::Older { found, known: SCHEMA }) if found == other));
    }
}

#[test]
fn steps_are_in_order_and_leave_none_out() {
    for pair in STEPS.windows(2) {
        let (before, after) = (pair[0].to, pair[1].to);
        let expected = [v(before.major, before.minor + 1), v(before.major + 1, 0)];
        assert!(expected.contains(&after) && after.minor <= 999, "{before} is followed by {after}");
    }
    assert_eq!((STEPS[0].to, STEPS.last().unwrap().to), (v(1, 0), SCHEMA));
}

#[test]
fn every_minor_step_only_adds_what_older_modules_need_not_know() {
    let minor_steps = STEPS.iter().filter(|step| step.to.minor > 0);
    for step in
        minor_steps.map(|step| (step.to, step.sql)).chain([(v(SCHEMA.major, SCHEMA.minor + 1), NEXT_MINOR)])
    {
        let store = store_before(step.0);
        assert_eq!(complaints(&store, step.1), Vec::<String>::new(), "{}", step.0);
    }
}

#[test]
fn a_step_that_older_modules_would_stumble_over_is_found() {
    for (bad, complaint) in [
        ("CREATE TRIGGER t AFTER DELETE ON enrollment BEGIN DELETE FROM due; END", "is no"),
        ("CREATE VIEW everybody AS SELECT user FROM enrollment", "is no"),
        ("CREATE UNIQUE INDEX one_name ON app_password (name)", "is no"),
        ("CREATE INDEX of_some ON source (source) WHERE codes > 0", "is partial"),
        ("CREATE INDEX in_any_case ON enrollment (unicode(user))", "is of an expression"),
        ("ALTER TABLE enrollment RENAME COLUMN created TO made", "is no"),
        ("ALTER TABLE enrollment DROP COLUMN activated", "is no"),
        ("DROP TABLE due", "is no"),
        ("UPDATE source SET failures = 0", "is no"),
        ("ALTER TABLE source ADD COLUMN most INTEGER CHECK (failures < 10)", "has a CHECK"),
        ("ALTER TABLE source ADD COLUMN twice INTEGER AS (failures * 2)", "is computed"),
        ("ALTER TABLE source ADD COLUMN untold_of INTEGER REFERENCES enrollment", "keeps rows of enrollment"),
        (
            "CREATE TABLE more (id INTEGER PRIMARY KEY, of INTEGER REFERENCES enrollment) STRICT",
            "keeps rows of enrollment",
        ),
        (
            "CREATE TABLE more (id INTEGER PRIMARY KEY, due_of INTEGER NOT NULL REFERENCES due ON DELETE SET NULL) STRICT",
            "keeps rows of due",
        ),
        ("ALTER TABLE source ADD COLUMN uid INTEGER", "has a name"),
        ("CREATE TABLE more (id INTEGER PRIMARY KEY, untold INTEGER) STRICT", "has a name"),
    ] {
        let found = complaints(&store_before(v(SCHEMA.major, SCHEMA.minor + 1)), bad);
        assert!(found.iter().any(|one| one.contains(complaint)), "{bad}: {found:?}");
    }
}

/// An empty store of the version before `to`.
fn store_before(to: Version) -> Connection {
    let store = Connection::open_in_memory().unwrap();
    STEPS.iter().filter(|step| step.to < to).for_each(|step| store.execute_batch(step.sql).unwrap());
    store
}

/// What a step does that a minor one may not.
fn complaints(store: &Connection, sql: &str) -> Vec<String> {
    let mut wrong: Vec<String> = statements(sql)
        .into_iter()
        .filter(|one| {
            let adds_column = one.starts_with("ALTER TABLE ") && one.contains(" ADD COLUMN ");
            !adds_column && !one.starts_with("CREATE TABLE ") && !one.starts_with("CREATE INDEX ")
        })
        .map(|one| format!("{one:?} is no ADD COLUMN, CREATE TABLE or CREATE INDEX"))
        .collect();
    let (tables, names) = (tables(store), columns(store));
    store.execute_batch(sql).unwrap();
    for (table, before) in &tables {
        let now = self::tables(store).into_iter().find(|(name, _)| name == table);
        match now.as_ref().and_then(|(_, now)| inserted(before, now)) {
            Some(added) if added.contains("CHECK") => wrong.push(format!("what {table} gets has a CHECK")),
            Some(_) => {}
            None => wrong.push(format!("{table} is not what it was")),
        }
    }
    // What an older statement calls by its name alone must not come to mean something else, or two things.
    for (table, column, hidden) in columns(store).difference(&names) {
        if *hidden {
            wrong.push(format!("{table}.{column} is computed"));
        }
        if column != "id" && names.iter().any(|(_, known, _)| known == column) {
            wrong.push(format!("{table}.{column} has a name that older statements use"));
        }
    }
    wrong.extend(indexes(store));
    wrong.extend(keepers(store));
    wrong
}

/// What is in `now` besides `before`, where that is in one place.
fn inserted<'a>(before: &str, now: &'a str) -> Option<&'a str> {
    let same = before.bytes().zip(now.bytes()).take_while(|(was, is)| was == is).count();
    let (start, rest) = (before.get(..same)?, before.get(same..)?);
    now.strip_prefix(start)?.strip_suffix(rest)
}

/// The statements, without comments.
fn statements(sql: &str) -> Vec<String> {
    let bare: Vec<&str> = sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let all = bare.join("\n");
    all.split(';').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

fn tables(store: &Connection) -> Vec<(String, String)> {
    let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut statement = store.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// Table, column, whether it is computed.
fn columns(store: &Connection) -> BTreeSet<(String, String, bool)> {
    let sql = "SELECT t.name, c.name, c.hidden > 0 FROM sqlite_schema t, pragma_table_xinfo(t.name) c WHERE t.type = 'table'";
    let mut statement = store.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// Indexes that a writer who does not know them could fail at.
fn indexes(store: &Connection) -> Vec<String> {
    let sql = "SELECT i.name, i.partial, min(x.cid), coalesce(s.sql, '') FROM sqlite_schema t, pragma_index_list(t.name) i, \
               pragma_index_xinfo(i.name) x, sqlite_schema s WHERE t.type = 'table' AND s.name = i.name GROUP BY i.name";
    let mut statement = store.prepare(sql).unwrap();
    let read = |row: &rusqlite::Row<'_>| {
        let (name, partial, least): (String, bool, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let definition: String = row.get(3)?;
        let columns = definition.split_once('(').map_or("", |(_, columns)| columns);
        let mut functions =
            columns.split('(').rev().skip(1).map(|call| {
                call.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
            });
        let is_known = functions.all(|function| ["lower", "substr", "instr"].contains(&function));
        // -1 is the row's id, -2 an expression.
        let what = if partial { "is partial" } else { "is of an expression" };
        Ok((partial || least < -1 && !is_known).then(|| format!("{name} {what}")))
    };
    statement.query_map([], read).unwrap().filter_map(Result::unwrap).collect()
}

/// References that would keep an older module from deleting what is referred to.
fn keepers(store: &Connection) -> Vec<String> {
    let sql = "SELECT t.name, f.\"table\", f.on_delete, c.\"notnull\" FROM sqlite_schema t, pragma_foreign_key_list(t.name) f, \
               pragma_table_info(t.name) c WHERE t.type = 'table' AND c.name = f.\"from\"";
    let mut statement = store.prepare(sql).unwrap();
    let read = |row: &rusqlite::Row<'_>| {
        let (from, to, then, must_be): (String, String, String, bool) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let goes = then == "CASCADE" || then == "SET NULL" && !must_be;
        Ok((!goes).then(|| format!("{from} keeps rows of {to}")))
    };
    statement.query_map([], read).unwrap().filter_map(Result::unwrap).collect()
}

/// A column that was added later must not be read or written by whoever does not know it.
#[test]
fn no_statement_is_about_all_columns_whatever_they_are() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut inserts = 0;
    for (path, text) in sources(&folder) {
        // A statement that goes on in the next line is one line.
        let text = text.replace("\\\n", " ");
        for all in ["SELECT *", ".* FROM", "RETURNING *", "NATURAL JOIN", "INSERT OR", "REPLACE INTO"] {
            assert!(!text.contains(all), "{all:?} in {}", path.display());
        }
        for insert in text.split("INSERT INTO ").skip(1) {
            let table = insert.split_whitespace().next().unwrap_or_default();
            assert!(insert[table.len()..].starts_with(" ("), "{table} in {}", path.display());
            inserts += 1;
        }
    }
    assert!(inserts >= 12, "{inserts}");
}

/// The crate's own files, but for tests.
pub(super) fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}
