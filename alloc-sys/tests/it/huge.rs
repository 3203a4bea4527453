//! Requests that cannot be served return null and change nothing (hazards 9, 10).

use crate::{Block, for_each_backend};
use heapledger_alloc_sys::Backend;

for_each_backend!(impossible_requests_are_null, failed_resize_keeps_the_block);

/// Sizes that no machine of this pointer width can serve, with the largest
/// alignment they are valid with.
fn impossible() -> impl Iterator<Item = usize> {
    let largest = isize::MAX as usize;
    (0..=64)
        .map(move |less| largest - less)
        .chain([largest / 2 + 1, largest / 2, largest / 4 * 3])
        .chain(
            if cfg!(target_pointer_width = "64") { 57..=62 } else { 0..=0 }
                .map(|shift| if shift == 0 { isize::MAX as usize } else { 1_usize << shift }),
        )
}

fn impossible_requests_are_null<B: Backend>(backend: &B) {
    for size in impossible() {
        for align in [1, 8, 16, 32, 4096, 1 << 21] {
            if core::alloc::Layout::from_size_align(size, align).is_err() {
                continue;
            }
            for zeroed in [false, true] {
                let block = Block::new(backend, size, align, zeroed);
                assert!(block.is_none(), "{}: {size} aligned to {align}", B::NAME);
            }
        }
    }
}

fn failed_resize_keeps_the_block<B: Backend>(backend: &B) {
    for align in [1, 16, 64] {
        let mut block = Block::new(backend, 1000, align, false).expect("memory");
        block.bytes().fill(0x5A);
        let before = block.address;
        for size in impossible().filter(|size| size + align - 1 <= isize::MAX as usize) {
            assert!(!block.resize(size), "{}: {size}", B::NAME);
            assert_eq!((block.address, block.layout.size()), (before, 1000));
            assert!(block.bytes().iter().all(|byte| *byte == 0x5A));
        }
        assert!(block.resize(2000), "memory");
        assert!(block.bytes()[..1000].iter().all(|byte| *byte == 0x5A));
    }
}
