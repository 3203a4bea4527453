//! How a capacity is cut into shards, and how much one entry may weigh.
//!
//! The table splits its capacity evenly: no shard takes more than its part, so the
//! sum never exceeds the whole, and no entry may be larger than a shard's part.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use quick_cache::{Options, OptionsBuilder};

use super::error::CacheError;
use super::table::{Charge, ENTRY_BYTES_MAX};

/// The part of a shard that entries seen more than once may fill, as the table's
/// authors chose it (0.97), made a fraction that floating point holds exactly:
/// with capacities in [`UNIT`]s it stays the same however often they change.
const HOT: f64 = 31.0 / 32.0;
/// What shard capacities are multiples of.
const UNIT: u64 = 32;
/// Beyond this, sums of weights could leave the range in which floating point is
/// exact; no machine has as much.
const CAPACITY_MAX: u64 = 1 << 56;
/// Entries that a shard should hold: fewer, and chance fills shards unevenly.
const SHARD_ENTRIES: u64 = 256;
/// What an entry is taken to weigh if nobody says.
const ENTRY_BYTES: u64 = 1024;

/// What a builder asks for.
#[derive(Clone, Copy, Default)]
pub(super) struct Wanted {
    pub(super) capacity_bytes: Option<u64>,
    pub(super) max_entries: Option<u64>,
    pub(super) expected_entries: Option<u64>,
    pub(super) max_entry_bytes: Option<u64>,
    pub(super) shards: Option<usize>,
}

/// The limits of a table.
pub(super) struct Limits {
    pub(super) charge: Charge,
    shards: u64,
    expected_entries: u64,
    /// Of all shards, in the table's weights; locked while it changes.
    capacity: Mutex<u64>,
    /// The most an entry may weigh now; 0 admits none.
    max_entry: AtomicU64,
}

impl Limits {
    pub(super) fn plan(wanted: Wanted) -> Result<Self, CacheError> {
        let bytes = wanted.capacity_bytes.map(|bytes| bytes.min(CAPACITY_MAX));
        let entries = wanted.max_entries.map(|entries| entries.min(CAPACITY_MAX / UNIT));
        let expected = wanted
            .expected_entries
            .or(bytes.map(|bytes| bytes / ENTRY_BYTES))
            .unwrap_or(u64::MAX)
            .min(entries.unwrap_or(u64::MAX))
            .clamp(1, u64::from(u32::MAX));
        let most = bytes.zip(wanted.max_entry_bytes).map_or(u64::MAX, |(bytes, entry)| {
            // The entry must fit into the hot part of a shard.
            (bytes - bytes / UNIT) / entry.max(1)
        });
        let shards = match wanted.shards {
            Some(shards) => shards as u64,
            None => processors().saturating_mul(4).min(expected / SHARD_ENTRIES),
        };
        let most = most.min(bytes.map_or(u64::MAX, |bytes| bytes / UNIT));
        let shards = below_power_of_two(shards.min(most).min(entries.unwrap_or(u64::MAX)));
        let capacity = match (bytes, entries) {
            (Some(bytes), _) => bytes,
            (None, Some(entries)) => entries / shards * shards * UNIT,
            (None, None) => return Err(CacheError::NoCapacity),
        };
        let part = shard_capacity(capacity, shards);
        let least = match entries {
            None => 1,
            Some(0) => u64::MAX,
            // The least that leaves no room for more entries than a shard may hold.
            Some(entries) => part / (entries / shards + 1) + 1,
        };
        let charge = Charge { least, same: bytes.is_none() };
        let limits = Self {
            charge,
            shards,
            expected_entries: expected,
            capacity: Mutex::new(0),
            max_entry: AtomicU64::new(0),
        };
        limits.note(&mut limits.lock(), capacity);
        Ok(limits)
    }

    /// What the table is made with.
    pub(super) fn options(&self) -> Options {
        let expected = self.expected_entries.max(self.shards * 32) as usize;
        OptionsBuilder::new()
            .shards(self.shards as usize)
            .estimated_items_capacity(expected)
            .weight_capacity(self.shard_capacity(*self.lock()) * self.shards)
            .hot_allocation(HOT)
            .build()
            .unwrap_or_else(|_| unreachable!("both capacities are set"))
    }

    /// Locks the capacity, to change it.
    pub(super) fn lock(&self) -> MutexGuard<'_, u64> {
        self.capacity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a new capacity; returns what to give the table.
    pub(super) fn note(&self, capacity: &mut u64, new: u64) -> u64 {
        *capacity = new.min(CAPACITY_MAX);
        // As the table computes it; a capacity of less than a unit admits nothing.
        let admits = *capacity / self.shards >= UNIT;
        let hot = (self.shard_capacity(*capacity) as f64 * HOT) as u64;
        let max_entry = match self.charge {
            Charge { least, .. } if !admits || hot < least => 0,
            Charge { same: true, .. } => ENTRY_BYTES_MAX,
            _ => hot.min(ENTRY_BYTES_MAX),
        };
        // Relaxed: an insertion that still sees the other limit is as one that came
        // before the change.
        self.max_entry.store(max_entry, Ordering::Relaxed);
        self.shard_capacity(*capacity) * self.shards
    }

    /// What the table must go down to, to evict to a part of what it holds; never
    /// so low that its ratios would suffer from rounding.
    pub(super) fn reduced(&self, capacity: u64, target: u64) -> u64 {
        self.shard_capacity(target.max(capacity / 16)) * self.shards
    }

    /// What an entry weighs that may come in; if it may not, the most one may weigh.
    pub(super) fn admit(&self, bytes: u64) -> Result<u64, u64> {
        let (bytes, most) = (bytes.max(1), self.max_entry());
        if bytes <= most { Ok(bytes) } else { Err(most) }
    }

    /// The most an entry may weigh now; 0 admits none.
    #[inline]
    pub(super) fn max_entry(&self) -> u64 {
        // Relaxed: as in `note`.
        self.max_entry.load(Ordering::Relaxed)
    }

    fn shard_capacity(&self, capacity: u64) -> u64 {
        shard_capacity(capacity, self.shards)
    }
}

/// A shard's part; never less than a unit, or the table would forget its ratios.
fn shard_capacity(capacity: u64, shards: u64) -> u64 {
    (capacity / shards / UNIT * UNIT).max(UNIT)
}

fn processors() -> u64 {
    thread::available_parallelism().map_or(1, |count| count.get() as u64)
}

/// The largest power of two that is at most `number`, and at least 1.
fn below_power_of_two(number: u64) -> u64 {
    1 << number.clamp(1, 1 << 16).ilog2()
}
