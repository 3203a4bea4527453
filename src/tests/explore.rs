//! Runs models: counts the executions, asks for a floor, and proves that mutants
//! are caught.
//!
//! A model that explores nothing passes; so every model has a floor of
//! executions, and mutants that must fail with the message that is expected. A
//! floor is what the model took when it was written, rounded down: the number
//! falls when loom no longer sees the branches. Floors below a thousand are of models
//! that small.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::sync::modelled::{self, Change, Run};

/// How often a thread is stopped where it could have run on, at most.
#[derive(Clone, Copy)]
pub(super) enum Preemptions {
    /// As often as there are places to stop it: everything is explored. This is a
    /// bound that is never met, and not none: with a bound loom goes back to more
    /// places, of which it takes some for redundant without.
    All,
    /// At most twice, where three times are too many executions.
    Two,
    /// As often as `LOOM_MAX_PREEMPTIONS` says.
    AsAsked,
}

/// The sources that mutants change.
const SOURCES: [(&str, &str); 18] = [
    ("ledger/cell.rs", include_str!("../ledger/cell.rs")),
    ("ledger/lease.rs", include_str!("../ledger/lease.rs")),
    ("ledger/leases.rs", include_str!("../ledger/leases.rs")),
    ("ledger/lives.rs", include_str!("../ledger/lives.rs")),
    ("ledger/moves.rs", include_str!("../ledger/moves.rs")),
    ("ledger/once_ptr.rs", include_str!("../ledger/once_ptr.rs")),
    ("ledger/roster.rs", include_str!("../ledger/roster.rs")),
    ("ledger/small_mask.rs", include_str!("../ledger/small_mask.rs")),
    ("ledger/slots.rs", include_str!("../ledger/slots.rs")),
    ("ledger/stay.rs", include_str!("../ledger/stay.rs")),
    ("ledger/tag_map.rs", include_str!("../ledger/tag_map.rs")),
    ("ledger/tag_table.rs", include_str!("../ledger/tag_table.rs")),
    ("ledger/tenure.rs", include_str!("../ledger/tenure.rs")),
    ("pool/gate/shelf.rs", include_str!("../pool/gate/shelf.rs")),
    ("pool/gate/state.rs", include_str!("../pool/gate/state.rs")),
    ("pool/gate/wait.rs", include_str!("../pool/gate/wait.rs")),
    ("pool/stack.rs", include_str!("../pool/stack.rs")),
    ("pool/turn.rs", include_str!("../pool/turn.rs")),
];

/// Explores the shipped code.
pub(super) fn explore(
    claim: &str,
    preemptions: Preemptions,
    floor: usize,
    model: impl Fn() + Send + Sync + 'static,
) {
    let model = Arc::new(model);
    let (seen, as_written) = run(Run::default(), preemptions, &model);
    // The second run is another one only where there are such loads.
    let exchanging = match seen.loads {
        0 => 0,
        _ => run(Run { exchanges: true, ..Run::default() }, preemptions, &model).1,
    };
    let executions = as_written + exchanging;
    println!("model: {claim}: {executions} executions ({as_written} + {exchanging})");
    // The floors are for three preemptions and more.
    assert!(
        executions >= floor || preemptions_asked() < 3,
        "{claim}: only {executions} executions, at least {floor} expected"
    );
}

/// What the environment's `LOOM_MAX_PREEMPTIONS` says, or three.
fn preemptions_asked() -> usize {
    loom::model::Builder::new().preemption_bound.unwrap_or(3)
}

/// Explores a mutant: the operation on the line where the only `text` of `file`
/// ends is changed. Panics as the model does when the mutant shows.
pub(super) fn explore_mutant(
    file: &'static str,
    text: &str,
    change: Change,
    model: impl Fn() + Send + Sync + 'static,
) {
    let line = line_of(file, text);
    let model = Arc::new(model);
    for exchanges in [false, true] {
        let mutant = Some((file, line, change));
        let (met, executions) =
            run(Run { mutant, exchanges, ..Run::default() }, Preemptions::AsAsked, &model);
        assert!(met.mutated > 0, "the model never came to {file}: {text}");
        println!("mutant: {file}: {text}: {change:?}: lives through {executions} executions");
    }
}

/// Explores a model that is wrong by itself.
pub(super) fn explore_wrong(model: impl Fn() + Send + Sync + 'static) {
    let (_, executions) = run(Run::default(), Preemptions::AsAsked, &Arc::new(model));
    println!("mutant: lives through {executions} executions");
}

fn line_of(file: &str, text: &str) -> u32 {
    let (_, source) = SOURCES.iter().find(|(name, _)| *name == file).expect("a known source");
    let (Some((before, _)), None) = (source.split_once(text), source.split(text).nth(2)) else {
        panic!("{file} does not have this once: {text}");
    };
    1 + [before, text].concat().matches('\n').count() as u32
}

/// One exploration; returns what happened to the run, and the executions.
fn run(
    run: Run,
    preemptions: Preemptions,
    model: &Arc<impl Fn() + Send + Sync + 'static>,
) -> (Run, usize) {
    let executions = Arc::new(AtomicUsize::new(0));
    let (count, model) = (executions.clone(), model.clone());
    modelled::begin(run);
    let mut loom = loom::model::Builder::new();
    loom.preemption_bound = match preemptions {
        Preemptions::All => Some(100),
        Preemptions::Two => Some(preemptions_asked().min(2)),
        Preemptions::AsAsked => Some(preemptions_asked()),
    };
    loom.max_branches = loom.max_branches.max(10_000);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        loom.check(move || {
            count.fetch_add(1, Ordering::Relaxed);
            model();
        });
    }));
    let run = modelled::begin(Run::default());
    let executions = executions.load(Ordering::Relaxed);
    if let Err(panic) = outcome {
        println!("caught: by execution {executions}");
        resume_unwind(panic);
    }
    (run, executions)
}
