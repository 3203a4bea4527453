//! The registry: all shards there are, and the process-wide state of the ledger.
//!
//! Touched when a thread's first or last event comes and when somebody reads;
//! never on the allocation path.

use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use heapledger_alloc_sys::os_pages;

use super::fault::FAULTS;
use super::shard::Shard;
use super::slots::Slots;
use super::tag_table::TagTable;
use super::{TAGS_MAX, THREADS_MAX};

/// The names of all tags.
pub(crate) static TAGS: TagTable<TAGS_MAX, { 2 * TAGS_MAX }> = TagTable::new();

/// The shard of everybody who has none: threads beyond the last slot, threads
/// that are exiting, threads for which no memory could be had. Written with
/// atomic adds.
pub(crate) static SHARED: Shard = Shard::new();

static SLOTS: Slots<{ THREADS_MAX / 64 }> = Slots::new();
static SHARDS: [AtomicPtr<Shard>; THREADS_MAX] =
    [const { AtomicPtr::new(core::ptr::null_mut()) }; THREADS_MAX];
/// One more than the highest slot that ever had a shard.
static SHARDS_LEN: AtomicUsize = AtomicUsize::new(0);

/// Gives the calling thread a shard of its own; `None` if there is no slot or no
/// memory for one, which is counted as a fault.
#[cold]
pub(crate) fn claim() -> Option<&'static Shard> {
    let Some(slot) = SLOTS.claim() else {
        FAULTS.threads_without_slot.raise();
        return None;
    };
    let place = SHARDS.get(slot)?;
    // Acquire: pairs with the Release below, by the slot's first holder.
    let mut shard = place.load(Ordering::Acquire);
    if shard.is_null() {
        shard = os_pages::map_zeroed(size_of::<Shard>()).cast::<Shard>();
        if shard.is_null() {
            SLOTS.release(slot);
            FAULTS.no_memory_for_tables.raise();
            return None;
        }
        // SAFETY: fresh zeroed pages, page-aligned and large enough; zeroes are
        // a valid shard; never unmapped.
        unsafe { &*shard }.set_slot(slot);
        // Release: readers that see the pointer see the slot number.
        place.store(shard, Ordering::Release);
        // AcqRel: readers that see the length see the pointer.
        SHARDS_LEN.fetch_max(slot + 1, Ordering::AcqRel);
    }
    // SAFETY: every pointer stored in SHARDS is a shard that lives for ever.
    Some(unsafe { &*shard })
}

/// Gives a shard back at thread exit. Its totals stay, the next holder of the
/// slot continues them.
#[cold]
pub(crate) fn release(shard: &Shard) {
    SLOTS.release(shard.slot());
}

/// After a fork the child has one thread: only its slot stays taken.
#[cold]
pub(crate) fn keep_only(shard: Option<&Shard>) {
    SLOTS.keep_only(shard.map(Shard::slot));
}

/// Every shard that ever had a thread, in the order of slots; not the shared one.
pub(crate) fn shards() -> impl Iterator<Item = &'static Shard> {
    // Acquire: pairs with the AcqRel in `claim`.
    let len = SHARDS_LEN.load(Ordering::Acquire);
    SHARDS.iter().take(len).filter_map(|place| {
        // Acquire: pairs with the Release in `claim`.
        let shard = place.load(Ordering::Acquire);
        // SAFETY: null, or a shard that lives for ever.
        unsafe { shard.as_ref() }
    })
}

/// Every shard, the shared one last.
pub(crate) fn all_shards() -> impl Iterator<Item = &'static Shard> {
    shards().chain(core::iter::once(&SHARED))
}

/// Whether a thread holds this shard at this moment.
pub(crate) fn is_alive(shard: &Shard) -> bool {
    SLOTS.is_taken(shard.slot())
}
