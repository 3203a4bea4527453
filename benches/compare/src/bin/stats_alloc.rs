//! `stats_alloc`: six counters that all threads share.

use heapledger_bench::{Contender, NOT_A_COUNTER, run};
use stats_alloc::{Region, StatsAlloc};
use tikv_jemallocator::Jemalloc;

// SAFETY: `StatsAlloc` holds atomic integers and `Jemalloc`, a type without
// content; zeroes are a valid value of each. Its `new` is const on nightly only.
#[global_allocator]
static GLOBAL: StatsAlloc<Jemalloc> = unsafe { std::mem::zeroed() };

fn counted(work: &mut dyn FnMut()) -> u64 {
    let region = Region::new(&GLOBAL);
    work();
    region.change().bytes_allocated as u64
}

fn main() -> std::process::ExitCode {
    run(&Contender { name: "stats_alloc", counted: Some(counted), ..NOT_A_COUNTER })
}
