//! The calling thread's part: which shard it counts in, under which tag, and how
//! much it may allocate before it looks at the peaks.
//!
//! Invariants, on which the paths without a test rely:
//! - `fuel` or `tank` positive ⇒ `shard` is set.
//! - a tag is set ⇒ `fuel` is not positive: code inside a scope never takes the
//!   untagged path.
//! - an observer is set ⇒ `fuel` is not positive: whatever an observed thread
//!   allocates is spent from the tank, and what it may not allocate comes to the
//!   slow path.
//! - the variable has no destructor and a constant initialiser: it can be used
//!   from the first instruction of a thread to the last.

use core::cell::Cell;
use core::sync::atomic::{Ordering, compiler_fence};

use crate::ledger::cell::CELL_BYTES;
use crate::ledger::observer::{self, ObserverId};
use crate::ledger::registry::{self, SHARED};
use crate::ledger::shard::Shard;
use crate::ledger::{peak, read};

use super::exit;

/// Where the thread is in its life, for threads without a shard.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// No event yet.
    Fresh,
    /// Has a shard, or is about to.
    Registered,
    /// Has none and will get none: it is exiting, or there was none to be had.
    Shared,
}

/// One per thread.
pub(crate) struct Local {
    /// Bytes this thread may still allocate untagged; 0 or less inside a scope.
    fuel: Cell<i64>,
    /// Bytes this thread may still allocate on all other paths.
    tank: Cell<i64>,
    /// The thread's counters; the shared ones before the first event, at the end,
    /// and where there was no slot.
    shard: Cell<*const Shard>,
    /// The current tag, as the offset of its cell in every shard.
    tag: Cell<u32>,
    /// Who counts what the thread does, beside the ledger.
    observer: Cell<ObserverId>,
    state: Cell<State>,
    /// Bytes between two looks at the peaks, if not the process's setting.
    interval_bytes: Cell<u32>,
    /// What an observed thread had allocated when it last looked at the peaks.
    looked_at_bytes: Cell<u64>,
    /// Scopes of short-lived tags that are open, one inside the other.
    depth: Cell<u32>,
    /// The slot of the thread's own shard; `NO_NUMBER` without one.
    number: Cell<u32>,
    /// Where the thread's part of a table is, in bytes; `NOBODYS_PLACE` without one.
    place: Cell<u32>,
}

/// A table's part for one thread, in bytes: two cache lines, as they are fetched in pairs.
pub(crate) const PART_BYTES: usize = 128;
/// Threads that have a part of their own in every table.
pub(crate) const PARTS: usize = 1024;
/// Where a table's last part is, which is nobody's.
pub(crate) const NOBODYS_PLACE: u32 = (PARTS * PART_BYTES) as u32;

/// No thread's number.
const NO_NUMBER: u32 = u32::MAX;

thread_local! {
    static LOCAL: Local = const {
        Local {
            fuel: Cell::new(0),
            tank: Cell::new(0),
            shard: Cell::new(&raw const SHARED),
            tag: Cell::new(0),
            observer: Cell::new(ObserverId::NONE),
            state: Cell::new(State::Fresh),
            interval_bytes: Cell::new(0),
            looked_at_bytes: Cell::new(0),
            depth: Cell::new(0),
            number: Cell::new(NO_NUMBER),
            place: Cell::new(NOBODYS_PLACE),
        }
    };
}

/// The calling thread's part.
///
/// The reference lives as long as the thread, and cannot leave it: `Local` is not
/// `Sync`. Only its address is taken inside `with`, which therefore inlines to
/// nothing; with whole paths in the closure it stays a call.
#[inline(always)]
pub(crate) fn local() -> &'static Local {
    let local = LOCAL.with(core::ptr::from_ref);
    // SAFETY: the variable has no destructor, so it is valid until the thread's
    // memory goes, after the last of its code.
    unsafe { &*local }
}

/// No fuel is left, or there never was any.
pub(crate) struct Empty;

