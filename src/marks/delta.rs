//! What changed between two marks.

use std::collections::BTreeMap;

use crate::ledger::Counts;
use crate::snapshot::{Delta, OwnedTagReading, Readings};

/// What changed from one mark to another; every number signed.
///
/// What marks need themselves is in none of the numbers of the ledger: the sum of
/// `own_live_bytes` over the tags is the process's `live_bytes()`, exactly. What
/// the kernel and the backend tell includes it. (If the table of tags was full before
/// the first mark, it is part of `(overflow)`.)
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MarkDelta {
    /// The process.
    pub process: Delta,
    /// Every tag that was used before the second mark; what grew most comes first.
    pub tags: Vec<TagDelta>,
}

/// What changed for one tag; every number signed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TagDelta {
    /// The tag's name, with its levels.
    pub name: String,
    /// By how much the live bytes of the tag itself grew.
    pub own_live_bytes: i64,
    /// By how much its live blocks grew.
    pub own_live_blocks: i64,
    /// Bytes allocated under the tag itself.
    pub own_allocated_bytes: i64,
    /// Blocks allocated under the tag itself.
    pub own_allocated_blocks: i64,
    /// By how much the live bytes of the tag and the tags below it grew.
    pub with_children_live_bytes: i64,
    /// By how much the live blocks of the tag and the tags below it grew.
    pub with_children_live_blocks: i64,
    /// By how much what the tag itself holds outside the allocator grew, see
    /// [`External`](crate::External); not among its live bytes.
    pub own_external_bytes: i64,
}

impl MarkDelta {
    /// What changed for the tag of this name; `None` if it was not used before the
    /// second mark.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&TagDelta> {
        self.tags.iter().find(|tag| tag.name == name)
    }

    pub(super) fn between(earlier: &Readings, later: &Readings) -> Self {
        let mut before: BTreeMap<&str, &OwnedTagReading> =
            earlier.tags.iter().map(|tag| (&*tag.name, tag)).collect();
        let mut tags: Vec<TagDelta> = Vec::with_capacity(before.len().max(later.tags.len()));
        for tag in &later.tags {
            tags.push(TagDelta::between(&tag.name, before.remove(&*tag.name), Some(tag)));
        }
        tags.extend(before.iter().map(|(name, tag)| TagDelta::between(name, Some(tag), None)));
        tags.sort_by_key(|tag| core::cmp::Reverse(tag.own_live_bytes));
        Self { process: later.process - earlier.process, tags }
    }
}

impl TagDelta {
    /// A tag that one of the marks does not know held nothing then.
    fn between(
        name: &str,
        earlier: Option<&OwnedTagReading>,
        later: Option<&OwnedTagReading>,
    ) -> Self {
        let since = |counts: fn(&OwnedTagReading) -> Counts| {
            later.map_or(Counts::ZERO, counts).since(&earlier.map_or(Counts::ZERO, counts))
        };
        let external =
            |tag: Option<&OwnedTagReading>| tag.map_or(0, |tag| tag.external.total_bytes());
        let (own, with_children) = (since(|tag| tag.own), since(|tag| tag.with_children));
        Self {
            name: name.to_owned(),
            own_live_bytes: own.live_bytes_signed(),
            own_live_blocks: own.live_blocks_signed(),
            own_allocated_bytes: own.allocated_bytes.cast_signed(),
            own_allocated_blocks: own.allocated_blocks.cast_signed(),
            with_children_live_bytes: with_children.live_bytes_signed(),
            with_children_live_blocks: with_children.live_blocks_signed(),
            own_external_bytes: external(later).wrapping_sub(external(earlier)).cast_signed(),
        }
    }
}
