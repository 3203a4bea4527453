//! The register of resources.

use core::any::{Any, type_name};
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::slot::{Cleaned, Slot, held};
use super::{ResourceError, ResourceGuard};
use crate::each::each;
use crate::pool::PoolError;
use crate::pool::gate::Refusal;
use crate::pool::times::WaitTimes;
use crate::reclaim::{
    self, PoolKind, PoolStatistics, Reclaimer, ReclaimerStatistics, WaitStatistics,
};
use crate::scope::Tag;
use crate::sync::lock::Mutex;
use crate::sync::park::block_on;

/// What runs at a resource's end.
type OnEnd<T> = Box<dyn FnOnce(T) + Send>;
pub(super) type Owned<T> = Cleaned<T, OnEnd<T>>;

/// One resource: its slot, and how long it was waited for.
pub(super) struct OneResource<T: Send + 'static> {
    pub(super) slot: Slot<Owned<T>>,
    acquisitions: AtomicU64,
    waits: WaitTimes,
    pub(super) in_use: Arc<InUse>,
}

/// How many resources of a register are in use, and were at one time.
#[derive(Default)]
pub(super) struct InUse {
    now: AtomicU64,
    peak: AtomicU64,
}

impl InUse {
    fn begin(&self) {
        // Relaxed: numbers.
        let now = self.now.fetch_add(1, Relaxed) + 1;
        self.peak.fetch_max(now, Relaxed);
    }

    pub(super) fn end(&self) {
        self.now.fetch_sub(1, Relaxed);
    }
}

/// A resource of any type, as the register keeps it.
trait AnyResource: Send + Sync {
    fn end(&self) -> bool;
    fn statistics(&self, id: &str) -> ResourceStatistics;
    fn type_name(&self) -> &'static str;
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// Resources by id, each with a cleanup: files, devices, anything that there is one of.
///
/// A resource has one user at a time; others wait in a queue. Its cleanup runs exactly
/// once and never while it is used: at [`unregister`](Self::unregister), or when its
/// last user drops it after that, or when the register is dropped.
///
/// The register is the tag `pool/<name>`, and one of [`pools()`](crate::pools).
///
/// # Concurrency
///
/// No lock is held while a cleanup runs. Whoever keeps a guard and acquires the same
/// resource again waits for itself: use a timeout.
///
/// # Examples
///
/// ```
/// use heapledger::{Cleanup, ResourceError, Resources};
/// use std::sync::mpsc::channel;
///
/// let (log, cleaned) = channel();
/// let resources = Resources::new("devices")?;
/// resources.register("scanner", vec![1, 2, 3], move |it| log.send(it.len()).unwrap())?;
///
/// let mut scanner = resources.acquire::<Vec<i32>>("scanner")?;
/// scanner.push(4);
/// assert_eq!(resources.unregister("scanner")?, Cleanup::WhenReleased);
/// assert!(cleaned.try_recv().is_err());
/// drop(scanner);
/// assert_eq!(cleaned.try_recv(), Ok(4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Resources {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    tag: Tag,
    by_id: Mutex<BTreeMap<String, Arc<dyn AnyResource>>>,
    registered: AtomicU64,
    /// Counts in every cleanup, hence shared with them.
    ended: Arc<AtomicU64>,
    acquisitions: AtomicU64,
    /// Ended by every guard, hence shared with them.
    in_use: Arc<InUse>,
    waits: WaitTimes,
}

/// When the cleanup of an unregistered resource runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// It has run.
    Done,
    /// The resource is in use: its user runs it by dropping the guard.
    WhenReleased,
}

/// What there is to know of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ResourceStatistics {
    /// The id.
    pub id: String,
    /// The type.
    pub type_name: &'static str,
    /// Whether somebody has it now.
    pub in_use: bool,
    /// How often it was acquired.
    pub acquisitions: u64,
    /// How long it was waited for.
    pub waits: WaitStatistics,
}

impl Resources {
    /// An empty register.
    ///
    /// # Errors
    ///
    /// [`PoolError::Name`] if `pool/<name>` is not the name of a tag.
    pub fn new(name: &str) -> Result<Self, PoolError> {
        let tag = reclaim::tag_below("pool", name)?;
        let shared = tag.run(|| {
            Arc::new(Shared {
                name: name.to_owned(),
                tag: tag.clone(),
                by_id: Mutex::new(BTreeMap::new()),
                registered: AtomicU64::new(0),
                ended: Arc::default(),
                acquisitions: AtomicU64::new(0),
                in_use: Arc::default(),
                waits: WaitTimes::default(),
            })
        });
        let reclaimer: Arc<dyn Reclaimer> = Arc::<Shared>::clone(&shared);
        reclaim::register(&reclaimer);
        Ok(Self { shared })
    }

