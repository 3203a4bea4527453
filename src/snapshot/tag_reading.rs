//! What one tag, or every tag, holds.

use crate::error::{Error, ErrorKind};
use crate::external::{self, ExternalBytes};
use crate::ledger::registry::Reading;
use crate::ledger::{Counts, peak, read};
use crate::scope::room::reading;
use crate::scope::{EphemeralTag, Tag, TagId, TagName};

use super::backend;

/// How long a tag is to live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum TagLife {
    /// As long as the process: a [`Tag`].
    #[default]
    Permanent,
    /// As long as its handles: an [`EphemeralTag`].
    Ephemeral,
    /// The handles of the [`EphemeralTag`] are gone, and it has blocks still, or had
    /// when somebody last looked.
    Orphaned,
}

/// What a tag holds, by itself and with the tags below it.
///
/// A block is in exactly one tag's `own`: summed over all tags they are the
/// process's total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TagReading {
    /// The tag.
    pub id: TagId,
    /// The tag one level up; `None` for the first level.
    pub parent: Option<TagId>,
    /// What was allocated under the tag itself.
    pub own: Counts,
    /// `own`, and the same of every tag below.
    pub with_children: Counts,
    /// The largest `own.live_bytes()` seen so far, by this or any earlier look.
    ///
    /// Never below a live value that was returned before. Below the true peak by
    /// at most what all threads allocate between two looks: for each thread an
    /// interval ([`set_peak_interval_bytes`]), twice that for the untagged blocks.
    /// Above it by at most what was in flight during a look.
    pub peak_live_bytes: u64,
    /// What the tag holds beside the allocator's memory: [`External`](crate::External).
    pub external: ExternalBytes,
    /// How long the tag is to live.
    #[cfg_attr(feature = "serde", serde(default))]
    pub life: TagLife,
    #[cfg_attr(feature = "serde", serde(default))]
    name: TagName,
}

impl TagReading {
    /// An entry for a buffer, before it is filled.
    pub const EMPTY: Self = Self {
        id: TagId::UNTAGGED,
        parent: None,
        own: Counts::ZERO,
        with_children: Counts::ZERO,
        peak_live_bytes: 0,
        external: ExternalBytes::ZERO,
        life: TagLife::Permanent,
        name: TagName::EMPTY,
    };

    /// The tag's name, with its levels; `"(untagged)"` and `"(overflow)"` for the
    /// built-in ones. Empty for a tag that is just being named by another thread, and
    /// for a number that is free at the moment.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fills in what the table knows of the tag, and raises its peak to what was
    /// read.
    fn complete(&mut self, inside: &Reading, id: u16) {
        let life = inside.life(id);
        self.id = TagId::new(id);
        self.parent = inside.parent(id).map(TagId::new);
        self.peak_live_bytes = peak::raise(id, self.own.live_bytes());
        self.external = external::of_tag(id);
        self.life = match (life.is_short(), life.is_orphaned()) {
            (false, _) => TagLife::Permanent,
            (true, false) => TagLife::Ephemeral,
            (true, true) => TagLife::Orphaned,
        };
        self.name = inside.name(id).map_or(TagName::EMPTY, TagName::new);
    }
}

