//! config edit: with an editor that is a script, at a terminal that script(1) lends.

use crate::place::Place;
use crate::terminal::Terminal;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

const SSHD: &str = "auth required pam_unix.so\nauth required pam_twostep.so\n";
const WHAT_NOW: &str = "throw it away (x)? ";
const TYPO: &str = "[interactive]\nunenrolled = \"deny\"\n[interactive]\n";

/// A folder with an editor that is this script: `$1` is the file, and `$n` how often it has run.
fn with_editor(name: &str, script: &str) -> Place {
    let place = Place::new(name);
    place.write("pam.d/sshd", SSHD, 0o644);
    let count = place.folder.join("runs");
    let head = format!("#!/bin/sh\necho >>{0}\nn=$(wc -l <{0})\n", count.display());
    place.write("editor", &format!("{head}{script}\n"), 0o755);
    place
}

/// An editor whose n-th run appends the n-th text.
fn appending(name: &str, texts: &[&str]) -> Place {
    let place = with_editor(name, "dir=${0%/*}; cat $dir/text$n >>$1");
    for (number, text) in texts.iter().enumerate() {
        place.write(&format!("text{}", number + 1), text, 0o644);
    }
    place
}

fn start(place: &Place) -> Terminal {
    start_after(place, "")
}

fn start_after(place: &Place, before: &str) -> Terminal {
    let editor = place.folder.join("editor");
    let before = format!("{before} env -u SUDO_EDITOR VISUAL={}", editor.display());
    let pam = place.folder.join("pam.d");
    Terminal::start_after(place, &before, &format!("config edit --pam-dir {}", pam.display()))
}

fn config(place: &Place) -> String {
    fs::read_to_string(place.folder.join("config.toml")).unwrap()
}

fn copy(place: &Place) -> PathBuf {
    place.folder.join(".edit.config.toml")
}

