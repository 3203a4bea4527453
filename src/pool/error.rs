//! Why a pool could not be made, or could not give an object.

use core::fmt;
use core::time::Duration;

use crate::ledger::name::TagError;

/// Why a pool could not be made, or could not give an object.
#[derive(Debug)]
#[non_exhaustive]
pub enum PoolError {
    /// `pool/<name>` cannot be a tag; holds why.
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
    /// No pool is registered under the name.
    Unknown {
        /// The name that was asked for.
        name: String,
    },
    /// Another pool is registered under the name already.
    NameTaken {
        /// The name.
        name: String,
        /// The type of that other pool.
        registered: &'static str,
    },
    /// The pool under the name has another type.
    WrongType {
        /// The name.
        name: String,
        /// The type of the pool that is registered.
        registered: &'static str,
        /// The type that was asked for.
        asked: &'static str,
    },
    /// A pool cannot be filled to this fraction: it is not from 0 to 1, or the pool
    /// retains objects without a limit.
    Prefill {
        /// The fraction.
        fraction: f64,
    },
    /// The thread that sweeps could not be started; holds why.
    NoSweeper(std::io::Error),
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
            Self::Name(error) => write!(f, "the pool cannot have its tag: {error}"),
            Self::Create(error) => write!(f, "the pool's factory made no object: {error}"),
            Self::Exhausted { pool, max_live: 0, .. } => {
                write!(f, "the pool {pool:?} may have no objects: raise its limit (`resize`)")
            }
            Self::Exhausted { pool, max_live, waited } if waited.is_zero() => write!(
                f,
                "all {max_live} objects of the pool {pool:?} are in use: hold them for a shorter \
                 time, wait for one (`acquire`), or raise the limit"
            ),
            Self::Exhausted { pool, max_live, waited } => write!(
                f,
                "all {max_live} objects of the pool {pool:?} are in use, and none came back \
                 within {waited:?}: hold them for a shorter time, wait longer, or raise the limit"
            ),
            Self::Closed { pool } => write!(f, "the pool {pool:?} was closed"),
            Self::Unknown { name } => {
                write!(f, "no pool is named {name:?}: register it with Pools::register first")
            }
            Self::NameTaken { name, registered } => write!(
                f,
                "a pool of type {registered} is named {name:?} already: use that, or another name"
            ),
            Self::WrongType { name, registered, asked } => write!(
                f,
                "the pool named {name:?} is of type {registered}, and not of type {asked}"
            ),
            Self::Prefill { fraction } => write!(
                f,
                "a pool cannot be filled to {fraction} of its limit: say 0 to 1, and give the \
                 pool a limit"
            ),
            Self::NoSweeper(error) => write!(
                f,
                "the pool's sweeping thread could not be started: {error}; without one, call \
                 `remove_expired` at times"
            ),
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
            Self::NoSweeper(error) => Some(error),
            _ => None,
        }
    }
}

impl From<TagError> for PoolError {
    fn from(error: TagError) -> Self {
        Self::Name(error)
    }
}
