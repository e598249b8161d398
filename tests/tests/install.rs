//! `make install`, into a folder and onto the (throw-away) host.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use twostep_tests::{Done, Host, in_box, product};

fn make_install(host: &Host, destination: &str) -> Done {
    make(host, "install", destination).expect_success()
}

fn make(host: &Host, what: &str, destination: &str) -> Done {
    make_within(host, &[], what, destination)
}

/// `make`, started by these words of a command line.
fn make_within(host: &Host, before: &[&str], what: &str, destination: &str) -> Done {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").display().to_string();
    let module = product::module();
    let target = module.ancestors().nth(2).unwrap_or(&module).display();
    let variables = [format!("DESTDIR={destination}"), format!("CARGO_TARGET_DIR={target}")];
    let words = [before, &["make", "-C", &workspace, what, &variables[0], &variables[1]]].concat();
    host.command("env", &words)
}

fn mode(path: impl AsRef<Path>) -> u32 {
    let path = path.as_ref();
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode()
        & 0o7777
}

#[test]
fn everything_is_put_below_destdir_with_its_mode() {
    in_box(|host| {
        make_install(host, "/tmp/staged");
        let module = format!("/tmp/staged{}", host.module_path().display());
        assert_eq!(mode(module), 0o644);
        assert_eq!(mode("/tmp/staged/usr/sbin/twostep-admin"), 0o755);
        assert_eq!(mode("/tmp/staged/etc/twostep/config.toml"), 0o644);
        assert_eq!(mode("/tmp/staged/var/lib/twostep"), 0o700);
        assert_eq!(mode("/tmp/staged/var/lib/twostep-public"), 0o755);
        assert_eq!(mode(format!("/tmp/staged{}", host.name_service_path().display())), 0o644);
        assert_eq!(mode("/tmp/staged/usr/lib/tmpfiles.d/twostep.conf"), 0o644);
        for file in ["usr/sbin/twostepd", "usr/bin/twostep"] {
            assert_eq!(mode(format!("/tmp/staged/{file}")), 0o755, "{file}");
        }
        for unit in [
            "twostepd.service",
            "twostepd.socket",
            "twostep-hooks.service",
            "twostep-hooks.path",
            "twostep-hooks.timer",
            "twostep-roster.service",
            "twostep-init.service",
        ] {
            assert_eq!(mode(format!("/tmp/staged/usr/lib/systemd/system/{unit}")), 0o644, "{unit}");
        }
        for page in [
            "man1/twostep.1",
            "man8/twostep-admin.8",
            "man8/twostepd.8",
            "man8/libnss_twostep.8",
            "man8/pam_twostep.8",
            "man5/twostep.toml.5",
        ] {
            assert_eq!(mode(format!("/tmp/staged/usr/share/man/{page}")), 0o644, "{page}");
        }
        for completions in [
            "bash-completion/completions/twostep-admin",
            "zsh/vendor-completions/_twostep",
            "fish/vendor_completions.d/twostep.fish",
        ] {
            assert_eq!(mode(format!("/tmp/staged/usr/share/{completions}")), 0o644, "{completions}");
        }
        for folder in ["filter.d", "jail.d"] {
            assert_eq!(mode(format!("/tmp/staged/etc/fail2ban/{folder}/twostep.conf")), 0o644, "{folder}");
        }
        let jail = host.read("/tmp/staged/etc/fail2ban/jail.d/twostep.conf");
        assert!(!jail.lines().any(|line| line.starts_with("enabled") && line.contains("true")), "{jail}");
        // Of PAM's stacks our own service's, and no other.
        let names = |folder: &str| {
            let mut names: Vec<String> = fs::read_dir(folder)
                .expect("it was made")
                .map(|entry| entry.expect("a name").file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names("/tmp/staged/etc"), ["apparmor.d", "fail2ban", "pam.d", "twostep"]);
        assert_eq!(names("/tmp/staged/etc/pam.d"), ["twostep"]);
        assert!(host.read("/tmp/staged/etc/pam.d/twostep").contains("@include common-auth"));
    });
}

/// The texts that administrators see: what the crates that are installed print, manual pages, and what is put into `/etc`.
fn texts() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let crates = ["twostep-admin", "twostep-cli", "twostepd", "pam_twostep", "nss_twostep"];
    let libraries = [
        "twostep-core",
        "twostep-store",
        "twostep-host",
        "twostep-stacks",
        "twostep-terminal",
        "twostep-roster",
    ];
    let sources = crates.iter().chain(&libraries).map(|name| root.join(name).join("src"));
    let mut folders: Vec<PathBuf> = sources.chain([root.join("docs/man"), root.join("packaging")]).collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("a name").path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path)
                && !path.ends_with("build.sh")
            {
                // What stands in comments, or in a test behind the code, nobody sees.
                let is_code = path.extension().is_some_and(|end| end == "rs");
                let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
                let shown = |line: &&str| {
                    !is_code || !line.trim_start().starts_with("//") && !line.contains("include_str!")
                };
                let tests =
                    is_code && path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"));
                let text: Vec<&str> = text.lines().filter(shown).collect();
                found.push((path, if tests { String::new() } else { text.join("\n") }));
            }
        }
    }
    found
}

