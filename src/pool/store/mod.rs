//! The untyped part of a pool: shards, depot and pages, and who may use them when.
//!
//! Slots with objects go in and come out here; what an object is, and everything
//! that runs user code, is above. Nothing here runs user code or keeps a lock or a
//! turn across a call of the allocator.

use core::alloc::Layout;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicU32, AtomicU64};
use std::alloc::handle_alloc_error;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::alloc::local::local;
use crate::ledger::registry;
use crate::scope::Tag;

use heapledger_alloc_sys::barrier;

use super::depot::{Depot, Magazine};
use super::hands::{EmptySlot, Surplus};
use super::pages::{Discards, Lot, Pages};
use super::shard::{Found, Loot, Put, Shard};
use super::shards::Shards;
use super::terms::{Room, Terms, UNLIMITED, Weights, may_share, share_bytes};

mod readings;

const PAGE_BYTES: usize = 64 << 10;

/// How much a pool keeps ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) retained_max: u64,
    pub(super) retained_bytes_max: u64,
}

/// The untyped part of a pool.
pub(crate) struct Store {
    shards: Shards,
    /// For threads without a shard of their own, and for a moment for those whose
    /// shard somebody empties. It has no room: it keeps empty slots, and no objects.
    shared: Shard,
    shared_lock: Mutex<()>,
    depot: Depot,
    pages: Pages,
    weights: Weights,
    tag: Tag,
    limits: OnceLock<Limits>,
    /// Shards with room for objects.
    threads: AtomicU32,
    /// So many there were when room was last taken from those with too much.
    threads_levelled: AtomicU32,
    /// What follows from the limits and the threads.
    share_bytes: AtomicU64,
    high_water: AtomicU64,
}

impl Store {
    /// For objects of a layout, with their weight if there is a weigher, in slots
    /// aligned to `align` at least.
    pub(super) const fn new(
        shards: Shards,
        tag: Tag,
        object: Layout,
        align: usize,
        has_weigher: bool,
    ) -> Self {
        let weights = if has_weigher { Weights::behind(object.size()) } else { Weights::NONE };
        let size = if has_weigher { weights.end() } else { object.size() };
        let align = if object.align() > align { object.align() } else { align };
        let Ok(slot) = Layout::from_size_align(size, align) else {
            panic!("slots are aligned to a power of two")
        };
        Self {
            shards,
            shared: Shard::new(),
            shared_lock: Mutex::new(()),
            depot: Depot::new(),
            pages: Pages::new(slot, PAGE_BYTES),
            weights,
            tag,
            limits: OnceLock::new(),
            threads: AtomicU32::new(0),
            threads_levelled: AtomicU32::new(0),
            share_bytes: AtomicU64::new(UNLIMITED),
            high_water: AtomicU64::new(0),
        }
    }

    /// Sets the limits, before the first object comes in.
    pub(super) fn limit(&self, limits: Limits) {
        // Set before: they stay.
        let _ = self.limits.set(limits);
        self.share_bytes.store(share_bytes(limits.retained_bytes_max, 1), Relaxed);
    }

    /// The limits; nothing is retained before they are set.
    pub(super) fn limits(&self) -> Limits {
        const NOTHING: Limits = Limits { retained_max: 0, retained_bytes_max: 0 };
        self.limits.get().copied().unwrap_or(NOTHING)
    }

    pub(super) const fn tag(&self) -> &Tag {
        &self.tag
    }

    #[inline(always)]
    pub(super) const fn weights(&self) -> Weights {
        self.weights
    }

    /// The calling thread's shard, or one that never opens.
    #[inline(always)]
    pub(super) fn shard_at_hand(&self) -> &Shard {
        self.shards.at_hand()
    }

    /// Runs `body` on the calling thread's shard, or on the shared one. No user
    /// code and no allocation in there.
    fn with_shard<R>(&self, body: impl FnOnce(&Shard) -> R) -> R {
        if let Some(shard) = self.shards.own()
            && shard.turn.begin_slow()
        {
            let result = body(shard);
            shard.turn.end();
            return result;
        }
        let _lock = self.shared_lock.lock().unwrap_or_else(PoisonError::into_inner);
        body(&self.shared)
    }

