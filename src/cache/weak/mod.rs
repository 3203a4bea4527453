//! A cache that keeps nobody alive: values go when their last user drops them.
//!
//! Entries hold `Weak` references, so a value that is in use anywhere is found and
//! never made twice. A ring of strong references keeps the last few alive that
//! were put in. Sharded maps, each behind a lock of its own; a shard is never
//! locked together with the ring or another shard, and values are built and
//! dropped under no lock.

mod flight;
mod shard;

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::DefaultHashBuilder;

use crate::reclaim::{self, CacheStatistics, Reclaimer, ReclaimerStatistics};
use crate::scope::Tag;

use super::clock::{Clock, ClockFn, Tick, deadline};
use super::counters::{Counters, Event};
use super::departure::Cause;
use super::error::CacheError;

use flight::{Flight, Leader};
use shard::{Found, Shard};

const SHARDS: usize = 16;
/// Values kept alive if nobody says.
const STRONG: usize = 100;
/// How long an entry is found if nobody says.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// A cache of values that live elsewhere.
///
/// It holds [`Weak`](std::sync::Weak) references: an entry vanishes when the last
/// [`Arc`] of its value drops. The last 100 values put in are kept alive by a ring
/// of strong references ([`WeakCacheBuilder::strong`]), and no entry is found after
/// an hour ([`WeakCacheBuilder::max_age`]), whoever holds its value.
///
/// Handles are cheap to clone and share one cache. Values built inside
/// [`get_or_insert_with`](Self::get_or_insert_with) are booked to `cache/<name>`.
///
/// # Cost
///
/// A look-up hashes the key twice and takes the lock of one of 16 shards.
///
/// # Concurrency
///
/// One caller builds a value, the others wait for it. Values are built and dropped
/// under no lock. `Hash` and `Eq` of keys run under a shard's lock: they must not
/// use the cache.
///
/// # Examples
///
/// ```
/// use heapledger::WeakCache;
///
/// let fonts = WeakCache::<String, Vec<u8>>::builder("fonts").strong(0).build().unwrap();
/// let font = fonts.get_or_insert_with("serif", || vec![0; 1000]);
/// assert!(fonts.get("serif").is_some_and(|again| std::sync::Arc::ptr_eq(&again, &font)));
/// drop(font);
/// assert!(fonts.get("serif").is_none());
/// ```
pub struct WeakCache<K, V> {
    inner: Arc<Inner<K, V>>,
}

struct Inner<K, V> {
    name: String,
    tag: Tag,
    hasher: DefaultHashBuilder,
    shards: [Mutex<Shard<K, V>>; SHARDS],
    /// The values kept alive, oldest first, and when they came.
    ring: Mutex<VecDeque<(Tick, Arc<V>)>>,
    strong: usize,
    max_age: Duration,
    clock: Clock,
    /// When insertions look for what is too old.
    sweep_at: AtomicU32,
    counters: Counters,
}

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
}

impl<K, V> WeakCacheBuilder<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// How many of the values put in last are kept alive; 100 if not said.
    pub fn strong(mut self, values: usize) -> Self {
        self.strong = values;
        self
    }

    /// How long an entry is found after it was put in; an hour if not said.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Where the cache takes the time from: any moment, as a duration since another.
    pub fn clock(mut self, now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.clock = Some(Box::new(now));
        self
    }

    /// Makes the cache and lists it among the program's [`caches`](crate::caches).
    ///
    /// # Errors
    ///
    /// [`CacheError::InvalidName`] if `cache/<name>` cannot be a tag.
    pub fn build(self) -> Result<WeakCache<K, V>, CacheError> {
        let tag = reclaim::tag_below("cache", &self.name).map_err(CacheError::InvalidName)?;
        let scope = tag.enter();
        let hasher = DefaultHashBuilder::default();
        let inner = Arc::new(Inner {
            name: self.name,
            tag: tag.clone(),
            shards: std::array::from_fn(|_| Mutex::new(Shard::new(hasher.clone()))),
            hasher,
            ring: Mutex::new(VecDeque::new()),
            strong: self.strong,
            max_age: self.max_age,
            clock: Clock::new(self.clock),
            sweep_at: AtomicU32::new(0),
            counters: Counters::new(),
        });
        drop(scope);
        let reclaimer: Arc<dyn Reclaimer> = Arc::clone(&inner) as _;
        reclaim::register(&reclaimer);
        Ok(WeakCache { inner })
    }
}

