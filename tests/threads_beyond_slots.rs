//! Four times as many threads alive as there are slots: those beyond the last
//! slot share a shard, are counted as faults, and lose nothing (hazard 17).
//!
//! `HEAPLEDGER_THREADS` sets the number, for machines that do not allow so many
//! (16,384; about two seconds).

#![cfg(unix)]

mod support;

use core::alloc::Layout;
use core::ffi::c_void;
use core::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};

use heapledger::backend::SystemMalloc;
use heapledger::{Allocator, faults};
use support::block::Block;
use support::ledger::Ledger;
use support::model::Model;
use support::random::{Random, env_number};

/// Not jemalloc, which would give every thread a cache of its own.
static ALLOCATOR: Allocator<SystemMalloc> = Allocator::with_backend(SystemMalloc);

const SLOTS: u64 = 4096;
const OWNERS: usize = 8;
const STACK_BYTES: usize = 64 << 10;

struct World {
    ledger: Ledger,
    model: Model,
    /// Blocks that a thread left for others to free.
    left: Mutex<Vec<Block>>,
    /// Threads that have begun, and whether all may go on.
    begun: Mutex<u64>,
    all_begun: Condvar,
    go_on: AtomicBool,
    /// Threads that came to their end without a panic.
    done: AtomicU64,
    seeds: AtomicU64,
}

impl World {
    fn allocate(&self, random: &mut Random) -> Block {
        let owner = random.below(OWNERS);
        let size = random.pick(&[3, 8, 40, 60, 700]);
        let layout = Layout::from_size_align(size, random.pick(&[1, 8, 64])).expect("a layout");
        let zeroed = random.chance(1, 2);
        let block = self.ledger.run(owner, || Block::new(&ALLOCATOR, layout, zeroed, owner));
        let mut block = block.expect("memory");
        block.fill(random.next() as u8);
        self.model.allocated(block.address, size, owner);
        block
    }

    fn resize(&self, block: &mut Block, random: &mut Random) {
        let owner = self.model.freed(block.address);
        assert!(block.resize(&ALLOCATOR, random.pick(&[5, 7, 24, 300, 2000]), 1), "out of memory");
        self.model.allocated(block.address, block.layout.size(), owner);
    }

    fn free(&self, block: Block) {
        self.model.freed(block.address);
        block.free(&ALLOCATOR);
    }

    /// One thread: allocates, waits until all are alive, resizes, frees, leaves
    /// some of its blocks to others and frees some of theirs.
    fn live(&self) {
        let mut random = Random::new(self.seeds.fetch_add(1, Ordering::Relaxed));
        let mut blocks: Vec<Block> = (0..6).map(|_| self.allocate(&mut random)).collect();
        let mut begun = self.begun.lock().expect("no panic");
        *begun += 1;
        self.all_begun.notify_all();
        let go_on = |_: &mut u64| !self.go_on.load(Ordering::Relaxed);
        drop(self.all_begun.wait_while(begun, go_on).expect("no panic"));
        for block in &mut blocks {
            self.resize(block, &mut random);
        }
        let mut left = self.left.lock().expect("no panic");
        left.extend(blocks.drain(..2));
        let theirs = left.pop();
        drop(left);
        blocks.into_iter().chain(theirs).for_each(|block| self.free(block));
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    fn wait_until_begun(&self, threads: u64) {
        let begun = self.begun.lock().expect("no panic");
        drop(self.all_begun.wait_while(begun, |begun| *begun < threads).expect("no panic"));
    }
}

/// Begins a thread on `World::live`; an error number if the system does not
/// allow it. Not by `std`, which maps two more pieces of memory for each thread:
/// 16,384 of them exceed Linux's default of 65,530 mappings.
fn begin(world: &World) -> Result<libc::pthread_t, i32> {
    extern "C" fn run(world: *mut c_void) -> *mut c_void {
        // SAFETY: the address of the test's world, which outlives its threads.
        unsafe { &*world.cast::<World>() }.live();
        null_mut()
    }
    let world = core::ptr::from_ref(world).cast_mut().cast::<c_void>();
    let mut attributes = core::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut thread = 0 as libc::pthread_t;
    // SAFETY: the attributes are initialised before they are used, and what is
    // asked for is larger than the smallest stack.
    unsafe {
        libc::pthread_attr_init(attributes.as_mut_ptr());
        libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK_BYTES);
        libc::pthread_attr_setguardsize(attributes.as_mut_ptr(), 0);
        match libc::pthread_create(&raw mut thread, attributes.as_ptr(), run, world) {
            0 => Ok(thread),
            error => Err(error),
        }
    }
}

fn join(thread: libc::pthread_t) {
    // SAFETY: a thread that `begin` made and nobody joined.
    assert_eq!(unsafe { libc::pthread_join(thread, null_mut()) }, 0);
}

#[test]
fn threads_beyond_the_last_slot_lose_nothing() {
    let wanted = env_number("HEAPLEDGER_THREADS", 4 * SLOTS);
    let world = World {
        ledger: Ledger::new(&ALLOCATOR, OWNERS),
        model: Model::new(OWNERS),
        left: Mutex::default(),
        begun: Mutex::new(0),
        all_begun: Condvar::new(),
        go_on: AtomicBool::new(false),
        done: AtomicU64::new(0),
        seeds: AtomicU64::new(1),
    };
    let threads: Vec<_> = (0..wanted).map_while(|_| begin(&world).ok()).collect();
    let alive = threads.len() as u64;
    world.wait_until_begun(alive);

    // All of them alive, none in an allocator call.
    world.ledger.assert_equals(&world.model, "all threads alive");
    let without_slot = faults().threads_without_slot;
    println!("{alive} threads, {without_slot} without a slot");
    // This thread has a slot too.
    assert_eq!(without_slot, (alive + 1).saturating_sub(SLOTS));

    world.go_on.store(true, Ordering::Relaxed);
    world.all_begun.notify_all();
    threads.into_iter().for_each(join);
    assert_eq!(world.done.load(Ordering::Relaxed), alive);
    world.ledger.assert_equals(&world.model, "all threads gone");

    // The slots are free again.
    join(begin(&world).expect("one more thread"));
    assert_eq!(faults().threads_without_slot, without_slot);
    for block in world.left.lock().expect("no panic").drain(..) {
        world.free(block);
    }
    world.ledger.assert_equals(&world.model, "all blocks freed");
    assert_eq!(heapledger::self_check(), Ok(()));
    assert_eq!(alive, wanted, "this machine allows no more: set HEAPLEDGER_THREADS to test less");
}
