//! Room in the table of tags while others read it.
//!
//! Numbers do not change hands during a reading. That a table full of tags that
//! ended, and readings without end, keep each other so, is prevented here, where one
//! may wait: who needs a number waits for the readings under way, and who would read
//! lets the ends go first that were put off. Both for a bounded time.

use std::thread;

use crate::ledger::leases::{Lease, NoLease};
use crate::ledger::name::TagError;
use crate::ledger::registry::{self, Reading, TAGS};

/// How often a reader lets others run, and how often who needs a number does: some
/// ten milliseconds, as every attempt looks at orphans. (No sleep: it may panic.)
const READER_YIELDS: usize = 100;
const YIELDS: usize = 4000;

/// The id of a permanent tag, new or known; the only error is that the table is full.
pub(crate) fn intern(tag: &str) -> Result<u16, TagError> {
    match TAGS.intern(tag) {
        Err(TagError::TableFull) => intern_in_full_table(tag),
        result => result,
    }
}

#[cold]
fn intern_in_full_table(tag: &str) -> Result<u16, TagError> {
    let interned = attempts(|| {
        let (_, put_off) = registry::end_orphans();
        match TAGS.intern(tag) {
            Err(TagError::TableFull) if put_off => None,
            result => Some(result),
        }
    });
    interned.unwrap_or(Err(TagError::TableFull))
}

/// An id for a short-lived tag; `None` if there is none.
pub(crate) fn lease(tag: &str, parent: u16) -> Option<Lease> {
    attempts(|| match registry::lease(tag, parent) {
        Ok(lease) => Some(Some(lease)),
        Err(NoLease::Full) => Some(None),
        Err(NoLease::PutOff) => None,
    })?
}

/// Begins a reading.
#[inline]
pub(crate) fn reading() -> Reading {
    if registry::should_give_way() {
        give_way();
    }
    registry::reading()
}

#[cold]
fn give_way() {
    for attempt in 1..=READER_YIELDS {
        if registry::give_way(attempt == READER_YIELDS) {
            return;
        }
        thread::yield_now();
    }
}

/// Tries until there is a result, for a bounded time.
fn attempts<R>(mut attempt: impl FnMut() -> Option<R>) -> Option<R> {
    for _ in 0..YIELDS {
        if let Some(result) = attempt() {
            return Some(result);
        }
        thread::yield_now();
    }
    None
}
