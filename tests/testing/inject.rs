//! Allocations that fail on purpose: each of a fallible function once, and the
//! function is none the worse for it.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, realloc};
use std::collections::{HashMap, TryReserveError, VecDeque};
use std::hint::black_box;
use std::thread;

use heapledger::inject::{fail_nth, fail_random};
use heapledger::testing::observe;
use heapledger::{Scope, Tag, faults};

/// What a fallible function is made of: growing tables, in and out of scopes, in
/// every size there is.
#[derive(Default)]
struct Index {
    text: String,
    words: Vec<u64>,
    places: HashMap<u64, u32>,
    queue: VecDeque<[u8; 40]>,
    pages: Vec<Vec<u8>>,
}

static PAGES: Tag = Tag::new("testing/inject/pages");

impl Index {
    fn build() -> Result<Self, TryReserveError> {
        let mut index = Self::default();
        index.text.try_reserve(3)?;
        index.text.push_str("abc");
        for step in 0..20 {
            index.words.try_reserve(1)?;
            index.words.push(step);
            index.places.try_reserve(1)?;
            index.places.insert(step, 1);
        }
        let _pages = PAGES.enter();
        index.queue.try_reserve(5)?;
        index.queue.push_back([1; 40]);
        index.pages.try_reserve_exact(4)?;
        for size in [1, 8, 100, 100_000] {
            let mut page = Vec::new();
            page.try_reserve_exact(size)?;
            page.resize(size, 7);
            page.try_reserve_exact(3 * size)?;
            index.pages.push(page);
        }
        Ok(index)
    }

    fn check(&self) {
        assert_eq!(self.text, "abc");
        assert!(self.words.iter().copied().eq(0..20));
        assert!((0..20).all(|word| self.places[&word] == 1));
        assert_eq!(self.queue, [[1; 40]]);
        assert!(self.pages.iter().all(|page| page.iter().all(|byte| *byte == 7)));
    }
}

#[test]
fn every_request_fails_once_and_nothing_leaks() {
    let (_, whole) = observe(Index::build).unwrap();
    let mut runs = 0;
    for n in 0.. {
        let run = fail_nth(n, Index::build).unwrap();
        if !run.fired() {
            let Ok(index) = run.value else { panic!("nothing was injected, and it failed") };
            index.check();
            assert_eq!(run.requests, n, "the last run has one request less than is failed");
            break;
        }
        runs += 1;
        assert!(run.value.is_err(), "request {n} failed, and the function did not notice");
        assert_eq!((run.requests, run.failures), (n + 1, 1));
        let counts = run.observed.counts;
        assert_eq!((counts.live_bytes(), counts.live_blocks()), (0, 0), "request {n}: a leak");
        assert_eq!(counts.allocated_blocks, n, "those before succeeded");
    }
    assert_eq!(runs, whole.allocations());
    assert!(runs >= 19, "{runs}");
}

#[test]
fn chance_fails_and_nothing_leaks() {
    let mut failed = 0;
    for seed in 0..300 {
        let run = fail_random(seed, 0.05, Index::build).unwrap();
        assert_eq!(run.value.is_err(), run.fired());
        failed += u64::from(run.fired());
        drop(run.value);
        let again = fail_random(seed, 0.05, Index::build).unwrap();
        assert_eq!((again.requests, again.failures), (run.requests, run.failures), "seed {seed}");
    }
    assert!(failed > 150 && failed < 250, "{failed} of 300");
}

