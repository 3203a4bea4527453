//! A reading of everything that keeps names and can be written to a file.

use crate::error::Error;
use crate::ledger::fault::Faults;
use crate::reclaim::{self, CacheStatistics, PoolStatistics};
use crate::snapshot::{OwnedTagReading, Readings, Snapshot};

/// The process and all its tags, in one reading that owns what it says; beside them
/// the statistics of all pools and caches.
///
/// With the feature `serde` it can be written and read back. The sum of `own`
/// over the tags is `process.counts`, exactly.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use heapledger::{OwnedSnapshot, Pool, scope};
///
/// let cache = scope!("cache", vec![0_u8; 4096]);
/// let buffers = Pool::builder("buffers", || [0_u8; 100]).build().unwrap();
/// let buffer = buffers.acquire();
/// let now = OwnedSnapshot::capture().unwrap();
/// let tag = now.tags.iter().find(|tag| tag.name == "cache").unwrap();
/// assert_eq!(tag.own.live_bytes(), 4096);
/// assert_eq!(now.pools[0].in_use, 1);
/// # drop((cache, buffer));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct OwnedSnapshot {
    /// The process, the backend's statistics included.
    pub process: Snapshot,
    /// Every tag that was ever used, by number.
    pub tags: Vec<OwnedTagReading>,
    /// What could not be done as asked.
    pub faults: Faults,
    /// Every pool, as [`pools()`](crate::pools) gives them.
    #[cfg_attr(feature = "serde", serde(default))]
    pub pools: Vec<PoolStatistics>,
    /// Every cache, as [`caches()`](crate::caches) gives them.
    #[cfg_attr(feature = "serde", serde(default))]
    pub caches: Vec<CacheStatistics>,
}

impl OwnedSnapshot {
    /// Reads the process and all tags, then pools and caches.
    ///
    /// # Cost
    ///
    /// That of [`snapshot_with_backend`](crate::snapshot_with_backend), of
    /// [`snapshot_tags`](crate::snapshot_tags), and of the statistics of each pool and
    /// cache; allocates the result, in part before it reads.
    ///
    /// # Concurrency
    ///
    /// One reading for all tags and the total. Pools and caches are read after it, one
    /// after the other.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotInstalled`](crate::ErrorKind::NotInstalled) if no heapledger
    /// allocator serves the process.
    pub fn capture() -> Result<Self, Error> {
        let Readings { process, tags, faults } = Readings::capture()?;
        let (pools, caches) = (reclaim::pools(), reclaim::caches());
        Ok(Self { process, tags, faults, pools, caches })
    }
}
