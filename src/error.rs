//! The one error of the readings.

use core::fmt;

/// Why something could not be told.
///
/// Opaque; [`kind`](Self::kind) says which case it is, `Display` says what to do.
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
    /// The operating system did not tell (no `/proc`, or no permission).
    SystemUnavailable,
    /// The backend does not tell or cannot do this.
    BackendUnsupported,
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
            ErrorKind::SystemUnavailable => {
                f.write_str("the operating system does not tell this process its memory")
            }
            ErrorKind::BackendUnsupported => f.write_str("this backend cannot do that"),
        }
    }
}

impl core::error::Error for Error {}
