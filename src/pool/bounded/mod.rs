//! Pools with a hard limit on live objects: connections, executors, searchers.
//!
//! The limit, the queue and every lock are the `gate`'s; here is what an object
//! meets on its way: factory, check, reset, expiry.

mod acquire;
mod builder;
mod lease;
mod recipe;
mod reclaim;
mod shared;

use core::fmt;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use self::acquire::Turn;
use self::recipe::{BoxError, Object};
use self::shared::Shared;
use super::PoolError;
use super::gate::{Claim, Held};
use crate::each::each;
use crate::reclaim::sweeper::Sweeper;
use crate::reclaim::{PoolStatistics, Reclaimer, ReclaimerStatistics};
use crate::scope::Tag;
use crate::sync::park::block_on;

pub use acquire::Acquire;
pub use builder::BoundedPoolBuilder;
pub use lease::Lease;

/// A pool of at most so many live objects, for which one waits in a queue.
///
/// For what is dear or scarce: connections, executors, index searchers. There are
/// never more than `max_live` objects, idle, in use or being made, destructors that
/// still run included. They are made when they are needed, and used again by the
/// thread that used them last, so that those that are not needed can expire; beyond that
/// their order is not said. Who finds all in use waits, thread or task, and gets an object in the order of arrival; nobody
/// overtakes.
///
/// The pool is a tag, `pool/<name>`: what its factory and its reset allocate is on
/// it. It is in [`pools()`](crate::pools) and gives idle objects back to
/// [`shrink_idle()`](crate::shrink_idle).
///
/// Tasks and threads share a pool in an [`Arc`] or a `static`; a lease that must be
/// `'static` is [owned](Lease::into_owned).
///
/// Dropping the pool closes it: idle objects are dropped at once, those in use (by
/// [owned](Lease::into_owned) leases) when they come back. With a
/// [sweeping thread](BoundedPoolBuilder::sweep_every) it waits for that to end.
///
/// # Cost
///
/// A lease is two exchanges on the thread's own slot: 7 ns on one thread, 8 ns as a
/// future. A lock is taken for a new object, where another thread has the idle ones,
/// and as long as anybody waits. No allocation but for a new object, which takes 80
/// bytes beside itself, and for waiting.
///
/// # Concurrency
///
/// No lock is held while functions or destructors of the program run. Where one
/// panics, the object at hand is discarded and its place is free for another.
///
/// # Examples
///
/// ```
/// use heapledger::{BoundedPool, PoolError};
/// use std::time::Duration;
///
/// let pool = BoundedPool::builder("connections", 1, || vec![0_u8; 1024])
///     .reset(|buffer| buffer.fill(0))
///     .acquire_timeout(Duration::from_millis(1))
///     .build()?;
///
/// let mut connection = pool.acquire()?;
/// connection[0] = 7;
/// assert!(matches!(pool.acquire(), Err(PoolError::Exhausted { .. })));
/// drop(connection);
/// assert_eq!(pool.acquire()?[0], 0);
/// assert_eq!(pool.statistics().created, 1);
/// # Ok::<(), PoolError>(())
/// ```
///
/// A lease that a spawned task keeps, and gives away:
///
/// ```
/// use std::sync::Arc;
/// use heapledger::{BoundedPool, Lease, PoolError};
///
/// type Connection = Vec<u8>;
///
/// async fn connection(
///     pool: Arc<BoundedPool<Connection>>,
/// ) -> Result<Lease<'static, Connection>, PoolError> {
///     Ok(Lease::into_owned(pool.acquire_async().await?))
/// }
/// let pool = Arc::new(BoundedPool::new("spawned", 2, || vec![0_u8; 1024])?);
/// # fn is_spawned<F: Future<Output: Send> + Send + 'static>(_: F) {}
/// is_spawned(connection(Arc::clone(&pool)));
/// # Ok::<(), PoolError>(())
/// ```
pub struct BoundedPool<T> {
    shared: Arc<Shared<T>>,
    sweeper: Option<Sweeper>,
}

