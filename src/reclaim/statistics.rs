//! What pools and caches keep, and how they were used.

use core::time::Duration;

use crate::scope::TagId;

/// The statistics of a pool or of a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[allow(clippy::large_enum_variant, reason = "a reading, made and taken apart at once")]
#[non_exhaustive]
pub enum ReclaimerStatistics {
    /// Of a pool.
    Pool(PoolStatistics),
    /// Of a cache.
    Cache(CacheStatistics),
}

/// Which kind of pool it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum PoolKind {
    /// `Pool`, or a static one: any number live, few retained.
    Unbounded,
    /// `LocalPool`: one thread's.
    Local,
    /// `BoundedPool`: a hard limit on live objects.
    Bounded,
    /// `Resources`: things with a cleanup.
    Resources,
    /// The program's own.
    Other,
}

/// What a pool keeps, and how it was used since it was made.
///
/// `created = dropped + in_use + retained` whenever nobody uses the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PoolStatistics {
    /// The name, without `pool/`.
    pub name: String,
    /// The tag that owns the pool's memory.
    pub tag: TagId,
    /// Which kind of pool it is.
    pub kind: PoolKind,
    /// Acquisitions that an object was ready for.
    pub hits: u64,
    /// Acquisitions that made an object, or found none; objects made beforehand are
    /// none.
    pub misses: u64,
    /// Objects that came into the pool: made by the factory, or put in.
    pub created: u64,
    /// Objects that left it: dropped, or taken out for good.
    pub dropped: u64,
    /// Objects out now, forgotten guards included. In a bounded pool also those that are
    /// being made, checked or dropped, and those granted to a future that was not polled
    /// since.
    pub in_use: u64,
    /// The most objects seen out at one time.
    ///
    /// Exact in a bounded pool, objects that are being made or checked included, those that
    /// are dropped without anybody having had them not. In others it is looked at when objects are made: by each thread at its first 16, then at every n-th
    /// for n threads; and at each reading.
    pub high_water: u64,
    /// Objects ready now.
    pub retained: u64,
    /// The most objects that it keeps ready; `None` if there is no limit.
    pub retained_max: Option<u64>,
    /// The most objects that may be live; `None` if there is no limit.
    pub live_max: Option<u64>,
    /// Bytes of objects that are out, with what they own.
    ///
    /// What objects own is shared out evenly, unless the pool has a weigher; then it is
    /// as good as that: one that says too much or too little moves bytes between used
    /// and idle.
    pub used_bytes: u64,
    /// Bytes of objects that are ready, with what they own, and of empty slots. As good
    /// as the weigher, too.
    pub idle_bytes: u64,
    /// Waiting for an object; all 0 for a pool that nobody waits for.
    pub waits: WaitStatistics,
    /// Making objects, in a bounded pool: as long as the factory took, or what was given
    /// to `acquire_or_make`; failures, what was given up, and objects made beforehand
    /// included. All 0 for other pools, where a clock costs more than many objects do.
    ///
    /// With `waits` this is what acquisitions take. One that neither waits nor makes
    /// anything is not measured: it takes nanoseconds, and the health check.
    pub making: TimeStatistics,
}

impl PoolStatistics {
    /// All zero.
    #[must_use]
    pub fn new(name: &str, tag: TagId, kind: PoolKind) -> Self {
        Self {
            name: name.to_owned(),
            tag,
            kind,
            hits: 0,
            misses: 0,
            created: 0,
            dropped: 0,
            in_use: 0,
            high_water: 0,
            retained: 0,
            retained_max: None,
            live_max: None,
            used_bytes: 0,
            idle_bytes: 0,
            waits: WaitStatistics::default(),
            making: TimeStatistics::default(),
        }
    }

    /// Which part of its objects (of `live_max`, if there is one) is out: 0 to 1.
    #[must_use]
    pub fn utilisation(&self) -> f64 {
        ratio(self.in_use, self.live_max.unwrap_or(self.in_use + self.retained))
    }

