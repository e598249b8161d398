//! On a clean Debian 12, booted with its own systemd: the package's whole life, and the quick starts word for word.

use std::fs;
use std::path::Path;
use std::process::Command;

use twostep_tests::fuse::flood;
use twostep_tests::wait::soon;
use twostep_tests::{Console, Done, Host, OrDie, Phone, RawLink, child, eventually, on_clean_host, product};

const PASSWORD: &str = "correct horse";
/// What the package starts.
const UNITS: &str = "twostepd.socket twostep-hooks.path twostep-hooks.timer";

/// A shell's line, as root types it in root's home.
fn sh(host: &Host, line: &str) -> Done {
    host.command("sh", &["-c", &format!("cd /root && {line}")])
}

/// Puts the package of one version where root's home is, and no other.
fn download(host: &Host, version: usize) {
    let folder = &product::packages()[version];
    sh(host, &format!("rm -f twostep_*.deb && cp {}/twostep_*.deb .", folder.display())).expect_success();
}

/// Somebody with a terminal, who types what a program on it asks for.
struct Typist {
    password: &'static str,
    phone: Option<Phone>,
    app_password: Option<String>,
    last_code: String,
}

impl Typist {
    fn new() -> Self {
        Self { password: PASSWORD, phone: None, app_password: None, last_code: String::new() }
    }

    fn fresh_code(&mut self) -> String {
        self.last_code = self.phone.as_mut().expect("somebody is enrolled").fresh_code();
        self.last_code.clone()
    }

    fn app_password(&self) -> &str {
        self.app_password.as_deref().expect("there is an app password")
    }

    /// Runs a line on a terminal and answers what it asks for, as whoever reads the documents would. Exit status and what was shown.
    fn run(&mut self, line: &str) -> (Option<i32>, String) {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir("/root").env("TERM", "dumb");
        let mut console = Console::start(command);
        let first = line.split_whitespace().take(2).collect::<Vec<_>>();
        match first[..] {
            ["passwd", _] => {
                console.answer("New password: ", self.password);
                console.answer("Retype new password: ", self.password);
            }
            ["twostep-admin", "enroll"] if !line.contains("--app-only") => {
                let shown = console.wait_for("Code that the authenticator shows: ");
                let secret = shown.lines().find_map(|line| line.strip_prefix("secret  "));
                self.phone = Some(Phone::new(&secret.expect("the secret is shown").trim().replace(' ', "")));
                let code = self.fresh_code();
                console.type_line(&code);
            }
            ["ssh", _] => {
                console.answer("continue connecting", "yes");
                console.answer("Password: ", self.password);
                let code = self.fresh_code();
                console.answer("Verification code: ", &code);
            }
            ["runuser", _] => {
                console.answer("Password: ", self.password);
                let code = self.fresh_code();
                console.answer("Verification code: ", &code);
            }
            ["twostep-admin", "pam"] if line.contains(" try imap") => {
                console.answer("Password: ", self.app_password());
            }
            ["twostep-admin", "pam"] if line.contains(" try ") => {
                console.answer("Password: ", self.password);
                let code = self.fresh_code();
                console.answer("Verification code: ", &code);
            }
            ["doveadm", "auth"] => console.answer("assword: ", self.app_password()),
            ["curl", _] => console.answer("password for user", self.app_password()),
            _ => {}
        }
        let status = console.end();
        let shown = console.shown().replace('\r', "");
        if line.starts_with("twostep-admin app-password add") {
            self.app_password =
                shown.lines().map(str::trim).find(|line| is_app_password(line)).map(str::to_owned);
        }
        (status, shown)
    }
}

fn is_app_password(line: &str) -> bool {
    let groups: Vec<&str> = line.split(' ').collect();
    groups.len() == 4
        && groups.iter().all(|group| group.len() == 4 && group.bytes().all(|b| b.is_ascii_lowercase()))
}

/// The blocks of a document that are to be typed, in order, each with its heading.
fn lines_to_type(document: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(document);
    let text = std::fs::read_to_string(&path).or_die(format_args!("read {}", path.display()));
    let (mut heading, mut block, mut blocks) = (String::new(), None, Vec::new());
    for line in text.lines() {
        match (line, &mut block) {
            ("```sh", None) => block = Some(Vec::new()),
            ("```", Some(lines)) => {
                blocks.push((heading.clone(), lines.join("\n")));
                block = None;
            }
            (line, Some(lines)) => lines.push(line),
            (line, None) => {
                if let Some(title) = line.strip_prefix("## ") {
                    title.clone_into(&mut heading);
                }
            }
        }
    }
    assert!(block.is_none() && blocks.len() > 10, "{document} has {} blocks", blocks.len());
    blocks
}

