//! Is the allocator under test the one that serves, and does it count?
//!
//! A contender whose allocator is not installed looks excellent in every table.
//! So each one has to allocate a known number of bytes and show that its own
//! counter moved by exactly that number and that jemalloc served them.

use crate::Contender;
use crate::memory::jemalloc_thread_allocated_bytes;

const BLOCKS: usize = 128;
const BLOCK_BYTES: usize = 800;

/// What the proof asks for, in bytes: 100 KiB, as some peers tell rounded numbers only.
pub const PROOF_BYTES: u64 = (BLOCKS * BLOCK_BYTES) as u64;

/// What the two counters moved by.
pub(crate) struct Proof {
    pub own_bytes: Option<u64>,
    pub jemalloc_bytes: u64,
}

pub(crate) fn prove(contender: &Contender) -> Proof {
    let mut kept: Vec<Box<[u8; BLOCK_BYTES]>> = Vec::with_capacity(BLOCKS);
    let mut jemalloc_bytes = 0;
    let mut work = || {
        let before = jemalloc_thread_allocated_bytes();
        kept.extend((0..BLOCKS).map(|_| std::hint::black_box(Box::new([1; BLOCK_BYTES]))));
        jemalloc_bytes = jemalloc_thread_allocated_bytes() - before;
    };
    let own_bytes = contender.counted.map(|counted| counted(&mut work));
    if own_bytes.is_none() {
        work();
    }
    Proof { own_bytes, jemalloc_bytes }
}
