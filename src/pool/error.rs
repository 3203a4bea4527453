//! Why a pool could not be made, or could not give an object.

use core::fmt;
use core::time::Duration;

use crate::ledger::name::TagError;

/// Why a pool could not be made, or could not give an object.
#[derive(Debug)]
#[non_exhaustive]
pub enum PoolError {
    /// `pool/<name>` is not the name of a tag; holds why.
    Name(TagError),
    /// The factory could not make an object; holds its error.
    Create(Box<dyn core::error::Error + Send + Sync>),
    /// All objects are in use, and none came back in time.
    Exhausted {
        /// The pool's name.
        pool: String,
        /// Objects that may be live.
        max_live: usize,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The pool was closed.
    Closed {
        /// The pool's name.
        pool: String,
    },
    /// An environment variable does not hold what it should.
    Setting {
        /// The variable.
        variable: &'static str,
        /// What it holds.
        value: String,
    },
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => write!(f, "this name cannot be a pool's: {error}"),
            Self::Create(error) => write!(f, "the pool's factory made no object: {error}"),
            Self::Exhausted { pool, max_live, waited } => write!(
                f,
                "all {max_live} objects of the pool {pool:?} are in use, and none came back \
                 within {waited:?}: hold them for a shorter time, wait longer, or raise the limit"
            ),
            Self::Closed { pool } => write!(f, "the pool {pool:?} was closed"),
            Self::Setting { variable, value } => write!(
                f,
                "the environment variable {variable} holds {value:?}: set it to a number of \
                 objects, or unset it"
            ),
        }
    }
}

impl core::error::Error for PoolError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Name(error) => Some(error),
            Self::Create(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<TagError> for PoolError {
    fn from(error: TagError) -> Self {
        Self::Name(error)
    }
}