/// Types a whole document; `after` sees each line and what it showed. Every line's exit status must be 0.
fn follow(document: &str, typist: &mut Typist, mut after: impl FnMut(&mut Typist, &str, &str)) {
    for (heading, line) in lines_to_type(document) {
        let (status, shown) = typist.run(&line);
        assert_eq!(status, Some(0), "{document}, {heading}: {line}\n{shown}");
        after(typist, &line, &shown);
    }
}

/// Whether alice gets in by the password alone, which Debian's sshd has a method of its own for.
fn by_password() -> bool {
    by_ssh_with("password", &[("password: ", PASSWORD)]).0
}

/// Whether alice gets in by ssh with these answers; what she was shown.
fn by_ssh(answers: &[(&str, &str)]) -> (bool, String) {
    by_ssh_with("keyboard-interactive", answers)
}

fn by_ssh_with(method: &str, answers: &[(&str, &str)]) -> (bool, String) {
    let method = format!("PreferredAuthentications={method}");
    let mut command = Command::new("ssh");
    command.args(["-o", "StrictHostKeyChecking=no", "-o", &method]);
    command.args([
        "-o",
        "NumberOfPasswordPrompts=1",
        "-o",
        "PubkeyAuthentication=no",
        "alice@127.0.0.1",
        "true",
    ]);
    let mut console = Console::start(command);
    let asked = answers.iter().all(|(prompt, answer)| console.type_when_asked(prompt, answer));
    let status = console.end();
    (asked && status == Some(0), console.shown().to_owned())
}

/// Whether this password opens alice's mail.
fn by_imap(host: &Host, password: &str) -> bool {
    sh(host, &format!("curl --silent --insecure --user 'alice:{password}' imaps://localhost/")).success()
}

