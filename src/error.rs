//! The one error of the readings.

use core::fmt;

use crate::ledger::name::TagError;

/// Why something could not be told.
///
/// Opaque; [`kind`](Self::kind) says which case it is, `Display` says what to do.
///
/// # Examples
///
/// ```
/// use heapledger::ErrorKind;
///
/// // This program has no `#[global_allocator]`.
/// let error = heapledger::snapshot().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotInstalled);
/// assert!(error.to_string().contains("#[global_allocator]"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
}

/// The cases of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No heapledger allocator has served this process.
    NotInstalled,
    /// The buffer is too small; holds how many entries are needed.
    BufferTooSmall {
        /// Entries needed.
        need: usize,
    },
    /// Fewer readings are at hand than the question needs.
    NotEnoughData {
        /// Readings at hand.
        have: usize,
        /// Readings needed.
        need: usize,
    },
    /// The calling thread has no counters of its own.
    ThreadNotCounted,
    /// The name is not one of a tag, or finds no place; holds why.
    InvalidTag(TagError),
    /// More measurements are under way than there is room for.
    TooManyMeasurements,
    /// More observations are under way than there is room for, or the operating
    /// system has no memory for another.
    TooManyObservations,
    /// The operating system did not tell (no `/proc`, or no permission).
    SystemUnavailable,
    /// The backend does not tell or cannot do this.
    BackendUnsupported,
    /// The backend was asked and refused; holds its own error number.
    BackendRefused {
        /// The backend's error number.
        code: i32,
    },
}

impl Error {
    #[cold]
    pub(crate) const fn new(kind: ErrorKind) -> Self {
        Self { kind }
    }

    /// Which case this is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// So that `?` takes what [`Tag::register`](crate::Tag::register) says.
///
/// # Examples
///
/// ```
/// use heapledger::{Error, ErrorKind, Tag, TagError};
///
/// fn tenant(name: &str) -> Result<Tag, Error> {
///     Ok(Tag::register(&format!("tenant/{name}"))?)
/// }
/// let error = tenant("").unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::InvalidTag(TagError::EmptyLevel(_))));
/// ```
impl From<TagError> for Error {
    fn from(error: TagError) -> Self {
        Self::new(ErrorKind::InvalidTag(error))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ErrorKind::NotInstalled => f.write_str(
                "heapledger does not serve this process: add \
                 `#[global_allocator] static GLOBAL: heapledger::Allocator = \
                 heapledger::Allocator::new();` to the program",
            ),
            ErrorKind::BufferTooSmall { need } => {
                write!(f, "the buffer is too small: {need} entries are needed")
            }
            ErrorKind::NotEnoughData { have, need } => {
                write!(f, "not enough data: {have} of {need} readings taken so far")
            }
            ErrorKind::ThreadNotCounted => f.write_str(
                "this thread has no counters of its own: it is past its end, or there are more \
                 threads than slots",
            ),
            ErrorKind::InvalidTag(error) => error.fmt(f),
            ErrorKind::TooManyMeasurements => f.write_str(
                "4096 measurements are under way, no room for another: end some, or measure a \
                 whole batch at once",
            ),
            ErrorKind::TooManyObservations => f.write_str(
                "no room for another observation: 256 tests or observations are under way (run \
                 fewer at once: `--test-threads`), or the operating system has no memory",
            ),
            ErrorKind::SystemUnavailable => {
                f.write_str("the operating system does not tell this process its memory")
            }
            ErrorKind::BackendUnsupported => f.write_str("this backend cannot do that"),
            ErrorKind::BackendRefused { code } => write!(f, "the backend refused (error {code})"),
        }
    }
}

impl core::error::Error for Error {}
