//! How a pool is made.

use core::alloc::Layout;
use core::fmt;

use crate::reclaim;

use super::dynamic::{Factory, Inner, Pool, Reset, Table, Weigher};
use super::prefill::Prefill;
use super::store::{Limits, Store};
use super::terms::UNLIMITED;
use super::{PoolError, settings};

/// Describes a [`Pool`]; made by [`Pool::builder`].
#[must_use = "`build` makes the pool"]
pub struct PoolBuilder<T: Send + 'static> {
    name: String,
    factory: Factory<T>,
    reset: Reset<T>,
    weigher: Option<Weigher<T>>,
    retained_max: Option<u64>,
    retained_bytes_max: u64,
    prefill: Prefill,
    retain_after_panic: bool,
    slot_align: usize,
}

impl<T: Send> PoolBuilder<T> {
    pub(super) fn new(name: &str, factory: Factory<T>) -> Self {
        Self {
            name: name.to_owned(),
            factory,
            reset: Reset::new(|_: &mut T| true),
            weigher: None,
            retained_max: None,
            retained_bytes_max: UNLIMITED,
            prefill: Prefill::NONE,
            retain_after_panic: false,
            slot_align: 1,
        }
    }

    /// Runs when an object comes back, before it is ready again.
    ///
    /// If it panics, the object is dropped, and the panic goes on.
    pub fn reset(self, reset: impl Fn(&mut T) + Send + Sync + 'static) -> Self {
        self.try_reset(move |object| {
            reset(object);
            true
        })
    }

    /// As [`reset`](Self::reset); an object for which it says false is dropped.
    pub fn try_reset(mut self, reset: impl Fn(&mut T) -> bool + Send + Sync + 'static) -> Self {
        self.reset = Reset::new(reset);
        self
    }

    /// Keeps at most so many objects ready, in all threads together; what comes back
    /// beyond that is dropped.
    ///
    /// The limit is shared out: half of it to the threads, the rest to what nobody
    /// keeps. A thread that comes when nothing is left keeps nothing itself: each of its
    /// objects comes from the common part, and goes back there, and takes a lock for it,
    /// which is many times slower. So it is with all threads below a limit of 2: let there
    /// be two objects for each thread at least. As threads and the common part keep
    /// objects in magazines of 64, up to a quarter of the limit may stay unused: one thread
    /// that gives 1,000 objects back leaves 936 ready of 1,000.
    ///
    /// By default [`default_retained_max`](crate::default_retained_max).
    pub fn retained_max(mut self, objects: usize) -> Self {
        self.retained_max = Some(objects as u64);
        self
    }

    /// Keeps objects ready without a limit on their number.
    pub fn retained_unlimited(mut self) -> Self {
        self.retained_max = Some(UNLIMITED);
        self
    }

    /// Keeps objects ready only as long as they own at most so many bytes.
    ///
    /// `weigher` says how many bytes an idle object owns beyond its own size; it
    /// runs when an object comes back, after the reset, and has to be exact for the
    /// limit and the pool's used and idle bytes to be so. A single object that is heavier
    /// than three quarters of the limit is dropped.
    ///
    /// A quarter of the limit is for the threads, shared evenly. A thread that comes late
    /// makes the others' shares smaller, but what they have ready by then stays until
    /// they use it: until then somewhat more than the limit may be ready.
    pub fn retained_bytes_max(
        mut self,
        bytes: usize,
        weigher: impl Fn(&T) -> usize + Send + Sync + 'static,
    ) -> Self {
        self.retained_bytes_max = bytes as u64;
        self.weigher = Some(Box::new(weigher));
        self
    }

    /// Makes so many objects at once, though no more than the limits retain.
    ///
    /// They were never out: nobody missed one, and they are not reset.
    pub fn prefill(mut self, objects: usize) -> Self {
        self.prefill = Prefill::Objects(objects as u64);
        self
    }

    /// Makes this fraction of `retained_max` at once, rounded down; as
    /// [`prefill`](Self::prefill).
    ///
    /// [`build`](Self::build) refuses what is not from 0 to 1, and a pool without a
    /// `retained_max`.
    pub fn prefill_fraction(mut self, fraction: f64) -> Self {
        self.prefill = Prefill::Fraction(fraction);
        self
    }

    /// Keeps objects that come back while their thread panics.
    ///
    /// Otherwise they are dropped, as nobody knows in which state they are.
    pub fn retain_after_panic(mut self, retain: bool) -> Self {
        self.retain_after_panic = retain;
        self
    }

    /// Aligns every object to so many bytes: 64 keeps small objects of different
    /// threads out of each other's cache lines.
    ///
    /// # Panics
    ///
    /// If it is not a power of two, or above 16 KiB.
    pub fn slot_align(mut self, bytes: usize) -> Self {
        assert!(
            bytes.is_power_of_two() && bytes <= 16 << 10,
            "slots are aligned to a power of two up to 16384 bytes"
        );
        self.slot_align = bytes;
        self
    }

    /// Makes the pool.
    ///
    /// # Errors
    ///
    /// - [`PoolError::Name`] if `pool/<name>` cannot be a tag's name.
    /// - [`PoolError::Prefill`] if there is no such fraction.
    /// - [`PoolError::Setting`] if the environment's default is needed and malformed.
    /// - [`PoolError::Create`] if the factory fails to fill it.
    ///
    /// # Panics
    ///
    /// If the factory does, filling it. Where the system has no memory for the pool's table
    /// (128 KiB) the process ends, as for any allocation.
    pub fn build(self) -> Result<Pool<T>, PoolError> {
        let retained_max = match self.retained_max {
            Some(objects) => objects,
            None => settings::default_retained_max()?,
        };
        let prefill = self.prefill.of((retained_max != UNLIMITED).then_some(retained_max))?;
        let tag = reclaim::tag_below("pool", &self.name)?;
        let limits = Limits { retained_max, retained_bytes_max: self.retained_bytes_max };
        let table = Table::new();
        let object = Layout::new::<T>();
        let store =
            Store::new(table.shards(), tag, object, self.slot_align, self.weigher.is_some());
        store.limit(limits);
        let inner = Inner::new(
            store,
            table,
            self.factory,
            self.reset,
            self.weigher,
            self.retain_after_panic,
        );
        Pool::from_inner(inner, prefill)
    }
}

impl<T: Send> fmt::Debug for PoolBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
