//! `cap`: one counter that all threads share, and a limit (here: none).

use cap::Cap;
use heapledger_bench::{Contender, NOT_A_COUNTER, run};
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static GLOBAL: Cap<Jemalloc> = Cap::new(Jemalloc, usize::MAX);

fn counted(work: &mut dyn FnMut()) -> u64 {
    let before = GLOBAL.allocated();
    work();
    (GLOBAL.allocated() - before) as u64
}

fn main() -> std::process::ExitCode {
    run(&Contender { name: "cap", counted: Some(counted), ..NOT_A_COUNTER })
}
