//! One map of a weak cache. What leaves it is handed out, to be dropped unlocked.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use quick_cache::DefaultHashBuilder;

use super::super::clock::Tick;
use super::super::departure::Cause;
use super::flight::Flight;

/// A map holds at least so many entries before the dead ones are looked for.
const PURGE_FROM: usize = 32;

enum Slot<V> {
    Kept { weak: Weak<V>, expires: Tick },
    Building(Arc<Flight<V>>),
}

pub(super) struct Shard<K, V> {
    map: HashMap<K, Slot<V>, DefaultHashBuilder>,
    purge_at: usize,
}

/// What a look-up found.
pub(super) enum Found<V> {
    Value(Arc<V>),
    /// Somebody builds it.
    Building(Arc<Flight<V>>),
    /// The caller has to build it.
    Nothing(Arc<Flight<V>>),
}

/// An entry that left, and why.
pub(super) type Gone<K, V> = (Cause, (K, Weak<V>));

/// An entry came in.
pub(super) struct Put {
    pub(super) replaced: bool,
}

impl<K: Hash + Eq, V> Shard<K, V> {
    pub(super) fn new(hasher: DefaultHashBuilder) -> Self {
        Self { map: HashMap::with_hasher(hasher), purge_at: PURGE_FROM }
    }

    pub(super) fn len(&self) -> usize {
        self.census().0
    }

    /// The number of entries, and the first and the last deadline of them.
    pub(super) fn census(&self) -> (usize, Option<(Tick, Tick)>) {
        let deadlines = self.map.values().filter_map(|slot| match slot {
            Slot::Kept { expires, .. } => Some(*expires),
            Slot::Building(_) => None,
        });
        deadlines.fold((0, None), |(len, all), it| (len + 1, join(all, Some((it, it)))))
    }

    /// The value; or the entry that turned out to be gone, and why.
    pub(super) fn find<Q>(&mut self, key: &Q, now: Tick) -> (Option<Arc<V>>, Option<Gone<K, V>>)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        match self.map.get(key) {
            Some(Slot::Kept { weak, expires }) => {
                let alive = if *expires > now { weak.upgrade() } else { None };
                if alive.is_some() {
                    return (alive, None);
                }
                (None, self.remove(key, now))
            }
            _ => (None, None),
        }
    }

    /// As `find`; where nothing is found and nobody builds, `flight` takes the place.
    pub(super) fn find_or_begin(
        &mut self,
        key: K,
        flight: Arc<Flight<V>>,
        now: Tick,
    ) -> (Found<V>, Option<Gone<K, V>>) {
        if let Some(Slot::Building(flight)) = self.map.get(&key) {
            return (Found::Building(Arc::clone(flight)), None);
        }
        let (found, gone) = self.find(&key, now);
        let found = found.map_or_else(
            || {
                self.map.insert(key, Slot::Building(Arc::clone(&flight)));
                Found::Nothing(flight)
            },
            Found::Value,
        );
        (found, gone)
    }

    /// Puts an entry in, unless it was built by a flight that is not the key's any
    /// more: then what is there is newer.
    pub(super) fn put(
        &mut self,
        key: K,
        weak: Weak<V>,
        expires: Tick,
        flight: Option<&Arc<Flight<V>>>,
    ) -> Option<Put> {
        let kept = Slot::Kept { weak, expires };
        match (self.map.get_mut(&key), flight) {
            (Some(slot), None) => {
                let replaced = matches!(slot, Slot::Kept { .. });
                *slot = kept;
                Some(Put { replaced })
            }
            (Some(slot), Some(flight)) if is(slot, flight) => {
                *slot = kept;
                Some(Put { replaced: false })
            }
            (_, Some(_)) => None,
            (None, None) => {
                self.map.insert(key, kept);
                Some(Put { replaced: false })
            }
        }
    }

    /// Takes a flight away that came to nothing.
    pub(super) fn abandon<Q>(&mut self, key: &Q, flight: &Arc<Flight<V>>) -> Option<K>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mine = self.map.get(key).is_some_and(|slot| is(slot, flight));
        if mine { self.map.remove_entry(key).map(|(key, _)| key) } else { None }
    }

    /// Takes an entry out: removed, or gone before.
    pub(super) fn remove<Q>(&mut self, key: &Q, now: Tick) -> Option<Gone<K, V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (key, Slot::Kept { weak, expires }) = self.map.remove_entry(key)? else {
            // The build goes on, and its value is not kept.
            return None;
        };
        let cause = if expires <= now {
            Cause::Expired
        } else if weak.strong_count() == 0 {
            Cause::Size
        } else {
            Cause::Removed
        };
        Some((cause, (key, weak)))
    }

    /// Takes out what is dead or too old.
    pub(super) fn sweep(&mut self, now: Tick) -> Vec<(Cause, K)> {
        let mut gone = Vec::new();
        let out = self.map.extract_if(|_, slot| match slot {
            Slot::Kept { weak, expires } => *expires <= now || weak.strong_count() == 0,
            Slot::Building(_) => false,
        });
        for (key, slot) in out {
            let old = matches!(slot, Slot::Kept { expires, .. } if expires <= now);
            gone.push((if old { Cause::Expired } else { Cause::Size }, key));
        }
        gone
    }

    /// Takes the dead out, if there may be more of them than of the living.
    pub(super) fn purge_if_due(&mut self) -> Vec<(Cause, K)> {
        if self.map.len() <= self.purge_at {
            return Vec::new();
        }
        let dead = self.sweep(0);
        self.purge_at = (2 * self.map.len()).max(PURGE_FROM);
        dead
    }
}

/// The range that two ranges are in.
pub(super) fn join(one: Option<(Tick, Tick)>, other: Option<(Tick, Tick)>) -> Option<(Tick, Tick)> {
    match (one, other) {
        (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
        (one, other) => one.or(other),
    }
}

fn is<V>(slot: &Slot<V>, flight: &Arc<Flight<V>>) -> bool {
    matches!(slot, Slot::Building(building) if Arc::ptr_eq(building, flight))
}
