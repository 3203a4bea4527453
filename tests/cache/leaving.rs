//! Whatever leaves is handed over once, with its cause, under no lock.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use heapledger::{BoundedCache, Cause};

use crate::support::{FakeClock, Log, assert_adds_up};

#[test]
fn every_cause_is_told_once() {
    let log = Log::new();
    let cache = BoundedCache::<u64, u64>::builder("causes")
        .max_entries(4)
        .listener(log.listener())
        .build()
        .expect("a valid cache");
    (0..4).for_each(|key| cache.insert(key, key).expect("counted"));
    assert_eq!(log.take(), []);
    cache.insert(1, 10).expect("counted");
    assert_eq!(log.take(), [(1, 1, Cause::Replaced)]);
    assert_eq!(cache.remove(&1), Some(10));
    assert_eq!(log.take(), [(1, 10, Cause::Removed)]);
    cache.insert(5, 5).expect("counted");
    cache.insert(6, 6).expect("counted");
    let evicted = log.take();
    assert_eq!(evicted.len(), 1);
    assert_eq!(evicted[0].2, Cause::Size);
    cache.clear();
    let mut cleared = log.take();
    cleared.sort_unstable_by_key(|one| one.0);
    assert_eq!(cleared.len(), 4);
    assert!(cleared.iter().all(|(key, value, cause)| key == value && *cause == Cause::Cleared));
    let it = cache.statistics();
    assert_eq!((it.replaced, it.removed, it.evicted, it.cleared), (1, 1, 1, 4));
    assert_adds_up(&it);
}

#[test]
fn a_listener_may_use_the_cache() {
    static CACHE: OnceLock<BoundedCache<u64, u64>> = OnceLock::new();
    static TOLD: AtomicU64 = AtomicU64::new(0);
    let again = |key: u64, value: u64, _| {
        let cache = CACHE.get().expect("set below");
        // The same shard, the same key, and every other operation.
        assert_ne!(cache.get(&key), Some(u64::MAX));
        let _ = (cache.len(), cache.statistics());
        if TOLD.fetch_add(1, Ordering::Relaxed) < 1000 {
            cache.insert(key + 1, value).expect("it fits");
            cache.remove(&(key + 2));
            cache.evict_to(500);
            cache.set_capacity_bytes(1000).expect("bytes");
            cache.sweep();
        }
    };
    let cache = BoundedCache::<u64, u64>::builder("reenters")
        .capacity_bytes(1000)
        .weigher(|_, _| 100)
        .listener(again)
        .build()
        .expect("a valid cache");
    let cache = CACHE.get_or_init(|| cache);
    (0..2000).for_each(|key| cache.insert(key, key).expect("it fits"));
    cache.set_capacity_bytes(200).expect("bytes");
    cache.clear();
    let it = cache.statistics();
    assert_adds_up(&it);
    let left = it.evicted + it.removed + it.cleared + it.replaced;
    assert_eq!(left, TOLD.load(Ordering::Relaxed));
}

#[test]
fn a_listener_that_panics_is_told_the_rest_all_the_same() {
    let told = Arc::new(AtomicU64::new(0));
    let cache = BoundedCache::<u64, u64>::builder("panics")
        .capacity_bytes(10_000)
        .weigher(|_, value| *value)
        .listener({
            let told = Arc::clone(&told);
            move |key, _, _| {
                told.fetch_add(1, Ordering::Relaxed);
                assert!(key >= 50, "planted");
            }
        })
        .build()
        .expect("a valid cache");
    (0..100).for_each(|key| cache.insert(key, 100).expect("it fits"));
    // One insertion that pushes out many.
    let inserted = catch_unwind(AssertUnwindSafe(|| cache.insert(1000, 9_000)));
    assert!(inserted.is_err(), "the panic reaches the caller");
    let it = cache.statistics();
    assert_eq!(it.evicted, told.load(Ordering::Relaxed));
    assert!(it.evicted >= 80, "{it:?}");
    assert_adds_up(&it);
    cache.insert(1001, 100).expect("the cache goes on");
}

