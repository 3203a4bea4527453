//! A positional inverted index, written the plain way: maps, strings and vectors.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;

use crate::random::{hash, mix};
use crate::text::Document;

/// Unseeded, so that every run makes the same tables.
type Map<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// Where a term stands in one document.
struct Posting {
    document: u32,
    positions: Vec<u32>,
}

/// Indexes every term of every document, then sums the index up.
pub fn build(corpus: &[Document]) -> u64 {
    let mut index: Map<String, Vec<Posting>> = Map::default();
    for (document, text) in corpus.iter().enumerate() {
        for (term, positions) in terms(&text.body) {
            index.entry(term).or_default().push(Posting { document: document as u32, positions });
        }
    }
    index.iter().fold(index.len() as u64, |sum, (term, postings)| {
        sum.wrapping_add(mix(hash(term.as_bytes()) ^ postings_checksum(postings)))
    })
}

fn terms(text: &str) -> Map<String, Vec<u32>> {
    let mut terms: Map<String, Vec<u32>> = Map::default();
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    for (position, word) in words.enumerate() {
        terms.entry(word.to_lowercase()).or_default().push(position as u32);
    }
    terms
}

fn postings_checksum(postings: &[Posting]) -> u64 {
    postings.iter().fold(0, |sum, posting| {
        let positions = posting.positions.iter().fold(0, |sum, it| mix(sum ^ u64::from(*it)));
        mix(sum ^ u64::from(posting.document)).wrapping_add(positions)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    /// The claim of `text`: its terms come back in a document as they do in text.
    #[test]
    fn generated_text_repeats_itself_as_text_does() {
        let corpus = text::corpus();
        let (mut terms_of_documents, mut words, mut once, mut few) = (0, 0, 0, 0);
        for positions in corpus.iter().flat_map(|text| terms(&text.body).into_values()) {
            terms_of_documents += 1;
            words += positions.len();
            once += usize::from(positions.len() == 1);
            few += usize::from((2..=4).contains(&positions.len()));
        }
        let share = |part: usize| part as f64 / terms_of_documents as f64;
        println!(
            "{words} words, {:.2} a term, {:.2} once, {:.2} two to four times",
            share(words),
            share(once),
            share(few)
        );
        assert!((3.8..4.4).contains(&share(words)));
        assert!((0.50..0.56).contains(&share(once)));
        assert!((0.29..0.35).contains(&share(few)));
    }
}
