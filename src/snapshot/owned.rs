//! Readings of all tags that own what they say.

use crate::error::{Error, ErrorKind};
use crate::external::ExternalBytes;
use crate::ledger::Counts;
use crate::ledger::fault::{Faults, faults};
use crate::ledger::read;
use crate::scope::TagId;

use super::{Snapshot, TagLife, TagReading, backend, snapshot_tags};

/// One tag in an [`OwnedSnapshot`](crate::OwnedSnapshot)(crate::OwnedSnapshot): a [`TagReading`] with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct OwnedTagReading {
    /// The tag's number in the process that was read.
    pub id: TagId,
    /// The name, with its levels.
    pub name: String,
    /// The tag one level up.
    pub parent: Option<TagId>,
    /// What was allocated under the tag itself.
    pub own: Counts,
    /// `own`, and the same of every tag below.
    pub with_children: Counts,
    /// The largest `own.live_bytes()` seen.
    pub peak_live_bytes: u64,
    /// What the tag holds beside the allocator's memory.
    pub external: ExternalBytes,
    /// How long the tag is to live.
    #[cfg_attr(feature = "serde", serde(default))]
    pub life: TagLife,
}

/// The process and all its tags, in one reading: the sum of `own` over the tags is
/// `process.counts`.
#[derive(Clone)]
pub(crate) struct Readings {
    pub(crate) process: Snapshot,
    pub(crate) tags: Vec<OwnedTagReading>,
    pub(crate) faults: Faults,
}

impl Readings {
    pub(crate) fn capture() -> Result<Self, Error> {
        let backend = backend()?;
        let readings = all_tags()?;
        let counts = readings.iter().fold(Counts::ZERO, |sum, one| sum.plus(&one.own));
        let process = Snapshot::around(counts).with_backend((backend.statistics)());
        let tags = readings.iter().filter(|one| is_used(one)).map(own).collect();
        Ok(Self { process, tags, faults: faults() })
    }
}

/// A reading of every tag, in memory that was allocated before.
pub(crate) fn all_tags() -> Result<Vec<TagReading>, Error> {
    let mut entries = read::tags_len() + 16;
    loop {
        let mut buffer = vec![TagReading::EMPTY; entries];
        match snapshot_tags(&mut buffer).map(|filled| filled.len()) {
            Ok(filled) => {
                buffer.truncate(filled);
                return Ok(buffer);
            }
            // Other threads made new tags in between.
            Err(error) => match error.kind() {
                ErrorKind::BufferTooSmall { need } => entries = need + 16,
                _ => return Err(error),
            },
        }
    }
}

/// A number without a name and without counts was never a tag.
pub(crate) fn is_used(reading: &TagReading) -> bool {
    !reading.name().is_empty() || reading.own != Counts::ZERO
}

fn own(reading: &TagReading) -> OwnedTagReading {
    let TagReading { id, parent, own, with_children, peak_live_bytes, external, life, .. } =
        *reading;
    let name = reading.name().to_owned();
    OwnedTagReading { id, name, parent, own, with_children, peak_live_bytes, external, life }
}
