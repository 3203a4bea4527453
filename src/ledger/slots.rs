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
    pub(crate) fn is_taken(&self, slot: usize) -> bool {
        self.words
            .get(slot / 64)
            // Relaxed: the answer may be stale the moment it is given.
            .is_some_and(|word| word.load(Ordering::Relaxed) & (1 << (slot % 64)) != 0)
    }

    /// The slots that have a holder, each as of the moment it is reached.
    #[cfg(not(loom))]
    pub(crate) fn taken(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            // Relaxed: the answer may be stale the moment it is given.
            let mut left = word.load(Ordering::Relaxed);
            core::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left.wrapping_sub(1);
                Some(index * 64 + bit as usize)
            })
        })
    }

    /// Frees every slot but one: in a forked child the other threads are gone.
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

#[cfg(all(test, not(loom)))]
mod tests {
    use core::sync::atomic::{AtomicBool, Ordering};
    use std::collections::BTreeSet;

    use super::*;
    use crate::tests::random::Random;

    /// Three words, so that the search crosses from one to the next.
    type Three = Slots<3>;
    const ALL: usize = 192;

    #[test]
    fn random_claims_and_releases_are_as_in_a_set() {
        for seed in 1..=20 {
            let mut random = Random::new(seed);
            let (slots, mut taken) = (Three::new(), BTreeSet::new());
            // The first half mostly claims, until all slots are taken and beyond.
            for step in 0..10_000 {
                let claims = if step < 5_000 { 7 } else { 3 };
                match random.below(1000) {
                    0 => {
                        let kept = taken.iter().next().copied().filter(|_| random.below(2) == 0);
                        slots.keep_only(kept);
                        taken.retain(|slot| Some(*slot) == kept);
                    }
                    other if other % 10 < claims => {
                        let lowest = (0..ALL).find(|slot| !taken.contains(slot));
                        assert_eq!(slots.claim(), lowest, "the lowest free slot");
                        taken.extend(lowest);
                    }
                    _ => {
                        let count = taken.len().max(1) as u64;
                        let Some(slot) = taken.iter().nth(random.below(count) as usize).copied()
                        else {
                            continue;
                        };
                        slots.release(slot);
                        taken.remove(&slot);
                    }
                }
                let slot = random.below(ALL as u64) as usize;
                assert_eq!(slots.is_taken(slot), taken.contains(&slot));
            }
        }
    }

    #[test]
    fn all_slots_can_be_taken_and_no_more() {
        let slots = Three::new();
        for expected in 0..ALL {
            assert_eq!(slots.claim(), Some(expected));
        }
        assert_eq!(slots.claim(), None);
        slots.release(100);
        assert_eq!(slots.claim(), Some(100));
        assert_eq!(slots.claim(), None);
    }

    #[test]
    fn a_slot_that_does_not_exist_is_not_taken() {
        let slots = Three::new();
        slots.release(ALL);
        assert!(!slots.is_taken(ALL));
        assert_eq!(slots.claim(), Some(0));
    }

    #[test]
    fn eight_threads_never_hold_one_slot_together() {
        let slots = Slots::<1>::new();
        let held = [const { AtomicBool::new(false) }; 64];
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100_000 {
                        let slot = slots.claim().unwrap();
                        assert!(!held[slot].swap(true, Ordering::Relaxed), "two holders");
                        held[slot].store(false, Ordering::Relaxed);
                        slots.release(slot);
                    }
                });
            }
        });
        assert!((0..64).all(|slot| !slots.is_taken(slot)));
    }
}
