//! What a cache is told before it is made.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::reclaim::sweeper::Sweeper;
use crate::reclaim::{self, Reclaimer};
use crate::scope::Tag;
use crate::snapshot;

use super::bounded::BoundedCache;
use super::clock::Clock;
use super::departure::Cause;
use super::error::CacheError;
use super::inner::{Inner, Rules};
use super::limits::{Limits, Wanted};

/// Describes a [`BoundedCache`]: a limit in bytes or entries, and what else it needs.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use heapledger::{BoundedCache, Cause};
///
/// let sessions = BoundedCache::<u64, String>::builder("sessions")
///     .capacity_bytes(10 << 20)
///     .weigher(|_, session| session.capacity() as u64)
///     .time_to_live(Duration::from_secs(3600))
///     .listener(|id, _, cause| {
///         if cause == Cause::Expired {
///             println!("session {id} is over");
///         }
///     })
///     .build()
///     .unwrap();
/// sessions.insert(1, "somebody".into()).unwrap();
/// ```
#[must_use = "nothing is made before `build`"]
pub struct CacheBuilder<K, V> {
    name: String,
    tag: Option<Tag>,
    sweep_every: Option<Duration>,
    wanted: Wanted,
    rules: Rules<K, V>,
}

impl<K, V> CacheBuilder<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(super) fn new(name: &str) -> Self {
        let rules = Rules {
            weigher: None,
            listener: None,
            time_to_live: None,
            time_to_live_of: None,
            clock: Clock::new(None),
        };
        Self {
            name: name.to_owned(),
            tag: None,
            sweep_every: None,
            wanted: Wanted::default(),
            rules,
        }
    }

    /// The bytes that all entries together may weigh.
    ///
    /// The capacity is cut into shards; no more than its part goes into each, so up to
    /// 31 bytes a shard stay unused.
    pub fn capacity_bytes(mut self, bytes: u64) -> Self {
        self.wanted.capacity_bytes = Some(bytes);
        self
    }

    /// The entries there may be; with 0 every one is refused.
    ///
    /// Alone, entries are counted and not weighed. Beside a capacity in bytes, every
    /// entry weighs at least its share, `capacity_bytes / (max_entries + 1)`: neither limit
    /// is exceeded, and a cache of very unequal entries reaches neither.
    pub fn max_entries(mut self, entries: u64) -> Self {
        self.wanted.max_entries = Some(entries);
        self
    }

    /// The entries there will be, roughly: one for each KiB if not said.
    ///
    /// More of them make for more shards (one for every 256, at most four for each
    /// processor) and a longer memory of what was evicted.
    pub fn expected_entries(mut self, entries: u64) -> Self {
        self.wanted.expected_entries = Some(entries);
        self
    }

    /// The bytes of the largest entry that must find room: there will be so few shards
    /// that it does, as long as it is at most 31/32 of the capacity and 4 GiB.
    pub fn max_entry_bytes(mut self, bytes: u64) -> Self {
        self.wanted.max_entry_bytes = Some(bytes);
        self
    }

    /// The parts that the cache is locked in, rounded down to a power of two: more for
    /// more threads, fewer for larger entries.
    pub fn shards(mut self, shards: usize) -> Self {
        self.wanted.shards = Some(shards);
        self
    }

    /// Weighs entries, in bytes; called once for each that is put in, under no lock.
    ///
    /// Without a weigher a capacity in bytes is one of measured bytes. An entry that
    /// weighs 0 weighs 1.
    pub fn weigher(mut self, weigh: impl Fn(&K, &V) -> u64 + Send + Sync + 'static) -> Self {
        self.rules.weigher = Some(Box::new(weigh));
        self
    }

    /// How long every entry lives after it was put in, to within 70 ms.
    ///
    /// It is found at least so long, and at most 67 ms longer (or 34 ms and an interval,
    /// with [`sweep_every`](Self::sweep_every)).
    pub fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.rules.time_to_live = Some(time_to_live);
        self
    }

    /// How long each entry lives, told by a function; where it says `None`, as long as
    /// [`time_to_live`](Self::time_to_live) says.
    pub fn time_to_live_of(
        mut self,
        of: impl Fn(&K, &V) -> Option<Duration> + Send + Sync + 'static,
    ) -> Self {
        self.rules.time_to_live_of = Some(Box::new(of));
        self
    }

    /// Is handed every entry that leaves, once, with the cause.
    ///
    /// It runs on the thread whose operation made the entry leave, under no lock, and
    /// may use the cache. Entries that are in the cache when it is dropped do not
    /// leave: [`clear`](BoundedCache::clear) it first if they should be handed over.
    pub fn listener(mut self, listener: impl Fn(K, V, Cause) + Send + Sync + 'static) -> Self {
        self.rules.listener = Some(Box::new(listener));
        self
    }

    /// Where the cache takes the time from: any moment, as a duration since another.
    ///
    /// For tests; without it a coarse monotonic clock. A moment before the one at which
    /// this is called counts as that one.
    pub fn clock(mut self, now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.rules.clock = Clock::new(Some(Box::new(now)));
        self
    }

    /// The tag that owns the cache's memory, instead of `cache/<name>`. Caches may share
    /// one.
    pub fn tag(mut self, tag: &Tag) -> Self {
        self.tag = Some(tag.clone());
        self
    }

    /// Gives the cache a thread that sweeps, and keeps the time, every `interval` (of at
    /// least 1 ms).
    ///
    /// Expired bytes leave though nobody uses the cache, 0.3 s and an interval after their
    /// deadline at most, and a hit does not ask the system for the time; an entry may be
    /// found an interval too long. The thread ends with the cache's last handle. A forked
    /// child has no such thread, and must not use the cache: one of its locks may have been
    /// that thread's at the fork. It may drop the cache.
    pub fn sweep_every(mut self, interval: Duration) -> Self {
        self.sweep_every = Some(interval);
        self
    }

    /// Makes the cache and lists it among the program's [`caches`](crate::caches).
    ///
    /// # Errors
    ///
    /// - [`CacheError::NoCapacity`] if neither bytes nor entries are limited.
    /// - [`CacheError::NotInstalled`] if values are to be measured and no heapledger
    ///   allocator serves the process.
    /// - [`CacheError::InvalidName`] if `cache/<name>` cannot be a tag.
    /// - [`CacheError::NoSweeper`] if the thread asked for cannot be had.
    pub fn build(self) -> Result<BoundedCache<K, V>, CacheError> {
        let limits = Limits::plan(self.wanted)?;
        if self.rules.weigher.is_none() && !limits.charge.same {
            snapshot::backend().map_err(|_| CacheError::NotInstalled)?;
        }
        let tag = match self.tag {
            Some(tag) => tag,
            None => reclaim::tag_below("cache", &self.name).map_err(CacheError::InvalidName)?,
        };
        let keeps_time = self.sweep_every.is_some();
        let inner = Arc::new(Inner::new(self.name, tag, limits, self.rules, keeps_time));
        if let Some(interval) = self.sweep_every {
            let cache = Arc::downgrade(&inner);
            let sweep = move || {
                cache.upgrade().is_some_and(|cache| {
                    cache.keep_time();
                    cache.sweep_over();
                    true
                })
            };
            // Nobody else has seen the cache.
            let _ = inner.sweeper.set(sweeper(interval, sweep)?);
        }
        let reclaimer: Arc<dyn Reclaimer> = Arc::clone(&inner) as _;
        reclaim::register(&reclaimer);
        Ok(BoundedCache { inner })
    }
}

/// Starts a cache's sweeping thread.
pub(super) fn sweeper(
    interval: Duration,
    sweep: impl Fn() -> bool + Send + 'static,
) -> Result<Sweeper, CacheError> {
    Sweeper::start("cache-sweeper", interval, sweep)
        .map_err(|error| CacheError::NoSweeper(error.raw_os_error()))
}
