//! Where the owner of a block is kept: decided by the block's layout alone, so
//! that `dealloc`, which is told the layout, decides the same.
//!
//! | regime | layouts | untagged block | tagged block |
//! |---|---|---|---|
//! | tiny | size ≤ 6, align ≤ 8 | 8 bytes, owner 0 in the last two | 8 bytes, owner in the last two |
//! | header | 9 ≤ size < 512, size modulo 16 from 1 to 8, align ≤ 8 | as the backend gives it, address 0 modulo 16 | 8-byte header before it, address 8 modulo 16 |
//! | word | size 7 or 8, align ≤ 8 | as the backend gives it | 16 bytes, owner in the tag map |
//! | map | everything else | as the backend gives it; below 512, address 0 modulo 16 | the same, owner in the tag map |
//!
//! In the header regime one bit of the address tells tagged from untagged
//! without a load: the backend's blocks of 9 bytes and more are aligned to 16
//! (by its size classes, or because we ask for it), and a tagged block starts 8
//! bytes into one. A block whose size class a header would change (a buffer of 64
//! bytes would take 80) has its owner in the map instead. A tiny block always has
//! room for two more bytes, because no backend has a size class below 8. A tagged
//! word takes 16 bytes so that the map needs no entry for every 8: the entries of
//! the few blocks of this size would lie scattered over as many pages.

use core::alloc::Layout;

use heapledger_alloc_sys::Backend;

use crate::ledger::small_mask::SMALL_IN_MAP;
use crate::ledger::tag_map;

/// Largest tiny block: two bytes of eight are the owner's.
pub(crate) const TINY_MAX: usize = 6;
/// Largest alignment of a tiny block and of one with a header.
pub(crate) const PLAIN_ALIGN_MAX: usize = 8;
/// Smallest and (exclusive) largest small block.
pub(crate) const SMALL_MIN: usize = 9;
const SMALL_END: usize = tag_map::LARGE_MIN;
/// A header: the offset of the owner's cell in every shard in the upper half, the
/// block's size in the lower one.
const HEADER_BYTES: usize = 8;

/// How the owner of a block is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Regime {
    Tiny,
    Word,
    Header,
    Map,
}

impl Regime {
    #[inline(always)]
    pub(crate) const fn of(layout: Layout) -> Self {
        if layout.align() > PLAIN_ALIGN_MAX {
            Self::Map
        } else if layout.size() <= TINY_MAX {
            Self::Tiny
        } else if layout.size() < SMALL_MIN {
            Self::Word
        } else if is_header_size(layout.size()) {
            Self::Header
        } else {
            Self::Map
        }
    }
}

/// Whether a block of this size, not over-aligned, is small: it starts at 0
/// modulo 16, or at 8 if it has a header.
#[inline(always)]
pub(crate) const fn is_small(size: usize) -> bool {
    size.wrapping_sub(SMALL_MIN) < SMALL_END - SMALL_MIN
}

/// What decides whether a small block carries a header.
#[inline(always)]
pub(crate) const fn small_bits(size: usize) -> u32 {
    size.wrapping_sub(SMALL_MIN) as u32
}

/// Whether a block of this size, not over-aligned, is in the header regime: it is
/// small, and eight more bytes end in the same 16, so that no size class is left
/// for the header's sake. For these, `size - 9` has the bit of 8.
#[inline(always)]
pub(crate) const fn is_header_size(size: usize) -> bool {
    is_small(size) && small_has_header(size)
}

/// The same for a size that is known to be small.
#[inline(always)]
pub(crate) const fn small_has_header(size: usize) -> bool {
    small_bits(size) & SMALL_IN_MAP != 0
}

/// The layout asked of the backend for a tiny block.
pub(crate) const TINY: Layout = match Layout::from_size_align(8, 8) {
    Ok(layout) => layout,
    Err(_) => panic!("8 bytes aligned to 8 is a layout"),
};

/// The layout asked of the backend for a tagged word.
pub(crate) const TAGGED_WORD: Layout = match Layout::from_size_align(16, 16) {
    Ok(layout) => layout,
    Err(_) => panic!("16 bytes aligned to 16 is a layout"),
};

