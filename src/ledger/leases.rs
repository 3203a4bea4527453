//! Leases: ids for a time, to tags that live for one query or request.
//!
//! A short-lived tag's name is in no index: two of one name are two tags. Its
//! parents are permanent. Whoever lets go of it last ends its life, if nothing is
//! live under it; otherwise it stays, orphaned, until the table needs the id or a
//! report looks, and finds that its last block is gone: nobody else can know.

use crate::sync::{Ordering, step};

use super::UNTAGGED;
use super::cell::Counts;
use super::lives::Life;
use super::tag_table::{FIRST_ID, TagTable};

/// An id in one of its lives; not held by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lease {
    pub(crate) id: u16,
    /// Who gets what comes too late.
    pub(crate) parent: u16,
    /// 0 for a permanent tag, which nobody has to hold.
    pub(crate) generation: u32,
}

impl Lease {
    /// A permanent tag.
    pub(crate) const fn permanent(id: u16) -> Self {
        Self { id, parent: UNTAGGED, generation: 0 }
    }

    pub(crate) const fn is_permanent(self) -> bool {
        self.generation == 0
    }
}

/// What came of an attempt to end a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The id is free.
    Ended,
    /// It is held, or something is live under it, or its life ended before.
    NotYet,
    /// Somebody reads, or ends another life.
    PutOff,
}

/// There is no free id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoLease {
    /// All are in use.
    Full,
    /// Lives could have ended, but somebody was reading.
    PutOff,
}

/// Orphans that one search for a free id looks at.
const SEARCH_MAX: usize = 64;

impl<const TAGS: usize, const BUCKETS: usize, const WORDS: usize> TagTable<TAGS, BUCKETS, WORDS> {
    /// Begins a short life, held by the caller. `end` ends orphans' lives: it calls
    /// `end_life`.
    pub(crate) fn lease(
        &self,
        tag: &str,
        parent: u16,
        end: impl FnMut(u16) -> End,
    ) -> Result<Lease, NoLease> {
        let id = self.free_id(end)?;
        self.write(id, tag, parent);
        let life = self.lives.begin(id).ok_or(NoLease::Full)?;
        // Relaxed: who misses it, misses an orphan once.
        if self.cursor.load(Ordering::Relaxed) == 0 {
            self.cursor.store(1, Ordering::Relaxed);
        }
        Ok(Lease { id, parent, generation: life.generation() })
    }

    /// A free id: one that was used before, if there is one or one can be made free,
    /// so that ids stay dense.
    fn free_id(&self, end: impl FnMut(u16) -> End) -> Result<u16, NoLease> {
        let known = self.len();
        let fresh = match self.take_id() {
            Some(id) if (id as usize) < known => return Ok(id),
            fresh => fresh,
        };
        let (ended, put_off) = self.end_orphans(SEARCH_MAX, end);
        if put_off {
            self.moves.want(true);
        }
        if ended != 0
            && let Some(id) = self.take_id()
        {
            if let Some(fresh) = fresh {
                self.give_back(fresh);
            }
            return Ok(id);
        }
        fresh.ok_or(if put_off { NoLease::PutOff } else { NoLease::Full })
    }

    /// Tries to end the lives of orphans, at most so many, going on where it stopped
    /// last time; says how many ended and whether one was put off.
    pub(crate) fn end_orphans(
        &self,
        most: usize,
        mut end: impl FnMut(u16) -> End,
    ) -> (usize, bool) {
        let (mut seen, mut ended) = (0, 0);
        let ids = self.len().saturating_sub(FIRST_ID);
        // Relaxed: where to begin is a matter of fairness.
        let start = self.cursor.load(Ordering::Relaxed) as usize;
        if start == 0 {
            return (0, false);
        }
        for step in 0..ids {
            let at = start.wrapping_add(step).checked_rem(ids).unwrap_or_default();
            let id = at.saturating_add(FIRST_ID) as u16;
            if !self.lives.get(id).is_orphaned() {
                continue;
            }
            match end(id) {
                End::Ended => ended += 1,
                End::NotYet => {}
                End::PutOff => return (ended, true),
            }
            seen += 1;
            if seen == most {
                self.cursor.store(at.wrapping_add(1) as u32, Ordering::Relaxed);
                break;
            }
        }
        (ended, false)
    }

