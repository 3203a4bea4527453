//! mimalloc, through its `malloc`-like entry points.

use core::alloc::Layout;
use core::ffi::c_void;
use core::fmt::{self, Write};
use std::sync::OnceLock;

use libmimalloc_sys as mi;

use crate::{Backend, Capabilities, PurgeError, Statistics};

/// mimalloc, as `libmimalloc-sys` builds it.
///
/// It tells the size of a block, the size class of a request and its version, and
/// purges. It tells no statistics: built without debugging, mimalloc does not
/// count blocks (bytes freed are not subtracted), and its one count of memory,
/// the committed bytes, does not fall when pages are returned to the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mimalloc;

/// True if mimalloc's own placement gives the alignment.
///
/// The blocks of a page lie one after another from an address aligned to 16 and to
/// the block size if that is smaller; block sizes are multiples of 16
/// (`MI_MAX_ALIGN_SIZE`), but for a word and, on 32-bit targets, two. So every
/// block is aligned to a word, and to what it asks if that is at most 16 and at
/// most its size.
const fn is_natural(layout: Layout) -> bool {
    layout.align() <= size_of::<usize>()
        || (layout.align() <= 16 && layout.align() <= layout.size())
}

// SAFETY: mimalloc gives what the trait asks. The alignment promise on 64-bit
// targets: a request of 9 bytes or more is served from a block size that is a
// multiple of 16, at an address aligned to 16 (see `is_natural`); an alignment
// above 16 is asked for; a realloc in place keeps a block that is large enough,
// and so is such a block already. (A debug build of mimalloc with the option
// `guarded_precise` gives up even malloc's own alignment; nothing here holds
// then.) Its C code neither unwinds nor calls Rust.
unsafe impl Backend for Mimalloc {
    const ALIGNS_TO_16: bool = cfg!(target_pointer_width = "64");
    const NAME: &'static str = "mimalloc";

    #[inline(always)]
    unsafe fn allocate(&self, layout: Layout) -> *mut u8 {
        if is_natural(layout) {
            // SAFETY: any size may be asked for.
            unsafe { mi::mi_malloc(layout.size()).cast() }
        } else {
            // SAFETY: the alignment is a power of two.
            unsafe { mi::mi_malloc_aligned(layout.size(), layout.align()).cast() }
        }
    }

    #[inline(always)]
    unsafe fn allocate_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_natural(layout) {
            // SAFETY: any size may be asked for.
            unsafe { mi::mi_zalloc(layout.size()).cast() }
        } else {
            // SAFETY: the alignment is a power of two.
            unsafe { mi::mi_zalloc_aligned(layout.size(), layout.align()).cast() }
        }
    }

    #[inline(always)]
    unsafe fn reallocate(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let block = block.cast::<c_void>();
        // SAFETY: align is a power of two, new_size is in range (caller).
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        if is_natural(new_layout) {
            // SAFETY: block is a live mimalloc block (caller).
            unsafe { mi::mi_realloc(block, new_size).cast() }
        } else {
            // SAFETY: as above; the alignment is a power of two.
            unsafe { mi::mi_realloc_aligned(block, new_size, layout.align()).cast() }
        }
    }

    #[inline(always)]
    unsafe fn free(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: block is a live mimalloc block (caller).
        unsafe { mi::mi_free(block.cast::<c_void>()) }
    }

    unsafe fn usable_size(&self, block: *const u8, _layout: Layout) -> Option<usize> {
        // SAFETY: block is a live mimalloc block (caller).
        Some(unsafe { mi::mi_usable_size(block.cast::<c_void>()) })
    }

    /// None for an alignment that mimalloc finds inside a larger block.
    fn size_class(layout: Layout) -> Option<usize> {
        if !is_natural(layout) {
            return None;
        }
        // SAFETY: any size may be asked for.
        Some(unsafe { mi::mi_good_size(layout.size()) })
    }

    fn version() -> Option<&'static str> {
        static VERSION: OnceLock<Version> = OnceLock::new();
        // SAFETY: the function has no precondition.
        VERSION.get_or_init(|| Version::new(unsafe { mi::mi_version() })).as_str()
    }

    fn statistics() -> Statistics {
        Statistics::default()
    }

    fn thread_allocated_bytes() -> Option<u64> {
        None
    }

    fn purge() -> Result<(), PurgeError> {
        // SAFETY: callable on any thread at any time.
        unsafe { mi::mi_collect(true) };
        Ok(())
    }

    fn capabilities() -> Capabilities {
        Capabilities { statistics: false, purge: true, thread_allocated: false, usable_size: true }
    }
}

/// A version as text, in place: a backend must not allocate it.
struct Version {
    text: [u8; 16],
    len: usize,
}

impl Version {
    /// `30302` is version 3.3.2: two digits each for minor and patch. (Numbers of
    /// three digits are of releases older than any that `libmimalloc-sys` builds.)
    fn new(number: i32) -> Self {
        let mut version = Self { text: [0; 16], len: 0 };
        let (major, minor, patch) = (number / 10_000, number / 100 % 100, number % 100);
        if write!(version, "{major}.{minor}.{patch}").is_err() {
            version.len = 0;
        }
        version
    }

    fn as_str(&self) -> Option<&str> {
        let text = self.text.get(..self.len)?;
        if text.is_empty() { None } else { core::str::from_utf8(text).ok() }
    }
}

impl Write for Version {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.len.checked_add(part.len()).ok_or(fmt::Error)?;
        let place = self.text.get_mut(self.len..end).ok_or(fmt::Error)?;
        place.copy_from_slice(part.as_bytes());
        self.len = end;
        Ok(())
    }
}
