//! Claim: counting words by borrowed keys allocates a small part of what owned
//! keys do. Time and memory by `bench_with_memory`, bytes as a measurement.
//!
//! `cargo bench -p heapledger-bench-criterion`

use std::collections::HashMap;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use heapledger::bench::criterion::{Allocated, BenchWithMemory};

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

/// About 6,000 words.
const TEXT: &str = concat!(
    include_str!("../../../docs/GUARANTEES.md"),
    include_str!("../../../src/alloc/paths.rs"),
    include_str!("../../../src/ledger/tag_map.rs"),
);

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
    let mut group = criterion.benchmark_group("word count");
    group.bench_with_memory("owned keys", || owned(TEXT));
    group.bench_with_memory("borrowed keys", || borrowed(TEXT));
    group.bench_with_memory("no map", || none(TEXT));
    group.finish();
}

fn bytes(criterion: &mut Criterion<Allocated>) {
    let mut group = criterion.benchmark_group("word count, bytes");
    group.throughput(Throughput::Elements(none(TEXT) as u64));
    group.bench_function("owned keys", |bencher| bencher.iter(|| owned(TEXT)));
    group.bench_function("borrowed keys", |bencher| bencher.iter(|| borrowed(TEXT)));
    group.finish();
}

criterion_group!(times, time_and_memory);
criterion_group! {
    name = allocations;
    config = Criterion::default().with_measurement(Allocated::BYTES);
    targets = bytes
}
criterion_main!(times, allocations);
