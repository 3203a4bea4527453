//! A block under test: it knows what was written into it, and who owns it.

use core::alloc::{GlobalAlloc, Layout};

use super::model::Owner;

/// Bytes at the start and the end of a large block that are written and checked;
/// between them one byte a page, and in a huge block fewer.
const HEAD: usize = 4096;
const TAIL: usize = 256;
const STEP: usize = 4096;
const STEPS_MAX: usize = 1024;

/// A live block. It does not free itself: the tests are about who does.
#[derive(Debug)]
pub struct Block {
    pub address: *mut u8,
    pub layout: Layout,
    pub owner: Owner,
    /// What the contents were made from.
    stamp: u8,
}

// SAFETY: the block is owned, like a `Box`; handing it over is what is tested.
unsafe impl Send for Block {}

impl Block {
    /// Asks for a block; `None` if the allocator had none. Checks the alignment,
    /// and the zeroes of one that must be zeroed.
    ///
    /// # Panics
    ///
    /// If the block is not what the layout asks for.
    pub fn new(
        from: &impl GlobalAlloc,
        layout: Layout,
        zeroed: bool,
        owner: Owner,
    ) -> Option<Self> {
        assert_ne!(layout.size(), 0);
        // SAFETY: the size is not 0.
        let address =
            unsafe { if zeroed { from.alloc_zeroed(layout) } else { from.alloc(layout) } };
        if address.is_null() {
            return None;
        }
        assert_eq!(address.addr() % layout.align(), 0, "alignment of {address:?}, {layout:?}");
        let block = Self { address, layout, owner, stamp: 0 };
        if zeroed {
            block.check_zeroes();
        }
        Some(block)
    }

    /// Writes contents that belong to `stamp` and to the place in the block.
    pub fn fill(&mut self, stamp: u8) {
        self.stamp = stamp;
        for place in places(self.layout.size()) {
            // SAFETY: within a live block that this value owns.
            unsafe { self.address.add(place).write(content(stamp, place)) };
        }
    }

    /// Whether the first `bytes` bytes hold what `fill` wrote.
    pub fn is_intact(&self, bytes: usize) -> bool {
        let in_place = |place: &usize| *place < bytes;
        places(self.layout.size()).filter(in_place).all(|place| {
            // SAFETY: within a live block, written by `fill`.
            unsafe { self.address.add(place).read() == content(self.stamp, place) }
        })
    }

    /// Changes one byte, as a stray write would.
    pub fn damage(&mut self) {
        // SAFETY: every block has a first byte, which `fill` wrote.
        unsafe { self.address.write(self.address.read().wrapping_add(1)) };
    }

    /// Resizes the block and keeps what was written, up to the shorter size;
    /// false if the allocator refused, which must leave the block as it was.
    ///
    /// # Panics
    ///
    /// If contents or alignment are wrong afterwards.
    pub fn resize(&mut self, from: &impl GlobalAlloc, new_size: usize, stamp: u8) -> bool {
        let layout =
            Layout::from_size_align(new_size, self.layout.align()).expect("a valid layout");
        // SAFETY: a live block of this layout; the new size is not 0 and valid.
        let address = unsafe { from.realloc(self.address, self.layout, new_size) };
        if address.is_null() {
            assert!(self.is_intact(self.layout.size()), "a refused realloc changed {self:?}");
            return false;
        }
        self.address = address;
        assert_eq!(address.addr() % layout.align(), 0, "alignment of {address:?}, {layout:?}");
        let kept = new_size.min(self.layout.size());
        assert!(self.is_intact(kept), "realloc to {new_size} lost the contents of {self:?}");
        self.layout = layout;
        self.fill(stamp);
        true
    }

    /// Frees the block, with the layout it was asked for.
    ///
    /// # Panics
    ///
    /// If the contents are not what was written last.
    pub fn free(self, to: &impl GlobalAlloc) {
        assert!(self.is_intact(self.layout.size()), "somebody wrote into {self:?}");
        // SAFETY: a live block of this layout; nobody uses it any more.
        unsafe { to.dealloc(self.address, self.layout) };
    }

    fn check_zeroes(&self) {
        let size = self.layout.size();
        let is_zero = |place: usize| {
            // SAFETY: within a live block of initialised bytes: the allocator's
            // zeroes.
            unsafe { self.address.add(place).read() == 0 }
        };
        // Looking at every byte of a gigabyte would only test the machine.
        let zeroed = match size {
            ..=ALL_MAX => (0..size).all(is_zero),
            _ => places(size).all(is_zero),
        };
        assert!(zeroed, "not zeroed: {self:?}");
    }
}

/// Largest block in which every byte is checked to be zero.
const ALL_MAX: usize = 8 << 20;

/// Which bytes of a block of this size are written and checked.
fn places(size: usize) -> impl Iterator<Item = usize> {
    let head = size.min(HEAD);
    let tail = size.saturating_sub(TAIL).max(head);
    let step = STEP.max(size / STEPS_MAX);
    (0..head).chain((head..tail).step_by(step)).chain(tail..size)
}

fn content(stamp: u8, place: usize) -> u8 {
    stamp.wrapping_add((place as u8).wrapping_mul(31)).wrapping_add((place >> 8) as u8)
}
