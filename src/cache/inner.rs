//! What the handles of a cache share, and what all operations are made of.

use std::borrow::Borrow;
use std::cell::Cell;
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::reclaim::sweeper::Sweeper;
use crate::scope::Tag;

use super::clock::{Clock, NEVER, Tick, deadline};
use super::counters::{Counters, Event};
use super::departure::{Cause, Departed, Evicted, Listener, Pending, Watch};
use super::expiry::Expiry;
use super::limits::Limits;
use super::table::{ByHash, Entry, KeyHash, Table};

/// Entries that one operation sweeps at most.
const STEP_ENTRIES: usize = 64;
/// Entries that `sweep` handles at a time.
const SWEEP_ENTRIES: usize = 1024;

/// Weighs a key and its value.
pub(super) type Weigher<K, V> = Box<dyn Fn(&K, &V) -> u64 + Send + Sync>;
/// How long a value lives, if it does not live as long as the cache lets it.
pub(super) type TimeToLive<K, V> = Box<dyn Fn(&K, &V) -> Option<Duration> + Send + Sync>;

/// What a builder collects and a cache keeps.
pub(super) struct Rules<K, V> {
    pub(super) weigher: Option<Weigher<K, V>>,
    pub(super) listener: Option<Listener<K, V>>,
    pub(super) time_to_live: Option<Duration>,
    pub(super) time_to_live_of: Option<TimeToLive<K, V>>,
    pub(super) clock: Clock,
}

/// How long an entry stays, and where the expiry finds it.
#[derive(Clone, Copy)]
pub(super) struct Lease {
    hash: u64,
    pub(super) expires: Tick,
    /// When it began, if that was asked for.
    now: Option<Tick>,
}

pub(super) struct Inner<K, V> {
    pub(super) table: Table<K, V>,
    hasher: KeyHash,
    pub(super) rules: Rules<K, V>,
    pub(super) counters: Counters,
    pub(super) expiry: Expiry,
    pub(super) limits: Limits,
    pub(super) name: String,
    pub(super) tag: Tag,
    /// What left while nobody could be told.
    pub(super) pending: Arc<Pending<K, V>>,
    /// The thread that sweeps, if there is one.
    pub(super) sweeper: OnceLock<Sweeper>,
}

