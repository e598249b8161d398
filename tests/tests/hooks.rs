//! The administrator's own commands after app passwords were made or revoked, against users who choose what those are called.

use std::path::Path;
use twostep_tests::own::{done, enroll, twostep};
use twostep_tests::{Host, in_box};

const PASSWORD: &str = "correct horse";
const NOTED: &str = "/var/log/noted";
/// What an attack leaves behind where it works.
const TAKEN: &str = "/root/taken";

/// A program that writes down its arguments, each in brackets, and the name in its environment.
fn with_a_note_taker(host: &Host) {
    let script = format!(
        "#!/bin/sh\n{{ for word; do printf '[%s]' \"$word\"; done; printf ' env=[%s]\\n' \"$TWOSTEP_NAME\"; }} >> {NOTED}\n"
    );
    host.write("/usr/local/sbin/note", &script);
    host.set_mode("/usr/local/sbin/note", 0o755);
}

/// Makes app passwords of these names, as a user does: through twostepd.
fn make(host: &Host, codes: &mut impl Iterator<Item = String>, names: &[&str]) {
    for name in names {
        let code = codes.next().expect("a code");
        let answers = [("Password: ", PASSWORD), ("Verification code: ", code.as_str())];
        done(host, "alice", &["app-password", "add", "--", name], &answers);
    }
}

fn is_told(host: &Host) -> bool {
    host.admin(&["check"]).stdout.contains("hook-unsafe")
}

#[test]
fn a_name_is_never_code_in_a_command_of_the_administrators() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        with_a_note_taker(host);
        let attacks = [
            format!("$(touch {TAKEN})"),
            format!("'; touch {TAKEN}; '"),
            format!("\"; touch {TAKEN} #"),
            format!("x`touch {TAKEN}`"),
            "ü".repeat(64),
        ];
        let attacks: Vec<&str> = attacks.iter().map(String::as_str).collect();
        let inside = "[app]\non_create = [\"/bin/sh\", \"-c\", \"/usr/local/sbin/note created {name}\"]\n\
                      on_revoke = [\"/usr/local/sbin/note\", \"{event}\", \"{user}\", \"{name}\"]\n";
        host.configure(inside);
        let _broker = host.start_broker();
        let (_, codes) = enroll(host, "alice", PASSWORD);
        let mut codes = codes.into_iter();
        make(host, &mut codes, &attacks);
        for _ in 0..7 {
            host.admin(&["hooks"]);
        }
        assert!(!Path::new(TAKEN).exists(), "a name was run as root");
        assert!(!Path::new(NOTED).exists());
        host.wait_for_log(&["twostep-admin[", "[app] on_create is skipped", "{name}"]);
        assert!(is_told(host));

        // Another command goes on.
        host.admin(&["app-password", "revoke", "alice", attacks[0], "--yes"]).expect_success();
        assert_eq!(host.read(NOTED), format!("[revoke][alice][{0}] env=[{0}]\n", attacks[0]));

        // What was due is run once the command is mended, whichever way: each name is one word.
        for command in [
            r#"["/usr/local/sbin/note", "created", "{name}"]"#,
            r#"["/bin/sh", "-c", "/usr/local/sbin/note created \"$1\"", "sh", "{name}"]"#,
            r#"["/bin/sh", "-c", "/usr/local/sbin/note created \"$TWOSTEP_NAME\""]"#,
        ] {
            std::fs::remove_file(NOTED).expect("a file removed");
            host.configure(&format!("[app]\non_create = {command}\n"));
            assert!(!is_told(host), "{command}");
            host.admin(&["hooks"]).expect_success();
            let all: String =
                attacks.iter().map(|name| format!("[created][{name}] env=[{name}]\n")).collect();
            assert_eq!(host.read(NOTED), all, "{command}");
            assert!(!Path::new(TAKEN).exists(), "{command}");
            host.configure(inside);
            host.admin(&["app-password", "revoke", "alice", "--all", "--yes"]).expect_success();
            for name in &attacks {
                host.add_app_password("alice", name);
            }
        }
    });
}

#[test]
fn a_name_is_never_an_option_of_a_command_of_the_administrators() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        with_a_note_taker(host);
        host.configure("[app]\non_create = [\"/usr/local/sbin/note\", \"{name}\"]\n");
        let _broker = host.start_broker();
        let (_, codes) = enroll(host, "alice", PASSWORD);
        let mut codes = codes.into_iter();
        for name in ["--output=/root/taken", "-x", "a\u{1b}[2Jb", &"x".repeat(65)] {
            let answers: [(&str, &str); 0] = [];
            let (status, shown) = twostep(host, "alice", &["app-password", "add", "--", name], &answers);
            assert_ne!(status, 0, "{name:?}: {shown}");
        }
        // One that an earlier version took: it is run by nobody, and told.
        make(host, &mut codes, &["old"]);
        host.change_store("UPDATE due SET name = ?1", &["--output=/root/taken"]);
        let _failed = host.admin(&["hooks"]);
        assert!(!Path::new(NOTED).exists());
        host.wait_for_log(&["twostep-admin[", "on_create for user=\"alice\" failed", "begins with a dash"]);
    });
}

/// Nothing of the administrator's session that has started it, nor of ours.
#[test]
fn a_command_has_a_clean_process() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        host.enroll("alice");
        let script = format!(
            "#!/bin/sh\nexec 3>{NOTED}\n{{ env | sort; pwd; umask; id -u; ls -l /proc/self/fd | sed -n 's/.* \\([0-2] -> .*\\)/\\1/p'; \
             ls /proc/$$/fd | tr '\\n' ' '; }} >&3\n"
        );
        host.write("/usr/local/sbin/note", &script);
        host.set_mode("/usr/local/sbin/note", 0o755);
        host.configure("[app]\non_create = [\"/usr/local/sbin/note\"]\n");
        let add = "umask 0; cd /tmp; BASH_ENV=/tmp/x ENV=/tmp/x IFS=x PATH=/tmp:$PATH LD_PRELOAD= \
                   exec twostep-admin app-password add alice 'my phone' 9</etc/shadow";
        host.command("/bin/sh", &["-c", add]).expect_success();
        let noted = host.read(NOTED);
        let lines: Vec<&str> = noted.lines().collect();
        assert_eq!(
            lines[..8],
            [
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "PWD=/",
                "TWOSTEP_EVENT=create",
                "TWOSTEP_NAME=my phone",
                "TWOSTEP_USER=alice",
                "/",
                "0022",
                "0"
            ],
            "{noted}"
        );
        assert!(noted.contains("0 -> /dev/null") && noted.contains("2 -> /dev/null"), "{noted}");
        // Beside the three the shell has its script, what it writes to, and what it has put aside for that.
        let descriptors = lines.last().expect("descriptors");
        let strange =
            descriptors.split_whitespace().find(|fd| !["0", "1", "2", "3", "10", "11", "12"].contains(fd));
        assert_eq!(strange, None, "{noted}");
    });
}
