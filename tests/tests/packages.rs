//! The packages on a host that has nothing of ours. Debian's is installed, used, upgraded, removed and purged with a real sshd all along;
//! of the RPM what can be seen on Debian: contents, scriptlets, and how old a glibc will do.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command};

use twostep_store::schema::{SCHEMA, Version};
use twostep_tests::{Done, Host, OrDie, Phone, Ssh, eventually, fuse, in_bare_box, product};

const PASSWORD: &str = "correct horse";
const SSHD: &str = "/etc/pam.d/sshd";
const STORE: &str = "/var/lib/twostep/store.db";
const KEY: &str = "/etc/twostep/master.key";

/// Packs the binaries that cargo has built.
fn build(host: &Host, umask: &str, script: &str, environment: &[&str], folder: &str) {
    let target = format!("CARGO_TARGET_DIR={}", target());
    let script = format!("{}/packaging/{script}", workspace());
    let umask = format!("umask {umask}; exec env \"$@\"");
    let words =
        [&["-c", &umask, "sh"], environment, &[&target, "SOURCE_DATE_EPOCH=1700000000", &script, folder]];
    host.command("sh", &words.concat()).expect_success();
}

fn workspace() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").display().to_string()
}

fn target() -> String {
    let module = product::module();
    module.ancestors().nth(2).unwrap_or(&module).display().to_string()
}

/// Gives the path of a Debian package.
fn package(host: &Host, version: &str, folder: &str) -> String {
    package_under(host, "022", version, folder)
}

fn package_under(host: &Host, umask: &str, version: &str, folder: &str) -> String {
    // Not squeezed: that takes longer than all the rest.
    let environment = [&format!("DEB_VERSION={version}"), "DPKG_DEB_COMPRESSOR_TYPE=none"];
    build(host, umask, "deb/build.sh", &environment, folder);
    let architecture = host.command("dpkg", &["--print-architecture"]).expect_success().stdout;
    format!("{folder}/twostep_{version}_{}.deb", architecture.trim())
}

/// dpkg, with more in its environment, which it hands to the package's scripts.
fn dpkg(host: &Host, environment: &[&str], arguments: &[&str]) -> Done {
    let words = [environment, &["DEBIAN_FRONTEND=noninteractive", "dpkg", "--force-unsafe-io"], arguments];
    host.command("env", &words.concat())
}

/// The password alone is asked for, and lets in.
#[track_caller]
fn by_password(host: &Host) {
    let attempt = Ssh::to("alice").answers(&[PASSWORD]).run("true");
    assert!(attempt.success, "{attempt:?}\n{}", host.sshd_log());
}

/// The password and then a code are asked for, and a right one lets in.
#[track_caller]
fn by_code(host: &Host, phone: &mut Phone) {
    let attempt = Ssh::to("alice").answers(&[PASSWORD, &phone.fresh_code()]).run("true");
    assert!(attempt.success, "{attempt:?}\n{}", host.sshd_log());
    assert!(!Ssh::to("alice").answers(&[PASSWORD, &phone.wrong_code()]).run("true").success);
}

/// A process that goes on with the module as it is now, like a worker of Dovecot's, and calls itself this (a literal of Python's).
fn holds_the_module(host: &Host, name: &str) -> Child {
    let module = host.module_path();
    let script = format!(
        "import ctypes, time; ctypes.CDLL('{}'); open('/proc/self/comm', 'wb').write({name}); \
         open('/tmp/held', 'w').close(); time.sleep(1e6)",
        module.display()
    );
    let child = Command::new("python3").args(["-c", &script]).spawn().or_die("start python3");
    eventually("the module to be loaded", || std::fs::remove_file("/tmp/held").ok());
    child
}

