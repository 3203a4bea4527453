//! A storm on a few addresses: eight threads allocate and free blocks of one
//! layout, mostly each other's, over a backend that gives a freed address to the
//! next thread that asks. If an owner left the tag map a moment after its block,
//! the next block at that address would lose its owner (hazard 11; 20 as well, and
//! both under ThreadSanitizer: `ci/sanitizers.sh`).
//!
//! No model with a lock here, which would slow the threads down just where they
//! should meet: every thread counts for itself, and the sums must be the ledger's.
//!
//! `HEAPLEDGER_PROPERTY_OPS` sets the operations (10,000,000; some seconds).

mod support;

use core::alloc::Layout;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use heapledger::backend::Wrapped;
use heapledger::{Allocator, Counts};
use support::backends::Packed;
use support::block::Block;
use support::ledger::Ledger;
use support::one_at_a_time;
use support::random::{Random, env_number};

/// Not the system's malloc, which keeps freed blocks for the thread that frees.
static BACKEND: Packed = Packed::new();
static ALLOCATOR: Allocator<Wrapped<&Packed>> = Allocator::with_backend(Wrapped::new(&BACKEND));

const THREADS: usize = 8;
/// Untagged, and a tag for each thread.
const OWNERS: usize = THREADS + 1;
/// Blocks that a thread holds before it lets go of one.
const HELD_MAX: usize = 16;

/// What one thread did, by owner.
type Sums = [Counts; OWNERS];

struct Stormer<'a> {
    ledger: &'a Ledger,
    random: Random,
    sums: Sums,
    held: Vec<Block>,
    others: Vec<Sender<Block>>,
    mine: Receiver<Block>,
}

impl Stormer<'_> {
    fn storm(mut self, layout: Layout, operations: u64) -> Sums {
        for _ in 0..operations {
            match self.random.below(8) {
                0..3 => self.allocate(layout),
                3 => self.resize(layout),
                4..6 => self.hand_over(),
                _ => self.free_one(),
            }
            if self.held.len() > HELD_MAX {
                self.free_one();
            }
        }
        self.others.clear();
        while let Ok(block) = self.mine.recv() {
            self.held.push(block);
        }
        while !self.held.is_empty() {
            self.free_one();
        }
        self.sums
    }

    /// Under one's own tag, another's, or none.
    fn allocate(&mut self, layout: Layout) {
        let owner = self.random.below(OWNERS);
        let zeroed = self.random.chance(1, 8);
        let block = self.ledger.run(owner, || Block::new(&ALLOCATOR, layout, zeroed, owner));
        let mut block = block.expect("memory");
        block.fill(self.random.next() as u8);
        self.sums[owner].allocated_bytes += layout.size() as u64;
        self.sums[owner].allocated_blocks += 1;
        self.held.push(block);
    }

    /// To the same size: the backend may leave the block where it is.
    fn resize(&mut self, layout: Layout) {
        let Some(mut block) = self.take() else { return };
        assert!(block.resize(&ALLOCATOR, layout.size(), 1));
        let sums = &mut self.sums[block.owner];
        sums.allocated_bytes += layout.size() as u64;
        sums.allocated_blocks += 1;
        sums.freed_bytes += layout.size() as u64;
        sums.freed_blocks += 1;
        self.held.push(block);
    }

    fn hand_over(&mut self) {
        let Some(block) = self.take() else { return };
        let to = self.random.below(self.others.len());
        self.others[to].send(block).expect("nobody leaves before all have let go");
    }

    fn free_one(&mut self) {
        let block = self.mine.try_recv().ok().or_else(|| self.take());
        let Some(block) = block else { return };
        self.sums[block.owner].freed_bytes += block.layout.size() as u64;
        self.sums[block.owner].freed_blocks += 1;
        block.free(&ALLOCATOR);
    }

    fn take(&mut self) -> Option<Block> {
        let count = self.held.len();
        (count != 0).then(|| self.held.swap_remove(self.random.below(count)))
    }
}

fn storm(size: usize, align: usize) {
    let _turn = one_at_a_time();
    let operations = env_number("HEAPLEDGER_PROPERTY_OPS", 10_000_000) / 5 / THREADS as u64;
    let layout = Layout::from_size_align(size, align).expect("a valid layout");
    let ledger = &Ledger::new(&ALLOCATOR, OWNERS);
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| channel()).unzip();
    let sums: Vec<Sums> = thread::scope(|scope| {
        let stormers: Vec<_> = receivers
            .into_iter()
            .zip(1..)
            .map(|(mine, seed)| {
                let stormer = Stormer {
                    ledger,
                    random: Random::new(seed),
                    sums: [Counts::default(); OWNERS],
                    held: Vec::new(),
                    others: senders.clone(),
                    mine,
                };
                scope.spawn(move || stormer.storm(layout, operations))
            })
            .collect();
        drop(senders);
        stormers.into_iter().map(|stormer| stormer.join().expect("no thread panics")).collect()
    });
    for owner in 0..OWNERS {
        let sum = sums.iter().fold(Counts::default(), |sum, one| sum.plus(&one[owner]));
        assert_eq!(ledger.counts(owner), sum, "owner {owner} of {layout:?}");
        assert_eq!(sum.live_blocks(), 0);
    }
}

/// The owner behind the data.
#[test]
fn tiny_blocks() {
    storm(5, 1);
}

/// The owner in the tag map.
#[test]
fn words() {
    storm(8, 8);
}

/// The owner in a header, or none and no header.
#[test]
fn small_blocks() {
    storm(48, 8);
}

/// The owner in the tag map, in a granule of the block's own size.
#[test]
fn aligned_blocks() {
    storm(48, 16);
}

#[test]
fn large_blocks() {
    storm(600, 8);
}
