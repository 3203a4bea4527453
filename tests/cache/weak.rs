//! `WeakCache`: nobody is kept alive but the last few.

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use heapledger::{CacheError, WeakCache};

use crate::random::Random;
use crate::support::{FakeClock, TICK, assert_adds_up, block_on, yield_once};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn an_entry_vanishes_with_the_last_owner_of_its_value() {
    let cache = WeakCache::<String, u64>::builder("weak").strong(0).build().expect("valid");
    let value = cache.get_or_insert_with("one", || 1);
    let again = cache.get_or_insert_with("one", || unreachable!("it is alive"));
    assert!(Arc::ptr_eq(&value, &again));
    drop(value);
    assert_eq!(cache.get("one").as_deref(), Some(&1));
    drop(again);
    assert_eq!((cache.get("one"), cache.len()), (None, 0));
    let it = cache.statistics();
    assert_eq!((it.hits, it.misses, it.inserted, it.evicted), (2, 2, 1, 1));
    assert_adds_up(&it);
}

#[test]
fn the_last_hundred_stay_alive() {
    let cache = WeakCache::<u64, u64>::builder("strong").build().expect("valid");
    (0..250).for_each(|key| drop(cache.get_or_insert_with(&key, || key)));
    let alive: Vec<u64> = (0..250).filter(|key| cache.get(key).is_some()).collect();
    assert_eq!(alive, (150..250).collect::<Vec<_>>());
    cache.insert(500, Arc::new(500));
    assert_eq!((cache.get(&150), cache.get(&500).as_deref()), (None, Some(&500)));
    assert_eq!(cache.remove(&500).as_deref(), Some(&500));
    assert_eq!(cache.get(&500), None);
    assert_adds_up(&cache.statistics());
}

#[test]
fn nothing_is_found_after_its_age_whoever_holds_it() {
    let clock = FakeClock::default();
    let cache =
        WeakCache::<u64, u64>::builder("aged").clock(clock.reader()).build().expect("valid");
    let held = cache.get_or_insert_with(&1, || 1);
    clock.advance(HOUR);
    assert_eq!(cache.get(&1).as_deref(), Some(&1), "not a moment too early");
    clock.advance(2 * TICK);
    assert_eq!(cache.get(&1), None);
    assert_eq!(cache.statistics().expired, 1);
    cache.insert(2, Arc::clone(&held));
    clock.advance(HOUR + 2 * TICK);
    assert_eq!(cache.sweep(), 1);
    assert_eq!(Arc::strong_count(&held), 1, "the ring let go, too");
    // Insertions sweep by themselves now and then.
    let young = Arc::new(3);
    cache.insert(3, Arc::clone(&young));
    clock.advance(2 * HOUR);
    cache.insert(4, Arc::new(4));
    assert_eq!((cache.len(), Arc::strong_count(&young)), (1, 1));
    assert_adds_up(&cache.statistics());
}

#[test]
fn what_get_would_not_find_is_not_removed_either() {
    let clock = FakeClock::default();
    let builder = WeakCache::<u64, u64>::builder("weak_removed").clock(clock.reader());
    let cache = builder.build().expect("valid");
    let held = cache.get_or_insert_with(&1, || 1);
    clock.advance(HOUR + 2 * TICK);
    assert_eq!(cache.remove(&1), None, "too old");
    assert_eq!(Arc::strong_count(&held), 1, "the ring let go, too");
    let it = cache.statistics();
    assert_eq!((it.expired, it.removed, it.entries), (1, 0, 0));
    assert_adds_up(&it);

    let cache = WeakCache::<u64, u64>::builder("weak_dead").strong(0).build().expect("valid");
    cache.insert(1, Arc::new(1));
    assert_eq!(cache.remove(&1), None, "dead");
    let it = cache.statistics();
    assert_eq!((it.evicted, it.removed), (1, 0));
    assert_adds_up(&it);
}

