//! What the roster costs: a look-up of somebody's groups through glibc beside glibc's own files, and an enrollment with and without it.

use crate::median::microseconds;
use crate::site;
use crate::users;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use twostep_core::account::State;
use twostep_core::name::UserName;
use twostep_store::admin::NewEnrollment;
use twostep_store::host::now;
use twostep_store::roster::Others;
use twostep_store::vault::Files;
use twostep_tests::groups::gids_of;
use twostep_tests::{Host, OrDie, child};

const STORE: &str = "/var/lib/twostep/store.db";
const ROSTER: &str = "/var/lib/twostep-public/roster";
/// Of the files' look-up.
const TARGET: f64 = 3.0;
const ROUNDS: usize = 21;
const LOOKS: u32 = 2_000;
const ENROLLMENTS: u32 = 200;
/// Somebody with ten groups besides her own.
const TESS: &str = "tess";

/// Runs and prints all of it.
pub(crate) fn run(host: &Host) {
    site::for_roster(host);
    host.wire_groups();
    host.add_user(TESS, site::PASSWORD);
    for n in 0..10 {
        let group = format!("group{n}");
        host.command("groupadd", &[&group]).expect_success();
        host.command("usermod", &["-aG", &group, TESS]).expect_success();
    }
    println!(
        "\nThe roster: medians of {ROUNDS} rounds of {LOOKS} look-ups in a process of its own, of somebody else each time; and of \
         {ENROLLMENTS} enrollments without codes.\n"
    );
    println!(
        "{:>9}  {:>10}  {:>12} {:>12} {:>8}  {:>12} {:>12} {:>8}  {:>10}",
        "users",
        "file, MB",
        "files, µs",
        "roster, µs",
        "ratio",
        "enroll, µs",
        "without, µs",
        "ratio",
        "anew, ms"
    );
    let mut filled = 0;
    let mut met = true;
    for count in [1_000, 1_000_000] {
        users::fill(Path::new(STORE), filled, count);
        filled = count;
        let files = files();
        let mut without = files.clone();
        without.roster.keep = false;
        let plain = enroll(&without, "plain");
        let begun = Instant::now();
        mend(&files);
        let anew = begun.elapsed();
        let kept = enroll(&files, "kept");
        let size = fs::metadata(ROSTER).or_die("find the roster").len();
        let (theirs, ours) = looks(host, count);
        met &= ours / theirs < TARGET;
        println!(
            "{count:>9}  {:>10.1}  {theirs:>12.1} {ours:>12.1} {:>8.2}  {kept:>12.0} {plain:>12.0} {:>8.2}  {:>10.0}",
            size as f64 / 1e6,
            ours / theirs,
            kept / plain,
            anew.as_secs_f64() * 1e3,
        );
    }
    println!(
        "\ntarget {TARGET:.2}: a look-up in the roster, against the files' with ten groups: {}",
        if met { "met" } else { "not met" }
    );
    site::clear();
}

fn files() -> Files {
    let policy = twostep_store::configuration::read(None);
    let Ok(policy) = policy else { panic!("the configuration cannot be used") };
    Files::of(&policy)
}

fn mend(files: &Files) {
    let session = files.session().or_die("open the store");
    session.mend_roster(Others::Leave).or_die("make the roster");
}

/// The middle of enrollments, in microseconds.
fn enroll(files: &Files, prefix: &str) -> f64 {
    let once = |n: u32| {
        let name =
            UserName::parse(&format!("{prefix}{n}-{}", fs::metadata(STORE).map_or(0, |file| file.len())));
        let Ok(name) = name else { panic!("no name") };
        let (state, at) = (State::Active, now().wall);
        let new = NewEnrollment {
            user: &name,
            uid: 3_000_000 + n,
            state,
            authenticator: None,
            backup_codes: &[],
            at,
        };
        let begun = Instant::now();
        let session = files.session().or_die("open the store");
        if session.enroll(&new, &users::author()).is_err() {
            panic!("{} cannot be enrolled", name.as_str());
        }
        drop(session);
        begun.elapsed()
    };
    let took: Vec<Duration> = (0..ENROLLMENTS).map(once).collect();
    microseconds(&took).unwrap_or_default()
}

/// The middle of a look-up in the host's files, and in the roster, in microseconds.
fn looks(host: &Host, count: u32) -> (f64, f64) {
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        host.switch_groups("files");
        theirs.push(round(|_| (TESS.to_owned(), 11)));
        host.switch_groups("twostep");
        ours.push(round(|n| (format!("user{:07}", n * 7_919 % (count - 1)), 3)));
    }
    host.switch_groups("files twostep");
    (microseconds(&theirs).unwrap_or_default(), microseconds(&ours).unwrap_or_default())
}

/// One look-up's time on the average of a round, in a process whose glibc has looked once. Each must find so many groups.
fn round(whom: impl Fn(u32) -> (String, usize)) -> Duration {
    let took = child::run(|| {
        let users: Vec<_> = (0..LOOKS).map(&whom).collect();
        gids_of(&users[0].0, 7);
        let begun = Instant::now();
        for (user, groups) in &users {
            assert_eq!(gids_of(user, 7).len(), *groups, "{user}");
        }
        begun.elapsed().as_nanos().to_string()
    });
    Duration::from_nanos(took.parse::<u64>().or_die("read a time") / u64::from(LOOKS))
}
