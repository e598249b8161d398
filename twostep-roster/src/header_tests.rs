use super::*;

pub(crate) fn header() -> Header {
    let groups = Groups::new([
        ("twostep-enrolled", 2_100_000_001),
        ("twostep-pending", 2_100_000_002),
        ("twostep-app", 2_100_000_003),
        ("twostep-unenrolled", 2_100_000_004),
    ]);
    Header {
        pages: 3,
        salt: *b"a salt of sixtee",
        stamp: 7,
        open: false,
        members: true,
        groups: groups.unwrap(),
        store: *b"of which store? ",
    }
}

#[test]
fn a_header_is_read_as_it_was_written() {
    assert_eq!(Header::parse(&header().to_bytes()), Ok(header()));
    assert_eq!(header().groups.name(Group::App), Some(&b"twostep-app"[..]));
    assert_eq!(header().groups.gid(Group::Unenrolled), Some(2_100_000_004));
}

#[test]
fn a_group_without_a_name_does_not_exist() {
    let groups = Groups::new([("a", 1), ("b", 2), ("c", 3), ("", 4)]).unwrap();
    assert_eq!((groups.name(Group::Unenrolled), groups.gid(Group::Unenrolled)), (None, None));
    assert!(Groups::new([("a", 1), ("b", 2), ("c", 3), (&"d".repeat(33), 4)]).is_none());
}

#[test]
fn no_bit_of_a_header_can_change_unseen() {
    let whole = header().to_bytes();
    for at in 0..HEADER_LENGTH * 8 {
        let mut bytes = whole;
        bytes[at / 8] ^= 1 << (at % 8);
        assert!(Header::parse(&bytes).is_err(), "bit {at}");
    }
}

#[test]
fn a_header_that_makes_no_sense_is_refused_whatever_its_checksum() {
    let reseal = |at: usize, new: &[u8]| {
        let mut bytes = header().to_bytes();
        bytes[at..at + new.len()].copy_from_slice(new);
        let sum = checksum(FIXED, &bytes[CHECKSUM..]);
        bytes[..CHECKSUM].copy_from_slice(&sum);
        Header::parse(&bytes)
    };
    assert_eq!(reseal(AT_VERSION, &2u32.to_le_bytes()), Err(Fault::Version(2)));
    for (at, new) in [
        (AT_PAGES, &0u32.to_le_bytes()[..]),
        (AT_PAGES, &u32::MAX.to_le_bytes()),
        (AT_OPEN, &[2]),
        (AT_MEMBERS, &[9]),
        (AT_GROUPS + 4, &[33]),
        (AT_GROUPS + 5, &[0]),
    ] {
        assert!(matches!(reseal(at, new), Err(Fault::Damaged(_))), "{new:?} at {at}");
    }
}

#[test]
fn letter_case_makes_no_difference_to_the_page() {
    let many = Header { pages: 1_000_003, ..header() };
    assert_eq!(many.page_of(b"Alice"), many.page_of(b"aLICE"));
    assert_ne!(many.page_of(b"alice"), many.page_of(b"alicf"));
}
