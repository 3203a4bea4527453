//! Blocks hold what was written to them and nothing else (hazard 12: zeroes).

use crate::{Block, for_each_backend};
use heapledger_alloc_sys::Backend;

for_each_backend!(
    zeroed_after_dirty_reuse,
    resize_keeps_bytes,
    blocks_do_not_overlap,
    usable_bytes
);

const SIZES: [usize; 16] =
    [1, 7, 8, 9, 16, 17, 100, 128, 1000, 1024, 4096, 5000, 65_536, 100_000, 1 << 20, 3 << 20];

/// The byte that a test writes at `index` of its block number `block`.
fn pattern(block: usize, index: usize) -> u8 {
    (block.wrapping_mul(31) ^ index.wrapping_mul(7)) as u8 | 1
}

fn zeroed_after_dirty_reuse<B: Backend>(backend: &B) {
    for align in [1, 16, 64, 4096] {
        for size in SIZES {
            let count = if size > 100_000 { 3 } else { 40 };
            let mut dirty: Vec<_> = (0..count)
                .map(|_| Block::new(backend, size, align, false).expect("memory"))
                .collect();
            dirty.iter_mut().for_each(|block| block.bytes().fill(0xA5));
            drop(dirty);
            let mut clean: Vec<_> = (0..count)
                .map(|_| Block::new(backend, size, align, true).expect("memory"))
                .collect();
            for block in &mut clean {
                assert!(block.bytes().iter().all(|byte| *byte == 0), "{}: {size}", B::NAME);
                block.bytes().fill(0xA5);
            }
        }
    }
}

fn resize_keeps_bytes<B: Backend>(backend: &B) {
    for from in SIZES {
        for to in SIZES {
            let mut block = Block::new(backend, from, 8, false).expect("memory");
            for (index, byte) in block.bytes().iter_mut().enumerate() {
                *byte = pattern(0, index);
            }
            assert!(block.resize(to), "memory");
            for (index, byte) in block.bytes().iter().take(from.min(to)).enumerate() {
                assert_eq!(*byte, pattern(0, index), "{}: {from} to {to} at {index}", B::NAME);
            }
        }
    }
}

fn blocks_do_not_overlap<B: Backend>(backend: &B) {
    let mut blocks: Vec<_> = (1..2000)
        .map(|number| Block::new(backend, number % 700 + 1, 1 << (number % 8), false))
        .map(|block| block.expect("memory"))
        .collect();
    for (number, block) in blocks.iter_mut().enumerate() {
        for (index, byte) in block.bytes().iter_mut().enumerate() {
            *byte = pattern(number, index);
        }
    }
    for (number, block) in blocks.iter_mut().enumerate() {
        for (index, byte) in block.bytes().iter().enumerate() {
            assert_eq!(*byte, pattern(number, index), "{}: block {number}", B::NAME);
        }
    }
}

/// The size that a backend tells may be written to the last byte, and is not above
/// the size class that it tells ahead. jemalloc's are equal, resized or not; a
/// mimalloc block resized in place keeps its class, and a hardened mimalloc keeps
/// the last bytes of a block for itself.
fn usable_bytes<B: Backend>(backend: &B) {
    for align in [1, 4, 8, 16, 64, 4096] {
        for size in (1..=4096).chain(SIZES) {
            let mut block = Block::new(backend, size, align, false).expect("memory");
            let Some(usable) = block.usable_size() else {
                assert!(!B::capabilities().usable_size);
                continue;
            };
            assert!(usable >= size, "{}: {usable} for {size}", B::NAME);
            if let Some(class) = B::size_class(block.layout) {
                assert!(class >= usable, "{}: {class} for {:?}", B::NAME, block.layout);
                assert!(class == usable || B::NAME != "jemalloc", "{class}, {usable}");
            }
            // SAFETY: the bytes are the block's, says the backend.
            unsafe { block.address.write_bytes(1, usable) };
            assert!(block.resize(size * 2), "memory");
            if B::NAME == "jemalloc" {
                assert_eq!(B::size_class(block.layout), block.usable_size(), "{:?}", block.layout);
            }
        }
    }
}
