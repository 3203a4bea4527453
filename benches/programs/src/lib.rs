//! Five real programs on which allocators are compared.
//!
//! | program | what it does |
//! |---|---|
//! | [`json`] | parses a 50 MB document to a `serde_json::Value` and drops it |
//! | [`inverted_index`] | builds a positional index over text, single-threaded |
//! | [`search_index`] | indexes the same text with tantivy, then queries it |
//! | [`strings`] | makes, sorts, groups and collects strings with rayon |
//! | [`messages`] | passes boxed messages between tokio tasks |
//!
//! All inputs are generated from fixed seeds ([`text`], [`random`]), so that the
//! work is the same on every machine, and every program returns a checksum that
//! does not depend on the order in which threads ran: contenders with different
//! checksums did not do the same work.
//!
//! The programs know no allocator. Where they start threads, each thread calls
//! [`ThreadStart`] before it does anything else; a contender enters its scope
//! there, which is how "everything in scopes" is made true.

use std::fmt;
use std::str::FromStr;

pub mod clock;
pub mod inverted_index;
pub mod json;
pub mod messages;
pub mod random;
pub mod search_index;
pub mod strings;
pub mod text;

/// Called once by every thread a program starts, on that thread, at its start.
///
/// What it enters has to last as long as the thread.
pub type ThreadStart = fn();

/// Worker threads of the programs that use several.
pub const WORKERS: usize = 4;

/// What one run of a program gave.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The result of the work, the same for every allocator.
    pub checksum: u64,
    /// Wall time of the work, without the making of its input.
    pub wall_ns: u64,
    /// Processor time of the whole process over the same stretch.
    pub cpu_ns: u64,
}

/// The programs, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// [`json`]
    Json,
    /// [`inverted_index`]
    InvertedIndex,
    /// [`search_index`]
    SearchIndex,
    /// [`strings`]
    Strings,
    /// [`messages`]
    Messages,
}

impl Program {
    /// All programs, in the order of the tables.
    pub const ALL: [Self; 5] =
        [Self::Json, Self::InvertedIndex, Self::SearchIndex, Self::Strings, Self::Messages];

    /// The name on command lines and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::InvertedIndex => "inverted-index",
            Self::SearchIndex => "tantivy",
            Self::Strings => "rayon-strings",
            Self::Messages => "tokio-messages",
        }
    }

    /// Makes the program's input and runs it once.
    ///
    /// `before_work` is called between the two: peak memory is counted from there.
    pub fn run(self, on_thread_start: ThreadStart, before_work: impl FnOnce()) -> Outcome {
        match self {
            Self::Json => {
                let document = json::document();
                before_work();
                clock::timed(|| json::parse(&document))
            }
            Self::InvertedIndex => {
                let corpus = text::corpus();
                before_work();
                clock::timed(|| inverted_index::build(&corpus))
            }
            Self::SearchIndex => {
                let corpus = text::corpus();
                before_work();
                clock::timed(|| search_index::build_and_query(&corpus, on_thread_start))
            }
            Self::Strings => {
                before_work();
                clock::timed(|| strings::sort_and_collect(on_thread_start))
            }
            Self::Messages => {
                before_work();
                clock::timed(|| messages::exchange(on_thread_start))
            }
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no program of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProgram;

impl fmt::Display for UnknownProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such program; there are:")?;
        Program::ALL.iter().try_for_each(|program| write!(f, " {program}"))
    }
}

impl std::error::Error for UnknownProgram {}

impl FromStr for Program {
    type Err = UnknownProgram;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|program| program.name() == name).ok_or(UnknownProgram)
    }
}
