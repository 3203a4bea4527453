//! Tags for names that come from outside: never more than asked for.

use std::sync::{Mutex, PoisonError};

use core::sync::atomic::{AtomicUsize, Ordering};

use super::{Scope, Tag};
use crate::ledger::leases::Lease;
use crate::ledger::name::{TAG_NAME_MAX_BYTES, TagError};
use crate::ledger::registry::TAGS;

/// A bounded number of tags for names that the program does not choose.
///
/// Tenants, users, routes: what clients send must neither fill the table of tags
/// nor stop a request. The first names, up to a limit, get a tag each, below one
/// parent; all later ones, and names that are not valid or have levels of their
/// own, share the tag `parent/other`.
///
/// # Cost
///
/// For a known name its hash and a look-up, for a new one a lock. No allocation.
///
/// # Concurrency
///
/// May be shared. However many threads ask for new names at once, no more than the
/// limit get a tag.
///
/// # Examples
///
/// ```
/// use heapledger::{BoundedTags, Tag};
///
/// let tenants = BoundedTags::new("tenant", 2)?;
/// assert_eq!(tenants.get("a").tag_id(), Tag::register("tenant/a")?.id());
/// tenants.get("b");
/// let other = Tag::register("tenant/other")?.id();
/// for refused in ["c", "", "a/b", "\u{7}", &"x".repeat(5000)] {
///     assert_eq!(tenants.get(refused).tag_id(), other);
/// }
/// assert_eq!(tenants.get("b").tag_id(), Tag::register("tenant/b")?.id());
/// # Ok::<(), heapledger::TagError>(())
/// ```
#[derive(Debug)]
pub struct BoundedTags {
    parent: Tag,
    other: Tag,
    tags_max: usize,
    /// Tags given so far; grows under the lock only.
    given: AtomicUsize,
    adding: Mutex<()>,
}

impl BoundedTags {
    /// At most `tags_max` tags below `parent`, besides `parent/other`.
    ///
    /// # Errors
    ///
    /// [`TagError`] if the name of the parent is not valid, is too long for
    /// `parent/other`, or finds no place.
    pub fn new(parent: &str, tags_max: usize) -> Result<Self, TagError> {
        let parent = Tag::register(parent)?;
        let other = Tag::register(&format!("{parent}/other"))?;
        Ok(Self { parent, other, tags_max, given: AtomicUsize::new(0), adding: Mutex::new(()) })
    }

    /// The scope for a name, whatever it is: its own, or that of `parent/other`.
    #[must_use]
    pub fn get(&self, name: &str) -> Scope {
        let mut buffer = [0; TAG_NAME_MAX_BYTES];
        let own = self.full_name(name, &mut buffer).and_then(|full| self.own(full));
        own.unwrap_or_else(|| Scope::from(&self.other))
    }

    /// How many names have a tag of their own.
    #[must_use]
    pub fn given(&self) -> usize {
        // Relaxed: a number.
        self.given.load(Ordering::Relaxed)
    }

    /// The scope of a full name, if it has a tag or there is room for one.
    fn own(&self, full: &str) -> Option<Scope> {
        if let Some(id) = TAGS.find(full) {
            return Some(Scope::of(Lease::permanent(id)));
        }
        if self.given() >= self.tags_max {
            return None;
        }
        // Nothing is behind the lock but the order: a panic elsewhere is no reason.
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let new = TAGS.find(full).is_none();
        if new && self.given() >= self.tags_max {
            return None;
        }
        // Counts a fault if the table is full.
        let tag = Tag::register(full).ok()?;
        // Relaxed: all writers hold the lock.
        self.given.fetch_add(usize::from(new), Ordering::Relaxed);
        Some(Scope::from(tag))
    }

    /// `parent/name`, if that is one level and fits.
    fn full_name<'a>(&self, name: &str, buffer: &'a mut [u8]) -> Option<&'a str> {
        if name.contains('/') {
            return None;
        }
        let parent = self.parent.name();
        let full = buffer.get_mut(..parent.len() + 1 + name.len())?;
        let (start, end) = full.split_at_mut(parent.len());
        start.copy_from_slice(parent.as_bytes());
        let (slash, end) = end.split_first_mut()?;
        *slash = b'/';
        end.copy_from_slice(name.as_bytes());
        str::from_utf8(full).ok()
    }
}
