//! The last snapshots, in a fixed place.

use crate::error::{Error, ErrorKind};

use super::{Snapshot, snapshot};

/// A snapshot, and what it was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Labelled {
    /// What the snapshot was taken for, if that was said.
    pub label: Option<&'static str>,
    /// The snapshot.
    pub snapshot: Snapshot,
}

/// The last `N` snapshots; an older one makes room for a new one.
///
/// The entries are inside the value (about 280 bytes each): put it into a
/// `static` behind a lock, or a field, and recording never allocates.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use heapledger::SnapshotRing;
///
/// let mut ring = SnapshotRing::<3>::new();
/// assert!(ring.stats().is_err());
/// for label in ["start", "loaded", "indexed", "served"] {
///     ring.record(Some(label)).unwrap();
/// }
/// let labels: Vec<_> = ring.iter().filter_map(|entry| entry.label).collect();
/// assert_eq!(labels, ["loaded", "indexed", "served"]);
/// assert_eq!(ring.stats().unwrap().count, 3);
/// ```
#[derive(Clone, Debug)]
pub struct SnapshotRing<const N: usize = 100> {
    entries: [Option<Labelled>; N],
    /// Where the next one goes.
    next: usize,
}

/// What the snapshots of a ring say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RingStats {
    /// Snapshots in the ring.
    pub count: usize,
    /// When the oldest was taken, in milliseconds since 1970 (UTC).
    pub start_unix_ms: u64,
    /// When the newest was taken.
    pub end_unix_ms: u64,
    /// Time between the two, by a clock that never goes back.
    pub duration_ms: u64,
    /// By how much the live bytes grew from the oldest to the newest.
    pub live_bytes_growth: i64,
    /// By how much the resident size grew, if the system tells it.
    pub rss_bytes_growth: Option<i64>,
    /// The newest.
    pub current: Snapshot,
}

impl<const N: usize> SnapshotRing<N> {
    /// An empty ring.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N > 0, "a ring keeps at least one snapshot") }
        Self { entries: [None; N], next: 0 }
    }

    /// Takes a snapshot and keeps it.
    ///
    /// # Cost
    ///
    /// That of [`snapshot`]; no allocation.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotInstalled`] if no heapledger allocator serves the process.
    pub fn record(&mut self, label: Option<&'static str>) -> Result<Snapshot, Error> {
        let snapshot = snapshot()?;
        self.push(label, snapshot);
        Ok(snapshot)
    }

    /// Keeps a snapshot that was taken already.
    pub fn push(&mut self, label: Option<&'static str>, snapshot: Snapshot) {
        if let Some(entry) = self.entries.get_mut(self.next) {
            *entry = Some(Labelled { label, snapshot });
        }
        self.next = (self.next + 1) % N;
    }

    /// Snapshots in the ring.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether none was taken yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The snapshots, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Labelled> {
        let (newer, older) = self.entries.split_at(self.next);
        older.iter().chain(newer).flatten()
    }

    /// A copy of the snapshots, oldest first.
    #[must_use]
    pub fn to_vec(&self) -> Vec<Labelled> {
        self.iter().copied().collect()
    }

    /// Time range and growth from the oldest to the newest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotEnoughData`] while there are fewer than two.
    pub fn stats(&self) -> Result<RingStats, Error> {
        let count = self.len();
        let [first, last] = [self.iter().next(), self.iter().last()];
        let (Some(first), Some(last), 2..) = (first, last, count) else {
            return Err(Error::new(ErrorKind::NotEnoughData { have: count, need: 2 }));
        };
        let (first, last) = (first.snapshot, last.snapshot);
        let delta = last - first;
        Ok(RingStats {
            count,
            start_unix_ms: first.unix_ms,
            end_unix_ms: last.unix_ms,
            duration_ms: last.monotonic_ns.saturating_sub(first.monotonic_ns) / 1_000_000,
            live_bytes_growth: delta.live_bytes(),
            rss_bytes_growth: delta.rss_bytes,
            current: last,
        })
    }
}

impl<const N: usize> Default for SnapshotRing<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::process::tests::example;

    #[test]
    fn the_hundred_last_of_150_stay() {
        let mut ring: SnapshotRing = SnapshotRing::new();
        for seq in 1..=150 {
            ring.push(None, Snapshot { seq, ..example(1) });
        }
        assert_eq!(ring.len(), 100);
        let seqs: Vec<u64> = ring.iter().map(|entry| entry.snapshot.seq).collect();
        assert_eq!(seqs, (51..=150).collect::<Vec<_>>());
    }

    #[test]
    fn stats_need_two() {
        let mut ring = SnapshotRing::<4>::default();
        let need = |have| Error::new(ErrorKind::NotEnoughData { have, need: 2 });
        assert_eq!(ring.stats(), Err(need(0)));
        ring.push(Some("a"), example(1000));
        assert_eq!(ring.stats(), Err(need(1)));
        let later = Snapshot {
            monotonic_ns: 6_500_000_000,
            unix_ms: example(0).unix_ms + 1500,
            rss_bytes: Some(46 << 20),
            ..example(250)
        };
        ring.push(Some("b"), later);
        let stats = ring.stats().unwrap();
        assert_eq!(stats.count, 2);
        assert_eq!(stats.end_unix_ms - stats.start_unix_ms, 1500);
        assert_eq!(stats.duration_ms, 1500);
        assert_eq!(stats.live_bytes_growth, -750);
        assert_eq!(stats.rss_bytes_growth, Some(1 << 20));
        assert_eq!(stats.current, later);
    }

    #[test]
    fn a_copy_does_not_follow_the_ring() {
        let mut ring = SnapshotRing::<1>::new();
        assert!(ring.is_empty());
        ring.push(None, example(1));
        let copy = ring.to_vec();
        ring.push(None, example(2));
        assert_eq!(copy[0].snapshot, example(1));
        assert_eq!(ring.to_vec()[0].snapshot, example(2));
    }
}
