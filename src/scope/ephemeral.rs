//! Short-lived tags: one for each query, request or tenant.

use core::fmt;

use crate::ledger::fault::FAULTS;
use crate::ledger::leases::Lease;
use crate::ledger::name::{self, TagError};
use crate::ledger::registry::{self, TAGS};
use crate::ledger::{OVERFLOW, UNTAGGED};

use super::held::LentScopeGuard;
use super::{HeldScopeGuard, Scope, Tag, TagId, TagName, room};

/// A tag for one query, request or tenant; made by [`Tag::ephemeral`].
///
/// A handle: clones are handles on the same tag. When the last handle and the last
/// guard are gone and the tag's blocks are freed, its number serves another tag, and
/// what was allocated and freed under it counts as its parent's own from then on.
/// Blocks that live longer than the handles keep the number, under the name it had:
/// [`orphans`](crate::orphans) lists them.
///
/// # Cost
///
/// One word. A clone, and each guard made and dropped, is one locked instruction
/// each; [`run`](Self::run) needs none.
#[must_use = "when the last handle is dropped, what is allocated belongs to others"]
pub struct EphemeralTag {
    /// Held, or a permanent one: the parent's, if there was no free number.
    lease: Lease,
}

impl Tag {
    /// A tag for one query, request or tenant, with a number only as long as it
    /// needs one.
    ///
    /// The last level of the name is the short-lived one; those above are permanent
    /// tags: `"query/17"` is a child of `"query"`, and with its end leaves its totals
    /// to that. Two short-lived tags of one name are two tags, and neither is the
    /// tag that [`Tag::new`] makes of that name.
    ///
    /// If all 4,096 numbers are in use, the handle books to the parent tag, and the
    /// fault counter `ephemeral_tags_without_id` says so; nothing is lost.
    ///
    /// # Cost
    ///
    /// Made, entered, left and dropped: see `benches/README.md`. The end of a tag
    /// looks at its cell in the shard of every thread. No lock, no allocation.
    ///
    /// # Concurrency
    ///
    /// While somebody reads tags, no number changes hands: tags that end then are
    /// put off. If therefore no number is free, this waits for readings under way,
    /// some ten milliseconds at most, and then books to the parent.
    ///
    /// # Errors
    ///
    /// [`TagError`] if the name is not valid.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[global_allocator]
    /// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
    /// use heapledger::Tag;
    ///
    /// static QUERY: Tag = Tag::new("query");
    ///
    /// for number in 0..10_000 {
    ///     let query = Tag::ephemeral(&format!("query/{number}")).unwrap();
    ///     let hits = query.run(|| vec![0_u32; 100]);
    ///     assert_eq!(query.read().unwrap().own.live_bytes(), 400);
    ///     drop(hits);
    /// }
    /// let all = QUERY.read().unwrap().with_children;
    /// assert_eq!((all.allocated_bytes, all.live_bytes()), (4_000_000, 0));
    /// ```
    pub fn ephemeral(name: &str) -> Result<EphemeralTag, TagError> {
        name::check(name)?;
        let parent = match name::parent(name) {
            Some(parent) => room::intern(parent).unwrap_or_else(|_| {
                FAULTS.tag_table_full.raise();
                OVERFLOW
            }),
            None => UNTAGGED,
        };
        let lease = room::lease(name, parent).unwrap_or_else(|| {
            FAULTS.ephemeral_tags_without_id.raise();
            Lease::permanent(parent)
        });
        Ok(EphemeralTag { lease })
    }
}

impl EphemeralTag {
    /// The name, with its levels; the parent's, if there was no free number.
    #[must_use]
    pub fn name(&self) -> TagName {
        // Held, or permanent: nobody writes it.
        TagName::new(TAGS.name(self.lease.id).unwrap_or_default())
    }

    /// The number; the parent's, if there was no free one.
    #[must_use]
    pub fn id(&self) -> TagId {
        TagId::new(self.lease.id)
    }

    /// Whether the tag has a number of its own. If not, it books to its parent.
    #[must_use]
    pub fn has_own_id(&self) -> bool {
        !self.lease.is_permanent()
    }

    /// Makes the tag current on this thread until the guard is dropped.
    ///
    /// The guard keeps the tag, so the handle may be dropped before it.
    #[inline]
    pub fn enter(&self) -> HeldScopeGuard {
        HeldScopeGuard::enter(Self::hold_or_parent(self.lease))
    }

    /// Runs a closure under the tag.
    ///
    /// # Panics
    ///
    /// If the closure does; the tag that was current before is current again.
    #[inline]
    pub fn run<R>(&self, body: impl FnOnce() -> R) -> R {
        let _scope = LentScopeGuard::enter(self.lease);
        body()
    }

    /// The tag as a [`Scope`], which does not keep it alive.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::of(self.lease)
    }

    /// The lease, held once more; its parent's, if it is over.
    #[inline]
    pub(super) fn hold_or_parent(lease: Lease) -> Lease {
        if lease.is_permanent() || TAGS.hold(lease) {
            return lease;
        }
        Lease::permanent(lease.parent)
    }
}

impl Clone for EphemeralTag {
    fn clone(&self) -> Self {
        Self { lease: Self::hold_or_parent(self.lease) }
    }
}

impl Drop for EphemeralTag {
    fn drop(&mut self) {
        if !self.lease.is_permanent() {
            registry::let_go(self.lease);
        }
    }
}

impl fmt::Debug for EphemeralTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EphemeralTag").field(&self.name()).finish()
    }
}

impl fmt::Display for EphemeralTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().fmt(f)
    }
}
