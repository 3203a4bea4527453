//! rayon: joins, scopes, spawned work, and the reach on four threads.

use std::ops::{Deref, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread::JoinHandle;

use heapledger::rayon::ThreadsInScope;
use heapledger::{Scope, Tag, scope};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::{Expected, Will, buffer, live};

/// A pool whose end can be waited for: what it keeps belongs to whose work made it
/// grow, until then.
pub struct Pool {
    pool: ThreadPool,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    pub fn new() -> Self {
        Self::with(ThreadPoolBuilder::new())
    }

    fn with(builder: ThreadPoolBuilder) -> Self {
        let mut threads = Vec::with_capacity(THREADS);
        let spawn = |thread: rayon::ThreadBuilder| {
            // rayon runs other work while it waits, on the same stack.
            let builder = std::thread::Builder::new().stack_size(256 << 20);
            threads.push(builder.spawn(|| thread.run())?);
            Ok(())
        };
        let pool = builder.num_threads(THREADS).spawn_handler(spawn).build().unwrap();
        Self { pool, threads }
    }

    pub fn end(self) {
        drop(self.pool);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

impl Deref for Pool {
    type Target = ThreadPool;

    fn deref(&self) -> &ThreadPool {
        &self.pool
    }
}

const THREADS: usize = 4;

/// The scope that each of a pool's threads is in when it has nothing to do.
pub fn scopes_at_rest(pool: &Pool) -> Vec<Scope> {
    pool.broadcast(|_| Scope::current())
}

#[test]
fn every_call_takes_the_scope_along() {
    let pool = Pool::new();
    let outside = Scope::current();
    let kept = scope!("rayon/calls", {
        pool.install(Scope::current().wrap(|| {
            let joined = heapledger::rayon::join(|| buffer(1), || buffer(2));
            let (sender, receiver) = mpsc::sync_channel(8);
            let (one, two, three) = (sender.clone(), sender.clone(), sender.clone());
            heapledger::rayon::scope(|s| {
                s.spawn(move |s| {
                    one.send(buffer(4)).unwrap();
                    s.spawn(move |_| two.send(buffer(8)).unwrap());
                });
            });
            heapledger::rayon::in_place_scope(|s| {
                s.spawn(move |_| three.send(buffer(16)).unwrap());
            });
            heapledger::rayon::spawn(move || sender.send(buffer(32)).unwrap());
            (joined, receiver.iter().collect::<Vec<_>>())
        }))
    });
    assert_eq!(kept.1.iter().map(Vec::capacity).sum::<usize>(), 60);
    assert!(scopes_at_rest(&pool).iter().all(|scope| *scope == outside));
    pool.end();
    let list = (kept.1.capacity() * size_of::<Vec<u8>>()) as u64;
    assert_eq!(live("rayon/calls"), (63 + list, 7));
    drop(kept);
    assert_eq!(live("rayon/calls"), (0, 0));
}

/// From a thread that is not the pool's, all parts of the work go to another one.
#[test]
fn work_from_outside_the_pool_takes_the_scope_along() {
    static TAG: Tag = Tag::new("rayon/outside");
    let is_carried = || rayon::current_thread_index().is_some() && is_current(&TAG);
    TAG.run(|| {
        assert_eq!(heapledger::rayon::join(is_carried, is_carried), (true, true));
        assert!(heapledger::rayon::scope(|_| is_carried()));
    });
}

pub fn is_current(tag: &Tag) -> bool {
    Scope::current() == Scope::from(tag)
}

#[test]
fn the_scope_of_a_pools_threads_is_that_of_work_without_one() {
    static POOL: Tag = Tag::new("rayon/pool");
    static OWN: Tag = Tag::new("rayon/pool/own");
    let pool = Pool::with(ThreadPoolBuilder::new().threads_in_scope(&POOL));
    let (past, taken) = OWN.run(|| {
        let in_pool = || (is_current(&POOL), buffer(5000));
        let carried = || (is_current(&OWN), buffer(50));
        let past = pool.install(|| rayon::join(in_pool, in_pool));
        let taken = || heapledger::rayon::join(carried, carried);
        (past, pool.install(Scope::current().wrap(taken)))
    });
    assert!(past.0.0 && past.1.0 && taken.0.0 && taken.1.0);
    assert!(scopes_at_rest(&pool).iter().all(|scope| *scope == Scope::from(&POOL)));
    assert!(live(POOL.name()).0 >= 10_000);
    pool.end();
    assert_eq!(live(OWN.name()), (100, 2));
    drop((past, taken));
}

const WORK: usize = 10_000;
const STEPS: usize = 100;

/// 10,000 pieces of work of 100 steps each, nested so that the threads run each
/// other's while they wait, some of which panic.
#[test]
fn ten_thousand_pieces_are_exact_to_the_byte() {
    let expected = Expected::new("reach/rayon", 1000, WORK * (STEPS + 4));
    let expected = &expected;
    let pool = Pool::new();
    let outside = Scope::current();
    pool.in_place_scope(|s| {
        for number in 0..WORK {
            let run = move |_: &heapledger::rayon::Scope<'_>| {
                let work = || piece(expected, number, 0..STEPS);
                assert_eq!(catch_unwind(AssertUnwindSafe(work)).is_err(), number % 13 == 5);
            };
            expected.tag(number).run(|| heapledger::rayon::Scope::of(s).spawn(run));
        }
    });
    assert!(scopes_at_rest(&pool).iter().all(|scope| *scope == outside));
    pool.end();
    let blocks = expected.check();
    assert!(blocks > (WORK * STEPS / 2) as u64, "only {blocks} blocks were kept");
}

fn piece(expected: &Expected, number: usize, steps: Range<usize>) {
    let half = steps.start + steps.len() / 2;
    let held = buffer(10 + number % 90);
    if steps.len() > 1 {
        let _will = (steps.len() == STEPS).then(|| Will { expected, number, bytes: 20 });
        heapledger::rayon::join(
            || piece(expected, number, steps.start..half),
            || piece(expected, number, half..steps.end),
        );
    } else if number % 13 == 5 && steps.start == STEPS / 2 {
        std::panic::resume_unwind(Box::new(held));
    } else {
        expected.keep(number, 1 + (number + steps.start) % 200);
    }
}
