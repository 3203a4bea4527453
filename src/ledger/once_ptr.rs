//! A pointer that is null until somebody needs what it points to.
//!
//! Invariant: it is set once and never changes, so everybody who asks gets the
//! same answer for ever, and what it points to was complete before it was set.

use core::ptr;

use crate::sync::{AtomicPtr, Ordering};

/// Null, or set for ever. Zeroed memory is a valid one.
#[repr(transparent)]
pub(crate) struct OncePtr<T>(AtomicPtr<T>);

impl<T> OncePtr<T> {
    #[cfg(not(loom))]
    pub(crate) const fn null() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    #[cfg(loom)]
    pub(crate) fn null() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// What it was set to, or null.
    #[inline(always)]
    pub(crate) fn get(&self) -> *mut T {
        // Acquire: pairs with the Release in `get_or_make`.
        self.0.load(Ordering::Acquire)
    }

    /// What it was set to; if nothing yet, what `make` returns, unless that is
    /// null. If another thread is first, ours is handed to `discard`.
    pub(crate) fn get_or_make(
        &self,
        make: impl FnOnce() -> *mut T,
        discard: impl FnOnce(*mut T),
    ) -> *mut T {
        let there = self.get();
        if !there.is_null() {
            return there;
        }
        let fresh = make();
        if fresh.is_null() {
            return fresh;
        }
        // Release: pairs with the Acquire in `get`, what was made is there first.
        // Acquire: we use what the first made.
        match self.0.compare_exchange(ptr::null_mut(), fresh, Ordering::Release, Ordering::Acquire)
        {
            Ok(_) => fresh,
            Err(first) => {
                discard(fresh);
                first
            }
        }
    }
}
