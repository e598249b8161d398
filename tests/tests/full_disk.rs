//! The disk is full, and somebody with alice's password guesses: on a real ext4, whatever is in the store and however many blocks are left.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};

use twostep_tests::pam::{Code, Item, Stacks};
use twostep_tests::phone::unix_time;
use twostep_tests::{Host, OrDie, Phone, in_box};

const FOLDER: &str = "/var/lib/twostep";
const STORE: &str = "/var/lib/twostep/store.db";
const JOURNAL: &str = "/var/lib/twostep/store.db-journal";
/// From where alice has tried before.
const KNOWN: &str = "203.0.113.9";
/// How many blocks are left at most: more than any login needs.
const LEFT_MAX: u64 = 24;

/// The store on an ext4 of its own, which can be filled to the block.
struct Disk<'a> {
    host: &'a Host,
    block: u64,
}

impl<'a> Disk<'a> {
    /// `-m 0`: root may use every block, and nothing is kept back for it.
    fn under_the_store(host: &'a Host, block: u64) -> Self {
        let sh = |script: &str| host.command("sh", &["-ec", script]).expect_success();
        sh("mknod /dev/loop-control c 10 237; for n in $(seq 0 63); do mknod /dev/loop$n b 7 $n; done");
        sh(&format!("cp -a {FOLDER} /root/store; truncate -s 3M /root/disk"));
        sh(&format!("mkfs.ext4 -q -m 0 -b {block} /root/disk; mount -o loop /root/disk {FOLDER}"));
        sh(&format!("rm -r {FOLDER}/*; cp -a /root/store/. {FOLDER}"));
        let disk = Self { host, block };
        // Most of it, once and for all.
        let mut ballast = File::create(format!("{FOLDER}/ballast")).or_die("make the ballast");
        let written = fill(&mut ballast, 1 << 16);
        ballast.set_len(written - (1 << 18)).or_die("leave some blocks");
        ballast.sync_all().or_die("sync the ballast");
        disk
    }

    /// Puts a store there, without a journal, and leaves so many blocks.
    fn holds(&self, store: &[u8], left: u64) {
        self.make_room();
        let _ = fs::remove_file(JOURNAL);
        let mut file = OpenOptions::new().write(true).open(STORE).or_die("open the store");
        file.write_all(store).and_then(|()| file.set_len(store.len() as u64)).or_die("put the store back");
        file.sync_all().or_die("sync the store");
        let mut filler = File::create(format!("{FOLDER}/filler")).or_die("make the filler");
        let written = fill(&mut filler, self.block);
        filler.set_len(written.saturating_sub(left * self.block)).or_die("leave blocks");
        filler.sync_all().or_die("sync the filler");
    }

    /// Keeps the disk as it is now, to the block.
    fn keep(&self) {
        let script = format!("umount {FOLDER}; mv /root/disk /root/kept");
        self.host.command("sh", &["-ec", &script]).expect_success();
        self.mount_kept();
    }

    /// Puts it back: how the files lie on the disk decides whether one of them needs a block more.
    fn put_back(&self) {
        self.host.command("sh", &["-ec", &format!("umount {FOLDER}; rm /root/disk")]).expect_success();
        self.mount_kept();
    }

    fn mount_kept(&self) {
        let script = format!("cp /root/kept /root/disk; mount -o loop /root/disk {FOLDER}");
        self.host.command("sh", &["-ec", &script]).expect_success();
    }

    fn make_room(&self) {
        let _ = fs::remove_file(format!("{FOLDER}/filler"));
    }
}

/// Writes until there is no room, in pieces of so many bytes, and returns how many were written.
fn fill(file: &mut File, piece: u64) -> u64 {
    let zeros = vec![0; usize::try_from(piece).unwrap_or(1)];
    let mut written = 0;
    loop {
        match file.write(&zeros) {
            Ok(bytes) => written += bytes as u64,
            Err(error) if error.kind() == ErrorKind::StorageFull => return written,
            Err(error) => panic!("fill the disk: {error}"),
        }
    }
}

/// Tries one answer; what came of it and all that was said.
fn try_from(stacks: &Stacks, from: &str, answer: &str) -> (Code, Vec<String>) {
    let mut pam = stacks.start_answering("sshd", "alice", answer);
    pam.set_item(Item::Rhost, from);
    let code = pam.authenticate(0);
    let heard = pam.heard().to_vec();
    pam.end();
    (code, heard)
}

/// Runs a script with `c`, a connection to the store, and `n`.
fn sql(host: &Host, n: usize, script: &str) {
    let opening = format!("import sqlite3, sys\nc = sqlite3.connect('{STORE}')\nn = int(sys.argv[1])\n");
    let all = format!("{opening}{script}\nc.commit()\n");
    host.command("python3", &["-c", &all, &n.to_string()]).expect_success();
}

/// What alice can answer, and the store with it.
struct Alice {
    phone: Phone,
    token: Phone,
    backup_code: String,
    bypass_code: String,
    store: Vec<u8>,
}

impl Alice {
    fn enrolled(host: &Host) -> Self {
        host.add_user("alice", "correct horse");
        let phone = host.enroll("alice");
        let token = ["authenticator", "add", "alice", "token", "--hotp", "--activate", "--no-qr"];
        let token = Phone::from_enrollment(&host.admin_json(&token));
        let set = host.admin_json(&["backup-codes", "alice", "--yes"]);
        let codes = set.as_array().or_else(|| set["backup_codes"].as_array()).expect("codes");
        let backup_code = codes[0].as_str().expect("a code").to_owned();
        let bypass = host.admin_json(&["bypass", "alice", "--for", "1h"]);
        let bypass_code = bypass["code"].as_str().expect("a code").to_owned();
        Self { phone, token, backup_code, bypass_code, store: fs::read(STORE).or_die("read the store") }
    }

