//! A global allocator that keeps an exact ledger of which component owns every live
//! byte.
//!
//! ```
//! use heapledger::scope;
//!
//! #[global_allocator]
//! static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
//!
//! let model = scope!("embedding_model", vec![0_u8; 30 << 20]);
//! let postings = scope!("index/postings", vec![0_u32; 1 << 20]);
//! println!("{}", heapledger::report().unwrap());
//! # drop((model, postings));
//! ```
//!
//! A block belongs to the [tag](Tag) that was current when it was allocated, until it
//! is freed, whichever thread or scope frees it. What is promised, exactly, is in
//! [`guarantees`].
//!
//! | to | use |
//! |---|---|
//! | say which component runs | [`scope!`], [`Tag`], [`Scope`] for work that goes to another thread |
//! | read one component | [`Tag::read`], [`measure`] for a piece of work |
//! | read all of them | [`snapshot_tags`] (no allocation), [`OwnedSnapshot`] (names, `serde`) |
//! | read the process | [`snapshot`], [`SnapshotRing`], [`counts`], [`size_classes`], [`threads`] |
//! | account for memory of others | [`External`]: mappings, devices, C libraries |
//! | see where the resident size is | [`report`] |
//! | know that it works | [`system_info`], [`self_check`], [`faults`], [`self_overhead`] |
//! | count in benchmarks | [`mod@bench`] |
//!
//! Without `#[global_allocator]` every reading is an [error](ErrorKind::NotInstalled),
//! never zeros.
//!
//! # Features
//!
//! `backend-jemalloc` (default), `backend-mimalloc`, `backend-system`: what serves the
//! memory; with several, the last of these wins. Any other allocator is wrapped:
//! [`Allocator::with_backend`]. `cdylib`: for shared libraries. `serde`: readings can be
//! written and read. `criterion`: bytes and blocks in Criterion's reports.

#[cfg(not(loom))]
mod alloc;
#[cfg(not(loom))]
pub mod bench;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod external;
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
    external::{
        External, ExternalBytes, ExternalError, ExternalKind, charge_external, external_bytes,
        release_external,
    },
    ledger::Counts,
    ledger::TAGS_MAX,
    ledger::fault::{Faults, faults},
    ledger::name::TAG_NAME_MAX_BYTES,
    measure::{Measurement, measure},
    overhead::{Overhead, self_overhead},
    report::{Report, Row, RowKind, TagColumns, report},
    scope::{
        Carried, EphemeralTag, HeldScopeGuard, InScope, IntoScope, Scope, ScopeGuard, Scoped, Tag,
        TagId, TagName,
    },
    self_check::{SelfCheckError, self_check},
    snapshot::{
        Delta, Labelled, MemoryLine, OwnedSnapshot, OwnedTagReading, RingStats, Snapshot,
        SnapshotRing, TagLife, TagReading, ThreadReading, Threads, TopTags,
    },
    snapshot::{
        backend_capabilities, backend_statistics, counts, log_memory, orphans, purge, read_tag,
        set_peak_interval_bytes, size_classes, snapshot, snapshot_tags, snapshot_with_backend,
        tag_counts, thread, threads, top_children, top_of, top_tags,
    },
    system_info::{Proof, SystemInfo, set_runtime_threads, system_info},
};

#[cfg(not(loom))]
pub use heapledger_alloc_sys::{Capabilities, SizeClass, Statistics};

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
