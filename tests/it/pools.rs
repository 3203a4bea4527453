//! Pools: objects go out and come back, and every number adds up.

use heapledger::{Pool, PoolError, PoolGuard, PoolStatistics};

/// What has to hold of every pool that nobody uses at the moment.
#[track_caller]
fn check(it: &PoolStatistics) {
    assert_eq!(it.created, it.dropped + it.in_use + it.retained, "{it:?}");
    assert!(it.high_water >= it.in_use, "{it:?}");
    assert!(it.retained_max.is_none_or(|max| it.retained <= max), "{it:?}");
}

#[test]
fn an_object_comes_back_reset() {
    let pool = Pool::builder("it/reset", || String::with_capacity(100))
        .reset(String::clear)
        .build()
        .unwrap();
    let mut first = pool.acquire();
    first.push_str("text");
    let address = first.as_ptr();
    assert_eq!(size_of_val(&first), 16);
    drop(first);
    let again = pool.acquire();
    assert_eq!((again.as_str(), again.as_ptr()), ("", address));
    let it = pool.statistics();
    check(&it);
    assert_eq!((it.created, it.in_use, it.retained, it.hits, it.misses), (1, 1, 0, 1, 1));
}

#[test]
fn any_number_is_live_and_few_are_retained() {
    let pool = Pool::builder("it/limits", || [0_u8; 100]).retained_max(10).build().unwrap();
    let guards = pool.acquire_many(5000).unwrap();
    let it = pool.statistics();
    check(&it);
    assert_eq!((it.in_use, it.created), (5000, 5000));
    assert!(it.high_water >= 5000 - 64, "{it:?}");
    drop(guards);
    let it = pool.statistics();
    check(&it);
    assert_eq!(it.in_use, 0);
    assert!((1..=10).contains(&it.retained), "{it:?}");
}
