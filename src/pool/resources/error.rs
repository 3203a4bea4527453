//! Why a resource could not be had.

use core::fmt;
use core::time::Duration;

/// Why a resource could not be registered, acquired or unregistered.
///
/// # Examples
///
/// ```
/// use heapledger::{ResourceError, Resources};
///
/// let resources = Resources::new("errors")?;
/// let error = resources.acquire::<String>("none").unwrap_err();
/// assert_eq!(error, ResourceError::Unknown { id: "none".into() });
/// # Ok::<(), heapledger::PoolError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResourceError {
    /// No resource has this id, or it was unregistered while it was waited for.
    Unknown {
        /// The id.
        id: String,
    },
    /// Another resource has this id.
    IdTaken {
        /// The id.
        id: String,
    },
    /// The resource has another type.
    WrongType {
        /// The id.
        id: String,
        /// The resource's type.
        registered: &'static str,
        /// The type that was asked for.
        asked: &'static str,
    },
    /// The resource was in use all the time.
    InUse {
        /// The id.
        id: String,
        /// How long it was waited for.
        waited: Duration,
    },
}

impl fmt::Display for ResourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { id } => {
                write!(f, "no resource has the id {id:?}: register it, or see whether it ended")
            }
            Self::IdTaken { id } => {
                write!(f, "a resource has the id {id:?} already: unregister it, or use another id")
            }
            Self::WrongType { id, registered, asked } => {
                write!(f, "the resource {id:?} is of type {registered}, and not of type {asked}")
            }
            Self::InUse { id, waited } => write!(
                f,
                "the resource {id:?} was in use for all of {waited:?}: wait longer, or use it for \
                 a shorter time"
            ),
        }
    }
}

impl core::error::Error for ResourceError {}