#[test]
fn a_host_gets_the_package_uses_it_and_loses_it_without_losing_a_login() {
    product::built();
    in_bare_box(|host| {
        let (first, second) = (package(host, "1.0", "/tmp/deb"), package(host, "1.1", "/tmp/deb"));
        host.add_user("alice", PASSWORD);
        host.start_sshd("Include /etc/ssh/sshd_config.d/*.conf");
        let stack = host.read(SSHD);
        by_password(host);

        // Installed, and nothing is asked for yet. The key is this host's own.
        let done = dpkg(host, &[], &["-i", &first]).expect_success();
        assert!(done.stdout.contains("twostep-admin pam enable sshd"), "{done}");
        assert_eq!(
            host.command("stat", &["-c", "%a", STORE, KEY, "/run/twostep/private"]).stdout,
            "600\n600\n700\n"
        );
        assert_eq!(host.read(SSHD), stack);
        by_password(host);
        // Pages of the manual are left out in a box.
        let changed = host.command("dpkg", &["--verify", "twostep"]).stdout;
        assert!(changed.lines().all(|line| line.contains("/usr/share/")), "{changed}");
        host.admin(&["check"]).expect_success();

        host.admin(&["pam", "enable", "sshd", "--yes"]).expect_success();
        let mut phone = host.enroll("alice");
        by_code(host, &mut phone);

        // An upgrade keeps key, store, configuration and wiring.
        let (key, wired) = (host.read(KEY), host.read(SSHD));
        host.write("/etc/twostep/config.toml", "# mine\n");
        let mut old = holds_the_module(host, "b'imap-login'");
        // What anybody may do: to root's terminal it is an escape sequence, and a line of another process.
        let mut attacker = holds_the_module(host, r"b'\x1b]0;x\x07\n  1 sshd'");
        // A folder that cannot be closed keeps no store from being brought up to date: that would refuse everybody.
        let fails = "/usr/local/bin/systemd-tmpfiles";
        host.write(fails, "#!/bin/sh\nexit 73\n");
        host.command("chmod", &["0755", fails]).expect_success();
        let path = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let done = dpkg(host, &[path], &["--force-confold", "-i", &second]).expect_success();
        assert!(done.stderr.contains("systemd-tmpfiles could not make all folders"), "{done}");
        host.command("rm", &[fails]).expect_success();
        assert!(done.stdout.contains(&format!("  {} imap-login\n", old.id())), "{done}");
        assert!(done.stdout.contains(&format!("  {} ??0?x????1?sshd\n", attacker.id())), "{done}");
        let shown = done.stdout.chars().filter(|c| c.is_control() && !"\n\r".contains(*c)).count();
        assert_eq!(shown, 0, "{done}");
        for process in [&mut old, &mut attacker] {
            process.kill().and_then(|()| process.wait()).or_die("end a process");
        }
        assert_eq!((host.read(KEY), host.read(SSHD)), (key, wired.clone()));
        assert_eq!(host.read("/etc/twostep/config.toml"), "# mine\n");
        by_code(host, &mut phone);

        // While a stack that was wired by hand names the module, all stays as it is.
        let su = host.read("/etc/pam.d/su");
        host.write("/etc/pam.d/su", &format!("{su}auth required pam_twostep.so\n"));
        let refused = dpkg(host, &[], &["--remove", "twostep"]);
        assert!(!refused.success() && refused.stderr.contains("  /etc/pam.d/su\n"), "{refused}");
        assert!(!refused.stderr.contains(SSHD), "{refused}");
        assert_eq!(host.read(SSHD), wired);
        assert!(!Ssh::to("alice").answers(&[PASSWORD, &phone.wrong_code()]).run("true").success);
        // However it is brought in.
        host.write("/etc/pam.d/su", &format!("{su}AUTH \\\n INCLUDE ../one\n"));
        host.write("/etc/one", "@include parts/two\n");
        host.write("/etc/pam.d/parts/two", "-auth [default=bad] pam_twostep.so\n");
        let refused = dpkg(host, &[], &["--purge", "twostep"]);
        assert!(!refused.success() && refused.stderr.contains("  /etc/pam.d/parts/two\n"), "{refused}");
        assert!(host.module_path().exists() && Path::new("/etc/twostep/config.toml").exists());
        assert_eq!(host.read(SSHD), wired);
        host.write("/etc/pam.d/su", &su);

        // What `pam enable` has wired is put back first. The twostepd stack only speaks of the module, in a comment.
        dpkg(host, &[], &["--remove", "twostep"]).expect_success();
        assert_eq!(host.read(SSHD), stack);
        assert!(!host.module_path().exists() && !host.name_service_path().exists());
        assert!(!Path::new("/etc/ssh/sshd_config.d/00-twostep.conf").exists());
        by_password(host);

        host.write("/etc/twostep/break-glass.toml", "");
        let done = dpkg(host, &[], &["--purge", "twostep"]).expect_success();
        assert!(!Path::new("/etc/twostep/break-glass.toml").exists());
        assert!(done.stdout.contains(&format!("kept: {STORE}")) && done.stdout.contains(KEY), "{done}");
        assert!(Path::new(STORE).exists() && Path::new(KEY).exists());
        assert!(!Path::new("/etc/twostep/config.toml").exists());

        // Installed again, alice is enrolled as before.
        dpkg(host, &[], &["-i", &second]).expect_success();
        host.admin(&["pam", "enable", "sshd", "--yes"]).expect_success();
        by_code(host, &mut phone);
        dpkg(host, &["TWOSTEP_PURGE_STORE=1"], &["--purge", "twostep"]).expect_success();
        for gone in ["/var/lib/twostep", "/var/lib/twostep-public", "/etc/twostep", "/run/twostep"] {
            assert!(!Path::new(gone).exists(), "{gone}");
        }
        by_password(host);
    });
}

