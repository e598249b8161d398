use super::*;

const SALT: &Salt = b"a salt of sixtee";
const ACTIVE: State = State { enrolled: true, pending: false, app: Validity::Never };

/// A page with these bytes and the checksum that they have.
pub(crate) fn resealed(bytes: [u8; PAGE_LENGTH], salt: &Salt) -> Option<[u8; PAGE_LENGTH]> {
    let page = Page { bytes };
    page.end()?;
    Some(page.sealed(salt))
}

pub(crate) fn parse(bytes: [u8; PAGE_LENGTH], number: u32, salt: &Salt) -> Result<Page, Fault> {
    let page = Page { bytes };
    page.check(number, salt).map(|()| page)
}

fn read(page: Page) -> Page {
    parse(page.sealed(SALT), 5, SALT).unwrap()
}

#[test]
fn a_page_says_of_a_name_what_was_put_there() {
    let states = [
        ACTIVE,
        State { enrolled: false, pending: true, app: Validity::Until(u64::MAX) },
        State { enrolled: true, pending: false, app: Validity::Always },
        State::default(),
    ];
    let mut page = Page::empty(5);
    for (name, state) in ["alice", "bob", "carol", "dave"].iter().zip(states) {
        page = read(page.with(name.as_bytes(), Some(state)).unwrap().unwrap());
    }
    for (name, state) in ["alice", "bob", "carol", "dave"].iter().zip(states) {
        assert_eq!(page.find(name.as_bytes()), Ok(Found { exact: Some(state), alike: true }), "{name}");
    }
    let without = read(page.with(b"bob", None).unwrap().unwrap());
    assert_eq!(without.find(b"bob"), Ok(Found { exact: None, alike: false }));
    assert_eq!(without.find(b"carol").unwrap().exact, Some(states[2]));
}

#[test]
fn a_name_in_other_letters_is_alike_and_not_the_same() {
    let page = Page::empty(5).with(b"Alice", Some(ACTIVE)).unwrap().unwrap();
    assert_eq!(page.find(b"alice"), Ok(Found { exact: None, alike: true }));
    // Both can be there.
    let both = page.with(b"alice", Some(State::default())).unwrap().unwrap();
    assert_eq!(both.find(b"alice").unwrap().exact, Some(State::default()));
    assert_eq!(both.find(b"Alice").unwrap().exact, Some(ACTIVE));
}

#[test]
fn a_full_page_says_so() {
    let mut page = Page::empty(5);
    let mut count = 0;
    while page.push(format!("user{count:04}").as_bytes(), ACTIVE) {
        count += 1;
    }
    assert_eq!(count, (PAGE_LENGTH - AT_ENTRIES) / (ENTRY_HEAD + 8));
    assert!(page.with(b"onemore", Some(ACTIVE)).unwrap().is_none());
    // What takes the place of another fits.
    assert!(page.with(b"user0000", Some(State { pending: true, ..ACTIVE })).unwrap().is_some());
    assert!(page.with(b"user0000", None).unwrap().is_some());
    assert_eq!(read(page).find(b"user0001").unwrap().exact, Some(ACTIVE));
}

#[test]
fn names_have_one_to_256_bytes() {
    let mut page = Page::empty(5);
    assert!(!page.push(b"", ACTIVE));
    assert!(!page.push(&[b'a'; USER_MAX + 1], ACTIVE));
    assert!(page.push(&[b'a'; USER_MAX], ACTIVE));
    assert!(page.find(&[b'a'; USER_MAX]).unwrap().alike);
}

#[test]
fn no_used_bit_of_a_page_can_change_unseen() {
    let page = Page::empty(5).with(b"alice", Some(ACTIVE)).unwrap().unwrap();
    let whole = page.clone().sealed(SALT);
    for at in 0..page.end().unwrap() * 8 {
        let mut bytes = whole;
        bytes[at / 8] ^= 1 << (at % 8);
        assert!(parse(bytes, 5, SALT).is_err(), "bit {at}");
    }
    assert!(parse(whole, 6, SALT).is_err());
    assert!(parse(whole, 5, b"salt of another!").is_err());
}

#[test]
fn entries_that_make_no_sense_are_refused_whatever_the_checksum() {
    let page = Page::empty(5).with(b"alice", Some(ACTIVE)).unwrap().unwrap();
    for (at, new) in [
        (AT_ENTRIES, vec![16]),
        (AT_ENTRIES, vec![APP | APP_UNTIL]),
        // The time would lie beyond the end.
        (AT_ENTRIES, vec![APP_UNTIL]),
        (AT_ENTRIES + 1, vec![0, 0]),
        (AT_ENTRIES + 1, vec![6, 0]),
        (AT_ENTRIES + 1, vec![255, 255]),
        (AT_USED, vec![1, 0]),
        // Of no use to whoever wants a string.
        (AT_ENTRIES + 4, vec![0]),
    ] {
        let mut bad = page.clone();
        bad.bytes[at..at + new.len()].copy_from_slice(&new);
        assert!(parse(bad.sealed(SALT), 5, SALT).is_err(), "{new:?} at {at}");
    }
}
