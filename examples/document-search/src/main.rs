//! A search service over a folder of documents, with the memory of every
//! component counted by heapledger: the README tells the whole story.

#![forbid(unsafe_code)]

mod args;
mod cache;
mod corpus;
mod error;
mod extract;
mod index;
mod language;
mod load;
mod memory;
mod output;
mod pipeline;
mod queries;
mod search;
mod serve;
mod server;
mod skipped;
mod snippet;
mod store;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use heapledger::scope;
use indicatif::{ProgressBar, ProgressStyle};

use args::Args;
use cache::QueryCache;
use corpus::Corpus;
use error::Error;
use language::LanguageModels;
use search::SearchService;

/// From here on every block of this process is in the ledger.
#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

fn main() -> ExitCode {
    let args = match Args::read() {
        Ok(args) => args,
        Err(message) => return fail(&message, 2),
    };
    match run(&args, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string(), error.exit_code()),
    }
}

fn fail(message: &str, code: u8) -> ExitCode {
    // Nobody may be reading: no reason to panic, as `eprintln!` does.
    let _ = writeln!(io::stderr(), "document-search: {message}");
    ExitCode::from(code)
}

/// Index the folder, answer the queries, show the memory.
fn run(args: &Args, out: &mut impl Write) -> Result<(), Error> {
    let threads = args.threads();
    let (folder, origin) = args.folder()?;
    let corpus = Corpus::find(&folder, args.max_documents)?;
    // Before the work: a file that cannot be written is better known now.
    let json = args.json.as_deref().map(memory::JsonFile::create).transpose()?;
    let listener = args.serve.map(serve::listen).transpose()?;
    output::corpus(out, &corpus, origin)?;

    let before = heapledger::snapshot()?;
    let started = Instant::now();
    let models = LanguageModels::load(threads)?;
    let progress = scope!("progress_bar", progress_bar(corpus.files.len() as u64));
    let indexed = pipeline::index(&corpus, &models, threads, args.batch, &progress)?;
    progress.finish_and_clear();
    output::indexed(out, &indexed, started.elapsed(), threads)?;
    output::heap(out, &(heapledger::snapshot()? - before))?;

    let service = Arc::new(SearchService {
        index: indexed.index,
        store: indexed.store,
        cache: QueryCache::new(args.cache),
        hits: args.hits,
    });
    let queries = queries::derive(&service.store, args.load.unwrap_or(args.queries))?;
    let example = queries.first().filter(|_| args.query.is_empty());
    for query in args.query.iter().chain(example) {
        let asked = Instant::now();
        let (answer, _) = service.answer(query)?;
        output::answer(out, query, &answer, asked.elapsed())?;
    }

    match listener {
        Some(listener) => serve::run(args, out, listener, Arc::clone(&service), &queries)?,
        None => {
            let before = heapledger::snapshot()?;
            let load = queries::run(&service, &queries, args.queries, threads)?;
            let delta = heapledger::snapshot()? - before;
            output::load(out, &load, &service, threads)?;
            output::heap(out, &delta)?;
            output::latencies(out, &load)?;
        }
    }
    memory::print(out)?;
    json.map_or(Ok(()), memory::JsonFile::write)
}

/// On a terminal; elsewhere `indicatif` hides it.
fn progress_bar(files: u64) -> ProgressBar {
    let bar = ProgressBar::new(files);
    let template = "  indexing {wide_bar} {human_pos}/{human_len} files, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
