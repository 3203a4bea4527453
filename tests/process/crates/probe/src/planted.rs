//! What the checks on the machine code must find: a way to a panic, a locked
//! instruction, and a call to a function that has them.

use std::sync::atomic::{AtomicU64, Ordering};

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A panic, two calls deep.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn heapledger_planted_panic(index: usize) -> u8 {
    deeper(index).wrapping_add(1)
}

#[inline(never)]
fn deeper(index: usize) -> u8 {
    std::hint::black_box([1_u8, 2, 3])[index]
}

/// A locked instruction.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn heapledger_planted_lock(by: u64) -> u64 {
    COUNTER.fetch_add(by, Ordering::Relaxed)
}

/// Keeps the linker from dropping the two.
pub fn keep() {
    std::hint::black_box(heapledger_planted_panic as extern "C" fn(usize) -> u8);
    std::hint::black_box(heapledger_planted_lock as extern "C" fn(u64) -> u64);
}
