//! What the handles of a weak cache share: the maps, the ring, the counts.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};
use std::iter;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use quick_cache::DefaultHashBuilder;

use crate::each::each;
use crate::reclaim::sweeper::Sweeper;
use crate::reclaim::{self, CacheStatistics, Reclaimer, ReclaimerStatistics};
use crate::scope::Tag;

use super::super::clock::{Clock, Tick, age, deadline};
use super::super::counters::{Counters, Event};
use super::super::departure::Cause;
use super::super::measured::Meter;
use super::flight::Flight;
use super::shard::{Found, Gone, Shard, join};

const SHARDS: usize = 16;

/// A value kept alive.
struct Strong<V> {
    value: Arc<V>,
    until: Tick,
    /// What building it left on the heap, as far as that is known.
    bytes: u64,
}

impl<V> Strong<V> {
    /// What dropping this frees, as far as that is known.
    fn idle_bytes(&self) -> u64 {
        if Arc::strong_count(&self.value) == 1 { self.bytes } else { 0 }
    }
}

pub(super) struct Inner<K, V> {
    pub(super) name: String,
    tag: Tag,
    hasher: DefaultHashBuilder,
    shards: [Mutex<Shard<K, V>>; SHARDS],
    /// The values kept alive, oldest first.
    ring: Mutex<VecDeque<Strong<V>>>,
    strong: usize,
    max_age: Duration,
    clock: Clock,
    /// When insertions look for what is too old.
    sweep_at: AtomicU32,
    /// Set once, at the beginning; dropped with the rest.
    pub(super) sweeper: OnceLock<Sweeper>,
    pub(super) counters: Counters,
}

impl<K: Hash + Eq, V> Inner<K, V> {
    pub(super) fn new(
        name: String,
        tag: Tag,
        strong: usize,
        max_age: Duration,
        clock: Clock,
    ) -> Self {
        let _scope = tag.enter();
        let hasher = DefaultHashBuilder::default();
        Self {
            name,
            tag: tag.clone(),
            shards: std::array::from_fn(|_| Mutex::new(Shard::new(hasher.clone()))),
            hasher,
            ring: Mutex::new(VecDeque::new()),
            strong,
            max_age,
            clock,
            sweep_at: AtomicU32::new(0),
            sweeper: OnceLock::new(),
            counters: Counters::new(),
        }
    }

    /// Runs a part of a build under the cache's tag; adds what that left on the heap to
    /// `bytes`, nothing where nobody counts.
    pub(super) fn measured<R>(&self, bytes: &mut i64, build: impl FnOnce() -> R) -> R {
        let _scope = self.tag.enter();
        let meter = Meter::start(true, &self.tag);
        let result = build();
        *bytes += meter.stop().unwrap_or(0);
        result
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    pub(super) fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> MutexGuard<'_, Shard<K, V>> {
        lock(&self.shards[(self.hasher.hash_one(key) >> 32) as usize % SHARDS])
    }