/// A version that left the units to the administrator has told Debian's helper nothing: what is off may be off on purpose.
#[test]
fn an_upgrade_leaves_the_units_of_an_older_version_as_they_are() {
    product::built();
    in_bare_box(|host| {
        let (first, second) = (package(host, "1.0", "/tmp/deb"), package(host, "1.1", "/tmp/deb"));
        let units =
            ["twostepd.socket", "twostep-hooks.path", "twostep-hooks.timer", "twostep-roster.service"];
        let systemctl =
            |action: &str, units: &[&str]| host.command("systemctl", &[&[action], units].concat());
        let state = || systemctl("is-enabled", &units).stdout;
        dpkg(host, &[], &["-i", &first]).expect_success();
        assert_eq!(state(), "enabled\n".repeat(4));
        // As if they had been enabled by hand, and the socket never.
        host.command("sh", &["-c", "rm -r /var/lib/systemd/deb-systemd-helper-enabled/*twostep*"])
            .expect_success();
        host.command("sh", &["-c", "find /var/lib/systemd -name '*twostep*' -delete"]).expect_success();
        systemctl("disable", &units[..1]).expect_success();
        systemctl("mask", &units[1..2]).expect_success();
        // Nor does it wait for a process of anybody's.
        let all = "cat /proc/[0-9]*/maps > /dev/null 2>&1";
        let attacker = fuse::lock_maps(12_345);
        eventually("a list that cannot be read", || {
            (host.command("timeout", &["2", "sh", "-c", all]).status == 124).then_some(())
        });
        let done =
            host.command("timeout", &["60", "dpkg", "--force-unsafe-io", "-i", &second]).expect_success();
        assert!(done.stdout.contains("not all processes could be looked at"), "{done}");
        attacker.kill();
        for package in [&second, &first, &second] {
            dpkg(host, &[], &["-i", package]).expect_success();
            assert_eq!(state(), "disabled\nmasked\nenabled\nenabled\n");
        }
        // A removal forgets it.
        systemctl("unmask", &units[1..2]).expect_success();
        dpkg(host, &[], &["--remove", "twostep"]).expect_success();
        dpkg(host, &[], &["-i", &second]).expect_success();
        assert_eq!(state(), "enabled\n".repeat(4));
    });
}

