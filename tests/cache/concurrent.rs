//! Eight threads, every operation, and what must hold meanwhile and at the end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use heapledger::BoundedCache;

use crate::random::{Random, env_number};
use crate::support::{FakeClock, assert_adds_up};

/// A value that knows its key and counts itself.
struct Counted {
    key: u64,
    living: Arc<AtomicU64>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.living.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn eight_threads_lose_nothing_and_never_exceed_the_capacity() {
    const CAPACITY: u64 = 100_000;
    let operations = env_number("CACHE_OPERATIONS", 60_000);
    let clock = FakeClock::default();
    let (living, told) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let cache = BoundedCache::<u64, Arc<Counted>>::builder("stress")
        .capacity_bytes(CAPACITY)
        .expected_entries(4000)
        .weigher(|key, _| 50 + key % 100)
        .time_to_live(Duration::from_secs(5))
        .clock(clock.reader())
        .listener({
            let told = Arc::clone(&told);
            move |key, value: Arc<Counted>, _| {
                assert_eq!(value.key, key);
                told.fetch_add(1, Ordering::Relaxed);
            }
        })
        .build()
        .expect("a valid cache");
    let make = |key| {
        living.fetch_add(1, Ordering::Relaxed);
        Arc::new(Counted { key, living: Arc::clone(&living) })
    };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|number| {
                let (cache, clock, make) = (&cache, &clock, &make);
                scope.spawn(move || {
                    let mut random = Random::new(1 + number);
                    for _ in 0..operations {
                        let key = random.below(3000) as u64;
                        let found = match random.below(1000) {
                            0..500 => cache.get(&key),
                            500..700 => cache.insert(key, make(key)).map(|()| None).expect("fits"),
                            700..900 => Some(cache.get_or_insert_with(&key, || make(key))),
                            900..960 => cache.remove(&key),
                            960..990 => {
                                clock.advance(Duration::from_millis(20));
                                None
                            }
                            990..995 => {
                                cache.evict_to(random.next() % CAPACITY);
                                None
                            }
                            995..998 => {
                                cache.sweep();
                                None
                            }
                            998 => {
                                let lower = CAPACITY / 2 + random.next() % (CAPACITY / 2);
                                cache.set_capacity_bytes(lower).expect("bytes");
                                None
                            }
                            _ => {
                                cache.clear();
                                None
                            }
                        };
                        assert!(found.is_none_or(|value| value.key == key), "another key's value");
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                assert!(cache.statistics().used_bytes <= CAPACITY);
            }
        });
        let joined: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(joined.iter().all(Result::is_ok));
    });
    let it = cache.statistics();
    assert_adds_up(&it);
    let left = it.evicted + it.expired + it.removed + it.replaced + it.cleared;
    assert_eq!(left, told.load(Ordering::Relaxed), "told once each");
    assert_eq!(it.entries, living.load(Ordering::Relaxed), "each dropped once");
    cache.clear();
    assert_eq!((living.load(Ordering::Relaxed), cache.statistics().used_bytes), (0, 0));
}

/// What is built there is put in again and again, while others build and remove it.
#[test]
fn eight_threads_share_five_places() {
    let (living, told) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let cache = BoundedCache::<u64, Arc<Counted>>::builder("five")
        .max_entries(5)
        .listener({
            let told = Arc::clone(&told);
            move |_, _, _| {
                told.fetch_add(1, Ordering::Relaxed);
            }
        })
        .build()
        .expect("a valid cache");
    let make = |key| {
        living.fetch_add(1, Ordering::Relaxed);
        Arc::new(Counted { key, living: Arc::clone(&living) })
    };
    thread::scope(|scope| {
        for number in 0..8 {
            let (cache, make) = (&cache, &make);
            scope.spawn(move || {
                let mut random = Random::new(1 + number);
                for _ in 0..50_000 {
                    let key = random.below(12) as u64;
                    match random.below(10) {
                        0..8 => assert_eq!(cache.get_or_insert_with(&key, || make(key)).key, key),
                        8 => cache.insert(key, make(key)).expect("counted"),
                        _ => drop(cache.remove(&key)),
                    }
                }
            });
        }
    });
    let it = cache.statistics();
    assert_adds_up(&it);
    let left = it.evicted + it.removed + it.replaced;
    assert_eq!((left, it.coalesced <= it.misses), (told.load(Ordering::Relaxed), true));
    assert!(it.entries <= 5);
    assert_eq!(it.entries, living.load(Ordering::Relaxed), "each dropped once");
}

#[test]
fn what_many_threads_count_is_all_there() {
    let cache =
        BoundedCache::<u64, u64>::builder("counted_by_many").max_entries(10).build().expect("ok");
    cache.insert(1, 1).expect("counted");
    // More than have a place of their own, one group after the other; and few at full
    // speed.
    for (threads, look_ups) in [(300, 2_000), (8, 200_000), (300, 2_000)] {
        let start = Barrier::new(threads);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    start.wait();
                    for key in 0..look_ups {
                        cache.get(&(key % 2));
                    }
                });
            }
        });
    }
    let it = cache.statistics();
    assert_eq!((it.hits, it.misses), (1_400_000, 1_400_000));
}
