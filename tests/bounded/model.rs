//! Random operations, one at a time, against a model of a dozen lines: who gets an
//! object when, who waits, and what is left.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use heapledger::{Acquire, BoundedPool, Lease, PoolError};

use crate::random::{Random, env_number};
use crate::{Census, Object, Woken, poll_once};

/// What the pool should do. Futures are known by number.
#[derive(Default)]
struct Model {
    max: usize,
    live: usize,
    idle: usize,
    queue: VecDeque<u64>,
    /// Who has got something and did not come yet; false for a permit without object.
    granted: BTreeMap<u64, bool>,
}

impl Model {
    /// True if there is an object at once; otherwise it queues.
    fn acquire(&mut self, future: u64) -> bool {
        if self.idle > 0 {
            self.idle -= 1;
            return true;
        }
        if self.live < self.max {
            self.live += 1;
            return true;
        }
        self.queue.push_back(future);
        false
    }

    fn release(&mut self) {
        if self.live > self.max {
            return self.discard();
        }
        match self.queue.pop_front() {
            Some(next) => drop(self.granted.insert(next, true)),
            None => self.idle += 1,
        }
    }

    fn discard(&mut self) {
        self.live -= 1;
        self.grant();
    }

    fn grant(&mut self) {
        while self.live < self.max
            && let Some(next) = self.queue.pop_front()
        {
            self.live += 1;
            self.granted.insert(next, false);
        }
    }

    fn cancel(&mut self, future: u64) {
        self.queue.retain(|it| *it != future);
        match self.granted.remove(&future) {
            Some(true) => self.release(),
            Some(false) => self.discard(),
            None => {}
        }
    }

    fn resize(&mut self, max: usize) {
        self.max = max;
        let surplus = self.live.saturating_sub(max).min(self.idle);
        self.idle -= surplus;
        self.live -= surplus;
        self.grant();
    }
}

#[test]
fn the_pool_does_what_the_model_says() {
    for seed in 1..=20 {
        run(seed, env_number("HEAPLEDGER_PROPERTY_OPS", 10_000_000) / 10_000);
    }
}

fn run(seed: u64, operations: u64) {
    let mut random = Random::new(seed);
    let census = Census::default();
    let factory = census.clone();
    let [max, prefilled] = [random.below(4), random.below(6)];
    let first = prefilled.min(max);
    let mut model = Model { max, live: first, idle: first, ..Model::default() };
    let mut in_use_peak = 0;
    let pool = BoundedPool::builder("bounded/model", max, move || factory.object())
        .prefill(prefilled)
        .build()
        .unwrap();
    let woken = Arc::<Woken>::default();
    let mut leases: Vec<Lease<'_, Object>> = Vec::new();
    let mut futures: Vec<(u64, Acquire<'_, Object>)> = Vec::new();
    for operation in 0..operations {
        match random.below(10) {
            0..=3 => {
                let mut future = pool.acquire_async();
                match (poll_once(&mut future, &woken), model.acquire(operation)) {
                    (Some(lease), true) => leases.push(lease.unwrap()),
                    (None, false) => futures.push((operation, future)),
                    (got, expected) => panic!("{seed}: {:?}, not {expected}", got.is_some()),
                }
            }
            4 | 5 if !leases.is_empty() => {
                drop(leases.swap_remove(random.below(leases.len())));
                model.release();
            }
            6 if !leases.is_empty() => {
                Lease::discard(leases.swap_remove(random.below(leases.len())));
                model.discard();
            }
            7 if !futures.is_empty() => {
                let (number, future) = futures.swap_remove(random.below(futures.len()));
                drop(future);
                model.cancel(number);
            }
            8 if !futures.is_empty() => {
                let at = random.below(futures.len());
                let (number, future) = &mut futures[at];
                let expected = model.granted.remove(number).is_some();
                let lease = poll_once(future, &woken);
                assert_eq!(lease.is_some(), expected, "{seed}: turn of {number}");
                if let Some(lease) = lease {
                    leases.push(lease.unwrap());
                    drop(futures.swap_remove(at));
                }
            }
            9 if random.chance(1, 4) => {
                let max = random.below(5);
                pool.resize(max);
                model.resize(max);
            }
            9 if random.chance(1, 4) => {
                pool.shrink(0);
                model.live -= model.idle;
                model.idle = 0;
            }
            _ => {}
        }
        let it = pool.statistics();
        let found = (it.retained as usize, it.in_use as usize, it.waits.waiting as usize);
        let expected = (model.idle, model.live - model.idle, model.queue.len());
        assert_eq!(found, expected, "{seed}: idle, in use, waiting after {operation}");
        in_use_peak = in_use_peak.max(it.in_use);
        assert_eq!(it.high_water, in_use_peak, "{seed}: {operation}");
    }
    pool.close();
    for (number, mut future) in futures {
        match poll_once(&mut future, &woken) {
            Some(Ok(_)) => assert_eq!(model.granted.get(&number), Some(&true)),
            // Who had a permit makes nothing any more.
            Some(Err(PoolError::Closed { .. })) => {
                assert!(model.queue.contains(&number) || !model.granted[&number]);
            }
            other => panic!("{seed}: {:?}", other.is_some()),
        }
    }
    drop(leases);
    assert_eq!(census.alive(), 0, "{seed}");
    let it = pool.statistics();
    assert_eq!((it.created, it.in_use), (it.dropped, 0), "{seed}");
}