/// docs/packages.md, "The way back". The older package's binaries are today's here, so that what an older one does with the store is played
/// by the store's version alone.
#[test]
fn an_upgrade_keeps_an_older_store_which_can_be_put_back() {
    let kept = &format!("/var/lib/twostep/store.db.before-schema-{SCHEMA}");
    product::built();
    in_bare_box(|host| {
        let (older, newer) = (package(host, "1.0", "/tmp/deb"), package(host, "1.1", "/tmp/deb"));
        let sql = |statement: &str| {
            let script = format!(
                "import sqlite3; c = sqlite3.connect('{STORE}'); print(c.execute('{statement}').fetchone()); c.commit()"
            );
            host.command("python3", &["-c", &script]).expect_success().stdout
        };
        dpkg(host, &[], &["-i", &older]).expect_success();
        host.add_user("alice", PASSWORD);
        host.enroll("alice");
        sql("DROP INDEX enrollment_user_part");
        sql("ALTER TABLE meta DROP COLUMN host");
        sql("ALTER TABLE meta DROP COLUMN roster");
        sql("ALTER TABLE meta DROP COLUMN roster_place");
        sql("PRAGMA user_version = 4");
        let refused = host.admin(&["show", "alice"]);
        assert!(!refused.success() && refused.stderr.contains("schema 4.0"), "{refused}");

        let done = dpkg(host, &[], &["-i", &newer]).expect_success();
        assert!(done.stdout.contains(kept), "{done}");
        assert_eq!(host.command("stat", &["-c", "%a %u", kept]).stdout, "600 0\n");
        assert!(host.admin(&["show", "alice"]).expect_success().stdout.contains("active"));
        host.admin(&["unenroll", "alice", "--yes"]).expect_success();

        let back = "cd /var/lib/twostep && mv store.db store.db.newer && rm -f store.db-journal && cp -a \"$1\" store.db";
        host.command("sh", &["-c", back, "sh", kept]).expect_success();
        dpkg(host, &["TWOSTEP_NO_INIT=1"], &["-i", &older]).expect_success();
        assert_eq!(sql("PRAGMA user_version"), "(4,)\n");

        // And up once more: the first copy stays as it is.
        let done = dpkg(host, &[], &["-i", &newer]).expect_success();
        assert!(done.stdout.contains(&format!("{kept}.2")), "{done}");
        assert!(host.admin(&["show", "alice"]).expect_success().stdout.contains("active"));
        host.admin(&["check"]).expect_success();
    });
}

/// docs/packages.md, "The way back", after a minor step: there is nothing to be put back but the package.
#[test]
fn an_older_package_works_with_a_store_of_a_newer_minor_schema() {
    product::built();
    in_bare_box(|host| {
        let (older, newer) = (package(host, "1.0", "/tmp/deb"), package(host, "1.1", "/tmp/deb"));
        host.add_user("alice", PASSWORD);
        host.start_sshd("Include /etc/ssh/sshd_config.d/*.conf");
        dpkg(host, &[], &["-i", &newer]).expect_success();
        host.admin(&["pam", "enable", "sshd", "--yes"]).expect_success();
        let mut phone = host.enroll("alice");
        let step = include_str!("../../twostep-store/sql/tests/next_minor.sql");
        let Version { major, minor } = SCHEMA;
        let next = Version { major, minor: minor + 1 };
        host.write("/tmp/next.sql", &format!("{step}PRAGMA user_version = {};\n", next.number()));
        let script =
            format!("import sqlite3; sqlite3.connect('{STORE}').executescript(open('/tmp/next.sql').read())");
        host.command("python3", &["-c", &script]).expect_success();

        let done = dpkg(host, &[], &["-i", &older]).expect_success();
        assert!(done.stdout.contains(&format!("has brought it to schema {next}")), "{done}");
        by_code(host, &mut phone);
        assert!(host.admin(&["check"]).expect_success().stdout.contains("a newer version"));
    });
}