impl<K, V> Clone for WeakCache<K, V> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K, V> WeakCache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Starts to describe a cache; its memory is booked to the tag `cache/<name>`.
    pub fn builder(name: &str) -> WeakCacheBuilder<K, V> {
        WeakCacheBuilder {
            name: name.to_owned(),
            of: PhantomData,
            strong: STRONG,
            max_age: MAX_AGE,
            clock: None,
        }
    }

    /// The value of a key, if it is alive and not too old.
    #[must_use]
    pub fn get<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let found = self.inner.find(key);
        self.inner.counters.add(if found.is_some() { Event::Hit } else { Event::Miss }, 1);
        found
    }

    /// Puts a value under a key, in the place of another one.
    pub fn insert(&self, key: K, value: Arc<V>) {
        self.inner.put(key, &value, None);
        self.inner.keep(value);
    }

    /// The value of a key, built now under the cache's tag if it is not there.
    ///
    /// Of several callers one builds, the others get what it built. A build that
    /// looks its own key up waits for itself, for ever.
    ///
    /// # Panics
    ///
    /// If `build` does; one of those who wait then builds.
    pub fn get_or_insert_with<Q>(&self, key: &Q, build: impl FnOnce() -> V) -> Arc<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        match self.try_get_or_insert_with(key, || Ok::<_, Infallible>(build())) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// As [`get_or_insert_with`](Self::get_or_insert_with), with a build that may fail.
    ///
    /// # Errors
    ///
    /// What `build` returns; nothing is kept, and one of those who wait builds.
    ///
    /// # Panics
    ///
    /// If `build` does.
    pub fn try_get_or_insert_with<Q, E>(
        &self,
        key: &Q,
        build: impl FnOnce() -> Result<V, E>,
    ) -> Result<Arc<V>, E>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let inner = &*self.inner;
        let mut missed = false;
        let flight = loop {
            match inner.find_or_lead(key) {
                Found::Value(value) => {
                    inner.counters.add(if missed { Event::Coalesced } else { Event::Hit }, 1);
                    return Ok(value);
                }
                Found::Building(flight) => {
                    inner.counters.add(Event::Miss, u64::from(!missed));
                    missed = true;
                    if let Some(value) = flight.wait() {
                        inner.counters.add(Event::Coalesced, 1);
                        return Ok(value);
                    }
                }
                Found::Nothing(flight) => break flight,
            }
        };
        inner.counters.add(Event::Miss, u64::from(!missed));
        let leader = Leader::new(&flight, || inner.abandon(key, &flight));
        let value = {
            let _scope = inner.tag.enter();
            Arc::new(build()?)
        };
        inner.put(key.to_owned(), &value, Some(&flight));
        leader.built(&value);
        inner.keep(Arc::clone(&value));
        Ok(value)
    }

    /// Takes an entry out; returns its value if it is alive.
    pub fn remove<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let inner = &*self.inner;
        let (_key, weak) = inner.shard(key).remove(key)?;
        inner.counters.add(Event::Departure(Cause::Removed), 1);
        let value = weak.upgrade()?;
        let _kept = inner.release(|_, kept| Arc::ptr_eq(kept, &value));
        Some(value)
    }

    /// Forgets entries that are dead or too old, and the strong references to the
    /// latter; returns how many entries went.
    pub fn sweep(&self) -> usize {
        self.inner.sweep()
    }

    /// Entries, the dead ones that were not found out yet included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the cache holds, and how it was used.
    ///
    /// `evicted` counts entries found dead, `used_bytes` is what the ledger says the
    /// cache's tag owns (0 where nobody counts).
    #[must_use]
    pub fn statistics(&self) -> CacheStatistics {
        self.inner.read_statistics()
    }
}

