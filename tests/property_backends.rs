//! The property test over other backends, which place blocks where the default
//! one never would. A program of its own: `self_check` compares the ledger with
//! the backend that served first, and the system's malloc is below both of these.

mod support;

use core::alloc::Layout;

use heapledger::Allocator;
use heapledger::backend::{SystemMalloc, Wrapped};
use support::backends::Packed;
use support::block::Block;
use support::checked::Checked;
use support::workload::{Plan, check};

static SYSTEM: Allocator<SystemMalloc> = Allocator::with_backend(SystemMalloc);
static PACKED_INNER: Packed = Packed::new();
static PACKED: Allocator<Wrapped<&Packed>> = Allocator::with_backend(Wrapped::new(&PACKED_INNER));

/// Freed addresses come back at once, to any thread: hazard 11.
#[test]
fn every_tag_equals_the_model_over_the_systems_malloc() {
    check(&SYSTEM, Plan::from_env("system", 10));
}

/// Blocks without gaps, aligned to nothing more than was asked.
#[test]
fn every_tag_equals_the_model_over_the_worst_backend_that_the_law_allows() {
    check(&PACKED, Plan::from_env("packed", 10));
}

/// Every layout beside every other, tagged and not: neither takes the other's
/// owner for its own. Blocks of the packed backend touch.
#[test]
fn neighbours_keep_to_themselves() {
    let _turn = support::one_at_a_time();
    let mut checked = Checked::new(&PACKED, 3);
    for (one, other) in layouts().flat_map(|one| layouts().map(move |other| (one, other))) {
        for (owner, neighbour) in [(1, 0), (0, 2), (2, 1)] {
            PACKED_INNER.start_afresh();
            let blocks: Vec<Block> = (0..6)
                .map(|n| if n % 2 == 0 { (one, owner) } else { (other, neighbour) })
                .map(|(layout, owner)| checked.allocate(layout, false, owner).expect("memory"))
                .collect();
            blocks.into_iter().rev().for_each(|block| checked.free(block, 0));
        }
    }
}

fn layouts() -> impl Iterator<Item = Layout> {
    const SIZES: [usize; 13] = [1, 6, 7, 8, 9, 15, 16, 17, 24, 32, 63, 511, 512];
    const ALIGNMENTS: [usize; 4] = [1, 8, 16, 512];
    let layout = |size, align| Layout::from_size_align(size, align).expect("a valid layout");
    SIZES.into_iter().flat_map(move |size| ALIGNMENTS.map(|align| layout(size, align)))
}
