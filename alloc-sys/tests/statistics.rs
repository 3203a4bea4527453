//! The statistics have an order and follow the blocks (hazard 44). A program of its
//! own, one test at a time: the statistics are the whole process's.

#[allow(dead_code, reason = "the other tests use the rest")]
mod support;

use std::sync::{Mutex, PoisonError};

use heapledger_alloc_sys::{Backend, Statistics};
use support::{Block, for_each_backend};

for_each_backend!(statistics_have_an_order, statistics_follow_the_blocks);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn statistics_have_an_order<B: Backend>(backend: &B) {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let _live = Block::new(backend, 1 << 20, 8, true).expect("memory");
    let Statistics {
        allocated_bytes,
        active_bytes,
        metadata_bytes,
        internal_bytes,
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
    assert!(in_order(internal_bytes, metadata_bytes));
    assert!(in_order(internal_bytes, allocated_bytes));
    assert!(in_order(active_bytes, mapped_bytes));
    assert!(in_order(allocated_bytes, mapped_bytes));
}

/// `allocated_bytes` moves by what is allocated and freed: small blocks and large.
fn statistics_follow_the_blocks<B: Backend>(backend: &B) {
    const BYTES: u64 = 64 << 20;
    // The blocks' headers, the list of blocks, and what threads keep cached.
    const SLACK: u64 = 4 << 20;
    if !B::capabilities().statistics {
        return;
    }
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
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
