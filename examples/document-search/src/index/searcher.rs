//! The index as one search has it to itself.

use tantivy::collector::{Count, TopDocs};
use tantivy::columnar::Column;
use tantivy::query::QueryParser;
use tantivy::{DocAddress, Index, ReloadPolicy, TantivyError};

use super::{Fields, Found};

/// A word in the title counts as much as this many in the text.
const TITLE_BOOST: f32 = 3.0;

/// The index's segments, open, and the parser of queries.
pub struct Searcher {
    segments: tantivy::Searcher,
    parser: QueryParser,
    /// For each segment, the number in the store of each of its documents.
    numbers: Vec<Column<u64>>,
}

impl Searcher {
    pub fn open(index: &Index, fields: &Fields) -> Result<Self, TantivyError> {
        // Manual: the index does not change any more, nobody need watch it.
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let segments: tantivy::Searcher = reader.searcher();
        let mut parser = QueryParser::for_index(index, vec![fields.title, fields.text]);
        parser.set_field_boost(fields.title, TITLE_BOOST);
        let mut numbers = Vec::with_capacity(segments.segment_readers().len());
        for segment in segments.segment_readers() {
            numbers.push(segment.fast_fields().u64("number")?);
            // Opened at the first query, they would be that query's.
            for field in [fields.title, fields.text] {
                segment.inverted_index(field)?;
            }
        }
        Ok(Self { segments, parser, numbers })
    }

    pub fn search(&self, query: &str, limit: usize) -> Result<Found, TantivyError> {
        let (query, _ignored) = self.parser.parse_query_lenient(query);
        let best = TopDocs::with_limit(limit).order_by_score();
        let (total, best) = self.segments.search(&query, &(Count, best))?;
        let number_of = |(score, address): (f32, DocAddress)| {
            let column = self.numbers.get(address.segment_ord as usize)?;
            Some((score, column.first(address.doc_id)? as usize))
        };
        Ok(Found { total, best: best.into_iter().filter_map(number_of).collect() })
    }
}