#[test]
fn a_clean_host_gets_the_package_signs_in_upgrades_goes_back_and_loses_it() {
    on_clean_host(|host| {
        let mut typist = Typist::new();
        let by_code = |typist: &mut Typist| {
            let (entered, shown) =
                by_ssh(&[("Password: ", PASSWORD), ("Verification code: ", &typist.fresh_code())]);
            assert!(entered, "{shown}");
        };
        sh(host, "apt-get update && apt-get install --yes openssh-server openssh-client dovecot-imapd curl")
            .expect_success();
        sh(host, "useradd --create-home --shell /bin/bash alice").expect_success();
        assert_eq!(typist.run("passwd alice").0, Some(0));
        let dovecot = "sed -i 's/^  #args = dovecot$/  args = session=yes %s/' /etc/dovecot/conf.d/auth-system.conf.ext";
        sh(host, &format!("{dovecot} && doveadm reload")).expect_success();
        assert!(by_password() && by_imap(host, PASSWORD));
        let stack = host.read("/etc/pam.d/sshd");

        // Installed: nothing is asked for yet.
        download(host, 0);
        sh(host, "apt-get install --yes ./twostep_*.deb").expect_success();
        assert_eq!(host.read("/etc/pam.d/sshd"), stack);
        assert!(by_password() && by_imap(host, PASSWORD));
        // But the broker can be asked, and what is to run at times does.
        sh(host, &format!("systemctl is-enabled {UNITS} twostep-roster.service")).expect_success();
        sh(host, &format!("systemctl is-active {UNITS}")).expect_success();

        // As in an image, which has neither key nor store: its first boot makes them, and no later one.
        let key = Path::new("/etc/twostep/master.key");
        sh(host, "rm -f /etc/twostep/master.key /var/lib/twostep/store.db* /var/lib/twostep-public/roster && systemctl enable twostep-init.service")
            .expect_success();
        sh(host, "systemctl start twostep-init.service").expect_success();
        assert!(key.exists() && Path::new("/var/lib/twostep/store.db").exists());
        assert!(!sh(host, "systemctl is-enabled twostep-init.service").success());
        sh(host, "twostep-admin check").expect_success();

        // Wired, enrolled, and used.
        sh(host, "twostep-admin pam enable sshd --yes && twostep-admin pam enable imap --app --yes")
            .expect_success();
        sh(host, "systemctl reload ssh").expect_success();
        assert_eq!(typist.run("twostep-admin enroll alice").0, Some(0));
        assert_eq!(typist.run("twostep-admin app-password add alice phone").0, Some(0));
        let works = |typist: &mut Typist| {
            by_code(typist);
            assert!(by_imap(host, typist.app_password()));
            assert!(!by_imap(host, PASSWORD));
            let (entered, shown) =
                by_ssh(&[("Password: ", PASSWORD), ("Verification code: ", &typist.last_code)]);
            assert!(!entered && shown.contains("Verification code: "), "{shown}");
        };
        works(&mut typist);

        // Upgraded, and back to what was there before. What the administrator has turned off stays off.
        sh(host, "systemctl disable --now twostep-hooks.timer && systemctl mask --now twostep-hooks.path")
            .expect_success();
        for (version, how) in [(1, ""), (0, "--allow-downgrades")] {
            download(host, version);
            sh(host, &format!("apt-get install --yes {how} ./twostep_*.deb")).expect_success();
            let installed = sh(host, "dpkg-query -W -f '${Version}' twostep").expect_success().stdout;
            assert_eq!(installed, product::VERSIONS[version]);
            let enabled = sh(host, &format!("systemctl is-enabled {UNITS} twostep-roster.service")).stdout;
            assert_eq!(enabled, "enabled\nmasked\ndisabled\nenabled\n");
            let active = sh(host, &format!("systemctl is-active {UNITS}")).stdout;
            assert_eq!(active, "active\ninactive\ninactive\n");
            works(&mut typist);
            sh(host, "twostep-admin check").expect_success();
        }

        // The whole host at once instead, by pam-auth-update, for which nothing was on until now.
        assert!(!host.read("/etc/pam.d/common-auth").contains("pam_twostep"));
        sh(host, "twostep-admin pam disable sshd --yes && twostep-admin pam disable imap --yes")
            .expect_success();
        let profiles =
            "DEBIAN_FRONTEND=noninteractive pam-auth-update --enable twostep-code twostep-app-passwords";
        sh(host, profiles).expect_success();
        // What Debian's sshd lacks for it is named, and proposed by the same command as ever.
        let checked = sh(host, "twostep-admin check");
        assert!(!checked.success() && checked.stdout.contains("no way to ask for a code"), "{checked:?}");
        sh(host, "twostep-admin pam enable sshd --yes && systemctl reload ssh && twostep-admin check")
            .expect_success();
        works(&mut typist);
        // And a service is wired by itself again, besides.
        sh(host, "DEBIAN_FRONTEND=noninteractive pam-auth-update --disable twostep-code").expect_success();
        sh(host, "twostep-admin pam enable sshd --yes && twostep-admin check").expect_success();
        works(&mut typist);

        // Removed: as it was before, with nobody locked out.
        sh(host, "apt-get remove --yes twostep").expect_success();
        assert_eq!(host.read("/etc/pam.d/sshd"), stack);
        assert!(!host.read("/etc/pam.d/common-auth").contains("pam_twostep"));
        assert!(!host.read("/etc/pam.d/common-account").contains("pam_twostep"));
        assert!(!Path::new("/etc/pam.d/imap").exists() && !host.module_path().exists());
        assert!(by_password() && by_imap(host, PASSWORD));
        assert!(!sh(host, "systemctl is-active twostepd.socket").success());
        sh(host, "systemctl unmask twostep-hooks.path").expect_success();
        let links = "find /etc/systemd /var/lib/systemd/deb-systemd-helper-enabled -name 'twostep*'";
        assert_eq!(sh(host, links).stdout, "");
        sh(host, "apt-get purge --yes twostep").expect_success();
        assert!(Path::new("/var/lib/twostep/store.db").exists());
        // Installed again where nothing may be started: all is enabled again, and nothing runs.
        download(host, 1);
        host.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n");
        host.set_mode("/usr/sbin/policy-rc.d", 0o755);
        sh(host, "apt-get install --yes ./twostep_*.deb").expect_success();
        sh(host, &format!("systemctl is-enabled {UNITS} twostep-roster.service")).expect_success();
        assert_eq!(sh(host, &format!("systemctl is-active {UNITS}")).stdout, "inactive\n".repeat(3));
        sh(host, "rm /usr/sbin/policy-rc.d && TWOSTEP_PURGE_STORE=1 apt-get purge --yes twostep")
            .expect_success();
        assert_eq!(sh(host, links).stdout, "");
        for gone in ["/var/lib/twostep", "/var/lib/twostep-public", "/etc/twostep", "/run/twostep"] {
            assert!(!Path::new(gone).exists(), "{gone}");
        }
        assert!(by_password() && by_imap(host, PASSWORD));
    });
}

