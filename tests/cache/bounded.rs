//! Look-ups, insertions, limits and errors of `BoundedCache`.

use std::sync::OnceLock;
use std::time::Duration;

use heapledger::{BoundedCache, CacheError, Cause};

use crate::support::{Log, assert_adds_up};

fn strings(name: &str, capacity_bytes: u64) -> BoundedCache<String, String> {
    BoundedCache::builder(name)
        .capacity_bytes(capacity_bytes)
        .weigher(|key: &String, value: &String| (key.len() + value.len()) as u64)
        .build()
        .expect("a valid cache")
}

#[test]
fn what_is_put_in_is_found_by_a_borrowed_key() {
    let cache = strings("found", 10_000);
    cache.insert("one".into(), "1".into()).expect("it fits");
    assert_eq!(cache.get("one").as_deref(), Some("1"));
    assert_eq!(cache.get("two"), None);
    cache.insert("one".into(), "uno".into()).expect("it fits");
    assert_eq!(cache.get("one").as_deref(), Some("uno"));
    assert_eq!(cache.len(), 1);
    assert_eq!(cache.remove("one").as_deref(), Some("uno"));
    assert_eq!(cache.remove("one"), None);
    let it = cache.statistics();
    assert_eq!((it.hits, it.misses, it.inserted, it.replaced, it.removed), (2, 1, 2, 1, 1));
    assert_eq!((it.entries, it.used_bytes), (0, 0));
    assert_adds_up(&it);
}

#[test]
fn an_entry_too_large_is_refused_by_an_error_and_what_it_replaces_leaves() {
    let cache = strings("oversize", 1024);
    cache.insert("k".into(), "old".into()).expect("it fits");
    let max_entry_bytes = cache.max_entry_bytes().expect("a capacity in bytes");
    assert!((900..=1024).contains(&max_entry_bytes), "{max_entry_bytes}");

    let just = "x".repeat(max_entry_bytes as usize - 1);
    cache.insert("k".into(), just).expect("the largest that fits");
    let error = cache.insert("k".into(), "x".repeat(max_entry_bytes as usize)).unwrap_err();
    let entry_bytes = max_entry_bytes + 1;
    assert_eq!(error, CacheError::Oversize { entry_bytes, max_entry_bytes });
    assert!(error.to_string().contains("raise the capacity"));
    assert_eq!(cache.get("k"), None, "the old value is out of date");
    let it = cache.statistics();
    assert_eq!((it.refused, it.replaced, it.entries), (1, 2, 0));
    assert_adds_up(&it);
}

#[test]
fn the_largest_entry_announced_fits() {
    let cache = BoundedCache::<u64, u64>::builder("announced")
        .capacity_bytes(1 << 20)
        .max_entry_bytes(1 << 19)
        .weigher(|_, value| *value)
        .build()
        .expect("a valid cache");
    cache.insert(1, 1 << 19).expect("announced");
    assert_eq!(cache.get(&1), Some(1 << 19));
}

#[test]
fn entries_are_counted_where_no_bytes_are_given() {
    for max_entries in [1, 2, 31, 100] {
        let cache = BoundedCache::<u64, String>::builder("counted")
            .max_entries(max_entries)
            .build()
            .expect("a valid cache");
        for key in 0..max_entries {
            cache.insert(key, "x".repeat(1000)).expect("entries are counted");
        }
        assert_eq!(cache.len() as u64, max_entries, "all that there may be");
        for key in max_entries..4 * max_entries {
            cache.insert(key, String::new()).expect("entries are counted");
            assert_eq!(cache.len() as u64, max_entries);
        }
        assert_eq!(cache.set_capacity_bytes(1), Err(CacheError::CountsEntries));
        assert_eq!((cache.capacity_bytes(), cache.max_entry_bytes()), (None, None));
    }
}

