//! Claim: counting words by borrowed keys allocates ten blocks, by owned keys one
//! more for every word. Time and memory by `bench_with_memory`, bytes as a measurement.
//!
//! `cargo bench -p heapledger-bench-criterion`

use std::collections::HashMap;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use heapledger::bench::criterion::{Allocated, BenchWithMemory};

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

/// 6,000 words, the same in every run; some come often, most seldom.
fn text() -> String {
    let mut state = 1_u64;
    let mut words = (0..6000).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let rank = (state >> 33) % 2000;
        format!("{:x}", rank * rank / 2000)
    });
    let first = words.next().unwrap_or_default();
    words.fold(first, |text, word| text + " " + &word)
}

fn owned(text: &str) -> usize {
    let mut counts: HashMap<String, u32> = HashMap::new();
    for word in text.split_whitespace() {
        *counts.entry(word.to_owned()).or_default() += 1;
    }
    counts.len()
}

fn borrowed(text: &str) -> usize {
    let mut counts: HashMap<&str, u32> = HashMap::new();
    for word in text.split_whitespace() {
        *counts.entry(word).or_default() += 1;
    }
    counts.len()
}

fn none(text: &str) -> usize {
    text.split_whitespace().count()
}

fn time_and_memory(criterion: &mut Criterion) {
    let text = text();
    let mut group = criterion.benchmark_group("word count");
    group.bench_with_memory("owned keys", || owned(&text));
    group.bench_with_memory("borrowed keys", || borrowed(&text));
    group.bench_with_memory("no map", || none(&text));
    group.finish();
}

fn bytes(criterion: &mut Criterion<Allocated>) {
    let text = text();
    let mut group = criterion.benchmark_group("word count, bytes");
    group.throughput(Throughput::Elements(none(&text) as u64));
    group.bench_function("owned keys", |bencher| bencher.iter(|| owned(&text)));
    group.bench_function("borrowed keys", |bencher| bencher.iter(|| borrowed(&text)));
    group.finish();
}

criterion_group!(times, time_and_memory);
criterion_group! {
    name = allocations;
    config = Criterion::default().with_measurement(Allocated::BYTES);
    targets = bytes
}
criterion_main!(times, allocations);