#[test]
fn idle_is_what_the_ring_alone_keeps_alive() {
    let cache = WeakCache::<u64, Vec<u8>>::builder("weak_idle").strong(3).build().expect("valid");
    let idle = || cache.statistics().idle_bytes;
    assert_eq!(idle(), 0);
    (0..3).for_each(|key| drop(cache.get_or_insert_with(&key, || vec![0; 1000])));
    // Two counts and a vector, and what that points to.
    const VALUE: u64 = 16 + 24 + 1000;
    assert_eq!(idle(), 3 * VALUE);
    let held = cache.get(&1);
    assert_eq!(idle(), 2 * VALUE, "what somebody holds stays alive");
    cache.insert(7, Arc::new(vec![0; 500]));
    assert_eq!(idle(), VALUE, "the first left the ring, and nobody measured the last");
    drop(held);
    assert_eq!(idle(), 2 * VALUE);
    let reclaimers = heapledger::reclaimers();
    let this = reclaimers.iter().find(|it| it.name() == "weak_idle").expect("listed");
    assert!(this.shrink_idle() >= 2 * VALUE);
    assert_eq!(idle(), 0);
}

#[test]
fn values_that_panic_when_they_are_dropped_take_none_along() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("planted");
        }
    }
    let clock = FakeClock::default();
    let builder = WeakCache::<u64, Panics>::builder("weak_panics").clock(clock.reader());
    let cache = builder.build().expect("valid");
    (0..10).for_each(|key| drop(cache.get_or_insert_with(&key, || Panics)));
    clock.advance(HOUR + 2 * TICK);
    let swept = catch_unwind(AssertUnwindSafe(|| cache.sweep()));
    assert!(swept.is_err(), "the panic reaches the caller");
    assert_eq!(cache.sweep(), 10, "the rest goes with the next call");
    assert_adds_up(&cache.statistics());
}

#[test]
fn the_dead_never_outnumber_the_living_for_long() {
    let cache = WeakCache::<u64, u64>::builder("dead").strong(50).build().expect("valid");
    let held: Vec<_> = (0..1000).map(|key| cache.get_or_insert_with(&key, || key)).collect();
    for key in 1000..200_000 {
        cache.insert(key, Arc::new(key));
        // 1,050 alive; each of the 16 maps may hold as many dead, and no less than 32.
        assert!(cache.len() <= 2 * 1050 + 16 * 33, "{}", cache.len());
    }
    assert_eq!(held.iter().filter(|value| cache.get(value.as_ref()).is_some()).count(), 1000);
    assert_adds_up(&cache.statistics());
}

#[test]
fn sixteen_callers_get_one_build_and_a_failed_one_hands_over() {
    let cache = WeakCache::<u64, u64>::builder("weak_flight").strong(0).build().expect("valid");
    for key in 0..100 {
        let (builds, start) = (AtomicU64::new(0), Barrier::new(16));
        let results: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|number| {
                    let (cache, builds, start) = (&cache, &builds, &start);
                    scope.spawn(move || {
                        start.wait();
                        let build = || match builds.fetch_add(1, Ordering::Relaxed) {
                            0 => panic!("planted"),
                            1 => Err("planted"),
                            _ => Ok(key),
                        };
                        let get = || match number % 2 {
                            0 => cache.try_get_or_insert_with(&key, build),
                            _ => block_on(cache.try_get_or_insert_async(&key, async { build() })),
                        };
                        catch_unwind(AssertUnwindSafe(get))
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("caught")).collect()
        });
        assert_eq!(builds.into_inner(), 3);
        let built: Vec<_> = results.iter().flatten().flatten().collect();
        assert_eq!(built.len(), 14);
        assert!(built.iter().all(|value| Arc::ptr_eq(value, built[0])));
    }
    let it = cache.statistics();
    assert_eq!((it.hits + it.misses, it.inserted), (1600, 100));
    assert_adds_up(&it);
}

/// Counts how often it is woken, and by its references who still could.
#[derive(Default)]
struct Woken(AtomicU64);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll<F: Future>(future: Pin<&mut F>, woken: &Arc<Woken>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(woken.clone())))
}

