//! The job that pools are for: buffers of 64 KiB, of which little is touched.

use std::hint::black_box;
use std::time::Instant;

const BYTES: usize = 64 << 10;
const ROUNDS: usize = 5_000;

heapledger::pool! {
    static BUFFERS: Vec<u8> = Vec::with_capacity(BYTES), reset = Vec::clear;
}

fn time(mut body: impl FnMut()) -> f64 {
    let begin = Instant::now();
    (0..ROUNDS).for_each(|_| body());
    begin.elapsed().as_nanos() as f64 / ROUNDS as f64
}

fn touch(buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(&[1; 256]);
    black_box(buffer);
}

/// Nanoseconds of each round.
pub struct Buffers {
    pub fresh: Vec<f64>,
    pub pool: Vec<f64>,
    pub fixed: Vec<f64>,
    /// One that the caller keeps: what touching it costs.
    pub kept: Vec<f64>,
}

pub fn measure(rounds: usize) -> Buffers {
    let make = || Vec::<u8>::with_capacity(BYTES);
    let pool =
        heapledger::Pool::builder("buffers", make).reset(Vec::clear).build().expect("a pool");
    let mut own = make();
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..rounds {
        times[0].push(time(|| touch(&mut black_box(make()))));
        times[1].push(time(|| touch(&mut pool.acquire())));
        times[2].push(time(|| touch(&mut BUFFERS.acquire())));
        times[3].push(time(|| {
            touch(&mut own);
            own.clear();
        }));
    }
    let [fresh, pool, fixed, kept] = times;
    Buffers { fresh, pool, fixed, kept }
}
