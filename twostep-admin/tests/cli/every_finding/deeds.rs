//! Findings that take more than one file: key, store, clock, accounts, the roster, and whatever goes by dates.

use super::Deed;
use crate::check::enroll_ahead;
use crate::place::Place;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, UNIX_EPOCH};
use twostep_store::host;
use twostep_store::schema::{SCHEMA, Version};

pub(super) const DEEDS: &[Deed] = &[
    Deed {
        kind: ("configuration-untrusted", "error"),
        ill: |place| mode(place, "config.toml", 0o666),
        well: |place| mode(place, "config.toml", 0o644),
    },
    Deed {
        kind: ("configuration-unreadable", "error"),
        ill: |place| fs::write(place.folder.join("config.toml"), b"# \xff\n").unwrap(),
        well: |place| place.configure(""),
    },
    Deed {
        kind: ("configuration-ahead", "warning"),
        ill: |place| written_in_days(place, 20),
        well: |place| written_in_days(place, 0),
    },
    Deed {
        kind: ("unenrolled-changes-soon", "note"),
        ill: |place| denies_in_days(place, 5),
        well: |place| denies_in_days(place, 20),
    },
    Deed {
        kind: ("exemption-ends-soon", "warning"),
        ill: |place| exempts_for_days(place, 12),
        well: |place| exempts_for_days(place, 100),
    },
    Deed {
        kind: ("break-glass-untrusted", "error"),
        ill: |place| {
            super::put(place, "twostep/break-glass.toml", "");
            mode(place, "twostep/break-glass.toml", 0o646);
        },
        well: |place| mode(place, "twostep/break-glass.toml", 0o644),
    },
    Deed {
        kind: ("key-unusable", "error"),
        ill: |place| mode(place, "key/master.key", 0o644),
        well: |place| mode(place, "key/master.key", 0o600),
    },
    Deed {
        kind: ("store-unusable", "error"),
        ill: |place| rename(place, "store/store.db", "store/gone"),
        well: |place| rename(place, "store/gone", "store/store.db"),
    },
    Deed {
        kind: ("store-damaged", "error"),
        ill: |place| {
            place.run(&["enroll", "root", "--activate"]).is(0);
            change_the_secret(place);
        },
        well: change_the_secret,
    },
    Deed {
        kind: ("store-newer", "note"),
        ill: |place| set_schema(place, Version { minor: SCHEMA.minor + 1, ..SCHEMA }),
        well: |place| set_schema(place, SCHEMA),
    },
    Deed {
        kind: ("key-of-another-host", "warning"),
        ill: |place| {
            place.write("machine-id", HERE, 0o444);
            adopt_host(place);
            place.write("machine-id", OTHER, 0o444);
        },
        well: |place| adopt_host(place),
    },
    Deed {
        kind: ("host-not-recorded", "note"),
        ill: |place| {
            place.write("machine-id", HERE, 0o444);
            place.sql("UPDATE meta SET host = NULL");
        },
        well: |place| adopt_host(place),
    },
    Deed {
        kind: ("machine-id-missing", "note"),
        ill: |_| {},
        well: |place| {
            place.write("machine-id", HERE, 0o444);
        },
    },
    Deed {
        kind: ("store-folder-open", "error"),
        ill: |place| mode(place, "store", 0o755),
        well: |place| mode(place, "store", 0o700),
    },
    Deed {
        kind: ("store-file-open", "error"),
        ill: |place| drop(place.write("store/argon2id.lock", "", 0o644)),
        well: |place| mode(place, "store/argon2id.lock", 0o600),
    },
    Deed {
        kind: ("store-restored", "error"),
        ill: |place| {
            place.run(&["enroll", "root", "--activate"]).is(0);
            place.run(&["hooks"]).is(0);
            let store = place.folder.join("store/store.db");
            fs::copy(&store, place.folder.join("backup")).unwrap();
            place.run(&["unenroll", "root", "--yes"]).is(0);
            place.run(&["hooks"]).is(0);
            fs::copy(place.folder.join("backup"), &store).unwrap();
        },
        well: |place| fs::remove_file(place.folder.join("roster/store.seen")).unwrap(),
    },
    Deed {
        kind: ("app-passwords-expired", "note"),
        ill: |place| {
            enroll_carol(place);
            place.run(&["app-password", "add", "carol", "phone", "--expires", "1h"]).is(0);
            place.sql(
                "UPDATE app_password SET lifetime = 1, created = created - 7200, given_since_boot = 0, given_boot = NULL",
            );
        },
        well: |place| {
            place.run(&["app-password", "revoke", "carol", "phone", "--yes"]).is(0);
        },
    },
    Deed {
        kind: ("app-password-service-unknown", "warning"),
        ill: |place| {
            enroll_carol(place);
            place.run(&["app-password", "add", "carol", "phone", "--service", "nextcloud"]).is(0);
        },
        well: |place| place.configure("[app]\nservices = [\"imap\", \"nextcloud\"]"),
    },
    Deed {
        kind: ("clock-behind-latest-code", "error"),
        ill: |place| place.sql("UPDATE meta SET latest_time = latest_time + 10000000000"),
        well: |place| place.sql("UPDATE meta SET latest_time = latest_time - 10000000000"),
    },
    Deed {
        kind: ("codes-ahead-of-clock", "error"),
        ill: |place| enroll_ahead(place, 1, 3_600),
        well: |place| {
            place.run(&["unlock", "user0"]).is(0);
        },
    },
    Deed {
        kind: ("secret-twice", "error"),
        ill: has_a_twin,
        well: |place| {
            place.run(&["authenticator", "remove", "root", "twin", "--yes"]).is(0);
        },
    },
    Deed {
        kind: ("secret-shared", "warning"),
        ill: |place| enroll_ahead(place, 2, -3_600),
        well: |place| {
            place.run(&["unenroll", "user1", "--yes"]).is(0);
        },
    },
    Deed {
        kind: ("account-gone", "warning"),
        ill: |place| place.enroll_as("gone-user", 4_343),
        well: |place| {
            place.run(&["unenroll", "gone-user", "--yes"]).is(0);
        },
    },
    Deed {
        kind: ("account-renamed", "warning"),
        ill: |place| place.enroll_as("old-name", 0),
        well: |place| {
            place.run(&["settle", "old-name", "--rename", "root", "--yes"]).is(0);
        },
    },
    Deed {
        kind: ("account-uid-changed", "warning"),
        ill: |place| place.enroll_as("root", 4_242),
        well: |place| {
            place.run(&["settle", "root", "--keep", "--yes"]).is(0);
        },
    },
    Deed {
        kind: ("virtual-users-off", "warning"),
        ill: |place| {
            enroll_carol(place);
            place.configure("");
        },
        well: |place| place.configure(VIRTUAL_USERS),
    },
    Deed {
        kind: ("virtual-user-out-of-reach", "error"),
        ill: |place| {
            place.configure(VIRTUAL_USERS);
            place.run(&["enroll", "carol@example.org", "--app-only"]).is(0);
            place.configure(&format!("{VIRTUAL_USERS}domains = [\"example.org\"]"));
        },
        well: |place| place.configure(VIRTUAL_USERS),
    },
    Deed {
        kind: ("virtual-user-has-account", "warning"),
        ill: |place| {
            enroll_carol(place);
            place.sql("UPDATE enrollment SET user = 'root'; UPDATE history SET user = 'root'");
        },
        well: |place| {
            place.run(&["settle", "root", "--keep", "--yes"]).is(0);
        },
    },
    Deed {
        kind: ("roster-lets-in", "error"),
        ill: |place| place.configure("[roster]\nkeep = false"),
        well: mend_roster,
    },
    Deed {
        kind: ("roster-asks-more", "warning"),
        ill: |place| {
            File::options()
                .write(true)
                .open(place.folder.join("roster/roster"))
                .unwrap()
                .set_len(100)
                .unwrap();
        },
        well: mend_roster,
    },
    Deed {
        kind: ("roster-settings", "warning"),
        ill: |place| place.configure("[roster]\nfirst_gid = 2100000101"),
        well: mend_roster,
    },
    Deed {
        kind: ("self-service-stack-missing", "note"),
        ill: |_| {},
        well: |place| {
            place.write("pam.d/twostep", "@include common-auth\n@include common-account\n", 0o644);
        },
    },
    Deed {
        kind: ("stacks-unreadable", "error"),
        ill: |place| rename(place, "pam.d", "gone"),
        well: |place| rename(place, "gone", "pam.d"),
    },
    Deed { kind: ("stack-too-big", "warning"), ill: |place| jumps(place, 60), well: |place| jumps(place, 1) },
];

