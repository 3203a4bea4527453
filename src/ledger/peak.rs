//! Peaks: the largest live bytes seen, by tag and for the process.
//!
//! Every thread looks when it has allocated an interval's worth of bytes, and
//! everybody who reads live bytes raises the peak to what was read. Between two
//! looks a thread can allocate its interval from each of its two meters (a scope's
//! tag is served by one of them), so a peak is at most `threads × interval`, for
//! the untagged blocks twice that, below the true one. It is above the true one
//! only by what other threads allocated while a look was reading.
//!
//! The process's peak needs every cell there is. So that a look stays cheap with
//! thousands of tags on dozens of threads, a thread sums them only when it has
//! allocated `BYTES_PER_CELL` for each cell: with more than 16,384 cells the bound
//! of the process's peak is that in place of the interval.
//!
//! Who raises a tag's peak is inside the gate of the table: the id has not become
//! another tag's since live was read.

use core::mem::ManuallyDrop;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

use super::registry::{addresses_of, reading};
use super::shard::Shard;
use super::{TAGS_MAX, read, registry, window};

/// By tag; the process's is beside them.
static PEAKS: [AtomicU64; TAGS_MAX] = [const { AtomicU64::new(0) }; TAGS_MAX];
/// On a cache line of its own: every thread that looks may raise it.
static PROCESS_PEAK: CachePadded<AtomicU64> = CachePadded::new(AtomicU64::new(0));

/// 256 KiB: a look costs about a microsecond and comes every few thousand blocks.
static INTERVAL_BYTES: AtomicU32 = AtomicU32::new(256 << 10);

/// What a thread allocates for every cell that it then reads: a nanosecond's worth
/// of reading.
const BYTES_PER_CELL: u64 = 16;

/// Bytes a thread may allocate between two looks.
#[inline]
pub(crate) fn interval_bytes() -> i64 {
    // Relaxed: a setting.
    i64::from(INTERVAL_BYTES.load(Ordering::Relaxed))
}

pub(crate) fn set_interval_bytes(bytes: u32) {
    INTERVAL_BYTES.store(bytes.max(1), Ordering::Relaxed);
}

/// Raises a tag's peak to a live value that was read, and returns the peak.
#[inline]
pub(crate) fn raise(id: u16, live_bytes: u64) -> u64 {
    match PEAKS.get(id as usize) {
        Some(peak) => raise_one(peak, live_bytes),
        None => live_bytes,
    }
}

/// Raises the process's peak to a live value that was read, and returns it.
pub(crate) fn raise_process(live_bytes: u64) -> u64 {
    raise_one(&PROCESS_PEAK, live_bytes)
}

/// Lowers the peak of an id whose life has ended, before it is given to another tag.
pub(crate) fn forget(id: u16) {
    if let Some(peak) = PEAKS.get(id as usize) {
        // Relaxed: the next tag gets the id after this, and looks later.
        peak.store(0, Ordering::Relaxed);
    }
}

fn raise_one(peak: &AtomicU64, live_bytes: u64) -> u64 {
    // Relaxed: a maximum, it publishes nothing else. The load spares the
    // locked instruction where the peak stands already.
    let before = peak.load(Ordering::Relaxed);
    if before >= live_bytes {
        return before;
    }
    peak.fetch_max(live_bytes, Ordering::Relaxed).max(live_bytes)
}

/// A tag's peak, as it stands.
pub(crate) fn of(id: u16) -> u64 {
    PEAKS.get(id as usize).map_or(0, |peak| peak.load(Ordering::Relaxed))
}

/// Looks at every tag the shard's thread allocated under since it last looked,
/// and at the windows on them. Returns how much the thread may allocate until
/// the windows need another look, if there are any.
#[cold]
#[inline(never)]
pub(crate) fn look(shard: &Shard) -> Option<u64> {
    // Left by hand: with a destructor there would be a way to unwind.
    let inside = ManuallyDrop::new(reading());
    let mut moved = false;
    let mut next: Option<u64> = None;
    for id in 0..read::tags_len() as u16 {
        let Some(checked) = shard.checked(id) else { break };
        let allocated = shard.cell(id).allocated_bytes();
        // Relaxed: only the shard's own thread uses `checked`.
        if checked.load(Ordering::Relaxed) != allocated {
            checked.store(allocated, Ordering::Relaxed);
            raise(id, read::id(id).live_bytes());
            if let Some(step) = window::look(&inside, id) {
                next = Some(next.map_or(step, |next| next.min(step)));
            }
            moved = true;
        }
    }
    let cells = read::tags_len().saturating_mul(registry::slots_used()) as u64;
    let enough = cells.saturating_mul(BYTES_PER_CELL);
    if moved && shard.process_look_is_due(interval_bytes().cast_unsigned(), enough) {
        raise_process(read::total().live_bytes());
    }
    drop(ManuallyDrop::into_inner(inside));
    next
}

/// Where the peaks are, for `self_overhead`.
pub(crate) fn statics() -> Range<usize> {
    addresses_of(&PEAKS)
}