#[test]
fn dropping_the_future_that_builds_hands_over() {
    let cache = WeakCache::<u64, u64>::builder("weak_cancel").strong(0).build().expect("valid");
    let [woken, left, other] = [(); 3].map(|()| Arc::<Woken>::default());
    let mut leader = Box::pin(cache.get_or_insert_async(&1, pending()));
    assert!(poll(leader.as_mut(), &other).is_pending());
    let mut leaves = Box::pin(cache.get_or_insert_async(&1, pending()));
    let mut waits = pin!(cache.get_or_insert_async(&1, async {
        yield_once().await;
        7
    }));
    for _ in 0..3 {
        assert!(poll(leaves.as_mut(), &left).is_pending());
        assert!(poll(waits.as_mut(), &other).is_pending());
        assert!(poll(waits.as_mut(), &woken).is_pending());
    }
    assert_eq!(Arc::strong_count(&left), 2, "each waits once, however often it is polled");
    drop(leaves);
    assert_eq!(Arc::strong_count(&left), 1, "nobody wakes who has left");
    assert_eq!(woken.0.load(Ordering::Relaxed), 0);
    drop(leader);
    let wakes = [&woken, &left, &other].map(|it| it.0.load(Ordering::Relaxed));
    assert_eq!(wakes, [1, 0, 0], "the last waker counts");
    assert!(poll(waits.as_mut(), &woken).is_pending(), "its own build gives way once");
    assert_eq!(poll(waits.as_mut(), &woken), Poll::Ready(Arc::new(7)));
    let it = cache.statistics();
    assert_eq!((it.hits, it.misses, it.inserted), (0, 3, 1));
    assert_adds_up(&it);
}

#[test]
fn a_thread_waits_for_a_task() {
    let cache = WeakCache::<u64, u64>::builder("weak_mixed").strong(0).build().expect("valid");
    let (go, gone) = std::sync::mpsc::channel();
    let started = Barrier::new(2);
    thread::scope(|scope| {
        let (cache, started) = (&cache, &started);
        let task = scope.spawn(move || {
            block_on(cache.get_or_insert_async(&1, async {
                started.wait();
                gone.recv().expect("sent");
                1
            }))
        });
        started.wait();
        let waiter = scope.spawn(move || cache.get_or_insert_with(&1, || unreachable!("built")));
        while cache.statistics().misses < 2 {
            thread::yield_now();
        }
        go.send(()).expect("received");
        let (built, waited) = (task.join().expect("no panic"), waiter.join().expect("no panic"));
        assert!(Arc::ptr_eq(&built, &waited));
    });
}

/// Over all polls, under the cache's tag.
#[test]
fn what_a_future_builds_is_measured() {
    let cache = WeakCache::<u64, Vec<u8>>::builder("weak_polls").build().expect("valid");
    let build = async {
        let mut value = Vec::with_capacity(1000);
        yield_once().await;
        value.reserve_exact(3000);
        value
    };
    let value = block_on(cache.get_or_insert_async(&1, build));
    assert_eq!(value.capacity(), 3000);
    drop(value);
    assert_eq!(cache.statistics().idle_bytes, 16 + 24 + 3000);
}

#[test]
fn futures_of_a_weak_cache_can_be_sent() {
    fn sendable<T: Send>(future: T) -> T {
        future
    }
    let cache = WeakCache::<u64, u64>::builder("weak_send").build().expect("valid");
    assert_eq!(*block_on(sendable(cache.get_or_insert_async(&1, async { 1 }))), 1);
}

#[test]
fn values_may_use_the_cache_when_they_are_dropped() {
    static CACHE: OnceLock<WeakCache<u64, Reenters>> = OnceLock::new();
    struct Reenters(u64);
    impl Drop for Reenters {
        fn drop(&mut self) {
            let cache = CACHE.get().expect("set below");
            let _ = (cache.get(&self.0), cache.remove(&(self.0 + 1)), cache.sweep(), cache.len());
        }
    }
    let cache = CACHE.get_or_init(|| {
        WeakCache::<u64, Reenters>::builder("weak_reenters").strong(3).build().expect("valid")
    });
    for key in 0..1000 {
        cache.insert(key % 20, Arc::new(Reenters(key % 20)));
        drop(cache.get_or_insert_with(&(key % 7), || Reenters(key % 7)));
    }
    let reclaimers = heapledger::reclaimers();
    let this = reclaimers.iter().find(|it| it.name() == "weak_reenters").expect("listed");
    this.shrink_idle();
    assert!(cache.is_empty());
    assert_adds_up(&cache.statistics());
}

