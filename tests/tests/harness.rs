//! The box itself, with nothing but Debian's own modules in it: what fails here is no fault of the product's.

use std::fs;
use std::net::TcpListener;

use twostep_tests::pam::{Code, Stacks};
use twostep_tests::{Console, Imap, OrDie, Ssh, child, in_bare_box, in_bare_box_after, product};

#[test]
fn what_a_box_writes_never_reaches_the_host() {
    let mark = "/etc/twostep-was-here";
    assert!(!fs::exists(mark).unwrap_or(true), "{mark} is left from somewhere");
    in_bare_box(|host| {
        host.write("/etc/twostep-was-here", "");
        host.write("/var/lib/twostep-was-here", "");
        TcpListener::bind("127.0.0.1:22").expect("port 22 is the box's own");
        assert_eq!(host.command("hostname", &[]).stdout, "box\n");
        assert_eq!(fs::read_dir("/sys").map(Iterator::count).unwrap_or(0), 0, "no sysfs of the host's");
    });
    assert!(!fs::exists(mark).unwrap_or(true), "{mark} is on the host");
    assert!(!fs::exists("/var/lib/twostep-was-here").unwrap_or(true));
}

/// What an administrator does on a host of theirs, by every way that there is.
const INSTALL_AND_USE: &str = r#"
set -eu
export DEBIAN_FRONTEND=noninteractive
dpkg --no-triggers --force-unsafe-io -i "$package"/twostep_*.deb
useradd --create-home --shell /bin/sh alice
usermod --append --groups adm alice
twostep-admin enroll alice --activate --no-qr
mkdir -p /etc/ssh/sshd_config.d
echo "Include /etc/ssh/sshd_config.d/*.conf" >/etc/ssh/sshd_config
twostep-admin pam enable sshd --yes
twostep-admin pam enable imap --app --yes
pam-auth-update --enable twostep-app-passwords
echo "auth required pam_twostep.so" >>/etc/pam.d/su
test -h /etc/systemd/system/sockets.target.wants/twostepd.socket
sed -i "s/^group:.*/& twostep/" /etc/nsswitch.conf
install -D /usr/sbin/twostep-admin /usr/local/sbin/twostep-admin
"#;

/// What the host has of the product, and who lives there, does not shine through.
#[test]
fn on_a_host_with_twostep_installed_a_box_begins_without_it() {
    product::built();
    let [package, _] = product::packages();
    in_bare_box_after(&format!("package={}\n{INSTALL_AND_USE}", package.display()), |host| {
        let find = ["/etc", "/usr", "/var", "-name", "*twostep*", "-not", "-name", "twostep-tests*"];
        assert_eq!(host.command("find", &find).expect_success().stdout, "");
        let named =
            host.command("grep", &["-rs", "twostep", "/etc/pam.d", "/etc/nsswitch.conf", "/var/lib/pam"]);
        assert_eq!(named.stdout, "");
        assert!(!host.command("dpkg-query", &["-W", "twostep"]).success());
        assert!(!host.read("/etc/group").contains("alice"));
        // What a test does in such a box: the same names, its own installation, folders that are moved about.
        host.add_user("alice", "correct horse");
        host.install_product();
        host.enroll("alice");
        fs::rename("/var/lib/twostep", "/var/lib/elsewhere").or_die("move the store's folder");
        fs::rename("/var/lib/elsewhere", "/var/lib/twostep").or_die("move it back");
        assert_eq!(host.admin_json(&["show", "alice"])["state"], "active");
    });
}

#[test]
#[should_panic(expected = "the box ended with status 101")]
fn a_panic_in_a_box_fails_its_test() {
    in_bare_box(|_| panic!("on purpose"));
}

#[test]
fn what_is_logged_is_read_with_facility_and_in_order() {
    in_bare_box(|host| {
        host.command("logger", &["-p", "authpriv.warning", "-t", "one", "first"]).expect_success();
        host.command("logger", &["-p", "daemon.info", "-t", "two", "second"]).expect_success();
        let lines = host.log_lines();
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["one: first", "two: second"]);
        assert_eq!((lines[0].facility, lines[0].severity), (twostep_tests::log::AUTHPRIV, 4));
    });
}