/// What a scope has to put back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Saved {
    tag: u32,
    fuel: i64,
}

impl Saved {
    /// What was current where nothing was.
    #[allow(dead_code, reason = "some features need it")]
    pub(crate) const UNTAGGED: Self = Self { tag: 0, fuel: 0 };

    /// The tag that will be current again, as an offset.
    #[allow(dead_code, reason = "some features need it")]
    pub(crate) fn tag(self) -> u32 {
        self.tag
    }
}

impl Local {
    /// Spends fuel for an untagged block.
    #[inline(always)]
    pub(crate) fn spend_untagged(&self, bytes: usize) -> Result<(), Empty> {
        spend(&self.fuel, bytes)
    }

    /// Spends from the tank, for every other block.
    #[inline(always)]
    pub(crate) fn spend(&self, bytes: usize) -> Result<(), Empty> {
        spend(&self.tank, bytes)
    }

    /// Inside a scope `spend_untagged` fails every time; this undoes what it took.
    #[inline(always)]
    pub(crate) fn keep_fuel_empty(&self) {
        self.fuel.set(0);
    }

    /// The thread's own shard.
    ///
    /// # Safety
    ///
    /// - A `spend` succeeded on this thread since its last change of state.
    #[inline(always)]
    pub(crate) unsafe fn own_shard(&self) -> &'static Shard {
        debug_assert!(self.has_shard());
        // SAFETY: always a shard, and shards live for ever.
        unsafe { &*self.shard.get() }
    }

    /// The thread's own shard, if it has one now.
    #[inline(always)]
    pub(crate) fn shard(&self) -> Option<&'static Shard> {
        // SAFETY: always a shard, and shards live for ever.
        self.has_shard().then(|| unsafe { &*self.shard.get() })
    }

    /// The thread's own shard, or the shared one, whose small mask is 0.
    #[inline(always)]
    pub(crate) fn any_shard(&self) -> &'static Shard {
        // SAFETY: always a shard, and shards live for ever.
        unsafe { &*self.shard.get() }
    }

    /// The thread's number: its own until it ends, the next thread's after that.
    /// `u32::MAX` for a thread without a shard. Works without the allocator, too.
    #[inline(always)]
    pub(crate) fn number(&self) -> u32 {
        self.number.get()
    }

    /// Where the thread's part of a table is, in bytes. For a thread without a number, or
    /// with one from [`PARTS`] on, where the part that is nobody's is: so the fast paths of
    /// pools need not ask whether there is one.
    #[inline(always)]
    pub(crate) fn place(&self) -> usize {
        self.place.get() as usize
    }

    #[inline(always)]
    fn has_shard(&self) -> bool {
        !core::ptr::eq(self.shard.get(), &raw const SHARED)
    }

    /// The current tag, as an offset.
    #[inline(always)]
    pub(crate) fn tag(&self) -> u32 {
        self.tag.get()
    }

    /// The current tag's id.
    #[inline(always)]
    pub(crate) fn tag_id(&self) -> u16 {
        (self.tag.get() / CELL_BYTES) as u16
    }

    /// Makes a tag current; returns what `leave` puts back.
    #[inline(always)]
    pub(crate) fn enter(&self, tag: u32) -> Saved {
        let saved = Saved { tag: self.tag.get(), fuel: self.fuel.get() };
        self.tag.set(tag);
        if tag != 0 {
            self.fuel.set(0);
        } else if saved.tag != 0 {
            self.lend();
        }
        saved
    }

    /// Makes the saved tag current again.
    #[inline(always)]
    pub(crate) fn leave(&self, saved: Saved) {
        if self.tag.replace(saved.tag) == 0 {
            return self.leave_untagged(saved);
        }
        // A guard may outlive the thread's shard (dropped by a late destructor):
        // then there must be no fuel.
        self.fuel.set(if self.has_shard() { saved.fuel } else { 0 });
    }

    /// The observer the thread is inside of.
    #[inline(always)]
    pub(crate) fn observer(&self) -> ObserverId {
        self.observer.get()
    }

    /// Goes to another observer.
    #[cold]
    #[inline(never)]
    pub(crate) fn observe(&self, observer: ObserverId) {
        if self.state.get() == State::Fresh {
            self.register();
        }
        self.observer.set(observer::switch(self.shard(), self.observer.get(), observer));
        self.refuel();
    }

    /// On the slow path of an allocation: whether an observed thread may go on
    /// without a look. Outside scopes it comes here each time.
    pub(crate) fn spend_observed(&self, bytes: usize) -> bool {
        if self.observer.get().is_none() {
            return false;
        }
        self.keep_fuel_empty();
        self.spend(bytes).is_ok()
    }

    /// Half of the tank for untagged code inside a scope, as work is that was
    /// handed over from outside any. Without fuel it would look at the peaks with
    /// its first block, each time. An observed thread has one meter, see above.
    #[cold]
    fn lend(&self) {
        if !self.observer.get().is_none() {
            return;
        }
        let half = self.tank.get().max(0) / 2;
        self.tank.set(self.tank.get().wrapping_sub(half));
        self.fuel.set(half);
    }

    /// Leaves untagged code for what was around it: for a tag, the tank gets back
    /// what is left; for other untagged code, the fuel is its own.
    #[cold]
    fn leave_untagged(&self, saved: Saved) {
        if saved.tag != 0 {
            let rest = self.fuel.replace(0);
            if rest > 0 {
                self.tank.set(self.tank.get().wrapping_add(rest).min(self.fill()));
            }
        }
    }

    /// Goes one scope of a short-lived tag deeper; returns how deep that is.
    #[inline]
    pub(crate) fn deepen(&self) -> u32 {
        let depth = self.depth.get().wrapping_add(1);
        self.depth.set(depth);
        depth
    }

    /// Comes back from a scope of a short-lived tag; says whether it was the
    /// innermost of all scopes. If not, one that is still open may make this tag
    /// current again.
    #[inline]
    pub(crate) fn surface(&self, depth: u32, tag: u32) -> bool {
        self.depth.replace(depth.wrapping_sub(1)) == depth && self.tag() == tag
    }

    /// The shard to count in, after giving the thread one if it never had;
    /// `None` means the shared one.
    #[cold]
    #[inline(never)]
    pub(crate) fn register(&self) -> Option<&'static Shard> {
        if self.state.get() == State::Fresh {
            // Whatever this calls that allocates is counted in the shared shard.
            self.state.set(State::Shared);
            if let Some(shard) = registry::claim() {
                exit::expect(shard);
                self.shard.set(shard);
                self.number.set(shard.slot() as u32);
                self.place.set(place_of(shard.slot()));
                self.state.set(State::Registered);
            }
        }
        self.refuel();
        self.shard()
    }

    /// Ends the thread's own counting: from here on it uses the shared shard.
    #[cold]
    pub(crate) fn retire(&self) -> Option<&'static Shard> {
        let shard = self.shard();
        if !self.observer.get().is_none() {
            self.observe(ObserverId::NONE);
        }
        self.number.set(NO_NUMBER);
        self.place.set(NOBODYS_PLACE);
        // In this order, for a signal handler that comes in between: fuel without
        // a shard must never be seen, and from the first store on nothing refuels.
        self.state.set(State::Shared);
        compiler_fence(Ordering::SeqCst);
        self.refuel();
        compiler_fence(Ordering::SeqCst);
        self.shard.set(&raw const SHARED);
        shard
    }

    /// What a full meter holds; nothing where there is no shard, and where the next
    /// allocation has to look.
    fn fill(&self) -> i64 {
        if self.state.get() != State::Registered || !self.observer.get().is_none() {
            return 0;
        }
        match self.interval_bytes.get() {
            0 => peak::interval_bytes(),
            // Once this much is allocated, not when more is.
            own => i64::from(own).wrapping_sub(1),
        }
    }

    /// Fills both meters.
    fn refuel(&self) {
        let fill = self.fill();
        self.tank.set(fill);
        self.fuel.set(if self.tag.get() == 0 { fill } else { 0 });
    }

    /// Looks at the peaks, if this thread counts by itself.
    #[cold]
    #[inline(never)]
    pub(crate) fn look(&self) {
        let Some(shard) = self.shard() else { return self.refuel() };
        if !self.observer.get().is_none() {
            return self.look_observed(shard);
        }
        self.look_at(shard);
        self.refuel();
    }

    fn look_at(&self, shard: &Shard) {
        if let Some(bytes) = peak::look(shard)
            && self.interval_bytes.get() != 0
        {
            // A measuring thread looks as often as its measurement needs.
            let bytes = bytes.min(peak::interval_bytes().cast_unsigned());
            self.interval_bytes.set(bytes as u32);
        }
    }

    /// An observed thread looks for its observer far more often than at all peaks.
    fn look_observed(&self, shard: &Shard) {
        let allocated_bytes = read::shard(shard).allocated_bytes;
        let since = allocated_bytes.wrapping_sub(self.looked_at_bytes.get()).cast_signed();
        let measures = self.interval_bytes.get() != 0;
        if measures || !(0..peak::interval_bytes()).contains(&since) {
            self.looked_at_bytes.set(allocated_bytes);
            self.look_at(shard);
        }
        self.refuel();
        let may_allocate = observer::look(self.observer.get()).cast_signed();
        self.tank.set(match self.interval_bytes.get() {
            0 => may_allocate,
            own => may_allocate.min(i64::from(own).wrapping_sub(1)),
        });
    }

    /// Sets this thread's own interval between two looks; 0 takes the process's.
    /// Returns the one before.
    pub(crate) fn set_interval_bytes(&self, bytes: u32) -> u32 {
        let before = self.interval_bytes.replace(bytes);
        self.refuel();
        before
    }
}

