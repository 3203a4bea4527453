//! Random operations against a model.
//!
//! The model knows what is in the cache: it follows insertions by itself and learns
//! of evictions, which it cannot foresee, from the listener. Everything else must
//! agree after every operation: what is found, what is expired, Σ weights ≤
//! capacity, one call of the listener for every entry that left, and statistics.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use heapledger::{BoundedCache, CacheError, Cause};

use crate::random::{Random, env_number};
use crate::support::{FakeClock, Log, TICK, assert_adds_up};

#[derive(Clone, Copy, PartialEq, Debug)]
struct Value {
    number: u64,
    weight: u64,
}

#[derive(Clone, Copy)]
struct Held {
    value: Value,
    /// Until then it must be found, unless it was evicted.
    lives_until: Duration,
    forever: bool,
}

struct Model {
    held: HashMap<u64, Held>,
    capacity_bytes: u64,
    hits: u64,
    misses: u64,
    inserted: u64,
    refused: u64,
    left: HashMap<Cause, u64>,
}

impl Model {
    fn used_bytes(&self) -> u64 {
        self.held.values().map(|it| it.value.weight.max(1)).sum()
    }

    /// Takes out what the listener told; `expected` may leave for another cause
    /// than room or time.
    fn leave(
        &mut self,
        told: Vec<(u64, Value, Cause)>,
        now: Duration,
        expected: &mut Vec<(u64, Value, Cause)>,
    ) {
        for one @ (key, value, cause) in told {
            *self.left.entry(cause).or_default() += 1;
            if let Some(at) = expected.iter().position(|it| *it == one) {
                expected.swap_remove(at);
                continue;
            }
            let held = self.held.remove(&key).expect("it was in the cache");
            assert_eq!(held.value, value, "the value it had");
            match cause {
                Cause::Size => {}
                Cause::Expired => assert!(!held.forever && held.lives_until <= now, "too early"),
                other => panic!("{key} left, {other:?}, unasked"),
            }
        }
        assert_eq!(expected, &[], "not told");
    }
}

