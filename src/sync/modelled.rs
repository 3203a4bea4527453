//! loom's atomics, and what the models in `src/tests` ask of them beyond loom.
//!
//! **Mutants.** A run may weaken one operation of the shipped source, named by
//! its file and by text that only its line has. So a mutant is the shipped code
//! with one ordering or one step changed, and nothing in that code knows of it.
//!
//! **Exchanges.** loom remembers one last access per atomic: a thread that loads a
//! word and then exchanges it hides other threads' earlier accesses, and whole
//! interleavings are never tried (tokio-rs/loom issues 166 and 392). So a model
//! runs twice: with loads as they are, which may return stale values, and with
//! each load as an exchange of nothing, which hides nothing. In the second, stores
//! are exchanges as well, because loom does not order a plain store after an
//! exchange that it follows (issue 389). Counters stay out of it: their owners'
//! loads are not atomic.
//!
//! loom treats `SeqCst` as `AcqRel`; nothing in the ledger uses it.

#![cfg_attr(not(test), allow(dead_code, reason = "the models use it"))]

use core::panic::Location;
use std::cell::Cell;

use super::loom_atomic;

pub(crate) use super::loom_atomic::Ordering;

/// What a mutant does to the operation it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Its ordering becomes Relaxed; of an exchange, the one if it succeeds.
    Relaxed,
    /// The ordering of an exchange that fails becomes Relaxed.
    FailureRelaxed,
    /// A read-modify-write becomes a load and a store.
    Split,
    /// A `fence`, or what follows a `step`, is left out.
    LeftOut,
}

/// What is different about a run.
#[derive(Clone, Copy, Default)]
pub(crate) struct Run {
    /// File, line and change.
    pub(crate) mutant: Option<(&'static str, u32, Change)>,
    /// Whether loads and stores are exchanges.
    pub(crate) exchanges: bool,
    /// Operations the mutant met.
    pub(crate) mutated: usize,
    /// Loads that were exchanges, or would be if it were asked for.
    pub(crate) loads: usize,
}

thread_local! {
    // loom runs all threads of a model on the test's own thread.
    static RUN: Cell<Run> = const {
        Cell::new(Run { mutant: None, exchanges: false, mutated: 0, loads: 0 })
    };
}

/// Begins a run; returns the one before.
pub(crate) fn begin(run: Run) -> Run {
    RUN.replace(run)
}

/// Whether the mutant makes this change to the operation that called.
#[track_caller]
fn mutates(change: Change) -> bool {
    let here = Location::caller();
    let mut run = RUN.get();
    let met = run.mutant.is_some_and(|(file, line, what)| {
        what == change && line == here.line() && here.file().ends_with(file)
    });
    run.mutated += usize::from(met);
    RUN.set(run);
    met
}

#[track_caller]
fn weakened(order: Ordering) -> Ordering {
    if mutates(Change::Relaxed) { Ordering::Relaxed } else { order }
}

#[track_caller]
fn failure_weakened(order: Ordering) -> Ordering {
    if mutates(Change::FailureRelaxed) { Ordering::Relaxed } else { order }
}

fn load_exchanges() -> bool {
    let mut run = RUN.get();
    run.loads += 1;
    RUN.set(run);
    run.exchanges
}

fn store_exchanges() -> bool {
    RUN.get().exchanges
}

/// Whether to do the step that follows: yes, but for a mutant that leaves it out.
#[track_caller]
pub(crate) fn step() -> bool {
    !mutates(Change::LeftOut)
}

/// A fence, but for a mutant that leaves it out.
#[track_caller]
pub(crate) fn fence(order: Ordering) {
    if step() {
        loom_atomic::fence(order);
    }
}

/// The cheap half of the barrier that a `heavy_barrier` on the other side makes
/// whole: for the model both are fences.
#[track_caller]
pub(crate) fn light_barrier() {
    fence(Ordering::SeqCst);
}

/// The other half.
#[track_caller]
pub(crate) fn heavy_barrier() {
    fence(Ordering::SeqCst);
}

/// One integer type: the operations that the ledger uses.
macro_rules! integer {
    ($name:ident, $value:ty) => {
        #[derive(Debug)]
        pub(crate) struct $name(loom_atomic::$name);

        #[allow(dead_code, reason = "no type needs all of them")]
        impl $name {
            pub(crate) fn new(value: $value) -> Self {
                Self(loom_atomic::$name::new(value))
            }

            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> $value {
                let order = weakened(order);
                if load_exchanges() { self.0.fetch_or(0, order) } else { self.0.load(order) }
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $value, order: Ordering) {
                let order = weakened(order);
                if store_exchanges() {
                    self.0.swap(value, order);
                } else {
                    self.0.store(value, order);
                }
            }

            #[track_caller]
            pub(crate) fn compare_exchange(
                &self,
                from: $value,
                to: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                let failure = failure_weakened(failure);
                if mutates(Change::Split) {
                    let before = self.0.load(Ordering::Acquire);
                    if before != from {
                        return Err(before);
                    }
                    self.0.store(to, Ordering::Release);
                    return Ok(before);
                }
                self.0.compare_exchange(from, to, weakened(success), failure)
            }

            #[track_caller]
            pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                self.0.swap(value, weakened(order))
            }

            #[track_caller]
            pub(crate) fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                if mutates(Change::Split) {
                    let before = self.0.load(Ordering::Acquire);
                    self.0.store(before | value, Ordering::Release);
                    return before;
                }
                self.0.fetch_or(value, weakened(order))
            }

            #[track_caller]
            pub(crate) fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                self.0.fetch_and(value, weakened(order))
            }

