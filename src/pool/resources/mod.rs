//! Things with a cleanup, by id: one user at a time, cleaned up once.
//!
//! `slot` is one resource, and is modelled in `src/tests`; the rest is the register.

#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod guard;
#[cfg(not(loom))]
mod register;
pub(crate) mod slot;

#[cfg(not(loom))]
pub use {
    error::ResourceError,
    guard::ResourceGuard,
    register::{Cleanup, ResourceStatistics, Resources},
};
