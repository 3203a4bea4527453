//! The backends of heapledger: the only place that knows jemalloc, mimalloc and
//! the operating system's memory calls.
//!
//! A [`Backend`] serves memory and tells what it knows about it. Which one is
//! the [`DefaultBackend`] is chosen at compile time: the system allocator if
//! `backend-system` is on, else mimalloc if `backend-mimalloc` is on, else
//! jemalloc on Linux, else the system allocator. Any other
//! [`GlobalAlloc`](core::alloc::GlobalAlloc) is wrapped by [`Wrapped`].
//!
//! This crate counts nothing; the ledger does, on top of it.
//!
//! What serves memory runs inside the registered global allocator, as may
//! [`os_pages`] and [`thread_exit`]: nothing there calls it back or panics. What
//! tells about an allocator, and [`atfork`], are for ordinary code.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use core::alloc::Layout;

#[cfg(all(target_os = "linux", feature = "backend-jemalloc"))]
mod jemalloc;
#[cfg(feature = "backend-mimalloc")]
mod mimalloc;
mod system;
mod wrapped;

pub mod atfork;
pub mod barrier;
pub mod os_pages;
pub mod os_thread;
pub mod thread_exit;

#[cfg(all(target_os = "linux", feature = "backend-jemalloc"))]
pub use jemalloc::Jemalloc;
#[cfg(feature = "backend-mimalloc")]
pub use mimalloc::Mimalloc;
pub use system::SystemMalloc;
pub use wrapped::Wrapped;

/// The backend that `heapledger::Allocator::new()` uses.
#[cfg(feature = "backend-system")]
pub type DefaultBackend = SystemMalloc;
/// The backend that `heapledger::Allocator::new()` uses.
#[cfg(all(feature = "backend-mimalloc", not(feature = "backend-system")))]
pub type DefaultBackend = Mimalloc;
/// The backend that `heapledger::Allocator::new()` uses.
#[cfg(all(
    target_os = "linux",
    feature = "backend-jemalloc",
    not(any(feature = "backend-system", feature = "backend-mimalloc"))
))]
pub type DefaultBackend = Jemalloc;
/// The backend that `heapledger::Allocator::new()` uses.
#[cfg(not(any(
    feature = "backend-system",
    feature = "backend-mimalloc",
    all(target_os = "linux", feature = "backend-jemalloc")
)))]
pub type DefaultBackend = SystemMalloc;

/// The six statistics of an allocator, in jemalloc's words, in bytes, and which part
/// of one is in the others.
///
/// What a backend cannot tell is `None`, never 0. Of those known,
/// `allocated ≤ active ≤ resident`, `active ≤ mapped` and `metadata ≤ resident`
/// hold up to the moment between two reads. `resident` and `mapped` have no order:
/// unused pages that are still in memory may count as one and not the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Bytes in blocks handed out, each rounded up to its size class. Blocks that a
    /// thread keeps cached after `free` count as handed out.
    pub allocated_bytes: Option<u64>,
    /// Bytes in pages that hold at least one handed-out block.
    pub active_bytes: Option<u64>,
    /// Bytes the allocator uses for its own bookkeeping.
    pub metadata_bytes: Option<u64>,
    /// The part of `metadata_bytes` that is in blocks, such as the threads' caches,
    /// and so in `allocated_bytes` and `active_bytes` too.
    pub internal_bytes: Option<u64>,
    /// Bytes in pages the allocator believes to be in physical memory.
    pub resident_bytes: Option<u64>,
    /// Bytes in address space mapped and in use by the allocator.
    pub mapped_bytes: Option<u64>,
    /// Bytes in address space kept without memory behind it, for later use.
    pub retained_bytes: Option<u64>,
}

/// What a backend can do beyond serving memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// [`Backend::statistics`] tells at least `allocated_bytes`.
    pub statistics: bool,
    /// [`Backend::purge`] returns unused pages to the operating system.
    pub purge: bool,
    /// [`Backend::thread_allocated_bytes`] tells the calling thread's total.
    pub thread_allocated: bool,
    /// [`Backend::usable_size`] tells the true size of a block.
    pub usable_size: bool,
}

