//! What a pool tells about itself.

use crate::reclaim::{self, PoolKind, PoolStatistics};

use super::objects::{self, Objects};
use super::shard::Shard;
use super::store::Store;
use super::terms::UNLIMITED;

/// The name of a pool, which its tag has behind `pool/`.
pub(super) fn name_of(store: &Store) -> &str {
    let name = store.tag().name();
    name.strip_prefix("pool/").unwrap_or(name)
}

/// The numbers of a pool. Each is read once, and those that can only fall behind
/// first: `hits` and `dropped` are never more than what they are a part of.
pub(super) fn of(store: &Store, kind: PoolKind) -> PoolStatistics {
    let mut it = PoolStatistics::new(name_of(store), store.tag().id(), kind);
    it.hits = store.sum(Shard::hits);
    it.misses = store.sum(Shard::misses);
    it.high_water = store.note_high_water();
    let flow = store.flow();
    it.in_use = flow.in_use();
    (it.created, it.dropped, it.retained) = (flow.created, flow.dropped, flow.ready);
    let max = store.limits().retained_max;
    it.retained_max = (max != UNLIMITED).then_some(max);
    let (used_bytes, idle_bytes) = bytes(store, it.in_use);
    it.used_bytes = used_bytes;
    it.idle_bytes = idle_bytes;
    it
}

/// Bytes that are used, and that are idle. What objects own beyond their slots is as
/// the weigher says; without one it is what the pool's tag owns beyond the pool's own
/// memory, shared out among all objects.
fn bytes(store: &Store, in_use: u64) -> (u64, u64) {
    let used_slots = in_use * store.slot_bytes();
    let ready_content = store.ready_content_bytes();
    let used_content = store.content_bytes().unwrap_or(0).saturating_sub(ready_content);
    let idle = store.own_bytes().saturating_sub(used_slots) + ready_content;
    (used_slots + used_content, idle)
}

/// Shrinks; returns the bytes that were freed: as the ledger saw it, or else the
/// pages, and what the weigher believes.
pub(super) fn freed_by_shrink<O: Objects + ?Sized>(objects: &O, target_bytes: u64) -> u64 {
    let store = objects.store();
    let believed = || store.own_bytes() + store.ready_bytes();
    let before = believed();
    let freed = reclaim::freed_bytes_by(|| objects::shrink(objects, target_bytes));
    freed.unwrap_or_else(|| before.saturating_sub(believed()))
}
