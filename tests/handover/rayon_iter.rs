//! rayon's parallel iterators with a scope: what of them is in it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use heapledger::{InScope, Scope, Tag};
use rayon::prelude::*;

use super::rayon::{Pool, is_current, scopes_at_rest};
use super::{buffer, live};

const ITEMS: usize = 10_000;

/// Is cloned as the work is divided.
struct Cloned(bool);

static SIDES: Tag = Tag::new("rayon/iter/sides");

impl Clone for Cloned {
    fn clone(&self) -> Self {
        Self(self.0 && is_current(&SIDES))
    }
}

#[test]
fn closures_on_both_sides_of_the_adapter_are_in_the_scope() {
    let here = || is_current(&SIDES);
    let pool = Pool::new();
    let all_in_scope = pool.install(|| {
        (0..ITEMS)
            .into_par_iter()
            .with_max_len(1)
            .map(|_| {
                // Time for the other threads to take their part.
                std::thread::yield_now();
                here()
            })
            .map_init(here, |before, item| *before && item)
            .filter(|_| here())
            .in_scope(&SIDES)
            .map(|item| item && here())
            .map_with(Cloned(true), |cloned, item| cloned.0 && item)
            .flat_map_iter(|item| [item, here()])
            .fold(here, |before, item| before && item && here())
            // Behind `fold` a piece is one item, which comes as the piece ends.
            .map(|piece| piece && here())
            .reduce(|| true, |left, right| left && right && here())
    });
    assert!(all_in_scope);
    let all_in_scope = pool.install(|| {
        (0..ITEMS)
            .par_bridge()
            .in_scope(&SIDES)
            .map_with(Cloned(true), |cloned, _| {
                std::thread::yield_now();
                cloned.0 && here()
            })
            .reduce(here, |left, right| left && right)
    });
    assert!(all_in_scope);
    let scoped = (0..ITEMS).into_par_iter().in_scope(&SIDES);
    assert_eq!(scoped.opt_len(), Some(ITEMS));
}

#[test]
fn what_an_iterator_makes_belongs_to_the_scope() {
    static TAG: Tag = Tag::new("rayon/iter/collect");
    let pool = Pool::new();
    let outside = Scope::current();
    let kept: Vec<Vec<u8>> = pool.install(|| {
        (0..ITEMS).into_par_iter().map(|item| buffer(1 + item % 50)).in_scope(&TAG).collect()
    });
    assert!(scopes_at_rest(&pool).iter().all(|scope| *scope == outside));
    pool.end();
    // In order, and the list itself is the caller's, of the right length at once.
    assert!(kept.iter().enumerate().all(|(item, block)| block.capacity() == 1 + item % 50));
    assert_eq!(kept.capacity(), ITEMS);
    let bytes: usize = (0..ITEMS).map(|item| 1 + item % 50).sum();
    assert_eq!(live(TAG.name()), (bytes as u64, ITEMS as u64));
    drop(kept);
    assert_eq!(live(TAG.name()), (0, 0));
}

/// Without an index, pieces are divided and joined in another way.
#[test]
fn unindexed_iterators_carry_the_scope() {
    static TAG: Tag = Tag::new("rayon/iter/unindexed");
    let pool = Pool::new();
    let kept: Vec<Vec<u8>> = pool.install(|| {
        (0..ITEMS)
            .into_par_iter()
            .filter(|item| item % 2 == 0)
            .map(buffer_of)
            .in_scope(&TAG)
            .collect()
    });
    let bridged: Vec<Vec<u8>> = pool
        .install(|| (0..ITEMS).par_bridge().map(buffer_of).in_scope(Scope::from(&TAG)).collect());
    pool.end();
    // The lists themselves are the caller's.
    let bytes = |step| (0..ITEMS).step_by(step).map(|item| 1 + item % 50).sum::<usize>();
    assert_eq!(live(TAG.name()).0, (bytes(2) + bytes(1)) as u64);
    drop((kept, bridged));
    assert_eq!(live(TAG.name()), (0, 0));
}

fn buffer_of(item: usize) -> Vec<u8> {
    buffer(1 + item % 50)
}

#[test]
fn iterators_that_end_early_leave_the_scope() {
    static TAG: Tag = Tag::new("rayon/iter/early");
    let pool = Pool::new();
    let outside = Scope::current();
    let found = pool.install(|| {
        (0..ITEMS).into_par_iter().map(buffer_of).in_scope(&TAG).find_any(|it| it.capacity() == 7)
    });
    assert_eq!(found.map(|it| it.capacity()), Some(7));

    let panics = || {
        pool.install(|| {
            (0..ITEMS).into_par_iter().in_scope(&TAG).for_each(|item| {
                let held = buffer_of(item);
                if item % 1000 == 999 {
                    std::panic::resume_unwind(Box::new(held));
                }
            });
        });
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert!(scopes_at_rest(&pool).iter().all(|scope| *scope == outside));
    assert_eq!(Scope::current(), outside);
    pool.end();
    assert_eq!(live(TAG.name()), (0, 0));
}

/// Two iterators on one pool: a thread that waits in one works for the other.
#[test]
fn iterators_in_each_other_keep_their_scopes() {
    static TAGS: [Tag; 2] = [Tag::new("rayon/iter/outer"), Tag::new("rayon/iter/inner")];
    let pool = Pool::new();
    let kept: Vec<_> = pool.install(|| {
        (0..200)
            .into_par_iter()
            .map(|item| {
                let first = buffer(100);
                let inner = (0..200).into_par_iter().map(|_| buffer(item)).in_scope(&TAGS[1]);
                (first, inner.collect::<Vec<_>>(), buffer(10))
            })
            .in_scope(&TAGS[0])
            .collect()
    });
    pool.end();
    let inner: usize = (0..200).map(|item| item * 200).sum();
    let list = 200 * size_of::<Vec<u8>>();
    assert_eq!(live(TAGS[1].name()).0, inner as u64);
    assert_eq!(live(TAGS[0].name()).0, 200 * (110 + list) as u64);
    drop(kept);
    assert!(TAGS.iter().all(|tag| live(tag.name()) == (0, 0)));
}
