//! Slab pages: where slots come from, and how whole pages go back.
//!
//! A page is a block of the global allocator, allocated under the pool's tag, so
//! the ledger knows it to the byte. Its header lies at its start, found from a slot
//! by masking the address.
//!
//! Invariants: a slot is *home* (in its page's free list, or past `fresh`) or out;
//! a page whose slots are all home is freed, but for one. The lock is held for
//! links and counts only: pages are allocated and freed outside it.

use core::alloc::Layout;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::alloc::{alloc, dealloc};
use std::sync::{Mutex, MutexGuard, PoisonError};

use heapledger_alloc_sys::os_pages;

/// A page with one slot is a multiple of this.
const GRAIN_BYTES: usize = 4 << 10;

/// A cache line, on most processors.
const LINE_BYTES: usize = 64;

/// A slot that holds no object: a link in a list of such.
pub(super) struct Free {
    next: *mut Free,
}

/// The header of a page.
struct Page {
    next: *mut Page,
    previous: *mut Page,
    /// Slots that came home.
    free: *mut Free,
    free_len: u32,
    /// The first slot that was never out, or is home with all behind it.
    fresh: u32,
}

/// Empty slots on their way from pages to a thread or back.
pub(super) struct Lot {
    chain: *mut Free,
    /// So many slots of one page from here on were never touched.
    fresh: *mut u8,
    chain_len: u32,
    fresh_len: u32,
}

/// The size of slots and pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    slot_bytes: usize,
    first_slot: usize,
    slots: u32,
    page: Layout,
}

struct Book {
    /// Pages with a slot at home.
    open: *mut Page,
    /// Pages with all slots at home: among the open ones.
    whole: u32,
}

/// The pages of one pool.
pub(super) struct Pages {
    shape: Shape,
    book: Mutex<Book>,
    /// Bytes of all pages.
    bytes: AtomicU64,
    /// How many want freed pages to leave the process at once.
    discarding: AtomicU32,
}

/// Has pages that are freed leave the process at once, whatever the allocator would
/// keep.
pub(super) struct Discards<'p>(&'p Pages);

impl<'p> Discards<'p> {
    pub(super) fn new(pages: &'p Pages) -> Self {
        // Relaxed, here and below: a page freed meanwhile goes one way or the other.
        pages.discarding.fetch_add(1, Ordering::Relaxed);
        Self(pages)
    }
}

impl Drop for Discards<'_> {
    fn drop(&mut self) {
        self.0.discarding.fetch_sub(1, Ordering::Relaxed);
    }
}

// SAFETY: the pages behind the pointers are used under the lock only.
unsafe impl Send for Book {}

impl Shape {
    /// For slots of a layout, each at least as large as a link. A page with more
    /// than one slot has `page_bytes`; every page is aligned to this, or to twice
    /// the slots' alignment.
    const fn new(slot: Layout, page_bytes: usize) -> Self {
        let align =
            if slot.align() < align_of::<Free>() { align_of::<Free>() } else { slot.align() };
        let size = if slot.size() < size_of::<Free>() { size_of::<Free>() } else { slot.size() };
        let Some(slot_bytes) = size.checked_next_multiple_of(align) else {
            panic!("objects of this size have no place in memory")
        };
        // Slots that fill cache lines begin with one: two threads with neighbours would
        // write to one line, and every object be in two.
        let lines = 1 << slot_bytes.trailing_zeros();
        let within = if lines < LINE_BYTES { lines } else { LINE_BYTES };
        let first_slot =
            size_of::<Page>().next_multiple_of(if within > align { within } else { align });
        let page_align = if align > page_bytes / 2 { align * 2 } else { page_bytes };
        let many = page_align.saturating_sub(first_slot) / slot_bytes;
        let (slots, bytes) = if many > 1 {
            (many, page_align)
        } else {
            (1, first_slot.saturating_add(slot_bytes).next_multiple_of(GRAIN_BYTES))
        };
        match Layout::from_size_align(bytes, page_align) {
            Ok(page) => Self { slot_bytes, first_slot, slots: slots as u32, page },
            Err(_) => panic!("objects of this size have no place in memory"),
        }
    }

    pub(super) const fn slot_bytes(&self) -> usize {
        self.slot_bytes
    }

    pub(super) const fn page(&self) -> Layout {
        self.page
    }

    /// The page of a slot.
    fn page_of(&self, slot: *mut u8) -> *mut Page {
        slot.map_addr(|address| address & !(self.page.align() - 1)).cast()
    }

    fn slot(&self, page: *mut Page, index: u32) -> *mut u8 {
        page.cast::<u8>().wrapping_add(self.first_slot + index as usize * self.slot_bytes)
    }
}

impl Lot {
    pub(super) const EMPTY: Self =
        Self { chain: ptr::null_mut(), fresh: ptr::null_mut(), chain_len: 0, fresh_len: 0 };

    pub(super) fn is_empty(&self) -> bool {
        self.chain.is_null() && self.fresh_len == 0
    }

    pub(super) fn chain_len(&self) -> u32 {
        self.chain_len
    }

