//! The service: a query in, an answer out.

use std::sync::Arc;

use heapledger::scope;

use crate::cache::{Answer, Hit, Key, QueryCache};
use crate::error::Error;
use crate::index::SearchIndex;
use crate::snippet::snippet;
use crate::store::DocumentStore;

/// Everything that answering a query needs.
pub struct SearchService {
    pub index: SearchIndex,
    pub store: DocumentStore,
    pub cache: QueryCache,
    /// Results in an answer, where nobody asks for another number.
    pub hits: usize,
}

impl SearchService {
    /// Answer a query; also tells whether the answer came from the cache.
    pub fn answer(&self, query: &str) -> Result<(Arc<Answer>, bool), Error> {
        self.best(query, self.hits)
    }

    /// The same with so many results.
    ///
    /// The scope is for what a search needs only while it runs. What outlives
    /// it is allocated in scopes of its own.
    pub fn best(&self, query: &str, hits_max: usize) -> Result<(Arc<Answer>, bool), Error> {
        let _scope = scope!("search");
        let key = Key::new(query, hits_max);
        if let Some(answer) = self.cache.get(&key) {
            return Ok((answer, true));
        }
        let found = self.index.search(query, hits_max)?;
        let mut hits = Vec::with_capacity(found.best.len());
        for (score, number) in found.best {
            if let Some(document) = self.store.get(number) {
                hits.push(Hit {
                    title: document.title.clone(),
                    path: document.path.clone(),
                    snippet: snippet(&document.text()?, query).into(),
                    score,
                });
            }
        }
        let answer = Answer { total: found.total, hits: hits.into() };
        Ok((self.cache.insert(&key, &answer), false))
    }
}
