//! One map of a weak cache. What leaves it is handed out, to be dropped unlocked.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::mem;
use std::sync::{Arc, Weak};

use quick_cache::DefaultHashBuilder;

use super::super::clock::Tick;
use super::super::departure::Cause;
use super::flight::Flight;

/// A map holds at least so many entries before the dead ones are looked for.
const PURGE_FROM: usize = 32;

pub(super) enum Slot<V> {
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

/// What became of a value that was put in.
pub(super) struct Put<K, V> {
    /// False: what is there is newer.
    pub(super) is_in: bool,
    pub(super) replaced: bool,
    /// The key, if there was one already, and what was under it.
    _rest: (Option<K>, Option<Slot<V>>),
}

/// A key that nobody needs any more, and what was under it.
pub(super) type Rest<K, V> = Option<(K, Slot<V>)>;

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
                (None, self.remove(key, now).ok())
            }
            _ => (None, None),
        }
    }

    /// As `find`; where nothing is found and nobody builds, `flight` takes the place. Hands
    /// the key back where it does not.
    pub(super) fn find_or_begin(
        &mut self,
        key: K,
        flight: Arc<Flight<V>>,
        now: Tick,
    ) -> (Found<V>, Option<Gone<K, V>>, Option<K>) {
        if let Some(Slot::Building(flight)) = self.map.get(&key) {
            return (Found::Building(Arc::clone(flight)), None, Some(key));
        }
        let (found, gone) = self.find(&key, now);
        if let Some(value) = found {
            return (Found::Value(value), gone, Some(key));
        }
        self.map.insert(key, Slot::Building(Arc::clone(&flight)));
        (Found::Nothing(flight), gone, None)
    }

    /// Puts an entry in, unless it was built by a flight that is not the key's any
    /// more: then what is there is newer.
    pub(super) fn put(
        &mut self,
        key: K,
        weak: Weak<V>,
        expires: Tick,
        flight: Option<&Arc<Flight<V>>>,
    ) -> Put<K, V> {
        let kept = Slot::Kept { weak, expires };
        match (self.map.get_mut(&key), flight) {
            (Some(slot), flight) if flight.is_none_or(|flight| is(slot, flight)) => {
                let before = mem::replace(slot, kept);
                let replaced = matches!(before, Slot::Kept { .. });
                Put { is_in: true, replaced, _rest: (Some(key), Some(before)) }
            }
            (None, None) => {
                self.map.insert(key, kept);
                Put { is_in: true, replaced: false, _rest: (None, None) }
            }
            _ => Put { is_in: false, replaced: false, _rest: (Some(key), Some(kept)) },
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

    /// Takes an entry out: removed, or gone before. Of a build it takes the place, so that
    /// its value is not kept, and hands back what that was.
    pub(super) fn remove<Q>(&mut self, key: &Q, now: Tick) -> Result<Gone<K, V>, Rest<K, V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (key, weak, expires) = match self.map.remove_entry(key) {
            Some((key, Slot::Kept { weak, expires })) => (key, weak, expires),
            other => return Err(other),
        };
        let cause = if expires <= now {
            Cause::Expired
        } else if weak.strong_count() == 0 {
            Cause::Size
        } else {
            Cause::Removed
        };
        Ok((cause, (key, weak)))
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