#[test]
fn the_quick_start_for_ssh_works_word_for_word() {
    on_clean_host(|host| {
        download(host, 0);
        follow("quick-start-ssh.md", &mut Typist::new(), |typist, line, shown| match line {
            "twostep-admin explain alice sshd" => assert!(shown.contains("demand    code"), "{shown}"),
            "twostep-admin pam try sshd alice" => {
                assert!(shown.contains("alice is let in by sshd."), "{shown}")
            }
            "journalctl -t pam_twostep --since -10min" => {
                for from in ["unknown", "127.0.0.1"] {
                    let told = format!("result=accepted reason=code user=alice service=sshd from={from}");
                    assert!(shown.contains(&told), "{shown}");
                }
            }
            line if line.starts_with("ssh ") => {
                let code = typist.last_code.clone();
                let (entered, shown) = by_ssh(&[("Password: ", PASSWORD), ("Verification code: ", &code)]);
                assert!(!entered && shown.contains("That code was not accepted."), "{shown}");
            }
            _ => {}
        });
        assert!(by_password());
    });
}

#[test]
fn the_quick_start_for_mail_works_word_for_word() {
    on_clean_host(|host| {
        download(host, 0);
        follow("quick-start-mail.md", &mut Typist::new(), |typist, line, shown| match line {
            "doveconf -n passdb" => assert!(shown.contains("args = session=yes %s"), "{shown}"),
            "twostep-admin pam try imap alice" => {
                assert!(shown.contains("alice is let in by imap."), "{shown}")
            }
            "twostep-admin app-password revoke alice phone --yes" => {
                assert!(!by_imap(host, typist.app_password()))
            }
            line if line.starts_with("doveadm auth") => {
                assert!(shown.contains("alice auth succeeded"), "{shown}");
            }
            line if line.starts_with("curl") => {
                assert!(shown.contains("INBOX"), "{shown}");
                assert!(!by_imap(host, PASSWORD));
            }
            _ => {}
        });
        assert!(by_imap(host, PASSWORD));
    });
}

#[test]
fn the_quick_start_for_mixed_hosts_works_word_for_word() {
    on_clean_host(|host| {
        download(host, 0);
        follow("quick-start-mixed.md", &mut Typist::new(), |typist, line, shown| match line {
            line if line.starts_with("curl") => {
                assert!(shown.contains("INBOX"), "{shown}");
                assert!(!by_imap(host, PASSWORD));
            }
            line if line.starts_with("ssh ") => {
                // An app password opens no shell.
                let (entered, shown) = by_ssh(&[("Password: ", typist.app_password())]);
                assert!(!entered, "{shown}");
            }
            line if line.starts_with("runuser") => assert!(shown.contains("(alice)"), "{shown}"),
            _ => {}
        });
        // The last line has sshd start itself anew, which it does in its own time.
        eventually("sshd to take the password", || by_password().then_some(()));
        assert!(by_imap(host, PASSWORD));
    });
}

/// carol says su to alice, who is not enrolled; which twostepd is asked.
fn su_is_answered() {
    soon("su", || {
        let mut command = Command::new("runuser");
        command.args(["-u", "carol", "--", "su", "alice", "-c", "true"]).current_dir("/").env("TERM", "dumb");
        let mut console = Console::start(command);
        console.answer("Password: ", PASSWORD);
        assert_eq!(console.end(), Some(0), "{}", console.shown());
    });
}

/// Puts the package there, two people, and mallory.
fn with_mallory(host: &Host) {
    download(host, 1);
    sh(host, "apt-get update && apt-get install --yes ./twostep_*.deb").expect_success();
    for user in ["alice", "carol", "mallory"] {
        sh(host, &format!("useradd {user} && echo {user}:'{PASSWORD}' | chpasswd")).expect_success();
    }
}

/// From here on twostepd finds a kernel that cannot refuse messages with open files.
fn on_an_old_kernel(host: &Host) {
    fs::copy(env!("CARGO_BIN_EXE_on_old_kernel"), "/usr/local/sbin/on_old_kernel").or_die("copy a program");
    let folder = Path::new("/etc/systemd/system/twostepd.service.d");
    fs::create_dir(folder).or_die("make a folder");
    let start = "[Service]\nExecStart=\nExecStart=/usr/local/sbin/on_old_kernel /usr/sbin/twostepd\n";
    host.write(folder.join("old.conf"), start);
    sh(host, "systemctl daemon-reload").expect_success();
}

