//! Many processes at once on one store.

use twostep_tests::pam::{Code, Text};
use twostep_tests::pam::{Stacks, error, hidden};
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
                |_| stacks.start("sshd", &user, [hidden("Verification code: ", &code), error(Text::Any)]),
                |mut pam| format!("{:?}", pam.authenticate(0)),
            );
            let success = format!("{:?}", Code::SUCCESS);
            let winners = codes.iter().filter(|code| **code == success).count();
            assert_eq!(winners, 1, "round {round}: {codes:?}");
        }
    });
}
