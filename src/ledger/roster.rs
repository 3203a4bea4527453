//! The roster: which thread slots there are, who holds one, and the shard of each.
//!
//! Invariants: a slot has one holder; its shard is made by its first holder and
//! stays for ever, so the totals of a thread that ended stay where they are and
//! the next holder continues them. A reader that walks the shards finds every
//! shard whose effects it can have seen.

use crate::sync::{AtomicUsize, Ordering};

use super::once_ptr::OncePtr;
use super::slots::Slots;

/// `WORDS * 64` slots with a shard of type `T` each, once it was needed.
pub(crate) struct Roster<T: 'static, const WORDS: usize> {
    slots: Slots<WORDS>,
    shards: [[OncePtr<T>; 64]; WORDS],
    /// One more than the highest slot whose shard may be there.
    len: AtomicUsize,
}

/// Why a thread has no shard of its own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoShard {
    /// All slots have holders.
    NoSlot,
    /// `make` returned null.
    NoMemory,
}

impl<T, const WORDS: usize> Roster<T, WORDS> {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            slots: Slots::new(),
            shards: [const { [const { OncePtr::null() }; 64] }; WORDS],
            len: AtomicUsize::new(0),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            slots: Slots::new(),
            shards: core::array::from_fn(|_| core::array::from_fn(|_| OncePtr::null())),
            len: AtomicUsize::new(0),
        }
    }

    /// Gives the calling thread a slot's shard; `make` makes one for a slot that
    /// never had a holder.
    ///
    /// # Safety
    ///
    /// - What `make` returns is null, or a `T` that lives for ever.
    pub(crate) unsafe fn claim(
        &self,
        make: impl FnOnce(usize) -> *mut T,
    ) -> Result<&'static T, NoShard> {
        let slot = self.slots.claim().ok_or(NoShard::NoSlot)?;
        let place = self.shards.as_flattened().get(slot).ok_or(NoShard::NoSlot)?;
        let make_listed = || {
            // Before the shard is there, so that a process forked between the two
            // has no shard that its readers miss. Relaxed: a reader that needs the
            // new length has seen, by an Acquire, something this thread did later.
            self.len.fetch_max(slot.saturating_add(1), Ordering::Relaxed);
            make(slot)
        };
        // There is no race to lose: this thread holds the slot.
        let shard = place.get_or_make(make_listed, |_| {});
        // SAFETY: null, or lives for ever (caller of the first `claim`).
        let shard = unsafe { shard.as_ref() };
        if shard.is_none() {
            self.slots.release(slot);
        }
        shard.ok_or(NoShard::NoMemory)
    }

    /// Gives a slot back; its holder must not write to the shard any more.
    pub(crate) fn release(&self, slot: usize) {
        self.slots.release(slot);
    }

    /// One more than the highest slot whose shard may be there.
    pub(crate) fn len(&self) -> usize {
        // Relaxed: as in `claim`.
        self.len.load(Ordering::Relaxed)
    }

    /// Every shard that ever had a holder, in the order of slots.
    pub(crate) fn shards(&self) -> impl Iterator<Item = &'static T> + '_ {
        let places = self.shards.as_flattened().iter().take(self.len());
        // SAFETY: null, or lives for ever (caller of `claim`).
        places.filter_map(|place| unsafe { place.get().as_ref() })
    }

    /// Whether a slot has a holder at this moment.
    pub(crate) fn is_held(&self, slot: usize) -> bool {
        self.slots.is_taken(slot)
    }

    /// Frees every slot but one: in a forked child the other threads are gone.
    pub(crate) fn keep_only(&self, slot: Option<usize>) {
        self.slots.keep_only(slot);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn leak(slot: usize) -> *mut usize {
        Box::leak(Box::new(slot))
    }

    fn claim(roster: &Roster<usize, 1>, make: fn(usize) -> *mut usize) -> Result<usize, NoShard> {
        // SAFETY: `make` is `leak`, or returns null.
        unsafe { roster.claim(make) }.copied()
    }

    #[test]
    fn the_next_holder_of_a_slot_gets_its_shard() {
        let roster = Roster::new();
        assert_eq!(claim(&roster, leak), Ok(0));
        assert_eq!(claim(&roster, leak), Ok(1));
        roster.release(0);
        assert_eq!(claim(&roster, |_| unreachable!("the shard is there")), Ok(0));
        assert!(roster.is_held(0) && roster.is_held(1) && !roster.is_held(2));
        roster.keep_only(Some(1));
        assert!(!roster.is_held(0) && roster.is_held(1));
        assert_eq!(roster.shards().copied().collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn without_a_slot_or_memory_there_is_no_shard_and_nothing_is_lost() {
        let roster = Roster::new();
        assert_eq!(claim(&roster, |_| core::ptr::null_mut()), Err(NoShard::NoMemory));
        assert_eq!(roster.shards().count(), 0);
        for slot in 0..64 {
            assert_eq!(claim(&roster, leak), Ok(slot), "the slot was given back");
        }
        assert_eq!(claim(&roster, leak), Err(NoShard::NoSlot));
        roster.release(63);
        assert_eq!(claim(&roster, leak), Ok(63));
        assert_eq!((roster.len(), roster.shards().count()), (64, 64));
    }
}
