//! What a budget says when it is broken, to the letter.

use std::hint::black_box;
use std::sync::{Barrier, OnceLock};
use std::thread;

use heapledger::testing::{Budget, KIB, observe};
use heapledger::{Scope, Tag, assert_allocs, assert_no_growth, assert_peak, scope};

use super::panic_of;

fn index() -> Vec<Vec<u8>> {
    scope!("testing/messages/index", black_box(vec![vec![1_u8; 700], vec![2_u8; 300]]))
}

#[test]
fn more_allocations_than_allowed() {
    let message = panic_of(|| assert_allocs!(<= 2, (black_box(vec![0_u8; 100]), index())));
    assert_eq!(
        message,
        "\
assert_allocs!(<= 2, (black_box(vec![0_u8; 100]), index()))
  allocations: expected at most 2, actual 4
  seen: peak 1148 B live; by tag:
    tag                     allocations  allocated bytes  live bytes
    testing/messages/index            3             1048       +1048
    (untagged)                        1              100        +100
    (all)                             4             1148       +1148
"
    );
}

#[test]
fn another_number_of_allocations() {
    let message = panic_of(|| assert_allocs!(== 1, 1 + 1));
    assert_eq!(
        message,
        "\
assert_allocs!(== 1, 1 + 1)
  allocations: expected exactly 1, actual 0
  seen: peak 0 B live; by tag:
    tag    allocations  allocated bytes  live bytes
    (all)            0                0           0
"
    );
}

#[test]
fn a_higher_peak_than_allowed() {
    let message = panic_of(|| assert_peak!(<= KIB, drop(index())));
    assert_eq!(
        message,
        "\
assert_peak!(<= KIB, drop(index()))
  peak: expected at most 1024 B, actual 1048 B
  seen: peak 1048 B live; by tag:
    tag                     allocations  allocated bytes  live bytes
    testing/messages/index            3             1048           0
"
    );
}

#[test]
fn growth_where_there_should_be_none() {
    let mut list: Vec<Box<u64>> = Vec::with_capacity(1000);
    static LIST: Tag = Tag::new("testing/messages/list");
    let message = panic_of(|| {
        assert_no_growth!(iters = 100, LIST.run(|| list.push(black_box(Box::new(1)))));
    });
    assert_eq!(
        message,
        "\
assert_no_growth!(iters = 100, LIST.run(|| list.push(black_box(Box::new(1)))))
  growth: expected 0 B live at the end, actual +800 B in +100 blocks
  seen: peak 800 B live; by tag:
    tag                    allocations  allocated bytes  live bytes
    testing/messages/list          100              800        +800
"
    );
}

/// Several limits at once, more tags than rows, a block from before, and a thread
/// that is still at work.
#[test]
fn all_of_it() {
    let before = scope!("testing/messages/before", black_box(vec![0_u8; 64]));
    let tags: Vec<Tag> =
        (1..=12).map(|number| Tag::register(&format!("t{number}")).unwrap()).collect();
    let mut kept: Vec<Vec<u8>> = Vec::with_capacity(tags.len());
    let (works, done, scope) = (&Barrier::new(2), &Barrier::new(2), &OnceLock::new());
    let message = thread::scope(|threads| {
        threads.spawn(|| {
            let handed_over: Scope = *scope.wait();
            let _inside = handed_over.enter();
            works.wait();
            done.wait();
        });
        let ((), seen) = observe(|| {
            drop(before);
            kept.extend((1..).zip(&tags).map(|(number, tag)| tag.run(|| vec![0; 10 * number])));
            scope.set(Scope::current()).unwrap();
            works.wait();
        })
        .unwrap();
        done.wait();
        let budget = Budget::new().max_live(500).max_bytes(501).max_allocs(2).no_leaks();
        budget.check(&seen).unwrap_err()
    });
    assert_eq!(
        format!("budget\n{message}"),
        "\
budget
  max_live: expected at most 500 B, actual 716 B
  max_bytes: expected at most 501 B, actual 780 B
  max_allocs: expected at most 2, actual 12
  no_leaks: expected 0 B live at the end, actual +716 B in +11 blocks
  seen: peak 716 B live; by tag:
    tag            allocations  allocated bytes  live bytes
    t12                      1              120        +120
    t11                      1              110        +110
    t10                      1              100        +100
    t9                       1               90         +90
    t8                       1               80         +80
    t7                       1               70         +70
    t6                       1               60         +60
    t5                       1               50         +50
    t4                       1               40         +40
    t3                       1               30         +30
    (3 more tags)            2               30         -34
    (all)                   12              780        +716
  note: 1 thread was still at work for it when it ended; join it first
"
    );
}
