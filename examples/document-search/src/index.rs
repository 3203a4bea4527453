//! The full-text index: built segment by segment, merged, searched.

mod directory;
mod searcher;

use heapledger::{BoundedPool, scope};
use tantivy::indexer::{SingleSegmentIndexWriter, merge_indices};
use tantivy::schema::{FAST, Field, Schema, TEXT};
use tantivy::{Index, IndexSettings, TantivyDocument};

use crate::error::Error;
use crate::extract::Extracted;
use directory::TaggedDirectory;
use searcher::Searcher;

/// Memory after which a writer closes its segment and begins the next.
const SEGMENT_BYTES: usize = 64 << 20;

/// What is indexed of a document.
#[derive(Clone)]
pub struct Fields {
    schema: Schema,
    title: Field,
    text: Field,
    /// The document's number in the store.
    number: Field,
}

impl Fields {
    pub fn new() -> Self {
        let _scope = scope!("index/other");
        let mut schema = Schema::builder();
        let title = schema.add_text_field("title", TEXT);
        let text = schema.add_text_field("text", TEXT);
        let number = schema.add_u64_field("number", FAST);
        Self { schema: schema.build(), title, text, number }
    }
}

/// Builds segments of the index from the documents of one thread.
///
/// tantivy's usual `IndexWriter` starts threads of its own, whose memory no
/// scope of ours reaches. This writer works on the thread that calls it.
pub struct SegmentBuilder {
    fields: Fields,
    open: Option<SingleSegmentIndexWriter>,
    finished: Vec<Index>,
}

impl SegmentBuilder {
    pub fn new(fields: Fields) -> Self {
        Self { fields, open: None, finished: Vec::new() }
    }

    /// Index one document.
    pub fn add(&mut self, number: usize, extracted: &Extracted) -> Result<(), Error> {
        let _scope = scope!("index/writer");
        let mut document = TantivyDocument::new();
        document.add_text(self.fields.title, &extracted.title);
        document.add_text(self.fields.text, &extracted.text);
        document.add_u64(self.fields.number, number as u64);
        let writer = match &mut self.open {
            Some(writer) => writer,
            none => none.insert(open_segment(self.fields.schema.clone())?),
        };
        writer.add_document(document)?;
        if writer.mem_usage() > SEGMENT_BYTES {
            self.close_segment()?;
        }
        Ok(())
    }

    /// The segments built, one index each.
    pub fn finish(mut self) -> Result<Vec<Index>, Error> {
        let _scope = scope!("index/writer");
        self.close_segment()?;
        Ok(self.finished)
    }

    fn close_segment(&mut self) -> Result<(), Error> {
        if let Some(writer) = self.open.take() {
            self.finished.push(writer.finalize()?);
        }
        Ok(())
    }
}

fn open_segment(schema: Schema) -> Result<SingleSegmentIndexWriter, Error> {
    let settings = IndexSettings {
        // Nothing is kept in tantivy's own store: no thread for it either.
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    let builder = Index::builder().schema(schema).settings(settings);
    Ok(builder.single_segment_index_writer(TaggedDirectory::default(), SEGMENT_BYTES)?)
}

/// The finished index, open for searching.
///
/// Each search has a searcher to itself while it runs. There are never more of them
/// than there are threads to search, however many requests come: the others wait
/// their turn.
pub struct SearchIndex {
    searchers: BoundedPool<Searcher>,
}

/// What a search finds.
pub struct Found {
    /// Documents that match, whether listed or not.
    pub total: usize,
    /// The best documents: score and number in the store, best first.
    pub best: Vec<(f32, usize)>,
}

impl SearchIndex {
    /// Merge segments, which are gone after that, and open the result for so many
    /// searches at one time.
    pub fn merge(
        mut segments: Vec<Index>,
        fields: &Fields,
        searches_max: usize,
    ) -> Result<Self, Error> {
        let index = scope!("index/merge", {
            match segments.len() {
                1 => segments.remove(0),
                _ => merge_indices(&segments, TaggedDirectory::default())?,
            }
        });
        drop(segments);

        // What a searcher holds is the pool's: the factory runs under its tag.
        let fields = fields.clone();
        let open = move || Searcher::open(&index, &fields);
        let searchers = BoundedPool::try_builder("index_searchers", searches_max, open).build()?;
        // An index that does not open is better known before the first query.
        drop(searchers.acquire()?);
        Ok(Self { searchers })
    }

    /// The `limit` best documents for a query in tantivy's language. What does
    /// not parse is left out of the query, so any text is a query.
    pub fn search(&self, query: &str, limit: usize) -> Result<Found, Error> {
        Ok(self.searchers.acquire()?.search(query, limit)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(texts: &[&[&str]]) -> SearchIndex {
        let fields = Fields::new();
        let mut segments = Vec::new();
        let mut number = 0;
        for segment in texts {
            let mut builder = SegmentBuilder::new(fields.clone());
            for text in *segment {
                let extracted = Extracted { title: format!("title{number}"), text: (*text).into() };
                builder.add(number, &extracted).expect("memory");
                number += 1;
            }
            segments.extend(builder.finish().expect("memory"));
        }
        SearchIndex::merge(segments, &fields, 2).expect("segments")
    }

    fn numbers(index: &SearchIndex, query: &str) -> Vec<usize> {
        let found = index.search(query, 10).expect("a search");
        assert_eq!(found.total, found.best.len());
        found.best.into_iter().map(|(_, number)| number).collect()
    }

    #[test]
    fn one_segment_and_merged_segments_find_the_same() {
        let one = index(&[&["red apple", "green pear", "red red cherry"]]);
        let three = index(&[&["red apple"], &["green pear"], &["red red cherry"]]);
        for index in [&one, &three] {
            assert_eq!(numbers(index, "pear"), [1]);
            assert_eq!(numbers(index, "RED"), [2, 0]);
            assert_eq!(numbers(index, "title1 plum"), [1]);
            assert!(numbers(index, "plum").is_empty());
        }
    }

    #[test]
    fn any_text_is_a_query() {
        let index = index(&[&["red apple"]]);
        for query in ["", "\"", "AND OR", "(((", "title:", "nofield:red", "a:b:c", "*", "[1 TO"] {
            index.search(query, 3).expect("an answer, if only an empty one");
        }
    }

    #[test]
    fn searches_share_two_searchers() {
        let index = index(&[&["red apple", "green pear"]]);
        std::thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    for _ in 0..50 {
                        assert_eq!(numbers(&index, "pear"), [1]);
                    }
                });
            }
        });
        let used = index.searchers.statistics();
        assert!((1..=2).contains(&used.created), "{used:?}");
        assert_eq!((used.in_use, used.hits + used.misses), (0, 401));
    }

    #[test]
    fn the_limit_does_not_hide_the_total() {
        let index = index(&[&["x", "x", "x", "x"]]);
        let found = index.search("x", 2).expect("a search");
        assert_eq!((found.total, found.best.len()), (4, 2));
    }
}
