//! A shared library with an allocator and a ledger of its own, behind C functions.
//!
//! `tests/process/dlopen.rs` loads it into hosts, `two_ledgers.rs` into a program
//! that has a ledger too.

use std::slice;

use heapledger::{Tag, scope};

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

static BLOCKS: Tag = Tag::new("plugin/blocks");

/// Allocates a block and fills it; the plugin owns it until `plugin_free`.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_block(bytes: usize, fill: u8) -> *mut u8 {
    let block = BLOCKS.run(|| vec![fill; bytes].into_boxed_slice());
    Box::into_raw(block).cast()
}

/// Frees a block of `plugin_block`.
///
/// # Safety
///
/// - `block` came from `plugin_block(bytes, _)` and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plugin_free(block: *mut u8, bytes: usize) {
    // SAFETY: the two are those of the box that `plugin_block` let go (caller).
    drop(unsafe { Box::from_raw(core::ptr::slice_from_raw_parts_mut(block, bytes)) });
}

/// The sum of somebody else's bytes, copied into a block of the plugin's own first.
///
/// # Safety
///
/// - `block` is valid for reading `bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plugin_sum(block: *const u8, bytes: usize) -> u64 {
    // SAFETY: valid for reading (caller).
    let copy = scope!("plugin/copies", unsafe { slice::from_raw_parts(block, bytes) }.to_vec());
    copy.iter().map(|byte| u64::from(*byte)).sum()
}

/// Threads of the plugin's own that allocate in scopes and end; returns how many
/// bytes they allocated, 0 if the ledger says otherwise.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_work(threads: usize) -> u64 {
    let tag = Tag::register("plugin/work").expect("a good name");
    let allocated = || tag.read().map_or(0, |reading| reading.own.allocated_bytes);
    let before = allocated();
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let tag = tag.clone();
            std::thread::spawn(move || {
                for size in [1, 8, 100, 600, 10_000] {
                    tag.run(|| drop(std::hint::black_box(vec![1_u8; size])));
                }
            })
        })
        .collect();
    for worker in workers {
        if worker.join().is_err() {
            return 0;
        }
    }
    let expected = threads as u64 * 10_709;
    if allocated() - before == expected { expected } else { 0 }
}

/// Live bytes under `"plugin"` and below; -1 if the ledger does not serve.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_live_bytes() -> i64 {
    let plugin = Tag::register("plugin").expect("a good name");
    plugin.read().map_or(-1, |reading| reading.with_children.live_bytes_signed())
}

/// 0 if the plugin's ledger keeps its invariants.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_self_check() -> i32 {
    i32::from(heapledger::self_check().is_err())
}
