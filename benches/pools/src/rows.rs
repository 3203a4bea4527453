//! The rows of the table: each a contender with its jobs, and the times that they took.

use std::alloc::System;
use std::marker::PhantomData;

use mimalloc::MiMalloc;

use crate::contenders::*;
use crate::{JOBS, jobs, median, min};

/// On one thread.
const OPERATIONS: usize = 200_000;
/// On several: so many that they run beside each other, not one after the other.
const SHARED_OPERATIONS: usize = 1_000_000;
/// As many as run beside each other where each takes longer than that.
const SLOW_OPERATIONS: usize = 200_000;
const SLOW_NANOSECONDS: f64 = 50.0;
const HANDED_OVER: usize = 200_000;

type Job = Box<dyn Fn() -> f64>;

/// What a contender is beside the others.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// No pool, whatever the allocator.
    Box,
    /// heapledger's.
    Own,
    /// A peer of which all threads use one.
    Shared,
    /// A peer where each thread has objects of its own.
    PerThread,
}

pub struct Row {
    pub name: String,
    pub kind: Kind,
    jobs: Vec<Job>,
    pub times: Vec<Vec<f64>>,
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

impl Row {
    fn of(kind: Kind, name: impl Into<String>, source: &'static impl Source) -> Self {
        // These also make what the pool keeps from then on.
        let [one, held] = [jobs::one, jobs::held].map(|job| job(source, 4, SLOW_OPERATIONS));
        let slow = one.max(held) > SLOW_NANOSECONDS;
        let shared = if slow { SLOW_OPERATIONS } else { SHARED_OPERATIONS };
        let jobs: Vec<Job> = vec![
            Box::new(move || jobs::one(source, 1, OPERATIONS)),
            Box::new(move || jobs::one(source, 4, shared)),
            Box::new(move || jobs::held(source, 1, OPERATIONS)),
            Box::new(move || jobs::held(source, 4, shared)),
        ];
        let times = vec![Vec::new(); JOBS.len()];
        Self { name: name.into(), kind, jobs, times }
    }

    /// The jobs where a guard is released by another thread.
    fn and_hand_over<C>(mut self, [one, two]: [&'static C; 2]) -> Self
    where
        C: Contender<Guard<'static>: Send> + Sync,
    {
        self.jobs.push(Box::new(move || jobs::hand_over([one], HANDED_OVER)));
        self.jobs.push(Box::new(move || jobs::hand_over([one, two], HANDED_OVER)));
        self
    }

    fn new<C>(kind: Kind) -> Self
    where
        C: Contender<Guard<'static>: Send> + Sync,
    {
        let pool = leak(C::new());
        Self::of(kind, C::NAME, pool).and_hand_over([pool; 2])
    }

    /// For guards that do not leave their thread.
    fn not_sent<C: Contender + Sync>(kind: Kind) -> Self {
        Self::of(kind, C::NAME, leak(C::new()))
    }

    /// For pools that do not leave their thread.
    fn one_each<C: Contender>() -> Self {
        let name = format!("{} (one a thread)", C::NAME);
        Self::of(Kind::PerThread, name, leak(OneEach::<C>(PhantomData)))
    }

    fn handles() -> Self {
        let handles = leak(Handles::new());
        let two = [leak(handles.one()), leak(handles.one())];
        Self::of(Kind::Own, Handles::NAME, handles).and_hand_over(two)
    }

    pub fn run(&mut self, job: usize) {
        if let Some(run) = self.jobs.get(job) {
            self.times[job].push(run());
        }
    }

    pub fn min(&self, job: usize) -> f64 {
        min(&self.times[job])
    }

    pub fn median(&self, job: usize) -> f64 {
        median(&self.times[job])
    }
}

/// One for each contender.
pub fn all() -> Vec<Row> {
    use Kind::{Own, PerThread, Shared};
    vec![
        Row::new::<Boxes>(Kind::Box),
        Row::new::<Dynamic>(Own),
        Row::new::<Static>(Own),
        Row::handles(),
        Row::new::<Handle>(Own),
        Row::not_sent::<ShardedSlab>(Shared),
        Row::new::<ShardedSlabOwned>(Shared),
        Row::new::<Regex>(Shared),
        Row::new::<Linear>(Shared),
        Row::new::<LinearOwned>(Shared),
        Row::new::<Spin>(Shared),
        Row::new::<Locked>(Shared),
        Row::new::<Opool>(Shared),
        Row::new::<OpoolRc>(Shared),
        Row::new::<ObjectPool>(Shared),
        Row::new::<Poolshark>(Shared),
        Row::new::<DynamicPool>(Shared),
        Row::new::<Deadpool>(Shared),
        Row::new::<InfinityPool>(Shared),
        Row::new::<ConcurrentArena>(Shared),
        Row::new::<LockedPlurality>(Shared),
        Row::new::<Bag>(Shared),
        Row::new::<ArrayQueued>(Shared),
        Row::new::<SegQueued>(Shared),
        Row::new::<ParkingLot>(Shared),
        Row::new::<Mutexed>(Shared),
        Row::new::<PoolsharkLocal>(PerThread),
        Row::new::<ThreadLocalCrate>(PerThread),
        Row::new::<StdThreadLocal>(PerThread),
        Row::one_each::<RefCelled>(),
        Row::one_each::<Slabs>(),
        Row::one_each::<Refpool>(),
        Row::one_each::<PluralityAlloc>(),
        Row::one_each::<PluralityBox>(),
        Row::one_each::<Syncpool>(),
        Row::one_each::<OpoolLocal>(),
        Row::one_each::<InfinityPoolLocal>(),
        Row::one_each::<Bumpalo>(),
        Row::new::<BoxesIn<MiMalloc>>(Kind::Box),
        Row::new::<BoxesIn<System>>(Kind::Box),
    ]
}