    /// The lease of an id that cannot become another tag's now.
    #[inline]
    pub(crate) fn lease_of(&self, id: u16) -> Lease {
        let life = self.lives.get(id);
        if !life.is_short() {
            return Lease::permanent(id);
        }
        // Relaxed: written before the life began.
        let parent =
            self.parents.get(id as usize).map_or(UNTAGGED, |id| id.load(Ordering::Relaxed));
        Lease { id, parent, generation: life.generation() }
    }

    /// Holds a lease once more; false if its life has no holder any more.
    #[inline]
    pub(crate) fn hold(&self, lease: Lease) -> bool {
        self.lives.hold(lease.id, lease.generation)
    }

    /// Lets go of a lease; true if nobody holds it any more: then `end_life` is the
    /// caller's to try.
    pub(crate) fn let_go(&self, lease: Lease) -> bool {
        self.lives.let_go(lease.id).is_orphaned()
    }

    /// Ends the life of an orphan under which nothing is live. `booked` sums the
    /// id's cells up, freed halves first; `forget` is called before the id can be
    /// somebody else's.
    pub(crate) fn end_life(
        &self,
        id: u16,
        booked: impl FnOnce() -> Counts,
        forget: impl FnOnce(),
    ) -> End {
        let life = self.lives.get(id);
        if !life.is_orphaned() {
            return End::NotYet;
        }
        // Nobody allocates under an orphan, but by `realloc` of what is live. So
        // once nothing is, these are its last totals.
        let booked = booked();
        if booked.live_bytes() != 0 || booked.live_blocks() != 0 {
            return End::NotYet;
        }
        if !self.moves.turn() {
            return End::PutOff;
        }
        let end = self.end_in_turn(id, life, &booked, forget);
        self.moves.finish();
        if end == End::Ended && !life.is_last() {
            self.give_back(id);
        }
        end
    }

    fn end_in_turn(&self, id: u16, life: Life, booked: &Counts, forget: impl FnOnce()) -> End {
        // Somebody else may have ended it since, and the id have another life.
        if self.lives.get(id) != life && step() {
            return End::NotYet;
        }
        if !self.moves.decide(id, life, self.lease_of(id).parent, booked) {
            return End::PutOff;
        }
        self.moves.carry_out(&self.lives);
        forget();
        End::Ended
    }

    /// For a forked child, see `Moves`.
    pub(crate) fn keep_nobody(&self) {
        self.moves.keep_nobody(&self.lives);
    }

    /// Enters the gate: until the reading is dropped, no life ends.
    #[inline]
    pub(crate) fn reading(&self) -> Reading<'_, TAGS, BUCKETS, WORDS> {
        self.moves.enter(&self.lives);
        Reading { table: self }
    }
}

/// Somebody inside the gate. What is read through it belongs together.
pub(crate) struct Reading<'a, const TAGS: usize, const BUCKETS: usize, const WORDS: usize> {
    table: &'a TagTable<TAGS, BUCKETS, WORDS>,
}

impl<const TAGS: usize, const BUCKETS: usize, const WORDS: usize>
    Reading<'_, TAGS, BUCKETS, WORDS>
{
    /// The name of an id, if it has one.
    pub(crate) fn name(&self, id: u16) -> Option<&str> {
        self.table.name(id)
    }

    /// The id one level up.
    pub(crate) fn parent(&self, id: u16) -> Option<u16> {
        self.table.parent(id)
    }

    /// The tags above a tag, nearest first.
    pub(crate) fn ancestors(&self, id: u16) -> impl Iterator<Item = u16> {
        core::iter::successors(self.parent(id), |&above| self.parent(above))
    }

    pub(crate) fn life(&self, id: u16) -> Life {
        self.table.lives.get(id)
    }

    /// What to add to an id's cells.
    #[inline]
    pub(crate) fn balance(&self, id: u16) -> Counts {
        self.table.moves.balance(id)
    }
}

impl<const TAGS: usize, const BUCKETS: usize, const WORDS: usize> Drop
    for Reading<'_, TAGS, BUCKETS, WORDS>
{
    #[inline]
    fn drop(&mut self) {
        self.table.moves.leave();
    }
}