/// `man` in a text, and what is named by it.
fn manual_pages(text: &str) -> impl Iterator<Item = &str> {
    let named = text.match_indices("man ").map(|(at, found)| &text[at + found.len()..]);
    let named = named
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c)).next());
    named.map(|name| name.trim_end_matches('.')).filter(|name| name.contains("twostep"))
}

#[test]
fn no_text_names_a_file_of_ours_that_is_not_installed() {
    in_box(|host| {
        make_install(host, "/tmp/staged");
        let (mut documents, mut pages) = (0, 0);
        for (path, text) in texts() {
            let word = |c: char| !c.is_ascii_alphanumeric() && !"._-/".contains(c);
            for document in
                text.split(word).map(|word| word.trim_end_matches('.')).filter(|word| word.ends_with(".md"))
            {
                documents += 1;
                let is_there = Path::new(&format!("/tmp/staged{document}")).exists();
                assert!(document.starts_with('/') && is_there, "{}: {document}", path.display());
            }
            for page in manual_pages(&text) {
                pages += 1;
                let staged = |section| format!("/tmp/staged/usr/share/man/man{section}/{page}.{section}");
                let is_there = [1, 5, 8].map(staged).iter().any(|page| Path::new(page).exists());
                assert!(is_there, "{}: man {page}", path.display());
            }
        }
        assert!(documents > 10 && pages > 2, "{documents} documents, {pages} pages");
    });
}

#[test]
fn a_configuration_that_is_there_already_is_left_alone() {
    in_box(|host| {
        host.write("/etc/twostep/config.toml", "# mine\n");
        host.write("/etc/pam.d/twostep", "# mine too\n");
        host.write("/etc/fail2ban/jail.d/twostep.conf", "# mine as well\n");
        make_install(host, "");
        assert_eq!(host.read("/etc/twostep/config.toml"), "# mine\n");
        assert_eq!(host.read("/etc/pam.d/twostep"), "# mine too\n");
        assert_eq!(host.read("/etc/fail2ban/jail.d/twostep.conf"), "# mine as well\n");
        assert_eq!(mode("/run/twostep/private"), 0o700);
        host.admin(&["init"]).expect_success();
    });
}

