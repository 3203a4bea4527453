//! Fault counters: the hook has no errors to return, so it counts them.

use core::sync::atomic::{AtomicU64, Ordering};

/// One kind of fault.
pub(crate) struct Fault(AtomicU64);

impl Fault {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn raise(&self) {
        // Relaxed: a number for people.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All kinds.
pub(crate) struct FaultCounters {
    pub(crate) failed_requests: Fault,
    pub(crate) tag_table_full: Fault,
    pub(crate) ephemeral_tags_without_id: Fault,
    pub(crate) ephemeral_guards_out_of_order: Fault,
    #[cfg_attr(not(debug_assertions), allow(dead_code))]
    pub(crate) guards_out_of_order: Fault,
    pub(crate) blocks_without_owner: Fault,
    pub(crate) threads_without_slot: Fault,
    pub(crate) no_memory_for_tables: Fault,
    pub(crate) no_exit_notice: Fault,
    pub(crate) no_fork_notice: Fault,
    pub(crate) injected_failures: Fault,
    pub(crate) late_work: Fault,
    pub(crate) spans_too_deep: Fault,
    pub(crate) external_released_twice: Fault,
}

pub(crate) static FAULTS: FaultCounters = FaultCounters {
    failed_requests: Fault::new(),
    tag_table_full: Fault::new(),
    ephemeral_tags_without_id: Fault::new(),
    ephemeral_guards_out_of_order: Fault::new(),
    guards_out_of_order: Fault::new(),
    blocks_without_owner: Fault::new(),
    threads_without_slot: Fault::new(),
    no_memory_for_tables: Fault::new(),
    no_exit_notice: Fault::new(),
    no_fork_notice: Fault::new(),
    injected_failures: Fault::new(),
    late_work: Fault::new(),
    spans_too_deep: Fault::new(),
    external_released_twice: Fault::new(),
};

/// How often something could not be done as asked; all bytes stay accounted.
///
/// The allocator cannot return an error beyond a null pointer, and never panics:
/// what goes wrong in it is counted here. Every number only grows.
///
/// # Examples
///
/// ```
/// let before = heapledger::faults();
/// assert_eq!(heapledger::faults().tag_table_full, before.tag_table_full);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Faults {
    /// Requests for memory that the backend refused (the caller got null).
    pub failed_requests: u64,
    /// Names that found no place in the table of tags; their bytes are booked to
    /// `(overflow)`.
    pub tag_table_full: u64,
    /// Short-lived tags that found no free number; their bytes are booked to their
    /// parents.
    pub ephemeral_tags_without_id: u64,
    /// Guards of short-lived tags that were not dropped innermost first, or around a
    /// forgotten one: the number of each such tag stays in use for good.
    #[cfg_attr(feature = "serde", serde(default))]
    pub ephemeral_guards_out_of_order: u64,
    /// Guards of [`scope!`](crate::scope) and [`Tag::enter`](crate::Tag::enter) that
    /// were dropped while another scope was current: see
    /// [`ScopeGuard`](crate::ScopeGuard). Counted where heapledger is compiled with
    /// debug assertions, as in tests; otherwise 0.
    #[cfg_attr(feature = "serde", serde(default))]
    pub guards_out_of_order: u64,
    /// Blocks that could not be marked with their owner, because no memory for
    /// the map could be had; their bytes are booked to `(untagged)`.
    pub blocks_without_owner: u64,
    /// Threads that found no slot; they count, slower, in a shared shard.
    pub threads_without_slot: u64,
    /// Times the operating system refused memory for the ledger's own tables.
    pub no_memory_for_tables: u64,
    /// Threads whose end will not be noticed; their slots are not used again.
    pub no_exit_notice: u64,
    /// 1 if a forked child will not be told apart: the slots of the threads that it
    /// does not have stay taken in it.
    pub no_fork_notice: u64,
    /// Requests for memory that a test made fail (see the feature `testing`); they
    /// are not among `failed_requests`.
    pub injected_failures: u64,
    /// Times that work of a test or an observation ran on a thread after it was
    /// over; the ledger has what it did, the observation has not.
    pub late_work: u64,
    /// `tracing` spans entered while the thread was in as many as it may be; they
    /// changed no tag.
    pub spans_too_deep: u64,
    /// Times an [`External`](crate::External) was dropped of which
    /// [`release_external`](crate::release_external) had taken a part: what was left
    /// under its tag and kind was released, down to nothing.
    #[cfg_attr(feature = "serde", serde(default))]
    pub external_released_twice: u64,
}

/// Reads the fault counters.
///
/// # Cost
///
/// A load each; no allocation.
#[must_use]
pub fn faults() -> Faults {
    Faults {
        failed_requests: FAULTS.failed_requests.read(),
        tag_table_full: FAULTS.tag_table_full.read(),
        ephemeral_tags_without_id: FAULTS.ephemeral_tags_without_id.read(),
        ephemeral_guards_out_of_order: FAULTS.ephemeral_guards_out_of_order.read(),
        guards_out_of_order: FAULTS.guards_out_of_order.read(),
        blocks_without_owner: FAULTS.blocks_without_owner.read(),
        threads_without_slot: FAULTS.threads_without_slot.read(),
        no_memory_for_tables: FAULTS.no_memory_for_tables.read(),
        no_exit_notice: FAULTS.no_exit_notice.read(),
        no_fork_notice: FAULTS.no_fork_notice.read(),
        injected_failures: FAULTS.injected_failures.read(),
        late_work: FAULTS.late_work.read(),
        spans_too_deep: FAULTS.spans_too_deep.read(),
        external_released_twice: FAULTS.external_released_twice.read(),
    }
}
