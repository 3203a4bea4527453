//! `divan`'s allocation profiler: counters of each thread, which only its own
//! benchmark runner reads.

use std::process::{Command, ExitCode};

use divan::AllocProfiler;
use heapledger_bench::{Contender, NOT_A_COUNTER, PROOF_BYTES, run};
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static GLOBAL: AllocProfiler<Jemalloc> = AllocProfiler::new(Jemalloc);

const RUN_BENCHES: &str = "divan-benches";

/// What divan's runner has to show: one block of exactly the bytes of the proof.
#[divan::bench(sample_count = 1, sample_size = 1)]
fn proof() -> Vec<u8> {
    Vec::with_capacity(PROOF_BYTES as usize)
}

/// Its counters cannot be read from outside, so a process of its own lets its
/// runner print them, and this looks for the number.
fn counted(work: &mut dyn FnMut()) -> u64 {
    work();
    let output = std::env::current_exe()
        .and_then(|path| Command::new(path).arg(RUN_BENCHES).env_clear().output());
    let Ok(output) = output else { return 0 };
    let printed = String::from_utf8_lossy(&output.stdout);
    let expected = format!(" {} KiB ", PROOF_BYTES / 1024);
    if printed.contains("alloc:") && printed.contains(&expected) { PROOF_BYTES } else { 0 }
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(RUN_BENCHES) {
        divan::Divan::default().bytes_format(divan::counter::BytesFormat::Binary).run_benches();
        return ExitCode::SUCCESS;
    }
    run(&Contender { name: "divan", counted: Some(counted), ..NOT_A_COUNTER })
}
