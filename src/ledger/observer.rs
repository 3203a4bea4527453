//! Observers: what a piece of work did to memory, under whatever tags and on
//! whatever threads it ran.
//!
//! Tags say what memory is for, and all of the program shares them; an observer
//! follows one piece of work. A thread is inside at most one observer, and that
//! one's parents. It counts in its own cells as ever; what they grew by during its
//! stay is added up when it leaves. So the allocation path knows of no observer.
//!
//! Invariants: an observer's place is not used again while a thread is inside, a
//! handle is open, or a child is there; who comes with an old number is refused.

use core::ops::Range;
use core::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use heapledger_alloc_sys::os_pages;

use super::cell::{Cell, Counts};
use super::fault::FAULTS;
use super::injection::{Injection, Plan};
use super::lease::Lease;
use super::once_ptr::OncePtr;
use super::registry::{self, addresses_of};
use super::shard::Shard;
use super::slots::Slots;
use super::stay::Stay;
use super::{TAGS_MAX, read};

/// Observers at one time.
pub(crate) const OBSERVERS_MAX: usize = 256;
const INDEX_BITS: u32 = OBSERVERS_MAX.ilog2();
const GENERATIONS_MAX: u32 = (1 << (u32::BITS - INDEX_BITS)) - 2;

/// Between two looks an observed thread allocates at most this much, so that what
/// several threads allocate between two looks is bounded.
const STEP_BYTES_MAX: u64 = 16 << 10;

/// The number of an observer: its place below, the generation above. It may be
/// kept for as long as one likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObserverId(u32);

impl ObserverId {
    /// No observer.
    pub(crate) const NONE: Self = Self(0);
    /// Whichever the thread is inside of.
    #[cfg(feature = "testing")]
    pub(crate) const ANY: Self = Self(u32::MAX);

    const fn new(index: usize, generation: u32) -> Self {
        Self((generation << INDEX_BITS) | index as u32)
    }

    #[inline(always)]
    pub(crate) fn is_none(self) -> bool {
        self == Self::NONE
    }

    const fn index(self) -> usize {
        self.0 as usize % OBSERVERS_MAX
    }

    const fn generation(self) -> u32 {
        self.0 >> INDEX_BITS
    }

    /// The observer's place, which its number alone does not keep.
    fn place(self) -> Option<&'static Observer> {
        if self.is_none() { None } else { OBSERVERS.get(self.index()) }
    }

    /// The observer and its parents. The caller is inside, or holds a handle.
    fn chain(self) -> impl Iterator<Item = (usize, &'static Observer)> {
        let mut id = self;
        core::iter::from_fn(move || {
            let (index, place) = (id.index(), id.place()?);
            // Relaxed: written before the observer was opened.
            id = Self(place.parent.load(Ordering::Relaxed));
            Some((index, place))
        })
    }

    /// Makes the caller a user; false if the observer is over.
    fn enter(self) -> bool {
        self.place().is_some_and(|place| place.lease.enter(self.generation()))
    }

    /// Ends a use; the last one gives the place back, and its use of the parent.
    fn leave(self) {
        let mut id = self;
        while let Some(place) = id.place() {
            // Relaxed: written before the observer was opened; read while it is.
            let parent = Self(place.parent.load(Ordering::Relaxed));
            if !place.lease.leave() {
                break;
            }
            TAKEN.release(id.index());
            id = parent;
        }
    }

    /// Whether an allocation has to be refused; called for each of them while it
    /// may be so.
    pub(crate) fn refuses(self) -> bool {
        // All of them count, also behind one that refuses.
        self.chain().fold(false, |refused, (_, place)| place.injection.refuses() | refused)
    }
}

struct Observer {
    lease: Lease,
    parent: AtomicU32,
    /// The largest live bytes seen.
    peak: AtomicI64,
    /// Threads that wanted to be inside and could not be counted.
    uncounted: AtomicU32,
    injection: Injection,
    /// What was counted under each tag in stays that ended.
    tags: OncePtr<[Cell; TAGS_MAX]>,
}

