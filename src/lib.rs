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
//! | let a scope follow the work | [`InScope`], [`mod@thread`]; features `tokio`, `rayon`, `crossbeam`, `tower`, `tracing-layer` |
//! | tell one query or tenant from another | [`Tag::ephemeral`], [`BoundedTags`], [`orphans`], [`top_tags`] |
//! | compare two moments | [`mark`], [`delta`] |
//! | find what outlives its use | [`lifecycle`] |
//! | hold tests to a budget | the module `testing`, a feature |
//! | use objects again | [`Pool`], [`pool!`], [`BoundedPool`], [`Slab`]; `BoundedCache`, a feature |
//! | get memory back | [`pools`], [`shrink_idle`], [`purge`] |
//! | account for memory of others | [`External`]: mappings, devices, C libraries |
//! | see where the resident size is | [`report`] |
//! | know that it works | [`system_info`], [`self_check`], [`faults`], [`self_overhead`] |
//! | count in benchmarks | [`mod@bench`] |
//!
//! Without `#[global_allocator]` every reading of memory is an
//! [error](ErrorKind::NotInstalled), never zeros. What is counted elsewhere is told all
//! the same: [`faults`], [`self_overhead`], [`external_bytes`], [`pools`], `caches`.
//!
//! Name what you import. `use heapledger::*` would put the modules `tokio`, `rayon` and
//! `thread` beside the crates of these names, and `test` beside the prelude's.
//!
//! # Features
//!
//! `backend-jemalloc` (default), `backend-mimalloc`, `backend-system`: what serves the
//! memory; with several, the last of these wins. Any other allocator is wrapped:
//! [`Allocator::with_backend`]. `cdylib`: for shared libraries. `serde`: readings can be
//! written and read. `criterion`: bytes and blocks in Criterion's reports.
//!
//! `futures`: streams and sinks carry scopes. `tokio`, `rayon`, `crossbeam`: what spawns
//! there takes the scope along. `tower`, `tracing-layer`: a tag for each request, each
//! span. `macros`: `#[scoped]`; with `tracing` also `#[measured]`. `testing`: budgets for
//! tests, allocations that fail on purpose. `cache`: `BoundedCache`, `WeakCache`.

#[cfg(not(loom))]
mod alloc;
#[cfg(all(feature = "macros", not(loom)))]
mod attributes;
#[cfg(not(loom))]
pub mod bench;
#[cfg(all(feature = "cache", not(loom)))]
mod cache;
mod each;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod external;
#[cfg(not(loom))]
mod handover;
mod ledger;
#[cfg(not(loom))]
pub mod lifecycle;
#[cfg(not(loom))]
mod marks;
#[cfg(not(loom))]
mod measure;
#[cfg(not(loom))]
mod os;
#[cfg(not(loom))]
mod overhead;
#[cfg(not(loom))]
mod owned_snapshot;
mod pool;
#[cfg(not(loom))]
mod reclaim;
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
#[cfg(all(feature = "testing", not(loom)))]
pub mod testing;
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
    marks::{MARKS_MAX, MarkDelta, MarkError, MarkErrorKind, TagDelta, delta, mark, marks, unmark},
    measure::{MeasureFuture, Measurement, measure, measure_async},
    overhead::{Overhead, self_overhead},
    owned_snapshot::OwnedSnapshot,
    report::{Report, Row, RowKind, TagColumns, report},
    scope::{
        BoundedTags, Carried, EnteredScope, EphemeralTag, HeldScopeGuard, InScope, IntoScope,
        Scope, ScopeGuard, Scoped, Tag, TagId, TagName,
    },
    self_check::{SelfCheckError, self_check},
    snapshot::{
        Delta, Labelled, MemoryLine, OwnedTagReading, RingStats, Snapshot, SnapshotRing, TagLife,
        TagReading, ThreadReading, Threads, TopTags,
    },
    snapshot::{
        backend_capabilities, backend_statistics, counts, log_memory, orphans, purge, read_tag,
        set_peak_interval_bytes, size_classes, snapshot, snapshot_tags, snapshot_with_backend,
        tag_counts, thread, threads, top_children, top_of, top_tags,
    },
    system_info::{Proof, SystemInfo, set_runtime_threads, system_info},
};

