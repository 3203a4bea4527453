//! Every alignment with sizes around it, and sizes that no machine has: aligned
//! or null, never an abort, and booked exactly (hazards 8 and 9).

mod support;

use core::alloc::Layout;

use heapledger::Allocator;
use support::block::Block;
use support::checked::Checked;
use support::ledger::Ledger;
use support::one_at_a_time;

static ALLOCATOR: Allocator = Allocator::new();

const OWNERS: usize = 3;
/// 512 MiB: what jemalloc still serves.
const ALIGN_BITS_MAX: u32 = 29;

#[test]
fn every_alignment_with_sizes_around_it_is_aligned_or_null() {
    let _turn = one_at_a_time();
    let mut checked = Checked::new(&ALLOCATOR, OWNERS);
    let (mut served, mut asked) = (0, 0);
    for bits in 0..=ALIGN_BITS_MAX {
        let align = 1_usize << bits;
        let sizes = [1, align - 1, align, align + 1, 3 * align];
        for (index, size) in sizes.into_iter().enumerate().filter(|(_, size)| *size != 0) {
            let layout = Layout::from_size_align(size, align).expect("a valid layout");
            for (owner, zeroed) in [(0, false), (0, true), (1, false), (2, true)] {
                asked += 1;
                // The alignment is checked where blocks are made and resized.
                let Some(mut block) = checked.allocate(layout, zeroed, owner) else { continue };
                served += 1;
                let other = sizes[(index + 1) % sizes.len()].max(1);
                checked.resize(&mut block, other, 2);
                checked.resize(&mut block, size, 0);
                checked.free(block, 2);
            }
        }
    }
    println!("{served} of {asked} served");
    assert!(served > asked / 2, "{served} of {asked} served");
}

/// Sizes that cannot be had: around powers of two, and the largest there are.
fn impossible_sizes() -> impl Iterator<Item = usize> {
    // 2^47: the address space of a process.
    let powers = (47..63).map(|bits| 1_usize << bits);
    let around = powers.flat_map(|power| [power - 1, power, power + 1]);
    around.chain((0..=64).map(|below| isize::MAX as usize - below)).filter(|size| *size > 1 << 47)
}

#[test]
fn impossible_sizes_are_null_and_nothing_is_booked() {
    let _turn = one_at_a_time();
    let mut checked = Checked::new(&ALLOCATOR, OWNERS);
    for owner in [0, 1] {
        for size in impossible_sizes() {
            for align in [1, 8, 16, 64, 4096, 1 << 21] {
                let Ok(layout) = Layout::from_size_align(size, align) else { continue };
                for zeroed in [false, true] {
                    assert!(checked.allocate(layout, zeroed, owner).is_none(), "{layout:?}");
                }
            }
            for old_size in [1, 8, 100, 1000, 1 << 20] {
                let old = Layout::from_size_align(old_size, 1).expect("a valid layout");
                let mut block = checked.allocate(old, false, owner).expect("memory");
                assert!(!checked.resize(&mut block, size, 2), "{size}");
                checked.free(block, 0);
            }
        }
    }
}

/// A scope's meter sinks with every small block, and a size near the top of the
/// number range must not carry it round to "plenty left".
#[test]
fn a_largest_request_in_the_midst_of_a_scope_changes_nothing() {
    let _turn = one_at_a_time();
    let ledger = Ledger::new(&ALLOCATOR, OWNERS);
    let small = Layout::from_size_align(100, 8).expect("a valid layout");
    let ask = |layout| Block::new(&ALLOCATOR, layout, false, 1);
    for below in 0..=200 {
        for align in [1, 8, 16] {
            let size = (isize::MAX as usize - below) / align * align;
            let largest = Layout::from_size_align(size, align).expect("a valid layout");
            let before = ledger.counts(1);
            let blocks = ledger.run(1, || {
                let first = ask(small);
                assert!(ask(largest).is_none());
                [first, ask(small)]
            });
            let since = ledger.counts(1).since(&before);
            assert_eq!((since.allocated_bytes, since.allocated_blocks), (200, 2), "{largest:?}");
            for mut block in blocks.into_iter().flatten() {
                block.fill(1);
                block.free(&ALLOCATOR);
            }
            assert_eq!(ledger.counts(1).since(&before).live_bytes(), 0, "{largest:?}");
        }
    }
}
