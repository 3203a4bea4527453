//! Marks: readings kept under a name, and what changed between two of them.
//!
//! Ordinary world. What marks need themselves is booked to the tag `(marks)`, which
//! nobody else can book to, and left out of every difference: marking does not change
//! what marks show.

mod delta;
mod error;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::ledger::name;
use crate::scope::{Tag, TagId};
use crate::snapshot::Readings;

pub use delta::{MarkDelta, TagDelta};
pub use error::{MarkError, MarkErrorKind};

/// Marks that are kept at one time.
pub const MARKS_MAX: usize = 1024;

/// Who owns what marks need.
static TAG: Tag = Tag::own("(marks)");

/// Boxed: an empty map keeps a node, which has room for eleven.
type Marks = BTreeMap<String, Box<Readings>>;

static MARKS: Mutex<Marks> = Mutex::new(BTreeMap::new());

/// The marks; every change to them is one call that leaves them whole.
fn marks_now() -> MutexGuard<'static, Marks> {
    MARKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a reading of the process and all its tags under a name.
///
/// A mark of the same name is replaced. A name has the form of a tag's. At most
/// [`MARKS_MAX`] marks are kept, until [`unmark`].
///
/// # Cost
///
/// That of [`OwnedSnapshot::capture`](crate::OwnedSnapshot::capture): 22 µs with 100
/// tags, most of it for the backend's statistics, and about 250 bytes for each tag there
/// is while the mark is kept, booked to the tag `(marks)`.
///
/// # Concurrency
///
/// One reading for all tags; see [`OwnedSnapshot`](crate::OwnedSnapshot). Marks belong
/// to the process: threads that use one name replace each other's.
///
/// # Errors
///
/// Nothing is kept or replaced, and the error is
/// - [`MarkErrorKind::Unread`] if no heapledger allocator serves the process,
/// - [`MarkErrorKind::InvalidName`] if the name is not one of a tag,
/// - [`MarkErrorKind::Full`] if there are [`MARKS_MAX`] marks of other names.
///
/// # Examples
///
/// What a component took between two marks of different names:
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use heapledger::{delta, mark, scope};
///
/// # fn main() -> Result<(), heapledger::MarkError> {
/// mark("before_embedding_model")?;
/// let model = scope!("embedding_model", vec![0_u8; 3 << 20]);
/// mark("after_embedding_model")?;
///
/// let delta = delta("before_embedding_model", "after_embedding_model")?;
/// let model_delta = delta.tag("embedding_model").unwrap();
/// assert_eq!(model_delta.own_live_bytes, 3 << 20);
/// assert!(delta.process.live_bytes() >= 3 << 20);
/// # drop(model);
/// # Ok(())
/// # }
/// ```
pub fn mark(name: &str) -> Result<(), MarkError> {
    name::check(name).map_err(|error| MarkError::new(MarkErrorKind::InvalidName(error)))?;
    let _scope = TAG.enter();
    let now = without_marks().map_err(|error| MarkError::new(MarkErrorKind::Unread(error)))?;
    let mut marks = marks_now();
    if let Some(mark) = marks.get_mut(name) {
        **mark = now;
    } else if marks.len() < MARKS_MAX {
        marks.insert(name.to_owned(), Box::new(now));
    } else {
        return Err(MarkError::new(MarkErrorKind::Full));
    }
    Ok(())
}

/// A reading in which the ledger's numbers leave out what marks need themselves;
/// unless that is among the overflow, with what others have there.
fn without_marks() -> Result<Readings, Error> {
    let mut now = Readings::capture()?;
    let own = Some(TAG.id()).filter(|id| *id != TagId::OVERFLOW);
    if let Some(at) = now.tags.iter().position(|tag| Some(tag.id) == own) {
        let marks = now.tags.remove(at);
        now.process.counts = now.process.counts.since(&marks.own);
    }
    Ok(now)
}

/// What changed from one mark to another, for the process and every tag.
///
/// # Cost
///
/// 8 µs with 100 tags, under the lock of the marks; the result, too, is booked to the tag
/// `(marks)`.
///
/// # Errors
///
/// [`MarkErrorKind::Unknown`] if there is no mark of one of the names; it says
/// which marks there are.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// heapledger::mark("start").unwrap();
/// let error = heapledger::delta("start", "end").unwrap_err();
/// assert_eq!(error.to_string(), "there is no mark \"end\"; the marks are: \"start\"");
/// ```
pub fn delta(earlier: &str, later: &str) -> Result<MarkDelta, MarkError> {
    let _scope = TAG.enter();
    let marks = marks_now();
    let find = |name| marks.get(name).ok_or_else(|| MarkError::unknown(name, marks.keys()));
    Ok(MarkDelta::between(find(earlier)?, find(later)?))
}

/// The names of all marks, in alphabetical order.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// heapledger::mark("b").unwrap();
/// heapledger::mark("a").unwrap();
/// assert_eq!(heapledger::marks(), ["a", "b"]);
/// ```
#[must_use]
pub fn marks() -> Vec<String> {
    let _scope = TAG.enter();
    marks_now().keys().cloned().collect()
}

/// Forgets a mark, and frees what it held.
///
/// # Errors
///
/// [`MarkErrorKind::Unknown`] if there is no mark of that name; it says which
/// marks there are.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// heapledger::mark("start").unwrap();
/// heapledger::unmark("start").unwrap();
/// assert!(heapledger::unmark("start").is_err());
/// ```
pub fn unmark(name: &str) -> Result<(), MarkError> {
    let _scope = TAG.enter();
    let mut marks = marks_now();
    match marks.remove(name) {
        Some(_) => Ok(()),
        None => Err(MarkError::unknown(name, marks.keys())),
    }
}
