//! A thread's part of a pool: the objects and slots it has to itself.
//!
//! Two magazines, as Bonwick's: objects come and go through `loaded`; `previous`
//! keeps a thread that works at a magazine's edge away from the depot. Before both,
//! one object in `hot`. A shard belongs to a thread number and is inherited with it,
//! so nothing has to be done at thread exit.
//!
//! Invariants: whoever has the turn (in the shared shard: the lock) writes; counts
//! are read by all, a little late. `slots ≤ top` and `slots ≤ end ≤ slots + 64` in
//! `loaded`, with objects below `top`; without an array all three are null. The depot has
//! promised `room`: the hot object, the loaded ones up to `end`, and the previous ones
//! are never more; without room nothing is ready here, and the part is fresh. Zeroed
//! memory is a valid shard.

use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64};

use super::depot::{Depot, Magazine};
use super::pages::Lot;
use super::terms::{Terms, Weights};
use super::turn::Turn;
use held::{Held, Loaded};

mod held;
mod numbers;

/// Empty slots that a thread keeps; what is more goes home.
const SPARE_MAX: u32 = 128;

/// A thread's part of a pool: one cache line for the fast paths, one for the slow.
#[repr(C, align(128))]
pub(super) struct Shard {
    pub(super) turn: Turn,
    /// Acquisitions that an object was ready for.
    hits: AtomicU64,
    hot: AtomicPtr<u8>,
    loaded: Loaded,
    previous: Held,
    loaded_number: AtomicU32,
    /// Objects that may be ready here.
    room: AtomicU32,
    spare_len: AtomicU32,
    fresh_len: AtomicU32,
    /// The weight of the objects ready here.
    idle_bytes: AtomicU64,
    spare: AtomicPtr<u8>,
    fresh: AtomicPtr<u8>,
    /// Objects that came into the pool, and that left it, on this thread.
    created: AtomicU64,
    dropped: AtomicU64,
    /// Acquisitions that no object was ready for.
    misses: AtomicU64,
}

/// What a search came to.
pub(super) enum Found {
    /// An object.
    Object(NonNull<u8>),
    /// A slot to make one in.
    Slot(NonNull<u8>),
    Nothing,
}

/// What a release came to.
pub(super) enum Put {
    Done,
    /// Once more, with an empty magazine.
    NeedsMagazine,
    /// The object is in, and these are too many.
    TooMany(Magazine),
    /// The object is one too many.
    Refused,
}

/// All that a shard had.
pub(super) struct Loot {
    pub(super) hot: Option<NonNull<u8>>,
    pub(super) magazines: [Option<Magazine>; 2],
    pub(super) slots: Lot,
    /// Objects that may not be ready there any more.
    pub(super) room: u64,
}

/// Adds to a number that nobody else writes now.
#[inline(always)]
fn add(number: &AtomicU64, by: u64) {
    number.store(number.load(Relaxed).wrapping_add(by), Relaxed);
}

#[inline(always)]
fn subtract(number: &AtomicU64, by: u64) {
    number.store(number.load(Relaxed).wrapping_sub(by), Relaxed);
}