static TAKEN: Slots<{ OBSERVERS_MAX / 64 }> = Slots::new();
static OBSERVERS: [Observer; OBSERVERS_MAX] = [const {
    Observer {
        lease: Lease::new(),
        parent: AtomicU32::new(0),
        peak: AtomicI64::new(0),
        uncounted: AtomicU32::new(0),
        injection: Injection::none(),
        tags: OncePtr::null(),
    }
}; OBSERVERS_MAX];

impl Observer {
    fn tags(&self) -> Option<&'static [Cell; TAGS_MAX]> {
        // SAFETY: null, or pages that are never unmapped.
        unsafe { self.tags.get().as_ref() }
    }

    /// Has no counts; false if there is no memory for them.
    fn prepare(&self, index: usize, parent: ObserverId, plan: Plan) -> bool {
        if !map_once(&self.tags) {
            return false;
        }
        for cell in self.tags().into_iter().flatten().take(read::tags_len()) {
            cell.clear();
        }
        for stay in registry::shards().filter_map(|shard| stays(shard)?.stays.get(index)) {
            stay.reset();
        }
        // Relaxed, all: opening the lease publishes them.
        self.parent.store(parent.0, Ordering::Relaxed);
        self.peak.store(0, Ordering::Relaxed);
        self.uncounted.store(0, Ordering::Relaxed);
        self.injection.begin(plan);
        true
    }
}

/// A thread's part: its stays with each observer, and what its cells were when
/// they were last added up.
pub(crate) struct Stays {
    stays: [Stay; OBSERVERS_MAX],
    bases: [Cell; TAGS_MAX],
}

fn stays(shard: &Shard) -> Option<&'static Stays> {
    // SAFETY: null, or pages that are never unmapped.
    unsafe { shard.stays.get().as_ref() }
}

/// Maps zeroed pages for a `T` whose zeroes are a valid value.
fn map_once<T>(place: &OncePtr<T>) -> bool {
    let unmap = |pages: *mut T| {
        // SAFETY: mapped below, for this size; nobody else got the address.
        unsafe { os_pages::unmap(pages.cast(), size_of::<T>()) }
    };
    let is_there =
        !place.get_or_make(|| os_pages::map_zeroed(size_of::<T>()).cast(), unmap).is_null();
    if !is_there {
        FAULTS.no_memory_for_tables.raise();
    }
    is_there
}

/// Live bytes of a thread: what its cells say, over all tags.
fn live_bytes(shard: &Shard) -> i64 {
    read::shard(shard).live_bytes_signed()
}

/// Adds up what the thread counted since it was last added up, in an observer and
/// its parents.
fn add_up(shard: &Shard, stays: &Stays, inside: ObserverId) {
    let cells = shard.cells().iter().zip(&stays.bases).take(read::tags_len());
    for (tag, (cell, base)) in cells.enumerate() {
        let grown = base.catch_up(cell);
        if grown == Counts::ZERO {
            continue;
        }
        for (_, place) in inside.chain() {
            if let Some(sum) = place.tags().and_then(|tags| tags.get(tag)) {
                sum.add_shared(&grown);
            }
        }
    }
}

/// Takes the calling thread, which is inside of `from`, to another observer.
/// Returns the one it is inside of then: none if that one is over, or if the
/// thread has no counters of its own.
#[cold]
pub(crate) fn switch(shard: Option<&Shard>, from: ObserverId, to: ObserverId) -> ObserverId {
    let mut to = to;
    if !to.is_none() && !to.enter() {
        FAULTS.late_work.raise();
        to = ObserverId::NONE;
    }
    let counted = shard.filter(|shard| map_once(&shard.stays));
    let Some((shard, stays)) = counted.and_then(|shard| Some((shard, stays(shard)?))) else {
        if let Some(place) = to.place() {
            place.uncounted.fetch_add(1, Ordering::Relaxed);
        }
        to.leave();
        return ObserverId::NONE;
    };
    add_up(shard, stays, from);
    let live_bytes = live_bytes(shard);
    for (chain, other, inside) in [(from, to, false), (to, from, true)] {
        for (index, _) in chain.chain() {
            let stays_inside = other.chain().any(|(also, _)| also == index);
            if let Some(stay) = stays.stays.get(index).filter(|_| !stays_inside) {
                stay.turn(live_bytes, inside);
            }
        }
    }
    from.leave();
    to
}

