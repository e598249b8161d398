//! The box harness: what twostep's end-to-end tests and its demo run in.
//!
//! A test calls [`in_box`] and gets a [`Host`]: a throw-away copy of this machine with the product installed, whose sshd, login
//! and Dovecot are the real ones.
//!
//! ```no_run
//! # use twostep_tests::{in_box, Ssh};
//! #[test]
//! fn a_user_who_is_not_enrolled_gets_in_with_the_password() {
//!     in_box(|host| {
//!         host.add_user("bob", "correct horse");
//!         host.wire_sshd();
//!         host.start_sshd("");
//!         assert!(Ssh::to("bob").answers(&["correct horse"]).run("true").success);
//!     });
//! }
//! ```
//!
//! The box has its own mount, pid, network, uts and ipc namespaces. Its root is an overlay over the live `/`: what the test
//! writes to `/etc` or anywhere else goes to a tmpfs that is gone afterwards, no service package is ever installed on the host,
//! and nothing listens outside of the box. Making one takes root; see [`in_box`].
//!
//! | module | what |
//! |---|---|
//! | [`boxes`] | a test, run again inside of fresh namespaces |
//! | `root`, `base` | the file system of a box, and the cached layer with the service packages |
//! | `pristine` | what is taken out of a box's root, so that it does not matter what is installed on this host and who lives there |
//! | `clean` | a clean Debian that boots with its own systemd |
//! | [`product`] | the module and the command, built from this workspace |
//! | [`host`], [`wiring`], [`log`] | what a test does with its box: people, files, PAM stacks, the log |
//! | [`ssh`], [`console`], [`mail`] | real servers and real clients |
//! | [`granted`], [`postgres`], [`exim`] | real servers that ask twostepd, being users of their own |
//! | [`pam`], [`child`] | a caller of libpam for return values, forked children for other uids and for races |
//! | [`broker`], [`callers`], [`own`] | twostepd, and those who ask it: su, sudo, the users' own command |
//! | [`fuse`] | files that are never closed |
//! | [`groups`] | groups as glibc finds them |
//! | [`process`] | what a guest leaves behind in its host process |
//! | [`screen`] | real xterms, and what a camera reads on them |
//! | [`phone`] | the authenticator on the user's side |

// The harness is the edge: it waits with deadlines, reads what cargo passes in the environment, and asks the clock for the
// codes it types. None of it is ever part of the product.
#![allow(clippy::disallowed_methods)]

mod base;
pub mod boxes;
pub mod broker;
pub mod callers;
pub mod child;
mod clean;
pub mod command;
pub mod console;
pub mod exim;
mod ffi;
pub mod fuse;
pub mod granted;
pub mod groups;
pub mod host;
pub mod log;
pub mod mail;
pub mod own;
pub mod pam;
pub mod phone;
mod places;
pub mod postgres;
mod pristine;
pub mod process;
pub mod product;
mod root;
pub mod screen;
pub mod security_key;
pub mod ssh;
pub mod wait;
pub mod wiring;

pub use boxes::{in_bare_box, in_bare_box_after, in_box, on_clean_host, program_in_box};
pub use broker::{Broker, FalseBroker, RawLink};
pub use command::Done;
pub use console::Console;
pub use host::Host;
pub use log::LogLine;
pub use mail::Login;
pub use mail::clients::MailClient;
pub use mail::dovecot::Dovecot;
pub use mail::imap::{Imap, ImapSession};
pub use phone::Phone;
pub use postgres::Database;
pub use ssh::Ssh;
pub use wait::{OrDie, eventually};