#[test]
fn a_removal_is_forced_only_by_a_word_for_it_and_an_image_gets_no_key() {
    product::built();
    in_bare_box(|host| {
        let deb = package(host, "1.0", "/tmp/deb");
        let done = dpkg(host, &["TWOSTEP_NO_INIT=1"], &["-i", &deb]).expect_success();
        assert!(done.stdout.contains("TWOSTEP_NO_INIT") && !Path::new(KEY).exists(), "{done}");
        host.admin(&["init"]).expect_success();

        // A store that is missing is not made anew: that would let everybody in.
        std::fs::remove_file(STORE).expect("the store");
        let failed = dpkg(host, &[], &["--configure", "--pending"]);
        assert!(failed.success(), "nothing is pending: {failed}");
        let failed = dpkg(host, &[], &["-i", &deb]);
        assert!(!failed.success() && failed.stderr.contains("dpkg --configure twostep"), "{failed}");
        host.admin(&["init", "--new-store"]).expect_success();
        dpkg(host, &[], &["--configure", "twostep"]).expect_success();

        // Where systemd runs, the broker is started anew with its module, and stopped with it.
        std::fs::create_dir_all("/run/systemd/system").expect("a folder");
        std::fs::remove_file("/usr/sbin/policy-rc.d").expect("the box's own");
        host.command("mv", &["/usr/bin/systemctl", "/usr/bin/systemctl.real"]);
        host.write("/usr/bin/systemctl", "#!/bin/sh\necho \"$@\" >> /tmp/systemctl\n");
        host.set_mode("/usr/bin/systemctl", 0o755);
        dpkg(host, &[], &["-i", &deb]).expect_success();
        let told = host.read("/tmp/systemctl");
        assert!(told.contains("daemon-reload\n") && told.contains("restart twostepd.service\n"), "{told}");
        assert!(!told.lines().any(|line| line.starts_with("enable")), "{told}");
        let started = "--system is-enabled -- twostepd.socket\n";
        assert!(told.contains(started), "{told}");
        host.write("/tmp/systemctl", "");
        dpkg(host, &["TWOSTEP_NO_INIT=1"], &["-i", &deb]).expect_success();
        let told = host.read("/tmp/systemctl");
        assert!(told.contains("daemon-reload\n") && !told.contains(started), "{told}");

        host.write("/etc/pam.d/vpn", "auth required pam_twostep.so\n");
        host.write("/etc/pam.d/vpn.dpkg-old", "auth required pam_twostep.so\n");
        host.write("/etc/pam.d/mail", "auth required pam_deny.so\nauth include /etc/mail.stack # ours\n");
        host.write("/etc/mail.stack", "auth required pam_twostep.so app\n");
        let refused = dpkg(host, &[], &["--remove", "twostep"]);
        assert!(!refused.success() && !refused.stderr.contains("dpkg-old"), "{refused}");
        assert!(refused.stderr.contains("  /etc/pam.d/vpn\n  /etc/mail.stack\n"), "{refused}");
        assert!(!host.read("/tmp/systemctl").contains("disable"), "{}", host.read("/tmp/systemctl"));
        let done = dpkg(host, &["TWOSTEP_REMOVE_ANYWAY=1"], &["--remove", "twostep"]).expect_success();
        assert!(done.stderr.contains("  /etc/pam.d/vpn\n"), "{done}");
        assert_eq!(host.read("/etc/pam.d/vpn"), "auth required pam_twostep.so\n");
        let told = host.read("/tmp/systemctl");
        assert!(told.contains("disable --now --quiet twostepd.socket "), "{told}");
    });
}

/// Nothing that asks for a code is taken away by a removal that is then refused.
#[test]
fn a_removal_that_is_refused_leaves_every_line_of_pam_auth_updates_and_of_pam_enables() {
    product::built();
    in_bare_box(|host| {
        let deb = package(host, "1.0", "/tmp/deb");
        host.start_sshd("Include /etc/ssh/sshd_config.d/*.conf");
        dpkg(host, &[], &["-i", &deb]).expect_success();
        host.admin(&["pam", "enable", "sshd", "--yes"]).expect_success();
        let update = |arguments: &[&str]| {
            let command = [&["DEBIAN_FRONTEND=noninteractive", "pam-auth-update"], arguments].concat();
            host.command("env", &command).expect_success();
        };
        update(&["--enable", "twostep-app-passwords"]);
        let (auth, account) = ("/etc/pam.d/common-auth", "/etc/pam.d/common-account");
        // A line of the administrator's among those that pam-auth-update keeps: it leaves all files alone, and says nothing.
        let fallback = "# here's the fallback";
        let own = format!("auth optional pam_warn.so\n{fallback}");
        host.write(auth, &host.read(auth).replace(fallback, &own));
        let stacks =
            || [auth, account, SSHD, "/etc/ssh/sshd_config.d/00-twostep.conf"].map(|file| host.read(file));
        let before = stacks();
        let refused = dpkg(host, &[], &["--remove", "twostep"]);
        assert!(!refused.success() && refused.stderr.contains(&format!("  {auth}\n")), "{refused}");
        assert_eq!(stacks(), before);
        assert!(host.module_path().exists());

        // pam-auth-update breaks off half-way, with the first file done: what was on is put back, or it is said what is not.
        host.write(auth, &host.read(auth).replace("auth optional pam_warn.so\n", ""));
        let before = stacks();
        host.command("mkdir", &["/etc/pam.d/common-account.pam-new"]).expect_success();
        let refused = dpkg(host, &[], &["--remove", "twostep"]);
        assert!(!refused.success() && refused.stderr.contains(&format!("  {account}\n")), "{refused}");
        let [_, _, sshd, sshd_config] = stacks();
        assert_eq!([sshd, sshd_config], [before[2].clone(), before[3].clone()]);
        host.command("rmdir", &["/etc/pam.d/common-account.pam-new"]).expect_success();

        update(&["--enable", "twostep-app-passwords"]);
        assert_eq!(stacks(), before);

        // One file of several that `pam enable` has wired cannot be put back: the others, and the profiles, are as they were.
        let login = "/etc/pam.d/login";
        host.admin(&["pam", "enable", "login", "--yes"]).expect_success();
        let wired = host.read(login);
        host.command("mount", &["--bind", SSHD, SSHD]).expect_success();
        let refused = dpkg(host, &[], &["--remove", "twostep"]);
        assert!(!refused.success() && refused.stderr.contains(&format!("  {SSHD}\n")), "{refused}");
        assert_eq!(stacks(), before);
        assert_eq!(host.read(login), wired);
        host.command("umount", &[SSHD]).expect_success();

        dpkg(host, &[], &["--remove", "twostep"]).expect_success();
        for file in [auth, account, SSHD] {
            assert!(!host.read(file).contains("pam_twostep"), "{file}");
        }
    });
}