impl<K: Hash + Eq, V> Inner<K, V> {
    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> std::sync::MutexGuard<'_, Shard<K, V>> {
        lock(&self.shards[(self.hasher.hash_one(key) >> 32) as usize % SHARDS])
    }

    fn find<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (found, gone) = self.shard(key).find(key, self.clock.now());
        self.count(gone.as_ref().map(|(cause, _)| *cause));
        found
    }

    fn find_or_lead<Q>(&self, key: &Q) -> Found<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(value) = self.find(key) {
            return Found::Value(value);
        }
        let _scope = self.tag.enter();
        let (owned, flight) = (key.to_owned(), Arc::new(Flight::new()));
        let (found, gone) = self.shard(key).find_or_begin(owned, flight, self.clock.now());
        self.count(gone.as_ref().map(|(cause, _)| *cause));
        found
    }

    /// Puts an entry in; after a build, only if its flight is still the key's.
    fn put(&self, key: K, value: &Arc<V>, flight: Option<&Arc<Flight<V>>>) {
        let _scope = self.tag.enter();
        let expires = deadline(self.clock.now(), self.max_age);
        let weak = Arc::downgrade(value);
        let mut shard = self.shard(&key);
        let put = shard.put(key, weak, expires, flight);
        let dead = shard.purge_if_due();
        drop(shard);
        let Some(put) = put else { return };
        self.counters.add(Event::Insertion, 1);
        self.counters.add(Event::Departure(Cause::Size), dead.len() as u64);
        self.count(put.replaced.then_some(Cause::Replaced));
    }

    fn abandon<Q>(&self, key: &Q, flight: &Arc<Flight<V>>)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let _key = self.shard(key).abandon(key, flight);
    }

    /// Keeps a value alive until enough others have come; now and then, lets go
    /// what is too old.
    fn keep(&self, value: Arc<V>) {
        let now = self.clock.now();
        // Relaxed: who is too late finds less to sweep.
        let sweep_at = self.sweep_at.load(Ordering::Relaxed);
        let next = deadline(now, self.max_age / 8);
        if sweep_at <= now
            && self
                .sweep_at
                .compare_exchange(sweep_at, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.sweep();
        }
        if self.strong == 0 {
            return;
        }
        let _scope = self.tag.enter();
        let mut ring = lock(&self.ring);
        ring.push_back((deadline(now, self.max_age), value));
        let oldest = if ring.len() > self.strong { ring.pop_front() } else { None };
        drop(ring);
        drop(oldest);
    }

    /// Takes the strong references out that `of` says; they drop with the result.
    fn release(&self, of: impl Fn(Tick, &Arc<V>) -> bool) -> Vec<Arc<V>> {
        let mut gone = Vec::new();
        let mut ring = lock(&self.ring);
        for index in (0..ring.len()).rev() {
            if of(ring[index].0, &ring[index].1) {
                gone.extend(ring.remove(index).map(|(_, value)| value));
            }
        }
        gone
    }

    fn sweep(&self) -> usize {
        let now = self.clock.now();
        drop(self.release(|expires, _| expires <= now));
        let mut swept = 0;
        for shard in &self.shards {
            let gone = lock(shard).sweep(now);
            swept += gone.len();
            gone.iter().for_each(|(cause, _)| self.count(Some(*cause)));
        }
        swept
    }

    fn count(&self, gone: Option<Cause>) {
        if let Some(cause) = gone {
            self.counters.add(Event::Departure(cause), 1);
        }
    }

    fn read_statistics(&self) -> CacheStatistics {
        let mut it = CacheStatistics::new(&self.name, self.tag.id());
        self.counters.read(&mut it);
        it.entries = self.shards.iter().map(|shard| lock(shard).len() as u64).sum();
        it.used_bytes = reclaim::live_bytes(&self.tag).unwrap_or(0);
        it
    }
}

impl<K, V> Reclaimer for Inner<K, V>
where
    K: Hash + Eq + Send + Sync,
    V: Send + Sync,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn tag(&self) -> &Tag {
        &self.tag
    }

    /// Lets strong references go, oldest first; what others hold stays alive.
    fn shrink(&self, target_bytes: u64) -> u64 {
        let freed_bytes = reclaim::freed_bytes_by(|| {
            self.sweep();
            while reclaim::live_bytes(&self.tag).is_none_or(|live| live > target_bytes) {
                let oldest = lock(&self.ring).pop_front();
                if oldest.is_none() {
                    break;
                }
            }
            self.sweep();
        });
        freed_bytes.unwrap_or(0)
    }

    fn statistics(&self) -> ReclaimerStatistics {
        ReclaimerStatistics::Cache(self.read_statistics())
    }
}

impl<K, V> fmt::Debug for WeakCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakCache").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A key's `Eq` may panic under it: maps and rings are whole between calls.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
