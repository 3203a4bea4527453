//! Memory that is not the allocator's: what a component holds beside its blocks.
//!
//! Ordinary world. A charge is a number under a tag and a kind; nothing here knows
//! where the memory is. Charges are rare and large, so the numbers are shared
//! atomics and not cells of a thread.

use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::ledger::TAGS_MAX;
use crate::ledger::fault::FAULTS;
use crate::ledger::registry::addresses_of;
use crate::scope::{Tag, TagId};

/// What sort of memory a charge is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum ExternalKind {
    /// Mapped by the program itself: files, shared memory.
    Mapped,
    /// In a device: GPU memory, pinned buffers.
    Device,
    /// Allocated by a library that does not allocate through Rust: C, C++, a
    /// language runtime.
    Native,
}

const KINDS: usize = 3;

impl ExternalKind {
    const fn index(self) -> usize {
        match self {
            Self::Mapped => 0,
            Self::Device => 1,
            Self::Native => 2,
        }
    }
}

/// Bytes charged and not released, by kind. Not among the live bytes; how many of
/// them are in the process's physical memory is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ExternalBytes {
    /// [`ExternalKind::Mapped`].
    pub mapped_bytes: u64,
    /// [`ExternalKind::Device`].
    pub device_bytes: u64,
    /// [`ExternalKind::Native`].
    pub native_bytes: u64,
}

impl ExternalBytes {
    /// Nothing.
    pub const ZERO: Self = Self { mapped_bytes: 0, device_bytes: 0, native_bytes: 0 };

    /// All kinds together.
    #[must_use]
    pub const fn total_bytes(&self) -> u64 {
        self.mapped_bytes.saturating_add(self.device_bytes).saturating_add(self.native_bytes)
    }
}

/// Why a charge or a release was refused; it changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExternalError {
    /// More was to be released than is charged.
    NotCharged {
        /// What is charged under the tag and kind.
        charged_bytes: u64,
        /// What was to be released.
        released_bytes: u64,
    },
    /// The sum of all charges would be beyond 2^63 bytes.
    TooMuch,
}

impl fmt::Display for ExternalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCharged { charged_bytes, released_bytes } => write!(
                f,
                "cannot release {released_bytes} B of the {charged_bytes} B that are charged \
                 under this tag and kind: release what was charged, under the same tag, once"
            ),
            Self::TooMuch => f.write_str("the charges would sum to more than 2^63 bytes"),
        }
    }
}

impl core::error::Error for ExternalError {}

/// What is charged: by tag and kind, and for the process by kind.
struct Table {
    tags: [[AtomicU64; KINDS]; TAGS_MAX],
    process: [AtomicU64; KINDS],
}

static TABLE: Table = Table {
    tags: [const { [const { AtomicU64::new(0) }; KINDS] }; TAGS_MAX],
    process: [const { AtomicU64::new(0) }; KINDS],
};

/// The largest sum: halves of a u64, so that kinds can be added without overflow.
const SUM_MAX: u64 = 1 << 61;

fn add(cell: &AtomicU64, bytes: u64) -> Result<(), ExternalError> {
    let more = |sum: u64| sum.checked_add(bytes).filter(|sum| *sum <= SUM_MAX);
    // Relaxed: a number, it publishes nothing.
    cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
        .map(drop)
        .map_err(|_| ExternalError::TooMuch)
}

fn subtract(cell: &AtomicU64, released_bytes: u64) -> Result<(), ExternalError> {
    let less = |sum: u64| sum.checked_sub(released_bytes);
    // Relaxed: as in `add`.
    cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
        .map(drop)
        .map_err(|charged_bytes| ExternalError::NotCharged { charged_bytes, released_bytes })
}

impl Table {
    fn cells(&self, id: u16, kind: ExternalKind) -> (&AtomicU64, &AtomicU64) {
        let of_tag = self.tags.get(id as usize).unwrap_or(&self.tags[0]);
        (&of_tag[kind.index()], &self.process[kind.index()])
    }

    fn charge(&self, id: u16, kind: ExternalKind, bytes: u64) -> Result<(), ExternalError> {
        let (tag, process) = self.cells(id, kind);
        // The process first: it bounds every tag.
        add(process, bytes)?;
        add(tag, bytes)
    }

    fn release(&self, id: u16, kind: ExternalKind, bytes: u64) -> Result<(), ExternalError> {
        let (tag, process) = self.cells(id, kind);
        subtract(tag, bytes)?;
        subtract(process, bytes)
    }

    /// Releases what is left of a charge; false if that is not all of it.
    fn release_rest(&self, id: u16, kind: ExternalKind, bytes: u64) -> bool {
        let (tag, process) = self.cells(id, kind);
        let mut rest = 0;
        // Relaxed: as in `add`.
        let _ = tag.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sum| {
            rest = sum.min(bytes);
            Some(sum.wrapping_sub(rest))
        });
        // The process has at least what its tags have.
        process.fetch_sub(rest, Ordering::Relaxed);
        rest == bytes
    }
}

