//! Hazard 19: reading while others write. No reading is negative, or above what can
//! be live by more than what was in flight (I2); totals never shrink, no peak is
//! below a live value that was returned before it.
//!
//! Three threads allocate, grow, hand over and free under one tag and its child,
//! and threads come and go, while this one reads. Shown: ten million readings of
//! the tag, a hundred thousand of the process and of all tags, nothing wrong in
//! any; and at rest the tag is exact again.
//!
//! Seen to fail: with `ledger::read::tag_with_children` reading the allocated
//! halves first.
//!
//! Longer: `HEAPLEDGER_READS=1_000_000_000`.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use heapledger::{Counts, Tag, TagReading, snapshot, snapshot_tags};

#[path = "support/random.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod random;

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

static WORK: Tag = Tag::new("work");
static PART: Tag = Tag::new("work/part");

/// What can be live under the tag at one time: the blocks in the channel, those in
/// the hands of the three threads and of one that frees; each at most twice the
/// largest size.
const LIVE_BYTES_MAX: u64 = (64 + 4) * 2 * 4093;

fn produce(give: &mpsc::SyncSender<Vec<u8>>, stop: &AtomicBool) {
    let mut size = 1;
    while !stop.load(Ordering::Relaxed) {
        size = size * 7 % 4093;
        let mut block = WORK.run(|| black_box(vec![1_u8; size]));
        block.reserve_exact(size);
        if give.send(block).is_err() {
            return;
        }
    }
}

/// Frees what others allocated, on threads that live for a moment.
fn consume(take: &mpsc::Receiver<Vec<u8>>) {
    let (mut frees, mut held) = (0_u32, None);
    while let Ok(block) = take.recv() {
        held = Some(PART.run(|| black_box(Box::new([0_u64; 9]))));
        frees += 1;
        if frees.is_multiple_of(1000) {
            std::thread::spawn(move || drop(block)).join().expect("a thread that frees");
        }
    }
    drop(held);
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The last reading, and what must not go below it.
struct Watched {
    last: Counts,
    peak_live_bytes: u64,
}

impl Watched {
    fn check(&mut self, reading: &TagReading) {
        let Counts { allocated_bytes, allocated_blocks, freed_bytes, freed_blocks } = reading.own;
        assert!(allocated_bytes >= freed_bytes && allocated_blocks >= freed_blocks, "{reading:?}");
        let grown = reading.own.since(&self.last);
        for grown in
            [grown.allocated_bytes, grown.allocated_blocks, grown.freed_bytes, grown.freed_blocks]
        {
            assert!(grown < 1 << 40, "{reading:?} after {:?}", self.last);
        }
        // Everything that was allocated since the last reading may have been in flight.
        let bound = LIVE_BYTES_MAX + grown.allocated_bytes;
        assert!(reading.own.live_bytes() <= bound, "{reading:?} after {:?}", self.last);
        let all = reading.with_children;
        assert!(all.live_bytes_signed() >= reading.own.live_bytes_signed(), "{reading:?}");
        assert!(all.live_blocks_signed() >= reading.own.live_blocks_signed(), "{reading:?}");
        self.peak_live_bytes = self.peak_live_bytes.max(reading.own.live_bytes());
        assert!(reading.peak_live_bytes >= self.peak_live_bytes, "{reading:?}");
        self.last = reading.own;
    }
}

#[test]
fn no_reading_is_negative() {
    let reads = random::env_number("HEAPLEDGER_READS", 10_000_000);
    let stop = AtomicBool::new(false);
    let (give, take) = mpsc::sync_channel(64);
    std::thread::scope(|scope| {
        let second = give.clone();
        scope.spawn(|| produce(&{ give }, &stop));
        scope.spawn(|| produce(&{ second }, &stop));
        scope.spawn(move || consume(&take));
        // Also when an assertion fails: the scope waits for the others.
        let _stop = StopOnDrop(&stop);
        let mut watched = Watched { last: Counts::ZERO, peak_live_bytes: 0 };
        let mut buffer = [TagReading::EMPTY; 16];
        let mut process_peak = 0;
        for n in 0..reads {
            watched.check(&WORK.read().expect("installed"));
            if n.is_multiple_of(100) {
                for reading in snapshot_tags(&mut buffer).expect("few tags") {
                    assert!(reading.own.live_bytes_signed() >= 0, "{reading:?}");
                    assert!(reading.own.live_blocks_signed() >= 0, "{reading:?}");
                    assert!(reading.peak_live_bytes >= reading.own.live_bytes(), "{reading:?}");
                }
            }
            if n.is_multiple_of(1000) {
                let now = snapshot().expect("installed");
                assert!(now.counts.live_bytes_signed() >= 0, "{now:?}");
                process_peak = process_peak.max(now.live_bytes());
                assert!(now.peak_live_bytes >= process_peak, "{now:?}");
            }
        }
    });
    let rest = WORK.read().expect("installed");
    assert_eq!((rest.with_children.live_bytes(), rest.with_children.live_blocks()), (0, 0));
    assert!(rest.own.allocated_blocks > 1000);
    assert_eq!(heapledger::self_check(), Ok(()));
}
