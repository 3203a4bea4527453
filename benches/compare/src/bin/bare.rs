//! jemalloc itself: what every other contender is measured against.

use heapledger_bench::{Contender, NOT_A_COUNTER, run};
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static GLOBAL: Jemalloc = Jemalloc;

fn main() -> std::process::ExitCode {
    run(&Contender { name: "bare", ..NOT_A_COUNTER })
}
