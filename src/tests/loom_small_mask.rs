//! Claim: whoever frees a small block whose owner is in the tag map looks there.
//!
//! One thread puts the first small block into the map and hands it over; another,
//! which just began, frees it, and must not have a mask that tells it not to look.
//! Each may have been first: so the one sets a flag and then walks the roster, the
//! other is in the roster and then reads the flag, with a fence between the two
//! on both sides. Without either, both may miss each other.

use std::sync::Arc;

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

use super::explore::Preemptions::AsAsked;
use super::explore::{explore, explore_mutant, explore_wrong};
use crate::ledger::roster::Roster;
use crate::ledger::small_mask::{SMALL_IN_MAP, SmallInMap, SmallMask};
use crate::sync::modelled::Change;

struct Map {
    roster: Roster<SmallMask, 1>,
    small_in_map: SmallInMap,
    /// 1 once the block was handed over.
    block: AtomicU64,
}

impl Map {
    fn new() -> Arc<Self> {
        let (roster, small_in_map) = (Roster::new(), SmallInMap::new());
        Arc::new(Self { roster, small_in_map, block: AtomicU64::new(0) })
    }

    /// A thread begins, as in `registry::claim`.
    fn begin(&self) -> &SmallMask {
        let make = |_| Box::into_raw(Box::new(SmallMask::new()));
        // SAFETY: lives until `Map` goes, and its reference as long as `self`.
        let mask = unsafe { self.roster.claim(make) }.expect("slots and memory");
        self.small_in_map.begin(mask);
        mask
    }

    /// Puts the block into the map and hands it over.
    fn put(&self) {
        self.small_in_map.let_in(|| self.roster.shards());
        self.block.store(1, Ordering::Release);
    }

    /// Frees the block, if it has come.
    fn free(&self, mask: &SmallMask) {
        if self.block.load(Ordering::Acquire) == 1 {
            assert_eq!(mask.get(), SMALL_IN_MAP, "a free does not look into the map");
        }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            for mask in self.roster.shards() {
                // SAFETY: made in `begin`, and nobody is left to use it.
                drop(unsafe { Box::from_raw(core::ptr::from_ref(mask).cast_mut()) });
            }
        }
    }
}

/// `put` by a thread with a shard of its own, `free` by one that begins.
fn first_block(put: fn(&Map)) {
    let map = Map::new();
    let freer = thread::spawn({
        let map = map.clone();
        move || map.free(map.begin())
    });
    let other = thread::spawn({
        let map = map.clone();
        move || map.free(map.begin())
    });
    map.begin();
    put(&map);
    freer.join().unwrap();
    other.join().unwrap();
    assert!(map.roster.shards().all(|mask| mask.get() == SMALL_IN_MAP), "a mask stayed high");
}

fn model() {
    first_block(Map::put);
}

#[test]
fn loom_small_mask_every_free_looks() {
    explore("the first small block in the map", AsAsked, 60_000, model);
}

#[test]
#[should_panic(expected = "a mask stayed high")]
fn loom_small_mask_mutant_no_fence_when_a_thread_begins() {
    let text = "as between setting\n        // the flag and reading the roster in `let_in`.\n        fence(";
    explore_mutant("ledger/small_mask.rs", text, Change::LeftOut, model);
}

#[test]
#[should_panic(expected = "a mask stayed high")]
fn loom_small_mask_mutant_no_fence_before_the_roster() {
    let text = "self.0.store(1, Ordering::Relaxed);\n        fence(";
    explore_mutant("ledger/small_mask.rs", text, Change::LeftOut, model);
}

#[test]
#[should_panic(expected = "a mask stayed high")]
fn loom_small_mask_mutant_lowered_mask_is_overwritten() {
    explore_mutant("ledger/small_mask.rs", "mask.0.compare_exchange(", Change::Split, model);
}

/// The block handed over before the masks are lowered.
#[test]
#[should_panic(expected = "a free does not look into the map")]
fn loom_small_mask_mutant_block_first() {
    explore_wrong(|| {
        first_block(|map| {
            map.block.store(1, Ordering::Release);
            map.small_in_map.let_in(|| map.roster.shards());
        });
    });
}
