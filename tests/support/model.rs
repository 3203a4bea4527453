//! The reference ledger: what a mutex and a `HashMap` say about every block.
//!
//! Slow and plain on purpose: it shares no code and no idea with the ledger that
//! it checks, except that a block has one owner.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use heapledger::Counts;

/// A tag of the test, by its place in the test's list; 0 is untagged.
pub type Owner = usize;

/// One lock for all would be the plainest; eight threads would wait for it.
const PARTS: usize = 64;

pub struct Model {
    parts: Vec<Mutex<Part>>,
}

#[derive(Default)]
struct Part {
    /// Size and owner of every live block, by address.
    live: HashMap<usize, (usize, Owner)>,
    /// What was ever allocated and freed, by owner.
    totals: Vec<Counts>,
}

impl Model {
    /// A model for many threads.
    pub fn new(owners: usize) -> Self {
        Self::in_parts(owners, PARTS)
    }

    /// A model for one thread, or a few.
    pub fn small(owners: usize) -> Self {
        Self::in_parts(owners, 1)
    }

    fn in_parts(owners: usize, parts: usize) -> Self {
        let part = || Part { live: HashMap::new(), totals: vec![Counts::default(); owners] };
        Self { parts: (0..parts).map(|_| Mutex::new(part())).collect() }
    }

    /// Notes a block that the allocator just gave.
    ///
    /// # Panics
    ///
    /// If the address is live already: two callers were given one block.
    pub fn allocated(&self, address: *mut u8, size: usize, owner: Owner) {
        self.with(address, |part| {
            let twice = part.live.insert(address.addr(), (size, owner));
            assert_eq!(twice, None, "{address:?} was given to two callers");
            part.totals[owner].allocated_bytes += size as u64;
            part.totals[owner].allocated_blocks += 1;
        });
    }

    /// Notes a block that the allocator is about to get back; returns its owner.
    ///
    /// # Panics
    ///
    /// If there is no such block.
    pub fn freed(&self, address: *mut u8) -> Owner {
        self.with(address, |part| {
            let (size, owner) = part.live.remove(&address.addr()).expect("a live block");
            part.totals[owner].freed_bytes += size as u64;
            part.totals[owner].freed_blocks += 1;
            owner
        })
    }

    /// Takes back the last `freed`: the allocator kept the block.
    pub fn not_freed(&self, address: *mut u8, size: usize, owner: Owner) {
        self.with(address, |part| {
            part.live.insert(address.addr(), (size, owner));
            part.totals[owner].freed_bytes -= size as u64;
            part.totals[owner].freed_blocks -= 1;
        });
    }

    /// What the ledger must say about every owner while nothing is in flight.
    ///
    /// # Panics
    ///
    /// If the model contradicts itself.
    pub fn counts(&self) -> Vec<Counts> {
        let owners = lock(&self.parts[0]).totals.len();
        let mut sums = vec![Counts::default(); owners];
        let mut live = vec![(0, 0); owners];
        for part in &self.parts {
            let part = lock(part);
            for (sum, total) in sums.iter_mut().zip(&part.totals) {
                *sum = sum.plus(total);
            }
            for (size, owner) in part.live.values() {
                live[*owner].0 += *size as u64;
                live[*owner].1 += 1;
            }
        }
        for (sum, live) in sums.iter().zip(live) {
            assert_eq!((sum.live_bytes(), sum.live_blocks()), live, "the model is wrong");
        }
        sums
    }

    fn with<R>(&self, address: *mut u8, body: impl FnOnce(&mut Part) -> R) -> R {
        // Neighbours and blocks of one size class on different locks.
        let part = (address.addr() >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
        body(&mut lock(&self.parts[part % self.parts.len()]))
    }
}

/// The guarded value, also after a test thread panicked with the lock held.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
