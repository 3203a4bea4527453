//! Errors that a sanitizer must catch: `ci/sanitizers.sh` runs each before it
//! trusts the sanitizer's silence. Ignored otherwise, because each is undefined
//! behaviour; the blocks come from heapledger, so a sanitizer that does not see
//! them would not see heapledger's errors either.

use std::collections::TryReserveError;
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;

use heapledger::{Allocator, scope};

#[global_allocator]
static GLOBAL: Allocator = Allocator::new();

/// AddressSanitizer: heap-use-after-free, of a block with a header before it.
#[test]
#[ignore = "a planted error, for ci/sanitizers.sh"]
fn use_after_free() {
    let block: *mut u64 = Box::into_raw(scope!("planted", Box::new([17_u64; 4]))).cast();
    // SAFETY: the first line is sound; the second is the planted error.
    unsafe {
        drop(Box::from_raw(block.cast::<[u64; 4]>()));
        black_box(black_box(block).read());
    }
}

/// AddressSanitizer: heap-buffer-overflow, by one byte.
#[test]
#[ignore = "a planted error, for ci/sanitizers.sh"]
fn write_past_the_end() {
    let mut block = scope!("planted", Box::new([17_u8; 100]));
    let past = black_box(block.as_mut_ptr()).wrapping_add(100);
    // SAFETY: none, this is the planted error.
    unsafe { past.write(1) };
    black_box(block);
}

/// AddressSanitizer: heap-use-after-free, on the way out of a function whose second
/// allocation was made to fail.
#[test]
#[ignore = "a planted error, for ci/sanitizers.sh"]
fn use_after_an_injected_failure() {
    fn pair() -> Result<Vec<u8>, TryReserveError> {
        let mut first: Vec<u8> = Vec::new();
        first.try_reserve_exact(40)?;
        first.resize(40, 17);
        let start = first.as_ptr();
        let mut second: Vec<u8> = Vec::new();
        second.try_reserve_exact(40).inspect_err(|_| {
            drop(first);
            // SAFETY: none, this is the planted error.
            black_box(unsafe { black_box(start).read() });
        })?;
        Ok(second)
    }
    let run = scope!("planted", heapledger::inject::fail_nth(1, pair));
    assert!(run.is_ok_and(|run| run.fired()));
}

/// ThreadSanitizer: a data race, on a block that two threads write.
#[test]
#[ignore = "a planted error, for ci/sanitizers.sh"]
fn race() {
    struct Shared(*mut u64);
    // SAFETY: none, this is the planted error.
    unsafe impl Sync for Shared {}
    let shared = &Shared(Box::into_raw(scope!("planted", Box::new(0_u64))));
    // Both at once: a thread that ends hands its slot to the next, which orders
    // the two.
    let both = &Barrier::new(2);
    let count = move || {
        both.wait();
        for _ in 0..1000 {
            // SAFETY: none, this is the planted error.
            unsafe { shared.0.write(black_box(shared.0.read()) + 1) };
        }
    };
    thread::scope(|scope| {
        scope.spawn(count);
        scope.spawn(count);
    });
    // SAFETY: made by `Box::into_raw` above; the threads have ended.
    drop(unsafe { Box::from_raw(shared.0) });
}
