//! Nothing of no size reaches the allocator, so nothing is counted (hazard 7).

use std::collections::HashSet;
use std::rc::Rc;

use heapledger::{Counts, scope};

use super::{own, thread_during};

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Nothing;

fn use_nothing() -> usize {
    let mut list = Vec::new();
    for _ in 0..100 {
        list.push(Nothing);
    }
    list.reserve(1000);
    list.shrink_to_fit();
    let boxed = Box::new(Nothing);
    let slice: Box<[Nothing]> = list.clone().into_boxed_slice();
    let empty_text = String::new();
    let empty_set: HashSet<Nothing> = HashSet::new();
    let empty_list: Vec<u64> = Vec::with_capacity(0);
    drop(boxed);
    list.len() + slice.len() + empty_text.len() + empty_set.len() + empty_list.len()
}

#[test]
fn values_of_no_size_are_not_counted() {
    let (sum, during) = thread_during(|| {
        let _scope = scope!("zero_sized");
        (0..10_000).map(|_| use_nothing()).sum::<usize>()
    });
    assert_eq!(sum, 2_000_000);
    assert_eq!(during, Counts::default());
    assert_eq!(own("zero_sized"), Counts::default());
}

/// Nothing inside something is the something.
#[test]
fn a_count_beside_nothing_is_counted() {
    let kept = scope!("zero_sized/rc", Rc::new(Nothing));
    assert_eq!(own("zero_sized/rc").live_bytes(), 16);
    drop(kept);
    assert_eq!(own("zero_sized/rc").live_bytes(), 0);
}
