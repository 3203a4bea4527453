//! What the pools do for an object taken and returned, over the same jemalloc.

use std::hint::black_box;
use std::sync::LazyLock;

use heapledger::{BoundedPool, Pool};

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

type Object = [u64; 8];

/// Objects held at one time, where it is more than one.
const HELD: usize = 64;

heapledger::pool! {
    static STATIC: Object = [0; 8], reset = clear;
}

static POOL: LazyLock<Pool<Object>> = LazyLock::new(|| {
    let builder = Pool::builder("instructions", || [0; 8]).reset(clear);
    builder.build().unwrap_or_else(|error| panic!("no pool: {error}"))
});

static BOUNDED: LazyLock<BoundedPool<Object>> = LazyLock::new(|| {
    let pool = BoundedPool::new("instructions/bounded", 8, || [0; 8]);
    pool.unwrap_or_else(|error| panic!("no pool: {error}"))
});

fn clear(object: &mut Object) {
    object[0] = 0;
}

/// Takes and returns, `count` times.
fn one<G>(acquire: impl Fn() -> G, count: usize) {
    for _ in 0..count {
        drop(black_box(acquire()));
    }
}

/// Takes 64 and returns them in another order, until it was `count`.
fn held<G>(acquire: impl Fn() -> G, count: usize) {
    let mut objects = [const { None }; HELD];
    for _ in 0..count / HELD {
        objects.fill_with(|| Some(acquire()));
        for number in 0..HELD {
            // 37 has no divisor in common with 64: each once.
            objects[black_box(number * 37 % HELD)] = None;
        }
    }
}

fn main() {
    let bounded = || BOUNDED.acquire().unwrap_or_else(|error| panic!("none: {error}"));
    let pool: &Pool<Object> = &POOL;
    heapledger_instructions::run_work(&[
        ("Pool", &|count| one(|| pool.acquire(), count)),
        ("Pool_64_held", &|count| held(|| pool.acquire(), count)),
        ("pool!", &|count| one(|| STATIC.acquire(), count)),
        ("pool!_64_held", &|count| held(|| STATIC.acquire(), count)),
        ("BoundedPool", &|count| one(bounded, count)),
    ]);
}
