//! Why a pool could not be made, or could not give an object.

use core::fmt;

use crate::ledger::name::TagError;

/// Why a pool could not be made, or could not give an object.
#[derive(Debug)]
#[non_exhaustive]
pub enum PoolError {
    /// `pool/<name>` is not the name of a tag; holds why.
    Name(TagError),
    /// The factory could not make an object; holds its error.
    Create(Box<dyn core::error::Error + Send + Sync>),
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
            Self::Setting { .. } => None,
        }
    }
}

impl From<TagError> for PoolError {
    fn from(error: TagError) -> Self {
        Self::Name(error)
    }
}