#[test]
fn a_typo_is_told_and_mended_and_never_in_force() {
    let place = with_editor(
        "edit-typo",
        &format!("case $n in 1) printf '{}' >>$1;; 2) sed -i '$d' $1;; esac", TYPO.replace('\n', "\\n")),
    );
    fs::set_permissions(place.folder.join("config.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    let old = config(&place);
    let mut terminal = start(&place);
    terminal.wait_for(WHAT_NOW);
    assert!(terminal.seen.contains("the section [interactive] was begun on line "), "{}", terminal.seen);
    assert!(!terminal.seen.contains("Type yes"), "{}", terminal.seen);
    assert_eq!(config(&place), old);
    terminal.type_line("e");
    terminal.wait_for("Type yes");
    for told in
        ["+unenrolled = \"deny\"", "[interactive] unenrolled: allow -> deny", "more refused (not-enrolled)"]
    {
        assert!(terminal.seen.contains(told), "no {told:?} in {}", terminal.seen);
    }
    assert_eq!(config(&place), old);
    terminal.type_line("yes");
    terminal.wait_for("is in force from the next login on");
    assert_eq!(terminal.status(), 0);
    assert_eq!(config(&place), format!("{old}[interactive]\nunenrolled = \"deny\"\n"));
    let mode = |name: &str| fs::metadata(place.folder.join(name)).unwrap().mode() & 0o7777;
    assert_eq!(
        (mode("config.toml"), mode("config.toml.before"), mode(".lock.config.toml")),
        (0o640, 0o640, 0o600)
    );
    assert_eq!(fs::read_to_string(place.folder.join("config.toml.before")).unwrap(), old);
    assert!(!copy(&place).exists());
}

#[test]
fn without_a_terminal_or_with_json_it_is_refused() {
    let place = appending("edit-no-terminal", &["x"]);
    let old = config(&place);
    place.run(&["config", "edit"]).is(2).says("for a person at a terminal").says("config check FILE");
    let mut terminal = Terminal::start(&place, "--json config edit");
    terminal.wait_for("for a person at a terminal");
    assert_eq!((terminal.status(), config(&place)), (2, old));
    assert!(!place.folder.join("runs").exists() && !copy(&place).exists());
}

#[test]
fn a_text_that_is_unchanged_asks_nothing() {
    let place = with_editor("edit-unchanged", "touch $1");
    let inode = || fs::metadata(place.folder.join("config.toml")).unwrap().ino();
    let before = inode();
    let mut terminal = start(&place);
    terminal.wait_for("config.toml: unchanged");
    assert_eq!((terminal.status(), inode()), (0, before));
    assert!(!copy(&place).exists());
}

#[test]
fn a_text_is_thrown_away_only_by_request_and_otherwise_kept_for_the_next_time() {
    let place = appending("edit-kept", &["nonsense\n", "", ""]);
    let old = config(&place);
    let mut terminal = start(&place);
    terminal.wait_for(WHAT_NOW);
    terminal.type_line("force");
    terminal.type_line("k");
    assert_eq!(terminal.status(), 1);
    assert_eq!((config(&place), fs::metadata(copy(&place)).unwrap().mode() & 0o7777), (old.clone(), 0o600));
    let mut terminal = start(&place);
    terminal.wait_for("An earlier edit was not finished");
    terminal.type_line("e");
    terminal.wait_for("key with no value");
    terminal.wait_for(WHAT_NOW);
    terminal.type_line("x");
    assert_eq!(terminal.status(), 1);
    assert_eq!(config(&place), old);
    assert!(!copy(&place).exists());
    // What was right, but not agreed to, is kept as well, when the terminal goes away too.
    place.write("text3", "issuer = \"x\"\n", 0o644);
    place.configure("");
    place.write("editor", "#!/bin/sh\necho '# mine' >>$1\n", 0o755);
    let mut terminal = start(&place);
    terminal.wait_for("Type yes");
    terminal.type_line("no");
    terminal.wait_for(WHAT_NOW);
    terminal.type_keys("\u{4}");
    assert_eq!(terminal.status(), 1);
    assert!(fs::read_to_string(copy(&place)).unwrap().ends_with("# mine\n"));
    let mut terminal = start(&place);
    terminal.wait_for("An earlier edit was not finished");
    terminal.type_line("x");
    terminal.wait_for("Type yes");
    assert!(!terminal.seen.contains("# mine\r\n+# mine"), "{}", terminal.seen);
    terminal.type_line("yes");
    assert_eq!(terminal.status(), 0);
    assert_eq!(config(&place).matches("# mine").count(), 1);
}

#[test]
fn two_do_not_edit_it_at_the_same_time() {
    let place = with_editor("edit-locked", "echo at the editor; read line; echo '# one' >>$1");
    let mut first = start(&place);
    first.wait_for("at the editor");
    let mut second = start(&place);
    second.wait_for("somebody else is editing");
    assert_eq!(second.status(), 1);
    first.type_line("");
    first.wait_for("Type yes");
    first.type_line("yes");
    assert_eq!(first.status(), 0);
    assert!(config(&place).ends_with("# one\n"));
}

#[test]
fn a_file_that_somebody_else_has_changed_meanwhile_is_not_overwritten() {
    let place = appending("edit-meanwhile", &["# mine\n", ""]);
    let mut terminal = start(&place);
    terminal.wait_for("Type yes");
    place.configure("# theirs");
    let theirs = config(&place);
    terminal.type_line("yes");
    terminal.wait_for("has been changed by somebody else meanwhile");
    assert_eq!((terminal.status(), config(&place)), (1, theirs));
    assert!(fs::read_to_string(copy(&place)).unwrap().ends_with("# mine\n"));
    // Going on shows that theirs would be undone.
    let mut terminal = start(&place);
    terminal.wait_for("An earlier edit was not finished");
    terminal.type_line("e");
    terminal.wait_for("-# theirs");
    terminal.wait_for("Type yes");
    terminal.type_line("yes");
    assert_eq!(terminal.status(), 0);
}

#[test]
fn interrupts_and_the_end_of_the_command_lose_nothing() {
    let place = with_editor(
        "edit-interrupted",
        "trap 'echo interrupted' INT; echo '# mine' >>$1; echo at the editor; read line; read line; echo $PPID >${0%/*}/pid; \
         kill -KILL $PPID; exit 0",
    );
    let old = config(&place);
    let mut terminal = start(&place);
    terminal.wait_for("at the editor");
    terminal.type_keys("\u{3}");
    terminal.wait_for("interrupted");
    terminal.type_line("");
    terminal.type_line("");
    terminal.status();
    assert!(place.folder.join("pid").exists(), "the command was gone before");
    assert_eq!(config(&place), old);
    assert_eq!(fs::read_to_string(copy(&place)).unwrap(), format!("{old}# mine\n"));
    place.write("editor", "#!/bin/sh\n", 0o755);
    let mut terminal = start(&place);
    terminal.wait_for("An earlier edit was not finished");
    terminal.type_line("e");
    terminal.wait_for("Type yes");
    terminal.type_line("yes");
    assert_eq!(terminal.status(), 0);
    assert!(config(&place).ends_with("# mine\n"));
}

#[test]
fn a_disk_that_is_full_loses_nothing() {
    // prlimit stands for it: from now on the command cannot write a byte.
    let place = with_editor("edit-full", "echo '# mine' >>$1; prlimit --pid $PPID --fsize=0");
    let old = config(&place);
    let mut terminal = start_after(&place, "trap '' XFSZ;");
    terminal.wait_for("Type yes");
    terminal.type_line("yes");
    terminal.wait_for("cannot be written");
    assert_eq!((terminal.status(), config(&place)), (1, old.clone()));
    assert!(fs::read_to_string(copy(&place)).unwrap().ends_with("# mine\n"));
    fs::remove_file(copy(&place)).unwrap();
    let mut terminal = start_after(&place, "trap '' XFSZ; ulimit -f 0;");
    terminal.wait_for("cannot be written");
    assert_eq!((terminal.status(), config(&place)), (1, old));
    assert!(!copy(&place).exists());
}

#[test]
fn an_editor_that_fails_or_others_could_change_puts_nothing_in_force() {
    let place = with_editor("edit-fails", "echo '# mine' >>$1; exit 3");
    let old = config(&place);
    let mut terminal = start(&place);
    terminal.wait_for("failed: exit status: 3");
    assert_eq!((terminal.status(), config(&place)), (1, old.clone()));
    assert!(copy(&place).exists());
    fs::remove_file(copy(&place)).unwrap();
    fs::set_permissions(place.folder.join("editor"), fs::Permissions::from_mode(0o777)).unwrap();
    let mut terminal = start(&place);
    terminal.wait_for("can be written by others");
    assert_eq!((terminal.status(), config(&place)), (1, old));
    assert!(!copy(&place).exists());
}

#[test]
fn links_are_followed_as_logins_follow_them() {
    let place = appending("edit-links", &["# mine\n"]);
    let editor = place.folder.join("editor");
    let run = |file: &str| {
        let before = format!("env -u SUDO_EDITOR VISUAL={}", editor.display());
        let file = place.folder.join(file);
        Terminal::start_after(&place, &before, &format!("config edit --config {}", file.display()))
    };
    // The last part must not be one.
    symlink("config.toml", place.folder.join("link.toml")).unwrap();
    let mut terminal = run("link.toml");
    terminal.wait_for("is a symbolic link");
    assert_eq!(terminal.status(), 1);
    // Nor may others be able to put a file in its place.
    fs::create_dir(place.folder.join("open")).unwrap();
    fs::set_permissions(place.folder.join("open"), fs::Permissions::from_mode(0o777)).unwrap();
    let mut terminal = run("open/config.toml");
    terminal.wait_for("can be written by others");
    assert_eq!(terminal.status(), 1);
    // A folder may be one; the file that is replaced is the real one.
    fs::create_dir(place.folder.join("real")).unwrap();
    fs::set_permissions(place.folder.join("real"), fs::Permissions::from_mode(0o755)).unwrap();
    place.write("real/config.toml", "# old\n", 0o644);
    symlink("real", place.folder.join("linked")).unwrap();
    let mut terminal = run("linked/config.toml");
    terminal.wait_for("Type yes");
    terminal.type_line("yes");
    assert_eq!(terminal.status(), 0);
    assert_eq!(fs::read_to_string(place.folder.join("real/config.toml")).unwrap(), "# old\n# mine\n");
    assert!(fs::symlink_metadata(place.folder.join("linked")).unwrap().is_symlink());
}

#[test]
fn without_a_file_one_begins_with_the_installed_text() {
    let place = with_editor("edit-absent", "sed -i 's/^#interactive.unenrolled/interactive.unenrolled/' $1");
    fs::remove_file(place.folder.join("config.toml")).unwrap();
    let mut terminal = start(&place);
    terminal.wait_for("Type yes");
    terminal.type_line("yes");
    terminal.wait_for("is in force");
    assert_eq!(terminal.status(), 0);
    let shipped = include_str!("../../../packaging/config.toml");
    assert_eq!(config(&place), shipped.replacen("#interactive.unenrolled", "interactive.unenrolled", 1));
    assert_eq!(fs::metadata(place.folder.join("config.toml")).unwrap().mode() & 0o7777, 0o644);
    assert!(!place.folder.join("config.toml.before").exists());
}

#[test]
fn a_broken_file_in_force_is_mended() {
    let place = with_editor("edit-broken", "sed -i '/^nonsense/d' $1");
    place.configure("nonsense\n");
    let mut terminal = start(&place);
    terminal.wait_for("Type yes");
    assert!(terminal.seen.contains("the file in force cannot be used"), "{}", terminal.seen);
    terminal.type_line("yes");
    assert_eq!(terminal.status(), 0);
    place.run(&["config", "check"]).is(0);
}

#[test]
fn whoever_would_shut_themselves_out_is_told_so() {
    let place = appending("edit-shut-out", &["[interactive]\nunenrolled = \"deny\"\n"]);
    let mut terminal = start(&place);
    terminal.wait_for("Type yes");
    let told = terminal.seen.lines().find(|line| line.contains("YOU would be shut out")).unwrap_or_default();
    assert!(told.contains("refused (not-enrolled) at sshd"), "{}", terminal.seen);
    terminal.type_line("no");
    terminal.wait_for(WHAT_NOW);
    terminal.type_line("x");
    assert_eq!(terminal.status(), 1);
}

#[test]
fn a_rule_that_check_has_an_error_for_is_not_put_in_force() {
    // What a stack's line cannot ask for: nobody would get in by it.
    let place = appending("edit-error", &["[[rule]]\nservice = \"imap\"\ndemand = \"code\"\n"]);
    place.write("pam.d/imap", "auth sufficient pam_twostep.so app\nauth required pam_unix.so\n", 0o644);
    let mut terminal = start(&place);
    terminal.wait_for(WHAT_NOW);
    assert!(terminal.seen.contains("[rule-refuses-everybody]"), "{}", terminal.seen);
    assert!(!terminal.seen.contains("Type yes"), "{}", terminal.seen);
    terminal.type_line("x");
    assert_eq!(terminal.status(), 1);
}
