//! `peak_alloc`: two counters that all threads share. It can wrap `System` only.

use heapledger_bench::{Contender, NOT_A_COUNTER, run};
use peak_alloc::PeakAlloc;

#[path = "../../system_is_jemalloc.rs"]
mod system_is_jemalloc;

#[global_allocator]
static GLOBAL: PeakAlloc = PeakAlloc;

fn counted(work: &mut dyn FnMut()) -> u64 {
    let before = GLOBAL.current_usage();
    work();
    (GLOBAL.current_usage() - before) as u64
}

fn main() -> std::process::ExitCode {
    run(&Contender { name: "peak_alloc", counted: Some(counted), ..NOT_A_COUNTER })
}
