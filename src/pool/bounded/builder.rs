//! How a bounded pool is set up.

use core::time::Duration;
use std::sync::Arc;

use super::BoundedPool;
use super::recipe::{BoxError, Recipe};
use super::shared::{Shared, boxed};
use crate::pool::PoolError;
use crate::pool::prefill::Prefill;
use crate::reclaim::sweeper::Sweeper;
use crate::reclaim::{self, Reclaimer};

/// Sets up a [`BoundedPool`]; made by [`BoundedPool::builder`] and
/// [`BoundedPool::try_builder`].
///
/// All functions run without a lock, so that they may use the pool; those that make,
/// check and reset run under the pool's tag.
#[must_use = "`build` makes the pool"]
pub struct BoundedPoolBuilder<T> {
    name: String,
    max_live: usize,
    sweep_every: Option<Duration>,
    prefill: Prefill,
    recipe: Recipe<T>,
}

impl<T: Send + 'static> BoundedPoolBuilder<T> {
    pub(super) fn new<E: Into<BoxError>>(
        name: &str,
        max_live: usize,
        factory: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Self {
        let recipe = Recipe {
            factory: Box::new(move || factory().map_err(boxed)),
            check: None,
            reset: None,
            weigher: None,
            acquire_timeout: None,
            max_lifetime: None,
            idle_timeout: None,
            retain_after_panic: false,
        };
        Self { name: name.to_owned(), max_live, sweep_every: None, prefill: Prefill::NONE, recipe }
    }

    /// Makes so many objects at once, though no more than the limit.
    ///
    /// They were never out: nobody missed one, and they are neither reset nor checked
    /// before their first use asks for it.
    pub fn prefill(mut self, objects: usize) -> Self {
        self.prefill = Prefill::Objects(objects as u64);
        self
    }

    /// Makes this fraction of the limit at once, rounded down; as
    /// [`prefill`](Self::prefill).
    ///
    /// [`build`](Self::build) refuses what is not from 0 to 1.
    pub fn prefill_fraction(mut self, fraction: f64) -> Self {
        self.prefill = Prefill::Fraction(fraction);
        self
    }

    /// How long [`acquire`](BoundedPool::acquire) waits; for ever unless set.
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.recipe.acquire_timeout = Some(timeout);
        self
    }

    /// Checks an object that was idle before it is given out; false discards it.
    ///
    /// For a check that waits, see [`BoundedPool::acquire_checked`].
    pub fn health_check(mut self, check: impl Fn(&mut T) -> bool + Send + Sync + 'static) -> Self {
        self.recipe.check = Some(Box::new(check));
        self
    }

    /// Prepares an object for the next user when it comes back.
    pub fn reset(self, reset: impl Fn(&mut T) + Send + Sync + 'static) -> Self {
        self.try_reset(move |object| {
            reset(object);
            true
        })
    }

    /// Prepares an object for the next user when it comes back; false discards it.
    pub fn try_reset(mut self, reset: impl Fn(&mut T) -> bool + Send + Sync + 'static) -> Self {
        self.recipe.reset = Some(Box::new(reset));
        self
    }

    /// Discards objects this long after they were made: when they come back, or while
    /// they are idle. Kept for ever unless set.
    ///
    /// An object that is in use stays. Idle ones leave when somebody acquires,
    /// returns, or calls [`remove_expired`](BoundedPool::remove_expired); in a pool that
    /// nobody uses, by [`sweep_every`](Self::sweep_every).
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.recipe.max_lifetime = Some(lifetime);
        self
    }

    /// Discards objects that nobody used for so long; kept for ever unless set.
    ///
    /// As [`max_lifetime`](Self::max_lifetime): in a pool that nobody uses nothing leaves
    /// by itself, unless [`sweep_every`](Self::sweep_every) is set.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.recipe.idle_timeout = Some(timeout);
        self
    }

    /// Gives the pool a thread that discards idle objects which have expired, every
    /// `interval` (of at least 1 ms), though nobody uses the pool: an object leaves an
    /// interval too late at most, and one after the other.
    ///
    /// Their destructors run on that thread, outside any runtime; it goes on when one
    /// panics. It ends when the pool is dropped, which waits for the destructor that still
    /// runs, unless that is what drops the pool. So a destructor must not drop another pool
    /// whose thread may wait for this one. None is started where neither
    /// [`max_lifetime`](Self::max_lifetime) nor [`idle_timeout`](Self::idle_timeout) is set.
    ///
    /// A forked child has no such thread, and must not use the pool: its lock may have been
    /// that thread's at the fork. It may drop the pool.
    pub fn sweep_every(mut self, interval: Duration) -> Self {
        self.sweep_every = Some(interval);
        self
    }

    /// Says how many bytes an object owns beside itself; it runs when one comes back.
    ///
    /// Without it the ledger's bytes under the pool's tag are spread evenly over the
    /// objects, and what they take under other tags is not seen. With it, used bytes are
    /// what the tag owns beyond the idle objects' weights, so those should be exact.
    pub fn weigher(mut self, weigher: impl Fn(&T) -> usize + Send + Sync + 'static) -> Self {
        self.recipe.weigher = Some(Box::new(weigher));
        self
    }

    /// Keeps objects that come back while their thread panics; discarded unless set.
    ///
    /// They are reset as ever; one whose reset panics, too, is discarded, and so is one
    /// whose check panics.
    pub fn retain_after_panic(mut self, retain: bool) -> Self {
        self.recipe.retain_after_panic = retain;
        self
    }

    /// Makes the pool; it has no objects yet, but for those that were
    /// [asked for](Self::prefill).
    ///
    /// # Errors
    ///
    /// - [`PoolError::Name`] if `pool/<name>` is not the name of a tag, or there are too
    ///   many tags.
    /// - [`PoolError::NoSweeper`] if the thread asked for cannot be had.
    /// - [`PoolError::Prefill`] if the fraction to fill is not from 0 to 1.
    /// - [`PoolError::Create`] if the factory fails to fill it.
    ///
    /// # Panics
    ///
    /// If the factory or the weigher does, filling it.
    pub fn build(self) -> Result<BoundedPool<T>, PoolError> {
        let prefill = self.prefill.of(Some(self.max_live as u64))?;
        let tag = reclaim::tag_below("pool", &self.name)?;
        let make = || Arc::new(Shared::new(self.name, tag.clone(), self.max_live, self.recipe));
        let mut pool = BoundedPool { shared: tag.run(make), sweeper: None };
        if let Err(error) = furnish(&mut pool, prefill, self.sweep_every) {
            // Here, and not on the way out: if a destructor panics, the error goes, too.
            drop(pool);
            return Err(error);
        }
        let reclaimer: Arc<dyn Reclaimer> = Arc::<Shared<T>>::clone(&pool.shared);
        reclaim::register(&reclaimer);
        Ok(pool)
    }
}

/// What can fail: the first objects, and the thread.
fn furnish<T: Send + 'static>(
    pool: &mut BoundedPool<T>,
    prefill: u64,
    sweep_every: Option<Duration>,
) -> Result<(), PoolError> {
    let shared = &pool.shared;
    shared.prefill(prefill)?;
    let interval = sweep_every.filter(|_| shared.recipe.is_timed());
    pool.sweeper =
        interval.map(|interval| shared.tag.run(|| sweep(shared, interval))).transpose()?;
    Ok(())
}

fn sweep<T: Send + 'static>(
    shared: &Arc<Shared<T>>,
    interval: Duration,
) -> Result<Sweeper, PoolError> {
    let pool = Arc::downgrade(shared);
    let sweep = move || {
        pool.upgrade().is_some_and(|pool| {
            pool.remove_expired();
            true
        })
    };
    Sweeper::start("pool-sweeper", interval, sweep).map_err(PoolError::NoSweeper)
}
