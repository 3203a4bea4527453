//! Any sequence of allocator calls, scopes, refusals and thread changes leaves
//! the ledger equal to the reference model, to the byte.

#![no_main]

use core::alloc::Layout;
use std::thread;

use arbitrary::Arbitrary;
use heapledger::backend::Wrapped;
use heapledger::{Allocator, ScopeGuard};
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/support/mod.rs"]
mod support;

use support::backends::{Failing, Schedule};
use support::block::Block;
use support::ledger::Ledger;
use support::model::{Model, Owner};

static BACKEND: Failing = Failing::new();
static ALLOCATOR: Allocator<Wrapped<&Failing>> = Allocator::with_backend(Wrapped::new(&BACKEND));

const OWNERS: usize = 6;
const BLOCKS_MAX: usize = 64;
const SCOPES_MAX: usize = 16;
const THREADS_MAX: usize = 8;
/// Larger blocks would fuzz the machine.
const SIZE_MAX: usize = 64 << 10;
const ALIGN_BITS_MAX: u8 = 12;

#[derive(Arbitrary, Debug)]
enum Operation {
    Allocate {
        size: Size,
        align_bits: u8,
        zeroed: bool,
    },
    Resize {
        which: u8,
        size: Size,
    },
    Free {
        which: u8,
    },
    Enter {
        owner: u8,
    },
    Leave {
        which: u8,
    },
    /// The backend refuses its next request.
    RefuseNext,
    /// Goes on in a new thread, outside any scope: that of the last one has ended.
    ChangeThread,
}

/// Small sizes as often as large ones.
#[derive(Arbitrary, Debug)]
enum Size {
    Small(u8),
    Any(u16),
}

impl Size {
    fn get(&self) -> usize {
        match self {
            Self::Small(size) => usize::from(*size).max(1),
            Self::Any(size) => usize::from(*size).clamp(1, SIZE_MAX),
        }
    }
}

struct World {
    ledger: Ledger,
    model: Model,
    blocks: Vec<Block>,
    stamp: u8,
}

/// What one thread has open.
#[derive(Default)]
struct Scopes {
    open: Vec<(ScopeGuard, Owner)>,
    current: Owner,
}

fuzz_target!(|operations: Vec<Operation>| {
    let mut world = World {
        ledger: Ledger::new(&ALLOCATOR, OWNERS),
        model: Model::small(OWNERS),
        blocks: Vec::new(),
        stamp: 0,
    };
    // Every part in a thread of its own: guards dropped out of order may leave a
    // tag current, which ends with the thread.
    let threads = operations.split(|one| matches!(one, Operation::ChangeThread));
    for part in threads.take(THREADS_MAX) {
        thread::scope(|scope| scope.spawn(|| world.run(part)).join().expect("no panic"));
    }
    BACKEND.follow(Schedule::Never);
    while let Some(block) = world.blocks.pop() {
        world.free(block);
    }
    world.compare("at the end");
    assert_eq!(heapledger::self_check(), Ok(()));
});

impl World {
    fn run(&mut self, operations: &[Operation]) {
        let mut scopes = Scopes::default();
        for operation in operations {
            self.step(operation, &mut scopes);
            self.compare("after an operation");
        }
        while !scopes.open.is_empty() {
            scopes.leave(0);
        }
    }

    fn step(&mut self, operation: &Operation, scopes: &mut Scopes) {
        match operation {
            Operation::Allocate { size, align_bits, zeroed } => {
                let align = 1 << (align_bits % (ALIGN_BITS_MAX + 1));
                let layout = Layout::from_size_align(size.get(), align).expect("a layout");
                self.allocate(layout, *zeroed, scopes.current);
            }
            Operation::Resize { which, size } => self.resize(*which, size.get()),
            Operation::Free { which } => {
                if let Some(block) = self.take(*which) {
                    self.free(block);
                }
            }
            Operation::Enter { owner } => scopes.enter(&self.ledger, *owner),
            Operation::Leave { which } => scopes.leave(*which),
            Operation::RefuseNext => BACKEND.follow(Schedule::Nth(1)),
            Operation::ChangeThread => {}
        }
    }

    fn allocate(&mut self, layout: Layout, zeroed: bool, owner: Owner) {
        if self.blocks.len() == BLOCKS_MAX {
            return;
        }
        let Some(mut block) = Block::new(&ALLOCATOR, layout, zeroed, owner) else { return };
        self.stamp = self.stamp.wrapping_add(1);
        block.fill(self.stamp);
        self.model.allocated(block.address, layout.size(), owner);
        self.blocks.push(block);
    }

    fn resize(&mut self, which: u8, size: usize) {
        let Some(mut block) = self.take(which) else { return };
        let (address, old_size) = (block.address, block.layout.size());
        self.stamp = self.stamp.wrapping_add(1);
        if block.resize(&ALLOCATOR, size, self.stamp) {
            let owner = self.model.freed(address);
            let planted = cfg!(feature = "planted-bug") && old_size > 8 && size < 7 && owner == 3;
            block.owner = if planted { 0 } else { owner };
            self.model.allocated(block.address, size, block.owner);
        }
        self.blocks.push(block);
    }

    fn free(&mut self, block: Block) {
        self.model.freed(block.address);
        block.free(&ALLOCATOR);
    }

    fn take(&mut self, which: u8) -> Option<Block> {
        let count = self.blocks.len();
        (count != 0).then(|| self.blocks.swap_remove(usize::from(which) % count))
    }

    fn compare(&self, when: &str) {
        self.ledger.assert_equals(&self.model, when);
    }
}

impl Scopes {
    fn enter(&mut self, ledger: &Ledger, owner: u8) {
        if self.open.len() < SCOPES_MAX {
            let owner = 1 + usize::from(owner) % (OWNERS - 1);
            self.open.push((ledger.enter(owner), self.current));
            self.current = owner;
        }
    }

    fn leave(&mut self, which: u8) {
        if !self.open.is_empty() {
            let (guard, saved) = self.open.remove(usize::from(which) % self.open.len());
            drop(guard);
            self.current = saved;
        }
    }
}
