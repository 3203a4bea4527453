//! One thread's requests, with the ledger compared to the model after each.

use core::alloc::{GlobalAlloc, Layout};

use heapledger::faults;

use super::block::Block;
use super::ledger::Ledger;
use super::model::{Model, Owner};

/// An allocator, and what must be true of it after every request.
pub struct Checked<'a, A> {
    allocator: &'a A,
    ledger: Ledger,
    model: Model,
    /// Null returns seen, and what the fault counter must have risen by.
    refused: u64,
    failed_requests_before: u64,
    requests: u64,
}

impl<'a, A: GlobalAlloc> Checked<'a, A> {
    pub fn new(allocator: &'a A, owners: usize) -> Self {
        Self {
            allocator,
            ledger: Ledger::new(allocator, owners),
            model: Model::small(owners),
            refused: 0,
            failed_requests_before: faults().failed_requests,
            requests: 0,
        }
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Requests that were refused so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Asks for a block under an owner; `None` if it was refused.
    pub fn allocate(&mut self, layout: Layout, zeroed: bool, owner: Owner) -> Option<Block> {
        let block = self
            .ledger
            .run(owner, || Block::new(self.allocator, layout, zeroed, owner))
            .map(|mut block| {
                block.fill(block.address.addr().wrapping_mul(7) as u8 ^ 0x5a);
                self.model.allocated(block.address, layout.size(), owner);
                block
            });
        self.refused += u64::from(block.is_none());
        self.compare();
        block
    }

    /// Resizes a block while `under` is current, which must not matter; false if
    /// it was refused.
    pub fn resize(&mut self, block: &mut Block, new_size: usize, under: Owner) -> bool {
        let (before, old_size) = (block.address, block.layout.size());
        self.model.freed(before);
        let stamp = (old_size ^ new_size) as u8;
        let resized = self.ledger.run(under, || block.resize(self.allocator, new_size, stamp));
        if resized {
            self.model.allocated(block.address, new_size, block.owner);
        } else {
            assert_eq!((block.address, block.layout.size()), (before, old_size));
            self.model.not_freed(before, old_size, block.owner);
            self.refused += 1;
        }
        self.compare();
        resized
    }

    /// Frees a block while `under` is current, which must not matter.
    pub fn free(&mut self, block: Block, under: Owner) {
        self.model.freed(block.address);
        self.ledger.run(under, || block.free(self.allocator));
        self.compare();
    }

    fn compare(&mut self) {
        self.requests += 1;
        let when = format!("after request {}", self.requests);
        self.ledger.assert_equals(&self.model, &when);
        let failed_requests = faults().failed_requests - self.failed_requests_before;
        assert_eq!(failed_requests, self.refused, "failed_requests, {when}");
    }
}
