//! The rows of a report.

use core::cmp::Reverse;

use crate::external::ExternalBytes;
use crate::scope::TagId;
use crate::snapshot::{TagLife, TagReading, is_used};

use super::Reading;

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum RowKind {
    /// Live bytes of one tag, as the program asked for them.
    Tag(TagId),
    /// What the backend handed out to the program beyond the live bytes: sizes rounded
    /// up to size classes, blocks that threads keep cached, the owner's record of
    /// small blocks allocated in scopes.
    SizeClassWaste,
    /// Free room in pages that also hold blocks.
    Fragmentation,
    /// The backend's own bookkeeping, the caches of threads among it. More than is in
    /// memory where it was set aside and not used yet.
    AllocatorMetadata,
    /// Pages without any block that the backend keeps for later.
    UnusedPages,
    /// heapledger's own tables: [`self_overhead`](crate::self_overhead).
    HeapledgerTables,
    /// The program, its libraries, mapped files, shared memory.
    Files,
    /// Stacks of the threads that are alive.
    Stacks,
    /// The heap of the C library, for code that does not allocate through Rust.
    CHeap,
    /// The program's zero-initialised statics, heapledger's not included.
    Statics,
    /// What nothing above explains. Below zero where pages were allocated but
    /// never touched: they are live, and not in memory. Above zero where code
    /// maps memory by itself; with a backend that does not tell its statistics,
    /// what they would explain is here.
    Unexplained,
}

/// One row of a [`Report`](super::Report).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Row {
    /// What the row is about.
    pub kind: RowKind,
    /// The tag's name, with its levels, or what the row is about in words. After the
    /// name of a short-lived tag whose handles are gone: `(orphaned)`.
    pub name: String,
    /// How many tags are above this one; 0 for all other rows.
    pub depth: usize,
    /// The row's part of the resident size.
    pub bytes: i64,
    /// `bytes` as a part of the resident size: 0.5 is half of it.
    pub share: f64,
    /// What only tags have.
    pub tag: Option<TagColumns>,
}

/// What a row has to say if it is a tag's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TagColumns {
    /// Live bytes of the tag and of all tags below it.
    pub with_children_bytes: u64,
    /// Live blocks.
    pub blocks: u64,
    /// Bytes ever allocated under the tag itself.
    pub allocated_bytes: u64,
    /// The largest live bytes seen.
    pub peak_bytes: u64,
    /// What the tag holds beside the allocator's memory. Not in the row's `bytes`:
    /// how much of it is in physical memory is not known.
    pub external_bytes: u64,
    /// The same of the tag and of all tags below it.
    pub external_with_children_bytes: u64,
}

/// All rows; their bytes sum to the resident size.
pub(super) fn of(reading: &Reading, live_bytes: u64) -> Vec<Row> {
    let rss_bytes = reading.non_heap.rss_bytes;
    let mut rows = tag_rows(&reading.tags, rss_bytes);
    let others = allocator_rows(reading, live_bytes).into_iter().chain(process_rows(reading));
    for (kind, bytes) in others {
        if let Some(bytes) = bytes {
            rows.push(Row::new(kind, bytes, rss_bytes));
        }
    }
    let explained: i64 = rows.iter().map(|row| row.bytes).sum();
    let rest = rss_bytes.cast_signed() - explained;
    rows.push(Row::new(RowKind::Unexplained, rest, rss_bytes));
    rows
}

/// What the backend keeps beyond the live bytes; `None` where it does not tell.
fn allocator_rows(reading: &Reading, live_bytes: u64) -> [(RowKind, Option<i64>); 4] {
    let known = |bytes: Option<u64>| bytes.map(u64::cast_signed);
    let allocated = known(reading.statistics.allocated_bytes);
    let active = known(reading.statistics.active_bytes);
    let metadata = known(reading.statistics.metadata_bytes);
    let resident = known(reading.statistics.resident_bytes);
    // In the backend's own blocks, which are in `allocated` and `active` already.
    let internal = known(reading.statistics.internal_bytes).unwrap_or(0);
    let minus = |all: Option<i64>, part: Option<i64>| Some(all? - part?);
    let handed_out = minus(allocated, Some(internal));
    let beside_active = minus(metadata, Some(internal));
    [
        (RowKind::SizeClassWaste, minus(handed_out, Some(live_bytes.cast_signed()))),
        (RowKind::Fragmentation, minus(active, allocated)),
        (RowKind::AllocatorMetadata, metadata),
        (RowKind::UnusedPages, minus(minus(resident, active), beside_active)),
    ]
}

fn process_rows(reading: &Reading) -> [(RowKind, Option<i64>); 5] {
    let non_heap = &reading.non_heap;
    // The system's malloc takes memory by `brk` itself; a wrapped allocator may.
    let brk_is_foreign = matches!(reading.backend, "jemalloc" | "mimalloc");
    let own_statics = reading.overhead.statics_bytes;
    [
        (RowKind::HeapledgerTables, Some(reading.overhead.total_bytes().cast_signed())),
        (RowKind::Files, Some(non_heap.file_bytes.cast_signed())),
        (RowKind::Stacks, Some(non_heap.stack_bytes.cast_signed())),
        (RowKind::CHeap, brk_is_foreign.then_some(non_heap.brk_bytes.cast_signed())),
        (RowKind::Statics, Some(non_heap.statics_bytes.saturating_sub(own_statics).cast_signed())),
    ]
}