#[test]
fn what_was_installed_is_taken_away_but_not_while_a_stack_names_the_module() {
    in_box(|host| {
        // Nothing is left of what is not in /etc and not the store.
        make_install(host, "/tmp/staged");
        make(host, "uninstall", "/tmp/staged").expect_success();
        let left = host.command("find", &["/tmp/staged/usr", "-type", "f"]).stdout;
        assert_eq!(left, "");
        assert!(Path::new("/tmp/staged/etc/twostep/config.toml").exists());

        make_install(host, "");
        let stack = host.read("/etc/pam.d/sshd");
        host.admin(&["pam", "enable", "sshd", "--yes"]).expect_success();
        host.write("/etc/pam.d/vpn", "auth required pam_twostep.so\n");
        let refused = make(host, "uninstall", "");
        assert!(!refused.success() && refused.stderr.contains("  /etc/pam.d/vpn\n"), "{refused}");
        assert!(host.module_path().exists() && host.read("/etc/pam.d/sshd").contains("pam_twostep.so"));

        host.command("rm", &["/etc/pam.d/vpn"]).expect_success();
        make(host, "uninstall", "").expect_success();
        assert!(!host.module_path().exists() && !host.name_service_path().exists());
        assert_eq!(host.read("/etc/pam.d/sshd"), stack);
        for kept in ["/etc/twostep/config.toml", "/etc/twostep/master.key", "/var/lib/twostep/store.db"] {
            assert!(Path::new(kept).exists(), "{kept}");
        }
    });
}

/// Every place that a removal has to find: without the module, libpam refuses each of these services (tests/stacks.rs asks it).
#[test]
fn nothing_is_taken_away_while_a_stack_brings_the_module_in_by_other_files() {
    in_box(|host| {
        make_install(host, "");
        let line = "auth required pam_twostep.so\n";
        for (named, files) in [
            (
                "/etc/deep",
                &[
                    ("/etc/pam.d/vpn", "auth include nested/one\n"),
                    ("/etc/pam.d/nested/one", "@include ../two\n"),
                    ("/etc/two", "auth substack /etc/deep\n"),
                ][..],
            ),
            ("/etc/capitals", &[("/etc/pam.d/vpn", "AUTH INCLUDE /etc/capitals\n")]),
            (
                "/etc/continued",
                &[("/etc/pam.d/vpn", "auth \\\n  include \\\n# no end yet\n  /etc/continued\n")],
            ),
            ("/etc/pam.d/parts/vpn.bak", &[("/etc/pam.d/vpn", "@include parts/vpn.bak\n")]),
            ("/etc/one-file", &[("/etc/pam.conf", "vpn auth include /etc/one-file\n")]),
            ("/usr/lib/pam.d/vpn", &[]),
        ] {
            host.write(named, line);
            files.iter().for_each(|(path, text)| host.write(path, text));
            let refused = make(host, "uninstall", "");
            assert!(!refused.success() && refused.stderr.contains(&format!("  {named}\n")), "{refused}");
            assert!(host.module_path().exists() && Path::new("/usr/sbin/twostepd").exists());
            host.command("rm", &["-r", "/etc/pam.d/vpn", named]);
        }

        // Nobody who cannot tell takes anything away: the command is broken, or a stack cannot be read.
        host.command("mkfifo", &["/etc/pam.d/pipe"]).expect_success();
        let refused = make(host, "uninstall", "");
        assert!(!refused.success() && refused.stderr.contains("/etc/pam.d/pipe"), "{refused}");
        host.command("rm", &["/etc/pam.d/pipe"]).expect_success();
        host.write("/etc/pam.d/unfinished", "auth required pam_permit.so \\\n");
        let refused = make(host, "uninstall", "");
        assert!(!refused.success() && refused.stderr.contains("/etc/pam.d/unfinished"), "{refused}");
        host.command("rm", &["/etc/pam.d/unfinished"]).expect_success();
        let admin = "/usr/sbin/twostep-admin";
        host.command("mv", &[admin, "/root/admin"]).expect_success();
        let refused = make(host, "uninstall", "");
        assert!(!refused.success() && refused.stderr.contains("twostep is not removed"), "{refused}");
        assert!(host.module_path().exists());
        host.write(admin, "#!/bin/sh\nexit 3\n");
        host.set_mode(admin, 0o755);
        assert!(!make(host, "uninstall", "").success() && host.module_path().exists());
        host.command("mv", &["/root/admin", admin]).expect_success();

        // Neither configuration, key nor store is wanted for the answer; files that nobody reads do not count.
        host.write("/etc/twostep/config.toml", "broken = [\n");
        host.command("rm", &["-rf", "/etc/twostep/master.key", "/var/lib/twostep/store.db"]).expect_success();
        for unread in ["/etc/pam.d/vpn.dpkg-old", "/etc/vpn", "/usr/lib/pam.d/sshd"] {
            host.write(unread, line);
        }
        make(host, "uninstall", "").expect_success();
        assert!(!host.module_path().exists());

        // The way round.
        make_install(host, "");
        host.command("rm", &[admin]).expect_success();
        make_within(host, &["TWOSTEP_REMOVE_ANYWAY=1"], "uninstall", "").expect_success();
        assert!(!host.module_path().exists());

        // The command is asked where it was installed.
        let prefix = ["PREFIX=/usr/local"];
        make_within(host, &prefix, "install", "").expect_success();
        host.write("/etc/pam.d/vpn", "@include parts/vpn\n");
        host.write("/etc/pam.d/parts/vpn", line);
        let refused = make_within(host, &prefix, "uninstall", "");
        assert!(!refused.success() && refused.stderr.contains("  /etc/pam.d/parts/vpn\n"), "{refused}");
        host.command("rm", &["/etc/pam.d/vpn"]).expect_success();
        make_within(host, &prefix, "uninstall", "").expect_success();
        assert!(!host.module_path().exists() && !Path::new("/usr/local/sbin/twostep-admin").exists());
    });
}

