//! Claim: a leaf of the tag map that two threads need at one time is mapped once;
//! what both then write into it stays, and the other mapping is given back.
//!
//! The pointers of the map's nodes and leaves are `OncePtr`s. Two threads ask for
//! the leaf and write an entry each; a third only looks. The zeroes that a fresh
//! mapping starts with are a loom cell: loom stops where a thread reads an entry
//! without having seen them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};

use loom::thread;

use super::explore::Preemptions::All;
use super::explore::{explore, explore_mutant};
use crate::ledger::once_ptr::OncePtr;
use crate::sync::modelled::Change;
use crate::sync::{AtomicU16, Ordering, UnsafeCell};

struct Leaf {
    zeroes: UnsafeCell<()>,
    entries: [AtomicU16; 2],
}

/// One place of a node, and how many leaves were made and unmade for it.
struct Place {
    leaf: OncePtr<Leaf>,
    made: Count,
    unmade: Count,
}

// SAFETY: `zeroes` is written before the leaf is published, and only read then.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

impl Place {
    fn new() -> Arc<Self> {
        Arc::new(Self { leaf: OncePtr::null(), made: Count::new(0), unmade: Count::new(0) })
    }

    /// As `tag_map::put`.
    fn put(&self, index: usize, owner: u16) {
        let make = || {
            self.made.fetch_add(1, Relaxed);
            let entries = [AtomicU16::new(0), AtomicU16::new(0)];
            let leaf = Box::new(Leaf { zeroes: UnsafeCell::new(()), entries });
            leaf.zeroes.with_mut(|_| ());
            Box::into_raw(leaf)
        };
        let unmake = |leaf| {
            self.unmade.fetch_add(1, Relaxed);
            // SAFETY: made above, seen by nobody.
            drop(unsafe { Box::from_raw(leaf) });
        };
        let leaf = self.leaf.get_or_make(make, unmake);
        // SAFETY: lives until the place goes.
        let leaf = unsafe { &*leaf };
        leaf.zeroes.with(|_| ());
        leaf.entries[index].store(owner, Ordering::Relaxed);
    }

    /// As `tag_map::take` before it takes.
    fn look(&self, index: usize) -> u16 {
        // SAFETY: null, or lives until the place goes.
        let Some(leaf) = (unsafe { self.leaf.get().as_ref() }) else { return 0 };
        leaf.zeroes.with(|_| ());
        leaf.entries[index].load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: made in `put`, published, and nobody is left to use it.
            drop(unsafe { Box::from_raw(self.leaf.get()) });
        }
    }
}

fn two_threads_and_a_reader() {
    let place = Place::new();
    let threads = [7, 8].map(|owner| {
        let place = place.clone();
        thread::spawn(move || place.put(usize::from(owner) - 7, owner))
    });
    assert!(matches!(place.look(0), 0 | 7));
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!((place.look(0), place.look(1)), (7, 8), "an entry was lost");
    let (made, unmade) = (place.made.load(Relaxed), place.unmade.load(Relaxed));
    assert_eq!(made - unmade, 1, "one leaf stays, of {made}");
}

#[test]
fn loom_once_ptr_leaf_is_mapped_once() {
    explore("a leaf that two threads map", All, 900, two_threads_and_a_reader);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_once_ptr_mutant_relaxed_publish() {
    let text = "self.0.compare_exchange(";
    explore_mutant("ledger/once_ptr.rs", text, Change::Relaxed, two_threads_and_a_reader);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_once_ptr_mutant_relaxed_meeting() {
    let text = "self.0.compare_exchange(";
    explore_mutant("ledger/once_ptr.rs", text, Change::FailureRelaxed, two_threads_and_a_reader);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_once_ptr_mutant_relaxed_get() {
    let text = "self.0.load(";
    explore_mutant("ledger/once_ptr.rs", text, Change::Relaxed, two_threads_and_a_reader);
}

#[test]
#[should_panic(expected = "an entry was lost")]
fn loom_once_ptr_mutant_publish_in_two_steps() {
    let text = "self.0.compare_exchange(";
    explore_mutant("ledger/once_ptr.rs", text, Change::Split, two_threads_and_a_reader);
}
