//! The guards of short-lived tags: nobody else gets the number while it is current.

use crate::alloc::local::{Saved, local};
use crate::ledger::cell::CELL_BYTES;
use crate::ledger::fault::FAULTS;
use crate::ledger::leases::Lease;
use crate::ledger::registry::{self, TAGS};

use super::ScopeGuard;
use super::guard::Stays;

/// Keeps a scope current on this thread until it is dropped, and a short-lived tag's
/// number from being given to another.
///
/// Made by [`EphemeralTag::enter`](crate::EphemeralTag::enter) and [`Scope::enter`](crate::Scope::enter). Drop
/// puts back what was current when the guard was made, as [`ScopeGuard`] does.
///
/// Guards of short-lived tags want to be dropped in order, innermost first, which is
/// what scopes do by themselves. One that is dropped while an inner scope of the same
/// thread is open keeps the tag's number in use for good, because the inner one may
/// make the tag current again; a guard that is forgotten does so too, for its own tag
/// and for those of the short-lived scopes around it. Nothing is lost from any total,
/// and nothing is booked to a stranger: the number is just never used again, and
/// [`Faults::ephemeral_guards_out_of_order`](crate::Faults) counts it.
#[must_use = "the scope ends when the guard is dropped: bind it, `let _scope = …;`"]
#[derive(Debug)]
pub struct HeldScopeGuard {
    open: Open,
}

impl HeldScopeGuard {
    /// Makes a lease current that the caller holds; from here on the guard does.
    #[inline]
    pub(super) fn enter(lease: Lease) -> Self {
        Self { open: Open::enter(lease) }
    }
}

impl Drop for HeldScopeGuard {
    #[inline]
    fn drop(&mut self) {
        if self.open.leave() && !self.open.lease.is_permanent() {
            registry::let_go(self.open.lease);
        }
    }
}

/// The same for a handle that outlives the scope, and so holds for both. Not to be
/// handed out: it must not be forgotten.
#[derive(Debug)]
pub(super) struct LentScopeGuard {
    open: Open,
}

impl LentScopeGuard {
    #[inline]
    pub(super) fn enter(lease: Lease) -> Self {
        Self { open: Open::enter(lease) }
    }
}

impl Drop for LentScopeGuard {
    #[inline]
    fn drop(&mut self) {
        if !self.open.leave() && !self.open.lease.is_permanent() {
            // For good: see `HeldScopeGuard`.
            TAGS.hold(self.open.lease);
        }
    }
}

/// A scope that is open.
#[derive(Debug)]
struct Open {
    saved: Saved,
    lease: Lease,
    /// How many scopes of short-lived tags were open with it.
    depth: u32,
    _on_this_thread: Stays<ScopeGuard>,
}

impl Open {
    #[inline]
    fn enter(lease: Lease) -> Self {
        let local = local();
        let depth = if lease.is_permanent() { 0 } else { local.deepen() };
        let saved = local.enter(u32::from(lease.id) * CELL_BYTES);
        Self { saved, lease, depth, _on_this_thread: Stays::HERE }
    }

    /// Puts back what was current; says whether nobody else will make the tag
    /// current again. The tag is still held when a signal handler comes in between.
    #[inline]
    fn leave(&self) -> bool {
        let local = local();
        let is_innermost = self.lease.is_permanent()
            || local.surface(self.depth, u32::from(self.lease.id) * CELL_BYTES);
        local.leave(self.saved);
        if !is_innermost {
            FAULTS.ephemeral_guards_out_of_order.raise();
        }
        is_innermost
    }
}
