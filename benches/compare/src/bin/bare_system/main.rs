//! jemalloc as Rust's `System`: the measure of peers that can wrap nothing else.

use std::alloc::System;

use heapledger_bench::{Contender, NOT_A_COUNTER, run};

#[path = "../../system_is_jemalloc.rs"]
mod system_is_jemalloc;

#[global_allocator]
static GLOBAL: System = System;

fn main() -> std::process::ExitCode {
    run(&Contender { name: "bare_system", ..NOT_A_COUNTER })
}
