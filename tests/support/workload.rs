//! The workload of the property test: threads that allocate, resize, free, hand
//! blocks to each other and wander through scopes, against the model.

use core::alloc::GlobalAlloc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use heapledger::{Counts, ScopeGuard, read_tag};

use super::block::Block;
use super::layouts::{random_layout, random_size};
use super::ledger::Ledger;
use super::model::{Model, Owner};
use super::random::{Random, env_number};

/// Tags in use, untagged included.
const OWNERS: usize = 48;
/// Places where blocks wait for another thread.
const MAILBOXES: usize = 16;
/// Operations of one thread between two comparisons.
const ROUND: u64 = 12_500;
/// What one thread may hold.
const BLOCKS_MAX: usize = 1000;
const BYTES_MAX: usize = 32 << 20;
const SCOPES_MAX: usize = 12;

/// An error put into the test itself, to see that it would be found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// One block is credited to a neighbour.
    WrongOwner,
    /// One block is freed with another size of its size class.
    WrongSize,
    /// One block is forgotten, not freed.
    LostFree,
    /// One byte of one block is changed.
    StrayWrite,
}

#[derive(Clone, Copy)]
pub struct Plan {
    pub name: &'static str,
    pub seed: u64,
    pub threads: usize,
    pub operations: u64,
    /// The backend may refuse requests: nothing but that must come of it.
    pub may_fail: bool,
    pub planted: Option<Planted>,
}

impl Plan {
    /// The plan that the environment asks for:
    ///
    /// - `HEAPLEDGER_PROPERTY_OPS`: operations of the longest test (10,000,000);
    ///   the others take their `share` of it
    /// - `HEAPLEDGER_PROPERTY_SEED`: to replay a failure; the seed decides what
    ///   every thread asks for, not how the threads interleave
    /// - `HEAPLEDGER_PROPERTY_THREADS`: threads (8); with 1 a replay is exact
    pub fn from_env(name: &'static str, share: u64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        Self {
            name,
            seed: env_number("HEAPLEDGER_PROPERTY_SEED", now.as_micros() as u64),
            threads: env_number("HEAPLEDGER_PROPERTY_THREADS", 8) as usize,
            operations: env_number("HEAPLEDGER_PROPERTY_OPS", 10_000_000) / share,
            may_fail: false,
            planted: None,
        }
    }
}

/// Runs a plan, telling how to run it again and what it did.
///
/// # Panics
///
/// If anything differs from the model, or hardly anything was done.
pub fn check(allocator: &(impl GlobalAlloc + Sync), plan: Plan) {
    let _turn = super::one_at_a_time();
    let Plan { name, seed, threads, operations, .. } = plan;
    println!("{name}: HEAPLEDGER_PROPERTY_SEED={seed} HEAPLEDGER_PROPERTY_THREADS={threads}");
    let start = Instant::now();
    let report = run(allocator, plan);
    println!("{name}: {report:?} in {:.1} s", start.elapsed().as_secs_f64());
    assert!(report.operations >= operations);
    assert!(report.concurrent_reads > 0, "the reader never got its turn: {report:?}");
}

/// What a run did.
#[derive(Debug)]
struct Report {
    operations: u64,
    comparisons: u64,
    concurrent_reads: u64,
}

struct World<'a, A> {
    allocator: &'a A,
    plan: Plan,
    ledger: Ledger,
    model: Model,
    mailboxes: Vec<Mutex<Vec<Block>>>,
}

struct Worker {
    random: Random,
    blocks: Vec<Block>,
    bytes: usize,
    /// Set on one worker of a run with a planted error, until it happened.
    planted: Option<Planted>,
}

/// Open scopes, each with the owner that its guard will put back.
struct Scopes {
    open: Vec<(ScopeGuard, Owner)>,
    current: Owner,
}