impl<K, V> Inner<K, V>
where
    K: Hash + Eq + Clone,
    V: Clone,
{
    /// `keeps_time`: somebody calls `keep_time`, again and again.
    pub(super) fn new(
        name: String,
        tag: Tag,
        limits: Limits,
        rules: Rules<K, V>,
        keeps_time: bool,
    ) -> Self {
        let _scope = tag.enter();
        let (hasher, watch) = (KeyHash::default(), Watch::new());
        let pending = watch.pending();
        let table = Table::with_options(limits.options(), limits.charge, hasher.clone(), watch);
        Self {
            table,
            hasher,
            rules,
            counters: Counters::new(),
            expiry: Expiry::new(keeps_time),
            limits,
            name,
            tag: tag.clone(),
            pending,
            sweeper: OnceLock::new(),
        }
    }

    /// The value, if it is there and has not expired. Does not count.
    #[inline]
    pub(super) fn find<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let found = self.table.get(key);
        let expires = found.as_ref().map_or(NEVER, |entry| entry.expires);
        if expires <= self.expiry.horizon() {
            let now = self.rules.clock.now();
            if expires.min(self.expiry.due()) <= now {
                return self.find_late(key, found, now);
            }
        }
        found.map(|entry| entry.value)
    }

    /// As `find`, where the entry or another one has expired.
    #[cold]
    #[inline(never)]
    fn find_late<Q>(&self, key: &Q, found: Option<Entry<V>>, now: Tick) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let alive = found.filter(|entry| entry.expires > now);
        if alive.is_none() {
            self.expire(key, now);
        }
        self.sweep_step(now);
        alive.map(|entry| entry.value)
    }

    /// Lets the entry of a key go if it has expired.
    pub(super) fn expire<Q>(&self, key: &Q, now: Tick)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let gone = self.table.remove_if(key, |entry| entry.expires <= now);
        self.depart(gone, Cause::Expired);
    }

    /// Counts and hands over one entry that was taken out.
    pub(super) fn depart(&self, gone: Option<(K, Entry<V>)>, cause: Cause) {
        if let Some(gone) = gone {
            let mut evicted = Evicted::collected();
            evicted.push(Departed::new(gone, cause));
            self.deliver(evicted);
        }
    }

    pub(super) fn deliver(&self, evicted: Evicted<K, V>) {
        evicted.deliver(&self.counters, self.rules.listener.as_ref());
    }

    /// When a value that comes in now expires, and the hash to find it by then.
    pub(super) fn lease(&self, key: &K, value: &V) -> Lease {
        let own = self.rules.time_to_live_of.as_ref().and_then(|of| of(key, value));
        self.lease_for(key, own.or(self.rules.time_to_live))
    }

    pub(super) fn lease_for(&self, key: &K, time_to_live: Option<Duration>) -> Lease {
        match time_to_live {
            None => Lease { hash: 0, expires: NEVER, now: None },
            Some(lives) => {
                self.expiry.expect();
                let now = self.rules.clock.now();
                let hash = self.hasher.hash_one(key);
                Lease { hash, expires: deadline(now, lives), now: Some(now) }
            }
        }
    }

    /// Counts what came in, notes its deadline, hands over what it pushed out.
    pub(super) fn came_in(&self, lease: Lease, bytes: u64, evicted: Evicted<K, V>) {
        if evicted.refused() {
            self.counters.add(Event::Refusal, 1);
        } else {
            self.counters.add(Event::Insertion, 1);
            self.counters.add(Event::BytesIn, bytes);
            if lease.expires != NEVER {
                let _scope = self.tag.enter();
                self.expiry.note(lease.hash, lease.expires, |hash| self.deadline_of(hash));
            }
        }
        self.deliver(evicted);
        if self.expiry.due() != NEVER {
            self.sweep_step(lease.now.unwrap_or_else(|| self.rules.clock.now()));
        }
    }

    fn by_hash(&self, hash: u64) -> ByHash<'_> {
        ByHash { hash, hasher: &self.hasher }
    }

    fn deadline_of(&self, hash: u64) -> Option<Tick> {
        let deadline = Cell::new(None);
        // Looks without taking: a look-up would clone the value under the lock.
        let none = self.table.remove_if(&self.by_hash(hash), |entry| {
            deadline.set(Some(entry.expires));
            false
        });
        debug_assert!(none.is_none());
        deadline.get()
    }

    /// Lets a few expired entries go, if the time has come.
    pub(super) fn sweep_step(&self, now: Tick) {
        if self.expiry.due() > now {
            return;
        }
        let Some(sweeping) = self.expiry.begin() else { return };
        let hashes = self.expiry.take_over(now, STEP_ENTRIES);
        let mut evicted = Evicted::collected();
        self.let_go(&hashes, now, &mut evicted, |_| ());
        drop(sweeping);
        self.deliver(evicted);
    }

    /// Brings the time that hits go by forward.
    pub(super) fn keep_time(&self) {
        self.expiry.keep(self.rules.clock.now());
    }

    /// Lets the entries go whose slots are over.
    pub(super) fn sweep_over(&self) -> (u64, u64) {
        let now = self.rules.clock.now();
        let mut gone = (0, 0);
        if self.expiry.due() > now {
            return gone;
        }
        loop {
            let hashes = self.expiry.take_over(now, SWEEP_ENTRIES);
            if hashes.is_empty() {
                break;
            }
            self.sweep_these(&hashes, now, &mut gone, |_| ());
        }
        self.expiry.settle();
        gone
    }

    /// Lets all expired entries go; returns how many and their bytes.
    pub(super) fn sweep(&self) -> (u64, u64) {
        let mut gone = self.sweep_over();
        let now = self.rules.clock.now();
        let keep = |hash| {
            // Not yet, or no more: it stays until its tick is over.
            self.expiry.note(hash, now, |hash| self.deadline_of(hash));
        };
        self.sweep_these(&self.expiry.take_current(now), now, &mut gone, keep);
        self.expiry.settle();
        gone
    }

    fn sweep_these(&self, hashes: &[u64], now: Tick, gone: &mut (u64, u64), kept: impl Fn(u64)) {
        let mut evicted = Evicted::collected();
        let (entries, bytes) = self.let_go(hashes, now, &mut evicted, kept);
        *gone = (gone.0 + entries, gone.1 + bytes);
        self.deliver(evicted);
    }

    fn let_go(
        &self,
        hashes: &[u64],
        now: Tick,
        evicted: &mut Evicted<K, V>,
        kept: impl Fn(u64),
    ) -> (u64, u64) {
        let mut gone = (0, 0);
        for &hash in hashes {
            match self.table.remove_if(&self.by_hash(hash), |entry| entry.expires <= now) {
                Some(one) => {
                    gone = (gone.0 + 1, gone.1 + one.1.bytes());
                    evicted.push(Departed::new(one, Cause::Expired));
                }
                None => kept(hash),
            }
        }
        gone
    }
}
