//! Sizes that nobody can have: `try_reserve` errs, nothing aborts, and nothing is
//! booked (hazard 9).

use heapledger::{Tag, faults, scope};

use super::{own, thread_during};

/// Around every power of two, and the largest sizes there are.
fn sizes() -> impl Iterator<Item = usize> {
    let powers = (48..64).map(|bits| 1_usize << bits);
    let around = powers.flat_map(|power| [power - 1, power, power + 1]);
    around.chain((0..=64).map(|below| isize::MAX as usize - below)).chain([usize::MAX])
}

fn reserve<T>(count: usize, items: usize) {
    let mut list: Vec<T> = Vec::with_capacity(items);
    assert!(list.try_reserve_exact(count).is_err(), "{count}");
    assert!(list.try_reserve(count).is_err(), "{count}");
    assert_eq!(list.capacity(), items);
}

fn reserve_all() {
    // A new block, and the growth of one, in each regime.
    for size in sizes() {
        for bytes in [0, 1, 7, 40, 600] {
            reserve::<u8>(size, bytes);
        }
        reserve::<u64>(size / 8, 0);
        reserve::<u128>(size / 16, 4);
    }
}

#[test]
fn reservations_err_and_nothing_is_booked() {
    static TAG: Tag = Tag::new("huge/scope");
    let before = faults().failed_requests;
    let ((), untagged) = thread_during(reserve_all);
    assert_eq!((untagged.live_bytes(), untagged.live_blocks()), (0, 0));
    let ((), tagged) = thread_during(|| scope!(TAG, reserve_all()));
    // The small blocks only, the same both times, and all of them the tag's.
    assert_eq!(tagged, untagged);
    assert_eq!(own("huge/scope"), tagged);
    assert!(tagged.allocated_bytes < 1 << 20);
    assert!(faults().failed_requests > before);
}
