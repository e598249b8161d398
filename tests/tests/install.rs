//! `make install`, into a folder and onto the (throw-away) host.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use twostep_tests::{Done, Host, in_box, product};

fn make_install(host: &Host, destination: &str) -> Done {
    make(host, "install", destination).expect_success()
}

fn make(host: &Host, what: &str, destination: &str) -> Done {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").display().to_string();
    let module = product::module();
    let target = module.ancestors().nth(2).unwrap_or(&module).display();
    let variables = [format!("DESTDIR={destination}"), format!("CARGO_TARGET_DIR={target}")];
    host.command("make", &["-C", &workspace, what, &variables[0], &variables[1]])
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
