//! An object out of a pool and back, as programs have it compiled: `no_lock.rs` reads it.

use std::hint::black_box;

use heapledger::Pool;

type Object = [u64; 8];

heapledger::pool! {
    static OBJECTS: Object = [1; 8], reset = |it: &mut Object| it[0] = 0;
}

#[unsafe(no_mangle)]
#[inline(never)]
#[allow(improper_ctypes_definitions, reason = "nobody calls it from C")]
extern "C" fn heapledger_pool_pair(pool: &Pool<Object>) {
    drop(black_box(pool.acquire()));
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn heapledger_static_pool_pair() {
    drop(black_box(OBJECTS.acquire()));
}

/// Uses both kinds.
pub fn run() {
    let pool = Pool::builder("probe", || [1; 8]).reset(|it: &mut Object| it[0] = 0).build();
    let pool = pool.expect("a valid name");
    for _ in 0..1000 {
        heapledger_pool_pair(&pool);
        heapledger_static_pool_pair();
    }
    let [one, other] = [pool.statistics(), OBJECTS.statistics()];
    assert_eq!([one.created, one.hits, other.created, other.hits], [1, 999, 1, 999]);
}