#[test]
fn eight_threads_never_see_anothers_value() {
    let clock = FakeClock::default();
    let builder = WeakCache::<u64, u64>::builder("weak_stress").strong(20);
    let cache =
        builder.max_age(Duration::from_secs(10)).clock(clock.reader()).build().expect("valid");
    thread::scope(|scope| {
        for seed in 1..=8 {
            let (cache, clock) = (&cache, &clock);
            scope.spawn(move || {
                let mut random = Random::new(seed);
                let mut held = std::collections::VecDeque::new();
                for _ in 0..20_000 {
                    let key = random.below(200) as u64;
                    let found = match random.below(100) {
                        0..40 => cache.get(&key),
                        40..80 => Some(cache.get_or_insert_with(&key, || key)),
                        80..90 => {
                            cache.insert(key, Arc::new(key));
                            None
                        }
                        90..95 => cache.remove(&key),
                        95 => {
                            cache.sweep();
                            None
                        }
                        _ => {
                            clock.advance(Duration::from_millis(100));
                            None
                        }
                    };
                    assert!(found.as_deref().is_none_or(|value| *value == key));
                    held.push_back(found);
                    if held.len() > 50 {
                        held.pop_front();
                    }
                }
            });
        }
    });
    clock.advance(Duration::from_secs(11));
    cache.sweep();
    assert!(cache.is_empty());
    assert_adds_up(&cache.statistics());
}

#[test]
fn a_name_that_is_no_tag_is_an_error() {
    let error = WeakCache::<u64, u64>::builder("").build().unwrap_err();
    assert!(matches!(error, CacheError::InvalidName(_)));
}

#[test]
fn it_shrinks_by_what_only_its_ring_keeps_alive() {
    let cache = WeakCache::<u64, Vec<u8>>::builder("weak_shrinks").build().expect("valid");
    let held = cache.get_or_insert_with(&1000, || vec![0; 10_000_000]);
    (0..50).for_each(|key| drop(cache.get_or_insert_with(&key, || vec![0; 1000])));
    let idle = || cache.statistics().idle_bytes;
    let before = idle();
    assert!((50_000..60_000).contains(&before), "{before}");
    let reclaimers = heapledger::reclaimers();
    let this = reclaimers.iter().find(|it| it.name() == "weak_shrinks").expect("listed");
    assert_eq!((this.shrink(1 << 20), idle()), (0, before), "it is there already");
    assert!(this.shrink(30_000) >= before - 30_000);
    assert!((28_000..=30_000).contains(&idle()), "{}", idle());
    assert!(cache.get(&0).is_none() && cache.get(&49).is_some(), "the oldest went");
    assert_eq!(cache.get(&1000).map(|it| it.len()), Some(10_000_000));
    drop(held);
    assert!(this.shrink_idle() >= 20_000);
    assert_eq!((idle(), cache.len()), (0, 0));
    assert_adds_up(&cache.statistics());
}

/// A look-up that finds an entry too old, or a thread of its own: nothing has to be put in.
#[test]
fn what_is_too_old_is_let_go_though_nothing_comes() {
    let clock = FakeClock::default();
    let builder = WeakCache::<u64, Arc<()>>::builder("weak_looks").clock(clock.reader());
    let cache = builder.build().expect("valid");
    let alive = Arc::new(());
    (0..100).for_each(|key| cache.insert(key, Arc::new(alive.clone())));
    clock.advance(HOUR + 2 * TICK);
    assert_eq!((Arc::strong_count(&alive), cache.get(&5)), (101, None));
    assert_eq!((Arc::strong_count(&alive), cache.len()), (1, 99));

    let builder = WeakCache::<u64, Arc<()>>::builder("weak_thread").clock(clock.reader());
    let cache = builder.sweep_every(Duration::from_millis(1)).build().expect("valid");
    (0..100).for_each(|key| cache.insert(key, Arc::new(alive.clone())));
    assert_eq!(Arc::strong_count(&alive), 101);
    clock.advance(HOUR + 2 * TICK);
    while Arc::strong_count(&alive) > 1 || !cache.is_empty() {
        thread::yield_now();
    }
    assert_eq!(cache.statistics().expired, 100);
}

