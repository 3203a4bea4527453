//! What is counted: every allocation of the work, to the byte, and nothing else.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, realloc};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};

use heapledger::testing::{Observed, TagGrowth, observe};
use heapledger::{Tag, scope};

use super::random::Random;
use super::seen;

fn of<'a>(seen: &'a Observed, tag: &str) -> &'a TagGrowth {
    seen.tags.iter().find(|growth| growth.tag == tag).expect("something happened under the tag")
}

/// (allocations, allocated bytes, freed blocks, freed bytes)
fn four(seen: &Observed) -> (u64, u64, u64, u64) {
    let counts = seen.counts;
    (counts.allocated_blocks, counts.allocated_bytes, counts.freed_blocks, counts.freed_bytes)
}

#[test]
fn nothing_is_nothing() {
    let nothing = seen(|| ());
    assert_eq!(four(&nothing), (0, 0, 0, 0));
    assert_eq!((nothing.peak_live_bytes, nothing.tags.len()), (0, 0));
    assert_eq!((nothing.still_at_work, nothing.uncounted_threads), (0, 0));
}

/// Every size regime, every way to ask, untagged and in a scope.
#[test]
fn every_request_is_counted_once() {
    static TAG: Tag = Tag::new("testing/counting/every");
    let mut requests = 0;
    for size in [1, 7, 8, 9, 24, 100, 500, 512, 600, 4096, 100_000, 3 << 20] {
        for align in [1, 8, 16, 64, 4096] {
            for tagged in [false, true] {
                for zeroed in [false, true] {
                    let layout = Layout::from_size_align(size, align).unwrap();
                    let life = || {
                        // SAFETY: no size is 0; freed with the layout it has then.
                        unsafe {
                            let block = if zeroed { alloc_zeroed(layout) } else { alloc(layout) };
                            let block = black_box(block);
                            let grown = black_box(realloc(block, layout, size * 2));
                            let layout = Layout::from_size_align(size * 2, align).unwrap();
                            let shrunk = black_box(realloc(grown, layout, size));
                            dealloc(shrunk, Layout::from_size_align(size, align).unwrap());
                        }
                    };
                    let seen = seen(|| if tagged { TAG.run(life) } else { life() });
                    let bytes = 4 * size as u64;
                    assert_eq!(four(&seen), (3, bytes, 3, bytes), "{size} {align} {tagged}");
                    assert_eq!(seen.peak_live_bytes, 2 * size as u64, "{size} {align} {tagged}");
                    assert_eq!(seen.tags.len(), 1);
                    let tag = if tagged { TAG.name() } else { "(untagged)" };
                    assert_eq!(of(&seen, tag).counts, seen.counts);
                    requests += 3;
                }
            }
        }
    }
    assert_eq!(requests, 12 * 5 * 2 * 2 * 3);
}

#[test]
fn tags_are_told_apart_most_bytes_first() {
    let (kept, seen) = observe(|| {
        let first = scope!("testing/counting/a", vec![0_u8; 100]);
        let second = scope!("testing/counting/b", vec![0_u8; 300]);
        let third = vec![0_u8; 200];
        drop(scope!("testing/counting/a", second));
        (first, third)
    })
    .unwrap();
    let rows: Vec<(&str, u64, i64)> = seen
        .tags
        .iter()
        .map(|it| (it.tag.as_str(), it.counts.allocated_bytes, it.counts.live_bytes_signed()))
        .collect();
    assert_eq!(
        rows,
        [
            ("testing/counting/b", 300, 0),
            ("(untagged)", 200, 200),
            ("testing/counting/a", 100, 100)
        ]
    );
    assert_eq!(seen.peak_live_bytes, 600);
    drop(kept);
}

#[test]
fn a_block_from_before_counts_below_zero() {
    let before = black_box(vec![0_u8; 1000]);
    let ((), seen) = observe(|| drop(before)).unwrap();
    assert_eq!(four(&seen), (0, 0, 1, 1000));
    assert_eq!((seen.counts.live_bytes_signed(), seen.peak_live_bytes), (-1000, 0));
    // A peak is of what is live, so this does not come back to 0.
    let before = black_box(vec![0_u8; 1000]);
    let ((), seen) = observe(|| {
        drop(before);
        drop(black_box(vec![0_u8; 900]));
    })
    .unwrap();
    assert_eq!(seen.peak_live_bytes, 0);
}

