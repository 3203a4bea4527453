//! `tracking-allocator`, with the cheapest tracker that keeps live bytes.
//!
//! The crate calls back for each block and leaves the keeping to its user. This
//! tracker keeps one counter for each group, on a cache line of its own; as each
//! thread enters a group of its own, threads share a counter only where one frees
//! what another allocated.

use std::sync::atomic::{AtomicU64, Ordering};

use heapledger_bench::{Contender, NOT_A_COUNTER, run};
use tikv_jemallocator::Jemalloc;
use tracking_allocator::{
    AllocationGroupId, AllocationGroupToken, AllocationRegistry, AllocationTracker, Allocator,
};

#[global_allocator]
static GLOBAL: Allocator<Jemalloc> = Allocator::from_allocator(Jemalloc);

const GROUPS: usize = 64;

#[repr(align(128))]
struct LiveBytes(AtomicU64);

static LIVE: [LiveBytes; GROUPS] = [const { LiveBytes(AtomicU64::new(0)) }; GROUPS];

fn live(group: &AllocationGroupId) -> &'static AtomicU64 {
    &LIVE[group.as_usize().get() % GROUPS].0
}

struct LiveBytesTracker;

impl AllocationTracker for LiveBytesTracker {
    fn allocated(&self, _: usize, bytes: usize, _: usize, group: AllocationGroupId) {
        live(&group).fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn deallocated(
        &self,
        _: usize,
        bytes: usize,
        _: usize,
        source: AllocationGroupId,
        _: AllocationGroupId,
    ) {
        live(&source).fetch_sub(bytes as u64, Ordering::Relaxed);
    }
}

fn start() {
    if AllocationRegistry::set_global_tracker(LiveBytesTracker).is_err() {
        unreachable!("nothing else sets a tracker");
    }
    AllocationRegistry::enable_tracking();
}

fn enter_thread() {
    let token = AllocationGroupToken::register().map(Box::new).map(Box::leak);
    std::mem::forget(token.map(AllocationGroupToken::enter));
}

fn counted(work: &mut dyn FnMut()) -> u64 {
    let all = || LIVE.iter().map(|it| it.0.load(Ordering::Relaxed)).sum::<u64>();
    let before = all();
    work();
    all() - before
}

fn main() -> std::process::ExitCode {
    run(&Contender {
        name: "tracking_allocator",
        start,
        enter_thread,
        counted: Some(counted),
        ..NOT_A_COUNTER
    })
}
