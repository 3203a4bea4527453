//! `purge` lowers the resident memory of the process. A program of its own: it
//! reads what the kernel says about the whole process.

#![cfg(target_os = "linux")]

use core::alloc::Layout;
use heapledger_alloc_sys::{Backend, PurgeError};

const MIB: usize = 1 << 20;
const BLOCK_BYTES: usize = 64 << 10;
const BLOCKS: usize = 64 * MIB / BLOCK_BYTES;

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("procfs");
    let pages: usize =
        statm.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a number");
    pages * heapledger_alloc_sys::os_pages::page_size()
}

/// Touches 64 MiB, frees all but the last block (which keeps the end of a heap
/// that grows from being trimmed unasked), purges; the resident bytes before the
/// blocks, with them, after freeing, and after purging.
fn resident_steps<B: Backend>(backend: &B) -> [usize; 4] {
    let layout = Layout::from_size_align(BLOCK_BYTES, 8).expect("a valid layout");
    let mut blocks = [core::ptr::null_mut::<u8>(); BLOCKS];
    let before = resident_bytes();
    for block in &mut blocks {
        // SAFETY: the size is not 0.
        *block = unsafe { backend.allocate(layout) };
        assert!(!block.is_null());
        // SAFETY: the block has this many bytes.
        unsafe { block.write_bytes(1, BLOCK_BYTES) };
    }
    let touched = resident_bytes();
    let [freed @ .., last] = &blocks;
    for block in freed {
        // SAFETY: live, of this layout, and not used any more.
        unsafe { backend.free(*block, layout) };
    }
    let after_free = resident_bytes();
    B::purge().expect("it can purge");
    let purged = resident_bytes();
    // SAFETY: live, of this layout, and not used any more.
    unsafe { backend.free(*last, layout) };
    [before, touched, after_free, purged]
}

fn assert_purges<B: Backend>(backend: &B) {
    let steps = resident_steps(backend);
    let [before, touched, after_free, purged] = steps;
    println!("{}: {:?} MiB", B::NAME, steps.map(|bytes| bytes / MIB));
    assert!(touched >= before + 60 * MIB, "{}: {steps:?}", B::NAME);
    // Else there was nothing to purge, and the test shows nothing.
    assert!(after_free >= before + 32 * MIB, "{}: {steps:?}", B::NAME);
    // The last block keeps what it lies in: 4 MiB with mimalloc.
    assert!(purged <= before + 8 * MIB, "{}: {steps:?}", B::NAME);
}

#[test]
fn purging_lowers_resident_memory() {
    use heapledger_alloc_sys::{SystemMalloc, Wrapped};
    assert_eq!(Wrapped::<std::alloc::System>::purge(), Err(PurgeError::Unsupported));
    if SystemMalloc::capabilities().purge {
        assert_purges(&SystemMalloc);
    }
    #[cfg(feature = "backend-jemalloc")]
    assert_purges(&heapledger_alloc_sys::Jemalloc);
    #[cfg(feature = "backend-mimalloc")]
    assert_purges(&heapledger_alloc_sys::Mimalloc);
}
