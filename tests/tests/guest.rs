//! The module is a guest in sshd's and Dovecot's processes, and must leave them as it found them.

use twostep_tests::pam::{Code, Pam, Stacks};
use twostep_tests::process::{ForeignSqlite, dead_stack_holds, traces};
use twostep_tests::{child, in_box};

const ALL: &str =
    "auth required pam_twostep.so\naccount required pam_twostep.so\naccount optional pam_permit.so\n";

#[test]
fn the_module_shows_its_six_entry_points_and_nothing_else() {
    in_box(|host| {
        let module = host.module_path().display().to_string();
        let symbols = host.command("nm", &["-D", "--defined-only", &module]).expect_success();
        let names: Vec<&str> =
            symbols.stdout.lines().filter_map(|line| line.split(' ').next_back()).collect();
        assert_eq!(
            names,
            [
                "pam_sm_acct_mgmt",
                "pam_sm_authenticate",
                "pam_sm_chauthtok",
                "pam_sm_close_session",
                "pam_sm_open_session",
                "pam_sm_setcred"
            ]
        );
    });
}

/// A whole login: auth, account, end.
fn log_in(stacks: &Stacks, service: &str, user: &str, answer: &str) -> Code {
    let mut pam: Pam = stacks.start_answering(service, user, answer);
    let auth = pam.authenticate(0);
    let code = if auth == Code::SUCCESS { pam.acct_mgmt(0) } else { auth };
    pam.end();
    code
}

#[test]
fn a_login_leaves_its_host_process_as_it_was() {
    in_box(|host| {
        host.add_user("alice", "correct horse");
        let mut phone = host.enroll("alice");
        let app_password = host.add_app_password("alice", "phone");
        let stacks = Stacks::new()
            .only("nothing", "pam_permit.so")
            .file("sshd", ALL)
            .file("imap", "auth required pam_twostep.so app\naccount required pam_permit.so");
        // What libpam itself leaves is not ours to answer for.
        log_in(&stacks, "nothing", "alice", "");
        let before = traces();
        for (service, answer, expected) in [
            ("sshd", phone.fresh_code(), Code::SUCCESS),
            ("sshd", phone.wrong_code(), Code::AUTH_ERR),
            ("imap", app_password, Code::SUCCESS),
            ("imap", "correct horse".to_owned(), Code::AUTH_ERR),
        ] {
            assert_eq!(log_in(&stacks, service, "alice", &answer), expected, "{service}");
            assert_eq!(traces(), before, "{service}");
        }
    });
}

#[test]
fn what_was_typed_does_not_stay_on_the_stack() {
    in_box(|host| {
        host.add_user("alice", "correct horse");
        let code = host.enroll("alice").fresh_code();
        let app_password = host.add_app_password("alice", "phone");
        let found = child::run(|| {
            let stacks = Stacks::new()
                .file("sshd", ALL)
                .file("imap", "auth required pam_twostep.so app\naccount required pam_permit.so");
            let codes = [
                log_in(&stacks, "imap", "alice", &app_password),
                log_in(&stacks, "sshd", "alice", &code),
                log_in(&stacks, "imap", "alice", "wrongwrongwrongw"),
            ];
            let left =
                ["wrongwrongwrongw", &app_password, &code].map(|typed| dead_stack_holds(typed.as_bytes()));
            leave_behind(b"left on the stack");
            let control = dead_stack_holds(b"left on the stack");
            format!("{codes:?} {left:?} {control}")
        });
        assert_eq!(found, "[PAM_SUCCESS, PAM_SUCCESS, PAM_AUTH_ERR] [false, false, false] true");
    });
}

/// What a careless module does: shows that the look at the stack sees it.
#[inline(never)]
fn leave_behind(bytes: &[u8; 17]) {
    let mut buffer = [0_u8; 20_000];
    buffer[..17].copy_from_slice(bytes);
    std::hint::black_box(&buffer);
}

#[test]
fn it_gets_along_with_the_systems_own_sqlite() {
    in_box(|host| {
        host.add_user("alice", "correct horse");
        let code = host.enroll("alice").fresh_code();
        let told = child::run(|| {
            let stacks = Stacks::new().file("sshd", ALL);
            let sqlite = ForeignSqlite::load();
            let before = sqlite.works();
            let login = log_in(&stacks, "sshd", "alice", &code);
            format!("{before} {login:?} {}", sqlite.works())
        });
        assert_eq!(told, "true PAM_SUCCESS true");
    });
}
