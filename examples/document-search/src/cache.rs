//! The answers to recent queries.

use std::sync::Arc;

use heapledger::scope;
use quick_cache::sync::Cache;
use serde::Serialize;

/// One result as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hit {
    pub title: Box<str>,
    pub path: Box<str>,
    pub snippet: Box<str>,
    pub score: f32,
}

/// The answer to a query.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// Documents that match.
    pub total: usize,
    /// The best of them.
    pub hits: Box<[Hit]>,
}

/// Keeps a bounded number of answers; those asked for often stay.
pub struct QueryCache {
    answers: Cache<Box<str>, Arc<Answer>>,
}

impl QueryCache {
    pub fn new(capacity: usize) -> Self {
        let _scope = scope!("query_cache");
        Self { answers: Cache::new(capacity) }
    }

    /// The answer to a query, if it is kept.
    pub fn get(&self, key: &Key) -> Option<Arc<Answer>> {
        self.answers.get(&*key.0)
    }

    /// Keep an answer, and give it back.
    ///
    /// It is copied, as what is kept belongs to the cache and what is handed
    /// over belongs to the search that made it.
    pub fn insert(&self, key: &Key, answer: &Answer) -> Arc<Answer> {
        let _scope = scope!("query_cache");
        let kept = Arc::new(answer.clone());
        self.answers.insert(key.0.clone(), Arc::clone(&kept));
        kept
    }

    /// Answers kept now.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Answers that can be kept.
    pub fn capacity(&self) -> usize {
        self.answers.capacity() as usize
    }
}

/// A query as the cache knows it: queries that mean the same, for as many results,
/// are the same key.
pub struct Key(Box<str>);

impl Key {
    pub fn new(query: &str, hits: usize) -> Self {
        let words: Vec<&str> = query.split_whitespace().collect();
        // Upper case has a meaning in AND, OR and NOT: letters stay as they are. No
        // word holds the line break.
        Self(format!("{}\n{hits}", words.join(" ")).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(total: usize) -> Answer {
        let hit = Hit { title: "t".into(), path: "p".into(), snippet: "s".into(), score: 1.0 };
        Answer { total, hits: vec![hit].into() }
    }

    #[test]
    fn an_answer_is_found_again_however_it_is_spaced() {
        let cache = QueryCache::new(100);
        assert_eq!(cache.get(&Key::new("two words", 3)), None);
        let kept = cache.insert(&Key::new("two words", 3), &answer(7));
        assert_eq!(*kept, answer(7));
        let found = cache.get(&Key::new("  two\twords ", 3)).expect("the answer kept");
        assert!(Arc::ptr_eq(&found, &kept));
        assert_eq!(cache.get(&Key::new("Two words", 3)), None);
        assert_eq!(cache.get(&Key::new("two words", 4)), None);
    }

    #[test]
    fn the_capacity_is_never_exceeded() {
        let cache = QueryCache::new(10);
        for number in 0..1000 {
            cache.insert(&Key::new(&format!("query {number}"), 3), &answer(number));
            assert!(cache.len() <= cache.capacity());
        }
        assert!(cache.len() > 0);
    }
}