/// Each way to ask, in each regime: null, the old block as it was, no count but
/// the fault's.
#[test]
fn a_failed_request_changes_nothing() {
    static TAG: Tag = Tag::new("testing/inject/each");
    let mut refused = 0;
    for size in [1, 7, 8, 9, 24, 100, 500, 512, 4096, 1 << 20] {
        for align in [1, 8, 16, 64, 4096] {
            let layout = Layout::from_size_align(size, align).unwrap();
            for tagged in [false, true] {
                let in_scope = |work: &dyn Fn() -> bool| {
                    let before = TAG.read().unwrap().own;
                    let run = fail_nth(0, || if tagged { TAG.run(work) } else { work() }).unwrap();
                    assert!(run.value, "{size} {align} {tagged}");
                    assert_eq!((run.requests, run.failures), (1, 1), "{size} {align} {tagged}");
                    assert_eq!(run.observed.tags, [], "{size} {align} {tagged}");
                    assert_eq!(TAG.read().unwrap().own, before);
                };
                // SAFETY: no size is 0; the blocks are freed with the layout they have.
                unsafe {
                    in_scope(&|| black_box(alloc(layout)).is_null());
                    in_scope(&|| black_box(alloc_zeroed(layout)).is_null());
                    let block =
                        black_box(if tagged { TAG.run(|| alloc(layout)) } else { alloc(layout) });
                    block.write_bytes(0x5A, size);
                    in_scope(&|| black_box(realloc(block, layout, size + 1)).is_null());
                    in_scope(&|| black_box(realloc(block, layout, size * 3 + 600)).is_null());
                    let bytes = std::slice::from_raw_parts(block, size);
                    assert!(bytes.iter().all(|byte| *byte == 0x5A));
                    dealloc(block, layout);
                }
                refused += 4;
            }
        }
    }
    assert!(faults().injected_failures >= refused);
}

#[test]
fn shrinking_is_not_refused() {
    let block = black_box(vec![1_u8; 1000]);
    let run = fail_nth(0, || {
        let mut block = block;
        block.truncate(10);
        block.shrink_to_fit();
        block
    })
    .unwrap();
    assert_eq!((run.fired(), run.requests, run.value.len()), (false, 0, 10));
}

#[test]
fn injected_failures_are_told_from_real_ones() {
    let before = faults().injected_failures;
    let run = fail_nth(1, || {
        // Impossible, not injected: it is the request 0.
        let real = Vec::<u8>::new().try_reserve(isize::MAX as usize);
        let injected = Vec::<u8>::new().try_reserve(100);
        (real.is_err(), injected.is_err())
    })
    .unwrap();
    assert_eq!((run.value, run.requests, run.failures), ((true, true), 2, 1));
    assert!(faults().injected_failures > before);
}

#[test]
fn failures_follow_the_work_to_its_threads_and_nowhere_else() {
    let nobodys = Scope::current();
    // Starting a thread allocates and cannot fail, so that is not the work's.
    let on_a_thread =
        |scope: Scope| nobodys.run(|| thread::spawn(move || scope.run(asks)).join().unwrap());
    let run = fail_random(1, 1.0, || {
        let inside = Scope::current();
        [on_a_thread(inside), on_a_thread(nobodys), nobodys.run(asks), asks()]
    })
    .unwrap();
    assert_eq!(run.value, [true, false, false, true]);
    assert_eq!((run.requests, run.failures), (2, 2));
    assert!(!asks(), "it ends with the work");
}

/// Whether a request for memory fails.
fn asks() -> bool {
    Vec::<u8>::new().try_reserve(100).is_err()
}

/// Where there is no new peak to be seen, either.
#[test]
fn requests_far_below_the_peak_fail_too() {
    for n in 0..20 {
        let run = fail_nth(n, || {
            let mut failed = [false; 20];
            failed[0] = Vec::<u8>::new().try_reserve(100_000).is_err();
            failed[1..].fill_with(asks);
            failed.iter().position(|failed| *failed)
        })
        .unwrap();
        assert_eq!((run.value, run.requests), (Some(n as usize), 20));
    }
}

/// What is injected inside of an injection comes on top.
#[test]
fn injections_nest() {
    let run = fail_nth(2, || [asks(), asks(), asks(), asks()]).unwrap();
    assert_eq!(run.value, [false, false, true, false]);
    let outer = fail_nth(2, || {
        // The inner one fails its first; the outer one its third, which is inside.
        let inner = fail_nth(0, || [asks(), asks(), asks(), asks()]);
        inner.map(|run| (run.value, run.requests, run.failures))
    })
    .unwrap();
    assert_eq!(outer.failures, 1);
    assert_eq!(outer.value.unwrap(), ([true, false, true, false], 4, 1));
}