/// The live bytes of an observer now, on all threads.
fn live_bytes_of(index: usize) -> i64 {
    registry::shards()
        .filter_map(|shard| Some(stays(shard)?.stays.get(index)?.read(|| live_bytes(shard))))
        .fold(0, i64::wrapping_add)
}

/// Raises the peaks of an observer that the calling thread is inside of, and its
/// parents'. Returns how much the thread may allocate until one of them may rise
/// again; nothing while allocations may have to be refused.
#[cold]
pub(crate) fn look(inside: ObserverId) -> u64 {
    let mut step = STEP_BYTES_MAX;
    for (index, place) in inside.chain() {
        let live = live_bytes_of(index);
        // Relaxed: a maximum, it publishes nothing else.
        let peak = place.peak.fetch_max(live, Ordering::Relaxed).max(live);
        let missing = peak.wrapping_sub(live).cast_unsigned();
        step = if place.injection.is_on() { 0 } else { step.min(missing) };
    }
    step
}

/// An observer that is open; dropped, it is over for who is not yet inside.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(crate) struct Open {
    id: ObserverId,
    place: &'static Observer,
}

/// What an observer saw.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(crate) struct Seen {
    pub(crate) peak_live_bytes: u64,
    /// Requests for memory, and how many were refused on purpose; counted while an
    /// injection is on.
    pub(crate) requests: u64,
    pub(crate) injected: u64,
    /// Threads and observations that are still inside: what they did since they
    /// came is not among the counts.
    pub(crate) at_work: u32,
    pub(crate) uncounted: u32,
}

#[cfg_attr(not(feature = "testing"), allow(dead_code))]
impl Open {
    /// Opens an observer inside of another, or of none; `None` if there is no
    /// place or no memory. `parent` has to be the one the thread is inside of.
    pub(crate) fn new(parent: ObserverId, plan: Plan) -> Option<Self> {
        let index = TAKEN.claim()?;
        let place = OBSERVERS.get(index)?;
        if !(place.prepare(index, parent, plan) && (parent.is_none() || parent.enter())) {
            TAKEN.release(index);
            return None;
        }
        let generation = place.lease.next_generation(GENERATIONS_MAX);
        place.lease.open(generation);
        Some(Self { id: ObserverId::new(index, generation), place })
    }

    pub(crate) fn id(&self) -> ObserverId {
        self.id
    }

    /// What was seen of the threads that have left.
    pub(crate) fn seen(&self) -> Seen {
        let (requests, injected) = self.place.injection.seen();
        Seen {
            peak_live_bytes: self.place.peak.load(Ordering::Relaxed).max(0).cast_unsigned(),
            requests,
            injected,
            at_work: self.place.lease.users().saturating_sub(1),
            uncounted: self.place.uncounted.load(Ordering::Relaxed),
        }
    }

    /// What was counted under each tag, in the order of their numbers, by the
    /// threads that have left.
    pub(crate) fn tags(&self) -> impl Iterator<Item = (u16, Counts)> {
        self.place.tags().into_iter().flatten().take(read::tags_len()).enumerate().map(
            |(tag, cell)| {
                let mut counts = Counts::ZERO;
                cell.read_freed(&mut counts);
                cell.read_allocated(&mut counts);
                (tag as u16, counts)
            },
        )
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.id.leave();
    }
}

/// Every table that was mapped, for `self_overhead`.
pub(crate) fn for_each_table(mut visit: impl FnMut(Range<usize>)) {
    OBSERVERS.iter().filter_map(Observer::tags).for_each(|tags| visit(addresses_of(tags)));
    registry::shards().filter_map(stays).for_each(|stays| visit(addresses_of(stays)));
}

/// Where the observers are, for `self_overhead`.
pub(crate) fn statics() -> Range<usize> {
    addresses_of(&OBSERVERS)
}
