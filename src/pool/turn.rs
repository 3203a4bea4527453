//! Exclusive use of a thread's part of a pool, without an atomic instruction.
//!
//! The owner marks itself busy, then looks whether the part is open to it; whoever
//! wants it closes it, then looks whether the owner is busy. A barrier lies between
//! the two steps on both sides, so at least one sees the other; the taker pays for
//! both barriers (`alloc-sys/barrier`).
//!
//! Invariants: between `begin` and `end` nobody else uses the part. Between a
//! successful `Wish::take` and the drop of the wish nobody else does either.

use crate::sync::{AtomicU32, Ordering, light_barrier};

/// Not used yet: only the slow paths begin. What zeroed memory holds.
const FRESH: u32 = 0;
/// The owner's, fast paths included.
const OPEN: u32 = 1;
/// The owner's, by the slow paths only.
const OPEN_SLOW: u32 = 2;
/// Another thread wants it, or has it.
const WANTED: u32 = 3;

/// Who uses a thread's part of a pool.
pub(crate) struct Turn {
    /// 1 while the owner uses it. Written by the owner only.
    busy: AtomicU32,
    state: AtomicU32,
}

impl Turn {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self { busy: AtomicU32::new(0), state: AtomicU32::new(FRESH) }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self { busy: AtomicU32::new(0), state: AtomicU32::new(FRESH) }
    }

    /// Begins the owner's use, if the part is open. Called by the owner only, and
    /// not within itself.
    #[inline(always)]
    pub(crate) fn begin(&self) -> bool {
        self.begin_if(|state| state == OPEN)
    }

    /// Begins the owner's use, if nobody else wants the part.
    #[cfg_attr(loom, allow(dead_code))]
    pub(crate) fn begin_slow(&self) -> bool {
        self.begin_if(|state| state != WANTED)
    }

    #[inline(always)]
    fn begin_if(&self, may: impl FnOnce(u32) -> bool) -> bool {
        // Relaxed: the barrier orders it before the look.
        self.busy.store(1, Ordering::Relaxed);
        light_barrier();
        // Acquire: pairs with the Release in `Wish::drop`; what the taker did is done.
        if may(self.state.load(Ordering::Acquire)) {
            return true;
        }
        // Relaxed: nothing was done since `busy` was set.
        self.busy.store(0, Ordering::Relaxed);
        false
    }

    /// Ends the owner's use.
    #[inline(always)]
    pub(crate) fn end(&self) {
        // Release: pairs with the Acquire in `Wish::take`.
        self.busy.store(0, Ordering::Release);
    }

    /// Whether the part was never opened; asked by the owner.
    #[cfg_attr(loom, allow(dead_code))]
    pub(crate) fn is_fresh(&self) -> bool {
        // Relaxed: only the owner opens it.
        self.state.load(Ordering::Relaxed) == FRESH
    }

    /// Opens a fresh part to its owner, who calls this; true the first time.
    pub(crate) fn open(&self, fast: bool) -> bool {
        // Relaxed: the part's content goes with the thread number. A taker leaves a
        // fresh part alone.
        let fresh = self.state.load(Ordering::Relaxed) == FRESH;
        if fresh {
            self.state.store(if fast { OPEN } else { OPEN_SLOW }, Ordering::Relaxed);
        }
        fresh
    }

    /// Says that the calling thread wants the part; `None` if another one does, or if
    /// it was never opened. The heavy barrier has to follow before `Wish::take`.
    pub(crate) fn want(&self) -> Option<Wish<'_>> {
        let open = |state| state == OPEN || state == OPEN_SLOW;
        // Relaxed: the exchange decides.
        let state = Some(self.state.load(Ordering::Relaxed)).filter(|it| open(*it))?;
        // Acquire: pairs with the Release in `Wish::drop`, of an earlier taker. (The
        // barrier that follows would do, but not every race detector knows it.)
        let won = self.state.compare_exchange(state, WANTED, Ordering::Acquire, Ordering::Relaxed);
        // Made only if won: its drop opens the part.
        won.is_ok().then(|| Wish { turn: self, state })
    }
}

/// One thread's wish for another's part; until it is dropped the owner does
/// without.
pub(crate) struct Wish<'a> {
    turn: &'a Turn,
    /// What it was before.
    state: u32,
}

impl Wish<'_> {
    /// Whether the part is the wisher's now: the owner does not use it, and will
    /// not before the wish is dropped.
    pub(crate) fn take(&self) -> bool {
        // Acquire: pairs with the Release in `end`; what the owner did is done.
        self.turn.busy.load(Ordering::Acquire) == 0
    }
}

impl Drop for Wish<'_> {
    fn drop(&mut self) {
        // Release: pairs with the Acquires in `begin_if` and in `want`.
        self.turn.state.store(self.state, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use core::sync::atomic::AtomicBool;

    use heapledger_alloc_sys::barrier;

    use super::*;
    use crate::sync::UnsafeCell;

    /// What everybody adds to, without an atomic instruction.
    struct Sum(UnsafeCell<u64>);

    // SAFETY: used with the turn only; the test is about that.
    unsafe impl Sync for Sum {}

    impl Sum {
        fn add(&self) {
            self.0.with_mut(|sum| {
                // SAFETY: exclusive by the turn.
                let before = unsafe { sum.read_volatile() };
                (0..10).for_each(|_| core::hint::spin_loop());
                // SAFETY: as above.
                unsafe { sum.write_volatile(before + 1) };
            });
        }
    }

    #[test]
    fn an_owner_and_three_takers_never_meet() {
        if !barrier::heavy() {
            return;
        }
        let (turn, sum, done) = (Turn::new(), Sum(UnsafeCell::new(0)), AtomicBool::new(false));
        assert!(turn.open(true));
        let added = std::thread::scope(|scope| {
            let owner = scope.spawn(|| {
                let mut added = 0;
                while !done.load(Ordering::Relaxed) {
                    if turn.begin() {
                        sum.add();
                        turn.end();
                        added += 1;
                    }
                }
                added
            });
            let takers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        let mut added = 0;
                        for _ in 0..3_000 {
                            std::thread::yield_now();
                            let Some(wish) = turn.want() else { continue };
                            assert!(barrier::heavy());
                            if wish.take() {
                                sum.add();
                                added += 1;
                            }
                        }
                        added
                    })
                })
                .collect();
            let taken: u64 = takers.into_iter().map(|it| it.join().unwrap()).sum();
            done.store(true, Ordering::Relaxed);
            taken + owner.join().unwrap()
        });
        // SAFETY: nobody else is left.
        let sum = sum.0.with(|sum| unsafe { *sum });
        assert_eq!(sum, added, "two used it at one time");
    }
}