    pub(super) fn find<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let now = self.clock.now();
        let (found, gone) = self.shard(key).find(key, now);
        let cause = gone.as_ref().map(|(cause, _)| *cause);
        self.count(cause);
        if cause == Some(Cause::Expired) {
            self.release_old(now);
        }
        found
    }

    pub(super) fn find_or_lead<Q>(&self, key: &Q) -> Found<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(value) = self.find(key) {
            return Found::Value(value);
        }
        let _scope = self.tag.enter();
        let (owned, flight) = (key.to_owned(), Arc::new(Flight::new()));
        let (found, gone, _key) = self.shard(key).find_or_begin(owned, flight, self.clock.now());
        self.count(gone.as_ref().map(|(cause, _)| *cause));
        found
    }

    /// Puts an entry in; after a build, only if its flight is still the key's.
    pub(super) fn put(&self, key: K, value: &Arc<V>, flight: Option<&Arc<Flight<V>>>) {
        let _scope = self.tag.enter();
        let expires = deadline(self.clock.now(), self.max_age);
        let weak = Arc::downgrade(value);
        let mut shard = self.shard(&key);
        let put = shard.put(key, weak, expires, flight);
        let dead = shard.purge_if_due();
        drop(shard);
        self.counters.add(Event::Departure(Cause::Size), dead.len() as u64);
        self.counters.add(Event::Insertion, put.is_in.into());
        self.count(put.replaced.then_some(Cause::Replaced));
    }

    pub(super) fn abandon<Q>(&self, key: &Q, flight: &Arc<Flight<V>>)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let _key = self.shard(key).abandon(key, flight);
    }

    /// Takes an entry out, and why: it may turn out to be gone.
    pub(super) fn remove<Q>(&self, key: &Q) -> Option<Gone<K, V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        // What is only dropped is so behind the lock.
        let removed = self.shard(key).remove(key, self.clock.now());
        let gone = removed.ok();
        self.count(gone.as_ref().map(|(cause, _)| *cause));
        gone
    }

    /// Keeps a value alive until enough others have come; now and then, lets go
    /// what is too old.
    pub(super) fn keep(&self, value: Arc<V>, built_bytes: i64) {
        let bytes = built_bytes.max(0).cast_unsigned();
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
        ring.push_back(Strong { value, until: deadline(now, self.max_age), bytes });
        let oldest = if ring.len() > self.strong { ring.pop_front() } else { None };
        drop(ring);
        drop(oldest);
    }

    /// Takes the strong references to a value out; they drop with the result.
    pub(super) fn release(&self, value: &Arc<V>) -> Vec<Arc<V>> {
        let mut gone = Vec::new();
        let mut ring = lock(&self.ring);
        for index in (0..ring.len()).rev() {
            if Arc::ptr_eq(&ring[index].value, value) {
                gone.extend(ring.remove(index).map(|strong| strong.value));
            }
        }
        gone
    }

    /// Lets go what is too old: the first in the ring, which is in the order of age.
    fn release_old(&self, now: Tick) {
        let old = || {
            let mut ring = lock(&self.ring);
            let is_old = ring.front().is_some_and(|strong| strong.until <= now);
            if is_old { ring.pop_front() } else { None }
        };
        each(iter::from_fn(old), drop);
    }

    pub(super) fn sweep(&self) -> usize {
        let now = self.clock.now();
        self.release_old(now);
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

    pub(super) fn read_statistics(&self) -> CacheStatistics {
        let mut it = CacheStatistics::new(&self.name, self.tag.id());
        self.counters.read(&mut it);
        let now = self.clock.now();
        let mut ages = None;
        for shard in &self.shards {
            let (len, expires) = lock(shard).census();
            it.entries += len as u64;
            ages = join(ages, expires);
        }
        if let Some((first, last)) = ages {
            it.oldest = age(now, first, self.max_age);
            it.newest = age(now, last, self.max_age);
        }
        it.used_bytes = reclaim::live_bytes(&self.tag).unwrap_or(0);
        it.idle_bytes = self.idle_bytes();
        it
    }

    /// What was measured of the values that the ring alone keeps alive.
    fn idle_bytes(&self) -> u64 {
        lock(&self.ring).iter().map(Strong::idle_bytes).sum()
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

    /// Lets strong references go, oldest first, until at most the target is idle; what
    /// others hold stays alive.
    fn shrink(&self, target_bytes: u64) -> u64 {
        let freed_bytes = reclaim::freed_bytes_by(|| {
            self.sweep();
            let mut idle_bytes = self.idle_bytes();
            // What destructors put in is not let go once more.
            let mut left = lock(&self.ring).len();
            let oldest = || {
                // What was not measured is let go with the rest only.
                let excess = idle_bytes > target_bytes || target_bytes == 0;
                left = left.checked_sub(1).filter(|_| excess)?;
                let oldest = lock(&self.ring).pop_front()?;
                idle_bytes = idle_bytes.saturating_sub(oldest.idle_bytes());
                Some(oldest)
            };
            each(iter::from_fn(oldest), drop);
            self.sweep();
        });
        freed_bytes.unwrap_or(0)
    }

    fn statistics(&self) -> ReclaimerStatistics {
        ReclaimerStatistics::Cache(self.read_statistics())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A key's `Eq` may panic under it: maps and rings are whole between calls.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
