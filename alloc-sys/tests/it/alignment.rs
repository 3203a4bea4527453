//! Every block is aligned as it asked, and to 16 where the backend promises that
//! (hazard 8: over-aligned requests).

use crate::{Block, for_each_backend};
use heapledger_alloc_sys::Backend;

for_each_backend!(small_sizes, resized, over_aligned, over_aligned_resized);

/// All sizes up to a page, several blocks of each alive at once, from fresh and
/// from reused memory.
fn small_sizes<B: Backend>(backend: &B) {
    for round in 0..2 {
        for align in [1, 2, 4, 8, 16, 32] {
            let mut alive = Vec::new();
            for size in 1..=4096 {
                for zeroed in [false, true] {
                    let block = Block::new(backend, size, align, zeroed).expect("memory");
                    block.assert_aligned();
                    // Free one half at once, so that later blocks come from holes.
                    if (size + round) % 2 == 0 {
                        alive.push(block);
                    }
                }
            }
        }
    }
}

/// Every size, from and to sizes around it and around the limits of the promise.
fn resized<B: Backend>(backend: &B) {
    for align in [1, 8, 16] {
        for size in 1..=4096 {
            for to in [1, 8, 9, 15, 16, 17, 24, size / 2 + 1, size, size + 1, size * 2, size * 20] {
                let mut block = Block::new(backend, size, align, false).expect("memory");
                for new_size in [to, size, to] {
                    assert!(block.resize(new_size), "memory");
                    block.assert_aligned();
                }
            }
        }
    }
}

/// Zeroed requests stop here: the system's malloc cannot zero an over-aligned block
/// but by writing to all of it.
const ZEROED_BYTES_MAX: usize = 32 << 20;

/// Each power of two up to 512 MiB: aligned, or null.
fn over_aligned<B: Backend>(backend: &B) {
    for shift in 0..=29 {
        let align = 1_usize << shift;
        for size in [1, align - 1, align, align + 1, 3 * align] {
            for zeroed in [false, true] {
                if size == 0 || (zeroed && size > ZEROED_BYTES_MAX) {
                    continue;
                }
                let Some(mut block) = Block::new(backend, size, align, zeroed) else {
                    continue;
                };
                block.assert_aligned();
                let bytes = block.bytes();
                if zeroed {
                    assert_eq!((bytes[0], bytes[size - 1]), (0, 0));
                }
                bytes[0] = 1;
                bytes[size - 1] = 1;
            }
        }
    }
}

/// An over-aligned block stays aligned, and keeps its bytes, whatever its size.
fn over_aligned_resized<B: Backend>(backend: &B) {
    for shift in 4..=22 {
        let align = 1_usize << shift;
        let mut block = Block::new(backend, align, align, false).expect("memory");
        block.bytes()[0] = shift;
        for size in [1, align + 1, 3 * align, align / 2, 2 * align, 7] {
            assert!(block.resize(size), "memory");
            block.assert_aligned();
            let first = block.bytes()[0];
            assert_eq!(first, shift, "{}: {:?}", B::NAME, block.layout);
        }
    }
}
