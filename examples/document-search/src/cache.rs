//! The answers to recent queries.

use std::sync::Arc;

use heapledger::{BoundedCache, Tag, scope};
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

/// Owns what the cache holds.
static QUERY_CACHE: Tag = Tag::new("query_cache");

/// Keeps a bounded number of answers; those asked for often stay.
pub struct QueryCache {
    answers: BoundedCache<Box<str>, Arc<Answer>>,
    capacity: usize,
}

impl QueryCache {
    pub fn new(capacity: usize) -> Self {
        let answers = BoundedCache::builder("query_cache")
            .tag(&QUERY_CACHE)
            .max_entries(capacity as u64)
            .build()
            .expect("a tag and a limit are all it needs");
        Self { answers, capacity }
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
        let kept = scope!(QUERY_CACHE, Arc::new(answer.clone()));
        let key = scope!(QUERY_CACHE, key.0.clone());
        // Refused or not: the answer is one.
        let _ = self.answers.insert(key, Arc::clone(&kept));
        kept
    }

    /// Answers kept now.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Answers that can be kept.
    pub fn capacity(&self) -> usize {
        self.capacity
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
