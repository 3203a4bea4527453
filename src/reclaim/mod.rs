//! Reclaiming: everything that keeps memory it could do without, and what it
//! keeps.
//!
//! Ordinary world. Pools and caches register here under their tags; whoever needs
//! memory back asks all of them. User code (the `Drop` of pooled objects, weighers)
//! never runs while this module holds a lock. Uses `scope` for tags and `snapshot`
//! for what was really freed; knows no pool and no cache.

mod registry;
mod statistics;
pub(crate) mod sweeper;

use std::sync::Arc;

use crate::ledger::name::TagError;
use crate::scope::Tag;
use crate::snapshot;

#[allow(unused_imports, reason = "pools and caches use it")]
pub(crate) use registry::{OWN, forget_gone};
pub use registry::{reclaimers, register, register_static, shrink_idle};
pub use statistics::{
    CacheStatistics, PoolKind, PoolStatistics, ReclaimerStatistics, TIME_BUCKETS, TimeStatistics,
    WaitStatistics,
};

/// Something that keeps memory for later and can give it back: a pool or a cache.
///
/// Every pool and cache of this crate answers this; [`register`] adds one of the
/// program's own, so that whoever runs short of memory can ask all at once.
///
/// # Concurrency
///
/// Called from any thread, while the others use the pool or cache. No lock of the
/// registry is held during a call.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use heapledger::{PoolKind, PoolStatistics, Reclaimer, ReclaimerStatistics, Tag};
///
/// static SPARE: Tag = Tag::new("pool/spare_lines");
///
/// struct SpareLines(Mutex<Vec<String>>);
///
/// impl Reclaimer for SpareLines {
///     fn name(&self) -> &str { "spare_lines" }
///     fn tag(&self) -> &Tag { &SPARE }
///     fn shrink(&self, target_bytes: u64) -> u64 {
///         let mut lines = std::mem::take(&mut *self.0.lock().unwrap());
///         let kept: usize = lines.iter().map(String::capacity).sum();
///         if kept as u64 <= target_bytes {
///             self.0.lock().unwrap().append(&mut lines);
///             return 0;
///         }
///         kept as u64
///     }
///     fn statistics(&self) -> ReclaimerStatistics {
///         let mut it = PoolStatistics::new("spare_lines", SPARE.id(), PoolKind::Other);
///         it.retained = self.0.lock().unwrap().len() as u64;
///         ReclaimerStatistics::Pool(it)
///     }
/// }
///
/// let spare: Arc<dyn Reclaimer> = Arc::new(SpareLines(Mutex::new(vec!["x".repeat(100)])));
/// heapledger::register(&spare);
/// assert!(heapledger::shrink_idle() >= 100);
/// ```
pub trait Reclaimer: Send + Sync {
    /// The name, without `pool/` or `cache/`.
    fn name(&self) -> &str;

    /// The tag that owns what this keeps.
    fn tag(&self) -> &Tag;

    /// Gives memory back until at most `target_bytes` of it are idle; returns how
    /// many bytes were freed.
    ///
    /// Idle is what nobody uses now: objects ready in a pool, entries of a cache.
    fn shrink(&self, target_bytes: u64) -> u64;

    /// Gives back all that is idle; returns how many bytes were freed.
    ///
    /// A cache that tells old entries from fresh ones may keep the fresh ones.
    fn shrink_idle(&self) -> u64 {
        self.shrink(0)
    }

    /// What it keeps, and how it was used.
    fn statistics(&self) -> ReclaimerStatistics;
}

/// The statistics of every pool, in the order in which they were made.
///
/// # Cost
///
/// Allocates the result; a few loads for each thread and pool.
///
/// # Concurrency
///
/// Exact where nobody uses the pool meanwhile; a few objects off otherwise.
///
/// # Examples
///
/// ```
/// for pool in heapledger::pools() {
///     println!("{}: {} in use, {} ready", pool.name, pool.in_use, pool.retained);
/// }
/// ```
#[must_use]
pub fn pools() -> Vec<PoolStatistics> {
    let is_pool = |it: Arc<dyn Reclaimer>| match it.statistics() {
        ReclaimerStatistics::Pool(pool) => Some(pool),
        ReclaimerStatistics::Cache(_) => None,
    };
    reclaimers().into_iter().filter_map(is_pool).collect()
}

/// The statistics of every cache, in the order in which they were made.
///
/// # Cost
///
/// Allocates the result; what each cache's own statistics cost.
///
/// # Examples
///
/// ```
/// for cache in heapledger::caches() {
///     println!("{}: {:.1} % hits", cache.name, 100.0 * cache.hit_rate());
/// }
/// ```
#[must_use]
pub fn caches() -> Vec<CacheStatistics> {
    let is_cache = |it: Arc<dyn Reclaimer>| match it.statistics() {
        ReclaimerStatistics::Cache(cache) => Some(cache),
        ReclaimerStatistics::Pool(_) => None,
    };
    reclaimers().into_iter().filter_map(is_cache).collect()
}

/// Runs `body`; returns by how many bytes the calling thread's heap fell, or
/// `None` where nobody counts (no heapledger allocator, or a thread at its end).
///
/// What objects free in their destructors shows here exactly, whatever their
/// weigher believes.
#[allow(dead_code, reason = "pools and caches use it")]
pub(crate) fn freed_bytes_by(body: impl FnOnce()) -> Option<u64> {
    let before = snapshot::thread();
    body();
    let during = snapshot::thread().ok()?.since(&before.ok()?);
    Some(during.freed_bytes.saturating_sub(during.allocated_bytes))
}

/// What the ledger says a tag owns now, itself; `None` where nobody counts.
#[allow(dead_code, reason = "pools and caches use it")]
pub(crate) fn live_bytes(tag: &Tag) -> Option<u64> {
    tag.read().ok().map(|reading| reading.own.live_bytes())
}

/// The tag of a pool or cache: `pool/<name>`, `cache/<name>`.
#[allow(dead_code, reason = "pools and caches use it")]
pub(crate) fn tag_below(parent: &str, name: &str) -> Result<Tag, TagError> {
    Tag::register(&format!("{parent}/{name}"))
}
