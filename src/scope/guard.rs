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
    _on_this_thread: Stays<ScopeGuard>,
}

impl ScopeGuard {
    #[inline(always)]
    pub(crate) fn enter(tag: u32) -> Self {
        Self { saved: local().enter(tag), _on_this_thread: Stays::HERE }
    }
}

impl Drop for ScopeGuard {
    #[inline(always)]
    fn drop(&mut self) {
        local().leave(self.saved);
    }
}

/// Keeps what holds it on its thread, with reasons that the compiler prints. The
/// current tag is a thread's: a guard that went to another would end its scope
/// there, and leave it open here.
#[derive(Debug)]
pub(super) struct Stays<T>(PhantomData<*const T>);

impl<T> Stays<T> {
    pub(super) const HERE: Self = Self(PhantomData);
}

// SAFETY: nothing implements `LeavesItsThread` but a type without values. (A
// negative implementation says the same, but cannot say what to do instead.)
unsafe impl<T: LeavesItsThread> Send for Stays<T> {}

#[diagnostic::on_unimplemented(
    message = "a scope's guard can neither be held across an `.await` nor go to another thread",
    label = "this has to be `Send`, and holds a `ScopeGuard`",
    note = "let the future carry the scope: `future.in_scope(&TAG)`, or `scope!(\"name\", async {{ … }})`",
    note = "let other work take `Scope::current()` along, and enter it where it runs"
)]
trait LeavesItsThread {}

impl LeavesItsThread for core::convert::Infallible {}
