use super::*;
use std::ffi::CStr;

/// Fills a record with these members in a buffer of that length that begins `off` bytes behind an aligned place.
fn filled(length: usize, off: usize, members: &[&[u8]]) -> Result<Vec<Vec<u8>>, NoRoom> {
    let mut words = vec![MaybeUninit::<u64>::new(u64::MAX); (length + off) / 8 + 2];
    let start = words.as_mut_ptr().cast::<MaybeUninit<u8>>();
    // SAFETY: the words are more bytes than that, all of them initialised.
    let buffer = unsafe { std::slice::from_raw_parts_mut(start.add(off), length) };
    let (from, to) = (buffer.as_ptr().addr(), buffer.as_ptr().addr() + length);
    let mut record = Record::new(buffer)?;
    let name = record.string(b"group")?;
    for member in members {
        let place = record.string(member)?;
        record.member(place)?;
    }
    let list = record.members();
    assert_eq!(list.addr() % align_of::<*mut c_char>(), 0);
    assert!(list.addr() >= from && list.addr() < to);
    // SAFETY: a string and a list that end, in memory that lives.
    unsafe {
        assert_eq!(CStr::from_ptr(name).to_bytes(), b"group");
        let mut found = Vec::new();
        let mut at = list;
        while !(*at).is_null() {
            found.push(CStr::from_ptr(*at).to_bytes().to_vec());
            at = at.add(1);
        }
        Ok(found)
    }
}

#[test]
fn a_record_has_what_was_put_there_wherever_the_buffer_begins() {
    for off in 0..16 {
        for length in 64..80 {
            assert_eq!(
                filled(length, off, &[b"alice", b"bob"]).unwrap(),
                [&b"bob"[..], b"alice"],
                "{off} {length}"
            );
        }
    }
}

#[test]
fn a_buffer_that_is_too_small_is_never_written_beyond() {
    // The least: group and its NUL, the end of the list, and what aligning it takes.
    for off in 0..16 {
        let least = (0..64).find(|length| filled(*length, off, &[]).is_ok()).unwrap();
        assert!((14..=21).contains(&least), "{least}");
        for length in 0..least {
            assert_eq!(filled(length, off, &[]), Err(NoRoom));
        }
    }
}

#[test]
fn a_name_with_a_nul_is_no_name() {
    assert_eq!(filled(200, 0, &[b"a\0b"]), Err(NoRoom));
}
