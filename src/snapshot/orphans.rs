//! What outlived the query that allocated it.

use crate::error::Error;
use crate::ledger::registry;

use super::{TagLife, TagReading, all_tags};

/// What is still live of short-lived tags whose handles are gone, largest first.
///
/// Each reading has the name the tag had, its parent, and its live bytes and blocks.
/// A query's blocks that were handed to a cache are here until they are freed; so is
/// what a query leaked.
///
/// # Cost
///
/// That of [`snapshot_tags`](crate::snapshot_tags), and a look at the cells of each
/// orphan before; allocates the result.
///
/// # Concurrency
///
/// One reading for all.
///
/// # Errors
///
/// [`ErrorKind::NotInstalled`](crate::ErrorKind::NotInstalled) if no heapledger
/// allocator serves the process.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use heapledger::Tag;
///
/// let kept = Tag::ephemeral("query/select 1").unwrap().run(|| vec![0_u8; 100]);
/// let orphans = heapledger::orphans().unwrap();
/// assert_eq!(orphans[0].name(), "query/select 1");
/// assert_eq!(orphans[0].own.live_bytes(), 100);
/// drop(kept);
/// assert!(heapledger::orphans().unwrap().is_empty());
/// ```
pub fn orphans() -> Result<Vec<TagReading>, Error> {
    registry::end_orphans();
    let mut tags = all_tags()?;
    tags.retain(|tag| tag.life == TagLife::Orphaned && tag.own.live_blocks() != 0);
    tags.sort_by_key(|tag| core::cmp::Reverse(tag.own.live_bytes()));
    Ok(tags)
}
