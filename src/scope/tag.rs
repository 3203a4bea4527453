//! Tags: the identity of a component.

use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::ledger::OVERFLOW;
use crate::ledger::cell::CELL_BYTES;
use crate::ledger::fault::FAULTS;
use crate::ledger::name::{self, TagError};
use crate::ledger::registry::TAGS;

use super::{ScopeGuard, room};

/// The number of a tag in this process; dense, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TagId(u16);

impl TagId {
    /// What is allocated outside any scope.
    pub const UNTAGGED: Self = Self(crate::ledger::UNTAGGED);
    /// What is allocated under names that found no place in the table.
    pub const OVERFLOW: Self = Self(crate::ledger::OVERFLOW);

    pub(crate) const fn new(id: u16) -> Self {
        Self(id)
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// A component's identity: what a scope makes current, and what owns blocks.
///
/// A tag is a name; two tags of one name are one tag. Names have levels:
/// `"index/postings"` is a child of `"index"`. At most 4,096 tags fit into a
/// process; what comes under later names is booked to [`TagId::OVERFLOW`] and
/// counted as a fault. A tag finds its place once: one that found the table full stays
/// with `OVERFLOW`, also if a number comes free again and [`Tag::register`] then has a
/// place for its name. (Entering is two loads, and does not look again.) So let the
/// tags of a program that makes many be used before: [`Tag::id`] is enough.
///
/// # Examples
///
/// ```
/// use heapledger::Tag;
///
/// static POSTINGS: Tag = Tag::new("index/postings");
///
/// let list: Vec<u32> = POSTINGS.run(|| (0..1000).collect());
/// # drop(list);
/// ```
pub struct Tag {
    name: &'static str,
    /// The offset of the tag's cell in every shard; 0 before the first use.
    offset: AtomicU32,
}

impl Tag {
    /// A tag for a `static` or a `const`; its place is found at first use.
    ///
    /// # Panics
    ///
    /// If the name is not valid (see [`TagError`]): at compile time, where the
    /// value is a `static`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        match name::check(name) {
            Ok(()) => {}
            Err(TagError::Empty) => panic!("a tag name needs at least one character"),
            Err(TagError::TooLong(_)) => panic!("a tag name may have 120 bytes: shorten it"),
            Err(TagError::ControlCharacter(_)) => {
                panic!("a tag name may not hold control characters")
            }
            Err(TagError::Quote(_)) => panic!("a tag name may not hold quotes or backslashes"),
            Err(TagError::Parenthesis) => panic!("a tag name may not begin with a parenthesis"),
            Err(_) => panic!("a tag name may not have an empty level: write \"parent/child\""),
        }
        Self::own(name)
    }

    /// One of heapledger's own tags, in parentheses: nobody else can book to it.
    pub(crate) const fn own(name: &'static str) -> Self {
        Self { name, offset: AtomicU32::new(0) }
    }

    /// A tag for a name that is known at run time only.
    ///
    /// # Cost
    ///
    /// A hash of the name and a look-up; no lock, no allocation.
    ///
    /// # Errors
    ///
    /// [`TagError`] if the name is not valid or the table is full.
    pub fn register(name: &str) -> Result<Self, TagError> {
        name::check(name)?;
        let id = room::intern(name).inspect_err(|_| FAULTS.tag_table_full.raise())?;
        let offset = AtomicU32::new(u32::from(id) * CELL_BYTES);
        Ok(Self { name: TAGS.known_name(id), offset })
    }

    /// The name, with its levels.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// The number; finds the tag its place if it has none yet.
    #[must_use]
    pub fn id(&self) -> TagId {
        TagId((self.offset() / CELL_BYTES) as u16)
    }

    /// Makes the tag current on this thread until the guard is dropped.
    ///
    /// Guards are to be dropped innermost first, see [`ScopeGuard`].
    #[inline]
    pub fn enter(&self) -> ScopeGuard {
        ScopeGuard::enter(self.offset())
    }

    /// Runs a closure under the tag.
    ///
    /// # Panics
    ///
    /// If the closure does; the tag that was current before is current again.
    #[inline]
    pub fn run<R>(&self, body: impl FnOnce() -> R) -> R {
        let _scope = self.enter();
        body()
    }

    #[inline(always)]
    pub(crate) fn offset(&self) -> u32 {
        // Relaxed: an offset is a number; names are published by the table.
        match self.offset.load(Ordering::Relaxed) {
            0 => self.resolve(),
            offset => offset,
        }
    }

    #[cold]
    #[inline(never)]
    fn resolve(&self) -> u32 {
        let id = room::intern(self.name).unwrap_or_else(|_| {
            FAULTS.tag_table_full.raise();
            OVERFLOW
        });
        let offset = u32::from(id) * CELL_BYTES;
        self.offset.store(offset, Ordering::Relaxed);
        offset
    }
}

impl Clone for Tag {
    fn clone(&self) -> Self {
        Self { name: self.name, offset: AtomicU32::new(self.offset.load(Ordering::Relaxed)) }
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tag").field(&self.name).finish()
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Tag {}

impl core::hash::Hash for Tag {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