            #[track_caller]
            pub(crate) fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                self.0.fetch_add(value, weakened(order))
            }

            #[track_caller]
            pub(crate) fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                self.0.fetch_sub(value, weakened(order))
            }

            #[track_caller]
            pub(crate) fn fetch_max(&self, value: $value, order: Ordering) -> $value {
                self.0.fetch_max(value, weakened(order))
            }
        }
    };
}

integer!(AtomicU16, u16);
integer!(AtomicU32, u32);
integer!(AtomicU64, u64);
integer!(AtomicUsize, usize);

#[derive(Debug)]
pub(crate) struct AtomicPtr<T>(loom_atomic::AtomicPtr<T>);

impl<T> AtomicPtr<T> {
    pub(crate) fn new(value: *mut T) -> Self {
        Self(loom_atomic::AtomicPtr::new(value))
    }

    #[track_caller]
    pub(crate) fn load(&self, order: Ordering) -> *mut T {
        let order = weakened(order);
        if load_exchanges() {
            let null = core::ptr::null_mut();
            return self.0.compare_exchange(null, null, order, order).unwrap_or_else(|there| there);
        }
        self.0.load(order)
    }

    #[track_caller]
    pub(crate) fn compare_exchange(
        &self,
        from: *mut T,
        to: *mut T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<*mut T, *mut T> {
        let failure = failure_weakened(failure);
        if mutates(Change::Split) {
            let before = self.0.load(Ordering::Acquire);
            if before != from {
                return Err(before);
            }
            self.0.store(to, Ordering::Release);
            return Ok(before);
        }
        self.0.compare_exchange(from, to, weakened(success), failure)
    }

    #[track_caller]
    pub(crate) fn store(&self, value: *mut T, order: Ordering) {
        let order = weakened(order);
        if store_exchanges() {
            self.0.swap(value, order);
        } else {
            self.0.store(value, order);
        }
    }

    #[track_caller]
    pub(crate) fn swap(&self, value: *mut T, order: Ordering) -> *mut T {
        self.0.swap(value, weakened(order))
    }
}

/// A total that one thread adds to, by `bump`, and all may read.
#[derive(Debug)]
pub(crate) struct Counter(loom_atomic::AtomicU64);

impl Counter {
    pub(crate) fn new(value: u64) -> Self {
        Self(loom_atomic::AtomicU64::new(value))
    }

    #[track_caller]
    pub(crate) fn load(&self, order: Ordering) -> u64 {
        self.0.load(weakened(order))
    }

    #[track_caller]
    pub(crate) fn store(&self, value: u64, order: Ordering) {
        self.0.store(value, weakened(order));
    }

    #[track_caller]
    pub(crate) fn fetch_add(&self, by: u64, order: Ordering) -> u64 {
        self.0.fetch_add(by, weakened(order))
    }
}

/// As `bump`'s load.
pub(crate) fn own(counter: &Counter) -> u64 {
    // SAFETY: only the calling thread writes this counter.
    unsafe { counter.0.unsync_load() }
}

/// As in the real build, but for the owner's load: a plain one would end loom's
/// branching at this counter and let a wrong model pass.
#[track_caller]
pub(crate) fn bump(counter: &Counter, by: u64, order: Ordering) {
    // SAFETY: only the calling thread writes this counter, which is what
    // `unsync_load` needs (and what it checks).
    let current = unsafe { counter.0.unsync_load() };
    counter.0.store(current.wrapping_add(by), weakened(order));
}
