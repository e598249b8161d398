//! All unsafe code of this crate: the kernel calls a box is made of, libpam's C interface, and glibc's look-ups of groups.

pub(crate) mod kernel;
pub(crate) mod names;
pub(crate) mod pam;