impl<T: Send + 'static> BoundedPool<T> {
    /// A pool of at most `max_live` objects, made by `factory`.
    ///
    /// # Errors
    ///
    /// [`PoolError::Name`] if `pool/<name>` is not the name of a tag.
    pub fn new(
        name: &str,
        max_live: usize,
        factory: impl Fn() -> T + Send + Sync + 'static,
    ) -> Result<Self, PoolError> {
        Self::builder(name, max_live, factory).build()
    }

    /// Begins to set up a pool of at most `max_live` objects, made by `factory`.
    ///
    /// A second pool of a name is a pool of its own, with the same tag: the bytes that
    /// are read off the tag are then those of both.
    ///
    /// With a limit of 0 everybody waits until it is [raised](Self::resize).
    pub fn builder(
        name: &str,
        max_live: usize,
        factory: impl Fn() -> T + Send + Sync + 'static,
    ) -> BoundedPoolBuilder<T> {
        Self::try_builder(name, max_live, move || Ok::<_, core::convert::Infallible>(factory()))
    }

    /// Begins to set up a pool whose factory can fail, as connecting does.
    ///
    /// # Examples
    ///
    /// ```
    /// use heapledger::{BoundedPool, PoolError};
    ///
    /// let files = BoundedPool::try_builder("files", 4, || std::fs::File::open("/none")).build()?;
    /// let error = files.acquire().unwrap_err();
    /// assert!(matches!(error, PoolError::Create(_)));
    /// assert_eq!(files.statistics().in_use, 0);
    /// # Ok::<(), PoolError>(())
    /// ```
    pub fn try_builder<E: Into<BoxError>>(
        name: &str,
        max_live: usize,
        factory: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> BoundedPoolBuilder<T> {
        BoundedPoolBuilder::new(name, max_live, factory)
    }

    /// The name, without `pool/`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The tag that owns the pool's memory.
    #[must_use]
    pub fn tag(&self) -> &Tag {
        &self.shared.tag
    }

    /// What the pool keeps, and how it was used.
    ///
    /// # Cost
    ///
    /// A walk over the objects under the lock, some nanoseconds for each; and the idle
    /// objects that threads have at hand go to the common list, so that each thread takes
    /// the lock once more. Once a second that is nothing; not for each lease.
    ///
    /// # Concurrency
    ///
    /// Exact while no object is being made.
    #[must_use]
    pub fn statistics(&self) -> PoolStatistics {
        match Reclaimer::statistics(&*self.shared) {
            ReclaimerStatistics::Pool(statistics) => statistics,
            ReclaimerStatistics::Cache(_) => unreachable!("a pool says that it is one"),
        }
    }

    /// Discards idle objects, the longest idle first, until at most `target_bytes`
    /// of them are left; returns the bytes freed, to the allocator
    /// ([`purge`](crate::purge) has it return them to the system).
    ///
    /// # Panics
    ///
    /// If the destructor of a discarded object does, after all of them.
    pub fn shrink(&self, target_bytes: u64) -> u64 {
        self.shared.shrink(target_bytes)
    }

    /// Discards all idle objects; returns the bytes freed. As `shrink(0)`.
    pub fn shrink_idle(&self) -> u64 {
        self.shrink(0)
    }
}

