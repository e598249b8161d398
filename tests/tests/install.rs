//! `make install`, into a folder and onto the (throw-away) host.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

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
