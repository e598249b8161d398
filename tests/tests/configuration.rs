//! The configuration as an administrator changes it: what the documents say is put into the installed file, and one mistake in it.

use twostep_tests::{Console, Host, Ssh, in_box};

const PASSWORD: &str = "correct horse";
const FILE: &str = "/etc/twostep/config.toml";

/// README's example of a policy, as one would copy it.
fn snippet(host: &Host) -> String {
    let readme = host.read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md"));
    let lines = readme.lines().skip_while(|line| *line != "    [interactive]");
    let lines = lines.take_while(|line| !line.starts_with("## "));
    let snippet = lines.filter(|line| line.is_empty() || line.starts_with("    "));
    let snippet: String = snippet.map(|line| format!("{}\n", line.trim_start())).collect();
    assert!(snippet.contains("unenrolled = [") && snippet.contains("[[rule]]"), "{snippet}");
    snippet
}

#[test]
fn what_the_readme_shows_is_appended_to_the_installed_file_and_people_sign_in() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        let mut phone = host.enroll("alice");
        host.wire_sshd();
        host.start_sshd("");
        let installed = host.read(FILE);
        let once = format!("{installed}{}", snippet(host));
        host.write(FILE, &once);
        host.admin(&["config", "check"]).expect_success();
        let attempt = Ssh::to("alice").answers(&[PASSWORD, &phone.fresh_code()]).run("id -un");
        assert!(attempt.success && attempt.stdout == "alice\n", "{attempt:#?}");
        // It is in force: the rule that it has decides.
        let explained = host.admin_json(&["explain", "bob", "login", "--tty", "ttyS0"]);
        assert_eq!((&explained["demand"], &explained["reason"]), (&"nothing".into(), &"exempt".into()));

        // Once more is a mistake, told in the log with both lines and what to do.
        host.write(FILE, &format!("{once}{}", snippet(host)));
        let attempt = Ssh::to("alice").answers(&[PASSWORD]).run("true");
        assert!(!attempt.success, "{attempt:#?}");
        let first = installed.lines().count() + 1;
        let second = once.lines().count() + 1;
        host.wait_for_log(&[
            "result=unavailable",
            "reason=configuration ",
            &format!("{FILE}:{second}:2: the section [interactive] was begun on line {first} already; move the settings"),
        ]);

        // It is mended in an editor, and good at once.
        host.write("/usr/local/bin/mend", &format!("#!/bin/sh\nsed -i '{second},$d' \"$1\"\n"));
        host.set_mode("/usr/local/bin/mend", 0o755);
        let mut console = Console::open("env", &["VISUAL=mend", "/usr/sbin/twostep-admin", "config", "edit"]);
        console.answer("Type yes", "yes");
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        assert_eq!(host.read(FILE), once);
        host.wait_for_log(&["twostep-admin[", "result=changed", "reason=config-edit"]);
        let attempt = Ssh::to("alice").answers(&[PASSWORD, &phone.fresh_code()]).run("true");
        assert!(attempt.success, "{attempt:#?}");
    });
}
