//! Which pools and caches there are.
//!
//! Invariant: the lock is held for list operations only. Enumerating takes strong
//! references under the lock and hands them out after it: whatever runs then
//! (statistics, destructors, a last reference that goes) runs unlocked.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Reclaimer;
use crate::scope::Tag;

/// Owns the lists: they grow for all pools, whichever makes them grow.
pub(crate) static OWN: Tag = Tag::new("heapledger/reclaim");

/// How the registry holds one.
enum Entry {
    /// Goes when its owner drops it.
    Weak(Weak<dyn Reclaimer>),
    /// A static one stays.
    Static(&'static (dyn Reclaimer + 'static)),
}

static ENTRIES: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// Lists a pool or cache until its last `Arc` goes.
///
/// # Cost
///
/// One lock and a look at every entry; those that are gone are forgotten.
pub fn register(reclaimer: &Arc<dyn Reclaimer>) {
    add(Entry::Weak(Arc::downgrade(reclaimer)));
}

/// Lists a static pool or cache, for ever.
///
/// Called again with the same one, it lists it once.
pub fn register_static(reclaimer: &'static dyn Reclaimer) {
    add(Entry::Static(reclaimer));
}

/// Forgets those that are gone, whose memory goes with the last that knew of it. For
/// the drop of one.
pub(crate) fn forget_gone() {
    retain_there(&mut ENTRIES.lock().unwrap_or_else(PoisonError::into_inner));
}

fn retain_there(entries: &mut Vec<Entry>) {
    // Only the memory of a value that is gone already is freed here.
    entries.retain(|entry| match entry {
        Entry::Weak(weak) => weak.strong_count() > 0,
        Entry::Static(_) => true,
    });
}

fn add(entry: Entry) {
    let _scope = OWN.enter();
    let mut entries = ENTRIES.lock().unwrap_or_else(PoisonError::into_inner);
    retain_there(&mut entries);
    let listed = |it: &Entry| match (it, &entry) {
        (Entry::Static(one), Entry::Static(other)) => core::ptr::addr_eq(*one, *other),
        _ => false,
    };
    if !entries.iter().any(listed) {
        entries.push(entry);
    }
}

/// Every pool and cache there is, in the order in which they were made.
///
/// # Cost
///
/// One lock, one allocation for the list (and one for each static entry).
#[must_use]
pub fn reclaimers() -> Vec<Arc<dyn Reclaimer>> {
    let entries = ENTRIES.lock().unwrap_or_else(PoisonError::into_inner);
    let strong = entries.iter().filter_map(|entry| match entry {
        Entry::Weak(weak) => weak.upgrade(),
        Entry::Static(one) => Some(Arc::new(StaticReclaimer(*one)) as Arc<dyn Reclaimer>),
    });
    strong.collect()
}

/// Has every pool and cache give back what is idle; returns the bytes freed.
///
/// They go to the allocator, which keeps their pages for a while (a pool's own pages
/// excepted); [`purge`](crate::purge) has it return them to the system.
///
/// # Cost
///
/// What it frees; nothing for pools and caches with nothing idle.
///
/// # Concurrency
///
/// One after the other, on the calling thread, no lock held.
///
/// # Panics
///
/// If the destructor of a pooled object does; the rest stays for another call.
///
/// # Examples
///
/// ```
/// let freed_bytes = heapledger::shrink_idle();
/// # let _ = freed_bytes;
/// ```
pub fn shrink_idle() -> u64 {
    reclaimers().iter().map(|it| it.shrink_idle()).sum()
}

/// A static one, where an `Arc` is asked for.
struct StaticReclaimer(&'static dyn Reclaimer);

impl Reclaimer for StaticReclaimer {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn tag(&self) -> &crate::scope::Tag {
        self.0.tag()
    }

    fn shrink(&self, target_bytes: u64) -> u64 {
        self.0.shrink(target_bytes)
    }

    fn shrink_idle(&self) -> u64 {
        self.0.shrink_idle()
    }

    fn statistics(&self) -> super::ReclaimerStatistics {
        self.0.statistics()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PoolKind, PoolStatistics, ReclaimerStatistics};
    use super::*;

    static TAG: Tag = Tag::new("pool/registry_test");

    struct Named(String);

    impl Reclaimer for Named {
        fn name(&self) -> &str {
            &self.0
        }

        fn tag(&self) -> &Tag {
            &TAG
        }

        /// Registers another one: a lock held here would never be had.
        fn shrink(&self, _: u64) -> u64 {
            let other: Arc<dyn Reclaimer> = Arc::new(Self("made while shrinking".into()));
            register(&other);
            1
        }

        fn statistics(&self) -> ReclaimerStatistics {
            ReclaimerStatistics::Pool(PoolStatistics::new(&self.0, TAG.id(), PoolKind::Other))
        }
    }

    fn listed(name: &str) -> usize {
        reclaimers().iter().filter(|it| it.name() == name).count()
    }

    #[test]
    fn one_is_listed_until_it_goes() {
        let one: Arc<dyn Reclaimer> = Arc::new(Named("goes".into()));
        register(&one);
        assert_eq!(listed("goes"), 1);
        assert!(shrink_idle() >= 1);
        drop(one);
        assert_eq!((listed("goes"), listed("made while shrinking")), (0, 0));
    }

    #[test]
    fn a_static_one_is_listed_once() {
        let one: &'static Named = Box::leak(Box::new(Named("stays".into())));
        register_static(one);
        register_static(one);
        assert_eq!(listed("stays"), 1);
    }
}