    /// Registers a resource and what is to be done with it at its end.
    ///
    /// # Errors
    ///
    /// [`ResourceError::IdTaken`] if there is one with this id; then the new one is
    /// cleaned up at once.
    pub fn register<T: Send + 'static>(
        &self,
        id: &str,
        resource: T,
        cleanup: impl FnOnce(T) + Send + 'static,
    ) -> Result<(), ResourceError> {
        let shared = &self.shared;
        let ended = Arc::clone(&shared.ended);
        let on_end = move |resource| {
            ended.fetch_add(1, Relaxed);
            cleanup(resource);
        };
        let _scope = shared.tag.enter();
        let resource: Owned<T> = Cleaned::new(resource, Box::new(on_end));
        shared.registered.fetch_add(1, Relaxed);
        let new = Arc::new(OneResource {
            slot: Slot::new(resource),
            acquisitions: AtomicU64::new(0),
            waits: WaitTimes::default(),
            in_use: Arc::clone(&shared.in_use),
        });
        let mut by_id = shared.by_id.lock();
        if by_id.contains_key(id) {
            drop(by_id); // The cleanup is not for under the lock.
            new.slot.end();
            return Err(ResourceError::IdTaken { id: id.to_owned() });
        }
        by_id.insert(id.to_owned(), new);
        Ok(())
    }

    /// Takes a resource; waits for its turn as long as it takes.
    ///
    /// # Errors
    ///
    /// - [`ResourceError::Unknown`] if there is none with this id, or it was
    ///   unregistered meanwhile.
    /// - [`ResourceError::WrongType`] if it has another type; the error names both.
    pub fn acquire<T: Send + 'static>(&self, id: &str) -> Result<ResourceGuard<T>, ResourceError> {
        self.acquire_until(id, None)
    }

    /// Takes a resource; waits at most so long.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire), and [`ResourceError::InUse`] if the time is
    /// over.
    pub fn acquire_timeout<T: Send + 'static>(
        &self,
        id: &str,
        timeout: Duration,
    ) -> Result<ResourceGuard<T>, ResourceError> {
        // A time beyond the clock's end is none.
        self.acquire_until(id, Instant::now().checked_add(timeout))
    }

    /// Ends a resource: nobody can acquire it any more, and those who wait are told.
    ///
    /// # Errors
    ///
    /// [`ResourceError::Unknown`] if there is none with this id: of two threads, one
    /// unregisters it.
    ///
    /// # Panics
    ///
    /// If the cleanup does; the resource has ended all the same.
    pub fn unregister(&self, id: &str) -> Result<Cleanup, ResourceError> {
        let removed = self.shared.by_id.lock().remove(id);
        let Some(removed) = removed else { return Err(unknown(id)) };
        Ok(if removed.end() { Cleanup::Done } else { Cleanup::WhenReleased })
    }

    /// The statistics of one resource.
    ///
    /// # Errors
    ///
    /// [`ResourceError::Unknown`] if there is none with this id.
    pub fn resource_statistics(&self, id: &str) -> Result<ResourceStatistics, ResourceError> {
        let found = self.shared.by_id.lock().get(id).cloned();
        Ok(found.ok_or_else(|| unknown(id))?.statistics(id))
    }

    /// The statistics of every resource, by id.
    #[must_use]
    pub fn all_statistics(&self) -> Vec<ResourceStatistics> {
        self.shared.all_statistics()
    }

    /// The statistics of all resources together: `retained` are those that nobody
    /// uses, `created` and `dropped` those registered and cleaned up, `misses` the
    /// acquisitions that ran out of time. The tag's bytes are shared out evenly.
    #[must_use]
    pub fn statistics(&self) -> PoolStatistics {
        self.shared.together()
    }

    fn acquire_until<T: Send + 'static>(
        &self,
        id: &str,
        deadline: Option<Instant>,
    ) -> Result<ResourceGuard<T>, ResourceError> {
        let found = self.shared.by_id.lock().get(id).cloned();
        let found = found.ok_or_else(|| unknown(id))?;
        let registered = found.type_name();
        let found = found.into_any().downcast::<OneResource<T>>();
        let found = found.map_err(|_| ResourceError::WrongType {
            id: id.to_owned(),
            registered,
            asked: type_name::<T>(),
        })?;
        let outcome = match found.slot.try_acquire() {
            Err(Refusal::Exhausted) => self.wait(&found, id, deadline),
            Err(Refusal::Closed) => Err(unknown(id)),
            Ok(held) => Ok(held.into_object()),
        };
        let resource = outcome?;
        found.acquisitions.fetch_add(1, Relaxed);
        self.shared.acquisitions.fetch_add(1, Relaxed);
        self.shared.in_use.begin();
        Ok(ResourceGuard::new(resource, found))
    }

    fn wait<T: Send + 'static>(
        &self,
        one: &OneResource<T>,
        id: &str,
        deadline: Option<Instant>,
    ) -> Result<Box<crate::pool::gate::Entry<Owned<T>>>, ResourceError> {
        let start = Instant::now();
        let mut wait = one.slot.wait();
        let claim = block_on(&mut wait, deadline).unwrap_or_else(|| wait.leave());
        let waited = start.elapsed();
        one.waits.add(waited);
        self.shared.waits.add(waited);
        match claim.and_then(held) {
            Ok(held) => Ok(held.into_object()),
            Err(Refusal::Closed) => Err(unknown(id)),
            Err(Refusal::Exhausted) => {
                one.waits.add_timeout();
                self.shared.waits.add_timeout();
                Err(ResourceError::InUse { id: id.to_owned(), waited })
            }
        }
    }
}

