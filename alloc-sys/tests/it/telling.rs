//! What a backend tells agrees with what it says it can tell, and with the truth
//! (hazard 44: the statistics side by side).

use std::sync::{Mutex, PoisonError};

use crate::{Block, for_each_backend};
use heapledger_alloc_sys::{Backend, PurgeError, Statistics};

for_each_backend!(capabilities_are_true, statistics_have_an_order, statistics_follow_the_blocks);

/// One test at a time: the other tests of this program allocate too little to
/// matter, but these do not.
static STATISTICS: Mutex<()> = Mutex::new(());

fn capabilities_are_true<B: Backend>(backend: &B) {
    let can = B::capabilities();
    assert_eq!(can.statistics, B::statistics().allocated_bytes.is_some(), "{}", B::NAME);
    assert_eq!(can.thread_allocated, B::thread_allocated_bytes().is_some(), "{}", B::NAME);
    assert_eq!(can.purge, B::purge() != Err(PurgeError::Unsupported), "{}", B::NAME);
    let block = Block::new(backend, 100, 8, false).expect("memory");
    assert_eq!(can.usable_size, block.usable_size().is_some(), "{}", B::NAME);
    if let Some(version) = B::version() {
        assert!(version.starts_with(|first: char| first.is_ascii_digit()), "{version}");
        assert!(version.contains('.'), "{version}");
    }
    if !can.statistics {
        assert_eq!(B::statistics(), Statistics::default(), "{}", B::NAME);
    }
}

fn statistics_have_an_order<B: Backend>(backend: &B) {
    let _one = STATISTICS.lock().unwrap_or_else(PoisonError::into_inner);
    let _live = Block::new(backend, 1 << 20, 8, true).expect("memory");
    let Statistics {
        allocated_bytes,
        active_bytes,
        metadata_bytes,
        resident_bytes,
        mapped_bytes,
        retained_bytes: _,
    } = B::statistics();
    let in_order = |less: Option<u64>, more: Option<u64>| {
        less.zip(more).is_none_or(|(less, more)| less <= more)
    };
    assert!(in_order(allocated_bytes, active_bytes));
    assert!(in_order(active_bytes, resident_bytes));
    assert!(in_order(metadata_bytes, resident_bytes));
    assert!(in_order(active_bytes, mapped_bytes));
    assert!(in_order(allocated_bytes, mapped_bytes));
}

/// `allocated_bytes` moves by what is allocated and freed: small blocks and large.
fn statistics_follow_the_blocks<B: Backend>(backend: &B) {
    const BYTES: u64 = 64 << 20;
    // What the tests beside this one may allocate or free meanwhile.
    const SLACK: u64 = 24 << 20;
    if !B::capabilities().statistics {
        return;
    }
    let _one = STATISTICS.lock().unwrap_or_else(PoisonError::into_inner);
    let allocated = || B::statistics().allocated_bytes.expect("told");
    for size in [1024, 1 << 20, 64 << 20] {
        let before = allocated();
        let blocks: Vec<_> = (0..BYTES / size)
            .map(|_| Block::new(backend, size as usize, 8, false).expect("memory"))
            .collect();
        let during = allocated();
        drop(blocks);
        let after = allocated();
        let is_near = |left: u64, right: u64| left.abs_diff(right) <= SLACK;
        assert!(is_near(during, before + BYTES), "{}: {before} to {during}", B::NAME);
        assert!(is_near(after, before), "{}: {before} to {after}", B::NAME);
    }
}

/// jemalloc counts per thread, in size classes, and never down.
#[cfg(all(target_os = "linux", feature = "backend-jemalloc"))]
#[test]
fn jemalloc_counts_the_thread() {
    use heapledger_alloc_sys::Jemalloc;
    let allocated = || Jemalloc::thread_allocated_bytes().expect("told");
    let before = allocated();
    let block = Block::new(&Jemalloc, 100, 8, false).expect("memory");
    let class = Jemalloc::size_class(block.layout).expect("a size class") as u64;
    assert_eq!(class, 112);
    assert_eq!(allocated(), before + class);
    drop(block);
    assert_eq!(allocated(), before + class);
    let other = std::thread::spawn(move || {
        drop(Block::new(&Jemalloc, 1 << 20, 8, false));
        Jemalloc::thread_allocated_bytes().expect("told")
    });
    assert!(other.join().expect("no panic") >= 1 << 20);
    assert_eq!(allocated(), before + class);
}

/// All six are known, and none is a 0 that stands for unknown.
#[cfg(all(target_os = "linux", feature = "backend-jemalloc"))]
#[test]
fn jemalloc_tells_all_six() {
    use heapledger_alloc_sys::Jemalloc;
    let _live = Block::new(&Jemalloc, 1 << 20, 8, true).expect("memory");
    let told = Jemalloc::statistics();
    for bytes in [told.allocated_bytes, told.active_bytes, told.metadata_bytes] {
        assert!(bytes.expect("told") > 0, "{told:?}");
    }
    assert!(told.resident_bytes.expect("told") > 0 && told.mapped_bytes.expect("told") > 0);
    assert!(told.retained_bytes.is_some());
    assert!(Jemalloc::version().expect("told").starts_with("5."));
}

#[cfg(feature = "backend-mimalloc")]
#[test]
fn mimalloc_tells_its_version() {
    use heapledger_alloc_sys::Mimalloc;
    let version = Mimalloc::version().expect("told");
    assert_eq!(version.split('.').count(), 3, "{version}");
    assert!(version.starts_with("3.") || version.starts_with("2."), "{version}");
}
