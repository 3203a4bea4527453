//! `LocalPool`: objects that stay on their thread.

use core::alloc::Layout;
use core::cell::{Cell, UnsafeCell};
use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use std::alloc::handle_alloc_error;
use std::sync::Arc;

use crate::each::each;
use crate::reclaim::{self, PoolKind, PoolStatistics, Reclaimer, ReclaimerStatistics};
use crate::scope::Tag;

use super::in_slot::InSlot;
use super::pages::{Lot, Pages};
use super::{PoolError, settings};

const PAGE_BYTES: usize = 64 << 10;
/// Nobody asked the pool to shrink; also what asks for nothing.
const UNASKED: u64 = u64::MAX;

/// A [`Pool`](crate::Pool) for objects that cannot leave their thread (`!Send`).
///
/// Listed among [`pools`](crate::pools), and its tag is `pool/<name>`. When all pools are
/// asked to shrink, by whichever thread, this one does at its next release, and has freed
/// nothing until then. [`shrink`](Self::shrink) does it at once.
///
/// Dropping the pool drops the ready objects. If destructors panic, the others are dropped
/// all the same, and then the first panic goes on.
///
/// # Cost
///
/// An acquisition and its release are a pop and a push of a list, and the reset.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use heapledger::LocalPool;
///
/// let nodes = LocalPool::new("nodes", || Rc::new(String::new()))?;
/// let node = nodes.acquire();
/// drop(node);
/// assert_eq!(nodes.statistics().retained, 1);
/// # Ok::<(), heapledger::PoolError>(())
/// ```
pub struct LocalPool<T> {
    idle: UnsafeCell<Vec<NonNull<T>>>,
    pages: Pages,
    factory: Box<dyn Fn() -> T>,
    reset: Option<Reset<T>>,
    retained_max: Cell<u64>,
    numbers: Arc<Numbers>,
}

type Reset<T> = Box<dyn Fn(&mut T)>;

/// What others may see of it.
struct Numbers {
    name: String,
    tag: Tag,
    slot_bytes: u64,
    /// The idle bytes that somebody asked it to shrink to.
    shrink_to: AtomicU64,
    hits: AtomicU64,
    created: AtomicU64,
    dropped: AtomicU64,
    retained: AtomicU64,
    retained_max: AtomicU64,
    high_water: AtomicU64,
}

/// Written by the pool's thread only; others take them for numbers.
fn add(number: &AtomicU64, by: u64) {
    number.store(number.load(Relaxed).wrapping_add(by), Relaxed);
}

impl<T> LocalPool<T> {
    /// A pool whose objects the factory makes.
    ///
    /// A second pool of a name is a pool of its own, with the same tag: the bytes that
    /// are read off the tag are then those of both.
    ///
    /// # Errors
    ///
    /// - [`PoolError::Name`] if `pool/<name>` cannot be a tag's name.
    /// - [`PoolError::Setting`] if the environment's default is malformed.
    pub fn new(name: &str, factory: impl Fn() -> T + 'static) -> Result<Self, PoolError> {
        let pages = Pages::new(Layout::new::<T>(), PAGE_BYTES);
        let retained_max = settings::default_retained_max()?;
        let numbers = Arc::new(Numbers {
            name: name.to_owned(),
            tag: reclaim::tag_below("pool", name)?,
            slot_bytes: pages.shape().slot_bytes() as u64,
            shrink_to: AtomicU64::new(UNASKED),
            hits: AtomicU64::new(0),
            created: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            retained: AtomicU64::new(0),
            retained_max: AtomicU64::new(retained_max),
            high_water: AtomicU64::new(0),
        });
        let listed: Arc<dyn Reclaimer> = numbers.clone();
        reclaim::register(&listed);
        Ok(Self {
            idle: UnsafeCell::new(Vec::new()),
            pages,
            factory: Box::new(factory),
            reset: None,
            retained_max: Cell::new(retained_max),
            numbers,
        })
    }

    /// Runs when an object comes back, before it is ready again.
    #[must_use]
    pub fn with_reset(mut self, reset: impl Fn(&mut T) + 'static) -> Self {
        self.reset = Some(Box::new(reset));
        self
    }

    /// Keeps at most so many objects ready; what comes back beyond that is dropped.
    #[must_use]
    pub fn with_retained_max(self, objects: usize) -> Self {
        self.retained_max.set(objects as u64);
        self.numbers.retained_max.store(objects as u64, Relaxed);
        self
    }

