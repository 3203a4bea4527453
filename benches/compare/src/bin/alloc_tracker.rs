//! `alloc_tracker`: counters of each thread, read by spans. It counts always, so
//! there is nothing to enter.

use alloc_tracker::{Allocator, Session};
use heapledger_bench::{Contender, NOT_A_COUNTER, run};
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static GLOBAL: Allocator<Jemalloc> = Allocator::new(Jemalloc);

fn counted(work: &mut dyn FnMut()) -> u64 {
    let session = Session::new().no_stdout().no_file();
    let operation = session.operation("proof");
    let span = operation.measure_thread().iterations(1);
    work();
    drop(span);
    session.to_report().operations().map(|(_, it)| it.total_bytes_allocated()).sum()
}

fn main() -> std::process::ExitCode {
    run(&Contender { name: "alloc_tracker", counted: Some(counted), ..NOT_A_COUNTER })
}
