//! Load on the service: queries made of the documents' own words.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use heapledger::scope;

use crate::error::Error;
use crate::search::SearchService;
use crate::store::DocumentStore;

/// One query in this many is new, as far as the documents yield so many.
const REPEATS: usize = 4;

/// The same documents give the same queries.
const SEED: u64 = 0x6865_6170;

/// Longer than "the" and shorter than a generated name.
const WORD_LETTERS: std::ops::RangeInclusive<usize> = 4..=16;

/// Different queries, each of one to three successive words of a document.
pub fn derive(store: &DocumentStore, wanted: usize) -> Result<Vec<String>, Error> {
    let _scope = scope!("queries");
    let mut random = Rng::with_seed(SEED);
    let documents: Vec<_> = store.iter().collect();
    let mut queries = Vec::new();
    if documents.is_empty() || wanted == 0 {
        return Ok(queries);
    }
    let distinct = wanted.div_ceil(REPEATS);
    // Some will be drawn more than once.
    let drawn = 2 * distinct;
    let per_document = drawn.div_ceil(documents.len());
    let step = (documents.len() / drawn).max(1);
    for document in documents.iter().step_by(step) {
        let text = document.text()?;
        let words: Vec<&str> = text
            .split(|c: char| !c.is_alphabetic())
            .filter(|word| WORD_LETTERS.contains(&word.chars().count()))
            .collect();
        for _ in 0..per_document {
            if words.is_empty() {
                break;
            }
            let start = random.usize(..words.len());
            let end = (start + random.usize(1..=3)).min(words.len());
            queries.push(words[start..end].join(" "));
        }
    }
    queries.sort();
    queries.dedup();
    random.shuffle(&mut queries);
    queries.truncate(distinct);
    Ok(queries)
}

/// How long queries took, shortest first.
#[derive(Default)]
pub struct Latencies {
    sorted: Vec<Duration>,
}

impl Latencies {
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { sorted: times }
    }

    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The time that `percent` of the queries did not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.sorted.len() * percent).div_ceil(100);
        self.sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// The result of a load.
pub struct Load {
    pub distinct: usize,
    pub elapsed: Duration,
    /// Queries that went through the index.
    pub computed: Latencies,
    /// Queries that the cache answered.
    pub cached: Latencies,
}

/// Run `count` of the `queries` on several threads, popular ones more often.
pub fn run(
    service: &SearchService,
    queries: &[String],
    count: usize,
    threads: usize,
) -> Result<Load, Error> {
    let _scope = scope!("queries");
    let count = if queries.is_empty() { 0 } else { count };
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    let worker = || {
        let _scope = scope!("queries");
        let (mut computed, mut cached) = (Vec::new(), Vec::new());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok::<_, Error>((computed, cached));
            }
            let query = &queries[popular(number, queries.len())];
            let asked = Instant::now();
            let (_, from_cache) = service.answer(query)?;
            let times = if from_cache { &mut cached } else { &mut computed };
            times.push(asked.elapsed());
        }
    };

    let (mut computed, mut cached) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        let mut handles = Vec::with_capacity(threads);
        for number in 0..threads {
            let named = thread::Builder::new().name(format!("searcher-{number}"));
            handles.push(named.spawn_scoped(scope, worker).map_err(Error::Thread)?);
        }
        for handle in handles {
            let times = handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            computed.extend(times.0);
            cached.extend(times.1);
        }
        Ok::<_, Error>(())
    })?;
    Ok(Load {
        distinct: queries.len(),
        elapsed: started.elapsed(),
        computed: Latencies::new(computed),
        cached: Latencies::new(cached),
    })
}

/// Which of `length` queries the one of this number is: the first quarter of
/// them gets half of all questions.
pub fn popular(number: usize, length: usize) -> usize {
    let random = Rng::with_seed(SEED.wrapping_add(number as u64)).f64();
    ((random * random * length as f64) as usize).min(length - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::Extracted;

    #[test]
    fn queries_are_made_of_the_documents_words() {
        let store = DocumentStore::new(2);
        let document = |text: &str| Extracted { title: String::new(), text: text.into() };
        store.insert(0, "a", &document("several words, made of letters; 12345 no no no"), None);
        store.insert(1, "b", &document("x y z"), None);
        let queries = derive(&store, 40).expect("texts");
        assert!((1..=10).contains(&queries.len()));
        for word in queries.iter().flat_map(|query| query.split(' ')) {
            assert!(["several", "words", "made", "letters"].contains(&word), "{word}");
        }
        assert_eq!(queries, derive(&store, 40).expect("texts"), "the same every time");
        assert_eq!(derive(&store, 0).expect("texts").len(), 0);
        assert_eq!(derive(&DocumentStore::new(5), 40).expect("texts").len(), 0);
    }

    #[test]
    fn percentiles_are_of_the_times_given() {
        let latencies = Latencies::new((1..=100).rev().map(Duration::from_millis).collect());
        assert_eq!(latencies.percentile(50), Duration::from_millis(50));
        assert_eq!(latencies.percentile(99), Duration::from_millis(99));
        assert_eq!(latencies.percentile(100), Duration::from_millis(100));
        assert_eq!(Latencies::default().percentile(50), Duration::ZERO);
    }

    #[test]
    fn popular_queries_are_asked_more_often() {
        let mut counts = [0_usize; 8];
        for number in 0..8_000 {
            counts[popular(number, 8)] += 1;
        }
        assert!(counts[0] > 2 * counts[7] && counts[7] > 0, "{counts:?}");
    }
}
