//! What a weak cache is told before it is made.

use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::reclaim::{self, Reclaimer};

use super::super::builder::sweeper;
use super::super::clock::{Clock, ClockFn};
use super::super::error::CacheError;
use super::WeakCache;
use super::inner::Inner;

/// Values kept alive if nobody says.
const STRONG: usize = 100;
/// How long an entry is found if nobody says.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// Describes a [`WeakCache`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use heapledger::WeakCache;
///
/// let builder = WeakCache::<u64, String>::builder("names").strong(10);
/// let names = builder.max_age(Duration::from_secs(60)).build().unwrap();
/// assert!(names.is_empty());
/// ```
#[must_use = "nothing is made before `build`"]
pub struct WeakCacheBuilder<K, V> {
    name: String,
    of: PhantomData<fn(K) -> V>,
    strong: usize,
    max_age: Duration,
    clock: Option<ClockFn>,
    sweep_every: Option<Duration>,
}

impl<K, V> WeakCacheBuilder<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            of: PhantomData,
            strong: STRONG,
            max_age: MAX_AGE,
            clock: None,
            sweep_every: None,
        }
    }

    /// How many of the values put in last are kept alive; 100 if not said.
    pub fn strong(mut self, values: usize) -> Self {
        self.strong = values;
        self
    }

    /// How long an entry is found after it was put in, to within 70 ms; an hour if not
    /// said.
    ///
    /// It is not gone a moment too early, and found at most 67 ms too late, with an age
    /// of zero, too.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Where the cache takes the time from: any moment, as a duration since another.
    pub fn clock(mut self, now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.clock = Some(Box::new(now));
        self
    }

    /// Gives the cache a thread that lets go what is too old every `interval` (of at least
    /// 1 ms), though nobody uses the cache.
    ///
    /// It ends with the cache's last handle. A forked child has no such thread, and must
    /// not use the cache: one of its locks may have been that thread's at the fork. It may
    /// drop the cache.
    pub fn sweep_every(mut self, interval: Duration) -> Self {
        self.sweep_every = Some(interval);
        self
    }

    /// Makes the cache and lists it among the program's [`caches`](crate::caches).
    ///
    /// # Errors
    ///
    /// - [`CacheError::InvalidName`] if `cache/<name>` cannot be a tag.
    /// - [`CacheError::NoSweeper`] if the thread asked for cannot be had.
    pub fn build(self) -> Result<WeakCache<K, V>, CacheError> {
        let tag = reclaim::tag_below("cache", &self.name).map_err(CacheError::InvalidName)?;
        let inner = Inner::new(self.name, tag, self.strong, self.max_age, Clock::new(self.clock));
        let inner = Arc::new(inner);
        if let Some(interval) = self.sweep_every {
            let cache = Arc::downgrade(&inner);
            let sweep = move || cache.upgrade().map(|cache| cache.sweep()).is_some();
            // Nobody else has seen the cache.
            let _ = inner.sweeper.set(sweeper(interval, sweep)?);
        }
        let reclaimer: Arc<dyn Reclaimer> = Arc::clone(&inner) as _;
        reclaim::register(&reclaimer);
        Ok(WeakCache { inner })
    }
}
