//! The registry: all shards there are, and the process-wide state of the ledger.
//!
//! Touched when a thread's first or last event comes and when somebody reads;
//! never on the allocation path.

use core::ops::Range;

use heapledger_alloc_sys::os_pages;

use super::fault::FAULTS;
use super::read;
use super::roster::{NoShard, Roster};
use super::shard::Shard;
use super::small_mask::SmallInMap;
use super::tag_table::TagTable;
use super::{TAGS_MAX, THREADS_MAX};

/// The names of all tags.
pub(crate) static TAGS: TagTable<TAGS_MAX, { 2 * TAGS_MAX }> = TagTable::new();

/// The shard of everybody who has none: threads beyond the last slot, threads
/// that are exiting, threads for which no memory could be had. Written with
/// atomic adds.
pub(crate) static SHARED: Shard = Shard::new();

static ROSTER: Roster<Shard, { THREADS_MAX / 64 }> = Roster::new();

/// Whether the map has taken small blocks.
static SMALL: SmallInMap = SmallInMap::new();

/// Gives the calling thread a shard of its own; `None` if there is no slot or no
/// memory for one, which is counted as a fault.
#[cold]
pub(crate) fn claim() -> Option<&'static Shard> {
    let make = |slot| {
        let fresh = os_pages::map_zeroed(size_of::<Shard>()).cast::<Shard>();
        // SAFETY: null, or fresh zeroed pages, page-aligned and large enough;
        // zeroes are a valid shard.
        if let Some(shard) = unsafe { fresh.as_ref() } {
            shard.set_slot(slot);
        }
        fresh
    };
    // SAFETY: shards are never unmapped.
    match unsafe { ROSTER.claim(make) } {
        Ok(shard) => {
            shard.begin_tenure(read::shard(shard));
            SMALL.begin(&shard.small_mask);
            Some(shard)
        }
        Err(NoShard::NoSlot) => {
            FAULTS.threads_without_slot.raise();
            None
        }
        Err(NoShard::NoMemory) => {
            FAULTS.no_memory_for_tables.raise();
            None
        }
    }
}

/// Has every thread look into the map when it frees a small block that may be
/// there; called before the first one is put in, any number of times.
#[cold]
pub(crate) fn let_small_into_map() {
    SMALL.let_in(|| shards().map(|shard| &shard.small_mask));
}

/// Gives a shard back at thread exit. Its totals stay, the next holder of the
/// slot continues them.
#[cold]
pub(crate) fn release(shard: &Shard) {
    ROSTER.release(shard.slot());
}

/// After a fork the child has one thread: only its slot stays taken.
#[cold]
pub(crate) fn keep_only(shard: Option<&Shard>) {
    ROSTER.keep_only(shard.map(Shard::slot));
}

/// One more than the highest slot that ever had a shard.
pub(crate) fn slots_used() -> usize {
    ROSTER.len()
}

/// Every shard that ever had a thread, in the order of slots; not the shared one.
pub(crate) fn shards() -> impl Iterator<Item = &'static Shard> {
    ROSTER.shards()
}

/// Every shard, the shared one last.
pub(crate) fn all_shards() -> impl Iterator<Item = &'static Shard> {
    shards().chain(core::iter::once(&SHARED))
}

/// Whether a thread holds this shard at this moment.
pub(crate) fn is_alive(shard: &Shard) -> bool {
    ROSTER.is_held(shard.slot())
}

/// Where the registry's static memory is, for `self_overhead`.
pub(crate) fn statics() -> [Range<usize>; 3] {
    [addresses_of(&TAGS), addresses_of(&SHARED), addresses_of(&ROSTER)]
}

/// Where a value is.
pub(crate) fn addresses_of<T>(value: &T) -> Range<usize> {
    let start = core::ptr::from_ref(value).addr();
    start..start.wrapping_add(size_of::<T>())
}
