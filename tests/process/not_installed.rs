//! Hazard 26: without `#[global_allocator]` no reading pretends.
//!
//! This program does not install the allocator, though it enters scopes. Every
//! reading says `NotInstalled`; none gives zeros that look like a result.
//!
//! Seen to fail: with the allocator installed in this program.

use std::future::Future;
use std::task::{Context, Poll, Waker};

use heapledger::{ErrorKind::NotInstalled, MarkErrorKind, SnapshotRing, Tag, TagReading, scope};

#[test]
fn every_reading_says_so() {
    let kept = scope!("not installed", vec![0_u8; 10_000]);
    let tag = Tag::register("not installed").expect("names work without the allocator");

    let mut buffer = vec![TagReading::EMPTY; heapledger::TAGS_MAX];
    let mut ring = SnapshotRing::<4>::new();
    let readings = [
        ("Tag::read", tag.read().map(drop)),
        ("tag_counts", heapledger::tag_counts(&tag).map(drop)),
        ("read_tag", heapledger::read_tag(tag.id()).map(drop)),
        ("counts", heapledger::counts().map(drop)),
        ("size_classes", heapledger::size_classes().map(drop)),
        ("backend_capabilities", heapledger::backend_capabilities().map(drop)),
        ("bench::count", heapledger::bench::count(|| vec![1]).map(drop)),
        ("thread", heapledger::thread().map(drop)),
        ("threads", heapledger::threads().map(drop)),
        ("snapshot", heapledger::snapshot().map(drop)),
        ("snapshot_with_backend", heapledger::snapshot_with_backend().map(drop)),
        ("snapshot_tags", heapledger::snapshot_tags(&mut buffer).map(drop)),
        ("SnapshotRing::record", ring.record(None).map(drop)),
        ("OwnedSnapshot::capture", heapledger::OwnedSnapshot::capture().map(drop)),
        ("log_memory", heapledger::log_memory("here").map(drop)),
        ("report", heapledger::report().map(drop)),
        ("measure", heapledger::measure("work", || vec![1]).map(drop)),
        ("Tag::measure", tag.measure(|| vec![1]).map(drop)),
        ("backend_statistics", heapledger::backend_statistics().map(drop)),
        ("purge", heapledger::purge()),
        ("testing::observe", heapledger::testing::observe(|| vec![1]).map(drop)),
        ("inject::fail_nth", heapledger::inject::fail_nth(0, || vec![1]).map(drop)),
    ];
    for (name, reading) in readings {
        assert_eq!(reading.map_err(|error| error.kind()), Err(NotInstalled), "{name}");
    }
    let mut future = std::pin::pin!(heapledger::measure_async("work", async { vec![1] }));
    let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let is_refused = |error: heapledger::Error| error.kind() == NotInstalled;
    assert!(matches!(polled, Poll::Ready(Err(error)) if is_refused(error)), "measure_async");
    let error = heapledger::mark("here").expect_err("nothing to be kept");
    assert!(matches!(error.kind(), MarkErrorKind::Unread(why) if why.kind() == NotInstalled));
    assert!(heapledger::marks().is_empty());
    assert!(heapledger::self_check().is_err());
    let info = heapledger::system_info();
    assert_eq!((info.memory_allocator_verified, info.memory_allocator), (false, None));
    assert_eq!(info.proof, heapledger::Proof::NotInstalled);
    drop(kept);
}

/// A cache that measures what it holds cannot be had; one that is told can.
#[cfg(feature = "cache")]
#[test]
fn what_would_measure_says_so() {
    use heapledger::{BoundedCache, CacheError};

    let builder = || BoundedCache::<u64, u64>::builder("not installed").capacity_bytes(1 << 20);
    assert_eq!(builder().build().map(drop), Err(CacheError::NotInstalled));
    let weighs = builder().weigher(|_, _| 100).build().expect("nothing is measured");
    weighs.insert(1, 2).expect("it fits");
    assert_eq!((weighs.get(&1), weighs.statistics().used_bytes), (Some(2), 100));
    let pool = heapledger::Pool::builder("not installed", || [0_u8; 1000]).build().unwrap();
    drop(pool.acquire_many(10));
    let it = pool.statistics();
    assert!(it.retained == 10 && it.idle_bytes >= 10_000 && it.used_bytes == 0, "{it:?}");
}

/// Counting instances and watching objects needs names, no allocator.
#[test]
fn what_does_not_read_memory_works() {
    use heapledger::lifecycle::{Tracked, instances_by_tag, survivors, watch};
    use std::sync::Arc;

    struct Counted;
    let counted = scope!("not installed", Tracked::new(Counted));
    let by_tag = instances_by_tag::<Counted>();
    assert_eq!((by_tag[0].tag.as_str(), by_tag[0].counts.live()), ("not installed", 1));
    let object = Arc::new(counted);
    watch(&object, "object");
    assert_eq!(survivors()[0].name, "object");
}