    /// Takes out all but the untouched slots.
    pub(super) fn take_chain(&mut self) -> Self {
        let (chain, chain_len) = (self.chain, self.chain_len);
        (self.chain, self.chain_len) = (ptr::null_mut(), 0);
        Self { chain, chain_len, ..Self::EMPTY }
    }

    pub(super) fn into_parts(self) -> (*mut u8, u32, *mut u8, u32) {
        (self.chain.cast(), self.chain_len, self.fresh, self.fresh_len)
    }

    /// # Safety
    ///
    /// - The parts are those of a lot, and nobody has it.
    pub(super) unsafe fn from_parts(
        chain: *mut u8,
        chain_len: u32,
        fresh: *mut u8,
        fresh_len: u32,
    ) -> Self {
        Self { chain: chain.cast(), fresh, chain_len, fresh_len }
    }

    /// Takes a slot out.
    #[inline]
    pub(super) fn pop(&mut self, slot_bytes: usize) -> Option<NonNull<u8>> {
        if let Some(slot) = NonNull::new(self.chain) {
            // SAFETY: a slot of the chain holds a link, and is this lot's.
            self.chain = unsafe { slot.as_ref() }.next;
            self.chain_len -= 1;
            return Some(slot.cast());
        }
        self.fresh_len = self.fresh_len.checked_sub(1)?;
        let slot = self.fresh;
        self.fresh = slot.wrapping_add(slot_bytes);
        NonNull::new(slot)
    }

    /// Puts a slot in.
    ///
    /// # Safety
    ///
    /// - The slot holds no object and is the caller's.
    #[inline]
    pub(super) unsafe fn push(&mut self, slot: NonNull<u8>) {
        let free = slot.cast::<Free>();
        // SAFETY: a slot is large enough for a link, and the caller's.
        unsafe { free.write(Free { next: self.chain }) };
        self.chain = free.as_ptr();
        self.chain_len += 1;
    }
}

impl Pages {
    pub(super) const fn new(slot: Layout, page_bytes: usize) -> Self {
        let book = Mutex::new(Book { open: ptr::null_mut(), whole: 0 });
        Self {
            shape: Shape::new(slot, page_bytes),
            book,
            bytes: AtomicU64::new(0),
            discarding: AtomicU32::new(0),
        }
    }

    pub(super) const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Bytes of all pages, headers and all.
    pub(super) fn bytes(&self) -> u64 {
        // Relaxed: a number for people.
        self.bytes.load(Ordering::Relaxed)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All slots that are home in one page; a new page if there is none such.
    /// `None` if the allocator has none either. Called under the pool's tag.
    pub(super) fn take(&self) -> Option<Lot> {
        let mut book = self.book();
        // SAFETY: open pages are listed, and their headers are the lock's.
        let Some(page) = (unsafe { book.open.as_mut() }) else {
            drop(book);
            return self.fresh_page();
        };
        book.leaves_home(page, &self.shape);
        book.close(page);
        let lot = page.at_home(&self.shape);
        (page.free, page.free_len, page.fresh) = (ptr::null_mut(), 0, self.shape.slots);
        Some(lot)
    }

    /// One slot; as `take`.
    pub(super) fn take_one(&self) -> Option<NonNull<u8>> {
        let mut book = self.book();
        // SAFETY: open pages are listed, and their headers are the lock's.
        let Some(page) = (unsafe { book.open.as_mut() }) else {
            drop(book);
            let mut lot = self.fresh_page()?;
            let slot = lot.pop(self.shape.slot_bytes);
            self.give(lot);
            return slot;
        };
        book.leaves_home(page, &self.shape);
        let mut lot = page.at_home(&self.shape);
        let slot = lot.pop(self.shape.slot_bytes);
        (page.free, page.free_len) = (lot.chain, lot.chain_len);
        page.fresh = self.shape.slots - lot.fresh_len;
        if page.home(&self.shape) == 0 {
            book.close(page);
        }
        slot
    }

    #[cold]
    fn fresh_page(&self) -> Option<Lot> {
        // SAFETY: the layout is not empty.
        let page = NonNull::new(unsafe { alloc(self.shape.page) })?.as_ptr();
        let header = Page {
            next: ptr::null_mut(),
            previous: ptr::null_mut(),
            free: ptr::null_mut(),
            free_len: 0,
            fresh: self.shape.slots,
        };
        // SAFETY: fresh memory, aligned and large enough for the header.
        unsafe { page.cast::<Page>().write(header) };
        // Relaxed: a number for people.
        self.bytes.fetch_add(self.shape.page.size() as u64, Ordering::Relaxed);
        let page = page.cast();
        Some(Lot { fresh: self.shape.slot(page, 0), fresh_len: self.shape.slots, ..Lot::EMPTY })
    }

    /// Takes slots home, and frees the pages that are whole then, but for one.
    pub(super) fn give(&self, mut lot: Lot) {
        let mut freed = ptr::null_mut();
        let mut book = self.book();
        if lot.fresh_len > 0 {
            let page = self.shape.page_of(lot.fresh);
            // SAFETY: the page of a slot; its header is the lock's.
            let header = unsafe { &mut *page };
            let before = header.home(&self.shape);
            header.fresh = self.shape.slots - lot.fresh_len;
            self.came_home(&mut book, header, before, &mut freed);
            lot.fresh_len = 0;
        }
        while let Some(slot) = lot.pop(self.shape.slot_bytes) {
            let page = self.shape.page_of(slot.as_ptr());
            // SAFETY: the page of a slot; its header is the lock's.
            let header = unsafe { &mut *page };
            let before = header.home(&self.shape);
            let mut home = header.at_home(&self.shape);
            // SAFETY: the slot came from the lot, empty.
            unsafe { home.push(slot) };
            (header.free, header.free_len) = (home.chain, home.chain_len);
            self.came_home(&mut book, header, before, &mut freed);
        }
        drop(book);
        self.free(freed);
    }

    /// After slots came home to a page of which `before` were there.
    fn came_home(&self, book: &mut Book, page: &mut Page, before: u32, freed: &mut *mut Page) {
        if before == 0 {
            book.open(page);
        }
        if page.home(&self.shape) == self.shape.slots {
            if book.whole == 0 {
                book.whole = 1;
            } else {
                book.close(page);
                page.next = *freed;
                *freed = page;
            }
        }
    }

    /// Frees the pages whose slots are all home; their memory leaves the process at
    /// once, whatever the allocator would keep.
    pub(super) fn shrink(&self) {
        let mut freed = ptr::null_mut::<Page>();
        let mut book = self.book();
        let mut page = book.open;
        // SAFETY: open pages are listed, and their headers are the lock's.
        while let Some(header) = unsafe { page.as_mut() } {
            page = header.next;
            if header.home(&self.shape) == self.shape.slots {
                book.close(header);
                header.next = freed;
                freed = header;
            }
        }
        book.whole = 0;
        drop(book);
        let _to_the_system = Discards::new(self);
        self.free(freed);
    }

    /// Frees a list of pages.
    fn free(&self, mut pages: *mut Page) {
        let bytes = self.shape.page.size();
        let discard = self.discarding.load(Ordering::Relaxed) > 0;
        while !pages.is_null() {
            let page = pages;
            // SAFETY: pages of the list are nobody else's any more.
            pages = unsafe { (*page).next };
            // Relaxed: a number for people.
            self.bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
            if discard {
                // SAFETY: nobody's page; nothing in it is needed.
                unsafe { os_pages::discard(page.cast(), bytes) };
            }
            // SAFETY: allocated in `fresh_page` with this layout, and nobody's.
            unsafe { dealloc(page.cast(), self.shape.page) };
        }
    }
}

impl Page {
    /// How many slots are home.
    fn home(&self, shape: &Shape) -> u32 {
        self.free_len + (shape.slots - self.fresh)
    }

