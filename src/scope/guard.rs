//! The guard of a scope: puts back what was current when it was made.

use core::marker::PhantomData;

use crate::alloc::local::{Saved, local};

/// Keeps a tag current on this thread until it is dropped.
///
/// Made by [`scope!`](crate::scope) and [`Tag::enter`](crate::Tag::enter). Drop
/// puts back what was current when the guard was made, whatever happened in
/// between: after a panic, out of order, or after an inner guard was forgotten.
/// A forgotten guard leaves its tag current until an outer one is dropped.
#[must_use = "the scope ends when the guard is dropped: bind it, `let _scope = …;`"]
#[derive(Debug)]
pub struct ScopeGuard {
    saved: Saved,
    /// The current tag is a thread's: a guard must not go to another.
    not_send: PhantomData<*const ()>,
}

impl ScopeGuard {
    #[inline(always)]
    pub(crate) fn enter(tag: u32) -> Self {
        Self { saved: local().enter(tag), not_send: PhantomData }
    }
}

impl Drop for ScopeGuard {
    #[inline(always)]
    fn drop(&mut self) {
        local().leave(self.saved);
    }
}
