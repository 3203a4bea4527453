//! Times to live, under a clock that the test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use heapledger::{BoundedCache, CacheBuilder, Cause};

use crate::support::{FakeClock, Log, TICK, assert_adds_up};

const SECOND: Duration = Duration::from_secs(1);

fn builder(name: &str, clock: &FakeClock) -> CacheBuilder<u64, u64> {
    BoundedCache::builder(name).capacity_bytes(1 << 20).weigher(|_, _| 100).clock(clock.reader())
}

#[test]
fn an_entry_is_found_as_long_as_it_lives_and_no_longer() {
    for offset in 0..40 {
        let clock = FakeClock::default();
        let cache = builder("ttl", &clock).time_to_live(SECOND).build().expect("a valid cache");
        // Somewhere within a tick of the cache's clock.
        clock.advance(offset * SECOND / 77);
        cache.insert(1, 1).expect("it fits");
        clock.advance(SECOND - Duration::from_nanos(1));
        assert_eq!(cache.get(&1), Some(1), "not a moment too early");
        clock.advance(2 * TICK);
        assert_eq!(cache.get(&1), None, "at most two ticks late");
        let it = cache.statistics();
        assert_eq!((it.expired, it.hits, it.misses, it.entries), (1, 1, 1, 0));
        assert_adds_up(&it);
    }
}

#[test]
fn bytes_of_the_expired_leave_without_being_asked_for() {
    let clock = FakeClock::default();
    let log = Log::new();
    let cache = builder("swept", &clock)
        .time_to_live(10 * SECOND)
        .listener(log.listener())
        .build()
        .expect("a valid cache");
    (0..1000).for_each(|key| cache.insert(key, key).expect("it fits"));
    clock.advance(11 * SECOND);
    assert_eq!(cache.statistics().used_bytes, 100_000);
    // Operations on another key, a few entries each.
    for _ in 0..20 {
        assert_eq!(cache.get(&5000), None);
    }
    let it = cache.statistics();
    assert_eq!((it.used_bytes, it.expired), (0, 1000));
    let told = log.take();
    assert_eq!(told.len(), 1000);
    assert!(told.iter().all(|(_, _, cause)| *cause == Cause::Expired));
}

#[test]
fn one_sweep_takes_all_that_has_expired_and_nothing_else() {
    let clock = FakeClock::default();
    let cache = builder("one_sweep", &clock).build().expect("a valid cache");
    for key in 0..3000 {
        let lives = SECOND * (1 + key as u32 % 3);
        cache.insert_with_ttl(key, key, lives).expect("it fits");
    }
    cache.insert(9000, 0).expect("it fits");
    for seconds in 1..=3 {
        clock.advance(SECOND);
        if seconds == 1 {
            clock.advance(2 * TICK);
        }
        assert_eq!(cache.sweep(), 100_000, "a third of them");
        assert_eq!(cache.len(), 3001 - seconds * 1000);
    }
    clock.advance(1000 * SECOND);
    assert_eq!((cache.sweep(), cache.get(&9000)), (0, Some(0)), "it does not expire");
}

#[test]
fn a_longer_life_given_later_holds() {
    let clock = FakeClock::default();
    let cache = builder("renewed", &clock).build().expect("a valid cache");
    cache.insert_with_ttl(1, 1, SECOND).expect("it fits");
    cache.insert_with_ttl(1, 2, 10 * SECOND).expect("it fits");
    clock.advance(2 * SECOND);
    assert_eq!((cache.sweep(), cache.get(&1)), (0, Some(2)));
    clock.advance(10 * SECOND);
    assert_eq!((cache.sweep(), cache.get(&1)), (100, None));
}

#[test]
fn each_value_may_say_how_long_it_lives() {
    let clock = FakeClock::default();
    let cache = builder("own", &clock)
        .time_to_live(SECOND)
        .time_to_live_of(|_, value| (*value > 0).then(|| Duration::from_secs(*value)))
        .build()
        .expect("a valid cache");
    cache.insert(1, 0).expect("it fits");
    assert_eq!(cache.get_or_insert_with(&2, || 60), 60);
    clock.advance(2 * SECOND);
    assert_eq!((cache.get(&1), cache.get(&2)), (None, Some(60)));
    clock.advance(60 * SECOND);
    assert_eq!(cache.get_or_insert_with(&2, || 61), 61, "built again");
}

#[test]
fn an_expired_value_is_not_removed_as_a_living_one() {
    let clock = FakeClock::default();
    let cache = builder("dead", &clock).time_to_live(SECOND).build().expect("a valid cache");
    cache.insert(1, 1).expect("it fits");
    clock.advance(2 * SECOND);
    assert_eq!(cache.remove(&1), None);
    let it = cache.statistics();
    assert_eq!((it.expired, it.removed), (1, 0));
}

#[test]
fn the_longest_lives_do_not_overflow() {
    let clock = FakeClock::default();
    clock.advance(SECOND);
    let cache = builder("longest", &clock).time_to_live(Duration::MAX).build().expect("valid");
    cache.insert(1, 1).expect("it fits");
    clock.advance(3 * 365 * 24 * 3600 * SECOND);
    assert_eq!((cache.sweep(), cache.get(&1)), (0, Some(1)));
}

