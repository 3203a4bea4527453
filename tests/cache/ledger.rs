//! Values weighed by the ledger, bytes by tag, and giving memory back.

use std::sync::Arc;

use heapledger::{BoundedCache, Scope, Tag, scope};

use crate::support::{assert_adds_up, block_on, yield_once};

fn measured(name: &str) -> BoundedCache<u64, Arc<Vec<u8>>> {
    BoundedCache::builder(name).capacity_bytes(1 << 20).build().expect("a valid cache")
}

fn live_bytes(tag: &str) -> u64 {
    Tag::register(tag).expect("a name").read().expect("installed").own.live_bytes()
}

/// In the table: the key and the pointer. On the heap: two counts and a vector.
const FIXED: u64 = 8 + 8 + 16 + 24;

#[test]
fn a_value_weighs_what_building_it_left() {
    let cache = measured("measured");
    cache.get_or_insert_with(&1, || {
        let _scratch = vec![1_u8; 100_000];
        Arc::new(vec![0; 5000])
    });
    assert_eq!(cache.statistics().used_bytes, 5000 + FIXED, "what was freed is not in it");
    let failed = cache.try_get_or_insert_with(&2, || Err(std::hint::black_box("no")));
    assert_eq!(failed, Err("no"));
    cache.insert_with(3, || Arc::new(vec![0; 300])).expect("it fits");
    assert_eq!(cache.statistics().used_bytes, 5300 + 2 * FIXED);
    // Another component's memory is not the cache's.
    cache.get_or_insert_with(&4, || {
        let list = scope!("measured_elsewhere", vec![0; 7000]);
        Arc::new(list)
    });
    assert_eq!(cache.statistics().used_bytes, 5300 + 3 * FIXED);
    assert_adds_up(&cache.statistics());
}

#[test]
fn keys_on_the_heap_weigh_too() {
    let cache: BoundedCache<String, u64> =
        BoundedCache::builder("heap_keys").capacity_bytes(1 << 20).build().expect("valid");
    cache.get_or_insert_with(&*"k".repeat(1000), || 1);
    assert_eq!(cache.statistics().used_bytes, 24 + 8 + 1000);
}

#[test]
fn a_value_built_by_a_future_weighs_the_same() {
    let cache = measured("measured_future");
    block_on(cache.get_or_insert_async(&1, async {
        let mut bytes = vec![0; 1000];
        yield_once().await;
        // Between the polls this thread works for others.
        bytes.resize(2000, 1);
        Arc::new(bytes)
    }));
    assert_eq!(cache.statistics().used_bytes, 2000 + FIXED);
    assert!(live_bytes("cache/measured_future") >= 2000 + 40, "booked to the cache");
}

#[test]
fn what_is_built_is_booked_to_the_cache_until_it_goes() {
    let cache = measured("booked");
    let empty = live_bytes("cache/booked");
    scope!("booked_caller", {
        let before = Scope::current();
        (0..100).for_each(|key| drop(cache.get_or_insert_with(&key, || Arc::new(vec![0; 1000]))));
        assert_eq!(Scope::current(), before, "the caller's scope is current again");
    });
    let full = live_bytes("cache/booked");
    assert!(full >= empty + 100 * 1040, "{empty}, then {full}");
    cache.clear();
    let cleared = live_bytes("cache/booked");
    assert!(cleared <= full - 100 * 1040, "{full}, then {cleared}");
    assert_eq!(live_bytes("booked_caller"), 0);
}

#[test]
fn a_tag_of_the_programs_own_owns_the_cache() {
    static OWN: Tag = Tag::new("query_answers");
    let cache = BoundedCache::<u64, Arc<Vec<u8>>>::builder("tagged")
        .tag(&OWN)
        .capacity_bytes(1 << 20)
        .build()
        .expect("a valid cache");
    cache.get_or_insert_with(&1, || Arc::new(vec![0; 1000]));
    assert!(live_bytes("query_answers") >= 1000);
    assert_eq!((cache.statistics().name.as_str(), cache.statistics().tag), ("tagged", OWN.id()));
}

#[test]
fn an_oversize_value_reaches_its_callers_and_is_not_kept() {
    let cache = measured("large_value");
    let value = cache.get_or_insert_with(&1, || Arc::new(vec![7; 2 << 20]));
    assert_eq!(value.len(), 2 << 20);
    let it = cache.statistics();
    assert_eq!((it.refused, it.inserted, it.entries, it.used_bytes), (1, 0, 0, 0));
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn a_cache_is_listed_and_gives_back_what_it_says() {
    let cache = measured("listed");
    (0..200).for_each(|key| drop(cache.get_or_insert_with(&key, || Arc::new(vec![0; 2000]))));
    assert_eq!(cache.get(&3).map(|value| value.len()), Some(2000));
    let listed = || heapledger::caches().into_iter().find(|it| it.name == "listed");
    let it = listed().expect("listed");
    assert_eq!(it, cache.statistics());
    assert_eq!((it.hits, it.misses, it.inserted), (1, 200, 200));
    assert!((it.hit_rate() - 1.0 / 201.0).abs() < 1e-9);

    let reclaimers = heapledger::reclaimers();
    let this = reclaimers.iter().find(|it| it.name() == "listed").expect("listed");
    let held = cache.get(&0);
    let before = live_bytes("cache/listed");
    let freed = this.shrink(100_000);
    assert_eq!(freed, before - live_bytes("cache/listed"), "bytes that really went");
    assert!(cache.statistics().used_bytes <= 100_000);
    assert!(freed >= 200 * 2040 - 100_000 - 20_000, "{freed}");
    let rest = this.shrink_idle();
    assert!(rest > 0 && cache.is_empty());
    assert!(live_bytes("cache/listed") >= 2000, "the one that is held is not freed");
    drop((held, reclaimers, cache));
    assert!(listed().is_none(), "gone with its last handle");
}

#[cfg(feature = "serde")]
#[test]
fn statistics_and_causes_survive_json() {
    let it = measured("json").statistics();
    let text = serde_json::to_string(&it).expect("plain numbers");
    assert_eq!(serde_json::from_str::<heapledger::CacheStatistics>(&text).expect("the same"), it);
    let cause = serde_json::to_string(&heapledger::Cause::Expired).expect("a name");
    assert_eq!(cause, "\"Expired\"");
}

/// Row T20: entries are measured, and there are no more than so many.
#[test]
fn measured_entries_may_be_limited_in_number_too() {
    let cache = BoundedCache::<u64, Arc<Vec<u8>>>::builder("measured_entries")
        .capacity_bytes(100 << 20)
        .max_entries(1000)
        .build()
        .expect("a valid cache");
    for key in 0..3000 {
        drop(cache.get_or_insert_with(&key, || Arc::new(vec![0; 1000])));
    }
    let it = cache.statistics();
    assert!((900..=1000).contains(&it.entries), "{it:?}");
    assert!((1000 * it.entries..1100 * it.entries).contains(&it.used_bytes), "{it:?}");
    assert!(it.utilisation() > 0.008 && it.utilisation() < 0.02, "{it:?}");
    cache.clear();
    assert_eq!(cache.statistics().used_bytes, 0);
}
