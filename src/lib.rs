//! heapledger

#[cfg(not(loom))]
mod alloc;
#[cfg(not(loom))]
pub mod bench;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod handover;
mod ledger;
#[cfg(not(loom))]
mod measure;
#[cfg(not(loom))]
mod os;
#[cfg(not(loom))]
mod overhead;
#[cfg(not(loom))]
mod report;
#[cfg(not(loom))]
mod scope;
#[cfg(not(loom))]
mod self_check;
#[cfg(not(loom))]
mod snapshot;
mod sync;
#[cfg(not(loom))]
mod system_info;
#[cfg(test)]
mod tests;

pub use ledger::name::TagError;
#[cfg(not(loom))]
pub use {
    alloc::Allocator,
    error::{Error, ErrorKind},
    ledger::Counts,
    ledger::TAGS_MAX,
    ledger::fault::{Faults, faults},
    ledger::name::TAG_NAME_MAX_BYTES,
    measure::{Measurement, measure},
    overhead::{Overhead, self_overhead},
    report::{Report, Row, RowKind, TagColumns, report},
    scope::{Carried, InScope, IntoScope, Scope, ScopeGuard, Scoped, Tag, TagId},
    self_check::{SelfCheckError, self_check},
    snapshot::{
        Delta, Labelled, MemoryLine, OwnedSnapshot, OwnedTagReading, RingStats, Snapshot,
        SnapshotRing, TagReading, ThreadReading, Threads,
    },
    snapshot::{
        backend_capabilities, backend_statistics, log_memory, purge, read_tag,
        set_peak_interval_bytes, snapshot, snapshot_tags, snapshot_with_backend, tag_counts,
        thread, threads,
    },
    system_info::{Proof, SystemInfo, system_info},
};

#[cfg(not(loom))]
pub use heapledger_alloc_sys::{Capabilities, Statistics};

#[cfg(all(feature = "crossbeam", not(loom)))]
pub use handover::crossbeam;
#[cfg(all(feature = "rayon", not(loom)))]
pub use handover::rayon;
#[cfg(not(loom))]
pub use handover::thread;
#[cfg(all(feature = "tokio", not(loom)))]
pub use handover::tokio;

#[doc = include_str!("../docs/GUARANTEES.md")]
pub mod guarantees {}

/// The backends, for [`Allocator::with_backend`].
pub mod backend {
    pub use heapledger_alloc_sys::*;
}
