//! Tenures: whose time in a slot it is, and what earlier threads had counted.
//!
//! A thread continues its predecessor's totals, so its own part is what was added
//! since it came. The totals of that moment are four words under a sequence
//! number: odd while a thread takes over, and never twice the same.
//!
//! Invariant: counts read between `present` and `is_present`, both of one tenure,
//! hold nothing that a later thread of the slot added.

use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

use super::cell::Counts;

/// One thread's time in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tenure {
    number: u32,
    /// What the slot's earlier threads had counted when the time began.
    pub(crate) inherited: Counts,
}

/// The present tenure of a slot. Zeroes are one of a thread that never was.
pub(crate) struct Tenures {
    number: AtomicU32,
    inherited: [AtomicU64; 4],
}

impl Tenures {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self { number: AtomicU32::new(0), inherited: [const { AtomicU64::new(0) }; 4] }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self { number: AtomicU32::new(0), inherited: core::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// Begins the tenure of the calling thread, which holds the slot and has not
    /// counted anything in it yet.
    pub(crate) fn begin(&self, inherited: Counts) {
        // Odd, also if a thread was cut off between the two stores by a fork.
        // Relaxed: the last holder's store came to us with the slot.
        let odd = self.number.load(Ordering::Relaxed) | 1;
        self.number.store(odd, Ordering::Relaxed);
        // Release: pairs with the Acquire in `is_present`. Who sees a value below,
        // or anything that this thread counts, sees the odd number.
        fence(Ordering::Release);
        let values = [
            inherited.allocated_bytes,
            inherited.allocated_blocks,
            inherited.freed_bytes,
            inherited.freed_blocks,
        ];
        for (place, value) in self.inherited.iter().zip(values) {
            place.store(value, Ordering::Relaxed);
        }
        // Release: pairs with the Acquire in `present`.
        self.number.store(odd.wrapping_add(1), Ordering::Release);
    }

    /// The present tenure; `None` while a thread takes over.
    pub(crate) fn present(&self) -> Option<Tenure> {
        // Acquire: pairs with the last Release in `begin`.
        let number = self.number.load(Ordering::Acquire);
        // Relaxed: `is_present` looks whether they belong together.
        let [allocated_bytes, allocated_blocks, freed_bytes, freed_blocks] =
            self.inherited.each_ref().map(|value| value.load(Ordering::Relaxed));
        let inherited = Counts { allocated_bytes, allocated_blocks, freed_bytes, freed_blocks };
        let tenure = Tenure { number, inherited };
        (number.is_multiple_of(2) && self.is_present(&tenure)).then_some(tenure)
    }

    /// Whether no other thread had taken the slot over when the calling thread
    /// last read from its counters.
    pub(crate) fn is_present(&self, tenure: &Tenure) -> bool {
        // Acquire: pairs with the Release fence in `begin`, by way of whatever was
        // read since. Relaxed: ordered by the fence.
        fence(Ordering::Acquire);
        self.number.load(Ordering::Relaxed) == tenure.number
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_tenure_is_another_one() {
        let tenures = Tenures::new();
        let mut seen = vec![tenures.present()];
        for bytes in 0..3 {
            tenures.begin(Counts { allocated_bytes: bytes, ..Counts::default() });
            let tenure = tenures.present();
            assert_eq!(tenure.map(|tenure| tenure.inherited.allocated_bytes), Some(bytes));
            assert!(
                !seen.contains(&tenure) && seen.iter().flatten().all(|it| !tenures.is_present(it))
            );
            seen.push(tenure);
        }
    }

    /// A forked child may find a slot whose thread was just taking it over.
    #[test]
    fn a_tenure_cut_off_by_a_fork_does_not_spoil_the_next() {
        let tenures = Tenures::new();
        tenures.begin(Counts::default());
        tenures.number.store(3, Ordering::Relaxed);
        assert_eq!(tenures.present(), None, "nobody's");
        tenures.begin(Counts { freed_blocks: 7, ..Counts::default() });
        assert_eq!(tenures.present().map(|tenure| tenure.inherited.freed_blocks), Some(7));
    }
}