const HERE: &str = "0123456789abcdef0123456789abcdef\n";
const OTHER: &str = "fedcba9876543210fedcba9876543210\n";
const VIRTUAL_USERS: &str = "[app]\nvirtual_users = true\n";

fn enroll_carol(place: &Place) {
    place.configure(VIRTUAL_USERS);
    place.run(&["enroll", "carol", "--app-only"]).is(0);
}

/// Has key and store be those of the host whose `/etc` is the folder.
fn adopt_host(place: &Place) {
    place.run(&["init", "--adopt-host", "--etc", place.folder.to_str().unwrap()]).is(0);
}

fn set_schema(place: &Place, version: Version) {
    place.sql(&format!("PRAGMA user_version = {}", version.number()));
}

fn mend_roster(place: &Place) {
    place.run(&["roster", "mend"]).is(0);
}

fn mode(place: &Place, file: &str, mode: u32) {
    fs::set_permissions(place.folder.join(file), Permissions::from_mode(mode)).unwrap();
}

fn rename(place: &Place, from: &str, to: &str) {
    fs::rename(place.folder.join(from), place.folder.join(to)).unwrap();
}

/// A stack in which so many modules jump over lines of ours, each by as many lines as it returns values.
fn jumps(place: &Place, modules: usize) {
    let values = [
        "success",
        "service_err",
        "system_err",
        "buf_err",
        "perm_denied",
        "auth_err",
        "cred_insufficient",
        "authinfo_unavail",
        "user_unknown",
        "maxtries",
        "acct_expired",
        "authtok_err",
    ];
    let jumps: Vec<String> = (1..).zip(values).map(|(lines, value)| format!("{value}={lines}")).collect();
    let unit =
        format!("auth [{} default=ignore] pam_odd.so\nauth required pam_twostep.so\n", jumps.join(" "));
    let text = format!("{}account required pam_twostep.so\n", unit.repeat(modules));
    place.write("pam.d/login", &text, 0o644);
}