    /// As `with_shard`, for the slow paths: gives the thread a number if it has none,
    /// and its shard room, if there is any.
    fn with_joined_shard<R>(&self, body: impl FnOnce(&Shard, &Terms) -> R) -> R {
        if self.shards.own().is_none() {
            local().register();
        }
        self.with_shard(|shard| {
            self.join(shard);
            let Limits { retained_max, retained_bytes_max } = self.limits();
            let threads = self.threads.load(Relaxed).into();
            let idle = if self.weights.are_kept() { self.sum(Shard::idle_bytes) } else { 0 };
            let terms = Terms::new(self.weights, retained_max, retained_bytes_max, threads, idle);
            body(shard, &terms)
        })
    }

    /// Opens the calling thread's shard, once there is room for one object in it. With
    /// the turn, so that nobody takes anything before all is said.
    fn join(&self, shard: &Shard) {
        if !shard.turn.is_fresh() || core::ptr::eq(shard, &self.shared) {
            return;
        }
        let Limits { retained_max, retained_bytes_max } = self.limits();
        let may = retained_bytes_max > 0
            && may_share(retained_max, self.threads.load(Relaxed).into())
            && self.depot.promise(1, retained_max);
        if may {
            shard.join();
            shard.turn.open(!self.weights.are_kept());
            let threads = self.threads.fetch_add(1, Relaxed) + 1;
            self.share_bytes.store(share_bytes(retained_bytes_max, threads.into()), Relaxed);
        }
    }

    /// Takes an object out of the thread's other magazine, for a pool without weights.
    pub(super) fn pop_previous(&self) -> Option<NonNull<u8>> {
        let shard = self.shards.own().filter(|shard| shard.turn.begin())?;
        let object = shard.pop_previous();
        shard.turn.end();
        object
    }

    /// Puts an object into the thread's other magazine, for a pool without weights;
    /// false if there is no room.
    ///
    /// # Safety
    ///
    /// - As [`put`](Self::put), if it returns true.
    pub(super) unsafe fn push_previous(&self, slot: NonNull<u8>) -> bool {
        let shard = self.shards.own().filter(|shard| shard.turn.begin());
        shard.is_some_and(|shard| {
            let is_in = shard.push_previous(slot);
            shard.turn.end();
            is_in
        })
    }

    /// Takes the object that is nearest, for a pool that keeps weights.
    #[inline(never)]
    pub(super) fn pop_weighed(&self) -> Option<NonNull<u8>> {
        let shard = self.shards.own().filter(|shard| shard.turn.begin_slow())?;
        let object = shard.pop_weighed(self.weights);
        shard.turn.end();
        object
    }

    /// Puts an object where it is nearest, for a pool that keeps weights.
    ///
    /// # Safety
    ///
    /// - As for `put`.
    #[inline(never)]
    pub(super) unsafe fn push_weighed(&self, slot: NonNull<u8>) -> bool {
        let shard = self.shards.own().filter(|shard| shard.turn.begin_slow());
        shard.is_some_and(|shard| {
            let is_in = shard.push_weighed(slot, self.weights, self.share_bytes.load(Relaxed));
            shard.turn.end();
            is_in
        })
    }