impl Drop for Resources {
    /// Ends every resource; those in use end with their guards.
    fn drop(&mut self) {
        let all = core::mem::take(&mut *self.shared.by_id.lock());
        each(all.into_values(), |one| {
            one.end();
        });
    }
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all_statistics()).finish()
    }
}

impl<T: Send + 'static> AnyResource for OneResource<T> {
    fn end(&self) -> bool {
        self.slot.end()
    }

    fn statistics(&self, id: &str) -> ResourceStatistics {
        let standing = self.slot.gate().standing();
        ResourceStatistics {
            id: id.to_owned(),
            type_name: type_name::<T>(),
            in_use: standing.live > standing.idle,
            acquisitions: self.acquisitions.load(Relaxed),
            waits: self.waits.statistics(standing.waiting),
        }
    }

    fn type_name(&self) -> &'static str {
        type_name::<T>()
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Shared {
    fn all_statistics(&self) -> Vec<ResourceStatistics> {
        self.by_id.lock().iter().map(|(id, one)| one.statistics(id)).collect()
    }

    fn together(&self) -> PoolStatistics {
        let all = self.all_statistics();
        let mut it = PoolStatistics::new(&self.name, self.tag.id(), PoolKind::Resources);
        it.hits = self.acquisitions.load(Relaxed);
        let waiting = all.iter().map(|one| one.waits.waiting).sum::<u64>();
        it.waits = self.waits.statistics(waiting as usize);
        it.misses = it.waits.timeouts;
        it.created = self.registered.load(Relaxed);
        it.dropped = self.ended.load(Relaxed);
        it.retained = all.iter().filter(|one| !one.in_use).count() as u64;
        it.in_use = it.created.saturating_sub(it.dropped + it.retained);
        it.high_water = self.in_use.peak.load(Relaxed).max(it.in_use);
        let bytes = reclaim::live_bytes(&self.tag).unwrap_or(0);
        it.used_bytes = bytes / (it.in_use + it.retained).max(1) * it.in_use;
        it.idle_bytes = bytes - it.used_bytes;
        it
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        reclaim::forget_gone();
    }
}

impl Reclaimer for Shared {
    fn name(&self) -> &str {
        &self.name
    }

    fn tag(&self) -> &Tag {
        &self.tag
    }

    /// Nothing: a resource is there because it is one of a kind.
    fn shrink(&self, _: u64) -> u64 {
        0
    }

    fn statistics(&self) -> ReclaimerStatistics {
        ReclaimerStatistics::Pool(self.together())
    }
}

fn unknown(id: &str) -> ResourceError {
    ResourceError::Unknown { id: id.to_owned() }
}
