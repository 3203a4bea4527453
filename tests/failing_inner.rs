//! A backend that refuses requests: a refusal reaches the caller as null, raises
//! the fault counter by one, and changes nothing else (invariant I5; hazards 10
//! and 13). A refused `realloc` leaves block, contents and owner.

mod support;

use core::alloc::Layout;

use heapledger::Allocator;
use heapledger::backend::Wrapped;
use support::backends::{Failing, Schedule};
use support::block::Block;
use support::checked::Checked;
use support::layouts::{REGIMES, random_layout, random_size};
use support::one_at_a_time;
use support::random::{Random, env_number};
use support::workload::{Plan, check};

static BACKEND: Failing = Failing::new();
static ALLOCATOR: Allocator<Wrapped<&Failing>> = Allocator::with_backend(Wrapped::new(&BACKEND));

/// Untagged, a tag whose number fits into a byte, and one whose does not.
const OWNERS: usize = 3;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a valid layout")
}

/// Asks for memory in every way there is: from every regime, zeroed and not,
/// untagged and tagged, resized to every regime; frees all of it.
fn every_request(checked: &mut Checked<'_, Allocator<Wrapped<&'static Failing>>>) {
    for from in REGIMES {
        for owner in 0..OWNERS {
            let old = layout(from.edge_sizes()[0], from.alignments()[0]);
            for zeroed in [false, true] {
                if let Some(block) = checked.allocate(old, zeroed, owner) {
                    checked.free(block, (owner + 1) % OWNERS);
                }
            }
            for to in REGIMES {
                let Some(mut block) = checked.allocate(old, false, owner) else { continue };
                checked.resize(&mut block, to.edge_sizes()[1], (owner + 2) % OWNERS);
                checked.free(block, 0);
            }
        }
    }
}

#[test]
fn every_call_site_fails_once_and_nothing_changes() {
    let _turn = one_at_a_time();
    let mut checked = Checked::new(&ALLOCATOR, OWNERS);
    BACKEND.follow(Schedule::Never);
    every_request(&mut checked);
    let requests = BACKEND.requests();
    for nth in 1..=requests {
        BACKEND.follow(Schedule::Nth(nth));
        every_request(&mut checked);
        assert_eq!(BACKEND.refusals(), 1, "request {nth} of {requests} was not reached");
    }
    assert_eq!(checked.refused(), requests);
    println!("{requests} call sites");
}

#[test]
fn every_kth_request_fails_and_nothing_changes() {
    let _turn = one_at_a_time();
    let mut checked = Checked::new(&ALLOCATOR, OWNERS);
    for step in 1..=9 {
        BACKEND.follow(Schedule::Every(step));
        let before = checked.refused();
        for _ in 0..3 {
            every_request(&mut checked);
        }
        assert_eq!(checked.refused() - before, BACKEND.refusals());
        assert_ne!(BACKEND.refusals(), 0);
    }
}

/// One block after another through a chain of `realloc`s, one in ten refused.
#[test]
fn a_tenth_of_all_reallocs_fails_and_nothing_changes() {
    let _turn = one_at_a_time();
    let reallocs = env_number("HEAPLEDGER_PROPERTY_OPS", 10_000_000) / 10;
    let mut checked = Checked::new(&ALLOCATOR, OWNERS);
    let seed = env_number("HEAPLEDGER_PROPERTY_SEED", 10);
    BACKEND.follow(Schedule::OneInTen(seed));
    let mut random = Random::new(seed);
    let mut done = 0;
    while done < reallocs {
        let (layout, owner) = (random_layout(&mut random), random.below(OWNERS));
        let Some(mut block) = checked.allocate(layout, false, owner) else { continue };
        for _ in 0..random.within(1, 40) {
            checked.resize(&mut block, random_size(&mut random), random.below(OWNERS));
            done += 1;
        }
        checked.free(block, random.below(OWNERS));
    }
    let (requests, refusals) = (BACKEND.requests(), BACKEND.refusals());
    println!("{done} reallocs, {refusals} of {requests} requests refused");
    assert!(refusals > requests / 20 && refusals < requests / 5);
}

/// Eight threads at once, each with refusals, against the model.
#[test]
fn a_tenth_of_all_requests_fails_while_threads_share_blocks() {
    static BACKEND: Failing = Failing::new();
    static ALLOCATOR: Allocator<Wrapped<&Failing>> =
        Allocator::with_backend(Wrapped::new(&BACKEND));
    BACKEND.follow(Schedule::OneInTen(13));
    check(&ALLOCATOR, Plan { may_fail: true, ..Plan::from_env("failing", 10) });
}

/// A thread whose first request is refused has no counters before it, and must
/// have exact ones after it.
#[test]
fn the_first_request_of_a_thread_fails_and_nothing_changes() {
    let _turn = one_at_a_time();
    let ledger = support::ledger::Ledger::new(&ALLOCATOR, OWNERS);
    for from in REGIMES {
        for (owner, zeroed) in [(0, false), (0, true), (1, false), (1, true)] {
            BACKEND.follow(Schedule::Nth(1));
            let before = ledger.counts(owner);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let layout = layout(from.edge_sizes()[0], from.alignments()[0]);
                    let ask =
                        || ledger.run(owner, || Block::new(&ALLOCATOR, layout, zeroed, owner));
                    assert!(ask().is_none());
                    assert_eq!(ledger.counts(owner), before);
                    let mut second = ask().expect("only the first is refused");
                    second.fill(1);
                    let since = ledger.counts(owner).since(&before);
                    assert_eq!(since.live_bytes(), layout.size() as u64);
                    assert_eq!(since.live_blocks(), 1);
                    second.free(&ALLOCATOR);
                });
            });
            assert_eq!(ledger.counts(owner).since(&before).live_blocks(), 0);
        }
    }
}