fn read(cells: &[AtomicU64; KINDS]) -> ExternalBytes {
    let bytes = |kind: ExternalKind| cells[kind.index()].load(Ordering::Relaxed);
    ExternalBytes {
        mapped_bytes: bytes(ExternalKind::Mapped),
        device_bytes: bytes(ExternalKind::Device),
        native_bytes: bytes(ExternalKind::Native),
    }
}

/// What is charged under a tag.
pub(crate) fn of_tag(id: u16) -> ExternalBytes {
    TABLE.tags.get(id as usize).map_or(ExternalBytes::ZERO, read)
}

/// What is charged under all tags, by kind: memory that components hold beside
/// their blocks.
///
/// # Examples
///
/// ```
/// use heapledger::{External, ExternalKind, Tag};
///
/// static MODEL: Tag = Tag::new("model");
/// let before = heapledger::external_bytes().device_bytes;
/// let weights = External::charge(&MODEL, ExternalKind::Device, 64 << 20).unwrap();
/// assert_eq!(heapledger::external_bytes().device_bytes, before + (64 << 20));
/// drop(weights);
/// assert_eq!(heapledger::external_bytes().device_bytes, before);
/// ```
#[must_use]
pub fn external_bytes() -> ExternalBytes {
    read(&TABLE.process)
}

/// Memory outside the allocator that a component holds; released when dropped.
///
/// Keep it beside what it stands for: the mapping, the device buffer, the handle of
/// the library. It appears in the component's row of [`report`](crate::report) and
/// in [`TagReading::external`](crate::TagReading), apart from the live bytes.
///
/// # Cost
///
/// Two atomic additions; meant for things that are large or few.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use heapledger::{External, ExternalKind, Tag};
///
/// static INDEX: Tag = Tag::new("index");
///
/// /// A mapped file that knows whose it is.
/// struct MappedFile {
///     // mapping: memmap2::Mmap,
///     _charge: External,
/// }
///
/// let file = MappedFile {
///     _charge: External::charge(&INDEX, ExternalKind::Mapped, 10 << 20).unwrap(),
/// };
/// assert_eq!(INDEX.read().unwrap().external.mapped_bytes, 10 << 20);
/// drop(file);
/// assert_eq!(INDEX.read().unwrap().external.mapped_bytes, 0);
/// ```
#[must_use = "the charge is released when this is dropped: keep it beside the memory"]
#[derive(Debug, PartialEq, Eq)]
pub struct External {
    id: u16,
    kind: ExternalKind,
    bytes: u64,
}

impl External {
    /// Charges memory to a tag, until the value is dropped.
    ///
    /// # Errors
    ///
    /// [`ExternalError::TooMuch`]: nothing was charged.
    pub fn charge(tag: &Tag, kind: ExternalKind, bytes: u64) -> Result<Self, ExternalError> {
        let id = tag.id().get();
        TABLE.charge(id, kind, bytes)?;
        Ok(Self { id, kind, bytes })
    }

    /// What is charged.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The sort of memory.
    #[must_use]
    pub const fn kind(&self) -> ExternalKind {
        self.kind
    }

    /// The number of the tag it is charged to.
    #[must_use]
    pub const fn tag_id(&self) -> TagId {
        TagId::new(self.id)
    }