/// The tags, largest first, children below their parents; the two built-in ones
/// last. Tags that never held anything are left out.
fn tag_rows(tags: &[TagReading], rss_bytes: u64) -> Vec<Row> {
    let external = external_with_children(tags);
    let mut tree = Tree { tags, external, rss_bytes, rows: Vec::with_capacity(tags.len()) };
    for tag in tree.below(None) {
        tree.push_with_children(tag, 0);
    }
    tree.rows
}

/// The tags as rows, while they are put in order.
struct Tree<'a> {
    /// Entry `n` is the tag with the number `n`.
    tags: &'a [TagReading],
    /// What each of them and those below hold beside the allocator's memory.
    external: Vec<u64>,
    rss_bytes: u64,
    rows: Vec<Row>,
}

impl<'a> Tree<'a> {
    /// The tags right below one, or of the first level, in their order.
    fn below(&self, parent: Option<TagId>) -> Vec<&'a TagReading> {
        let mut tags: Vec<&TagReading> =
            self.tags.iter().filter(|tag| tag.parent == parent && is_used(tag)).collect();
        tags.sort_by_key(|tag| {
            let is_built_in = tag.id == TagId::UNTAGGED || tag.id == TagId::OVERFLOW;
            let held_bytes = tag.with_children.live_bytes().saturating_add(self.external(tag));
            (is_built_in, Reverse(held_bytes), tag.name())
        });
        tags
    }

    fn external(&self, tag: &TagReading) -> u64 {
        self.external.get(usize::from(tag.id.get())).copied().unwrap_or_default()
    }

    /// Recursion is bounded by the levels of a name: 60 at most.
    fn push_with_children(&mut self, tag: &TagReading, depth: usize) {
        let external_bytes = self.external(tag);
        if tag.with_children.allocated_blocks != 0 || external_bytes != 0 {
            self.rows.push(Row::of_tag(tag, external_bytes, depth, self.rss_bytes));
            for child in self.below(Some(tag.id)) {
                self.push_with_children(child, depth + 1);
            }
        }
    }
}

/// What each tag and the tags below it hold beside the allocator's memory; entry `n`
/// is the tag with the number `n`, as in `tags`.
fn external_with_children(tags: &[TagReading]) -> Vec<u64> {
    let mut sums = vec![0_u64; tags.len()];
    for tag in tags.iter().filter(|tag| tag.external != ExternalBytes::ZERO) {
        let bytes = tag.external.total_bytes();
        let parent = |tag: &&TagReading| tags.get(usize::from(tag.parent?.get()));
        for above in core::iter::successors(Some(tag), parent) {
            if let Some(sum) = sums.get_mut(usize::from(above.id.get())) {
                *sum = sum.saturating_add(bytes);
            }
        }
    }
    sums
}

impl Row {
    fn of_tag(
        tag: &TagReading,
        external_with_children_bytes: u64,
        depth: usize,
        rss_bytes: u64,
    ) -> Self {
        let name = match (tag.name(), tag.life) {
            ("", _) => "(being named)".to_owned(),
            (name, TagLife::Orphaned) => format!("{name} (orphaned)"),
            (name, _) => name.to_owned(),
        };
        let bytes = tag.own.live_bytes().cast_signed();
        Self {
            kind: RowKind::Tag(tag.id),
            name,
            depth,
            bytes,
            share: share(bytes, rss_bytes),
            tag: Some(TagColumns {
                with_children_bytes: tag.with_children.live_bytes(),
                blocks: tag.own.live_blocks(),
                allocated_bytes: tag.own.allocated_bytes,
                peak_bytes: tag.peak_live_bytes,
                external_bytes: tag.external.total_bytes(),
                external_with_children_bytes,
            }),
        }
    }

    fn new(kind: RowKind, bytes: i64, rss_bytes: u64) -> Self {
        let name = match kind {
            RowKind::Tag(_) => "tag",
            RowKind::SizeClassWaste => "size-class waste",
            RowKind::Fragmentation => "fragmentation",
            RowKind::AllocatorMetadata => "allocator metadata",
            RowKind::UnusedPages => "unused pages kept",
            RowKind::HeapledgerTables => "heapledger's tables",
            RowKind::Files => "program and files",
            RowKind::Stacks => "stacks",
            RowKind::CHeap => "C library's heap",
            RowKind::Statics => "static data",
            RowKind::Unexplained => "unexplained",
        };
        let share = share(bytes, rss_bytes);
        Self { kind, name: name.to_owned(), depth: 0, bytes, share, tag: None }
    }
}

fn share(bytes: i64, rss_bytes: u64) -> f64 {
    if rss_bytes == 0 { 0.0 } else { bytes as f64 / rss_bytes as f64 }
}