    /// Uses the list of ready objects. No user code and no allocation in there.
    #[inline(always)]
    fn with_idle<R>(&self, body: impl FnOnce(&mut Vec<NonNull<T>>) -> R) -> R {
        // SAFETY: the pool is not `Sync`, and nothing that `body` does comes back here.
        body(unsafe { &mut *self.idle.get() })
    }

    /// An object that is ready, or a new one.
    ///
    /// # Panics
    ///
    /// If the factory does.
    #[inline]
    pub fn acquire(&self) -> LocalGuard<'_, T> {
        let object = match self.with_idle(Vec::pop) {
            Some(object) => {
                add(&self.numbers.hits, 1);
                add(&self.numbers.retained, u64::MAX);
                object
            }
            None => self.make(),
        };
        // SAFETY: complete, from this pool, and for this caller.
        LocalGuard { object: unsafe { InSlot::new(object) }, pool: self }
    }

    #[cold]
    fn make(&self) -> NonNull<T> {
        let scope = self.numbers.tag.enter();
        let object = (self.factory)();
        let Some(slot) = self.pages.take_one() else {
            handle_alloc_error(self.pages.shape().page())
        };
        drop(scope);
        let slot = slot.cast::<T>();
        // SAFETY: a slot of the pages has the object's layout, and is this thread's.
        unsafe { slot.write(object) };
        add(&self.numbers.created, 1);
        let in_use = self.numbers.in_use();
        self.numbers.high_water.fetch_max(in_use, Relaxed);
        slot
    }

    /// Takes an object back.
    ///
    /// # Safety
    ///
    /// - The object is complete, and the caller's, who does not use it afterwards.
    #[inline]
    unsafe fn check_in(&self, mut object: NonNull<T>) {
        let end = End { pool: self, object };
        if std::thread::panicking() {
            return drop(end);
        }
        if let Some(reset) = &self.reset {
            // SAFETY: complete, and the caller's.
            reset(unsafe { object.as_mut() });
        }
        if self.numbers.retained.load(Relaxed) >= self.retained_max.get() {
            drop(end);
            return self.shrink_if_asked();
        }
        core::mem::forget(end);
        if self.with_idle(|idle| idle.len() == idle.capacity()) {
            self.grow();
        }
        self.with_idle(|idle| idle.push(object));
        add(&self.numbers.retained, 1);
        self.shrink_if_asked();
    }

    #[inline]
    fn shrink_if_asked(&self) {
        if self.numbers.shrink_to.load(Relaxed) != UNASKED {
            self.shrink(UNASKED);
        }
    }

    /// Makes room in the list, which nobody borrows while the allocator runs.
    #[cold]
    fn grow(&self) {
        let _scope = self.numbers.tag.enter();
        let mut larger = Vec::with_capacity(self.with_idle(|idle| idle.len()) * 2 + 16);
        let smaller = self.with_idle(|idle| {
            larger.append(idle);
            core::mem::replace(idle, larger)
        });
        drop(smaller);
    }

    /// The name, without `pool/`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.numbers.name
    }

    /// The tag that owns the pool's memory.
    #[must_use]
    pub fn tag(&self) -> &Tag {
        &self.numbers.tag
    }

    /// Drops ready objects until at most `target_bytes` of them are left; returns the
    /// bytes freed, as the ledger saw it, or else the pages.
    ///
    /// An object counts with what objects of the pool own on average.
    /// What objects owned goes to the allocator, and the pool's own pages to the system.
    ///
    /// # Panics
    ///
    /// If a destructor does; what was not dropped by then stays ready.
    pub fn shrink(&self, target_bytes: u64) -> u64 {
        // What somebody else asked for, too.
        let target_bytes = target_bytes.min(self.numbers.shrink_to.swap(UNASKED, Relaxed));
        let before = self.pages.bytes();
        let kept = target_bytes / self.numbers.object_bytes();
        let freed = reclaim::freed_bytes_by(|| {
            while self.numbers.retained.load(Relaxed) > kept {
                let Some(object) = self.with_idle(Vec::pop) else { break };
                add(&self.numbers.retained, u64::MAX);
                drop(End { pool: self, object });
            }
            self.pages.shrink();
        });
        freed.unwrap_or_else(|| before.saturating_sub(self.pages.bytes()))
    }

    /// Drops all ready objects; returns the bytes freed. As `shrink(0)`.
    ///
    /// # Panics
    ///
    /// If a destructor does; what was not dropped by then stays ready.
    pub fn shrink_idle(&self) -> u64 {
        self.shrink(0)
    }

    /// What the pool keeps, and how it was used.
    #[must_use]
    pub fn statistics(&self) -> PoolStatistics {
        self.numbers.read()
    }
}

