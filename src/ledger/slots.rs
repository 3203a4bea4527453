//! Thread slots: a bitmap of which shards have a thread.
//!
//! Invariant: a set bit has one holder. Claiming takes the lowest free bit, so
//! the shards in use stay dense and a thread that comes after another continues
//! its counters: totals never move at thread exit. A bit has no history, so
//! there is no list to corrupt and no ABA.

use crate::sync::{AtomicU64, Ordering};

/// `WORDS * 64` slots.
pub(crate) struct Slots<const WORDS: usize> {
    words: [AtomicU64; WORDS],
}

impl<const WORDS: usize> Slots<WORDS> {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self { words: [const { AtomicU64::new(0) }; WORDS] }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self { words: core::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// Takes the lowest free slot; `None` when all are taken.
    pub(crate) fn claim(&self) -> Option<usize> {
        for (index, word) in self.words.iter().enumerate() {
            // Relaxed: only a hint where to try; `fetch_or` decides.
            let mut taken = word.load(Ordering::Relaxed);
            while taken != u64::MAX {
                let bit = (!taken).trailing_zeros();
                // Acquire: pairs with the Release in `release`, so the new
                // holder continues from the last holder's final counters.
                let before = word.fetch_or(1 << bit, Ordering::Acquire);
                if before & (1 << bit) == 0 {
                    return Some(index * 64 + bit as usize);
                }
                taken = before;
            }
        }
        None
    }

    /// Gives a slot back; its holder must not write to the shard any more.
    pub(crate) fn release(&self, slot: usize) {
        if let Some(word) = self.words.get(slot / 64) {
            // Release: pairs with the Acquire in `claim`.
            word.fetch_and(!(1 << (slot % 64)), Ordering::Release);
        }
    }

    /// Whether a slot has a holder at this moment.
    #[cfg(not(loom))]
    pub(crate) fn is_taken(&self, slot: usize) -> bool {
        self.words
            .get(slot / 64)
            // Relaxed: the answer may be stale the moment it is given.
            .is_some_and(|word| word.load(Ordering::Relaxed) & (1 << (slot % 64)) != 0)
    }

    /// Frees every slot but one: in a forked child the other threads are gone.
    #[cfg(not(loom))]
    pub(crate) fn keep_only(&self, slot: Option<usize>) {
        for (index, word) in self.words.iter().enumerate() {
            let kept = match slot {
                Some(slot) if slot / 64 == index => 1 << (slot % 64),
                _ => 0,
            };
            // Relaxed: a forked child has one thread.
            word.store(kept, Ordering::Relaxed);
        }
    }
}
