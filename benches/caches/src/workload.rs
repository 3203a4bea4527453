//! The keys, the same for every cache, and the clock around them.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use crate::contender::{Contender, Run};

const KEYS: usize = 500_000;
const EXPONENT: f64 = 0.9;

/// 64 to 2,047 bytes, about 1 KiB on average.
pub fn weight(key: u64) -> u64 {
    64 + mix(key) % 1984
}

pub struct Workload {
    /// One list of keys a thread.
    keys: Vec<Vec<u64>>,
    /// Keys put in before the clock starts.
    fill: Vec<u64>,
    capacity_bytes: u64,
    entries: usize,
    hits_only: bool,
}

impl Workload {
    /// Look-ups of what is there, every key as often as the others.
    pub fn hits(entries: u64, threads: usize) -> Self {
        let keys = |thread| {
            let mut random = Random(1 + thread as u64);
            (0..2_000_000).map(|_| random.next() % entries).collect()
        };
        Self {
            keys: (0..threads).map(keys).collect(),
            fill: (0..entries).collect(),
            // Twice what is put in: everything stays, however the shards fill.
            capacity_bytes: 2 * entries * 1024,
            entries: 2 * entries as usize,
            hits_only: true,
        }
    }

    /// Look-ups that put in what they do not find, some keys far more often.
    pub fn zipf(threads: usize) -> Self {
        let zipf = Zipf::new();
        let percent = 10;
        Self {
            keys: (0..threads).map(|thread| zipf.keys(1_000_000, 1 + thread as u64)).collect(),
            fill: zipf.keys(500_000, 99),
            capacity_bytes: total_bytes() * percent / 100,
            entries: KEYS * percent as usize / 100,
            hits_only: false,
        }
    }
}

/// Nanoseconds an operation, on each thread.
pub fn time(contender: &Contender, workload: &Workload) -> f64 {
    let cache = (contender.make)(workload.capacity_bytes, workload.entries);
    let cache: &dyn Run = &*cache;
    if workload.hits_only {
        cache.fill(&workload.fill);
    } else {
        cache.gets_and_inserts(&workload.fill);
    }
    let start = Barrier::new(workload.keys.len());
    let run = |keys: &Vec<u64>| {
        start.wait();
        let started = Instant::now();
        let hits = if workload.hits_only { cache.hits(keys) } else { cache.gets_and_inserts(keys) };
        let ns = started.elapsed().as_nanos() as f64 / keys.len() as f64;
        assert!(!workload.hits_only || hits == keys.len() as u64, "{} lost keys", contender.name);
        ns
    };
    let times: Vec<f64> = thread::scope(|scope| {
        let threads: Vec<_> = workload.keys.iter().map(|keys| scope.spawn(|| run(keys))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    times.iter().sum::<f64>() / times.len() as f64
}

/// Hits among the second half of four million operations.
pub fn hit_ratio(contender: &Contender, percent: u64) -> f64 {
    let keys = Zipf::new().keys(4_000_000, 7);
    let (warm, counted) = keys.split_at(keys.len() / 2);
    let capacity_bytes = total_bytes() * percent / 100;
    let cache = (contender.make)(capacity_bytes, KEYS * percent as usize / 100);
    cache.gets_and_inserts(warm);
    cache.gets_and_inserts(counted) as f64 / counted.len() as f64
}

fn total_bytes() -> u64 {
    (0..KEYS as u64).map(weight).sum()
}

/// Draws keys, the first ones most often.
struct Zipf {
    cumulative: Vec<f64>,
}

impl Zipf {
    fn new() -> Self {
        let mut sum = 0.0;
        let cumulative = (1..=KEYS)
            .map(|rank| {
                sum += (rank as f64).powf(-EXPONENT);
                sum
            })
            .collect();
        Self { cumulative }
    }

    fn keys(&self, count: usize, seed: u64) -> Vec<u64> {
        let mut random = Random(seed);
        let total = self.cumulative[KEYS - 1];
        let draw = |_| {
            let point = (random.next() >> 11) as f64 / (1_u64 << 53) as f64 * total;
            self.cumulative.partition_point(|&sum| sum < point) as u64
        };
        (0..count).map(draw).collect()
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }
}

fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
