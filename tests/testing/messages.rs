//! What a budget says when it is broken, to the letter.

use std::hint::black_box;

use heapledger::testing::KIB;
use heapledger::{assert_allocs, assert_no_growth, assert_peak, scope};

use super::panic_of;

#[test]
fn more_allocations_than_allowed() {
    let message = panic_of(|| {
        assert_allocs!(
            <= 2,
            (
                vec![0_u8; 100],
                scope!("testing/messages/index", vec![vec![1_u8; 700], vec![2_u8; 300]])
            )
        )
    });
    assert_eq!(
        message,
        "\
assert_allocs!(<= 2, (vec![0_u8; 100],
scope!(\"testing/messages/index\", vec![vec![1_u8; 700], vec![2_u8; 300]])))
  max_allocs: expected at most 2, actual 4
  seen: peak 1148 B live; by tag:
    tag                     allocations  allocated bytes  live bytes
    testing/messages/index            3             1048       +1048
    (untagged)                        1              100        +100
    (all)                             4             1148       +1148
"
    );
}
