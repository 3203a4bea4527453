//! Resources: one user at a time, one cleanup, never during use.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use heapledger::{Cleanup, ResourceError, Resources};

use crate::{LONG, SHORT};

/// A register with one resource, and how often that was cleaned up.
fn one(name: &str) -> (Resources, Arc<AtomicUsize>) {
    let resources = Resources::new(name).unwrap();
    let cleaned = Arc::new(AtomicUsize::new(0));
    let count = cleaned.clone();
    let cleanup = move |_| {
        count.fetch_add(1, SeqCst);
    };
    resources.register("one", 1_u32, cleanup).unwrap();
    (resources, cleaned)
}

#[test]
fn cleanup_runs_at_once_if_nobody_uses_it() {
    let (resources, cleaned) = one("resources/at_once");
    *resources.acquire::<u32>("one").unwrap() += 1;
    assert_eq!(*resources.acquire::<u32>("one").unwrap(), 2);
    assert_eq!(resources.unregister("one"), Ok(Cleanup::Done));
    assert_eq!(cleaned.load(SeqCst), 1);
    let unknown = ResourceError::Unknown { id: "one".into() };
    assert_eq!(resources.unregister("one"), Err(unknown.clone()));
    assert_eq!(resources.acquire::<u32>("one").unwrap_err(), unknown);
    assert_eq!(resources.resource_statistics("one"), Err(unknown));
    resources.register("one", (), drop).unwrap();
    drop(resources);
    assert_eq!(cleaned.load(SeqCst), 1);
}

#[test]
fn cleanup_waits_for_the_user() {
    let (resources, cleaned) = one("resources/waits");
    let guard = resources.acquire::<u32>("one").unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| resources.acquire_timeout::<u32>("one", LONG).map(drop));
        while resources.resource_statistics("one").unwrap().waits.waiting == 0 {
            thread::yield_now();
        }
        assert_eq!(resources.unregister("one"), Ok(Cleanup::WhenReleased));
        let error = waits.join().unwrap().unwrap_err();
        assert_eq!(error, ResourceError::Unknown { id: "one".into() });
    });
    assert_eq!((cleaned.load(SeqCst), *guard), (0, 1));
    let it = resources.statistics();
    assert_eq!((it.created, it.dropped, it.in_use, it.retained), (1, 0, 1, 0));
    drop(guard);
    let it = resources.statistics();
    assert_eq!((cleaned.load(SeqCst), it.dropped, it.in_use), (1, 1, 0));
}

#[test]
fn the_wrong_type_and_a_taken_id_and_no_time_are_errors() {
    let (resources, cleaned) = one("resources/errors");
    let error = resources.acquire::<String>("one").unwrap_err();
    assert!(matches!(error, ResourceError::WrongType { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("u32") && text.contains("String"), "{text}");

    let refused = Arc::new(AtomicBool::new(false));
    let flag = refused.clone();
    let error = resources.register("one", 9_u8, move |_| flag.store(true, SeqCst)).unwrap_err();
    assert_eq!(error, ResourceError::IdTaken { id: "one".into() });
    assert!(refused.load(SeqCst), "what was refused is cleaned up");
    assert_eq!(cleaned.load(SeqCst), 0);

    let guard = resources.acquire::<u32>("one").unwrap();
    let error = resources.acquire_timeout::<u32>("one", SHORT).unwrap_err();
    assert!(matches!(&error, ResourceError::InUse { waited, .. } if *waited >= SHORT), "{error:?}");
    let it = resources.resource_statistics("one").unwrap();
    assert!(it.in_use && it.type_name == "u32");
    assert_eq!((it.acquisitions, it.waits.times.count, it.waits.timeouts), (1, 1, 1));
    drop(guard);
    assert!(!resources.resource_statistics("one").unwrap().in_use);
    assert_eq!(resources.statistics().waits.timeouts, 1);
}

#[test]
fn a_register_cleans_up_when_it_goes() {
    let (resources, cleaned) = one("resources/goes");
    let count = cleaned.clone();
    let cleanup = move |_| panic!("cleanup {}", count.fetch_add(1, SeqCst));
    resources.register("panics", (), cleanup).unwrap();
    let count = cleaned.clone();
    let cleanup = move |()| {
        count.fetch_add(1, SeqCst);
    };
    resources.register("held", (), cleanup).unwrap();
    let held = resources.acquire::<()>("held").unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(resources))).is_err());
    assert_eq!(cleaned.load(SeqCst), 2, "the one that panicked, and the other");
    drop(held);
    assert_eq!(cleaned.load(SeqCst), 3);
}

#[test]
fn what_resources_do_together_is_counted() {
    let resources = Resources::new("resources/counted").unwrap();
    for id in ["one", "two"] {
        resources.register(id, vec![0_u8; 1000], drop).unwrap();
    }
    let all_idle = resources.statistics();
    assert!(all_idle.used_bytes == 0 && all_idle.idle_bytes > 0, "{all_idle:?}");
    {
        let _one = resources.acquire::<Vec<u8>>("one").unwrap();
        let _two = resources.acquire::<Vec<u8>>("two").unwrap();
        assert!(resources.acquire_timeout::<Vec<u8>>("one", SHORT).is_err());
    }
    drop(resources.acquire::<Vec<u8>>("one").unwrap());
    let it = resources.statistics();
    assert_eq!((it.hits, it.misses, it.high_water, it.in_use), (3, 1, 2, 0), "{it:?}");
    let _one = resources.acquire::<Vec<u8>>("one").unwrap();
    let it = resources.statistics();
    assert_eq!((it.high_water, it.in_use, it.retained), (2, 1, 1), "{it:?}");
    assert!(it.used_bytes > 0 && it.idle_bytes.abs_diff(it.used_bytes) <= 1, "{it:?}");
}

/// Eight threads acquire, unregister and register again.
#[test]
fn every_registered_resource_is_cleaned_up_once() {
    let resources = Resources::new("resources/storm").unwrap();
    let (registered, cleaned) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    thread::scope(|scope| {
        for number in 0..8 {
            let (resources, registered, cleaned) = (&resources, &registered, &cleaned);
            scope.spawn(move || {
                for turn in 0..2_000 {
                    let id = ["a", "b"][turn % 2];
                    if (turn + number) % 5 == 0 {
                        let count = cleaned.clone();
                        let used = AtomicBool::new(false);
                        registered.fetch_add(1, SeqCst);
                        let cleanup = move |used: AtomicBool| {
                            assert!(!used.into_inner(), "cleaned up while it was used");
                            count.fetch_add(1, SeqCst);
                        };
                        let _ = resources.register(id, used, cleanup);
                    } else if (turn + number) % 7 == 0 {
                        let _ = resources.unregister(id);
                    } else if let Ok(used) = resources.acquire::<AtomicBool>(id) {
                        assert!(!used.swap(true, SeqCst), "two users");
                        used.store(false, SeqCst);
                    }
                }
            });
        }
    });
    let it = resources.statistics();
    assert_eq!((it.in_use, it.created - it.dropped), (0, it.retained));
    drop(resources);
    assert_eq!(cleaned.load(SeqCst), registered.load(SeqCst));
    assert!(!heapledger::pools().iter().any(|it| it.name == "resources/storm"));
}