fn place_of(number: usize) -> u32 {
    number.saturating_mul(PART_BYTES).min(NOBODYS_PLACE as usize) as u32
}

/// One subtraction from memory and the jump on what it found. The comparison is
/// of what was there, not of the sign of the rest: inside a scope the fuel is
/// below zero already, and a request near `isize::MAX` would carry it round.
#[inline(always)]
fn spend(meter: &Cell<i64>, bytes: usize) -> Result<(), Empty> {
    let had = meter.get();
    meter.set(had.wrapping_sub(bytes as i64));
    if had < bytes as i64 { Err(Empty) } else { Ok(()) }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A look reads every shard: scopes that are entered for each poll of a task
    /// must not bring one each.
    #[test]
    fn untagged_scopes_use_up_what_there_is_and_no_more() {
        let local = local();
        local.register();
        let meters = || (local.fuel.get(), local.tank.get());
        let (full, _) = meters();
        assert!(full > 1000);

        // In untagged code: the same fuel.
        let saved = local.enter(0);
        assert!(local.spend_untagged(100).is_ok());
        local.leave(saved);
        assert_eq!(meters(), (full - 100, full));

        // In a scope: from the tank and back to it, and no fuel for the tag.
        let tagged = local.enter(CELL_BYTES);
        for rounds in 1..=100 {
            let saved = local.enter(0);
            assert!(local.spend_untagged(1).is_ok() && local.spend(1).is_ok());
            local.leave(saved);
            assert_eq!(meters(), (0, full - 2 * rounds));
        }

        // After a look within, no more than a full tank.
        let saved = local.enter(0);
        local.refuel();
        local.leave(saved);
        assert_eq!(meters(), (0, full));
        local.leave(tagged);
        assert_eq!(meters(), (full - 100, full));

        // A thread that has ended its counting gets nothing back.
        let tagged = local.enter(CELL_BYTES);
        let saved = local.enter(0);
        local.retire();
        local.leave(saved);
        assert_eq!(meters(), (0, 0));
        local.leave(tagged);
        assert_eq!(meters(), (0, 0));
    }
}
