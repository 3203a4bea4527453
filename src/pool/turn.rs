//! Exclusive use of a thread's part of a pool, without an atomic instruction.
//!
//! The owner marks itself busy, then looks whether somebody wants the part; whoever
//! wants it says so, then looks whether the owner is busy. A barrier lies between
//! the two steps on both sides, so at least one sees the other; the taker pays for
//! both barriers (`alloc-sys/barrier`).
//!
//! Invariants: between `begin` and `end` nobody else uses the part. Between a
//! successful `Wish::take` and the drop of the wish nobody else does either.

use crate::sync::{AtomicU32, Ordering, light_barrier};

/// Who uses a thread's part of a pool.
pub(super) struct Turn {
    /// 1 while the owner uses it. Written by the owner only.
    busy: AtomicU32,
    /// 1 while another thread wants it, or has it.
    wanted: AtomicU32,
}

impl Turn {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self { busy: AtomicU32::new(0), wanted: AtomicU32::new(0) }
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self { busy: AtomicU32::new(0), wanted: AtomicU32::new(0) }
    }

    /// Begins the owner's use; false if somebody wants the part, or has it: then
    /// the owner does without. Called by the owner only, and not within itself.
    #[inline(always)]
    pub(super) fn begin(&self) -> bool {
        // Relaxed: the barrier orders it before the look.
        self.busy.store(1, Ordering::Relaxed);
        light_barrier();
        // Acquire: pairs with the Release in `Wish::drop`; what the taker did is done.
        if self.wanted.load(Ordering::Acquire) == 0 {
            return true;
        }
        // Relaxed: nothing was done since `busy` was set.
        self.busy.store(0, Ordering::Relaxed);
        false
    }

    /// Ends the owner's use.
    #[inline(always)]
    pub(super) fn end(&self) {
        // Release: pairs with the Acquire in `Wish::take`.
        self.busy.store(0, Ordering::Release);
    }

    /// Says that the calling thread wants the part; `None` if another one does.
    /// The heavy barrier has to follow before `Wish::take`.
    pub(super) fn want(&self) -> Option<Wish<'_>> {
        // Acquire: pairs with the Release in `Wish::drop`, of an earlier taker.
        let won = self.wanted.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed);
        won.is_ok().then_some(Wish { turn: self })
    }
}

/// One thread's wish for another's part; until it is dropped the owner does
/// without.
pub(super) struct Wish<'a> {
    turn: &'a Turn,
}

impl Wish<'_> {
    /// Whether the part is the wisher's now: the owner does not use it, and will
    /// not before the wish is dropped.
    pub(super) fn take(&self) -> bool {
        // Acquire: pairs with the Release in `end`; what the owner did is done.
        self.turn.busy.load(Ordering::Acquire) == 0
    }
}

impl Drop for Wish<'_> {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `begin` and in `want`.
        self.turn.wanted.store(0, Ordering::Release);
    }
}
