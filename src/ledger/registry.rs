//! The registry: all shards there are, and the process-wide state of the ledger.
//!
//! Touched when a thread's first or last event comes and when somebody reads;
//! never on the allocation path.

use core::ops::Range;

use heapledger_alloc_sys::os_pages;

use super::fault::FAULTS;
use super::leases::{self, End, Lease, NoLease};
use super::roster::{NoShard, Roster};
use super::shard::Shard;
use super::small_mask::SmallInMap;
use super::tag_table::TagTable;
use super::{TAGS_MAX, THREADS_MAX};
use super::{peak, read};

/// The names of all tags.
pub(crate) static TAGS: TagTable<TAGS_MAX, { 2 * TAGS_MAX }, { TAGS_MAX / 64 }> = TagTable::new();

/// Somebody who reads the tags.
pub(crate) type Reading = leases::Reading<'static, TAGS_MAX, { 2 * TAGS_MAX }, { TAGS_MAX / 64 }>;

/// The shard of everybody who has none: threads beyond the last slot, threads
/// that are exiting, threads for which no memory could be had. Written with
/// atomic adds.
pub(crate) static SHARED: Shard = Shard::new();

static ROSTER: Roster<Shard, { THREADS_MAX / 64 }> = Roster::new();

/// Whether the map has taken small blocks.
static SMALL: SmallInMap = SmallInMap::new();

/// Begins a reading: until it is dropped, no id becomes another tag's. It waits for
/// nobody; lives that would end meanwhile end later.
#[inline]
pub(crate) fn reading() -> Reading {
    TAGS.reading()
}

/// Whether readers should give way: call `give_way` before `reading`, where one may
/// wait for other threads.
#[inline]
pub(crate) fn should_give_way() -> bool {
    TAGS.moves.is_wanted()
}

/// Ends lives that were put off; false if they are again. After the last attempt the
/// caller need not give way any longer.
pub(crate) fn give_way(is_last: bool) -> bool {
    let (_, put_off) = TAGS.end_orphans(TAGS_MAX, end_life);
    if is_last || !put_off {
        TAGS.moves.want(false);
    }
    !put_off
}

/// An id for a short-lived tag, held by the caller.
pub(crate) fn lease(tag: &str, parent: u16) -> Result<Lease, NoLease> {
    TAGS.lease(tag, parent, end_life)
}

/// Lets go of a lease; the last one ends its life, if nothing is live under it.
pub(crate) fn let_go(lease: Lease) {
    if TAGS.let_go(lease) {
        // Put off or not yet: then it is an orphan, for others to end.
        let _ = end_life(lease.id);
    }
}

/// Ends the lives of all orphans under which nothing is live; says how many, and
/// whether one was put off.
pub(crate) fn end_orphans() -> (usize, bool) {
    TAGS.end_orphans(TAGS_MAX, end_life)
}

fn end_life(id: u16) -> End {
    TAGS.end_life(id, || read::id(id), || peak::forget(id))
}

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

/// After a fork the child has one thread: only its slot stays taken, and nobody else
/// reads or ends a life. What the others held of short-lived tags stays held.
#[cold]
pub(crate) fn keep_only(shard: Option<&Shard>) {
    ROSTER.keep_only(shard.map(Shard::slot));
    TAGS.keep_nobody();
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