/// With the turn. Relaxed throughout: the turn hands over what the fields hold, and
/// other readers take them for numbers.
impl Shard {
    pub(super) const fn new() -> Self {
        Self {
            turn: Turn::new(),
            hits: AtomicU64::new(0),
            hot: AtomicPtr::new(ptr::null_mut()),
            loaded: Loaded::new(),
            previous: Held::new(),
            loaded_number: AtomicU32::new(0),
            room: AtomicU32::new(0),
            spare_len: AtomicU32::new(0),
            fresh_len: AtomicU32::new(0),
            idle_bytes: AtomicU64::new(0),
            spare: AtomicPtr::new(ptr::null_mut()),
            fresh: AtomicPtr::new(ptr::null_mut()),
            created: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Takes the object that is nearest; counts a hit. For shards without weights.
    #[inline(always)]
    pub(super) fn pop(&self) -> Option<NonNull<u8>> {
        let hot = self.hot.load(Relaxed);
        let slot = match NonNull::new(hot) {
            Some(slot) => {
                self.hot.store(ptr::null_mut(), Relaxed);
                slot
            }
            None => {
                let top = self.loaded.top.load(Relaxed);
                if top == self.loaded.slots.load(Relaxed) {
                    return None;
                }
                // SAFETY: above the first slot, so there is one below, with an object.
                let (top, slot) = unsafe { (top.sub(1), *top.sub(1)) };
                self.loaded.top.store(top, Relaxed);
                // SAFETY: magazines hold slots, never null.
                unsafe { NonNull::new_unchecked(slot) }
            }
        };
        add(&self.hits, 1);
        Some(slot)
    }

    /// As `pop`, where that found none, from the previous magazine.
    pub(super) fn pop_previous(&self) -> Option<NonNull<u8>> {
        if self.previous.len.load(Relaxed) == 0 {
            return None;
        }
        let limit = self.loaded.limit();
        self.exchange();
        // The limit left room for the previous objects; those may be some again, where
        // the fast path gave way to somebody who then took nothing.
        self.loaded.set_limit(limit.min(self.room_to_load()));
        self.pop()
    }

    /// As `push`, where that found no room, if the previous magazine has some.
    pub(super) fn push_previous(&self, slot: NonNull<u8>) -> bool {
        if self.previous.is_none() || self.previous.len.load(Relaxed) > 0 {
            return false;
        }
        let limit = self.loaded.limit();
        self.exchange();
        // No more than the depot promised, now that all of these are previous ones.
        self.loaded.set_limit(limit.min(self.room_to_load()));
        self.push(slot)
    }

    /// Exchanges the two magazines; the loaded one's limit is to be set.
    fn exchange(&self) {
        let previous = self.previous.take();
        self.previous.set(self.load(previous));
    }

    /// Loads another magazine, whose limit is to be set; returns the one before.
    fn load(&self, magazine: Option<Magazine>) -> Option<Magazine> {
        let before = self.loaded.take(self.loaded_number.load(Relaxed));
        if let Some(magazine) = magazine {
            self.loaded_number.store(magazine.number, Relaxed);
            self.loaded.set(&magazine);
        }
        before
    }

    /// As `pop`, with weights.
    pub(super) fn pop_weighed(&self, weights: Weights) -> Option<NonNull<u8>> {
        let slot = self.pop()?;
        subtract(&self.idle_bytes, weights.of(slot));
        Some(slot)
    }

    /// Puts an object where it is nearest; false if there is no room. For shards
    /// without weights.
    #[inline(always)]
    pub(super) fn push(&self, slot: NonNull<u8>) -> bool {
        if self.hot.load(Relaxed).is_null() {
            self.hot.store(slot.as_ptr(), Relaxed);
            return true;
        }
        let top = self.loaded.top.load(Relaxed);
        if top >= self.loaded.end.load(Relaxed) {
            return false;
        }
        // SAFETY: below the end, so a slot of the loaded magazine.
        unsafe { *top = slot.as_ptr() };
        // SAFETY: at most its end.
        self.loaded.top.store(unsafe { top.add(1) }, Relaxed);
        true
    }

    /// As `push`, with weights, and for shards without room; false also if the
    /// thread's share has no room.
    pub(super) fn push_weighed(&self, slot: NonNull<u8>, weights: Weights, share: u64) -> bool {
        let weight = weights.of(slot);
        let is_light = self.idle_bytes.load(Relaxed).saturating_add(weight) <= share;
        let fits = is_light && self.has_room();
        let is_in = fits && self.push(slot);
        if is_in {
            add(&self.idle_bytes, weight);
        }
        is_in
    }

    /// Finds an object anywhere, or a slot to make one in.
    pub(super) fn find(&self, depot: &Depot, terms: &Terms, slot_bytes: usize) -> Found {
        if !self.has_room() {
            return match depot.pop_one(terms.weights) {
                Some(object) => {
                    add(&self.hits, 1);
                    Found::Object(object)
                }
                None => self.spare_slot(slot_bytes).map_or(Found::Nothing, Found::Slot),
            };
        }
        if self.loaded.len() == 0 && self.hot.load(Relaxed).is_null() {
            if self.previous.len.load(Relaxed) > 0 {
                self.exchange();
            } else {
                let mut bytes = 0;
                let weigh = |magazine: &Magazine| {
                    bytes = terms.weights.of_all(magazine);
                    bytes
                };
                if let Some(full) = depot.pop_full(weigh) {
                    add(&self.idle_bytes, bytes);
                    self.add_room(full.len);
                    if let Some(empty) = self.load(Some(full)) {
                        depot.push(empty);
                    }
                }
            }
            self.settle(depot, terms);
        }
        match self.pop_weighed(terms.weights) {
            Some(object) => Found::Object(object),
            None => self.spare_slot(slot_bytes).map_or(Found::Nothing, Found::Slot),
        }
    }

    /// Puts an object anywhere the terms allow; `empty` is used if it is needed.
    pub(super) fn put(
        &self,
        slot: NonNull<u8>,
        depot: &Depot,
        terms: &Terms,
        empty: &mut Option<Magazine>,
    ) -> Put {
        if terms.retains_nothing() {
            return Put::Refused;
        }
        self.widen(depot, terms);
        self.settle(depot, terms);
        let weight = terms.weights.of(slot);
        let is_nearer = || self.push_weighed(slot, terms.weights, terms.share_bytes);
        let is_small = terms.magazine > 0 && weight <= terms.share_bytes;
        if is_nearer() {
            return Put::Done;
        }
        let is_light = self.idle_bytes.load(Relaxed).saturating_add(weight) <= terms.share_bytes;
        if is_small && is_light && !self.previous.is_none() && self.previous.len.load(Relaxed) == 0
        {
            self.exchange();
            self.set_limit(terms);
            if is_nearer() {
                return Put::Done;
            }
        }
        let Some(mut fresh) = empty.take().or_else(|| depot.pop_empty()) else {
            return Put::NeedsMagazine;
        };
        fresh.push(slot);
        // The hot object, this one, and what the loaded magazine has.
        let has_room =
            self.previous.len.load(Relaxed) > 0 || 2 + self.loaded.len() <= self.room.load(Relaxed);
        if !is_small || !has_room {
            // Alone into the depot: too heavy, or too few are retained to share.
            if depot.reserve(1, weight, &terms.room) {
                depot.push(fresh);
                return Put::Done;
            }
            fresh.pop();
            depot.push(fresh);
            return Put::Refused;
        }
        let full = self.previous.set(self.load(Some(fresh)));
        self.set_limit(terms);
        add(&self.idle_bytes, weight);
        let Some(full) = full else { return Put::Done };
        let bytes = terms.weights.of_all(&full);
        subtract(&self.idle_bytes, bytes);
        if !depot.reserve(full.len.into(), bytes, &terms.room) {
            return Put::TooMany(full);
        }
        depot.push(full);
        Put::Done
    }

    /// Lets the first object in; the depot has promised so.
    pub(super) fn join(&self) {
        self.add_room(1);
    }

    #[inline(always)]
    fn has_room(&self) -> bool {
        self.room.load(Relaxed) > 0
    }

    fn add_room(&self, objects: u32) {
        self.room.store(self.room.load(Relaxed) + objects, Relaxed);
    }

    /// Asks the depot for what is missing of the thread's share.
    fn widen(&self, depot: &Depot, terms: &Terms) {
        let missing = terms.share.saturating_sub(self.room.load(Relaxed));
        let may = missing > 0 && self.has_room();
        if may && depot.promise(missing.into(), terms.room.promised) {
            self.add_room(missing);
        }
    }

    /// Gives the depot back what is more than the thread's share, and free.
    fn settle(&self, depot: &Depot, terms: &Terms) {
        let room = self.room.load(Relaxed);
        let in_magazines = self.loaded.len() + self.previous.len.load(Relaxed);
        let kept = room.min(terms.share.max(1 + in_magazines));
        self.room.store(kept, Relaxed);
        depot.release(u64::from(room - kept));
        self.set_limit(terms);
    }

    /// What the depot promised beyond the hot object and the previous ones.
    fn room_to_load(&self) -> u32 {
        let taken = 1 + self.previous.len.load(Relaxed);
        self.room.load(Relaxed).saturating_sub(taken)
    }

    fn set_limit(&self, terms: &Terms) {
        let room = self.room_to_load();
        self.loaded.set_limit(terms.magazine.min(room));
    }

    /// A slot to make an object in.
    pub(super) fn spare_slot(&self, slot_bytes: usize) -> Option<NonNull<u8>> {
        let mut lot = self.take_slots();
        let slot = lot.pop(slot_bytes);
        self.set_slots(lot);
        slot
    }

    fn take_slots(&self) -> Lot {
        // SAFETY: these four are always the parts of one lot.
        unsafe {
            Lot::from_parts(
                self.spare.load(Relaxed),
                self.spare_len.load(Relaxed),
                self.fresh.load(Relaxed),
                self.fresh_len.load(Relaxed),
            )
        }
    }

    fn set_slots(&self, lot: Lot) {
        let (chain, chain_len, fresh, fresh_len) = lot.into_parts();
        self.spare.store(chain, Relaxed);
        self.spare_len.store(chain_len, Relaxed);
        self.fresh.store(fresh, Relaxed);
        self.fresh_len.store(fresh_len, Relaxed);
    }

    /// Takes slots in; returns those that it had before.
    pub(super) fn stock(&self, lot: Lot) -> Lot {
        let before = self.take_slots();
        self.set_slots(lot);
        before
    }

    /// Takes an empty slot in; returns those that are too many.
    ///
    /// # Safety
    ///
    /// - The slot holds no object and is the caller's.
    pub(super) unsafe fn put_slot(&self, slot: NonNull<u8>) -> Lot {
        let mut lot = self.take_slots();
        // SAFETY: the caller's promise.
        unsafe { lot.push(slot) };
        let too_many = if lot.chain_len() > SPARE_MAX { lot.take_chain() } else { Lot::EMPTY };
        self.set_slots(lot);
        too_many
    }

    /// Takes everything out, but for the room for one.
    pub(super) fn loot(&self) -> Loot {
        self.idle_bytes.store(0, Relaxed);
        Loot {
            hot: NonNull::new(self.hot.swap(ptr::null_mut(), Relaxed)),
            slots: self.stock(Lot::EMPTY),
            ..self.spill(Weights::NONE)
        }
    }

    /// Takes the magazines out, and the room that they had.
    pub(super) fn spill(&self, weights: Weights) -> Loot {
        let room = self.room.load(Relaxed);
        self.room.store(room.min(1), Relaxed);
        let magazines = [self.load(None), self.previous.take()];
        let bytes = magazines.iter().flatten().map(|it| weights.of_all(it)).sum();
        subtract(&self.idle_bytes, bytes);
        Loot { hot: None, magazines, slots: Lot::EMPTY, room: u64::from(room - room.min(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_paths_touch_one_line() {
        assert_eq!(size_of::<Shard>(), 128);
        assert_eq!(core::mem::offset_of!(Shard, loaded_number), 64);
    }

    /// A part with so many objects loaded, none in the previous magazine, and room.
    fn with_loaded(loaded: u32, limit: u32, room: u32, arrays: &mut [[*mut u8; 64]; 2]) -> Shard {
        let shard = Shard::new();
        let [first, second] = arrays.each_mut().map(|it| NonNull::from(it).cast());
        shard.hot.store(ptr::dangling_mut(), Relaxed);
        let _none = shard.load(Some(Magazine { number: 0, len: loaded, slots: first }));
        let _none = shard.previous.set(Some(Magazine { number: 1, len: 0, slots: second }));
        shard.loaded.set_limit(limit);
        shard.room.store(room, Relaxed);
        shard
    }

    #[test]
    fn never_more_is_ready_than_there_is_room_for() {
        for (loaded, room) in [(64, 129), (64, 100), (64, 66), (64, 65), (20, 85), (1, 2), (0, 1)] {
            let mut arrays = [[ptr::dangling_mut(); 64]; 2];
            let shard = with_loaded(loaded, loaded.min(room - 1), room, &mut arrays);
            let put = || {
                let slot = NonNull::dangling();
                shard.push(slot) || shard.push_previous(slot)
            };
            let more = core::iter::repeat_with(put).take(200).take_while(|is_in| *is_in).count();
            assert_eq!(shard.ready(), 1 + u64::from(loaded) + more as u64);
            assert!(shard.ready() <= room.into(), "{loaded} and {more} with room for {room}");
            // Where two magazines have room, both are used.
            assert!(room < 129 || more == 64, "{more} of 64");
            let take = || shard.pop().or_else(|| shard.pop_previous());
            let ready = shard.ready() as usize;
            assert_eq!(core::iter::from_fn(take).take(200).count(), ready);
        }
    }

    /// `pop_previous` is called, too, where the fast path gave way to somebody who wanted
    /// the part, and then took nothing: with objects in both magazines.
    #[test]
    fn an_exchange_with_objects_in_both_keeps_to_the_room() {
        let mut arrays = [[ptr::dangling_mut(); 64]; 2];
        let shard = with_loaded(64, 32, 66, &mut arrays);
        shard.previous.len.store(1, Relaxed);
        assert!(shard.pop_previous().is_some());
        while shard.push(NonNull::dangling()) {}
        assert!(shard.ready() <= 66, "{} ready", shard.ready());
    }
}