#[test]
fn bytes_and_entries_are_limited_together() {
    let cache = BoundedCache::<u64, u64>::builder("both")
        .capacity_bytes(100_000)
        .max_entries(10)
        .weigher(|_, value| *value)
        .build()
        .expect("a valid cache");
    for key in 0..1000 {
        cache.insert(key, 1 + key * 37 % 20_000).expect("it fits");
        let it = cache.statistics();
        assert!(it.entries <= 10 && it.used_bytes <= 100_000, "{it:?}");
    }
    assert!(cache.len() >= 4);

    for max_entries in [1, 2, 7] {
        let cache = BoundedCache::<u64, u64>::builder("both_small")
            .capacity_bytes(100_000)
            .max_entries(max_entries)
            .weigher(|_, value| *value)
            .build()
            .expect("a valid cache");
        for key in 0..20 {
            cache.insert(key, 10).expect("it fits");
            assert_eq!(cache.len() as u64, max_entries.min(key + 1));
        }
    }
}

#[test]
fn entries_are_limited_beside_bytes_that_do_not_matter() {
    for capacity_bytes in [64 << 30, 1 << 50, u64::MAX] {
        let cache = BoundedCache::<u64, u64>::builder("any_bytes")
            .capacity_bytes(capacity_bytes)
            .max_entries(10)
            .weigher(|_, value| *value)
            .build()
            .expect("a valid cache");
        for key in 0..100 {
            cache.insert(key, key).expect("it fits");
            assert_eq!(cache.len() as u64, 10.min(key + 1));
        }
        assert_eq!(cache.get_or_insert_with(&1000, || 5), 5);
        assert_eq!(cache.get(&1000), Some(5), "kept");
        let largest = u64::from(u32::MAX) - 1;
        assert_eq!(cache.max_entry_bytes(), Some(largest));
        cache.insert(1, largest).expect("the largest");
        let error = cache.insert(1, largest + 1).unwrap_err();
        let oversize = CacheError::Oversize { entry_bytes: largest + 1, max_entry_bytes: largest };
        assert_eq!(error, oversize);
        assert_adds_up(&cache.statistics());
    }
}

#[test]
fn a_cache_of_no_entries_takes_none() {
    for capacity_bytes in [None, Some(1 << 20)] {
        let mut builder =
            BoundedCache::<u64, u64>::builder("no_entries").max_entries(0).weigher(|_, _| 8);
        if let Some(bytes) = capacity_bytes {
            builder = builder.capacity_bytes(bytes);
        }
        let cache = builder.build().expect("a valid cache");
        let error = cache.insert(1, 1).unwrap_err();
        assert_eq!(error, CacheError::Oversize { entry_bytes: 8, max_entry_bytes: 0 });
        assert_eq!(cache.get_or_insert_with(&1, || 7), 7);
        let it = cache.statistics();
        assert_eq!((it.entries, it.inserted, it.refused, it.used_bytes), (0, 0, 2, 0));
        if capacity_bytes.is_some() {
            cache.set_capacity_bytes(u64::MAX).expect("bytes");
            assert_eq!(cache.max_entry_bytes(), Some(0), "however many bytes there are");
        }
    }
}

#[test]
fn a_share_of_the_bytes_too_large_for_them_admits_nothing_and_says_so() {
    let cache = BoundedCache::<u64, u64>::builder("shares")
        .capacity_bytes(100_000)
        .max_entries(10)
        .weigher(|_, _| 10)
        .build()
        .expect("a valid cache");
    cache.set_capacity_bytes(5_000).expect("bytes");
    let error = cache.insert(1, 1).unwrap_err();
    assert_eq!(error, CacheError::Oversize { entry_bytes: 10, max_entry_bytes: 0 });
}

