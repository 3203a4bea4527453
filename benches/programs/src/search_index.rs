//! Indexing with tantivy, and queries on the result.
//!
//! tantivy starts its indexing, updating and merging threads itself and has no
//! hook for that. But none of them does anything of size before it touches the
//! directory, so a directory that passes everything on tells us of each thread.

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tantivy::collector::{Count, TopDocs};
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    DirectoryLock, FileHandle, Lock, RamDirectory, WatchCallback, WatchHandle, WritePtr,
};
use tantivy::query::QueryParser;
use tantivy::schema::{STORED, Schema, TEXT};
use tantivy::{Directory, Index, IndexSettings, TantivyDocument};

use crate::random::mix;
use crate::text::Document;
use crate::{ThreadStart, WORKERS};

const WRITER_BYTES: usize = 64 << 20;
const QUERIES: [&str; 6] = [
    "memory",
    "trait AND function",
    "body:cargo",
    "\"the type\"",
    "title:value",
    "borrow OR owner",
];

/// Indexes the corpus in memory, commits, and counts the hits of a few queries.
///
/// # Panics
///
/// If tantivy fails, which it has no reason to.
pub fn build_and_query(corpus: &[Document], on_thread_start: ThreadStart) -> u64 {
    search(corpus, on_thread_start).unwrap_or_else(|error| panic!("tantivy failed: {error}"))
}

fn search(corpus: &[Document], on_thread_start: ThreadStart) -> tantivy::Result<u64> {
    let mut schema = Schema::builder();
    let title = schema.add_text_field("title", TEXT | STORED);
    let body = schema.add_text_field("body", TEXT);
    let directory = Announcing { inner: RamDirectory::create(), on_thread_start };
    let index = Index::create(directory, schema.build(), IndexSettings::default())?;

    let mut writer = index.writer_with_num_threads(WORKERS, WRITER_BYTES)?;
    for text in corpus {
        let mut document = TantivyDocument::default();
        document.add_text(title, &text.title);
        document.add_text(body, &text.body);
        writer.add_document(document)?;
    }
    writer.commit()?;
    writer.wait_merging_threads()?;

    let searcher = index.reader()?.searcher();
    let parser = QueryParser::for_index(&index, vec![title, body]);
    let mut checksum = searcher.num_docs();
    for query in QUERIES {
        let query = parser.parse_query(query)?;
        // Which of equal documents comes first depends on the segments; how
        // many there are does not.
        let top = searcher.search(&query, &TopDocs::with_limit(10).order_by_score())?;
        let hits = searcher.search(&query, &Count)?;
        checksum = mix(checksum ^ hits as u64).wrapping_add(top.len() as u64);
    }
    Ok(checksum)
}

thread_local! {
    static ANNOUNCED: Cell<bool> = const { Cell::new(false) };
}

/// A directory that announces each thread the first time it comes by.
#[derive(Clone)]
struct Announcing {
    inner: RamDirectory,
    on_thread_start: ThreadStart,
}

impl std::fmt::Debug for Announcing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Announcing")
    }
}

impl Announcing {
    fn inner(&self) -> &RamDirectory {
        // The thread that runs the program entered its scope long before.
        let is_own_thread = std::thread::current().name() != Some("main");
        if is_own_thread && !ANNOUNCED.replace(true) {
            (self.on_thread_start)();
        }
        &self.inner
    }
}

impl Directory for Announcing {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.inner().get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.inner().delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.inner().exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        self.inner().open_write(path)
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.inner().atomic_read(path)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        self.inner().atomic_write(path, data)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.inner().sync_directory()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.inner().acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.inner().watch(callback)
    }
}