#[test]
fn sshd_asks_for_the_password_and_takes_only_the_right_one() {
    in_bare_box(|host| {
        host.add_user("alice", "correct horse");
        host.start_sshd("");
        let right = Ssh::to("alice").answers(&["correct horse"]).run("id -un");
        assert!(right.success, "{right:#?}");
        assert_eq!((right.stdout.as_str(), right.prompts.len()), ("alice\n", 1));
        assert!(!Ssh::to("alice").answers(&["wrong horse"]).run("true").success);
        host.wait_for_log(&["sshd", "authentication failure", "user=alice"]);
    });
}

#[test]
fn files_go_by_scp_and_sftp_and_a_key_opens_without_a_prompt() {
    in_bare_box(|host| {
        host.add_user("alice", "correct horse");
        host.start_sshd("");
        host.write("/tmp/sent", "by scp");
        assert!(Ssh::to("alice").answers(&["correct horse"]).scp("/tmp/sent", "got").success);
        assert_eq!(host.read("/home/alice/got"), "by scp");
        let sftp = Ssh::to("alice").answers(&["correct horse"]).sftp("put /tmp/sent again\n");
        assert!(sftp.success, "{sftp:#?}");
        assert_eq!(host.read("/home/alice/again"), "by scp");
        let key = host.give_key("alice");
        assert!(Ssh::to("alice").key(&key).run("true").success);
    });
}

#[test]
fn login_asks_on_a_terminal_and_asks_again_after_a_refusal() {
    in_bare_box(|host| {
        host.wire_login_without_us();
        host.add_user("alice", "correct horse");
        let mut console = Console::login();
        console.answer("login: ", "alice");
        console.answer("Password: ", "wrong horse");
        console.wait_for("Login incorrect");
        console.answer("login: ", "alice");
        console.answer("Password: ", "correct horse");
        console.wait_for("$ ");
        console.type_line("id -un");
        console.wait_for("\nalice");
    });
}

/// What was waited for, of whom, and what there was instead.
#[test]
fn a_wait_that_is_in_vain_tells_what_it_waited_for() {
    in_bare_box(|host| {
        host.command("logger", &["-p", "daemon.info", "-t", "one", "something else"]).expect_success();
        let waited = std::panic::catch_unwind(|| Console::open("/bin/echo", &["hello"]).wait_for("goodbye"));
        let told = waited.expect_err("it was never shown").downcast::<String>().expect("a message");
        for part in
            ["`/bin/echo hello` ended without showing \"goodbye\"", "hello\r\n", "one: something else"]
        {
            assert!(told.contains(part), "{part}: {told}");
        }
    });
}

#[test]
fn dovecot_takes_the_right_password_from_both_clients() {
    in_bare_box(|host| {
        host.write("/etc/pam.d/imap", "@include common-auth\n@include common-account\n");
        host.add_user("alice", "correct \"horse\" \\");
        host.start_dovecot();
        for client in [Imap::Imaplib, Imap::Curl] {
            let right = client.login("alice", "correct \"horse\" \\");
            assert!(right.success, "{client:?}: {right:?}\n{}", host.dovecot_log());
            assert!(!client.login("alice", "wrong horse").success);
        }
    });
}

#[test]
fn libpam_can_be_called_with_another_uid_and_by_many_at_once() {
    in_bare_box(|_| {
        let stacks = Stacks::new().only("open", "pam_permit.so");
        let code = child::run(|| {
            child::become_ids(65534, 65534, 65534, 65534);
            format!("{:?}", stacks.start("open", "root", []).authenticate(0))
        });
        assert_eq!(code, format!("{:?}", Code::SUCCESS));
        let codes = child::race(
            64,
            |_| stacks.start("open", "root", []),
            |mut pam| format!("{:?}", pam.authenticate(0)),
        );
        assert_eq!(codes, vec!["PAM_SUCCESS"; 64]);
    });
}
