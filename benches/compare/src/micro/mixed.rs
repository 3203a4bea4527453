//! 10,000 blocks of mixed sizes, all allocated, then freed in random order.
//!
//! Sizes from 1 to 2,048 bytes, as many in each octave as in the next: about as
//! programs ask for them, and no branch on the size can be foreseen.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};

use heapledger_programs::ThreadStart;
use heapledger_programs::random::Random;

use super::{Batches, on_threads};
use crate::Report;

const BLOCKS: usize = 10_000;
const BATCHES: Batches = Batches { warm_up: 30, measured: 101, operations: BLOCKS };
const OCTAVES: f64 = 11.0;

struct Blocks {
    layouts: Vec<Layout>,
    free_order: Vec<usize>,
    addresses: Vec<*mut u8>,
}

/// Batches of 10,000 blocks on so many threads; an operation is a block's life.
pub fn run(threads: usize, enter: ThreadStart) -> Report {
    on_threads(threads, enter, BATCHES, Blocks::new, Blocks::live_and_die)
}

impl Blocks {
    fn new(thread: u64) -> Self {
        let mut random = Random::new(thread);
        let mut free_order: Vec<usize> = (0..BLOCKS).collect();
        random.shuffle(&mut free_order);
        let layout =
            |size: f64| Layout::from_size_align(size as usize, 8).unwrap_or(Layout::new::<u64>());
        let layouts = (0..BLOCKS).map(|_| layout((random.unit() * OCTAVES).exp2())).collect();
        Self { layouts, free_order, addresses: vec![std::ptr::null_mut(); BLOCKS] }
    }

    fn live_and_die(&mut self) -> u64 {
        let mut sum = 0;
        for (layout, address) in self.layouts.iter().zip(&mut self.addresses) {
            // SAFETY: no size is 0; the block has at least one byte to write.
            unsafe {
                *address = alloc(*layout);
                if address.is_null() {
                    handle_alloc_error(*layout);
                }
                // A program writes to what it asked for.
                address.write(1);
            }
            sum += layout.size() as u64;
        }
        for index in &self.free_order {
            // SAFETY: the order names every block once; each is live, with its layout.
            unsafe { dealloc(self.addresses[*index], self.layouts[*index]) };
        }
        sum
    }
}