/// Runs the plan; compares every tag with the model whenever all threads rest.
///
/// # Panics
///
/// If anything differs from the model.
fn run<A: GlobalAlloc + Sync>(allocator: &A, plan: Plan) -> Report {
    let world = World {
        allocator,
        plan,
        ledger: Ledger::new(allocator, OWNERS),
        model: Model::new(OWNERS),
        mailboxes: (0..MAILBOXES).map(|_| Mutex::default()).collect(),
    };
    let mut seeds = Random::new(plan.seed);
    let mut workers: Vec<Worker> = (0..plan.threads).map(|_| Worker::new(seeds.next())).collect();
    let mut report = Report { operations: 0, comparisons: 0, concurrent_reads: 0 };
    while report.operations < plan.operations {
        if report.comparisons == 1 {
            workers[0].planted = plan.planted;
        }
        let resting = AtomicBool::new(false);
        report.concurrent_reads += thread::scope(|scope| {
            let reader = scope.spawn(|| read_until(&world.ledger, &plan, &resting));
            let handles: Vec<_> =
                workers.iter_mut().map(|worker| scope.spawn(|| worker.round(&world))).collect();
            let results: Vec<_> = handles.into_iter().map(|handle| handle.join()).collect();
            resting.store(true, Ordering::Relaxed);
            for result in results {
                result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            }
            reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        report.operations += ROUND * plan.threads as u64;
        report.comparisons += 1;
        world.compare();
    }
    for block in workers.into_iter().flat_map(|worker| worker.blocks) {
        world.free(block);
    }
    for mailbox in &world.mailboxes {
        lock(mailbox).drain(..).for_each(|block| world.free(block));
    }
    world.compare();
    let live = |owner| world.ledger.counts(owner).live_blocks();
    assert!((0..OWNERS).all(|owner| live(owner) == 0), "blocks are left");
    report
}

/// Reads all the time while the others write: what it sees must be sound (I2),
/// only grow (I3), and never exceed the peak (I4). Returns how often it read.
///
/// Totals only grow where no request fails: one that does is counted while it is
/// in flight, and taken back.
fn read_until(ledger: &Ledger, plan: &Plan, resting: &AtomicBool) -> u64 {
    let mut before = vec![(Counts::default(), 0); ledger.owners()];
    let mut reads = 0;
    while !resting.load(Ordering::Relaxed) {
        for (owner, (earlier, peak)) in before.iter_mut().enumerate() {
            let reading = read_tag(ledger.id(owner)).expect("an installed allocator");
            let own = reading.own;
            assert!(own.live_bytes_signed() >= 0 && own.live_blocks_signed() >= 0, "{own:?}");
            let since = own.since(earlier);
            let grown = [
                since.allocated_bytes,
                since.allocated_blocks,
                since.freed_bytes,
                since.freed_blocks,
            ];
            let grown = plan.may_fail || grown.iter().all(|by| by.cast_signed() >= 0);
            assert!(grown, "{earlier:?} fell to {own:?}");
            assert!(reading.peak_live_bytes >= own.live_bytes().max(*peak), "{reading:?}");
            (*earlier, *peak) = (own, reading.peak_live_bytes);
            reads += 1;
        }
        // Mostly the writers' turn, on a machine with few processors.
        thread::sleep(core::time::Duration::from_micros(200));
    }
    reads
}

impl<A: GlobalAlloc> World<'_, A> {
    fn compare(&self) {
        let when = format!("{} with seed {}", self.plan.name, self.plan.seed);
        self.ledger.assert_equals(&self.model, &when);
        if let Err(error) = heapledger::self_check() {
            panic!("self_check, {when}: {error}");
        }
    }

    fn free(&self, block: Block) {
        let owner = self.model.freed(block.address);
        assert_eq!(owner, block.owner);
        block.free(self.allocator);
    }
}

impl Worker {
    fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), blocks: Vec::new(), bytes: 0, planted: None }
    }

    /// One thread's life: ends with no scope open, and blocks in hand.
    fn round<A: GlobalAlloc>(&mut self, world: &World<'_, A>) {
        let mut scopes = Scopes { open: Vec::new(), current: 0 };
        for _ in 0..ROUND {
            match self.random.below(100) {
                0..34 => self.allocate(world, scopes.current),
                34..52 => self.free_one(world),
                52..68 => self.resize_one(world),
                68..76 => self.hand_over(world),
                76..84 => self.take_over(world),
                84..91 => scopes.enter(&mut self.random, &world.ledger),
                _ => scopes.leave(&mut self.random),
            }
            while self.blocks.len() > BLOCKS_MAX || self.bytes > BYTES_MAX {
                self.free_one(world);
            }
        }
        scopes.leave_all(&mut self.random);
    }

    fn allocate<A: GlobalAlloc>(&mut self, world: &World<'_, A>, owner: Owner) {
        let layout = random_layout(&mut self.random);
        let zeroed = self.random.chance(1, 4);
        let Some(mut block) = Block::new(world.allocator, layout, zeroed, owner) else {
            assert!(world.plan.may_fail, "out of memory for {layout:?}");
            return;
        };
        block.fill(self.random.next() as u8);
        let told = match self.planted.take_if(|planted| *planted == Planted::WrongOwner) {
            Some(_) => (owner + 1) % OWNERS,
            None => owner,
        };
        block.owner = told;
        world.model.allocated(block.address, layout.size(), told);
        self.keep(block);
    }

    fn free_one<A: GlobalAlloc>(&mut self, world: &World<'_, A>) {
        let Some(mut block) = self.lose() else { return };
        let tiny = block.layout.size() < 6 && block.layout.align() == 1;
        match self.planted {
            Some(Planted::StrayWrite) => block.damage(),
            Some(Planted::LostFree) => {
                world.model.freed(block.address);
                self.planted = None;
                return;
            }
            Some(Planted::WrongSize) if tiny => {
                world.model.freed(block.address);
                let other = block.layout.size() + 1;
                let other = core::alloc::Layout::from_size_align(other, 1).expect("a layout");
                // SAFETY: not the caller's contract: the planted error. All sizes
                // up to 6 are one size class, so only the counts go wrong.
                unsafe { world.allocator.dealloc(block.address, other) };
                self.planted = None;
                return;
            }
            _ => {}
        }
        world.free(block);
    }

    fn resize_one<A: GlobalAlloc>(&mut self, world: &World<'_, A>) {
        let Some(mut block) = self.lose() else { return };
        let size = random_size(&mut self.random);
        // The owner stays, whatever scope this is. The model lets go first:
        // another thread may be given the old address before this one is back.
        let owner = world.model.freed(block.address);
        if block.resize(world.allocator, size, self.random.next() as u8) {
            world.model.allocated(block.address, size, owner);
        } else {
            assert!(world.plan.may_fail, "out of memory for {size} bytes");
            world.model.not_freed(block.address, block.layout.size(), owner);
        }
        self.keep(block);
    }

    fn hand_over<A: GlobalAlloc>(&mut self, world: &World<'_, A>) {
        if let Some(block) = self.lose() {
            lock(&world.mailboxes[self.random.below(MAILBOXES)]).push(block);
        }
    }

    fn take_over<A: GlobalAlloc>(&mut self, world: &World<'_, A>) {
        let taken = lock(&world.mailboxes[self.random.below(MAILBOXES)]).pop();
        if let Some(block) = taken {
            self.keep(block);
        }
    }

    fn keep(&mut self, block: Block) {
        self.bytes += block.layout.size();
        self.blocks.push(block);
    }

    fn lose(&mut self) -> Option<Block> {
        if self.blocks.is_empty() {
            return None;
        }
        let block = self.blocks.swap_remove(self.random.below(self.blocks.len()));
        self.bytes -= block.layout.size();
        Some(block)
    }
}

impl Scopes {
    fn enter(&mut self, random: &mut Random, ledger: &Ledger) {
        if self.open.len() < SCOPES_MAX {
            let owner = random.within(1, ledger.owners() - 1);
            self.open.push((ledger.enter(owner), self.current));
            self.current = owner;
        }
    }

    /// Closes one scope: the innermost mostly, any of them sometimes.
    fn leave(&mut self, random: &mut Random) {
        if self.open.is_empty() {
            return;
        }
        let last = self.open.len() - 1;
        let place = if random.chance(4, 5) { last } else { random.below(self.open.len()) };
        let (guard, saved) = self.open.remove(place);
        drop(guard);
        self.current = saved;
    }

    fn leave_all(&mut self, random: &mut Random) {
        while !self.open.is_empty() {
            self.leave(random);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
