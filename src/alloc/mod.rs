//! The allocator: four functions between the program and the backend.
//!
//! Hook world: nothing here allocates, panics, formats or blocks. The layout of
//! a block decides how its owner is kept (`layout`); the thread's state decides
//! where it is counted (`local`).

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod allocating;
mod booking;
pub(crate) mod exit;
mod freeing;
pub(crate) mod install;
mod layout;
pub(crate) mod local;
mod realloc;
mod unwinding;

use core::alloc::{GlobalAlloc, Layout};

use heapledger_alloc_sys::{Backend, DefaultBackend};

use local::local;

/// The global allocator: a backend with the ledger on top.
///
/// Forwards every call to the backend, so in-place growth and lazily zeroed
/// pages stay as they are, and books what succeeded. Install it with
/// `#[global_allocator]`; one value a program.
///
/// # Cost
///
/// Outside any scope a block carries nothing and an allocation and its free
/// take fewer than 20 more instructions than the backend alone. Inside a scope
/// small blocks carry 8 bytes that name their owner, larger ones two bytes in a
/// table beside the heap. The measured figures are in `benches/README.md`.
///
/// # Concurrency
///
/// Every thread counts in cells of its own: no lock, no shared cache line.
///
/// # Examples
///
/// ```
/// #[global_allocator]
/// static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
///
/// use heapledger::{Tag, scope};
///
/// let model = scope!("embedding_model", vec![0_u8; 1 << 20]);
/// let tag = Tag::register("embedding_model").unwrap();
/// assert_eq!(tag.read().unwrap().own.live_bytes(), 1 << 20);
/// drop(model);
/// assert_eq!(tag.read().unwrap().own.live_bytes(), 0);
/// ```
#[derive(Debug, Default)]
pub struct Allocator<B: Backend = DefaultBackend> {
    backend: B,
}

impl Allocator<DefaultBackend> {
    /// An allocator over the backend that the features chose.
    #[must_use]
    pub const fn new() -> Self {
        // Every default backend is a unit struct.
        Self { backend: DefaultBackend {} }
    }
}

impl<B: Backend> Allocator<B> {
    /// An allocator over a backend of choice, for instance
    /// [`Wrapped`](crate::backend::Wrapped) around any other `GlobalAlloc`.
    ///
    /// # Examples
    ///
    /// ```
    /// use heapledger::{Allocator, backend::Wrapped};
    ///
    /// #[global_allocator]
    /// static GLOBAL: Allocator<Wrapped<std::alloc::System>> =
    ///     Allocator::with_backend(Wrapped::new(std::alloc::System));
    /// # let kept = vec![1, 2, 3];
    /// # assert!(heapledger::thread().unwrap().allocated_bytes > 0);
    /// ```
    #[must_use]
    pub const fn with_backend(backend: B) -> Self {
        Self { backend }
    }
}

// SAFETY: every block comes from the backend with at least the layout asked for
// (with a record before or behind it where the regime says so), and goes back to
// it with the layout it came with. No function unwinds: none panics, and the
// backend's contract forbids it there.
unsafe impl<B: Backend> GlobalAlloc for Allocator<B> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: every call gets the caller's layout, as it came; the first two
        // conditions leave a plain layout, with fuel there is a shard.
        unsafe {
            if align > layout::PLAIN_ALIGN_MAX {
                return allocating::alloc_aligned(size, align, self);
            }
            if size <= layout::TINY_MAX {
                return allocating::alloc_tiny(size, align, self);
            }
            let local = local();
            if local.spend_untagged(size).is_err() {
                return allocating::alloc_scoped(size, align, self);
            }
            let shard = local.own_shard();
            if const { size_of::<B>() == 0 } {
                // Of its own, so that the way into a scope saves no register.
                allocating::alloc_untagged::<B>(size, align, shard)
            } else {
                self.alloc_untagged(layout, shard)
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: every call gets the caller's block and layout, as they came;
        // past the two conditions the block is small, so the address tells whether
        // there is a header. Only the shared shard has no small mask.
        unsafe {
            if align > layout::PLAIN_ALIGN_MAX {
                return freeing::dealloc_aligned(block, size, align, self);
            }
            if !layout::is_small(size) {
                return freeing::dealloc_odd(block, size, align, self);
            }
            let shard = local().any_shard();
            if layout::has_header(block) {
                if shard.small_mask() == 0 {
                    return freeing::dealloc_slow(block, size, align, self);
                }
                let base = layout::header_base(block);
                shard.cell_at(layout::read_header(base)).book_free(size as u64);
                self.backend.free(base, layout::with_header(layout));
            } else if layout::small_bits(size) & shard.small_mask() == 0 {
                freeing::dealloc_small(block, size, align, self);
            } else {
                shard.cell(0).book_free(size as u64);
                self.backend.free(block, layout::plain::<B>(layout));
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout, as it came.
        unsafe { allocating::alloc_zeroed(layout.size(), layout.align(), self) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's arguments, as they came.
        unsafe { realloc::realloc(block, layout.size(), layout.align(), new_size, self) }
    }
}
