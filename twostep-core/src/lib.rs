//! The decisions of twostep.
//!
//! Everything that happens at a login follows from two pure functions: [`decide::decide`] says what is demanded of the person
//! who signs in, [`verify::verify`] judges her answer. Neither reads a clock, a file, a socket or the environment; whatever they
//! need is an argument. [`login`] plays a whole login over the [`ports`], so that it can be played in a unit test too.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod access;
pub mod account;
pub mod app_password;
pub mod attempt;
pub mod backup_code;
pub mod break_glass;
pub mod change;
pub mod config;
pub mod crypto;
pub mod decide;
pub mod device;
pub mod event;
pub mod hook;
pub mod hotp;
pub mod key_uri;
pub mod known_services;
pub mod likeness;
pub mod log_line;
pub mod login;
pub mod memory_hard;
pub mod name;
pub mod network;
pub mod place;
pub mod policy;
pub mod ports;
pub mod protocol;
pub mod random;
pub mod rule;
pub mod schedule;
pub mod scope;
pub mod secret;
pub mod spelling;
mod ssh_key;
pub mod text;
pub mod throttle;
pub mod time;
pub mod totp;
pub mod verify;
pub mod verify_app;
mod who;
