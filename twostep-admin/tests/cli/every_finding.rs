//! check: every finding of docs/check.md, told of a host that has the mistake, and not told of the same host once it is mended.
//!
//! Most are a row: a file with the mistake in it, and the same file without. What takes more than a file is a deed. What hangs on the
//! host itself is given to unit tests, which are named here. A row of docs/check.md that is nowhere among them fails the test, as does
//! an id that has no row there (twostep-admin/src/check/id.rs).

mod break_glass;
mod configuration;
mod deeds;
mod lines;
mod neighbours;
mod stacks;
mod unit_tests;

use crate::check::healthy;
use crate::place::Place;
use serde_json::Value;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::{fs, thread};

/// An id and a severity that it is told with.
type Kind = (&'static str, &'static str);

/// A file that has the mistake, and the same file mended; `given` stands beside it. `config.toml` goes without its `[paths]`.
struct Row {
    kind: Kind,
    given: &'static [(&'static str, &'static str)],
    file: &'static str,
    ill: &'static str,
    well: &'static str,
}

/// What is done to a healthy host to bring the finding about, and what is done about it then.
struct Deed {
    kind: Kind,
    ill: fn(&Place),
    well: fn(&Place),
}

/// A unit test, and the file that it stands in.
struct UnitTest {
    kind: Kind,
    source: &'static str,
    name: &'static str,
}

const TABLES: [&[Row]; 5] =
    [break_glass::ROWS, configuration::ROWS, lines::ROWS, stacks::ROWS, neighbours::ROWS];

#[test]
fn every_finding_is_told_while_it_is_so_and_not_after() {
    let complaints: Vec<String> = thread::scope(|scope| {
        let rows = TABLES.map(|table| scope.spawn(|| table.iter().filter_map(Row::complaint).collect()));
        let deeds = scope.spawn(|| deeds::DEEDS.iter().filter_map(Deed::complaint).collect());
        let all = rows.into_iter().chain([deeds]);
        all.flat_map(|some| -> Vec<String> { some.join().unwrap() }).collect()
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_finding_that_is_documented_is_among_them() {
    let rows = TABLES.into_iter().flatten().map(|row| row.kind);
    let deeds = deeds::DEEDS.iter().map(|deed| deed.kind);
    let unit_tests = unit_tests::ALL.iter().map(|test| test.kind);
    let shown: BTreeSet<Kind> = rows.chain(deeds).chain(unit_tests).collect();
    let documented: BTreeSet<Kind> = documented().collect();
    let missing: Vec<_> = documented.difference(&shown).collect();
    let unknown: Vec<_> = shown.difference(&documented).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "not shown: {missing:?}, not documented: {unknown:?}");
}

/// A unit test counts where it is one, and speaks of the finding.
#[test]
fn the_unit_tests_that_are_named_are_there() {
    for UnitTest { kind: (id, _), source, name } in unit_tests::ALL {
        let (_, after) =
            source.split_once(&format!("fn {name}() {{\n")).unwrap_or_else(|| panic!("there is no {name}"));
        let (before, _) = source.split_once(&format!("fn {name}() {{\n")).unwrap();
        let last = before.trim_end().lines().next_back().unwrap_or_default().trim();
        assert_eq!(last, "#[test]", "{name}");
        let indent = before.len() - before.trim_end_matches(' ').len();
        let (body, _) = after.split_once(&format!("\n{}}}\n", " ".repeat(indent))).unwrap();
        let variant = format!("Id::{}", pascal(id));
        assert!(body.contains(&variant), "{name} says nothing of {variant}");
    }
}

/// `sshd-without-pam` as its variant is called.
fn pascal(id: &str) -> String {
    id.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// The rows of docs/check.md, each severity by itself.
fn documented() -> impl Iterator<Item = Kind> {
    let rows = include_str!("../../../docs/check.md").lines().filter_map(|line| line.strip_prefix("| `"));
    rows.flat_map(|row| {
        let (id, rest) = row.split_once("` | ").unwrap();
        let (severities, _) = rest.split_once(" | ").unwrap();
        severities.split(", ").map(move |severity| (id, severity))
    })
}

impl Row {
    fn complaint(&self) -> Option<String> {
        let place = self.kind.place();
        for (file, text) in self.given {
            put(&place, file, text);
        }
        put(&place, self.file, self.ill);
        let before = told(&place);
        put(&place, self.file, self.well);
        self.kind.complaint(&before, &told(&place))
    }
}

impl Deed {
    fn complaint(&self) -> Option<String> {
        let place = self.kind.place();
        (self.ill)(&place);
        let before = told(&place);
        (self.well)(&place);
        self.kind.complaint(&before, &told(&place))
    }
}

trait OfKind {
    fn place(&self) -> Place;
    fn complaint(&self, before: &[Value], after: &[Value]) -> Option<String>;
}

impl OfKind for Kind {
    fn place(&self) -> Place {
        healthy(&format!("every-{}-{}", self.0, self.1))
    }

    /// What is not as it should be.
    fn complaint(&self, before: &[Value], after: &[Value]) -> Option<String> {
        let (id, severity) = self;
        if !before.iter().any(|found| found["id"] == *id && found["severity"] == *severity) {
            return Some(format!("{id} is no {severity} of {before:#?}"));
        }
        let still = after.iter().find(|found| found["id"] == *id);
        still.map(|still| format!("{id} is told of the host that is mended: {still:#}"))
    }
}

fn put(place: &Place, file: &str, text: &str) {
    if file == "config.toml" {
        return place.configure(text);
    }
    let path = place.folder.join(file);
    let folder = path.parent().unwrap();
    fs::create_dir_all(folder).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    place.write(file, text, 0o644);
}

/// All that is told of a host whose `/etc` is the folder.
fn told(place: &Place) -> Vec<Value> {
    let (etc, pam) = (place.folder.display().to_string(), place.folder.join("pam.d").display().to_string());
    let done = place.run(&["check", "--json", "--etc", &etc, "--pam-dir", &pam]);
    let document: Value = serde_json::from_str(&done.stdout).unwrap();
    document["findings"].as_array().unwrap().clone()
}
