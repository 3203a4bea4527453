//! What a bounded pool keeps, and how it gives that back.

use core::mem::size_of;
use core::sync::atomic::Ordering::Relaxed;

use super::recipe::Object;
use super::shared::Shared;
use crate::each::each;
use crate::pool::gate::Standing;
use crate::reclaim::{self, PoolKind, PoolStatistics, Reclaimer, ReclaimerStatistics};
use crate::scope::Tag;

impl<T: Send> Reclaimer for Shared<T> {
    fn name(&self) -> &str {
        &self.name
    }

    fn tag(&self) -> &Tag {
        &self.tag
    }

    fn shrink(&self, target_bytes: u64) -> u64 {
        let standing = self.gate.standing();
        let each_bytes = self.unweighed_bytes(&standing);
        let mut excess_bytes = self.idle_bytes(&standing).saturating_sub(target_bytes);
        let mut weights_bytes = 0;
        let is_too_much = |object: &Object<T>| {
            let take = excess_bytes > 0;
            if take {
                let bytes = self.bytes(object, each_bytes);
                excess_bytes = excess_bytes.saturating_sub(bytes);
                weights_bytes += bytes;
            }
            take
        };
        // The list of those that stay is made anew, and is the pool's.
        let surplus = self.tag.run(|| self.gate.take_idle(is_too_much));
        reclaim::freed_bytes_by(|| each(surplus, drop)).unwrap_or(weights_bytes)
    }

    fn statistics(&self) -> ReclaimerStatistics {
        let standing = self.gate.standing();
        let begun = self.tally.begun.load(Relaxed);
        let mut it = PoolStatistics::new(&self.name, self.tag.id(), PoolKind::Bounded);
        let nothing = begun + self.tally.withdrawn.load(Relaxed);
        it.hits = standing.claims_total.saturating_sub(nothing);
        it.misses = begun + self.tally.refused.load(Relaxed);
        it.created = self.tally.made.load(Relaxed);
        it.dropped = self.tally.gone.load(Relaxed);
        it.retained = standing.idle as u64;
        it.in_use = standing.live.saturating_sub(standing.idle) as u64;
        it.high_water = standing.in_use_peak as u64;
        it.retained_max = Some(standing.max_live as u64);
        it.live_max = Some(standing.max_live as u64);
        it.idle_bytes = self.idle_bytes(&standing);
        it.used_bytes = self.used_bytes(it.in_use, it.idle_bytes);
        it.waits = self.waits.statistics(standing.waiting);
        it.making = self.making.statistics();
        ReclaimerStatistics::Pool(it)
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        reclaim::forget_gone();
    }
}

impl<T> Shared<T> {
    fn idle_bytes(&self, standing: &Standing) -> u64 {
        let each_bytes = self.unweighed_bytes(standing);
        self.gate.sum_idle(|object| self.bytes(object, each_bytes))
    }

    /// What the tag owns beyond what is idle; no less than the objects themselves.
    fn used_bytes(&self, in_use: u64, idle_bytes: u64) -> u64 {
        if in_use == 0 {
            return 0;
        }
        let tag_bytes = reclaim::live_bytes(&self.tag).unwrap_or(0);
        tag_bytes.saturating_sub(idle_bytes).max(in_use * size_of::<Object<T>>() as u64)
    }

    fn bytes(&self, object: &Object<T>, unweighed_bytes: u64) -> u64 {
        match self.recipe.weigher {
            Some(_) => size_of::<Object<T>>() as u64 + object.weight_bytes,
            None => unweighed_bytes,
        }
    }

    /// An object's part of what the tag owns, or its own size where nobody counts.
    fn unweighed_bytes(&self, standing: &Standing) -> u64 {
        let own_bytes = size_of::<Object<T>>() as u64;
        let tag_bytes = reclaim::live_bytes(&self.tag).unwrap_or(0);
        (tag_bytes / standing.live.max(1) as u64).max(own_bytes)
    }
}
