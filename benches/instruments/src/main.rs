//! What instances, watches, marks and measurements cost, each beside the same work
//! without. `cargo run --release -p heapledger-bench-instruments`
//!
//! Best of 15 rounds, the rows interleaved.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use heapledger::lifecycle::{Tracked, sweep, watch};
use heapledger::{InScope, Tag};

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

const ROUNDS: usize = 15;
/// As many tags as a large program has.
const TAGS: usize = 100;

static WORK: Tag = Tag::new("work");

struct Row {
    name: &'static str,
    repeats: u32,
    run: fn(u32),
    best_ns: f64,
}

impl Row {
    fn new(name: &'static str, repeats: u32, run: fn(u32)) -> Self {
        Self { name, repeats, run, best_ns: f64::INFINITY }
    }

    fn round(&mut self) {
        let started = Instant::now();
        (self.run)(self.repeats);
        let ns = started.elapsed().as_nanos() as f64 / f64::from(self.repeats);
        self.best_ns = self.best_ns.min(ns);
    }
}

fn main() {
    for number in 0..TAGS {
        let tag = Tag::register(&format!("component {number}")).expect("there is room");
        drop(tag.run(|| black_box(vec![1_u8; 100])));
    }
    let mut rows = [
        Row::new("two atomic additions", 1_000_000, two_additions),
        Row::new("Tracked: make and drop", 1_000_000, tracked),
        Row::new("two atomic additions, 4 threads", 300_000, |n| on_four_threads(n, two_additions)),
        Row::new("Tracked: make and drop, 4 threads", 300_000, |n| on_four_threads(n, tracked)),
        Row::new("Arc: make and drop", 10_000, |n| arcs(n, |_| {})),
        Row::new("Arc: make, watch, drop, sweep", 10_000, |n| {
            arcs(n, |arc| _ = watch(arc, "object"))
        }),
        Row::new("mark", 300, |n| (0..n).for_each(|_| heapledger::mark("a").expect("installed"))),
        Row::new("delta", 300, |n| {
            (0..n).for_each(|_| drop(heapledger::delta("a", "b").expect("both")))
        }),
        Row::new("measure: a call", 3000, |n| {
            (0..n).for_each(|_| _ = black_box(WORK.measure(|| black_box(1))));
        }),
        Row::new("a poll of a scoped future", 300_000, |n| poll(n, Steps.in_scope(&WORK))),
        Row::new("a poll of a measured future", 30_000, |n| poll(n, WORK.measure_async(Steps))),
        Row::new("the same, allocating", 30_000, |n| poll(n, WORK.measure_async(Allocating))),
        Row::new("the same, 1,000 calls under way", 3000, |n| {
            let mut others: Vec<_> =
                (0..1000).map(|_| Box::pin(WORK.measure_async(Steps))).collect();
            others.iter_mut().for_each(|it| _ = it.as_mut().poll(&mut context()));
            let started = Instant::now();
            poll(n, WORK.measure_async(Allocating));
            let ns = started.elapsed().as_nanos() as u64 / u64::from(n);
            CROWDED_NS.fetch_min(ns, Ordering::Relaxed);
        }),
    ];
    heapledger::mark("b").expect("installed");
    for _ in 0..ROUNDS {
        rows.iter_mut().for_each(Row::round);
    }
    // The last row's work is more than what it is about.
    rows[rows.len() - 1].best_ns = CROWDED_NS.load(Ordering::Relaxed) as f64;
    println!("{TAGS} tags, best of {ROUNDS} rounds");
    for Row { name, best_ns, .. } in rows {
        println!("{name:<36} {best_ns:>10.1} ns");
    }
}

static CROWDED_NS: AtomicU64 = AtomicU64::new(u64::MAX);

fn two_additions(repeats: u32) {
    static MADE: AtomicU64 = AtomicU64::new(0);
    static DROPPED: AtomicU64 = AtomicU64::new(0);
    for _ in 0..repeats {
        black_box(MADE.fetch_add(1, Ordering::Relaxed));
        black_box(DROPPED.fetch_add(1, Ordering::Release));
    }
}

fn tracked(repeats: u32) {
    for number in 0..repeats {
        drop(black_box(Tracked::new(number)));
    }
}

/// The time is a thread's, for as many repeats each.
fn on_four_threads(repeats: u32, run: fn(u32)) {
    let start = Barrier::new(4);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                start.wait();
                run(repeats);
            });
        }
    });
}

fn arcs(repeats: u32, each: fn(&Arc<u32>)) {
    for number in 0..repeats {
        let object = black_box(Arc::new(number));
        each(&object);
    }
    sweep();
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn poll(repeats: u32, future: impl Future<Output: Sized>) {
    let mut future = Box::pin(future);
    for _ in 0..repeats {
        assert!(black_box(future.as_mut()).poll(&mut context()).is_pending());
    }
}

/// Never ready.
struct Steps;

impl Future for Steps {
    type Output = ();
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        black_box(Poll::Pending)
    }
}

/// Never ready, and allocates at each poll.
struct Allocating;

impl Future for Allocating {
    type Output = ();
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        drop(black_box(Box::new([1_u64; 4])));
        black_box(Poll::Pending)
    }
}
