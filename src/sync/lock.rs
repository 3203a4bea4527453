//! A lock for the ordinary world, real or modelled; nothing of the allocator's
//! hook may take it.
//!
//! It knows no poison: what it guards is changed by this crate's own code only,
//! which does not panic half-way, and never while user code runs.

use std::sync::PoisonError;

#[cfg(not(loom))]
use std::sync as base;

#[cfg(loom)]
use super::loom_sync as base;

pub(crate) struct Mutex<T>(base::Mutex<T>);

impl<T> Mutex<T> {
    #[cfg(not(loom))]
    pub(crate) const fn new(value: T) -> Self {
        Self(base::Mutex::new(value))
    }

    #[cfg(loom)]
    pub(crate) fn new(value: T) -> Self {
        Self(base::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> base::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