    /// Of each kind a right answer and a wrong one.
    fn answers(&self) -> [(&'static str, String, String); 4] {
        let wrong = "2222-2222-22222".to_owned();
        [
            ("a code by time", self.phone.code_at(unix_time()), self.phone.wrong_code()),
            // That of counter 3, and one that neither takes.
            ("a code by count", self.token.code_at(3 * 30), "00000x".to_owned()),
            ("a backup code", self.backup_code.clone(), wrong.clone()),
            ("a bypass code", self.bypass_code.clone(), wrong),
        ]
    }

    /// The store with so many more rows, `n`, that hers lie elsewhere in their pages.
    fn with_rows(&self, host: &Host, n: usize) -> Vec<u8> {
        fs::write(STORE, &self.store).or_die("put the store back");
        let script = "
known = '203.0.113.9'
for i in range(n):
    c.execute('INSERT INTO source VALUES (1, ?, 1, ?, 1, 1700000000, 5, zeroblob(16), NULL)', ('198.51.%d.%d' % (i, i * 37 % 256), i % 30 == 0))
    c.execute(\"INSERT INTO enrollment (user, uid, state, created) VALUES (?, ?, 'active', 0)\", ('user%d' % i, 3000 + i))
    of = c.execute('SELECT max(id) FROM enrollment').fetchone()[0]
    c.execute('INSERT INTO authenticator (enrollment, label, algorithm, digits, period, secret, created) VALUES (?, ?, ?, 6, 30, zeroblob(60), 0)', (of, 'phone' + 'x' * (i % 9), 'sha1'))
if n % 2:
    c.execute('INSERT INTO source VALUES (1, ?, 0, 0, 0, NULL, NULL, NULL, 1790000000)', (known,))
c.execute('UPDATE authenticator SET label = label || ? WHERE enrollment = 1', ('x' * (n * 5 % 60),))
";
        sql(host, n, script);
        let store = fs::read(STORE).or_die("read the store");
        let _ = fs::remove_file(JOURNAL);
        store
    }
}

/// Eight states of the store, four kinds of answer, from everywhere: what is right is heard where, and only where, what is wrong is counted.
fn right_and_wrong_need_the_same(host: &Host, block: u64) {
    let alice = Alice::enrolled(host);
    let disk = Disk::under_the_store(host, block);
    let stacks = Stacks::new().file("sshd", "auth required pam_twostep.so");
    let (mut refused, mut told, mut enough) = (0, 0, 0);
    for n in (0..48).step_by(6).map(|n| n + n / 6 % 4) {
        disk.make_room();
        let store = alice.with_rows(host, n);
        for (kind, right, wrong) in alice.answers() {
            let from = if n % 3 == 0 { "192.0.2.1" } else { KNOWN };
            // From just below where it was enough for the one before.
            for left in u64::saturating_sub(enough, 2).. {
                assert!(left <= LEFT_MAX, "{n} rows, {kind}: nothing is heard with {left} blocks");
                disk.holds(&store, left);
                disk.keep();
                let accepted = try_from(&stacks, from, &right);
                disk.put_back();
                let counted = try_from(&stacks, from, &wrong);
                let what = format!("{n} rows, {kind}, {left} blocks: {accepted:?} {counted:?}");
                if accepted.0 == Code::SUCCESS {
                    assert_eq!(counted.0, Code::AUTH_ERR, "{what}");
                    (told, enough) = (told + 1, left);
                    break;
                }
                assert_eq!(accepted.0, Code::AUTHINFO_UNAVAIL, "{what}");
                assert_eq!(accepted, counted, "{what}");
                refused += 1;
            }
        }
    }
    assert!(told == 32 && refused >= 32, "{told} {refused}");
}

#[test]
fn with_blocks_of_1_kib_right_and_wrong_need_the_same() {
    in_box(|host| right_and_wrong_need_the_same(host, 1024));
}

#[test]
fn with_blocks_of_4_kib_right_and_wrong_need_the_same() {
    in_box(|host| right_and_wrong_need_the_same(host, 4096));
}

/// The thief goes on whatever is said, and the right code is among the guesses.
#[test]
fn a_thief_who_guesses_on_a_full_disk_is_counted_whenever_heard() {
    in_box(|host| {
        let alice = Alice::enrolled(host);
        let disk = Disk::under_the_store(host, 1024);
        let stacks = Stacks::new().file("sshd", "auth required pam_twostep.so");
        let wrong_codes = || host.admin_json(&["show", "alice"])["wrong_codes"].as_u64();
        let (mut unheard, mut heard_in_all) = (0, 0);
        for n in (0..24).step_by(3) {
            disk.make_room();
            let store = alice.with_rows(host, n);
            let before = wrong_codes().unwrap_or(0);
            for left in 0..10 {
                disk.holds(&store, left);
                let mut heard = 0;
                for guess in 0..8 {
                    match try_from(&stacks, &format!("198.18.0.{guess}"), &alice.phone.wrong_code()).0 {
                        Code::AUTH_ERR => heard += 1,
                        other => {
                            assert_eq!(other, Code::AUTHINFO_UNAVAIL);
                            unheard += 1;
                        }
                    }
                }
                let right = try_from(&stacks, "198.18.0.9", &alice.phone.code_at(unix_time()));
                assert!(heard > 0 || right.0 == Code::AUTHINFO_UNAVAIL, "{n} rows, {left} blocks: {right:?}");
                disk.make_room();
                assert_eq!(wrong_codes(), Some(before + heard), "{n} rows, {left} blocks");
                heard_in_all += heard;
            }
        }
        assert!(unheard > 0 && heard_in_all > 0, "{unheard} {heard_in_all}");
    });
}