    /// Finds an object anywhere in the pool, or a slot to make one in.
    #[cold]
    pub(super) fn find(&self) -> Result<NonNull<u8>, EmptySlot<'_>> {
        let slot_bytes = self.pages.shape().slot_bytes();
        match self.with_joined_shard(|shard, terms| shard.find(&self.depot, terms, slot_bytes)) {
            Found::Object(object) => Ok(object),
            Found::Slot(slot) => Err(EmptySlot { store: self, slot }),
            Found::Nothing => Err(self.fresh_slot()),
        }
    }

    /// Takes an object anywhere in the pool.
    #[cold]
    pub(super) fn find_ready(&self) -> Option<NonNull<u8>> {
        self.find().ok()
    }

    /// A slot to make an object in.
    pub(super) fn empty_slot(&self) -> EmptySlot<'_> {
        let slot_bytes = self.pages.shape().slot_bytes();
        match self.with_joined_shard(|shard, _| shard.spare_slot(slot_bytes)) {
            Some(slot) => EmptySlot { store: self, slot },
            None => self.fresh_slot(),
        }
    }

    #[cold]
    fn fresh_slot(&self) -> EmptySlot<'_> {
        if !self.keeps_slots() {
            let scope = self.tag.enter();
            let slot = self.pages.take_one();
            drop(scope);
            let Some(slot) = slot else { handle_alloc_error(self.pages.shape().page()) };
            return EmptySlot { store: self, slot };
        }
        let scope = self.tag.enter();
        let lot = self.pages.take();
        drop(scope);
        let slot_bytes = self.pages.shape().slot_bytes();
        let Some(mut lot) = lot else { handle_alloc_error(self.pages.shape().page()) };
        let slot = lot.pop(slot_bytes);
        lot = self.with_shard(|shard| shard.stock(lot));
        if !lot.is_empty() {
            self.pages.give(lot);
        }
        match slot {
            Some(slot) => EmptySlot { store: self, slot },
            // Never: a lot that was taken has a slot.
            None => handle_alloc_error(self.pages.shape().page()),
        }
    }

    /// Takes an empty slot back.
    ///
    /// # Safety
    ///
    /// - The slot is this store's and the caller's, and holds no object.
    pub(super) unsafe fn put_slot(&self, slot: NonNull<u8>) {
        if !self.keeps_slots() {
            let mut lot = Lot::EMPTY;
            // SAFETY: the caller's promise.
            unsafe { lot.push(slot) };
            return self.pages.give(lot);
        }
        // SAFETY: the caller's promise.
        let too_many = self.with_shard(|shard| unsafe { shard.put_slot(slot) });
        if !too_many.is_empty() {
            self.pages.give(too_many);
        }
    }

    /// Whether the calling thread may keep empty slots. A part that was never opened may
    /// not, as nobody can take them from there again.
    fn keeps_slots(&self) -> bool {
        self.shards.own().is_none_or(|shard| !shard.turn.is_fresh())
    }

    /// Puts a magazine into the depot, limits or not.
    pub(super) fn keep(&self, magazine: Magazine) {
        let bytes = self.weights.of_all(&magazine);
        self.depot.reserve(magazine.len.into(), bytes, &Room::UNLIMITED);
        self.depot.push(magazine);
    }

    /// Puts an object anywhere in the pool; what is too many comes back.
    ///
    /// # Safety
    ///
    /// - The slot is this store's and the caller's, its object is complete, and its
    ///   weight is written where weights are kept.
    #[cold]
    pub(super) unsafe fn put(&self, slot: NonNull<u8>) -> Option<Surplus<'_>> {
        let (mut empty, mut share) = (None, 0);
        let outcome = loop {
            match self.with_joined_shard(|shard, terms| {
                share = terms.share;
                shard.put(slot, &self.depot, terms, &mut empty)
            }) {
                Put::NeedsMagazine => {
                    let scope = self.tag.enter();
                    empty = self.depot.make();
                    drop(scope);
                    if empty.is_none() {
                        break Some(Surplus::one(self, slot));
                    }
                }
                Put::Done => break None,
                Put::Refused => break Some(Surplus::one(self, slot)),
                Put::TooMany(magazine) => break Some(Surplus::many(self, magazine)),
            }
        };
        if let Some(unused) = empty {
            self.depot.push(unused);
        }
        self.level(share);
        outcome
    }

    /// Takes from idle threads what they have beyond their share, if the calling
    /// thread lacks its own; once for each thread that came.
    fn level(&self, share: u32) {
        let threads = self.threads.load(Relaxed);
        let lacks = self.shards.own().is_some_and(|shard| shard.room() < share);
        if lacks && self.threads_levelled.swap(threads, Relaxed) != threads {
            let has_more = |shard: &Shard| shard.room() > share;
            self.take_from_threads(has_more, |shard| shard.spill(self.weights));
        }
    }

    /// Counts in the thread's own shard, which nobody else counts in, whoever has
    /// the turn.
    pub(super) fn count(&self, count: fn(&Shard)) {
        match self.shards.own() {
            Some(shard) => count(shard),
            None => {
                let _lock = self.shared_lock.lock().unwrap_or_else(PoisonError::into_inner);
                count(&self.shared);
            }
        }
    }

    /// Gathers in the depot what all threads have ready; from threads that are in
    /// the middle of something, or where the system has no barrier for others,
    /// nothing.
    pub(super) fn gather(&self) {
        self.take_from_threads(|_| true, Shard::loot);
        let loot = {
            let _lock = self.shared_lock.lock().unwrap_or_else(PoisonError::into_inner);
            self.shared.loot()
        };
        self.store_loot(loot);
        let own = self.with_shard(Shard::loot);
        self.store_loot(own);
    }

    fn take_from_threads(&self, which: impl Fn(&Shard) -> bool, take: impl Fn(&Shard) -> Loot) {
        let chosen = self.used_shards().filter(|shard| which(shard));
        let shards: Vec<_> = chosen.filter_map(|it| Some((it, it.turn.want()?))).collect();
        if barrier::heavy() {
            for (shard, wish) in shards {
                let is_ours = (0..1000).any(|_| {
                    wish.take() || {
                        core::hint::spin_loop();
                        false
                    }
                });
                let loot = is_ours.then(|| take(shard));
                drop(wish);
                loot.into_iter().for_each(|loot| self.store_loot(loot));
            }
        }
    }

    /// As `gather`, all of it: nobody else uses the store any more.
    pub(super) fn gather_all(&mut self) {
        for shard in self.used_shards() {
            self.store_loot(shard.loot());
        }
    }

    fn store_loot(&self, loot: Loot) {
        let Loot { hot, magazines, slots, room } = loot;
        if let Some(hot) = hot {
            let mut magazine = self.empty_magazine();
            magazine.push(hot);
            self.keep(magazine);
        }
        magazines.into_iter().flatten().for_each(|magazine| self.keep(magazine));
        // Now that the depot has them, theirs is the room in the depot.
        self.depot.release(room);
        if !slots.is_empty() {
            self.pages.give(slots);
        }
    }

    /// A magazine to be filled.
    pub(super) fn empty_magazine(&self) -> Magazine {
        let _scope = self.tag.enter();
        let magazine = self.depot.pop_empty().or_else(|| self.depot.make());
        magazine.unwrap_or_else(|| handle_alloc_error(Layout::new::<Magazine>()))
    }

    /// Takes a magazine of objects that are ready out of the depot.
    pub(super) fn take_surplus(&self) -> Option<Surplus<'_>> {
        let magazine = self.depot.pop_full(|magazine| self.weights.of_all(magazine))?;
        self.depot.release(magazine.len.into());
        Some(Surplus::many(self, magazine))
    }

    /// Sends the calling thread's empty slots home.
    pub(super) fn gather_slots(&self) {
        let slots = self.with_shard(|shard| shard.stock(Lot::EMPTY));
        if !slots.is_empty() {
            self.pages.give(slots);
        }
    }

    /// Until it is dropped, pages that are freed leave the process at once.
    pub(super) fn discards(&self) -> Discards<'_> {
        Discards::new(&self.pages)
    }

    /// Returns the memory that nothing is in.
    pub(super) fn shrink(&self) {
        self.depot.shrink();
        self.pages.shrink();
    }

    /// The sum of a number over all shards.
    pub(super) fn sum(&self, number: impl Fn(&Shard) -> u64) -> u64 {
        self.used_shards().map(number).fold(0, u64::wrapping_add)
    }

    /// Every shard that can have been used, the shared one last.
    fn used_shards(&self) -> impl Iterator<Item = &Shard> {
        let used = registry::slots_used();
        self.shards.as_slice().iter().take(used).chain(core::iter::once(&self.shared))
    }
}

impl Drop for Store {
    /// Sends the slots home that its last objects left: a page goes when all of its slots
    /// are there.
    fn drop(&mut self) {
        self.gather_all();
    }
}
