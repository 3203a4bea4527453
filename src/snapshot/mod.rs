//! Readings: what the ledger, the backend and the operating system say now.
//!
//! Ordinary world, but for the promise in each function's documentation: what is
//! said to be free of allocation is, so that a reading can be taken anywhere and
//! does not change what it reads. Uses `ledger` for the numbers, `alloc` for
//! which backend serves, `os` for the process's own.

mod backend;
mod delta;
mod log;
mod orphans;
mod owned;
mod process;
mod ring;
mod tag_reading;
mod thread_reading;
mod top_tags;

pub(crate) use backend::backend;
pub(crate) use owned::{all_tags, is_used};

pub use backend::{backend_capabilities, backend_statistics, purge, size_classes};
pub use delta::Delta;
pub use log::{MemoryLine, log_memory};
pub use orphans::orphans;
pub use owned::OwnedTagReading;
pub(crate) use owned::Readings;
pub use process::{Snapshot, snapshot, snapshot_with_backend};
pub use ring::{Labelled, RingStats, SnapshotRing};
pub use tag_reading::{
    TagLife, TagReading, read_tag, set_peak_interval_bytes, snapshot_tags, tag_counts,
};
pub use thread_reading::{ThreadReading, Threads, counts, thread, threads};
pub use top_tags::{TopTags, top_children, top_of, top_tags};