    /// The slots that are home.
    fn at_home(&mut self, shape: &Shape) -> Lot {
        let page = ptr::from_mut(self);
        Lot {
            chain: self.free,
            fresh: shape.slot(page, self.fresh),
            chain_len: self.free_len,
            fresh_len: shape.slots - self.fresh,
        }
    }
}

impl Book {
    /// Before slots of an open page go out.
    fn leaves_home(&mut self, page: &Page, shape: &Shape) {
        self.whole -= u32::from(page.home(shape) == shape.slots);
    }

    fn open(&mut self, page: &mut Page) {
        page.previous = ptr::null_mut();
        page.next = self.open;
        // SAFETY: null, or an open page's header, which is the lock's.
        if let Some(next) = unsafe { self.open.as_mut() } {
            next.previous = page;
        }
        self.open = page;
    }

    fn close(&mut self, page: &mut Page) {
        // SAFETY: null, or an open page's header, which is the lock's.
        match unsafe { page.previous.as_mut() } {
            Some(previous) => previous.next = page.next,
            None => self.open = page.next,
        }
        // SAFETY: as above.
        if let Some(next) = unsafe { page.next.as_mut() } {
            next.previous = page.previous;
        }
        (page.next, page.previous) = (ptr::null_mut(), ptr::null_mut());
    }
}

impl Drop for Pages {
    /// Pages with a slot out stay: somebody may still use it.
    fn drop(&mut self) {
        self.shrink();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_of_whole_cache_lines_share_none() {
        let first_slot = |size, align| {
            let slot = Layout::from_size_align(size, align).expect("a layout");
            let shape = Shape::new(slot, 64 << 10);
            let slots = shape.slots as usize * shape.slot_bytes;
            assert!(shape.first_slot + slots <= shape.page.size());
            assert!(
                shape.first_slot >= size_of::<Page>() && shape.first_slot.is_multiple_of(align)
            );
            shape.first_slot
        };
        for size in [64, 128, 192, 4096] {
            assert_eq!(first_slot(size, 8) % LINE_BYTES, 0, "{size}");
        }
        // A slot within one line stays so; where none can, nothing is given away.
        assert_eq!([8, 16, 32, 40, 72].map(|size| first_slot(size, 8)), [size_of::<Page>(); 5]);
        assert_eq!(first_slot(256, 128), 128);
    }
}
