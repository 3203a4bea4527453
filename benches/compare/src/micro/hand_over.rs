//! Blocks that one thread allocates and fills, and another reads and frees.
//!
//! Producers and consumers in pairs: boxes of blocks go one way, the empty boxes
//! come back, so that in the long run nothing but the blocks is allocated. Who
//! waits for a box does not sleep: waking up costs more than all the blocks in it.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Instant;

use heapledger_programs::ThreadStart;

use super::placement::pin;
use super::timed;
use crate::Report;

const BOX_BLOCKS: usize = 256;
const BOXES: usize = 8;
const ROUND_BOXES: usize = 128;
const ROUNDS: usize = 31;
const WARM_UP: usize = 5;
/// The sizes go round: 16, 24, … 256.
const SIZES: usize = 31;

/// A block on its way.
pub struct Block(*mut u8, Layout);

// SAFETY: a block is owned by whoever has it; memory may be freed by any thread.
unsafe impl Send for Block {}

type Carton = Vec<Block>;

/// Half of the threads allocate, the other half `end` the blocks; an operation is
/// a block.
///
/// # Panics
///
/// If the number of threads is odd.
pub fn run(threads: usize, enter: ThreadStart, end: fn(Block)) -> Report {
    assert!(threads >= 2 && threads.is_multiple_of(2), "hand-over needs pairs of threads");
    let pairs = threads / 2;
    let mut times: Vec<f64> = std::thread::scope(|scope| {
        let consumers: Vec<_> = (0..pairs)
            .map(|pair| {
                let (full, fulls) = sync_channel(BOXES);
                let (empty, empties) = sync_channel(BOXES);
                scope.spawn(move || {
                    pin(2 * pair);
                    produce(enter, &full, &empties);
                });
                scope.spawn(move || {
                    pin(2 * pair + 1);
                    consume(enter, end, &fulls, &empty)
                })
            })
            .collect();
        consumers
            .into_iter()
            .flat_map(|it| it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let blocks = pairs * (ROUNDS + WARM_UP) * ROUND_BOXES * BOX_BLOCKS;
    Report { checksum: blocks as u64, ..timed(&mut times) }
}

fn produce(enter: ThreadStart, full: &SyncSender<Carton>, empties: &Receiver<Carton>) {
    enter();
    let mut number = 0;
    for sent in 0..(ROUNDS + WARM_UP) * ROUND_BOXES {
        let carton = if sent < BOXES { None } else { receive(empties) };
        let mut carton = carton.unwrap_or_else(|| Vec::with_capacity(BOX_BLOCKS));
        for _ in 0..BOX_BLOCKS {
            number += 1;
            carton.push(Block::new(16 + number % SIZES * 8));
        }
        if full.send(carton).is_err() {
            return;
        }
    }
    // The consumer sends every carton back.
    while receive(empties).is_some() {}
}

/// The nanoseconds per block of each measured round.
fn consume(
    enter: ThreadStart,
    end: fn(Block),
    fulls: &Receiver<Carton>,
    empty: &SyncSender<Carton>,
) -> Vec<f64> {
    enter();
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS + WARM_UP {
        let start = Instant::now();
        for _ in 0..ROUND_BOXES {
            let Some(mut carton) = receive(fulls) else { return times };
            carton.drain(..).for_each(end);
            if empty.send(carton).is_err() {
                return times;
            }
        }
        if round >= WARM_UP {
            let blocks = (ROUND_BOXES * BOX_BLOCKS) as f64;
            times.push(start.elapsed().as_nanos() as f64 / blocks);
        }
    }
    times
}

/// The next carton, without sleeping; None when the other side has gone.
fn receive(channel: &Receiver<Carton>) -> Option<Carton> {
    const PATIENCE: u32 = 2_000;
    for turn in 0_u32.. {
        match channel.try_recv() {
            Ok(carton) => return Some(carton),
            Err(TryRecvError::Disconnected) => return None,
            // Where there are fewer cores than threads, the other side needs ours.
            Err(TryRecvError::Empty) if turn > PATIENCE => std::thread::yield_now(),
            Err(TryRecvError::Empty) => std::hint::spin_loop(),
        }
    }
    None
}

impl Block {
    fn new(size: usize) -> Self {
        let layout = Layout::from_size_align(size, 8).unwrap_or(Layout::new::<u64>());
        // SAFETY: the size is not 0, and all of the block may be written.
        unsafe {
            let address = alloc(layout);
            if address.is_null() {
                handle_alloc_error(layout);
            }
            address.write_bytes(1, layout.size());
            Self(address, layout)
        }
    }

    /// What a receiver does: it reads what it got, then drops it.
    pub fn read_and_free(self) {
        // SAFETY: the block is ours, and `new` wrote all of it.
        let content = unsafe { std::slice::from_raw_parts(self.0, self.1.size()) };
        std::hint::black_box(content.iter().map(|byte| u64::from(*byte)).sum::<u64>());
        self.free();
    }

    /// Frees the block without touching it.
    pub fn free(self) {
        // SAFETY: `new` made the block with this layout, and it is ours alone.
        unsafe { dealloc(self.0, self.1) };
    }
}
