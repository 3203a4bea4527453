//! Lives: what an id is at the moment, and how many hold it; one word an id.
//!
//! An id is nobody's, a permanent tag's, or a short-lived one's. A short-lived tag
//! is held by its handles and by the guards that make it current. When the last of
//! them lets go it is *orphaned*: nobody can hold it again, so nothing is allocated
//! under it any more, and once nothing is live under it, its life can end. The next
//! life of the id has the next generation.
//!
//! Invariant: while a holder of a life is there, the id's life is that one.

use crate::sync::{AtomicU64, Ordering};

/// The word: holders in the low half, then two bits of kind, then the generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life(u64);

const KIND_SHIFT: u32 = 32;
const GENERATION_SHIFT: u32 = 34;
const HOLDERS_MASK: u64 = (1 << KIND_SHIFT) - 1;
/// Holders there can be: far below what would reach the kind.
const HOLDERS_MAX: u64 = 1 << 31;

const PERMANENT: u64 = 1 << KIND_SHIFT;
const SHORT_LIVED: u64 = 2 << KIND_SHIFT;
const KIND_MASK: u64 = PERMANENT | SHORT_LIVED;

/// The last generation; an id that had it is not given to anybody again, so a
/// generation never comes twice.
const GENERATION_MAX: u32 = (1 << (u64::BITS - GENERATION_SHIFT)) - 1;

impl Life {
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    /// Whether the id has a name.
    pub(crate) const fn is_named(self) -> bool {
        self.0 & KIND_MASK != 0
    }

    pub(crate) const fn is_short(self) -> bool {
        self.0 & KIND_MASK == SHORT_LIVED
    }

    /// Short-lived, and held by nobody.
    pub(crate) const fn is_orphaned(self) -> bool {
        self.is_short() && self.holders() == 0
    }

    /// Which life of the id it is; 0 for an id that never had a short one.
    pub(crate) const fn generation(self) -> u32 {
        (self.0 >> GENERATION_SHIFT) as u32
    }

    /// Whether no life may follow this one.
    pub(crate) const fn is_last(self) -> bool {
        self.generation() == GENERATION_MAX
    }

    const fn holders(self) -> u64 {
        self.0 & HOLDERS_MASK
    }
}

/// The lives of all ids. Zeroes are ids that are nobody's.
pub(crate) struct Lives<const TAGS: usize> {
    words: [AtomicU64; TAGS],
}

impl<const TAGS: usize> Lives<TAGS> {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self { words: [const { AtomicU64::new(0) }; TAGS] }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self { words: core::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// The life of an id now.
    #[inline]
    pub(crate) fn get(&self, id: u16) -> Life {
        // Acquire: pairs with the Release in `name`, `begin` and `let_go`: the name
        // of the life is written, and what its last holder did is seen.
        self.words.get(id as usize).map_or(Life(0), |word| Life(word.load(Ordering::Acquire)))
    }

    /// The id is a permanent tag's from now on. May come twice.
    pub(crate) fn name(&self, id: u16) {
        if let Some(word) = self.words.get(id as usize) {
            // Release: pairs with the Acquire in `get`; the text is before it,
            // whoever wrote it.
            word.store(PERMANENT, Ordering::Release);
        }
    }

    /// Begins a short life with one holder; the caller took the id and wrote its
    /// name.
    pub(crate) fn begin(&self, id: u16) -> Option<Life> {
        let word = self.words.get(id as usize)?;
        // Relaxed: the last life's end came to us with the id.
        let generation = u64::from(Life(word.load(Ordering::Relaxed)).generation()) + 1;
        let life = Life(generation << GENERATION_SHIFT | SHORT_LIVED | 1);
        // Release: pairs with the Acquire in `get`.
        word.store(life.0, Ordering::Release);
        Some(life)
    }

    /// Holds the id if it still has the short life of this generation, and that has
    /// a holder.
    #[inline]
    pub(crate) fn hold(&self, id: u16, generation: u32) -> bool {
        let Some(word) = self.words.get(id as usize) else { return false };
        // Relaxed: the exchange decides.
        let mut life = Life(word.load(Ordering::Relaxed));
        loop {
            if !life.is_short()
                || life.generation() != generation
                || !(1..HOLDERS_MAX).contains(&life.holders())
            {
                return false;
            }
            // Relaxed: who holds is not told anything; it keeps the life from
            // ending, by what the word says.
            match word.compare_exchange(life.0, life.0 + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => life = Life(now),
            }
        }
    }

    /// Lets go of an id that the caller holds; returns the life that is left.
    #[inline]
    pub(crate) fn let_go(&self, id: u16) -> Life {
        let Some(word) = self.words.get(id as usize) else { return Life(0) };
        // Release: pairs with the Acquire in `get`. Who finds the life orphaned
        // sees all that was allocated under it.
        Life(word.fetch_sub(1, Ordering::Release).wrapping_sub(1))
    }

    /// Ends a life, if the id still has it. May come twice.
    pub(crate) fn end(&self, id: u16, life: Life) {
        if let Some(word) = self.words.get(id as usize) {
            let nobody = life.0 & !(KIND_MASK | HOLDERS_MASK);
            // Relaxed: who reads sees it, or what the life was, and may see either;
            // the next life begins after the id was given back.
            let _ = word.compare_exchange(life.0, nobody, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}
