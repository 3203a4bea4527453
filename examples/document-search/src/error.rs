//! What can go wrong, each said in one line that tells what to do about it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::store::Damaged;

/// Everything that ends a run early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: there is no such folder; give a folder that exists", .0.display())]
    MissingFolder(PathBuf),
    #[error("{}: this is not a folder; give the folder that holds it", .0.display())]
    NotAFolder(PathBuf),
    #[error("{}: cannot be read ({source}); give a folder that you may read", folder.display())]
    UnreadableFolder { folder: PathBuf, source: io::Error },
    #[error("{}: no text, HTML, Markdown or source file to index{why}; give another folder", folder.display())]
    NoDocuments { folder: PathBuf, why: String },
    #[error("no Rust documentation and no repository found to search by default; give a folder")]
    NoDefaultFolder,
    #[error("{}: cannot be written ({source}); give another file to --json", file.display())]
    Json { file: PathBuf, source: io::Error },
    #[error("cannot start a thread ({0}); try a smaller --threads")]
    Thread(io::Error),
    #[error("cannot start the threads of the language models ({0}); try a smaller --threads")]
    ThreadPool(#[from] rayon::ThreadPoolBuildError),
    #[error("the full-text index failed: {0}")]
    Index(#[from] tantivy::TantivyError),
    #[error("no index searcher: {0}")]
    Searcher(#[from] heapledger::PoolError),
    #[error("a stored text is damaged: {0}")]
    Store(#[from] Damaged),
    #[error("the memory cannot be read: {0}")]
    Memory(#[from] heapledger::Error),
    #[error("cannot listen on {address} ({source}); give another port to --serve")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("the server failed: {0}")]
    Server(io::Error),
    #[error("a request of the load failed: {0}")]
    Load(io::Error),
    #[error("cannot write the results: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// 2 for what the user can mend by another argument, 1 for the rest.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::MissingFolder(_)
            | Self::NotAFolder(_)
            | Self::UnreadableFolder { .. }
            | Self::NoDocuments { .. }
            | Self::NoDefaultFolder
            | Self::Json { .. }
            | Self::Listen { .. }
            | Self::Thread(_)
            | Self::ThreadPool(_) => 2,
            Self::Index(_)
            | Self::Searcher(_)
            | Self::Store(_)
            | Self::Memory(_)
            | Self::Server(_)
            | Self::Load(_)
            | Self::Output(_) => 1,
        }
    }

    /// The reader of a pipe has gone (`document-search | head`): nothing to complain about.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
