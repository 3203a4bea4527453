//! heapledger, over the jemalloc that `bare` uses.

use heapledger::{TAGS_MAX, Tag, TagReading, scope};
use heapledger_bench::{Contender, NOT_A_COUNTER, Report, run};

mod scopes;
mod snapshots;

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

/// The component of everything, when everything is in scopes.
static EVERYTHING: Tag = Tag::new("everything");

fn enter_thread() {
    std::mem::forget(scope!(EVERYTHING));
}

/// What the calling thread allocated; in a scope it has to be the tag's as well.
fn counted(work: &mut dyn FnMut()) -> u64 {
    let is_scoped = std::env::args().any(|argument| argument == "scoped");
    let thread = || heapledger::thread().map_or(0, |counts| counts.allocated_bytes);
    let tag = || EVERYTHING.read().map_or(0, |reading| reading.own.allocated_bytes);
    let before = (thread(), tag());
    work();
    let moved = (thread() - before.0, tag() - before.1);
    let of_the_tag = if is_scoped { moved.0 } else { 0 };
    if moved.1 == of_the_tag { moved.0 } else { 0 }
}

/// The part of all allocated bytes that was in a scope, and what heapledger needs.
fn facts(report: &mut Report) {
    let mut buffer = vec![TagReading::EMPTY; TAGS_MAX];
    let tags = heapledger::snapshot_tags(&mut buffer).unwrap_or_else(|error| panic!("{error}"));
    let bytes = |tag: &TagReading| tag.own.allocated_bytes;
    let total: u64 = tags.iter().map(bytes).sum();
    let scoped: u64 = tags.iter().filter(|tag| tag.name() == EVERYTHING.name()).map(bytes).sum();
    report.facts.insert("scoped_share".to_owned(), scoped as f64 / total as f64);
    let overhead = heapledger::self_overhead();
    report.facts.insert("self_overhead_bytes".to_owned(), overhead.total_bytes() as f64);
}

fn main() -> std::process::ExitCode {
    run(&Contender {
        name: "heapledger",
        enter_thread,
        counted: Some(counted),
        own_workloads: &[
            ("scope", scopes::enter_and_leave),
            ("poll", scopes::poll_in_tag),
            ("poll-ephemeral", scopes::poll_in_ephemeral),
            ("ephemeral", scopes::ephemeral),
            ("ephemeral-guard", scopes::ephemeral_guard),
            ("hand-over-scope", scopes::hand_over),
            ("snapshot", snapshots::of_the_process),
            ("snapshot-tags", snapshots::of_all_tags),
            ("snapshot-backend", snapshots::with_backend),
        ],
        facts,
        ..NOT_A_COUNTER
    })
}