/// Row S13: how old the oldest and the newest entry are.
#[test]
fn the_ages_are_told() {
    let clock = FakeClock::default();
    let builder = WeakCache::<u64, u64>::builder("weak_ages").clock(clock.reader());
    let cache = builder.build().expect("valid");
    let ages = || (cache.statistics().oldest, cache.statistics().newest);
    assert_eq!(ages(), (None, None));
    cache.insert(1, Arc::new(1));
    clock.advance(100 * TICK);
    cache.insert(2, Arc::new(2));
    clock.advance(20 * TICK);
    let within = |age: Option<Duration>, ticks: u32| {
        let age = age.expect("there are entries");
        (ticks * TICK..=(ticks + 2) * TICK).contains(&age)
    };
    let (oldest, newest) = ages();
    assert!(within(oldest, 120) && within(newest, 20), "{oldest:?} {newest:?}");
    let _gone = cache.remove(&1);
    assert_eq!(ages().0, ages().1);
}

/// Keys that are dropped use the cache: they are dropped under no lock.
#[test]
fn keys_may_use_the_cache_when_they_are_dropped() {
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Key(u64);
    static CACHE: OnceLock<WeakCache<Key, u64>> = OnceLock::new();
    impl Drop for Key {
        fn drop(&mut self) {
            assert!(CACHE.get().is_none_or(|cache| cache.len() < 100));
        }
    }
    let cache = WeakCache::<Key, u64>::builder("weak_keys").build().expect("valid");
    assert!(CACHE.set(cache).is_ok());
    let cache = CACHE.get().expect("set");
    for _ in 0..2 {
        cache.insert(Key(1), Arc::new(1));
        assert_eq!(*cache.get_or_insert_with(&Key(1), || unreachable!("it is there")), 1);
        drop(cache.get_or_insert_with(&Key(2), || {
            assert!(cache.remove(&Key(2)).is_none(), "it is being built");
            2
        }));
        drop(cache.get_or_insert_with(&Key(3), || {
            cache.insert(Key(3), Arc::new(30));
            3
        }));
        assert!(cache.remove(&Key(3)).is_some());
    }
    assert_eq!((cache.len(), cache.sweep()), (1, 0));
    assert_adds_up(&cache.statistics());
}

#[test]
fn what_lives_for_ever_has_no_age() {
    let clock = FakeClock::default();
    for (max_age, is_known) in
        [(Duration::MAX, false), (5 * 8766 * HOUR, false), (8766 * HOUR, true)]
    {
        let builder = WeakCache::<u64, u64>::builder("weak_ageless").clock(clock.reader());
        let cache = builder.max_age(max_age).build().expect("valid");
        cache.insert(1, Arc::new(1));
        let it = cache.statistics();
        assert_eq!((it.oldest.is_some(), it.newest.is_some()), (is_known, is_known));
        assert!(it.oldest.is_none_or(|age| age <= 2 * TICK), "{it:?}");
    }
}

/// What destructors put in is there afterwards.
#[test]
fn shrinking_ends_though_values_put_others_in() {
    struct Phoenix(&'static OnceLock<WeakCache<u64, Phoenix>>);
    impl Drop for Phoenix {
        fn drop(&mut self) {
            let cache = self.0.get().expect("set");
            cache.insert(1, Arc::new(Phoenix(self.0)));
        }
    }
    static CACHE: OnceLock<WeakCache<u64, Phoenix>> = OnceLock::new();
    let cache = WeakCache::<u64, Phoenix>::builder("weak_phoenix").build().expect("valid");
    let cache = CACHE.get_or_init(|| cache);
    cache.insert(1, Arc::new(Phoenix(&CACHE)));
    let reclaimers = heapledger::reclaimers();
    let this = reclaimers.iter().find(|it| it.name() == "weak_phoenix").expect("listed");
    this.shrink_idle();
    assert_eq!(cache.len(), 1);
}
