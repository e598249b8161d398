//! `make bench`: what a login costs, ours beside the rivals' in the same run.
//!
//! | started as | what it does |
//! |---|---|
//! | `twostep-bench` | logins through the real libpam, in a throw-away root (as root) |
//! | `twostep-bench --broker` | what the broker costs beside logins in process, how much it takes, its memory (as root) |
//! | `twostep-bench --mail` | logins a second through a real Dovecot, 8 in flight, beside pam_permit and pam_unix (as root) |
//! | `twostep-bench --roster` | somebody's groups from the roster beside the host's files, and what an enrollment costs (as root) |
//! | `twostep-bench --store` | what SQLite's journal modes and page sizes cost; the choice stands in docs/store.md |
//! | `twostep-bench --login` | one login, told on stdin; how the first form makes a fresh process |
//!
//! It fails where a login comes out otherwise than it should, never because of a figure.
#![forbid(unsafe_code)]
// The clock is what this program is about, and its own place in the file system tells it where the disk is.
#![allow(clippy::disallowed_methods)]

mod auth_client;
mod broker;
mod contest;
mod journal;
mod login;
mod mail;
mod median;
mod report;
mod rivals;
mod roster;
mod site;
mod users;

use std::process::ExitCode;
use twostep_tests::program_in_box;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => program_in_box(|host| {
            let site = site::Site::set_up(host);
            let figures = contest::run(&site);
            site.clear();
            report::print(&figures);
            ExitCode::SUCCESS
        }),
        Some("--broker") => program_in_box(|host| {
            broker::run(host);
            ExitCode::SUCCESS
        }),
        Some("--mail") => program_in_box(|host| {
            mail::run(host);
            ExitCode::SUCCESS
        }),
        Some("--roster") => program_in_box(|host| {
            roster::run(host);
            ExitCode::SUCCESS
        }),
        Some("--store") => {
            journal::run();
            ExitCode::SUCCESS
        }
        Some("--login") => login::one_from_stdin(),
        Some(_) => {
            eprintln!("twostep-bench: --broker, --mail, --roster, --store or nothing");
            ExitCode::from(2)
        }
    }
}
