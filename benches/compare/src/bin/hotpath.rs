//! `hotpath` with its default features and `hotpath-alloc`: counters of each
//! measured function and of each thread. It counts always, measured block or not.

use heapledger_bench::{Contender, NOT_A_COUNTER, PROOF_BYTES, run};
use hotpath::{CountingAllocator, Format, HotpathGuardBuilder};
use serde_json::Value;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static GLOBAL: CountingAllocator<Jemalloc> = CountingAllocator::with(Jemalloc);

fn start() {
    // SAFETY: no other thread runs yet. The server would take a port, and part
    // of the time; the counting is the same without it.
    unsafe { std::env::set_var("HOTPATH_METRICS_SERVER_OFF", "1") };
    if std::env::args().nth(1).as_deref() != Some("proof") {
        std::mem::forget(HotpathGuardBuilder::new("contender").format(Format::None).build());
    }
}

/// Its counters can be read from its report only, so this writes one and looks
/// for the number there, which it rounds.
fn counted(work: &mut dyn FnMut()) -> u64 {
    let path = std::env::temp_dir().join(format!("hotpath-proof-{}.json", std::process::id()));
    let guard = HotpathGuardBuilder::new("main").format(Format::Json).output_path(&path).build();
    hotpath::measure_block!("proof", work());
    drop(guard);
    let report = std::fs::read(&path).unwrap_or_default();
    let _ = std::fs::remove_file(&path);
    let total = serde_json::from_slice(&report).ok().and_then(|it: Value| total_bytes(&it));
    let expected = format!("{:.1} KB", PROOF_BYTES as f64 / 1024.0);
    if total.is_some_and(|total| total == expected) { PROOF_BYTES } else { 0 }
}

fn total_bytes(report: &Value) -> Option<String> {
    let rows = report.get("functions_alloc")?.get("data")?.as_array()?;
    let row = rows.iter().find(|row| row.get("name").and_then(Value::as_str) == Some("proof"))?;
    Some(row.get("total")?.as_str()?.to_owned())
}

fn main() -> std::process::ExitCode {
    run(&Contender { name: "hotpath", start, counted: Some(counted), ..NOT_A_COUNTER })
}