impl<T> BoundedPool<T> {
    /// Takes an object; waits for one as long as the pool was built to.
    ///
    /// # Errors
    ///
    /// - [`PoolError::Exhausted`] if none came back in time.
    /// - [`PoolError::Create`] if the factory failed; the next one may try again.
    /// - [`PoolError::Closed`] if the pool was closed.
    ///
    /// # Panics
    ///
    /// If the factory, the health check or the destructor of a discarded object does.
    #[inline]
    pub fn acquire(&self) -> Result<Lease<'_, T>, PoolError> {
        let held = match self.shared.ready() {
            Some(held) => held,
            None => self.acquire_slowly(self.shared.recipe.acquire_timeout)?,
        };
        Ok(Lease::new(&self.shared, held))
    }

    /// Takes an object; waits for one so long, whatever the pool was built to.
    ///
    /// The time is for waiting: an object that is made or checked takes its own.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Lease<'_, T>, PoolError> {
        let held = match self.shared.ready() {
            Some(held) => held,
            None => self.acquire_slowly(Some(timeout))?,
        };
        Ok(Lease::new(&self.shared, held))
    }

    /// Takes an object if there is one or one may be made, without waiting.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    pub fn try_acquire(&self) -> Result<Lease<'_, T>, PoolError> {
        let claim = self.shared.gate.try_claim();
        self.check_out(claim.map_err(|refusal| self.shared.refused(refusal, Duration::ZERO))?)
    }

    /// Takes an object as soon as it is the caller's turn, in any runtime.
    ///
    /// A future whose turn has come holds its object until it is polled or dropped, though
    /// nobody uses it then: do not keep one that you do not await (as a branch of
    /// `select!` in a loop), and do not forget one.
    ///
    /// The pool's own timeout does not count here: put the future under one of the
    /// runtime's. Factory and health check run within a poll; if they block, use
    /// [`acquire_or_make`](Self::acquire_or_make) or
    /// [`acquire_checked`](Self::acquire_checked).
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire), but never [`PoolError::Exhausted`].
    ///
    /// # Examples
    ///
    /// ```
    /// # async fn demo() -> Result<(), heapledger::PoolError> {
    /// let pool = heapledger::BoundedPool::new("searchers", 2, || vec![0_u32; 256])?;
    /// let searcher = pool.acquire_async().await?;
    /// assert_eq!(searcher.len(), 256);
    /// # Ok(())
    /// # }
    /// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// # assert!(std::pin::pin!(demo()).as_mut().poll(&mut context).is_ready());
    /// ```
    pub fn acquire_async(&self) -> Acquire<'_, T> {
        Acquire::new(self)
    }

    /// Sets the limit on live objects.
    ///
    /// Raised, it lets those in who wait. Lowered, it discards idle objects at once
    /// and those in use when they come back; who has its turn already may still make its
    /// object.
    ///
    /// # Panics
    ///
    /// If the destructor of a discarded object does, after all of them.
    pub fn resize(&self, max_live: usize) {
        each(self.shared.gate.resize(max_live), drop);
    }

    /// Closes the pool: discards what is idle, and refuses everybody from now on,
    /// those who wait included.
    ///
    /// What is in use stays valid, and is discarded when it comes back.
    ///
    /// # Panics
    ///
    /// If the destructor of a discarded object does, after all of them.
    pub fn close(&self) {
        each(self.shared.gate.close(), drop);
    }

    /// Whether the pool was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.gate.is_closed()
    }

    /// Discards the idle objects that are too old or were idle for too long, one after
    /// the other; returns how many.
    ///
    /// # Panics
    ///
    /// If the destructor of a discarded object does, after all of them.
    pub fn remove_expired(&self) -> usize {
        self.shared.remove_expired()
    }

    fn check_out<'p>(&'p self, claim: Claim<'p, Object<T>>) -> Result<Lease<'p, T>, PoolError> {
        self.shared.check_out(claim).map(|held| Lease::new(&self.shared, held))
    }

    #[inline(never)]
    fn acquire_slowly(&self, timeout: Option<Duration>) -> Result<Held<'_, Object<T>>, PoolError> {
        if let Ok(claim) = self.shared.gate.try_claim() {
            return self.shared.check_out(claim);
        }
        // A time beyond the clock's end is none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut turn = Turn::new(self);
        let claim = block_on(&mut turn, deadline).unwrap_or_else(|| turn.leave())?;
        self.shared.check_out(claim)
    }
}

/// A panic leaves a pool whole: the object at hand is discarded.
impl<T> UnwindSafe for Shared<T> {}
/// As above.
impl<T> RefUnwindSafe for Shared<T> {}
/// As above.
impl<T> UnwindSafe for BoundedPool<T> {}
/// As above.
impl<T> RefUnwindSafe for BoundedPool<T> {}

impl<T> Drop for BoundedPool<T> {
    fn drop(&mut self) {
        // In a forked child the lock may be that thread's for ever; and what the thread
        // was about to do there holds what is shared.
        if !self.sweeper.as_ref().is_some_and(Sweeper::is_elsewhere) {
            self.close();
        }
    }
}

impl<T> fmt::Debug for BoundedPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = self.shared.gate.standing();
        f.debug_struct("BoundedPool")
            .field("name", &self.shared.name)
            .field("standing", &standing)
            .finish()
    }
}
