//! Sixteen tests with exact budgets, under tags that they share, at one time.
//!
//! `ci/parallel-tests.sh` runs this program five hundred times with sixteen
//! threads. A budget that is not kept to the byte is a flake, and there must be
//! none: so each test says exactly what it does.
//!
//! Seen to fail: with the counts of a tag in the place of the tests' own (`planted`).

use std::hint::black_box;
use std::thread;

use heapledger::testing::observe;
use heapledger::{Scope, Tag, assert_allocs, assert_no_growth, assert_peak, scope};

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

static INDEX: Tag = Tag::new("parallel/index");

const ROUNDS: usize = 25;

/// Under two shared tags and none: 3 allocations and `size + 500` bytes live.
fn work(size: usize) {
    let untagged = black_box(vec![0_u8; 100]);
    let index = INDEX.run(|| black_box(vec![0_u8; size]));
    drop(scope!("parallel/words", black_box(vec![0_u8; 400])));
    drop((untagged, index));
}

fn rounds(size: usize) {
    for _ in 0..ROUNDS {
        work(size);
    }
}

/// The rounds on another thread, in the test's scope.
fn elsewhere(size: usize) {
    let scope = Scope::current();
    thread::scope(|threads| {
        let worker = threads.spawn(move || scope.run(|| rounds(size)));
        // Not the test's, and at the same time.
        threads.spawn(move || rounds(3 * size));
        worker.join().unwrap();
    });
}

/// What `observe` sees on all threads of rounds elsewhere, under the two tags.
fn check_elsewhere(size: usize) {
    let ((), seen) = observe(|| elsewhere(size)).unwrap();
    let of = |name: &str| {
        let counts = seen.tags.iter().find(|it| it.tag == name).unwrap().counts;
        (counts.allocated_blocks, counts.allocated_bytes, counts.live_bytes())
    };
    let rounds = ROUNDS as u64;
    assert_eq!(of("parallel/index"), (rounds, rounds * size as u64, 0));
    assert_eq!(of("parallel/words"), (rounds, rounds * 400, 0));
    assert_eq!((seen.still_at_work, seen.uncounted_threads), (0, 0));
}

/// Four tests of one size.
macro_rules! tests {
    ($($rounds:ident $parts:ident $least:ident $elsewhere:ident $size:literal $live:literal)*) => {$(
        #[heapledger::test(allocs = 75, max_live = $live, no_leaks)]
        fn $rounds() {
            rounds($size);
        }

        #[heapledger::test(no_leaks)]
        fn $parts() {
            for _ in 0..ROUNDS {
                assert_allocs!(== 3, work($size));
                assert_peak!(<= $live, work($size));
            }
            assert_no_growth!(iters = 50, work($size));
        }

        /// The budget is the least that will do.
        #[heapledger::test(max_live = $live)]
        #[should_panic = "max_live"]
        fn $least() {
            rounds($size);
            work($size + 1);
        }

        #[test]
        fn $elsewhere() {
            check_elsewhere($size);
        }
    )*};
}

tests! {
    rounds_0 parts_0 least_0 elsewhere_0 64 564
    rounds_1 parts_1 least_1 elsewhere_1 1000 1500
    rounds_2 parts_2 least_2 elsewhere_2 5000 5500
    rounds_3 parts_3 least_3 elsewhere_3 70_000 70_500
}

/// What goes wrong without: a tag's counts are everybody's. Sixteen at one time, so
/// that `ci/parallel-tests.sh` sees it fail before it trusts the others.
mod planted {
    use super::{INDEX, rounds};

    macro_rules! flakes {
        ($($name:ident)*) => {$(
            #[test]
            #[ignore = "a planted flake, for ci/parallel-tests.sh"]
            fn $name() {
                let before = INDEX.read().unwrap().own;
                (0..40).for_each(|_| rounds(1000));
                let since = INDEX.read().unwrap().own.since(&before);
                assert_eq!(since.allocated_blocks, 1000);
            }
        )*};
    }

    flakes! { f0 f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12 f13 f14 f15 }
}
