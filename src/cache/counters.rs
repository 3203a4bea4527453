//! What a cache counts, without a write that threads share.
//!
//! A thread that has a slot in the ledger has a stripe of its own here, as long as
//! slots are few; it adds to it by a load and a store. All others add atomically
//! to stripes that they share. A reading sums all of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crossbeam_utils::CachePadded;

use crate::alloc::local::local;
use crate::reclaim::CacheStatistics;

use super::departure::Cause;

/// Events of one stripe.
type Stripe = CachePadded<[AtomicU64; EVENTS]>;

/// What is counted.
#[derive(Clone, Copy)]
pub(super) enum Event {
    /// A look-up that found a value.
    Hit,
    /// A look-up that found none.
    Miss,
    /// A miss that was served by another caller's build.
    Coalesced,
    /// An entry came in.
    Insertion,
    /// An entry was too heavy to come in.
    Refusal,
    /// Bytes of the entries that came in.
    BytesIn,
    /// Bytes of the entries that left.
    BytesOut,
    /// An entry left, for a cause.
    Departure(Cause),
}

const EVENTS: usize = 7 + Cause::ALL.len();

impl Event {
    const fn index(self) -> usize {
        match self {
            Self::Hit => 0,
            Self::Miss => 1,
            Self::Coalesced => 2,
            Self::Insertion => 3,
            Self::Refusal => 4,
            Self::BytesIn => 5,
            Self::BytesOut => 6,
            Self::Departure(cause) => 7 + cause as usize,
        }
    }
}

pub(super) struct Counters {
    /// One for each of the first slots: the thread that holds it is the one writer,
    /// and the slot's release and claim order the writers of successive threads.
    own: Box<[Stripe]>,
    shared: Box<[Stripe]>,
}

impl Counters {
    pub(super) fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let stripes = |count: usize| (0..count).map(|_| Stripe::default()).collect();
        Self { own: stripes((4 * processors).clamp(16, 256)), shared: stripes(processors.min(16)) }
    }

    #[inline]
    pub(super) fn add(&self, event: Event, amount: u64) {
        // The slot; a thread without one has a number that no stripe has.
        let number = local().number() as usize;
        match self.own.get(number) {
            Some(stripe) => {
                let counter = &stripe[event.index()];
                // Relaxed: no other thread writes, and readers want a sum of the
                // past only.
                let sum = counter.load(Ordering::Relaxed).wrapping_add(amount);
                counter.store(sum, Ordering::Relaxed);
            }
            None => self.add_shared(event, amount),
        }
    }

    #[cold]
    #[inline(never)]
    fn add_shared(&self, event: Event, amount: u64) {
        let shard = local().shard().or_else(|| local().register());
        let slot = shard.map(|shard| shard.slot());
        let stripe = &self.shared[slot.unwrap_or(0) % self.shared.len()];
        // Relaxed: as above.
        stripe[event.index()].fetch_add(amount, Ordering::Relaxed);
    }

    /// Writes what was counted into a reading.
    pub(super) fn read(&self, it: &mut CacheStatistics) {
        let left = |cause| self.sum(Event::Departure(cause));
        it.hits = self.sum(Event::Hit);
        it.misses = self.sum(Event::Miss);
        it.coalesced = self.sum(Event::Coalesced);
        it.inserted = self.sum(Event::Insertion);
        it.refused = self.sum(Event::Refusal);
        it.evicted = left(Cause::Size);
        it.expired = left(Cause::Expired);
        it.removed = left(Cause::Removed);
        it.replaced = left(Cause::Replaced);
        it.cleared = left(Cause::Cleared);
    }

    pub(super) fn sum(&self, event: Event) -> u64 {
        // Relaxed: as in `add`.
        let one = |stripe: &Stripe| stripe[event.index()].load(Ordering::Relaxed);
        self.own.iter().chain(&self.shared).map(one).fold(0, u64::wrapping_add)
    }
}
