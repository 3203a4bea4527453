//! The documents themselves: title, path, language and compressed text.

use std::string::FromUtf8Error;
use std::sync::OnceLock;

use heapledger::scope;
use lingua::Language;
use lz4_flex::block::{DecompressError, compress_prepend_size, decompress_size_prepended};

use crate::extract::Extracted;

/// A text that does not come back as it was stored.
#[derive(Debug, thiserror::Error)]
pub enum Damaged {
    #[error(transparent)]
    Compression(#[from] DecompressError),
    #[error(transparent)]
    Encoding(#[from] FromUtf8Error),
}

/// One document as it is kept.
pub struct Document {
    pub title: Box<str>,
    /// Relative to the folder that is searched.
    pub path: Box<str>,
    pub language: Option<Language>,
    compressed_text: Box<[u8]>,
}

impl Document {
    /// The text as it was extracted.
    pub fn text(&self) -> Result<String, Damaged> {
        let bytes = decompress_size_prepended(&self.compressed_text)?;
        Ok(String::from_utf8(bytes)?)
    }
}

/// All documents, by their number.
///
/// Every file has its place from the start, so threads store documents without
/// waiting for each other and numbers do not depend on who was first.
pub struct DocumentStore {
    documents: Box<[OnceLock<Document>]>,
}

impl DocumentStore {
    /// Room for documents numbered from 0 to `capacity - 1`.
    pub fn new(capacity: usize) -> Self {
        let _scope = scope!("document_store");
        Self { documents: (0..capacity).map(|_| OnceLock::new()).collect() }
    }

    /// Keep a document. The first one stored under a number stays.
    ///
    /// What is kept is copied here rather than moved in: a block belongs to the
    /// scope that allocates it, and these were made by the extraction.
    pub fn insert(
        &self,
        number: usize,
        path: &str,
        extracted: &Extracted,
        language: Option<Language>,
    ) {
        let _scope = scope!("document_store");
        let document = Document {
            title: extracted.title.as_str().into(),
            path: path.into(),
            language,
            compressed_text: compress_prepend_size(extracted.text.as_bytes()).into(),
        };
        if let Some(place) = self.documents.get(number) {
            let _ = place.set(document);
        }
    }

    /// The document of this number, if there is one.
    pub fn get(&self, number: usize) -> Option<&Document> {
        self.documents.get(number)?.get()
    }

    /// All documents in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Document> {
        self.documents.iter().filter_map(OnceLock::get)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_come_back_as_they_were() {
        let store = DocumentStore::new(3);
        let text = "Größe, 大きさ, size. ".repeat(100);
        let extracted = Extracted { title: "T".into(), text };
        store.insert(1, "a/b.md", &extracted, Some(Language::German));
        store.insert(9, "beyond.md", &extracted, None);

        assert!(store.get(0).is_none() && store.get(9).is_none());
        let document = store.get(1).expect("the document stored");
        assert_eq!((&*document.title, &*document.path), ("T", "a/b.md"));
        assert_eq!(document.text().expect("a text"), extracted.text);
        assert!(document.compressed_text.len() < extracted.text.len() / 4);
        assert_eq!(store.iter().count(), 1);
    }
}
