//! `realloc` from every size next to a limit to every other, at every alignment,
//! untagged and tagged, granted and refused: contents, owner and counts
//! (hazard 10).

mod support;

use core::alloc::{GlobalAlloc, Layout};

use heapledger::Allocator;
use heapledger::backend::{SystemMalloc, Wrapped};
use support::backends::{Failing, Packed, Schedule};
use support::checked::Checked;
use support::one_at_a_time;

static SYSTEM: Allocator<SystemMalloc> = Allocator::with_backend(SystemMalloc);
static DEFAULT: Allocator = Allocator::new();
static PACKED_INNER: Packed = Packed::new();
static PACKED: Allocator<Wrapped<&Packed>> = Allocator::with_backend(Wrapped::new(&PACKED_INNER));
static FAILING_INNER: Failing = Failing::new();
static FAILING: Allocator<Wrapped<&Failing>> =
    Allocator::with_backend(Wrapped::new(&FAILING_INNER));

/// Untagged, a tag whose number fits into a byte, and one whose does not.
const OWNERS: usize = 3;
const MIB: usize = 1 << 20;
/// Both sides of every limit between regimes, and of a page and a megabyte.
#[rustfmt::skip]
const SIZES: [usize; 26] = [
    1, 2, 5, 6, 7, 8, 9, 15, 16, 17, 24, 255, 496, 503, 504, 505, 511, 512, 513,
    520, 4095, 4096, 4097, MIB - 1, MIB, MIB + 1,
];
const ALIGNMENTS: [usize; 8] = [1, 2, 4, 8, 16, 64, 512, 4096];

/// Every step there is: old size, new size, alignment, owner.
fn every_step() -> impl Iterator<Item = (Layout, usize, usize)> {
    SIZES.into_iter().flat_map(|old| {
        SIZES.into_iter().flat_map(move |new| {
            ALIGNMENTS.into_iter().flat_map(move |align| {
                let layout = Layout::from_size_align(old, align).expect("a valid layout");
                (0..OWNERS).map(move |owner| (layout, new, owner))
            })
        })
    })
}

fn grant_every_step(allocator: &impl GlobalAlloc) {
    let _turn = one_at_a_time();
    let mut checked = Checked::new(allocator, OWNERS);
    for (layout, new_size, owner) in every_step() {
        let mut block = checked.allocate(layout, false, owner).expect("memory");
        let (next, last) = ((owner + 1) % OWNERS, (owner + 2) % OWNERS);
        assert!(checked.resize(&mut block, new_size, next), "{layout:?} to {new_size}");
        assert!(checked.resize(&mut block, layout.size(), last), "{layout:?} back");
        checked.free(block, next);
    }
}

#[test]
fn every_step_keeps_contents_owner_and_counts() {
    grant_every_step(&DEFAULT);
}

#[test]
fn every_step_keeps_contents_owner_and_counts_over_the_systems_malloc() {
    grant_every_step(&SYSTEM);
}

#[test]
fn every_step_keeps_contents_owner_and_counts_over_the_worst_backend() {
    grant_every_step(&PACKED);
}

#[test]
fn every_refused_step_keeps_everything() {
    let _turn = one_at_a_time();
    let mut checked = Checked::new(&FAILING, OWNERS);
    let (mut refused, mut without_backend) = (0, 0);
    for (layout, new_size, owner) in every_step() {
        FAILING_INNER.follow(Schedule::Never);
        let mut block = checked.allocate(layout, false, owner).expect("memory");
        FAILING_INNER.follow(Schedule::Nth(1));
        if checked.resize(&mut block, new_size, 2) {
            // Tiny blocks are all of one size: nothing is asked of the backend.
            assert_eq!(FAILING_INNER.requests(), 0, "{layout:?} to {new_size}");
            without_backend += 1;
        } else {
            refused += 1;
            assert!(checked.resize(&mut block, new_size, 2), "only the first is refused");
        }
        checked.free(block, 0);
    }
    println!("{refused} refused, {without_backend} without the backend");
    assert!(refused > 40 * without_backend);
}
