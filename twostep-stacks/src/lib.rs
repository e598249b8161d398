//! PAM stacks, read and played as libpam 1.5.2 reads and plays them (pam.conf(5) says less than it does).
//!
//! Nothing here opens a file or loads a module: texts come from a [`Files`], and what modules return from the caller. A stack is read
//! into a [`Service`], one chain of [`Handler`]s a phase; [`play()`] runs a chain for given return values; [`ways_past`] looks for return
//! values with which a phase lets somebody in though a certain line was never asked.
//!
//! What libpam does with a stack that is wrong was tried out on libpam itself, and the end-to-end tests hold a corpus of stacks against
//! it.
#![forbid(unsafe_code)]

mod assemble;
mod code;
mod control;
mod lines;
mod modules;
mod parse;
mod play;
mod ways;

pub use assemble::{Fault, Files, Folders, Handler, MOST_LEVELS, Part, Place, Read, Service, read};
pub use code::Code;
pub use control::{Action, Control};
pub use modules::{results, takes_password};
pub use parse::{Entry, Include, Line, Phase, parse, parse_conf, unfinished_line};
pub use play::{Played, play};
pub use ways::{Asked, Role, TooMany, Way, can_return, ways_past};