#[test]
fn observations_nest_and_the_outer_one_has_all() {
    let mut inner = None;
    let outer = seen(|| {
        let kept = black_box(vec![0_u8; 50]);
        inner = Some(seen(|| scope!("testing/counting/inner", vec![0_u8; 700])));
        let innermost = seen(|| seen(|| vec![0_u8; 30]));
        assert!(innermost.counts.allocated_bytes >= 30);
        kept
    });
    let inner = inner.unwrap();
    assert_eq!((four(&inner), inner.peak_live_bytes), ((1, 700, 1, 700), 700));
    assert_eq!(of(&outer, "testing/counting/inner").counts, inner.counts);
    assert_eq!(outer.peak_live_bytes, 750);
    // What `inner`, which is made inside of the outer observation, holds.
    let names: usize = inner.tags.iter().map(|it| it.tag.capacity()).sum();
    let tables = names + inner.tags.capacity() * size_of::<TagGrowth>();
    assert_eq!(outer.counts.live_bytes(), tables as u64);
}

#[test]
fn a_panic_is_the_works_own_and_ends_the_observation() {
    for _ in 0..1000 {
        // More often than there are places.
        let work = || observe(|| std::panic::resume_unwind(Box::new(7_u8)));
        let panic = catch_unwind(work).map(|_: Result<((), _), _>| ()).unwrap_err();
        assert_eq!(panic.downcast_ref::<u8>(), Some(&7));
    }
    assert_eq!(four(&seen(|| vec![0_u8; 10])), (1, 10, 1, 10));
}

#[test]
fn a_scope_over_the_end_is_left_whole() {
    static TAG: Tag = Tag::new("testing/counting/over");
    // Entered before, left inside; entered inside, left after.
    let outer = TAG.enter();
    let (inner, first) = observe(|| {
        drop(outer);
        TAG.enter()
    })
    .unwrap();
    assert_eq!(four(&first), (0, 0, 0, 0));
    assert_eq!(four(&seen(|| TAG.run(|| vec![0_u8; 77]))), (1, 77, 1, 77));
    drop(inner);
    assert_eq!(four(&seen(|| vec![0_u8; 78])), (1, 78, 1, 78));
}

/// Random work against a model: (allocations, allocated, freed blocks, freed).
#[test]
fn random_work_is_counted_as_in_a_model() {
    for seed in 0..50 {
        let mut random = Random::new(seed);
        let mut model = (0, 0, 0, 0);
        let tags: Vec<Tag> =
            (0..4).map(|n| Tag::register(&format!("testing/counting/m{n}")).unwrap()).collect();
        // Room for all, so that the list itself takes nothing.
        let mut blocks: Vec<Vec<u8>> = Vec::with_capacity(400);
        let ((), seen) = observe(|| {
            for _ in 0..400 {
                let tag = &tags[random.below(4)];
                let (kind, bytes) = (random.below(4), 1 + random.below(3000));
                match kind {
                    0 | 1 => {
                        blocks.push(tag.run(|| vec![1; bytes]));
                        model.0 += 1;
                        model.1 += bytes as u64;
                    }
                    2 if !blocks.is_empty() => {
                        let block = blocks.swap_remove(random.below(blocks.len()));
                        model.2 += 1;
                        model.3 += block.capacity() as u64;
                        tag.run(|| drop(block));
                    }
                    _ => {
                        let Some(block) = blocks.last_mut() else { continue };
                        let before = block.capacity();
                        block.reserve_exact(bytes);
                        if block.capacity() != before {
                            model.0 += 1;
                            model.1 += block.capacity() as u64;
                            model.2 += 1;
                            model.3 += before as u64;
                        }
                    }
                }
            }
        })
        .unwrap();
        assert_eq!(four(&seen), model, "seed {seed}");
    }
}

/// What is not observed does not notice: the ledger has it all the same.
#[test]
fn the_ledger_counts_as_ever() {
    static TAG: Tag = Tag::new("testing/counting/ledger");
    let before = TAG.read().unwrap().own;
    let kept = AssertUnwindSafe(observe(|| TAG.run(|| black_box(vec![0_u8; 12_345]))).unwrap().0);
    let since = TAG.read().unwrap().own.since(&before);
    assert_eq!((since.allocated_blocks, since.live_bytes()), (1, 12_345));
    drop(kept);
    assert_eq!(TAG.read().unwrap().own.since(&before).live_bytes(), 0);
}
