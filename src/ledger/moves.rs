//! Moves: the totals of a life that ended go to the tag above.
//!
//! Cells only grow and have one writer each, so those of an id stay as they are
//! when it gets its next life. Instead every id has a *balance*, which is added to
//! what its cells say: below zero by what its earlier lives booked, above zero by
//! what ended lives left to it. A life ends when nothing is live under it, so what
//! moves was freed as it was allocated, and a balance is two numbers for all four.
//! The balances sum to zero: what is summed over all tags is what all cells say.
//!
//! Readers and moves share a *gate*. A move takes its turn (one at a time), writes
//! a note of how the balances will be, and is decided if no reader is inside then;
//! otherwise it is put off. Nobody waits: a reader that finds a decided move inside
//! does it, too. It writes what the note says, which is the same whoever does it,
//! and there is no other note until the reader has left. (That readers without end
//! put off every move, they prevent among themselves: moves may be *wanted*.)
//!
//! Invariant: from when a reader entered until it leaves, no life ends and no
//! balance changes.

use crate::sync::{AtomicU32, AtomicU64, Ordering, step};

use super::cell::Counts;
use super::lives::{Life, Lives};

/// A move has its turn.
const TURN: u32 = 1;
/// Its note is complete, and it will be done.
const DECIDED: u32 = 2;
/// Moves were put off, and ids are scarce.
const WANTED: u32 = 4;
/// One reader.
const READER: u32 = 8;

/// Attempts to get the turn from others that move.
const TURNS: usize = if cfg!(loom) { 1 } else { 64 };

struct Balance {
    bytes: AtomicU64,
    blocks: AtomicU64,
}

/// The move under way.
struct Note {
    /// The id below, the one above in the high half.
    ids: AtomicU32,
    life: AtomicU64,
    /// The balances of both as they will be.
    below: Balance,
    above: Balance,
}

/// Gate, note and balances. Zeroes are a ledger in which no life ended yet.
pub(crate) struct Moves<const TAGS: usize> {
    gate: AtomicU32,
    note: Note,
    balances: [Balance; TAGS],
}

impl Balance {
    #[cfg(not(loom))]
    const fn new() -> Self {
        Self { bytes: AtomicU64::new(0), blocks: AtomicU64::new(0) }
    }

    #[cfg(loom)]
    fn new() -> Self {
        Self { bytes: AtomicU64::new(0), blocks: AtomicU64::new(0) }
    }

    /// Bytes and blocks. Relaxed here and in `set`: the gate orders them.
    fn get(&self) -> (u64, u64) {
        (self.bytes.load(Ordering::Relaxed), self.blocks.load(Ordering::Relaxed))
    }

    fn set(&self, (bytes, blocks): (u64, u64)) {
        self.bytes.store(bytes, Ordering::Relaxed);
        self.blocks.store(blocks, Ordering::Relaxed);
    }
}