#[test]
fn the_capacity_can_be_changed_and_what_is_beyond_it_leaves() {
    let log = Log::new();
    let cache = BoundedCache::<u64, u64>::builder("changed")
        .capacity_bytes(64_000)
        .weigher(|_, _| 100)
        .listener(log.listener())
        .build()
        .expect("a valid cache");
    for (bytes, least) in [(32_000, 28_000), (3_200, 2_500), (31, 0), (0, 0)] {
        (0..600).for_each(|key| cache.insert(key, key).expect("it fits"));
        assert_eq!(cache.statistics().used_bytes, 60_000, "as much as at the beginning");
        log.take();
        cache.set_capacity_bytes(bytes).expect("a capacity in bytes");
        let it = cache.statistics();
        assert_eq!(it.capacity_bytes, Some(bytes));
        assert!(it.used_bytes <= bytes && it.used_bytes >= least, "{bytes}: {it:?}");
        let told = log.take();
        assert_eq!(told.len() as u64, 600 - it.entries, "every one that left was told");
        assert!(told.iter().all(|(_, _, cause)| *cause == Cause::Size));
        assert_adds_up(&it);
        if bytes < 100 {
            let error = cache.insert(1, 1).unwrap_err();
            assert_eq!(error, CacheError::Oversize { entry_bytes: 100, max_entry_bytes: 0 });
        }
        cache.set_capacity_bytes(64_000).expect("a capacity in bytes");
    }
}

#[test]
fn evict_to_goes_down_to_the_bytes_and_leaves_the_capacity() {
    let cache = BoundedCache::<u64, u64>::builder("evicted")
        .capacity_bytes(1 << 20)
        .weigher(|_, _| 1024)
        .build()
        .expect("a valid cache");
    for target in [900_000, 500_000, 100_000, 10_000, 1, 0] {
        (0..1000).for_each(|key| cache.insert(key, key).expect("it fits"));
        let before = cache.statistics().used_bytes;
        assert!(before > 900_000, "room again after every eviction: {before}");
        let gone = cache.evict_to(target);
        let used = cache.statistics().used_bytes;
        assert_eq!(gone, before - used);
        assert!(used <= target, "{used} of {target}");
        assert!(
            used + 70_000 > target,
            "no more than needed, up to the shards: {used} of {target}"
        );
        assert_adds_up(&cache.statistics());
    }
    assert_eq!(cache.evict_to(0), 0);
    assert_eq!(cache.capacity_bytes(), Some(1 << 20));
}

#[test]
fn what_a_listener_puts_back_was_evicted_all_the_same() {
    static CACHE: OnceLock<BoundedCache<u64, u64>> = OnceLock::new();
    let put_back = |key, value, _| CACHE.get().expect("set").insert(key, value).expect("it fits");
    let cache = BoundedCache::<u64, u64>::builder("put_back")
        .capacity_bytes(100_000)
        .weigher(|_, _| 100)
        .listener(put_back)
        .build()
        .expect("a valid cache");
    let cache = CACHE.get_or_init(|| cache);
    (0..100).for_each(|key| cache.insert(key, key).expect("it fits"));
    assert_eq!(cache.evict_to(0), 10_000);
    let it = cache.statistics();
    assert_eq!((it.evicted, it.used_bytes), (100, 10_000));
    assert_adds_up(&it);
}

#[test]
fn what_a_builder_lacks_is_said() {
    let without_limit = BoundedCache::<u64, u64>::builder("none").build().unwrap_err();
    assert_eq!(without_limit, CacheError::NoCapacity);
    assert!(without_limit.to_string().contains("capacity_bytes"));
    let name = BoundedCache::<u64, u64>::builder("a//b").max_entries(1).build().unwrap_err();
    assert!(matches!(name, CacheError::InvalidName(_)));
}

#[test]
fn a_value_that_nobody_could_measure_is_refused() {
    let cache = BoundedCache::<u64, Vec<u8>>::builder("unmeasured")
        .capacity_bytes(10_000)
        .time_to_live(Duration::from_secs(1))
        .build()
        .expect("a valid cache");
    let error = cache.insert(1, vec![0; 100]).unwrap_err();
    assert_eq!(error, CacheError::NotMeasured);
    assert!(error.to_string().contains("insert_with"));
    cache.insert_with(1, || vec![0; 100]).expect("measured");
    assert_eq!(cache.get(&1), Some(vec![0; 100]));
}
