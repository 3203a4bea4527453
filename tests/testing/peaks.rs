//! The peak of work on one thread is exact, whatever the work does in between.

use std::hint::black_box;

use heapledger::testing::observe;
use heapledger::{Scope, Tag, measure};

use super::random::Random;
use super::seen;

#[test]
fn the_peak_is_the_largest_live_to_the_byte() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let tags: Vec<Tag> =
            (0..3).map(|n| Tag::register(&format!("testing/peaks/{n}")).unwrap()).collect();
        let (mut live, mut peak) = (0_i64, 0_i64);
        let mut blocks: Vec<Vec<u8>> = Vec::with_capacity(300);
        let ((), seen) = observe(|| {
            // Up and down in waves, so that most of the time there is no new peak.
            for step in 0..3000 {
                let grows = random.chance(if step % 1000 < 500 { 6 } else { 3 }, 10);
                let tag = &tags[random.below(3)];
                let bytes = if random.chance(1, 100) { 50_000 } else { 1 + random.below(600) };
                if grows && blocks.len() < 300 {
                    let new = || black_box(vec![0_u8; bytes]);
                    blocks.push(if random.chance(1, 2) { tag.run(new) } else { new() });
                    live += bytes as i64;
                } else if random.chance(1, 4) {
                    let Some(block) = blocks.last_mut() else { continue };
                    let before = block.capacity();
                    block.reserve_exact(bytes);
                    live += block.capacity() as i64 - before as i64;
                } else if !blocks.is_empty() {
                    live -= blocks.swap_remove(random.below(blocks.len())).capacity() as i64;
                }
                peak = peak.max(live);
            }
        })
        .unwrap();
        assert_eq!(seen.counts.live_bytes_signed(), live, "seed {seed}");
        assert_eq!(seen.peak_live_bytes, peak as u64, "seed {seed}");
    }
}

/// The thread's interval between two looks is wanted short by both.
#[test]
fn a_measurement_inside_and_outside_leaves_it_exact() {
    let up_and_down = |bytes: usize| {
        for _ in 0..10 {
            let small: Vec<Box<[u8; 40]>> = (0..100).map(|_| Box::new([1; 40])).collect();
            drop(black_box((small, vec![0_u8; bytes])));
        }
    };
    let truth = |bytes: usize| (100 * 8 + 100 * 40 + bytes) as u64;
    let inside = seen(|| {
        up_and_down(3000);
        measure("testing/peaks/inside", || up_and_down(1000)).unwrap();
        up_and_down(2000);
        drop(black_box(vec![0_u8; truth(3000) as usize + 1]));
    });
    assert_eq!(inside.peak_live_bytes, truth(3000) + 1);
    let (observed, measured) =
        measure("testing/peaks/outside", || seen(|| up_and_down(5000))).unwrap();
    assert_eq!(observed.peak_live_bytes, truth(5000));
    assert!(measured.peak_live_bytes >= truth(5000) - 4096, "{measured:?}");
    assert!(measured.peak_live_bytes <= truth(5000), "{measured:?}");
}

/// Untagged work that was handed over into a scope: what the scope lent it is not
/// there twice.
#[test]
fn untagged_work_inside_of_a_scope_leaves_it_exact() {
    static TAG: Tag = Tag::new("testing/peaks/untagged");
    let seen = seen(|| {
        let untagged = Scope::current();
        // So far below the peak that there is much to lend.
        drop(black_box(vec![0_u8; 10_000]));
        TAG.run(|| {
            drop(black_box(vec![0_u8; 7]));
            untagged.run(|| {
                let high = TAG.run(|| black_box(vec![0_u8; 10_000]));
                let higher = black_box(Vec::<u8>::with_capacity(3000));
                drop((high, higher));
            });
        });
    });
    assert_eq!(seen.peak_live_bytes, 13_000);
}

/// A tag's own peak, and the process's, are looked at as often as ever.
#[test]
fn the_ledgers_peaks_are_looked_at_as_ever() {
    static TAG: Tag = Tag::new("testing/peaks/ledger");
    let seen = seen(|| TAG.run(|| (0..20_000).map(|_| Box::new([0_u8; 100])).collect::<Vec<_>>()));
    let peak = TAG.read().unwrap().peak_live_bytes;
    let truth = 20_000 * 108;
    assert_eq!(seen.peak_live_bytes, truth);
    assert!(peak <= truth && peak >= truth - 2 * (256 << 10), "{peak} of {truth}");
}