/// The layout asked of the backend for an untagged block that is not tiny, and
/// for a tagged one of the map.
///
/// A block of less than 16 bytes in the map takes 16: nobody else, an untagged
/// word for instance, may start in the bytes of its entry. Where the backend does
/// not promise it by itself, it is also asked for the address that the records
/// need: for small blocks one that is 0 modulo 16.
#[inline(always)]
pub(crate) const fn plain<B: Backend>(layout: Layout) -> Layout {
    let over_aligned = layout.align() > PLAIN_ALIGN_MAX;
    if !over_aligned && (B::ALIGNS_TO_16 || !is_small(layout.size())) {
        return layout;
    }
    let size = if layout.size() < 16 { 16 } else { layout.size() };
    let align = if over_aligned { layout.align() } else { 16 };
    // SAFETY: powers of two; a layout with this alignment has room for 16 bytes,
    // and one that is not over-aligned is small.
    unsafe { Layout::from_size_align_unchecked(size, align) }
}

/// The layout asked of the backend for a tagged block with a header.
#[inline(always)]
pub(crate) const fn with_header(layout: Layout) -> Layout {
    let size = layout.size().wrapping_add(HEADER_BYTES);
    // SAFETY: 16 is a power of two, and the size is below 520. It is at least
    // 17, so jemalloc needs no alignment flag for it.
    unsafe { Layout::from_size_align_unchecked(size, 16) }
}

/// Whether a block of the header regime is tagged.
#[inline(always)]
pub(crate) fn has_header(block: *mut u8) -> bool {
    block.addr() & 8 != 0
}

/// The start of the backend's block, from the user's address.
///
/// # Safety
///
/// - `block` has a header.
#[inline(always)]
pub(crate) unsafe fn header_base(block: *mut u8) -> *mut u8 {
    // SAFETY: the header is in the same allocation, just before (caller).
    unsafe { block.sub(HEADER_BYTES) }
}

/// Reads the offset of the owner's cell.
///
/// # Safety
///
/// - `base` is the start of a live block with a header.
#[inline(always)]
pub(crate) unsafe fn read_header(base: *const u8) -> u32 {
    // SAFETY: 16-byte aligned, written by `write_header` (caller).
    (unsafe { base.cast::<u64>().read() } >> 32) as u32
}

/// What `write_header` writes: one word for both.
#[inline(always)]
pub(crate) fn header(offset: u32, size: usize) -> u64 {
    in_one_register((u64::from(offset) << 32) | size as u64)
}

/// Keeps the compiler from taking the word apart again: one register has to live
/// across the call of the backend then, and not two (three instructions less).
#[inline(always)]
fn in_one_register(word: u64) -> u64 {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    {
        let mut word = word;
        // SAFETY: no instruction; it only claims to change the register.
        unsafe {
            core::arch::asm!("/* {0} */", inout(reg) word,
                options(pure, nomem, nostack, preserves_flags));
        }
        word
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        word
    }
}

/// The size in a header.
#[inline(always)]
pub(crate) const fn size_of_header(header: u64) -> usize {
    header as u32 as usize
}

/// Writes a header; returns the user's address.
///
/// # Safety
///
/// - `base` is a block that was allocated with `with_header`.
#[inline(always)]
pub(crate) unsafe fn write_header(base: *mut u8, header: u64) -> *mut u8 {
    // SAFETY: 16-byte aligned and at least 17 bytes long (caller).
    unsafe {
        base.cast::<u64>().write(header);
        base.add(HEADER_BYTES)
    }
}

/// The owner's place in a tiny block.
///
/// # Safety
///
/// - `block` was allocated with the layout `TINY`.
#[inline(always)]
pub(crate) unsafe fn tiny_owner(block: *mut u8) -> *mut u16 {
    // SAFETY: bytes 6 and 7 of eight (caller); 8-byte aligned, so the result is
    // aligned to two.
    unsafe { block.add(TINY_MAX).cast::<u16>() }
}