fn check(seed: u64, operations: u64) {
    let mut random = Random::new(seed);
    let (clock, log) = (FakeClock::default(), Log::new());
    let capacity_bytes = random.within(500, 200_000) as u64;
    let mut builder = BoundedCache::<u64, Value>::builder("model")
        .capacity_bytes(capacity_bytes)
        .expected_entries(random.within(1, 2000) as u64)
        .weigher(|_, value: &Value| value.weight)
        .clock(clock.reader())
        .listener(log.listener());
    if random.chance(1, 2) {
        builder = builder.shards(1 << random.below(4));
    }
    let default_ttl = random.chance(1, 2).then(|| Duration::from_millis(random.next() % 20_000));
    if let Some(lives) = default_ttl {
        builder = builder.time_to_live(lives);
    }
    let cache = builder.build().expect("a valid cache");
    let keys = random.within(2, 500);
    let mut model = Model {
        held: HashMap::new(),
        capacity_bytes,
        hits: 0,
        misses: 0,
        inserted: 0,
        refused: 0,
        left: HashMap::new(),
    };
    for number in 0..operations {
        let key = random.below(keys) as u64;
        let now = clock.now();
        let mut expected = Vec::new();
        let mut put = |model: &mut Model, value: Value, lives: Option<Duration>| {
            if let Some(old) = model.held.remove(&key) {
                expected.push((key, old.value, Cause::Replaced));
            }
            let lives_until = now.saturating_add(lives.unwrap_or_default());
            let it = Held { value, lives_until, forever: lives.is_none() };
            model.held.insert(key, it);
            model.inserted += 1;
        };
        let heaviest = cache.max_entry_bytes().expect("bytes");
        let weight = match random.below(20) {
            0 => random.next() % (2 * heaviest + 2),
            _ => random.next() % (model.capacity_bytes / 20 + 2),
        };
        let value = Value { number, weight };
        let fits = weight.max(1) <= heaviest;
        match random.below(100) {
            0..30 => {
                let found = cache.get(&key);
                match found {
                    Some(found) => {
                        model.hits += 1;
                        let held = model.held.get(&key).expect("it was put in");
                        assert_eq!(found, held.value);
                        let late = now.saturating_sub(held.lives_until);
                        assert!(held.forever || late <= 2 * TICK, "found {late:?} too late");
                    }
                    None => model.misses += 1,
                }
                model.leave(log.take(), now, &mut expected);
                assert_eq!(found.is_some(), model.held.contains_key(&key), "lost or invented");
            }
            30..70 => {
                let lives =
                    random.chance(1, 3).then(|| Duration::from_millis(random.next() % 9000));
                let result = match lives {
                    Some(lives) => cache.insert_with_ttl(key, value, lives),
                    None => cache.insert(key, value),
                };
                if fits {
                    put(&mut model, value, lives.or(default_ttl));
                    result.expect("it fits");
                } else {
                    let error =
                        CacheError::Oversize { entry_bytes: weight, max_entry_bytes: heaviest };
                    assert_eq!(result, Err(error));
                    model.refused += 1;
                    if let Some(old) = model.held.remove(&key) {
                        expected.push((key, old.value, Cause::Replaced));
                    }
                }
                let told = log.take();
                // The one put in may be the one pushed out, after the old one.
                model.leave(told, now, &mut expected);
            }
            70..85 => {
                let built = RefCell::new(false);
                let found = cache.get_or_insert_with(&key, || {
                    *built.borrow_mut() = true;
                    value
                });
                let told = log.take();
                if built.into_inner() {
                    model.misses += 1;
                    // What was expired or swept left before the new one came.
                    let (before, after): (Vec<_>, Vec<_>) =
                        told.into_iter().partition(|it| it.2 == Cause::Expired && it.1 != value);
                    model.leave(before, now, &mut expected);
                    assert!(!model.held.contains_key(&key), "built though it was there");
                    if fits {
                        let lives = default_ttl;
                        let lives_until = now.saturating_add(lives.unwrap_or_default());
                        model
                            .held
                            .insert(key, Held { value, lives_until, forever: lives.is_none() });
                        model.inserted += 1;
                    } else {
                        model.refused += 1;
                    }
                    assert_eq!(found, value);
                    model.leave(after, now, &mut expected);
                } else {
                    model.hits += 1;
                    model.leave(told, now, &mut expected);
                    assert_eq!(found, model.held.get(&key).expect("it was put in").value);
                }
            }
            85..90 => {
                let removed = cache.remove(&key);
                if let Some(removed) = removed {
                    let held = model.held.remove(&key).expect("it was put in");
                    assert_eq!(removed, held.value);
                    expected.push((key, removed, Cause::Removed));
                }
                model.leave(log.take(), now, &mut expected);
                assert!(!model.held.contains_key(&key), "not removed");
            }
            90..95 => clock.advance(Duration::from_millis(random.next() % 1000)),
            95 => {
                cache.sweep();
                model.leave(log.take(), now, &mut expected);
                let dead =
                    model.held.values().find(|it| !it.forever && it.lives_until + 2 * TICK <= now);
                assert!(dead.is_none(), "not swept");
            }
            96 | 97 => {
                let target = random.next() % (model.capacity_bytes + 1);
                let before = model.used_bytes();
                let gone = cache.evict_to(target);
                model.leave(log.take(), now, &mut expected);
                assert!(model.used_bytes() <= target.max(before.min(target)));
                assert_eq!(gone, before - model.used_bytes());
            }
            98 => {
                model.capacity_bytes = random.next() % 200_000;
                cache.set_capacity_bytes(model.capacity_bytes).expect("bytes");
                model.leave(log.take(), now, &mut expected);
            }
            _ => {
                cache.clear();
                let all = model.held.drain();
                expected.extend(all.map(|(key, it)| (key, it.value, Cause::Cleared)));
                model.leave(log.take(), now, &mut expected);
            }
        }
        let it = cache.statistics();
        assert_eq!(it.used_bytes, model.used_bytes(), "seed {seed}, operation {number}");
        assert!(it.used_bytes <= model.capacity_bytes, "seed {seed}, operation {number}");
        assert_eq!(it.entries, model.held.len() as u64);
        assert_eq!(
            (it.hits, it.misses, it.inserted, it.refused),
            (model.hits, model.misses, model.inserted, model.refused)
        );
        let left = |cause| model.left.get(&cause).copied().unwrap_or(0);
        assert_eq!(
            (it.evicted, it.expired, it.removed, it.replaced, it.cleared),
            (
                left(Cause::Size),
                left(Cause::Expired),
                left(Cause::Removed),
                left(Cause::Replaced),
                left(Cause::Cleared)
            )
        );
        assert_adds_up(&it);
    }
}

/// `CACHE_SEED` and `CACHE_OPERATIONS` lengthen or replay a run.
#[test]
fn random_operations_agree_with_the_model() {
    let first = env_number("CACHE_SEED", 1);
    let operations = env_number("CACHE_OPERATIONS", 20_000);
    for seed in first..first + 40 {
        check(seed, operations);
    }
}