    /// Which part of the acquisitions an object was ready for: 0 to 1.
    #[must_use]
    pub fn hit_rate(&self) -> f64 {
        ratio(self.hits, self.hits + self.misses)
    }
}

/// Buckets of a histogram of times.
pub const TIME_BUCKETS: usize = 32;

/// How long something took, each time that it was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TimeStatistics {
    /// How often.
    pub count: u64,
    /// All together, in nanoseconds.
    pub total_ns: u64,
    /// The longest, in nanoseconds.
    pub max_ns: u64,
    /// By length: bucket `i` holds those of less than `2^i` microseconds that are in no
    /// earlier bucket; the last one holds all longer ones.
    pub buckets: [u64; TIME_BUCKETS],
}

/// How long acquirers waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WaitStatistics {
    /// Acquisitions that had to wait, those that gave up included.
    pub times: TimeStatistics,
    /// Of these, the ones that ran out of time: the pool's, or that of the call.
    pub timeouts: u64,
    /// Of these, futures that were dropped before they gave an object: by a runtime's
    /// timeout, a `select!` that another branch won, an aborted task. Also if it was their
    /// turn already (then it counts as a hit, too), or the pool had been closed meanwhile.
    pub cancelled: u64,
    /// Who waits now.
    pub waiting: u64,
}

/// What a cache keeps, and how it was used since it was made.
///
/// `inserted = entries + evicted + expired + removed + replaced + cleared`
/// whenever nobody uses the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CacheStatistics {
    /// The name, without `cache/`.
    pub name: String,
    /// The tag that owns the cache's memory.
    pub tag: TagId,
    /// Look-ups that found a value.
    pub hits: u64,
    /// Look-ups that found none.
    pub misses: u64,
    /// Misses that another caller's build served.
    pub coalesced: u64,
    /// Values that were put in.
    pub inserted: u64,
    /// Values evicted to keep the limit, or on request.
    pub evicted: u64,
    /// Values that left because their time was over.
    pub expired: u64,
    /// Values removed by their key.
    pub removed: u64,
    /// Values that another one of the same key took the place of.
    pub replaced: u64,
    /// Values that left when the cache was cleared.
    pub cleared: u64,
    /// Values refused because they are larger than the cache may be.
    pub refused: u64,
    /// Entries now.
    pub entries: u64,
    /// The weight of all entries, in bytes. In a cache that only counts entries, each
    /// weighs the size of its key and value, without what these own; its tag tells all.
    pub used_bytes: u64,
    /// Bytes that could be given back now, by the weights of entries: all of
    /// `used_bytes` of a `BoundedCache`, which does not know whose values somebody
    /// holds; of a `WeakCache` what only it keeps alive and was measured.
    pub idle_bytes: u64,
    /// The limit on `used_bytes`; `None` if there is none.
    pub capacity_bytes: Option<u64>,
    /// How long the entry that came first is there, to within 70 ms; of a `WeakCache` only,
    /// and of ages up to four years.
    pub oldest: Option<Duration>,
    /// The same of the entry that came last.
    pub newest: Option<Duration>,
}

impl CacheStatistics {
    /// All zero.
    #[must_use]
    pub fn new(name: &str, tag: TagId) -> Self {
        Self {
            name: name.to_owned(),
            tag,
            hits: 0,
            misses: 0,
            coalesced: 0,
            inserted: 0,
            evicted: 0,
            expired: 0,
            removed: 0,
            replaced: 0,
            cleared: 0,
            refused: 0,
            entries: 0,
            used_bytes: 0,
            idle_bytes: 0,
            capacity_bytes: None,
            oldest: None,
            newest: None,
        }
    }

    /// Which part of the look-ups found a value: 0 to 1.
    #[must_use]
    pub fn hit_rate(&self) -> f64 {
        ratio(self.hits, self.hits + self.misses)
    }

    /// Which part of its capacity is in use: 0 to 1; 0 without a limit.
    #[must_use]
    pub fn utilisation(&self) -> f64 {
        ratio(self.used_bytes, self.capacity_bytes.unwrap_or(0))
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
