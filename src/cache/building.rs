//! Single flight: whoever misses first builds, everybody else waits for it.
//!
//! The waiting is the table's: a placeholder stands in the shard while a value is
//! built. When its guard goes without a value (an error, a panic, a future that is
//! dropped), the next waiter gets it and builds; the last one takes it away.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::hash::Hash;
use std::pin::pin;
use std::time::Duration;

use quick_cache::sync::{GuardResult, PlaceholderGuard};

use super::bounded::BoundedCache;
use super::clock::NEVER;
use super::counters::Event;
use super::departure::{Evicted, Watch};
use super::error::CacheError;
use super::inner::Inner;
use super::measured::Meter;
use super::table::{Charge, Entry, KeyHash};

type Guard<'a, K, V> = PlaceholderGuard<'a, K, Entry<V>, Charge, KeyHash, Watch<K, V>>;

/// How often a value that was built is put in again. Where few entries fill the table's
/// hot part, the new one finds no other to push out, and goes; it is remembered, and
/// comes in as hot. There it goes again if all others were used; that wears their use
/// off, of which the table remembers two.
const TRIES: usize = 5;

impl<K, V> BoundedCache<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// The value of a key, built now if it is not there.
    ///
    /// Of several callers one builds, under the cache's tag, and the others wait for
    /// it. A value too heavy for the cache is given to all of them, not kept, and
    /// counted in `refused`. A build that looks up its own key waits for itself, for
    /// ever.
    ///
    /// # Concurrency
    ///
    /// Waiting blocks the thread: never call this in async code, nor
    /// [`try_get_or_insert_with`](Self::try_get_or_insert_with). A task that builds the
    /// key by [`get_or_insert_async`](Self::get_or_insert_async) may need this very
    /// thread to go on; both then wait for ever.
    ///
    /// # Panics
    ///
    /// If `build` does: nothing is kept, and one of those who wait builds.
    ///
    /// # Examples
    ///
    /// ```
    /// # let squares = heapledger::BoundedCache::builder("build").max_entries(9).build().unwrap();
    /// assert_eq!(squares.get_or_insert_with(&7, || 7 * 7), 49);
    /// assert_eq!(squares.get_or_insert_with(&7, || unreachable!()), 49);
    /// ```
    pub fn get_or_insert_with<Q>(&self, key: &Q, build: impl FnOnce() -> V) -> V
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        never_fails(self.try_get_or_insert_with(key, || Ok(build())))
    }

    /// As [`get_or_insert_with`](Self::get_or_insert_with), with a build that may fail.
    ///
    /// # Errors
    ///
    /// What `build` returns: nothing is kept, and one of those who wait builds.
    ///
    /// # Examples
    ///
    /// ```
    /// # let numbers = heapledger::BoundedCache::builder("try").max_entries(9).build().unwrap();
    /// assert!(numbers.try_get_or_insert_with("x", || "x".parse::<i32>()).is_err());
    /// assert_eq!(numbers.try_get_or_insert_with("7", || "7".parse::<i32>()), Ok(7));
    /// # let _: Option<i32> = numbers.get(&"x".to_string());
    /// ```
    pub fn try_get_or_insert_with<Q, E>(
        &self,
        key: &Q,
        build: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let inner = &*self.inner;
        let (owned, key_bytes) = match inner.find_or_own(key) {
            Ok(value) => return Ok(value),
            Err(missing) => missing,
        };
        let guard = loop {
            // The placeholder, and the table if it grows for it, are the cache's.
            let looked = inner.tag.run(|| inner.table.get_value_or_guard(&owned, None));
            match looked {
                GuardResult::Guard(guard) => break guard,
                GuardResult::Value(entry) => match inner.built_by_another(&owned, entry) {
                    Some(value) => return Ok(value),
                    None => continue,
                },
                // Without a limit on the waiting there is none.
                GuardResult::Timeout => continue,
            }
        };
        let scope = inner.tag.enter();
        let meter = Meter::start(inner.meters(), &inner.tag);
        let value = build()?;
        let built_bytes = meter.stop();
        drop(scope);
        Ok(inner.admit(guard, &owned, value, built_bytes.map(|bytes| bytes + key_bytes)))
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
    /// use heapledger::BoundedCache;
    ///
    /// async fn page(pages: &BoundedCache<u64, String>, number: u64) -> String {
    ///     pages.get_or_insert_async(&number, async { format!("page {number}") }).await
    /// }
    /// ```
    pub async fn get_or_insert_async<Q>(&self, key: &Q, build: impl Future<Output = V>) -> V
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        never_fails(self.try_get_or_insert_async(key, async { Ok(build.await) }).await)
    }

    /// As [`get_or_insert_async`](Self::get_or_insert_async), with a build that may fail.
    ///
    /// # Errors
    ///
    /// What the future returns: nothing is kept, and one of those who wait builds.
    ///
    /// # Examples
    ///
    /// ```
    /// use heapledger::BoundedCache;
    ///
    /// async fn number(numbers: &BoundedCache<String, i32>, text: &str) -> Option<i32> {
    ///     numbers.try_get_or_insert_async(text, async { text.parse::<i32>() }).await.ok()
    /// }
    /// ```
    pub async fn try_get_or_insert_async<Q, E>(
        &self,
        key: &Q,
        build: impl Future<Output = Result<V, E>>,
    ) -> Result<V, E>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let inner = &*self.inner;
        let (owned, key_bytes) = match inner.find_or_own(key) {
            Ok(value) => return Ok(value),
            Err(missing) => missing,
        };
        let guard = loop {
            let mut looking = pin!(inner.table.get_value_or_guard_async(&owned));
            let looked = poll_fn(|context| inner.tag.run(|| looking.as_mut().poll(context)));
            match looked.await {
                Err(guard) => break guard,
                Ok(entry) => {
                    if let Some(value) = inner.built_by_another(&owned, entry) {
                        return Ok(value);
                    }
                }
            }
        };
        let mut build = pin!(build);
        let mut built_bytes = Some(key_bytes);
        let value = poll_fn(|context| {
            // Each poll by itself: the next may come on another thread.
            let _scope = inner.tag.enter();
            let meter = Meter::start(inner.meters(), &inner.tag);
            let polled = build.as_mut().poll(context);
            built_bytes = built_bytes.zip(meter.stop()).map(|(sum, bytes)| sum + bytes);
            polled
        })
        .await?;
        Ok(inner.admit(guard, &owned, value, built_bytes))
    }

    /// Builds a value under the cache's tag and puts it under a key, in the place of
    /// what is there.
    ///
    /// # Errors
    ///
    /// [`CacheError::Oversize`] as [`insert`](Self::insert);
    /// [`CacheError::NotMeasured`] if the value was to be measured and this thread has
    /// no counters of its own.
    ///
    /// # Panics
    ///
    /// If `build` does: nothing is changed.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[global_allocator]
    /// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
    /// use heapledger::BoundedCache;
    ///
    /// let texts =
    ///     BoundedCache::<u64, String>::builder("texts").capacity_bytes(10_000).build().unwrap();
    /// texts.insert_with(1, || "x".repeat(500)).unwrap();
    /// assert_eq!(texts.statistics().used_bytes, 500 + 8 + 24);
    /// ```
    pub fn insert_with(&self, key: K, build: impl FnOnce() -> V) -> Result<(), CacheError> {
        let inner = &*self.inner;
        let scope = inner.tag.enter();
        let meter = Meter::start(inner.meters(), &inner.tag);
        let value = build();
        let built_bytes = meter.stop();
        drop(scope);
        let bytes = inner.weigh_built(&key, &value, built_bytes).ok_or(CacheError::NotMeasured)?;
        let lease = inner.lease(&key, &value);
        self.put(key, value, bytes, lease)
    }
}