impl<const TAGS: usize> Moves<TAGS> {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            gate: AtomicU32::new(0),
            note: Note {
                ids: AtomicU32::new(0),
                life: AtomicU64::new(0),
                below: Balance::new(),
                above: Balance::new(),
            },
            balances: [const { Balance::new() }; TAGS],
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            gate: AtomicU32::new(0),
            note: Note {
                ids: AtomicU32::new(0),
                life: AtomicU64::new(0),
                below: Balance::new(),
                above: Balance::new(),
            },
            balances: core::array::from_fn(|_| Balance::new()),
        }
    }

    /// Enters; to be left by `leave`.
    #[inline]
    pub(crate) fn enter(&self, lives: &Lives<TAGS>) {
        // Acquire: pairs with the Release in `decide` and `finish`: note, balances,
        // and the cells as the move saw them.
        let found = self.gate.fetch_add(READER, Ordering::Acquire);
        if found & DECIDED != 0 && step() {
            self.carry_out(lives);
        }
    }

    #[inline]
    pub(crate) fn leave(&self) {
        // Release: pairs with the Acquire in `decide`: what was read inside was
        // read before the next move.
        self.gate.fetch_sub(READER, Ordering::Release);
    }

    /// What to add to an id's cells; for those inside.
    #[inline]
    pub(crate) fn balance(&self, id: u16) -> Counts {
        let Some(balance) = self.balances.get(id as usize) else { return Counts::ZERO };
        let (bytes, blocks) = balance.get();
        Counts {
            allocated_bytes: bytes,
            allocated_blocks: blocks,
            freed_bytes: bytes,
            freed_blocks: blocks,
        }
    }

    /// Gets the turn to move; `None` if somebody else has it or reads. To be given
    /// back by `finish`.
    pub(crate) fn turn(&self) -> bool {
        for _ in 0..TURNS {
            // Relaxed: the exchange decides.
            let found = self.gate.load(Ordering::Relaxed);
            if found >= READER {
                return false;
            }
            let wanted = found & WANTED;
            let (from, to) = (wanted, wanted | TURN);
            // Acquire: pairs with the Release in `finish`.
            let turn = self.gate.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed);
            if turn.is_ok() {
                return true;
            }
            core::hint::spin_loop();
        }
        false
    }

    /// Decides to end a life, whose cells sum up to `booked`; false if somebody
    /// reads. The caller has the turn, and knows that the life is the id's.
    pub(crate) fn decide(&self, id: u16, life: Life, above: u16, booked: &Counts) -> bool {
        let (Some(own), Some(others)) =
            (self.balances.get(id as usize), self.balances.get(above as usize))
        else {
            return false;
        };
        let (own, others) = (own.get(), others.get());
        let bytes = booked.allocated_bytes.wrapping_add(own.0);
        let blocks = booked.allocated_blocks.wrapping_add(own.1);
        let Note { ids, life: lived, below, above: higher } = &self.note;
        // Relaxed: published by the exchange.
        ids.store(u32::from(above) << 16 | u32::from(id), Ordering::Relaxed);
        lived.store(life.to_bits(), Ordering::Relaxed);
        below.set((own.0.wrapping_sub(bytes), own.1.wrapping_sub(blocks)));
        higher.set((others.0.wrapping_add(bytes), others.1.wrapping_add(blocks)));
        // Relaxed: the exchange decides.
        let wanted = self.gate.load(Ordering::Relaxed) & WANTED;
        let (from, to) = (wanted | TURN, wanted | TURN | DECIDED);
        // Release: pairs with the Acquire in `enter`. Acquire: pairs with the
        // Release in `leave`.
        self.gate.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Asks readers to let moves go first; whether any was put off is theirs to see.
    pub(crate) fn want(&self, is_wanted: bool) {
        // Relaxed: a hint.
        if is_wanted {
            self.gate.fetch_or(WANTED, Ordering::Relaxed);
        } else {
            self.gate.fetch_and(!WANTED, Ordering::Relaxed);
        }
    }

    /// Whether moves were put off while ids are scarce.
    #[inline]
    pub(crate) fn is_wanted(&self) -> bool {
        // Relaxed: a hint.
        self.gate.load(Ordering::Relaxed) & WANTED != 0
    }

    /// Does what was decided: by whoever decided it, and by every reader that
    /// entered since.
    pub(crate) fn carry_out(&self, lives: &Lives<TAGS>) {
        let Note { ids, life, below, above } = &self.note;
        // Relaxed: whoever came here saw `DECIDED` by an Acquire, or wrote the note.
        let (ids, life) = (ids.load(Ordering::Relaxed), life.load(Ordering::Relaxed));
        let (id, higher) = (ids as u16, (ids >> 16) as u16);
        for (id, balance) in [(id, below), (higher, above)] {
            if let Some(place) = self.balances.get(id as usize) {
                place.set(balance.get());
            }
        }
        lives.end(id, Life::from_bits(life));
    }

    /// Gives the turn back, after a move was carried out or put off.
    pub(crate) fn finish(&self) {
        // Release: pairs with the Acquire in `turn` and `enter`.
        self.gate.fetch_and(!(TURN | DECIDED), Ordering::Release);
    }

    /// In a forked child the other threads are gone: what they had decided is
    /// carried out, and nobody is inside.
    pub(crate) fn keep_nobody(&self, lives: &Lives<TAGS>) {
        // Relaxed: a forked child has one thread.
        if self.gate.load(Ordering::Relaxed) & DECIDED != 0 {
            self.carry_out(lives);
        }
        self.gate.store(0, Ordering::Relaxed);
    }
}