/// Whatever root's umask is: not for a moment is anything there that others may write to, and what is there in the end is the same.
#[test]
fn what_is_installed_has_its_mode_from_the_first_moment_on() {
    in_box(|host| {
        make_install(host, "/tmp/022");
        let listing = |folder: &str| {
            let script = "cd \"$1\" && find . -mindepth 1 -printf '%m %u %p\\n' | sort";
            host.command("sh", &["-c", script, "sh", folder]).expect_success().stdout
        };
        for umask in ["000", "077"] {
            let destination = format!("/tmp/{umask}");
            make_within(host, &traced(umask), "install", &destination).expect_success();
            assert_eq!(listing(&destination), listing("/tmp/022"));
            if umask == "000" {
                assert_nobody_else_may_write(host, &destination, 50);
            }
        }

        // Nor of what the command makes.
        host.command(
            "rm",
            &["-rf", "/etc/twostep/master.key", "/var/lib/twostep", "/var/lib/twostep-public"],
        )
        .expect_success();
        host.command("env", &[&traced("000")[..], &["twostep-admin", "init"]].concat()).expect_success();
        assert_nobody_else_may_write(host, "twostep", 3);
    });
}

const TRACE: &str = "/tmp/trace";

/// The words that run a command under a umask, and write down all that it makes.
fn traced(umask: &'static str) -> [&'static str; 14] {
    let calls = "trace=open,openat,creat,mkdir,mkdirat,mknod,mknodat,chmod,fchmod,fchmodat";
    let script = "umask \"$1\"; shift; exec \"$@\"";
    ["sh", "-c", script, "sh", umask, "strace", "-f", "-y", "-s", "512", "-o", TRACE, "-e", calls]
}

/// What was asked for under a umask of 000, which takes nothing away, is the mode that a file has got.
fn assert_nobody_else_may_write(host: &Host, part: &str, at_least: usize) {
    let trace = host.read(TRACE);
    let made: Vec<_> = trace.lines().filter(|line| line.contains(part) && makes(line)).collect();
    assert!(made.len() >= at_least, "{}", made.len());
    for call in made {
        let mode = call.split([',', ' ', ')']).rev().find_map(|word| {
            (word.starts_with('0') && word.len() > 2).then(|| u32::from_str_radix(word, 8).ok())?
        });
        assert_eq!(mode.unwrap_or_else(|| panic!("{call}")) & 0o022, 0, "others may write: {call}");
    }
}

/// Whether a line of strace's makes a file or changes a mode.
fn makes(line: &str) -> bool {
    ["O_CREAT", "mkdir", "mknod", "creat(", "chmod"].iter().any(|part| line.contains(part))
        && !line.contains(" = -1 ")
        && !line.contains("unfinished")
}