#[test]
fn the_package_holds_what_make_install_puts_in_place_and_is_the_same_each_time() {
    product::built();
    in_bare_box(|host| {
        let deb = package(host, "1.0", "/tmp/deb");
        // Whatever umask it is built with.
        for umask in ["000", "077"] {
            let again = package_under(host, umask, "1.0", "/tmp/again");
            host.command("cmp", &[&deb, &again]).expect_success();
        }

        let field = |name: &str| host.command("dpkg-deb", &["--field", &deb, name]).expect_success().stdout;
        for library in ["libc6", "libpam0g", "libpam-runtime"] {
            assert!(field("Depends").contains(library), "{}", field("Depends"));
        }
        host.command("dpkg-deb", &["--control", &deb, "/tmp/control"]).expect_success();
        assert_eq!(
            host.read("/tmp/control/conffiles"),
            "/etc/apparmor.d/abstractions/twostep\n/etc/fail2ban/filter.d/twostep.conf\n/etc/fail2ban/jail.d/twostep.conf\n/etc/pam.d/twostep\n/etc/twostep/config.toml\n"
        );
        for script in ["preinst", "postinst", "prerm", "postrm"] {
            host.command("sh", &["-n", &format!("/tmp/control/{script}")]).expect_success();
        }

        host.command("dpkg-deb", &["--extract", &deb, "/tmp/packed"]).expect_success();
        let target = format!("CARGO_TARGET_DIR={}", target());
        host.command("make", &["-C", &workspace(), "install", "DESTDIR=/tmp/installed", &target])
            .expect_success();
        let listing = |folder: &str| -> BTreeSet<String> {
            let script = "cd \"$1\" && find . -mindepth 1 -printf '%m %p\\n'";
            let done = host.command("sh", &["-c", script, "sh", folder]).expect_success();
            done.stdout.lines().filter(|line| !line.contains("usr/share/doc")).map(str::to_owned).collect()
        };
        assert_eq!(listing("/tmp/packed"), listing("/tmp/installed"));
        assert!(listing("/tmp/packed").iter().all(|line| !line.contains("master.key")));
        assert!(listing("/tmp/packed").contains("700 ./var/lib/twostep"));

        // Each shell's completions are there, and bash can read its own.
        for file in [
            "bash-completion/completions/twostep",
            "bash-completion/completions/twostep-admin",
            "zsh/vendor-completions/_twostep",
            "zsh/vendor-completions/_twostep-admin",
            "fish/vendor_completions.d/twostep.fish",
            "fish/vendor_completions.d/twostep-admin.fish",
        ] {
            let path = format!("/tmp/packed/usr/share/{file}");
            assert!(host.read(&path).contains("authenticator"), "{file}");
            if file.starts_with("bash") {
                host.command("bash", &["-n", &path]).expect_success();
            }
        }
    });
}

