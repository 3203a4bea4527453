//! A cache that keeps nobody alive: values go when their last user drops them.
//!
//! Entries hold `Weak` references, so a value that is in use anywhere is found and
//! never made twice. A ring of strong references keeps the last few alive that
//! were put in. Sharded maps, each behind a lock of its own; a shard is never
//! locked together with the ring or another shard, and values are built and
//! dropped under no lock.

mod builder;
mod flight;
mod inner;
mod shard;

use std::borrow::Borrow;
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;

use crate::reclaim::CacheStatistics;
use crate::sync::park::block_on;

use super::counters::Event;
use super::departure::Cause;

pub use builder::WeakCacheBuilder;
use flight::Leader;
use inner::Inner;
use shard::Found;

/// A cache of values that live elsewhere.
///
/// It holds [`Weak`](std::sync::Weak) references: an entry vanishes when the last
/// [`Arc`] of its value drops. The last 100 values put in are kept alive by a ring
/// of strong references ([`WeakCacheBuilder::strong`]), and no entry is found after
/// an hour ([`WeakCacheBuilder::max_age`]), whoever holds its value. What is that old is
/// let go when somebody puts a value in, looks an old one up or calls [`sweep`](Self::sweep),
/// and without any of these by [`WeakCacheBuilder::sweep_every`]. Asked to shrink, it lets go
/// the oldest until what is known to be idle is small enough
/// ([`statistics`](Self::statistics) says what is known); with a target of 0, all.
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
/// use the cache, nor panic.
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
    ///
    /// Caches of one name share the tag, and each reports all of its bytes as
    /// `used_bytes`; all else they count by themselves.
    pub fn builder(name: &str) -> WeakCacheBuilder<K, V> {
        WeakCacheBuilder::new(name)
    }

    /// The value of a key, if it is alive and not too old.
    ///
    /// # Panics
    ///
    /// If this finds out that values are too old, and the drop of one does.
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
        // What it owns was allocated elsewhere.
        self.inner.keep(value, 0);
    }

    /// The value of a key, built now under the cache's tag if it is not there.
    ///
    /// Of several callers one builds, the others get what it built; waiting blocks the
    /// thread: never call this in async code, as of a [`BoundedCache`](crate::BoundedCache).
    /// A build that looks its own key up waits for itself, for ever.
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
        let mut missed = false;
        let flight = loop {
            match self.look(key, &mut missed) {
                Found::Value(value) => return Ok(value),
                Found::Building(flight) => {
                    let built = block_on(&mut flight.landing(), None).flatten();
                    if let Some(value) = self.coalesced(built) {
                        return Ok(value);
                    }
                }
                Found::Nothing(flight) => break flight,
            }
        };
        let leader = Leader::new(&flight, || self.inner.abandon(key, &flight));
        let mut bytes = 0;
        let value = self.inner.measured(&mut bytes, || Ok(Arc::new(build()?)))?;
        Ok(self.admit(key, leader, value, bytes))
    }

    /// The value of a key, built by a future if it is not there.
    ///
    /// As [`get_or_insert_with`](Self::get_or_insert_with), for any runtime. The future
    /// is polled under the cache's tag. If it is dropped before its end, one of those
    /// who wait builds.
    ///
    /// # Concurrency
    ///
    /// Waiting blocks no thread. Callers of both kinds wait for each other: those of
    /// [`get_or_insert_with`](Self::get_or_insert_with) must be on threads that this
    /// future does not need, outside async code.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use heapledger::WeakCache;
    ///
    /// async fn font(fonts: &WeakCache<String, Vec<u8>>, name: &str) -> Arc<Vec<u8>> {
    ///     fonts.get_or_insert_async(name, async { name.as_bytes().to_vec() }).await
    /// }
    /// ```
    pub async fn get_or_insert_async<Q>(&self, key: &Q, build: impl Future<Output = V>) -> Arc<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        match self.try_get_or_insert_async(key, async { Ok::<_, Infallible>(build.await) }).await {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// As [`get_or_insert_async`](Self::get_or_insert_async), with a build that may fail.
    ///
    /// # Errors
    ///
    /// What the future returns; nothing is kept, and one of those who wait builds.
    pub async fn try_get_or_insert_async<Q, E>(
        &self,
        key: &Q,
        build: impl Future<Output = Result<V, E>>,
    ) -> Result<Arc<V>, E>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let mut missed = false;
        let flight = loop {
            match self.look(key, &mut missed) {
                Found::Value(value) => return Ok(value),
                Found::Building(flight) => {
                    let built = flight.landing().await;
                    if let Some(value) = self.coalesced(built) {
                        return Ok(value);
                    }
                }
                Found::Nothing(flight) => break flight,
            }
        };
        let leader = Leader::new(&flight, || self.inner.abandon(key, &flight));
        let mut build = pin!(build);
        let mut bytes = 0;
        // Each poll by itself: the next may come on another thread.
        let value = poll_fn(|context| {
            self.inner.measured(&mut bytes, || build.as_mut().poll(context).map_ok(Arc::new))
        })
        .await?;
        Ok(self.admit(key, leader, value, bytes))
    }

    /// Looks a key up, and counts that: `missed` says whether it was before.
    fn look<Q>(&self, key: &Q, missed: &mut bool) -> Found<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let found = self.inner.find_or_lead(key);
        let counters = &self.inner.counters;
        match (&found, *missed) {
            (Found::Value(_), false) => counters.add(Event::Hit, 1),
            (Found::Value(_), true) => counters.add(Event::Coalesced, 1),
            (_, false) => counters.add(Event::Miss, 1),
            (_, true) => {}
        }
        *missed = true;
        found
    }

    /// Gives what was built to those who wait, and keeps it.
    fn admit<Q>(
        &self,
        key: &Q,
        leader: Leader<'_, V, impl FnMut()>,
        value: Arc<V>,
        built_bytes: i64,
    ) -> Arc<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.inner.put(key.to_owned(), &value, Some(leader.flight()));
        leader.built(&value);
        self.inner.keep(Arc::clone(&value), built_bytes);
        value
    }

    /// Counts what another caller built.
    fn coalesced(&self, built: Option<Arc<V>>) -> Option<Arc<V>> {
        self.inner.counters.add(Event::Coalesced, u64::from(built.is_some()));
        built
    }

    /// Takes an entry out; returns its value if it is alive and not too old.
    pub fn remove<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let inner = &*self.inner;
        let (cause, (_key, weak)) = inner.remove(key)?;
        let value = weak.upgrade()?;
        let _kept = inner.release(&value);
        (cause == Cause::Removed).then_some(value)
    }

    /// Forgets entries that are dead or too old, and the strong references to the
    /// latter; returns how many entries went.
    ///
    /// # Panics
    ///
    /// If the drop of a value does: what is left goes with the next call.
    pub fn sweep(&self) -> usize {
        self.inner.sweep()
    }

    /// Entries, the dead ones that were not found out yet included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the cache holds, and how it was used.
    ///
    /// `evicted` counts entries found dead, `used_bytes` is what the ledger says the
    /// cache's tag owns (0 where nobody counts). `idle_bytes` is what values were
    /// measured to weigh, when the cache built them, that nothing but its ring keeps
    /// alive. Values that came ready-made ([`insert`](Self::insert)), or are in the ring
    /// twice, are not in it.
    ///
    /// # Cost
    ///
    /// Takes the lock of each shard and of the ring, and walks all of them.
    #[must_use]
    pub fn statistics(&self) -> CacheStatistics {
        self.inner.read_statistics()
    }
}

impl<K, V> fmt::Debug for WeakCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakCache").field("name", &self.inner.name).finish_non_exhaustive()
    }
}
