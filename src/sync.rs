//! Atomics for the ledger, real or modelled.
//!
//! The only file that names `loom`: every lock-free structure takes its atomics
//! from here, so that the models in `src/tests` explore the shipped code.

pub(crate) use inner::*;

#[cfg(not(loom))]
mod inner {
    pub(crate) use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

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

    /// Adds to a counter that only the calling thread writes: a load and a
    /// store, no lock prefix. On x86-64 the pair is one `add` to memory, which a
    /// signal handler on the same thread cannot split.
    #[inline(always)]
    pub(crate) fn bump(counter: &AtomicU64, by: u64, order: Ordering) {
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), order);
    }
}

#[cfg(loom)]
mod inner {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

    /// As in the real build. A plain load by the owner would end loom's
    /// branching at this counter (tokio-rs/loom issues 392 and 166) and let a
    /// wrong model pass, so the owner's load is an unsynchronised one.
    pub(crate) fn bump(counter: &AtomicU64, by: u64, order: Ordering) {
        // SAFETY: only the calling thread writes this counter, which is what
        // `unsync_load` needs (and what it checks).
        let current = unsafe { counter.unsync_load() };
        counter.store(current.wrapping_add(by), order);
    }
}
