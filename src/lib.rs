//! heapledger

#[cfg(not(loom))]
mod alloc;
#[cfg(not(loom))]
mod error;
mod ledger;
#[cfg(not(loom))]
mod scope;
mod sync;

pub use ledger::name::TagError;
#[cfg(not(loom))]
pub use {
    alloc::Allocator,
    error::{Error, ErrorKind},
    ledger::Counts,
    ledger::fault::{Faults, faults},
    ledger::name::TAG_NAME_MAX_BYTES,
    scope::{ScopeGuard, Tag, TagId},
};

/// The backends, for [`Allocator::with_backend`].
pub mod backend {
    pub use heapledger_alloc_sys::*;
}
