//! From files to a searchable index: batches of files, several threads.

use std::path::PathBuf;
use std::thread;

use crossbeam_channel::{Receiver, bounded};
use heapledger::scope;
use indicatif::ProgressBar;
use tantivy::Index;

use crate::corpus::{self, Corpus};
use crate::error::Error;
use crate::extract::{Extracted, extract};
use crate::index::{Fields, SearchIndex, SegmentBuilder};
use crate::language::LanguageModels;
use crate::skipped::Skipped;
use crate::store::DocumentStore;

/// The result of indexing a corpus.
pub struct Indexed {
    pub index: SearchIndex,
    pub store: DocumentStore,
    pub text_bytes: u64,
    pub skipped: Skipped,
}

/// Files handed to a thread: the number of the first one, and all of them.
type Batch<'a> = (usize, &'a [PathBuf]);

/// What one thread made of its batches.
struct Harvest {
    segments: Vec<Index>,
    text_bytes: u64,
    skipped: Skipped,
}

/// What all threads share.
struct Work<'a> {
    corpus: &'a Corpus,
    models: &'a LanguageModels,
    store: &'a DocumentStore,
    fields: &'a Fields,
    progress: &'a ProgressBar,
}

/// Read, extract, store and index all files of a corpus.
pub fn index(
    corpus: &Corpus,
    models: &LanguageModels,
    threads: usize,
    batch_files: usize,
    progress: &ProgressBar,
) -> Result<Indexed, Error> {
    let store = DocumentStore::new(corpus.files.len());
    let fields = Fields::new();
    let work = Work { corpus, models, store: &store, fields: &fields, progress };
    let harvests = run(&work, threads, batch_files)?;

    let mut segments = Vec::new();
    let mut text_bytes = 0;
    let mut skipped = corpus.skipped;
    for harvest in harvests {
        segments.extend(harvest.segments);
        text_bytes += harvest.text_bytes;
        skipped += harvest.skipped;
    }
    if segments.is_empty() {
        let why = format!(" (skipped {skipped})");
        return Err(Error::NoDocuments { folder: corpus.root.clone(), why });
    }
    let index = SearchIndex::merge(segments, &fields, threads)?;
    Ok(Indexed { index, store, text_bytes, skipped })
}

/// Share the batches among threads and wait for all of them.
fn run(work: &Work, threads: usize, batch_files: usize) -> Result<Vec<Harvest>, Error> {
    let _scope = scope!("pipeline");
    let (sender, receiver) = bounded(2 * threads);
    thread::scope(|workers| {
        let mut handles = Vec::with_capacity(threads);
        for number in 0..threads {
            let batches = receiver.clone();
            let worker = thread::Builder::new()
                .name(format!("indexer-{number}"))
                .spawn_scoped(workers, move || work.run(&batches))
                .map_err(Error::Thread)?;
            handles.push(worker);
        }
        drop(receiver);
        for (number, files) in work.corpus.files.chunks(batch_files).enumerate() {
            if sender.send((number * batch_files, files)).is_err() {
                break; // All threads have failed; their errors are read below.
            }
        }
        drop(sender);
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

impl Work<'_> {
    /// One thread: take batches until none are left.
    ///
    /// A new thread begins outside of all scopes, whatever the thread that
    /// started it is in: each worker enters the scopes of its work itself.
    fn run(&self, batches: &Receiver<Batch>) -> Result<Harvest, Error> {
        let _scope = scope!("pipeline");
        let mut builder = SegmentBuilder::new(self.fields.clone());
        let mut harvest =
            Harvest { segments: Vec::new(), text_bytes: 0, skipped: Skipped::default() };
        for (first, files) in batches {
            let documents = scope!("extract", self.extract(first, files, &mut harvest.skipped));
            let texts: Vec<&str> = documents.iter().map(|(_, document)| &*document.text).collect();
            let languages = self.models.detect(&texts);
            for ((number, document), language) in documents.iter().zip(languages) {
                let name = self.corpus.name(&self.corpus.files[*number]);
                self.store.insert(*number, &name, document, language);
                builder.add(*number, document)?;
                harvest.text_bytes += document.text.len() as u64;
            }
            scope!("progress_bar", self.progress.inc(files.len() as u64));
        }
        harvest.segments = builder.finish()?;
        Ok(harvest)
    }

    /// The documents of a batch that can be indexed, with their numbers.
    fn extract(
        &self,
        first: usize,
        files: &[PathBuf],
        skipped: &mut Skipped,
    ) -> Vec<(usize, Extracted)> {
        let mut documents = Vec::with_capacity(files.len());
        for (number, file) in (first..).zip(files) {
            match corpus::read(file, |bytes| extract(file, bytes)) {
                Ok(document) => documents.push((number, document)),
                Err(reason) => skipped.add(reason),
            }
        }
        documents
    }
}