/// Ends an object when dropped; its slot goes home even if its destructor panics.
struct End<'p, T> {
    pool: &'p LocalPool<T>,
    object: NonNull<T>,
}

impl<T> Drop for End<'_, T> {
    fn drop(&mut self) {
        struct Home<'p, T>(&'p LocalPool<T>, NonNull<T>);
        impl<T> Drop for Home<'_, T> {
            fn drop(&mut self) {
                let mut lot = Lot::EMPTY;
                // SAFETY: the object in it has ended, and the slot is this thread's.
                unsafe { lot.push(self.1.cast()) };
                self.0.pages.give(lot);
            }
        }
        let _home = Home(self.pool, self.object);
        add(&self.pool.numbers.dropped, 1);
        // SAFETY: whoever makes this value has a complete object to itself.
        unsafe { self.object.drop_in_place() };
    }
}

impl<T> Drop for LocalPool<T> {
    fn drop(&mut self) {
        let idle = self.with_idle(core::mem::take);
        each(idle, |object| {
            add(&self.numbers.retained, u64::MAX);
            drop(End { pool: self, object });
        });
    }
}

/// A panic leaves a pool whole: what is half done is dropped.
impl<T> UnwindSafe for LocalPool<T> {}
/// As above.
impl<T> RefUnwindSafe for LocalPool<T> {}

impl<T> fmt::Debug for LocalPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalPool").field("name", &self.numbers.name).finish_non_exhaustive()
    }
}

impl Drop for Numbers {
    fn drop(&mut self) {
        reclaim::forget_gone();
    }
}

impl Numbers {
    fn in_use(&self) -> u64 {
        let gone = self.dropped.load(Relaxed) + self.retained.load(Relaxed);
        self.created.load(Relaxed).saturating_sub(gone)
    }

    fn read(&self) -> PoolStatistics {
        let mut it = PoolStatistics::new(&self.name, self.tag.id(), PoolKind::Local);
        it.hits = self.hits.load(Relaxed);
        it.created = self.created.load(Relaxed);
        it.misses = it.created;
        it.dropped = self.dropped.load(Relaxed);
        it.retained = self.retained.load(Relaxed);
        it.in_use = self.in_use();
        it.high_water = self.high_water.load(Relaxed).max(it.in_use);
        it.retained_max = Some(self.retained_max.load(Relaxed));
        let object_bytes = self.object_bytes();
        it.used_bytes = it.in_use * object_bytes;
        it.idle_bytes = it.retained * object_bytes;
        it
    }

    /// An object's part of what the tag owns; its slot where nobody counts.
    fn object_bytes(&self) -> u64 {
        let live = self.created.load(Relaxed).saturating_sub(self.dropped.load(Relaxed));
        let owned_bytes = reclaim::live_bytes(&self.tag).unwrap_or(0);
        (owned_bytes / live.max(1)).max(self.slot_bytes)
    }
}

impl Reclaimer for Numbers {
    fn name(&self) -> &str {
        &self.name
    }

    fn tag(&self) -> &Tag {
        &self.tag
    }

    /// Its objects are its thread's: asks for it.
    fn shrink(&self, target_bytes: u64) -> u64 {
        self.shrink_to.fetch_min(target_bytes, Relaxed);
        0
    }

    fn statistics(&self) -> ReclaimerStatistics {
        ReclaimerStatistics::Pool(self.read())
    }
}

/// An object of a [`LocalPool`]; goes back when dropped.
#[must_use = "the object goes back when the guard is dropped"]
pub struct LocalGuard<'p, T> {
    object: InSlot<T>,
    pool: &'p LocalPool<T>,
}

impl<T> LocalGuard<'_, T> {
    /// Takes the object out of the pool for good.
    #[must_use]
    pub fn into_inner(guard: Self) -> T {
        let guard = ManuallyDrop::new(guard);
        add(&guard.pool.numbers.dropped, 1);
        // SAFETY: the guard's, complete, and not used afterwards.
        let object = unsafe { guard.object.slot().read() };
        let mut lot = Lot::EMPTY;
        // SAFETY: empty now, and this thread's.
        unsafe { lot.push(guard.object.slot().cast()) };
        guard.pool.pages.give(lot);
        object
    }
}

impl<T> Drop for LocalGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the guard's, complete, and not used afterwards.
        unsafe { self.pool.check_in(self.object.slot()) };
    }
}

impl<T> Deref for LocalGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.object
    }
}

impl<T> DerefMut for LocalGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.object
    }
}

impl<T: fmt::Debug> fmt::Debug for LocalGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}
