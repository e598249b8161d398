//! The wiring: PAM stacks as they are, and as they are to be.

pub(crate) mod host;
pub(crate) mod judge;