/// What a backend says about one of its size classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SizeClass {
    /// Bytes that a block of this class occupies.
    pub block_bytes: u64,
    /// Blocks handed out. Blocks that a thread keeps cached after `free` count as
    /// handed out.
    pub live_blocks: u64,
    /// Blocks ever handed out, as far as the backend was told: a thread's cache
    /// tells now and then, and when it is flushed.
    pub allocated_blocks: u64,
}

/// Why a backend did not purge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeError {
    /// The backend has no way to return unused pages.
    Unsupported,
    /// The backend refused, with its own error number.
    Failed(i32),
}

impl core::fmt::Display for PurgeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Unsupported => f.write_str("this backend cannot return unused pages"),
            Self::Failed(code) => write!(f, "the backend refused to purge (error {code})"),
        }
    }
}

impl core::error::Error for PurgeError {}

/// Something that serves memory to the ledger.
///
/// The functions that tell about the whole allocator take no `self`: they
/// describe the process-wide allocator behind every value of the type, and stay
/// callable when no value is at hand.
///
/// # Safety
///
/// - `allocate`, `allocate_zeroed` and `reallocate` return null, or an address
///   aligned to `layout.align()` of a block of at least the requested size that
///   no other live block overlaps.
/// - A null return changes nothing; after a null from `reallocate` the old block
///   is still live.
/// - If `ALIGNS_TO_16` is true, every block of 9 bytes or more is aligned to 16,
///   and every block of 7 or 8 bytes to 8, whatever alignment was asked,
///   `reallocate`'s result included.
/// - No function unwinds, and none calls the registered global allocator.
pub unsafe trait Backend: Send + Sync + 'static {
    /// Every block of 9 bytes or more is 16-byte aligned without asking.
    const ALIGNS_TO_16: bool;

    /// The allocator's name, in lower case: `"jemalloc"`.
    const NAME: &'static str;

    /// Allocates a block; null if there is no memory.
    ///
    /// # Safety
    ///
    /// - `layout.size()` is not 0.
    unsafe fn allocate(&self, layout: Layout) -> *mut u8;

    /// Allocates a block of zeroes; null if there is no memory.
    ///
    /// Pages that are zero already are not touched, where the backend can tell. (The
    /// system's malloc cannot for an alignment above 16.)
    ///
    /// # Safety
    ///
    /// - `layout.size()` is not 0.
    unsafe fn allocate_zeroed(&self, layout: Layout) -> *mut u8;

    /// Resizes a block, in place where it can; null leaves the block as it was.
    ///
    /// # Safety
    ///
    /// - `block` came from this backend with `layout` and is live.
    /// - `new_size` is not 0 and, rounded up to `layout.align()`, at most `isize::MAX`.
    unsafe fn reallocate(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8;

    /// Frees a block.
    ///
    /// # Safety
    ///
    /// - `block` came from this backend with `layout` and is live.
    unsafe fn free(&self, block: *mut u8, layout: Layout);

    /// Bytes that may be used in a block: its size class; `None` if unknown.
    ///
    /// # Safety
    ///
    /// - `block` came from this backend with `layout` and is live.
    unsafe fn usable_size(&self, block: *const u8, layout: Layout) -> Option<usize>;

    /// Bytes a request of this layout would occupy: its size class; `None` if unknown.
    fn size_class(layout: Layout) -> Option<usize>;

    /// The allocator's own version, as it reports it; `None` if it does not.
    fn version() -> Option<&'static str>;

    /// The six statistics, refreshed now.
    fn statistics() -> Statistics;

    /// Total bytes the calling thread ever allocated, by the allocator's own count.
    fn thread_allocated_bytes() -> Option<u64>;

    /// Bytes of a page as the allocator was built for; `None` if it does not tell. A
    /// page smaller than the system's is fatal, a larger one wastes memory.
    fn page_bytes() -> Option<usize> {
        None
    }

    /// Tells every size class there is, from the smallest; `None` if it cannot.
    fn size_classes(tell: &mut dyn FnMut(SizeClass)) -> Option<()> {
        let _ = tell;
        None
    }

    /// Returns unused pages to the operating system.
    fn purge() -> Result<(), PurgeError>;

    /// What this backend can do.
    fn capabilities() -> Capabilities;
}
