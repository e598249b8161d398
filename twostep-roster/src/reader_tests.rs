use super::*;
use crate::header::tests::header;
use crate::{Validity, build};
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

/// A generator of numbers that is the same each time (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound as u64).unwrap()
    }
}

fn users(count: usize) -> Vec<(String, State)> {
    let state = |n: usize| State {
        enrolled: !n.is_multiple_of(3),
        pending: n.is_multiple_of(3),
        app: [Validity::Never, Validity::Until(n as u64), Validity::Always][n % 3],
    };
    (0..count).map(|n| (format!("user{n}"), state(n))).collect()
}

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("twostep-roster-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.join("roster");
        fs::write(&path, bytes).unwrap();
        path
    }

    fn owner(&self) -> u32 {
        fs::metadata(&self.0).unwrap().uid()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_roster_says_of_each_what_it_was_built_with() {
    for count in [0, 1, 300, 20_000] {
        let users = users(count);
        let roster = Roster::of(build(header(), &users).unwrap()).unwrap();
        for (name, state) in &users {
            assert_eq!(roster.find(name.as_bytes()).unwrap().exact, Some(*state), "{name} of {count}");
        }
        assert_eq!(roster.find(b"nobody"), Ok(Found { exact: None, alike: false }));
        let mut all = HashMap::new();
        roster.each(|name, state| assert!(all.insert(name.to_vec(), state).is_none())).unwrap();
        assert_eq!(all.len(), count);
    }
}

#[test]
fn names_as_long_as_they_come_find_room() {
    let long: Vec<_> = (0..500)
        .map(|n| (format!("{n:0>256}"), State { enrolled: true, pending: true, app: Validity::Always }))
        .collect();
    let roster = Roster::of(build(header(), &long).unwrap()).unwrap();
    assert!(long.iter().all(|(name, _)| roster.find(name.as_bytes()).unwrap().alike));
    assert!(build(header(), &[("a".repeat(257), State::default())]).is_err());
}

#[test]
fn a_file_is_read_that_is_its_owners_alone_to_write() {
    let folder = Folder::new("owner");
    let path = folder.file(&build(header(), &users(3)).unwrap());
    let owner = folder.owner();
    let set_mode =
        |mode| fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    set_mode(0o644);
    assert!(Roster::open(&path, owner).unwrap().find(b"user1").unwrap().alike);
    assert_eq!(Roster::open(&path, owner + 1).unwrap_err(), Fault::Untrusted);
    for mode in [0o664, 0o646] {
        set_mode(mode);
        assert_eq!(Roster::open(&path, owner).unwrap_err(), Fault::Untrusted);
    }
    assert_eq!(Roster::open(&folder.0, owner).unwrap_err(), Fault::Untrusted);
    let link = folder.0.join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_eq!(Roster::open(&link, owner).unwrap_err(), Fault::Io(libc::ELOOP));
    assert_eq!(Roster::open(&folder.0.join("none"), owner).unwrap_err(), Fault::Absent);
}

#[test]
fn a_roster_that_is_cut_short_says_nothing_of_what_is_gone() {
    let users = users(2_000);
    let whole = build(header(), &users).unwrap();
    for length in [0, 1, HEADER_LENGTH - 1] {
        assert_eq!(Roster::of(whole[..length].to_vec()).unwrap_err(), SHORT);
    }
    let half = Roster::of(whole[..whole.len() / 2].to_vec()).unwrap();
    let (mut told, mut silent) = (0, 0);
    for (name, state) in &users {
        match half.find(name.as_bytes()) {
            Ok(found) => {
                assert_eq!(found.exact, Some(*state));
                told += 1;
            }
            Err(fault) => {
                assert_eq!(fault, SHORT);
                silent += 1;
            }
        }
    }
    assert!(told > 0 && silent > 0);
    assert_eq!(half.find(b"nobody").is_err(), half.page(half.header.page_of(b"nobody")).is_err());
}

/// A million damaged rosters: whatever is answered is right, and a name that is there is never said to be missing.
#[test]
fn a_damaged_roster_never_tells_a_wrong_thing() {
    let users = users(400);
    let whole = build(header(), &users).unwrap();
    let mut bytes = whole.clone();
    let mut dice = Dice(6);
    let (mut right, mut faults) = (0u32, 0u32);
    for _ in 0..1_000_000 {
        let hits = 1 + dice.below(4);
        let mut touched = Vec::with_capacity(hits);
        for _ in 0..hits {
            // The header and what is used of the pages, more often than the rest.
            let at = if dice.below(4) == 0 { dice.below(HEADER_LENGTH) } else { dice.below(bytes.len()) };
            touched.push(at);
            bytes[at] = dice.roll().to_le_bytes()[0];
        }
        let cut = (dice.below(8) == 0).then(|| dice.below(bytes.len()));
        let given = std::mem::take(&mut bytes);
        let length = given.len();
        let given = Cut { bytes: given, length: cut.unwrap_or(length) };
        match Roster::of(&given) {
            Err(_) => faults += 1,
            Ok(roster) => {
                let (name, state) = &users[dice.below(users.len())];
                match roster.find(name.as_bytes()) {
                    Ok(found) => {
                        assert_eq!(found, Found { exact: Some(*state), alike: true }, "{name}");
                        right += 1;
                    }
                    Err(_) => faults += 1,
                }
                assert!(
                    roster.find(b"stranger").is_ok_and(|found| !found.alike)
                        || roster.find(b"stranger").is_err()
                );
            }
        }
        bytes = given.bytes;
        for at in touched {
            bytes[at] = whole[at];
        }
    }
    assert!(right > 100_000 && faults > 100_000, "{right} right, {faults} faults");
}

/// Rosters whose checksums are right and whose contents are not: whoever reads them comes to an end.
#[test]
fn a_roster_that_lies_under_right_checksums_is_survived() {
    let users = users(100);
    let mut dice = Dice(7);
    let whole = build(header(), &users).unwrap();
    let pages = Roster::of(whole.clone()).unwrap().header.pages;
    for _ in 0..100_000 {
        let number = u32::try_from(dice.below(pages as usize)).unwrap();
        let start = usize::try_from(page_offset(number)).unwrap();
        let mut page = [0; PAGE_LENGTH];
        page.copy_from_slice(&whole[start..start + PAGE_LENGTH]);
        for _ in 0..1 + dice.below(6) {
            // What follows the number: how much is used, and entries.
            page[20 + dice.below(300)] = dice.roll().to_le_bytes()[0];
        }
        let Some(resealed) = crate::page::tests::resealed(page, &header().salt) else { continue };
        if let Ok(page) = crate::page::tests::parse(resealed, number, &header().salt) {
            page.each(|name, _| assert!(!name.is_empty())).unwrap();
            let _ = page.find(b"user1").unwrap();
        }
    }
}

/// Less of the bytes than there are.
struct Cut {
    bytes: Vec<u8>,
    length: usize,
}

impl ReadAt for &Cut {
    const TRIES: u32 = 1;

    fn fill(&self, buffer: &mut [u8], offset: u64) -> Result<(), Fault> {
        let end = usize::try_from(offset).unwrap() + buffer.len();
        if end > self.length {
            return Err(SHORT);
        }
        self.bytes.fill(buffer, offset)
    }
}
