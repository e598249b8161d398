//! Reading and sending mail: real servers and the programs that people have for them.
//!
//! | module | what |
//! |---|---|
//! | [`dovecot`] | IMAP, POP3, submission and ManageSieve, and who may send by Postfix |
//! | [`postfix`] | SMTP, with Dovecot to ask for passwords |
//! | [`imap`] | IMAP clients |
//! | [`clients`] | one or two clients for each service |

pub mod clients;
pub mod dovecot;
pub mod imap;
pub mod postfix;

use std::process::Command;

use crate::command;

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Whether the login was accepted.
    pub success: bool,
    /// The server's or the client's words about it.
    pub said: String,
}

/// Runs a client written in Python, which is given user and password on stdin and ends with status 0 for accepted, 1 for refused.
#[track_caller]
fn python(script: &str, arguments: &[&str], user: &str, password: &str) -> Login {
    let mut python = Command::new("/usr/bin/python3");
    python.arg("-c").arg(script).args(arguments).current_dir("/");
    let done = command::run_with_input(&mut python, &format!("{user}\n{password}\n"));
    // Python's own exit status for an uncaught exception is 1 as well.
    assert!(
        done.status <= 1 && done.stderr.is_empty(),
        "a client in Python did not get to an answer: {done}\n{}",
        servers_logs()
    );
    Login { success: done.success(), said: done.stdout.trim().to_owned() }
}

/// Runs another client and tells by its exit status whether it got in; every status but these is a broken test.
#[track_caller]
fn judge(command: &mut Command, input: &str, accepted: &[i32], refused: i32) -> Login {
    let done = command::run_with_input(command.current_dir("/"), input);
    let success = accepted.contains(&done.status);
    assert!(
        success || done.status == refused,
        "a client got neither in nor refused: {done}\n{}",
        servers_logs()
    );
    Login { success, said: format!("{}{}", done.stdout, done.stderr).trim().to_owned() }
}

fn servers_logs() -> String {
    let logs = ["/var/log/dovecot.log", "/var/log/postfix.log"];
    logs.map(|log| format!("{log}:\n{}", std::fs::read_to_string(log).unwrap_or_default())).concat()
}
