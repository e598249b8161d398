//! The command as an administrator runs it: what it prints, its exit status, and what it leaves in the store. Each test has a
//! store of its own, needs no root, and asks for real accounts (root, daemon) only by name.

mod app_passwords;
mod break_glass;
mod check;
mod check_neighbours;
mod check_one_prompt;
mod check_played;
mod check_rules;
mod codes;
mod config_check;
mod config_edit;
mod enroll;
mod every_finding;
mod explain;
mod host_wide;
mod hotp;
mod origin;
mod pam;
mod place;
mod report;
mod schema;
mod settle;
mod terminal;
mod trusted_devices;
mod usage;
mod virtual_users;
