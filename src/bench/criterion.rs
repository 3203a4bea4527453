//! Criterion benchmarks that report memory.
//!
//! Two ways: [`BenchWithMemory::bench_with_memory`] measures time as usual and
//! prints what one iteration allocates beside it; [`Allocated`] takes the place of
//! time as what Criterion measures, compares and warns about.
//!
//! # Examples
//!
//! ```
//! # #[global_allocator]
//! # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
//! use criterion::Criterion;
//! use heapledger::bench::criterion::{Allocated, BenchWithMemory};
//!
//! # if false {
//! let work = || "a b c".split(' ').map(str::to_owned).collect::<Vec<_>>();
//! Criterion::default().bench_with_memory("split", work);
//!
//! let mut bytes = Criterion::default().with_measurement(Allocated::BYTES);
//! bytes.bench_function("split (bytes)", |bencher| bencher.iter(work));
//! # }
//! ```

use core::fmt;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkGroup, Criterion, Throughput};

use crate::ledger::{Counts, read};

use super::count;

/// What Criterion measures instead of time: bytes or blocks allocated.
///
/// Counted on all threads. A program that allocates the same every time has no
/// spread at all, so that Criterion sees every change. Criterion prints the
/// numbers under its heading `time`, and refuses to analyse a benchmark that
/// allocates nothing ("took zero time per iteration"): for those there is
/// [`count`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocated {
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Bytes,
    Blocks,
}

impl Allocated {
    /// Bytes allocated in an iteration.
    pub const BYTES: Self = Self { unit: Unit::Bytes };
    /// Blocks allocated in an iteration.
    pub const BLOCKS: Self = Self { unit: Unit::Blocks };

    fn of(self, counts: &Counts) -> u64 {
        match self.unit {
            Unit::Bytes => counts.allocated_bytes,
            Unit::Blocks => counts.allocated_blocks,
        }
    }
}

impl Measurement for Allocated {
    type Intermediate = u64;
    type Value = u64;

    fn start(&self) -> u64 {
        self.of(&read::total())
    }

    fn end(&self, before: u64) -> u64 {
        self.of(&read::total()).wrapping_sub(before)
    }

    fn add(&self, one: &u64, other: &u64) -> u64 {
        one + other
    }

    fn zero(&self) -> u64 {
        0
    }

    fn to_f64(&self, value: &u64) -> f64 {
        *value as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &self.unit
    }
}

impl ValueFormatter for Unit {
    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        let (divisor, unit) = match self {
            Self::Blocks => (1.0, "blocks"),
            Self::Bytes if typical < 1024.0 => (1.0, "B"),
            Self::Bytes if typical < 1_048_576.0 => (1024.0, "KiB"),
            Self::Bytes => (1_048_576.0, "MiB"),
        };
        values.iter_mut().for_each(|value| *value /= divisor);
        unit
    }

    /// What is allocated for each element or byte that an iteration handles.
    fn scale_throughputs(
        &self,
        _typical: f64,
        throughput: &Throughput,
        values: &mut [f64],
    ) -> &'static str {
        let (handled, unit) = match (throughput, self) {
            (Throughput::Elements(n), Self::Bytes) => (*n, "B/element"),
            (Throughput::Elements(n), Self::Blocks) => (*n, "blocks/element"),
            (Throughput::Bytes(n) | Throughput::BytesDecimal(n), Self::Bytes) => (*n, "B/byte"),
            (Throughput::Bytes(n) | Throughput::BytesDecimal(n), Self::Blocks) => {
                (*n, "blocks/byte")
            }
            // What further kinds there may be are not scaled.
            (_, Self::Bytes) => (1, "B"),
            (_, Self::Blocks) => (1, "blocks"),
        };
        values.iter_mut().for_each(|value| *value /= handled.max(1) as f64);
        unit
    }

    fn scale_for_machines(&self, _values: &mut [f64]) -> &'static str {
        match self {
            Self::Bytes => "B",
            Self::Blocks => "blocks",
        }
    }
}

/// Time by Criterion, and memory beside it.
pub trait BenchWithMemory {
    /// Measures the time of `work`, runs it once more to count, and prints:
    ///
    /// ```text
    /// split                   time:   [62.1 ns 62.3 ns 62.6 ns]
    ///                         memory: 99 B in 4 blocks, peak 99 B, resident +0 B
    /// ```
    ///
    /// What is counted is one run after all those that were timed, the drop of its
    /// result included. Without heapledger as the global allocator it prints why
    /// it cannot count.
    fn bench_with_memory<T>(&mut self, name: &str, work: impl FnMut() -> T) -> &mut Self;
}

impl BenchWithMemory for Criterion<WallTime> {
    fn bench_with_memory<T>(&mut self, name: &str, mut work: impl FnMut() -> T) -> &mut Self {
        let mut ran = false;
        self.bench_function(name, |bencher| {
            ran = true;
            bencher.iter(&mut work);
        });
        print_memory(ran, work);
        self
    }
}

impl BenchWithMemory for BenchmarkGroup<'_, WallTime> {
    fn bench_with_memory<T>(&mut self, name: &str, mut work: impl FnMut() -> T) -> &mut Self {
        let mut ran = false;
        self.bench_function(name, |bencher| {
            ran = true;
            bencher.iter(&mut work);
        });
        print_memory(ran, work);
        self
    }
}

/// Benchmarks that the command line filtered out are not counted, either.
fn print_memory<T>(ran: bool, work: impl FnMut() -> T) {
    if ran {
        match count(work) {
            Ok(usage) => println!("{}", Line(&usage)),
            Err(error) => println!("{}", Line(&error)),
        }
    }
}

/// Under Criterion's own column.
struct Line<'a, T>(&'a T);

impl<T: fmt::Display> fmt::Display for Line<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:24}memory: {}", "", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(measurement: Allocated, value: f64) -> String {
        let mut values = [value];
        let unit = measurement.formatter().scale_values(value, &mut values);
        format!("{} {unit}", values[0])
    }

    #[test]
    fn values_have_units() {
        assert_eq!(formatted(Allocated::BYTES, 100.0), "100 B");
        assert_eq!(formatted(Allocated::BYTES, 1536.0), "1.5 KiB");
        assert_eq!(formatted(Allocated::BYTES, 3.0 * 1_048_576.0), "3 MiB");
        assert_eq!(formatted(Allocated::BLOCKS, 5000.0), "5000 blocks");
    }

    #[test]
    fn throughput_is_what_each_element_costs() {
        let mut values = [800.0];
        let unit = Allocated::BYTES.formatter().scale_throughputs(
            800.0,
            &Throughput::Elements(100),
            &mut values,
        );
        assert_eq!((values[0], unit), (8.0, "B/element"));
    }
}