/// With the units as shipped: where messages with open files came before twostepd has ever told the socket to refuse them, and on a kernel
/// that cannot.
#[test]
fn files_that_are_never_closed_hold_up_neither_su_nor_a_restart() {
    on_clean_host(|host| {
        with_mallory(host);
        sh(host, "twostep-admin pam enable su --yes").expect_success();
        let attack = |is_first: bool| {
            sh(host, "systemctl restart twostepd.socket").expect_success();
            let sent = "/tmp/sent";
            let attack = flood(host.uid("mallory"), 1_200, sent);
            let all_sent = || eventually("mallory to send all", || fs::metadata(sent).ok().map(drop));
            if is_first {
                // Nobody but mallory is to have twostepd started.
                all_sent();
            }
            for _ in 0..3 {
                su_is_answered();
            }
            all_sent();
            su_is_answered();
            let stuck = || sh(host, "ps -eLo stat,args | grep -c '^D.*twostepd'").stdout.trim().to_owned();
            eventually("one thread to hang", || (stuck() == "1").then_some(()));
            soon("a restart", || sh(host, "systemctl restart twostepd").expect_success());
            su_is_answered();
            attack.kill();
            eventually("all to be closed", || (stuck() == "0").then_some(()));
            fs::remove_file(sent).or_die("remove a file");
        };
        attack(true);
        sh(host, "systemctl stop twostepd.socket").expect_success();
        on_an_old_kernel(host);
        attack(false);
    });
}

/// Where the socket is stopped, systemd closes the connections that wait to be accepted; mallory comes while twostepd brings its requests to their end.
/// Were systemd to close what she sends, it would hang, and the host with it: at the next reboot, for one.
#[test]
fn files_that_are_never_closed_do_not_hold_up_systemd() {
    on_clean_host(|host| {
        with_mallory(host);
        on_an_old_kernel(host);
        let mallory = host.uid("mallory");
        for stop in ["stop", "restart"] {
            sh(host, "systemctl restart twostepd.socket && systemctl start twostepd").expect_success();
            let open = "/run/open";
            host.write(open, "");
            let request = child::start(|| {
                child::become_ids(mallory, mallory, mallory, mallory);
                let link = RawLink::connect().or_die("connect");
                eventually("the end", || (!Path::new(open).exists()).then_some(()));
                drop(link);
                String::new()
            });
            // Before twostepd is told, while it is told, and after that.
            let (before, after) = ("/tmp/before", "/tmp/after");
            let first = flood(mallory, 20, before);
            eventually("mallory to send all", || fs::metadata(before).ok().map(drop));
            sh(host, &format!("systemctl {stop} --no-block twostepd.socket")).expect_success();
            let second = flood(mallory, 100, after);
            eventually("mallory to send all", || fs::metadata(after).ok().map(drop));
            // It waits in that state for a disk as well, but not whenever it is looked at.
            let mut stuck = 0;
            let hangs = eventually("systemd to be done", || {
                let systemd = fs::read_to_string("/proc/1/stat").or_die("look at systemd");
                if systemd.contains(") D ") {
                    stuck += 1;
                    std::thread::sleep(std::time::Duration::from_millis(50));
                    return (stuck > 200).then_some(true);
                }
                stuck = 0;
                let jobs = sh(host, "timeout 3 systemctl list-jobs").stdout;
                jobs.contains("No jobs").then_some(false)
            });
            for file in [open, before, after] {
                fs::remove_file(file).or_die("remove a file");
            }
            request.join();
            // Where it hangs, nothing else ends that, nor this test.
            first.kill();
            second.kill();
            assert!(!hangs, "systemd hangs at systemctl {stop}");
            let active = sh(host, "systemctl is-active twostepd.socket").stdout;
            assert_eq!(active, if stop == "stop" { "inactive\n" } else { "active\n" });
        }
        // For others the socket is what it was.
        let told = child::run(|| {
            child::become_ids(mallory, mallory, mallory, mallory);
            RawLink::connect().is_ok().to_string()
        });
        assert_eq!(told, "true");
        // A restart of twostepd alone closes it to nobody, not for a moment.
        sh(host, "systemctl restart twostepd && stat -c %a /run/twostep/twostepd.sock | grep -qx 666")
            .expect_success();
    });
}