    /// Changes what is charged, for memory that grew or shrank.
    ///
    /// # Errors
    ///
    /// The charge is what it was, and the error is
    /// - [`ExternalError::TooMuch`] if it grew too much,
    /// - [`ExternalError::NotCharged`] if it shrank by more than is charged under its
    ///   tag and kind: a [`release_external`] took it that had nothing of its own to
    ///   release.
    pub fn resize(&mut self, bytes: u64) -> Result<(), ExternalError> {
        match bytes.checked_sub(self.bytes) {
            Some(more) => TABLE.charge(self.id, self.kind, more)?,
            None => TABLE.release(self.id, self.kind, self.bytes.saturating_sub(bytes))?,
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Leaves the charge in place and gives up the value, for memory whose end is
    /// told by somebody else: [`release_external`] takes it back.
    pub fn detach(self) -> u64 {
        let bytes = self.bytes;
        core::mem::forget(self);
        bytes
    }
}

impl Drop for External {
    fn drop(&mut self) {
        // Less is there if a `release_external` took it that had nothing of its own to
        // release.
        if !TABLE.release_rest(self.id, self.kind, self.bytes) {
            FAULTS.external_released_twice.raise();
        }
    }
}

/// Charges memory to a tag until [`release_external`]: for callbacks of libraries,
/// where there is no value to keep.
///
/// # Errors
///
/// [`ExternalError::TooMuch`]: nothing was charged.
///
/// # Examples
///
/// ```
/// use heapledger::{ExternalError, ExternalKind::Native, Tag};
///
/// static ONNX: Tag = Tag::new("onnx");
/// heapledger::charge_external(&ONNX, Native, 4096).unwrap();
/// heapledger::release_external(&ONNX, Native, 4096).unwrap();
/// // Once more is an error, and changes nothing.
/// assert_eq!(
///     heapledger::release_external(&ONNX, Native, 4096),
///     Err(ExternalError::NotCharged { charged_bytes: 0, released_bytes: 4096 }),
/// );
/// ```
pub fn charge_external(tag: &Tag, kind: ExternalKind, bytes: u64) -> Result<(), ExternalError> {
    TABLE.charge(tag.id().get(), kind, bytes)
}

/// Releases memory that was charged with [`charge_external`] or
/// [detached](External::detach).
///
/// Not what an [`External`] holds: that releases it when it is dropped. If both do, the
/// later one finds less than it has to release: an `External` releases what is left,
/// which may be another's, and counts
/// [`Faults::external_released_twice`](crate::Faults).
///
/// # Errors
///
/// [`ExternalError::NotCharged`] if less is charged under this tag and kind; nothing
/// was released.
pub fn release_external(tag: &Tag, kind: ExternalKind, bytes: u64) -> Result<(), ExternalError> {
    TABLE.release(tag.id().get(), kind, bytes)
}

/// Where the charges are, for `self_overhead`.
pub(crate) fn statics() -> Range<usize> {
    addresses_of(&TABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    static A: Tag = Tag::new("external/a");
    static B: Tag = Tag::new("external/b");

    fn charged(tag: &Tag) -> ExternalBytes {
        of_tag(tag.id().get())
    }

    #[test]
    fn charges_are_released_once_and_by_kind() {
        let mut charge = External::charge(&A, ExternalKind::Mapped, 100).unwrap();
        let other = External::charge(&A, ExternalKind::Device, 7).unwrap();
        assert_eq!(charged(&A).total_bytes(), 107);
        charge.resize(250).unwrap();
        charge.resize(40).unwrap();
        assert_eq!((charge.bytes(), charged(&A).mapped_bytes), (40, 40));
        drop(other);
        assert_eq!(charged(&A), ExternalBytes { mapped_bytes: 40, ..ExternalBytes::ZERO });
        assert_eq!(charge.detach(), 40);
        for bytes in [41, u64::MAX] {
            let error = ExternalError::NotCharged { charged_bytes: 40, released_bytes: bytes };
            assert_eq!(release_external(&A, ExternalKind::Mapped, bytes), Err(error));
        }
        assert!(release_external(&A, ExternalKind::Native, 1).is_err());
        release_external(&A, ExternalKind::Mapped, 40).unwrap();
        assert_eq!(charged(&A), ExternalBytes::ZERO);
    }

    #[test]
    fn a_charge_that_was_released_already_leaves_nothing() {
        static TWICE: Tag = Tag::new("external/twice");
        let faults = || crate::faults().external_released_twice;
        let before = faults();
        let mut charge = External::charge(&TWICE, ExternalKind::Device, 100).unwrap();
        release_external(&TWICE, ExternalKind::Device, 60).unwrap();
        let error = ExternalError::NotCharged { charged_bytes: 40, released_bytes: 99 };
        assert_eq!(charge.resize(1), Err(error));
        assert!(error.to_string().starts_with("cannot release 99 B of the 40 B "), "{error}");
        drop(charge);
        assert_eq!(charged(&TWICE), ExternalBytes::ZERO);
        assert_eq!(faults() - before, 1);
        drop(External::charge(&TWICE, ExternalKind::Device, 100).unwrap());
        assert_eq!((charged(&TWICE), faults() - before), (ExternalBytes::ZERO, 1));
    }

    #[test]
    fn what_cannot_be_summed_is_refused_and_changes_nothing() {
        let before = charged(&B);
        assert_eq!(
            External::charge(&B, ExternalKind::Device, u64::MAX).unwrap_err(),
            ExternalError::TooMuch
        );
        let mut charge = External::charge(&B, ExternalKind::Device, 10).unwrap();
        assert_eq!(charge.resize(u64::MAX), Err(ExternalError::TooMuch));
        assert_eq!((charge.bytes(), charged(&B).device_bytes), (10, 10));
        drop(charge);
        assert_eq!(charged(&B), before);
    }

    #[test]
    fn threads_that_charge_and_release_leave_nothing() {
        static SHARED: Tag = Tag::new("external/shared");
        std::thread::scope(|threads| {
            for thread in 1..=8_u64 {
                threads.spawn(move || {
                    for round in 0..10_000 {
                        let mut one =
                            External::charge(&SHARED, ExternalKind::Native, thread).unwrap();
                        one.resize(round).unwrap();
                        assert!(charged(&SHARED).native_bytes >= round);
                    }
                });
            }
        });
        assert_eq!(charged(&SHARED), ExternalBytes::ZERO);
    }
}
