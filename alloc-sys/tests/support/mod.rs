//! What the tests of the backends share: a block that frees itself, and a module of
//! tests for each backend of the build.

use core::alloc::Layout;
use heapledger_alloc_sys::Backend;

/// Declares a module of tests per backend, each calling the named generic functions.
macro_rules! for_each_backend {
    ($($test:ident),* $(,)?) => {
        mod system {
            $(#[test] fn $test() { super::$test(&heapledger_alloc_sys::SystemMalloc); })*
        }
        mod wrapped {
            static BACKEND: heapledger_alloc_sys::Wrapped<std::alloc::System> =
                heapledger_alloc_sys::Wrapped::new(std::alloc::System);
            $(#[test] fn $test() { super::$test(&BACKEND); })*
        }
        #[cfg(all(target_os = "linux", feature = "backend-jemalloc"))]
        mod jemalloc {
            $(#[test] fn $test() { super::$test(&heapledger_alloc_sys::Jemalloc); })*
        }
        #[cfg(feature = "backend-mimalloc")]
        mod mimalloc {
            $(#[test] fn $test() { super::$test(&heapledger_alloc_sys::Mimalloc); })*
        }
    };
}
pub(crate) use for_each_backend;

/// A live block that is freed when dropped.
pub(crate) struct Block<'a, B: Backend> {
    backend: &'a B,
    pub(crate) address: *mut u8,
    pub(crate) layout: Layout,
}

impl<'a, B: Backend> Block<'a, B> {
    /// A block, or None for null.
    pub(crate) fn new(backend: &'a B, size: usize, align: usize, zeroed: bool) -> Option<Self> {
        let layout = Layout::from_size_align(size, align).expect("a valid layout");
        assert_ne!(size, 0, "zero-sized requests never reach a backend");
        let address = if zeroed {
            // SAFETY: the size is not 0.
            unsafe { backend.allocate_zeroed(layout) }
        } else {
            // SAFETY: the size is not 0.
            unsafe { backend.allocate(layout) }
        };
        if address.is_null() { None } else { Some(Self { backend, address, layout }) }
    }

    /// Resizes the block; false for null, which leaves it as it was.
    pub(crate) fn resize(&mut self, size: usize) -> bool {
        let layout = Layout::from_size_align(size, self.layout.align()).expect("a valid layout");
        // SAFETY: a live block of this layout; the size is not 0 and is in range.
        let address = unsafe { self.backend.reallocate(self.address, self.layout, size) };
        if address.is_null() {
            return false;
        }
        (self.address, self.layout) = (address, layout);
        true
    }

    /// Its bytes, all initialised by a test before it reads them.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: a live block of this size, borrowed for as long as the slice.
        unsafe { core::slice::from_raw_parts_mut(self.address, self.layout.size()) }
    }

    /// What the backend tells as its size.
    pub(crate) fn usable_size(&self) -> Option<usize> {
        // SAFETY: a live block of this layout.
        unsafe { self.backend.usable_size(self.address, self.layout) }
    }

    /// Panics if the block is not as aligned as the trait promises.
    pub(crate) fn assert_aligned(&self) {
        let (address, layout) = (self.address.addr(), self.layout);
        assert_eq!(address % layout.align(), 0, "{}: {address:#x} for {layout:?}", B::NAME);
        if B::ALIGNS_TO_16 && layout.size() >= 9 {
            assert_eq!(address % 16, 0, "{}: {address:#x} for {layout:?}", B::NAME);
        }
    }
}

impl<B: Backend> Drop for Block<'_, B> {
    fn drop(&mut self) {
        // SAFETY: a live block of this layout; nothing uses it any more.
        unsafe { self.backend.free(self.address, self.layout) };
    }
}