/// Changes one bit of root's sealed secret; a second time puts it back.
fn change_the_secret(place: &Place) {
    let store = place.folder.join("store/store.db");
    let mut bytes = fs::read(&store).unwrap();
    // Label and algorithm stand in the authenticator's row right before what is sealed, digits and period between them.
    let label = bytes.windows(9).position(|found| found == b"phonesha1").unwrap();
    bytes[label + 9 + 20] ^= 1;
    fs::write(&store, bytes).unwrap();
}

fn seconds_in(days: u64) -> u64 {
    host::now().wall.0.unsigned_abs() + days * 86_400
}

fn date_in(days: u64) -> String {
    host::now().wall.plus(Duration::from_secs(days * 86_400)).date()
}

fn written_in_days(place: &Place, days: u64) {
    let file = File::options().write(true).open(place.folder.join("config.toml")).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds_in(days))).unwrap();
}

fn denies_in_days(place: &Place, days: u64) {
    place.configure(&format!("[interactive]\nunenrolled = [\"allow\", \"deny from {}\"]", date_in(days)));
}

fn exempts_for_days(place: &Place, days: u64) {
    let until = date_in(days);
    place.configure(&format!("[[rule]]\nservice = \"cron\"\ndemand = \"nothing\"\nuntil = {until}"));
}

/// Of before such secrets were refused: the first one is somebody else's while the second one is added.
fn has_a_twin(place: &Place) {
    place.run(&["enroll", "root", "--activate"]).is(0);
    enroll_ahead(place, 1, -3_600);
    let add = |name| {
        let add = ["authenticator", "add", "root", name, "--activate", "--secret-file", "-"];
        place.run_with(&add, "MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43U").is(0);
    };
    let give = |user: &str| {
        place.sql(&format!(
            "UPDATE authenticator SET enrollment = (SELECT id FROM enrollment WHERE user = '{user}') WHERE label = 'tablet'"
        ));
    };
    add("tablet");
    give("user0");
    add("twin");
    give("root");
}
