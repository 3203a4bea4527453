//! Strings made, sorted, grouped and collected in parallel with rayon.

use rayon::prelude::*;

use crate::random::{Random, hash, mix};
use crate::{ThreadStart, WORKERS};

const STRINGS: u64 = 1_500_000;

/// Makes strings of 4 to about 60 bytes, sorts them, and joins those that share
/// their first letters.
///
/// # Panics
///
/// If the threads cannot be started.
pub fn sort_and_collect(on_thread_start: ThreadStart) -> u64 {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(WORKERS)
        .start_handler(move |_| on_thread_start())
        .build()
        .unwrap_or_else(|error| panic!("no thread pool: {error}"));
    pool.install(|| {
        let mut strings: Vec<String> = (0..STRINGS).into_par_iter().map(string).collect();
        strings.par_sort_unstable();
        strings.dedup();
        let upper: Vec<String> = strings.par_iter().map(|it| it.to_uppercase()).collect();
        let groups: Vec<String> =
            upper.par_chunk_by(|a, b| a[..2] == b[..2]).map(|group| group.concat()).collect();
        groups.par_iter().map(|group| hash(group.as_bytes())).reduce(|| 0, u64::wrapping_add)
            ^ mix(strings.len() as u64)
    })
}

fn string(number: u64) -> String {
    let mut random = Random::new(number);
    let repeats = random.below(10) as usize;
    format!("{:04x}{}-{}", random.below(1 << 16), "heap/".repeat(repeats), random.below(100_000))
}
