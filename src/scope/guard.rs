//! The guard of a scope: puts back what was current when it was made.

use core::marker::PhantomData;

use crate::alloc::local::{Saved, local};
#[cfg(debug_assertions)]
use crate::ledger::fault::FAULTS;

/// Keeps a tag current on this thread until it is dropped.
///
/// Made by [`scope!`](crate::scope) and [`Tag::enter`](crate::Tag::enter). Drop
/// puts back what was current when the guard was made, whatever happened in
/// between, a panic included. That is right if guards are dropped **innermost first**,
/// as variables of a block are. It leaves the outer tag current, for good, if the
/// outer guard is dropped first:
///
/// - Guards in a tuple, an array, a `Vec` or the fields of a struct are dropped in the
///   order they are in, outermost first. Bind each to a variable of its own.
/// - Guards held across an `.await` of tasks that share a thread (`LocalSet`, `join!`,
///   futures under `block_on`) interleave. Let the future carry the scope:
///   [`in_scope`](crate::InScope::in_scope), `scope!("name", async { … })`.
/// - A forgotten guard leaves its tag current until an outer one is dropped.
///
/// [`Faults::guards_out_of_order`](crate::Faults) counts these drops where debug
/// assertions are on, as in tests; a release build has no instructions to spare for it.
/// Where the order is not certain, [`Tag::run`](crate::Tag::run) and the forms of
/// `scope!` with an expression have no guard.
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// # use heapledger::{Scope, Tag, TagId};
/// static OUTER: Tag = Tag::new("outer");
/// static INNER: Tag = Tag::new("inner");
///
/// let outer = OUTER.enter();
/// let inner = INNER.enter();
/// drop((inner, outer)); // not (outer, inner)
/// assert_eq!(Scope::current().tag_id(), TagId::UNTAGGED);
/// ```
#[must_use = "the scope ends when the guard is dropped: bind it, `let _scope = …;`"]
#[derive(Debug)]
pub struct ScopeGuard {
    saved: Saved,
    #[cfg(debug_assertions)]
    entered: u32,
    _on_this_thread: Stays<ScopeGuard>,
}

impl ScopeGuard {
    #[inline(always)]
    pub(crate) fn enter(tag: u32) -> Self {
        Self {
            saved: local().enter(tag),
            #[cfg(debug_assertions)]
            entered: tag,
            _on_this_thread: Stays::HERE,
        }
    }
}

impl Drop for ScopeGuard {
    #[inline(always)]
    fn drop(&mut self) {
        #[cfg(debug_assertions)]
        if local().tag() != self.entered {
            FAULTS.guards_out_of_order.raise();
        }
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
