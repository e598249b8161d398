//! All unsafe code of this crate: the kernel calls a box is made of, and libpam's C interface.

pub(crate) mod kernel;
pub(crate) mod pam;
