//! Many processes at once on one store.

use twostep_tests::pam::{Code, Item, Stacks};
use twostep_tests::{child, in_box};

const PROCESSES: usize = 64;
const ROUNDS: usize = 20;

#[test]
fn of_64_processes_with_the_same_right_code_one_gets_in() {
    in_box(|host| {
        let stacks = Stacks::new().file("sshd", "auth required pam_twostep.so");
        for round in 0..ROUNDS {
            // A user a round: the next code of one and the same would be half a minute away.
            let user = format!("user{round}");
            host.add_user(&user, "correct horse");
            let code = host.enroll(&user).fresh_code();
            let codes = child::race(
                PROCESSES,
                |number| {
                    let mut pam = stacks.start_answering("sshd", &user, &code);
                    // Each from elsewhere, or after a few the throttle would refuse them without a look at the code.
                    pam.set_item(Item::Rhost, format!("203.0.113.{number}"));
                    pam
                },
                |mut pam| format!("{:?}", pam.authenticate(0)),
            );
            let success = format!("{:?}", Code::SUCCESS);
            let winners = codes.iter().filter(|code| **code == success).count();
            assert_eq!(winners, 1, "round {round}: {codes:?}");
        }
        let lines = host.log_lines();
        let count = |reason: &str| lines.iter().filter(|line| line.value("reason") == Some(reason)).count();
        assert_eq!((count("code"), count("code-replayed")), (ROUNDS, ROUNDS * (PROCESSES - 1)));
    });
}