impl Default for TagReading {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Tag {
    /// What the tag holds now.
    ///
    /// # Cost
    ///
    /// Two passes over the shards of all threads, one cell for the tag and each
    /// tag below it: 0.2 µs in a program of one thread, 4 µs with 64 threads and
    /// 100 tags. No allocation.
    ///
    /// # Concurrency
    ///
    /// Exact while no allocator call is in flight. While others allocate, live
    /// is never negative, and at most what was in flight during the read above
    /// the truth.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotInstalled`] if no heapledger allocator serves the process.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[global_allocator]
    /// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
    /// use heapledger::{Tag, scope};
    ///
    /// let postings = scope!("index/postings", vec![0_u8; 1000]);
    /// let index = Tag::register("index").unwrap().read().unwrap();
    /// assert_eq!(index.own.live_bytes(), 0);
    /// assert_eq!(index.with_children.live_bytes(), 1000);
    /// # drop(postings);
    /// ```
    pub fn read(&self) -> Result<TagReading, Error> {
        read_tag(self.id())
    }
}

impl EphemeralTag {
    /// What the tag holds now; its parent's, if there was no free number.
    ///
    /// Cost, exactness and errors are those of [`Tag::read`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotInstalled`] if no heapledger allocator serves the process.
    pub fn read(&self) -> Result<TagReading, Error> {
        read_tag(self.id())
    }
}

/// What a tag holds now; the same as [`Tag::read`].
///
/// # Errors
///
/// [`ErrorKind::NotInstalled`] if no heapledger allocator serves the process.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// static MODEL: heapledger::Tag = heapledger::Tag::new("model");
/// assert_eq!(heapledger::tag_counts(&MODEL), MODEL.read());
/// ```
pub fn tag_counts(tag: &Tag) -> Result<TagReading, Error> {
    tag.read()
}

/// What the tag of this number holds now.
///
/// Cost and exactness are those of [`Tag::read`].
///
/// # Errors
///
/// [`ErrorKind::NotInstalled`] if no heapledger allocator serves the process.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use heapledger::{TagId, read_tag};
///
/// let untagged = read_tag(TagId::UNTAGGED).unwrap();
/// assert!(untagged.own.live_bytes() <= untagged.peak_live_bytes);
/// ```
pub fn read_tag(id: TagId) -> Result<TagReading, Error> {
    backend()?;
    let inside = reading();
    let (own, with_children) = read::tag_with_children(&inside, id.get());
    let mut reading = TagReading { own, with_children, ..TagReading::EMPTY };
    reading.complete(&inside, id.get());
    Ok(reading)
}

/// What every tag holds now, written into the caller's buffer.
///
/// Returns the filled part: entry `n` is the tag with the number `n`. The sum of
/// `own` over all entries is the process's total at that reading.
///
/// # Cost
///
/// Two passes over the cells of all threads: 7 µs with 64 threads and 100 tags.
/// No allocation.
///
/// # Concurrency
///
/// As for [`Tag::read`], and one reading for all tags.
///
/// # Errors
///
/// - [`ErrorKind::NotInstalled`] if no heapledger allocator serves the process.
/// - [`ErrorKind::BufferTooSmall`] if there are more tags than entries; it says
///   how many there are. A buffer of [`TAGS_MAX`](crate::TAGS_MAX) is always
///   large enough.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use heapledger::{TagReading, scope, snapshot_tags};
///
/// let cache = scope!("cache", vec![0_u8; 4096]);
/// let mut buffer = [TagReading::EMPTY; 64];
/// for tag in snapshot_tags(&mut buffer).unwrap() {
///     println!("{}: {} bytes", tag.name(), tag.own.live_bytes());
/// }
/// # drop(cache);
/// ```
pub fn snapshot_tags(buffer: &mut [TagReading]) -> Result<&mut [TagReading], Error> {
    backend()?;
    let need = read::tags_len();
    let filled = buffer.get_mut(..need).ok_or(Error::new(ErrorKind::BufferTooSmall { need }))?;
    filled.iter_mut().for_each(|reading| reading.with_children = Counts::ZERO);
    let inside = reading();
    read::tags_into(&inside, filled, |reading| &mut reading.own);
    for id in 0..need as u16 {
        complete(&inside, filled, id);
    }
    Ok(filled)
}

/// Fills the rest of one entry, and adds its own counts to the tags above it.
fn complete(inside: &Reading, readings: &mut [TagReading], id: u16) {
    let Some(reading) = readings.get_mut(id as usize) else { return };
    reading.complete(inside, id);
    let own = reading.own;
    reading.with_children = reading.with_children.plus(&own);
    if own != Counts::ZERO {
        for above in inside.ancestors(id) {
            if let Some(above) = readings.get_mut(above as usize) {
                above.with_children = above.with_children.plus(&own);
            }
        }
    }
}

/// Sets how much a thread may allocate between two looks at the peaks: 256 KiB
/// unless set.
///
/// A smaller interval brings peaks closer to the truth and costs more looks, about
/// a microsecond each. A thread takes the new interval over at its next look.
///
/// # Examples
///
/// ```
/// heapledger::set_peak_interval_bytes(64 << 10);
/// ```
pub fn set_peak_interval_bytes(bytes: u32) {
    peak::set_interval_bytes(bytes);
}
