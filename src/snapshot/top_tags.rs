//! The largest tags, and all others as one: as many series as a metric can bear.

use core::cmp::Reverse;

use crate::error::Error;
use crate::ledger::Counts;
use crate::scope::{Tag, TagId};

use super::{TagReading, all_tags};

/// The largest tags of a reading, and the sum of all others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TopTags {
    /// The largest by live bytes, largest first.
    pub largest: Vec<TagReading>,
    /// Everything else: with the largest it sums to the total, exactly. Which tags
    /// are in it changes from reading to reading, so its totals may shrink: for
    /// metrics they are gauges.
    pub others: Counts,
}

/// The `most` tags with the most live bytes of their own, and all others as one.
///
/// # Cost
///
/// That of [`snapshot_tags`](crate::snapshot_tags), and of finding the largest;
/// allocates the result. [`top_of`] does the same in a buffer.
///
/// # Concurrency
///
/// One reading for all: `own` of the largest and `others` sum to the process's total
/// at that reading.
///
/// # Errors
///
/// [`ErrorKind::NotInstalled`](crate::ErrorKind::NotInstalled) if no heapledger
/// allocator serves the process.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use heapledger::{scope, top_tags};
///
/// let kept = (scope!("a", vec![0_u8; 1 << 20]), scope!("b", vec![0_u8; 1 << 10]));
/// let top = top_tags(1).unwrap();
/// assert_eq!(top.largest[0].name(), "a");
/// assert!(top.others.live_bytes() >= 1 << 10);
/// # drop(kept);
/// ```
pub fn top_tags(most: usize) -> Result<TopTags, Error> {
    let mut tags = all_tags()?;
    let (largest, others) = top_of(&mut tags, most);
    let count = largest.len();
    tags.truncate(count);
    Ok(TopTags { largest: tags, others })
}

/// The `most` children of a tag with the most live bytes, each with what is below
/// it, and all else of the tag as one: the other children, and its own.
///
/// So `with_children` of the largest and `others` sum to the tag's `with_children` at
/// that reading. Cost, concurrency and errors are those of [`top_tags`].
///
/// # Errors
///
/// [`ErrorKind::NotInstalled`](crate::ErrorKind::NotInstalled) if no heapledger
/// allocator serves the process.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use heapledger::{Tag, top_children};
///
/// static TENANT: Tag = Tag::new("tenant");
///
/// let tenants: Vec<_> =
///     (1..=3).map(|n| Tag::ephemeral(&format!("tenant/{n}")).unwrap()).collect();
/// let kept: Vec<_> =
///     tenants.iter().zip([10, 300, 20]).map(|(tenant, n)| tenant.run(|| vec![0_u8; n])).collect();
/// let top = top_children(&TENANT, 1).unwrap();
/// assert_eq!((top.largest[0].name(), top.others.live_bytes()), ("tenant/2", 30));
/// # drop(kept);
/// ```
pub fn top_children(parent: &Tag, most: usize) -> Result<TopTags, Error> {
    let parent = parent.id();
    let mut tags = all_tags()?;
    let all = family(&tags, parent);
    tags.retain(|tag| tag.parent == Some(parent));
    tags.sort_unstable_by_key(|tag| (Reverse(tag.with_children.live_bytes()), tag.id));
    tags.truncate(most);
    let others = tags.iter().fold(all, |rest, tag| rest.since(&tag.with_children));
    Ok(TopTags { largest: tags, others })
}

fn family(tags: &[TagReading], parent: TagId) -> Counts {
    tags.get(parent.get() as usize).map_or(Counts::ZERO, |tag| tag.with_children)
}

/// Sorts the `most` readings with the most live bytes of their own to the front of a
/// buffer, largest first; returns them and the sum of all others.
///
/// For buffers that [`snapshot_tags`](crate::snapshot_tags) filled, where nothing may
/// be allocated. Readings without live bytes are never among the largest.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use heapledger::{TagReading, snapshot_tags, top_of};
///
/// # let kept = heapledger::scope!("a", vec![0_u8; 100]);
/// let mut buffer = [TagReading::EMPTY; 64];
/// let (largest, others) = top_of(snapshot_tags(&mut buffer).unwrap(), 10);
/// for tag in largest {
///     println!("{} {}", tag.name(), tag.own.live_bytes());
/// }
/// println!("other {}", others.live_bytes());
/// ```
pub fn top_of(readings: &mut [TagReading], most: usize) -> (&[TagReading], Counts) {
    readings.sort_unstable_by_key(|tag| (Reverse(tag.own.live_bytes()), tag.id));
    let used = readings.iter().take(most).take_while(|tag| tag.own.live_bytes() != 0).count();
    let (largest, others) = readings.split_at(used);
    (largest, others.iter().fold(Counts::ZERO, |sum, tag| sum.plus(&tag.own)))
}
