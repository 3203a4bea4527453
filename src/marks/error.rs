//! What can go wrong with marks; unlike the crate's `Error` it owns names.

use core::fmt;

use crate::error::Error;
use crate::ledger::name::TagError;

/// As many names of other marks stand in a message.
const NAMES_SHOWN: usize = 20;

/// Why a mark was not made or not found.
///
/// Opaque; [`kind`](Self::kind) says which case it is, `Display` says what to do.
///
/// # Examples
///
/// ```
/// use heapledger::MarkErrorKind;
///
/// let error = heapledger::delta("before", "after").unwrap_err();
/// assert!(matches!(error.kind(), MarkErrorKind::Unknown { name, .. } if name == "before"));
/// ```
// One word: an error is rare, and its size is every result's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkError {
    kind: Box<MarkErrorKind>,
}

/// The cases of [`MarkError`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MarkErrorKind {
    /// There is no mark of this name.
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The marks there are, in alphabetical order.
        known: Vec<String>,
    },
    /// The name does not have the form of a tag's; holds why.
    InvalidName(TagError),
    /// There are [`MARKS_MAX`](super::MARKS_MAX) marks of other names.
    Full,
    /// The memory could not be read; holds why.
    Unread(Error),
}

impl MarkError {
    #[cold]
    pub(super) fn new(kind: MarkErrorKind) -> Self {
        Self { kind: Box::new(kind) }
    }

    #[cold]
    pub(super) fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Self {
        let known = known.cloned().collect();
        Self::new(MarkErrorKind::Unknown { name: name.to_owned(), known })
    }

    /// Which case this is.
    #[must_use]
    pub fn kind(&self) -> &MarkErrorKind {
        &self.kind
    }
}

impl fmt::Display for MarkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.kind {
            MarkErrorKind::Unknown { name, known } if known.is_empty() => {
                write!(
                    f,
                    "there is no mark {name:?}; there are no marks: make one by mark({name:?})"
                )
            }
            MarkErrorKind::Unknown { name, known } => {
                write!(f, "there is no mark {name:?}; the marks are: ")?;
                for (index, name) in known.iter().take(NAMES_SHOWN).enumerate() {
                    write!(f, "{}{name:?}", if index == 0 { "" } else { ", " })?;
                }
                match known.len().saturating_sub(NAMES_SHOWN) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
            MarkErrorKind::InvalidName(error) => write!(f, "a mark is named as a tag is: {error}"),
            MarkErrorKind::Full => {
                write!(f, "there are {} marks already: unmark some", super::MARKS_MAX)
            }
            MarkErrorKind::Unread(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for MarkError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &*self.kind {
            MarkErrorKind::InvalidName(error) => Some(error),
            MarkErrorKind::Unread(error) => Some(error),
            MarkErrorKind::Unknown { .. } | MarkErrorKind::Full => None,
        }
    }
}