/// What remembers deadlines is not what grows: a key replaced over and over leaves
/// nothing behind for each time.
#[test]
fn deadlines_of_what_has_left_are_forgotten() {
    let clock = FakeClock::default();
    let cache = builder("weeded", &clock).time_to_live(3600 * SECOND).build().expect("valid");
    let live = || {
        let tag = heapledger::Tag::register("cache/weeded").expect("a name");
        tag.read().expect("installed").own.live_bytes()
    };
    let rounds = |count: u64| {
        for round in 0..count {
            cache.insert(round % 100, round).expect("it fits");
            clock.advance(Duration::from_millis(1));
        }
    };
    rounds(10_000);
    let before = live();
    rounds(200_000);
    let after = live();
    assert!(after < before + 100_000, "{before} then {after} bytes for 100 entries");
    assert_adds_up(&cache.statistics());
}

/// A thread of the cache's own sweeps and keeps the time; it ends with the cache.
#[test]
fn a_sweeping_thread_needs_no_operation() {
    let clock = FakeClock::default();
    let (told, alive) = (Arc::new(AtomicU64::new(0)), Arc::new(()));
    let cache = builder("thread", &clock)
        .time_to_live(SECOND)
        .sweep_every(Duration::from_millis(1))
        .listener({
            let (told, alive) = (Arc::clone(&told), Arc::clone(&alive));
            move |_, _, cause| {
                assert_eq!((cause, Arc::strong_count(&alive) > 1), (Cause::Expired, true));
                told.fetch_add(1, Ordering::Relaxed);
            }
        })
        .build()
        .expect("a valid cache");
    (0..500).for_each(|key| cache.insert(key, key).expect("it fits"));
    clock.advance(2 * SECOND);
    while told.load(Ordering::Relaxed) < 500 {
        std::thread::yield_now();
    }
    assert_eq!((cache.len(), cache.get(&1)), (0, None));
    drop(cache);
    // If the thread was just sweeping, it is the one that drops what is left.
    let start = Instant::now();
    while Arc::strong_count(&alive) > 1 {
        assert!(start.elapsed() < Duration::from_secs(60), "something of the cache is left");
        std::thread::yield_now();
    }
}

/// Between an entry's deadline and its sweep, a look-up goes by the time that the
/// thread keeps.
#[test]
fn a_kept_time_goes_on_between_sweeps() {
    const TICK: Duration = Duration::from_nanos(1 << 25);
    let clock = FakeClock::default();
    let cache = builder("kept_time", &clock)
        .time_to_live(32 * TICK)
        .sweep_every(Duration::from_millis(1))
        .build()
        .expect("a valid cache");
    cache.insert(1, 1).expect("it fits");
    cache.insert_with_ttl(2, 2, 1000 * TICK).expect("it fits");
    assert_eq!(cache.get(&1), Some(1));
    // Past the deadline, within the quarter of a second that is swept as one.
    clock.advance(34 * TICK);
    let start = Instant::now();
    while cache.get(&1).is_some() {
        assert!(start.elapsed() < Duration::from_secs(60), "the time stands still");
        std::thread::yield_now();
    }
    assert_eq!((cache.get(&2), cache.statistics().expired), (Some(2), 1));
}

#[test]
fn a_sweeping_thread_rests_however_short_its_interval() {
    let looks = Arc::new(AtomicU64::new(0));
    let now = {
        let looks = Arc::clone(&looks);
        move || Duration::from_nanos(looks.fetch_add(1, Ordering::Relaxed))
    };
    let builder = BoundedCache::<u64, u64>::builder("restless").max_entries(9).clock(now);
    let start = Instant::now();
    let cache = builder.sweep_every(Duration::ZERO).build().expect("a valid cache");
    std::thread::sleep(Duration::from_millis(50));
    drop(cache);
    let (looks, millis) = (looks.load(Ordering::Relaxed), start.elapsed().as_millis() as u64);
    // It looks once a millisecond, and the cache when it is made.
    assert!(looks <= 2 * millis + 10, "{looks} in {millis} ms");
}

#[test]
fn a_listener_that_panics_does_not_end_the_sweeping_thread() {
    let (clock, told) = (FakeClock::default(), Arc::new(AtomicU64::new(0)));
    let cache = builder("thread_panics", &clock)
        .time_to_live(SECOND)
        .sweep_every(Duration::from_millis(1))
        .listener({
            let told = Arc::clone(&told);
            move |_, _, _| assert!(told.fetch_add(1, Ordering::Relaxed) > 0, "planted")
        })
        .build()
        .expect("a valid cache");
    for round in 1..=2 {
        cache.insert(round, round).expect("it fits");
        clock.advance(2 * SECOND);
        while told.load(Ordering::Relaxed) < round {
            std::thread::yield_now();
        }
    }
    assert!(cache.is_empty());
}

#[test]
fn a_cache_dropped_by_its_own_sweeping_thread_ends_too() {
    let clock = FakeClock::default();
    let ended = Arc::new(AtomicBool::new(false));
    type Own = Arc<std::sync::Mutex<Option<BoundedCache<u64, u64>>>>;
    let own: Own = Arc::default();
    let cache = builder("own_thread", &clock)
        .time_to_live(SECOND)
        .sweep_every(Duration::from_millis(1))
        .listener({
            let (own, ended) = (Arc::clone(&own), Arc::clone(&ended));
            move |_, _, _| {
                let last = own.lock().unwrap().take();
                drop(last);
                ended.store(true, Ordering::Release);
            }
        })
        .build()
        .expect("a valid cache");
    cache.insert(1, 1).expect("it fits");
    *own.lock().unwrap() = Some(cache);
    clock.advance(2 * SECOND);
    while !ended.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
}