impl<K, V> Inner<K, V>
where
    K: Hash + Eq + Clone,
    V: Clone,
{
    /// Whether values are weighed by what building them allocates.
    fn meters(&self) -> bool {
        self.rules.weigher.is_none()
    }

    /// The value, counted as a hit; or the key, made the cache's own, and what it
    /// allocated.
    fn find_or_own<Q>(&self, key: &Q) -> Result<V, (K, i64)>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(value) = self.find(key) {
            self.counters.add(Event::Hit, 1);
            return Ok(value);
        }
        self.counters.add(Event::Miss, 1);
        let _scope = self.tag.enter();
        let meter = Meter::start(self.meters(), &self.tag);
        let owned = key.to_owned();
        // Where nobody counts, the value's own measure will say so.
        Err((owned, meter.stop().unwrap_or(0)))
    }

    /// What another caller built meanwhile, unless its time is over already.
    fn built_by_another(&self, key: &K, entry: Entry<V>) -> Option<V> {
        if entry.expires != NEVER {
            let now = self.rules.clock.now();
            if entry.expires <= now {
                self.expire(key, now);
                return None;
            }
        }
        self.counters.add(Event::Coalesced, 1);
        Some(entry.value)
    }

    /// What a value weighs that was built here; `None` where it could not be told.
    fn weigh_built(&self, key: &K, value: &V, built_bytes: Option<i64>) -> Option<u64> {
        match &self.rules.weigher {
            Some(weigher) => Some(weigher(key, value)),
            None => {
                let heap = built_bytes.map(|bytes| bytes.max(0).cast_unsigned());
                let heap = if self.limits.charge.same { heap.or(Some(0)) } else { heap };
                heap.map(|bytes| bytes + super::shallow_bytes::<K, V>())
            }
        }
    }

    /// Gives a value that was built to the table, to all who wait for it, and to
    /// the caller; what is too heavy goes to the callers only.
    fn admit(&self, guard: Guard<'_, K, V>, key: &K, value: V, built_bytes: Option<i64>) -> V {
        let bytes = self.weigh_built(key, &value, built_bytes);
        let lease = self.lease(key, &value);
        let given = value.clone();
        let (entry, bytes) = match bytes.and_then(|bytes| self.limits.admit(bytes).ok()) {
            Some(bytes) => (Entry::new(value, bytes, lease.expires), bytes),
            None => (Entry::refused(value), 0),
        };
        let mut evicted = Evicted::collected();
        let inserted = {
            let _scope = self.tag.enter();
            let mut inserted = guard.insert_with_lifecycle(entry, &mut evicted);
            for _ in 0..TRIES {
                let Some(value) = evicted.take_back(key) else { break };
                let entry = Entry::new(value, bytes, lease.expires);
                inserted = self.put_again(key, entry, &mut evicted);
            }
            inserted
        };
        match inserted {
            Ok(()) => self.came_in(lease, bytes, evicted),
            // Meanwhile somebody removed the key or put another value there: that
            // is newer, and stays.
            Err(_) => self.deliver(evicted),
        }
        given
    }

    /// Puts in what the table pushed out to make room for itself.
    #[cold]
    fn put_again(
        &self,
        key: &K,
        entry: Entry<V>,
        evicted: &mut Evicted<K, V>,
    ) -> Result<(), Entry<V>> {
        match self.table.get_value_or_guard(key, Some(Duration::ZERO)) {
            GuardResult::Guard(guard) => guard.insert_with_lifecycle(entry, evicted),
            GuardResult::Value(_) | GuardResult::Timeout => Err(entry),
        }
    }
}

fn never_fails<V>(result: Result<V, Infallible>) -> V {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}