// What `scope!` expands to.
#[cfg(not(loom))]
#[doc(hidden)]
pub use scope::NotATag;

#[cfg(all(feature = "testing", not(loom)))]
pub use testing::inject;

#[cfg(all(feature = "cache", not(loom)))]
pub use cache::{BoundedCache, CacheBuilder, CacheError, Cause, WeakCache, WeakCacheBuilder};

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

#[cfg(all(feature = "macros", not(loom)))]
pub use attributes::{measured, scoped};

/// What attributes expand to; not for use by hand, and not stable.
#[cfg(all(feature = "tracing", not(loom)))]
#[doc(hidden)]
pub mod __private {
    pub use crate::measure::logged::{Level, Site};
}

/// A test with a budget for its memory; needs the features `macros` and `testing`.
///
/// `#[heapledger::test(max_live = "1MiB", max_allocs = 10, no_leaks)]` in the place
/// of `#[test]`. The test fails if its body used more, with what was expected, what
/// was seen, and the tags that grew; a body that panics or returns an `Err` fails by
/// itself, and its budget is not looked at. Tests that run in parallel do not
/// disturb each other: [`testing`] says what is counted.
///
/// | option | the body may |
/// |---|---|
/// | `max_live = "1MiB"` | have at most so many bytes live at one time |
/// | `max_bytes = "4 KiB"` | allocate at most so many bytes, freed ones included |
/// | `max_allocs = 10` | make at most so many allocations; a `realloc` is one |
/// | `allocs = 10` | make exactly so many |
/// | `no_leaks` | leave nothing live at its end |
/// | `baseline`, `baseline = "name"` | use no more than its line in `heapledger-baseline.txt` says, which `UPDATE=1` writes |
///
/// Bytes are a number, or a text with `B`, `KiB`, `MiB`, `GiB` or `TiB`.
///
/// On an `async fn` the attribute of the runtime stays, below: its runtime is then
/// no part of what is counted, and of spawned tasks only those that carry their
/// scope ([`InScope`]) are.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// #[heapledger::test(max_live = "1MiB", max_allocs = 10, no_leaks)]
/// fn words_take_little() {
///     let words: Vec<String> = "a b c".split(' ').map(str::to_owned).collect();
///     assert_eq!(words.len(), 3);
/// }
/// ```
#[cfg(all(feature = "macros", feature = "testing", not(loom)))]
pub use heapledger_macros::test;

#[cfg(not(loom))]
pub use {
    pool::{
        LocalGuard, LocalPool, OwnedGuard, Pool, PoolBuilder, PoolError, PoolGuard, PoolHandle,
        PoolRef, StaticGuard, StaticPool, default_retained_max,
    },
    reclaim::{
        CacheStatistics, PoolKind, PoolStatistics, Reclaimer, ReclaimerStatistics, TIME_BUCKETS,
        TimeStatistics, WaitStatistics, caches, pools, reclaimers, register, register_static,
        shrink_idle,
    },
};

#[cfg(not(loom))]
pub use pool::{
    Acquire, BoundedPool, BoundedPoolBuilder, Cleanup, Key, Lease, NamedPool, Pools, ResourceError,
    ResourceGuard, ResourceStatistics, Resources, Slab,
};

// What `pool!` writes names these.
#[cfg(not(loom))]
#[doc(hidden)]
pub use pool::{StaticCore, StaticObjects, StaticShards, static_reset, static_weight};

#[doc = include_str!("../docs/GUARANTEES.md")]
pub mod guarantees {}

/// Spans as scopes, for programs that use `tracing`.
#[cfg(all(feature = "tracing-layer", not(loom)))]
pub mod tracing {
    pub use crate::scope::tracing::*;
}

/// Requests as scopes, for programs that use `tower`.
#[cfg(all(feature = "tower", not(loom)))]
pub mod tower {
    pub use crate::scope::tower::*;
}

/// The backends, for [`Allocator::with_backend`].
pub mod backend {
    pub use heapledger_alloc_sys::*;
}