/// Counts itself, panics or uses the cache when it goes.
struct Trap {
    number: u64,
    panics: bool,
    gone: Arc<AtomicU64>,
    cache: Arc<OnceLock<BoundedCache<u64, Arc<Trap>>>>,
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.gone.fetch_add(1, Ordering::Relaxed);
        if let Some(cache) = self.cache.get() {
            let _ = (cache.get(&self.number), cache.remove(&(self.number + 1)), cache.len());
        }
        assert!(!self.panics, "planted");
    }
}

#[test]
fn values_may_use_the_cache_or_panic_when_they_are_dropped() {
    let (gone, own) = (Arc::new(AtomicU64::new(0)), Arc::default());
    let cache = BoundedCache::builder("traps")
        .capacity_bytes(1000)
        .weigher(|_, _: &Arc<Trap>| 100)
        .build()
        .expect("a valid cache");
    let trap = |number, panics| {
        Arc::new(Trap { number, panics, gone: Arc::clone(&gone), cache: Arc::clone(&own) })
    };
    assert!(own.set(cache.clone()).is_ok());
    let mut panicked = 0;
    for number in 0..500 {
        let panics = number % 7 == 0;
        let put = catch_unwind(AssertUnwindSafe(|| cache.insert(number, trap(number, panics))));
        panicked += u64::from(put.is_err());
    }
    assert!(panicked > 30, "the panics reach the callers: {panicked}");
    let it = cache.statistics();
    assert_eq!(gone.load(Ordering::Relaxed), 500 - it.entries, "each dropped once");
    assert_adds_up(&it);
}

/// Many leave at once and some of them panic: all are gone, dropped and counted.
#[test]
fn what_leaves_beside_a_value_that_panics_is_dropped_and_counted() {
    const LARGE: u64 = 1000;
    let (gone, none) = (Arc::new(AtomicU64::new(0)), Arc::default());
    let trap = |number: u64| {
        let (gone, cache) = (Arc::clone(&gone), Arc::clone(&none));
        Arc::new(Trap { number, panics: number < LARGE && number.is_multiple_of(7), gone, cache })
    };
    for (round, limit) in (0..8).map(|round| (round, (round >= 4).then_some(1000))) {
        let clock = FakeClock::default();
        let mut builder = BoundedCache::builder("many_traps")
            .capacity_bytes(10_000)
            .shards(1)
            .weigher(|key, _: &Arc<Trap>| if *key == LARGE { 9_000 } else { 100 })
            .time_to_live(Duration::from_secs(1))
            .clock(clock.reader());
        if let Some(entries) = limit {
            builder = builder.max_entries(entries);
        }
        let cache = builder.build().expect("a valid cache");
        gone.store(0, Ordering::Relaxed);
        (0..90).for_each(|number| cache.insert(number, trap(number)).expect("it fits"));
        let panicked = catch_unwind(AssertUnwindSafe(|| match round % 4 {
            0 => cache.set_capacity_bytes(20).expect("bytes"),
            1 => drop(cache.evict_to(500)),
            2 => cache.insert(LARGE, trap(LARGE)).expect("it fits"),
            _ => {
                clock.advance(Duration::from_secs(2));
                cache.sweep();
            }
        }));
        assert!(panicked.is_err(), "the panic reaches the caller");
        let it = cache.statistics();
        assert_adds_up(&it);
        let large = u64::from(round % 4 == 2);
        let kept = it.entries - large;
        assert!(kept <= [0, 5, 10, 0][round % 4], "{it:?}");
        assert_eq!(gone.load(Ordering::Relaxed), 90 - kept, "each dropped once");
        assert_eq!(it.used_bytes, 100 * kept + 9_000 * large);
        // What is left must not panic when the cache goes.
        catch_unwind(AssertUnwindSafe(|| cache.evict_to(0))).ok();
        assert_adds_up(&cache.statistics());
    }
}
