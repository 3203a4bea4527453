//! Atomics for the ledger, real or modelled.
//!
//! Every lock-free structure takes its atomics from here, so that the models in
//! `src/tests` explore the shipped code. The only file that names `loom`.

#[cfg(loom)]
use loom::{
    sync::{self as loom_sync, atomic as loom_atomic},
    thread as loom_thread, thread_local as loom_thread_local,
};

pub(crate) mod home;
pub(crate) mod lock;
#[cfg(loom)]
pub(crate) mod modelled;
pub(crate) mod park;

#[cfg(loom)]
pub(crate) use {loom::cell::UnsafeCell, modelled::*};

#[cfg(not(loom))]
pub(crate) use real::*;

#[cfg(not(loom))]
mod real {
    pub(crate) use core::sync::atomic::{
        AtomicPtr, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };

    pub(crate) use heapledger_alloc_sys::barrier::light as light_barrier;

    /// A total that one thread adds to, by `bump`, and all may read.
    pub(crate) type Counter = AtomicU64;

    /// `core`'s cell behind loom's closure interface.
    #[repr(transparent)]
    pub(crate) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(core::cell::UnsafeCell::new(value))
        }

        #[inline(always)]
        pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
            read(self.0.get())
        }

        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
            write(self.0.get())
        }
    }

    /// A counter's value, for the one thread that writes it.
    #[inline(always)]
    pub(crate) fn own(counter: &Counter) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    /// Whether to do the step that follows: the models have mutants that do not.
    #[inline(always)]
    pub(crate) const fn step() -> bool {
        true
    }

    /// Adds to a counter that only the calling thread writes: a load and a
    /// store, no lock prefix. On x86-64 the pair is one `add` to memory, which a
    /// signal handler on the same thread cannot split.
    #[inline(always)]
    pub(crate) fn bump(counter: &Counter, by: u64, order: Ordering) {
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), order);
    }
}