#[test]
fn the_rpm_has_the_same_files_its_scriptlets_and_no_need_of_a_newer_glibc() {
    product::built();
    in_bare_box(|host| {
        build(host, "022", "rpm/build.sh", &["RPM_VERSION=1.0", "RPM_PAYLOAD=w1.gzdio"], "/tmp/rpm");
        let query = |words: &[&str]| {
            let done = host.command("sh", &["-c", &format!("rpm -qp {} /tmp/rpm/*.rpm", words.join(" "))]);
            done.expect_success().stdout
        };
        let files = query(&["--list"]);
        for file in [
            "/usr/lib64/security/pam_twostep.so",
            "/usr/lib64/libnss_twostep.so.2",
            "/usr/sbin/twostep-admin",
            "/usr/lib/systemd/system/twostepd.socket",
            "/usr/lib/tmpfiles.d/twostep.conf",
            "/usr/share/selinux/packages/twostep.pp",
            "/usr/share/man/man8/twostep-admin.8",
            "/usr/share/zsh/site-functions/_twostep-admin",
        ] {
            assert!(files.lines().any(|line| line == file), "{file} is not in\n{files}");
        }
        assert!(!files.contains("master.key"), "{files}");
        assert_eq!(
            query(&["--configfiles"]),
            "/etc/fail2ban/filter.d/twostep.conf\n/etc/fail2ban/jail.d/twostep.conf\n/etc/pam.d/twostep\n/etc/twostep/config.toml\n"
        );
        let scripts = query(&["--scripts"]);
        for part in [
            "postinstall scriptlet (using /bin/sh)",
            "twostep-admin init",
            "preuninstall",
            "TWOSTEP_REMOVE_ANYWAY",
            "${maps%/maps}",
        ] {
            assert!(scripts.contains(part), "{part} is not in\n{scripts}");
        }

        // Red Hat's files below a root of their own.
        host.command("mkdir", &["-p", "/tmp/root"]).expect_success();
        let rpm = |words: &str| host.command("sh", &["-c", &format!("rpm --force-debian --nodeps {words}")]);
        rpm("--root /tmp/root --noscripts -i /tmp/rpm/*.rpm").expect_success();
        assert!(host.read("/tmp/root/etc/pam.d/twostep").contains("system-auth"));
        for module in ["security/pam_twostep.so", "libnss_twostep.so.2"] {
            let file = format!("/tmp/root/usr/lib64/{module}");
            let symbols = host.command("objdump", &["-T", &file]).expect_success().stdout;
            let newest = symbols.split("GLIBC_").skip(1).filter_map(version).max().expect("it needs glibc");
            // Of Red Hat's 9.
            assert!(newest <= (2, 34), "{module} needs glibc {newest:?}");
        }

        let preset = host.read("/tmp/root/usr/lib/systemd/system-preset/80-twostep.preset");
        assert!(preset.starts_with("enable twostepd.socket\n"), "{preset}");

        // And its scriptlets, run by rpm on the box itself.
        rpm("-i /tmp/rpm/*.rpm").expect_success();
        let enabled = Path::new("/etc/systemd/system/sockets.target.wants/twostepd.socket");
        assert!(enabled.is_symlink());
        assert!(Path::new(STORE).exists() && Path::new(KEY).exists());
        host.write("/etc/pam.d/vpn", "auth include parts/vpn\n");
        host.write("/etc/pam.d/parts/vpn", "auth required pam_twostep.so\n");
        let refused = rpm("-e twostep");
        assert!(!refused.success() && refused.stderr.contains("  /etc/pam.d/parts/vpn\n"), "{refused}");
        assert!(Path::new("/usr/lib64/security/pam_twostep.so").exists());
        host.command("rm", &["/etc/pam.d/vpn"]).expect_success();
        rpm("-e twostep").expect_success();
        assert!(!enabled.is_symlink());
        assert!(!Path::new("/usr/lib64/security/pam_twostep.so").exists() && Path::new(STORE).exists());
    });
}

/// What stands behind `GLIBC_`: major and minor.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}
