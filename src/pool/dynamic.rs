//! `Pool`: objects of one type, made at run time.

use core::alloc::Layout;
use core::fmt;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::ptr::NonNull;
use std::alloc::handle_alloc_error;
use std::sync::Arc;

use heapledger_alloc_sys::os_pages;

use crate::reclaim::{self, PoolKind, PoolStatistics, Reclaimer, ReclaimerStatistics};
use crate::scope::Tag;

use super::objects::{self, Objects};
use super::shards::{Row, Shards};
use super::store::Store;
use super::{PoolBuilder, PoolError, PoolGuard, PoolHandle, statistics};

/// Objects that are used again instead of made again: any number live, few kept
/// ready.
///
/// [`acquire`](Self::acquire) gives an object that an earlier user is done with, or
/// a new one; dropping the guard resets it and keeps it ready. A clone is the same pool
/// once more: a task that must be `'static` takes one along and borrows its guards from
/// that, and nothing is counted per acquisition. From a pool in a `static`
/// ([`LazyLock`](std::sync::LazyLock)) guards are `'static` themselves, and those of a
/// [`handle`](Self::handle) are, too.
///
/// Objects and what the factory allocates belong to the tag `pool/<name>`. What a user
/// has an object allocate belongs to the user's tag, and what it grows to the tag of the
/// block that grows: a `Vec` that the factory made with a capacity stays the pool's, one
/// that was empty belongs to the first who wrote to it.
///
/// Dropping the last clone drops the ready objects. If the destructor of one panics, the
/// others are dropped all the same, and then the first panic goes on.
///
/// # Cost
///
/// An acquisition and its release by one thread take no lock and no atomic
/// read-modify-write, and touch one cache line of the thread's own; some 70 objects
/// further the depot is asked, two exchanges for 64 objects. `benches/README.md` has
/// the measured times. Memory: 64 KiB pages under the pool's tag, one slot an object
/// and at least one page for each thread that makes objects (200 threads with an object
/// each: 13 MB); [`shrink`](Self::shrink) returns those without an object in them. And
/// 128 bytes a thread, mapped from the system.
///
/// # Concurrency
///
/// Any thread may acquire, and release what another acquired. What a thread keeps
/// ready is inherited by the next thread when it ends. No lock is held while the
/// factory, the reset, the weigher or a destructor runs: they may use the pool. A child
/// forked while other threads used it must not: one of them may have held the lock of the
/// pages.
///
/// # Examples
///
/// ```
/// use heapledger::Pool;
///
/// let lines = Pool::builder("lines", || String::with_capacity(4096))
///     .reset(String::clear)
///     .retained_max(100)
///     .build()?;
/// let mut line = lines.acquire();
/// line.push_str("a line");
/// drop(line);
/// assert!(lines.acquire().is_empty());
/// assert_eq!(lines.statistics().created, 1);
/// # Ok::<(), heapledger::PoolError>(())
/// ```
///
/// Objects that cannot leave their thread do not fit (see
/// [`LocalPool`](crate::LocalPool)):
///
/// ```compile_fail
/// let pool = heapledger::Pool::builder("rc", || std::rc::Rc::new(1)).build();
/// ```
///
/// A guard cannot outlive its pool:
///
/// ```compile_fail
/// let pool = heapledger::Pool::builder("short", || 1).build().unwrap();
/// let guard = pool.acquire();
/// drop(pool);
/// drop(guard);
/// ```
pub struct Pool<T: Send + 'static> {
    pub(super) inner: Arc<Inner<T>>,
}

pub(super) type Factory<T> = Box<dyn Fn() -> Result<T, PoolError> + Send + Sync>;
pub(super) type Weigher<T> = Box<dyn Fn(&T) -> usize + Send + Sync>;

/// A reset, with the check-in that was compiled for it: called through one pointer,
/// with the reset inlined.
pub(super) struct Reset<T: Send + 'static> {
    function: Box<dyn AnyFunction>,
    check_in: unsafe fn(&Inner<T>, NonNull<T>),
}

/// A function of a type that only its check-in knows.
trait AnyFunction: Send + Sync {}

impl<F: Send + Sync> AnyFunction for F {}

impl<T: Send> Reset<T> {
    pub(super) fn new<R: Fn(&mut T) -> bool + Send + Sync + 'static>(reset: R) -> Self {
        Self { function: Box::new(reset), check_in: check_in::<T, R> }
    }
}

/// Takes an object back that is not spoilt, by a reset of type `R`.
///
/// # Safety
///
/// - As for `objects::check_in`.
/// - The pool's reset is an `R`.
unsafe fn check_in<T: Send, R: Fn(&mut T) -> bool>(pool: &Inner<T>, object: NonNull<T>) {
    // SAFETY: of this type (caller), and the pool's as long as the pool is there.
    let reset = unsafe { &*(&raw const *pool.reset.function).cast::<R>() };
    // SAFETY: the caller's promise.
    unsafe { objects::check_in_sound(pool, object, reset) };
}

pub(crate) struct Inner<T: Send + 'static> {
    store: Store,
    /// After the store, which uses it.
    _table: Table,
    factory: Factory<T>,
    reset: Reset<T>,
    weigher: Option<Weigher<T>>,
    retain_after_panic: bool,
}

// SAFETY: objects go from thread to thread, so they are `Send`; the functions are
// `Send` and `Sync`, and the store has its own rules.
unsafe impl<T: Send> Send for Inner<T> {}
// SAFETY: as above; no two threads ever have access to one object.
unsafe impl<T: Send> Sync for Inner<T> {}

/// Zeroed shards from the operating system; pages of threads that never come cost
/// nothing.
pub(super) struct Table(NonNull<Row>);

impl Table {
    pub(super) fn new() -> Self {
        let row = os_pages::map_zeroed(size_of::<Row>()).cast();
        Self(NonNull::new(row).unwrap_or_else(|| handle_alloc_error(Layout::new::<Row>())))
    }

    pub(super) fn shards(&self) -> Shards {
        // SAFETY: zeroed shards are valid, and mapped until this is dropped.
        unsafe { Shards::from_raw(self.0) }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this size; the store that used it is gone.
        unsafe { os_pages::unmap(self.0.as_ptr().cast(), size_of::<Row>()) };
    }
}

impl<T: Send> Inner<T> {
    pub(super) fn new(
        store: Store,
        table: Table,
        factory: Factory<T>,
        reset: Reset<T>,
        weigher: Option<Weigher<T>>,
        retain_after_panic: bool,
    ) -> Self {
        Self { store, _table: table, factory, reset, weigher, retain_after_panic }
    }

    fn guard(&self, object: NonNull<T>) -> PoolGuard<'_, T> {
        // SAFETY: from this pool's store, for this caller.
        unsafe { PoolGuard::new(object, self) }
    }
}

impl<T: Send> Objects for Inner<T> {
    type Object = T;

    #[inline(always)]
    fn store(&self) -> &Store {
        &self.store
    }

    /// A call: inlined, the guard would go through memory wherever one is dropped. The
    /// question before it would cost the call three registers saved and restored.
    #[inline(always)]
    unsafe fn check_in(&self, object: NonNull<T>) {
        if objects::is_spoilt(self) {
            // SAFETY: the caller's promise.
            return unsafe { objects::end(self, object) };
        }
        // SAFETY: the caller's promise; this one came with the reset.
        unsafe { (self.reset.check_in)(self, object) };
    }

    fn weigh(&self, object: &T) -> u64 {
        self.weigher.as_ref().map_or(0, |weigher| weigher(object) as u64)
    }

    fn retains_after_panic(&self) -> bool {
        self.retain_after_panic
    }
}

impl<T: Send> Drop for Inner<T> {
    fn drop(&mut self) {
        // First: a destructor may panic.
        reclaim::forget_gone();
        self.store.gather_all();
        objects::end_ready(self);
    }
}

impl<T: Send> Reclaimer for Inner<T> {
    fn name(&self) -> &str {
        statistics::name_of(&self.store)
    }

    fn tag(&self) -> &Tag {
        self.store.tag()
    }

    fn shrink(&self, target_bytes: u64) -> u64 {
        statistics::freed_by_shrink(self, target_bytes)
    }

    fn statistics(&self) -> ReclaimerStatistics {
        ReclaimerStatistics::Pool(statistics::of(&self.store, PoolKind::Unbounded))
    }
}

impl<T: Send> Pool<T> {
    /// A builder for a pool whose objects the factory makes.
    ///
    /// A second pool of a name is a pool of its own, with the same tag: the bytes that
    /// are read off the tag are then those of both.
    pub fn builder(name: &str, factory: impl Fn() -> T + Send + Sync + 'static) -> PoolBuilder<T> {
        PoolBuilder::new(name, Box::new(move || Ok(factory())))
    }

    /// A builder for a pool whose factory may fail.
    ///
    /// Its objects come from [`try_acquire`](Self::try_acquire);
    /// [`acquire`](Self::acquire) panics if the factory fails.
    pub fn try_builder<E>(
        name: &str,
        factory: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> PoolBuilder<T>
    where
        E: Into<Box<dyn core::error::Error + Send + Sync>>,
    {
        let factory = move || factory().map_err(|error| PoolError::Create(error.into()));
        PoolBuilder::new(name, Box::new(factory))
    }

    /// Makes some objects, and lists the pool.
    pub(super) fn from_inner(inner: Inner<T>, prefill: u64) -> Result<Self, PoolError> {
        if let Err(error) = objects::prefill(&inner, prefill, &inner.factory) {
            // Here, and not on the way out: if a destructor panics, the error goes, too.
            drop(inner);
            return Err(error);
        }
        let inner = Arc::new(inner);
        let listed: Arc<dyn Reclaimer> = inner.clone();
        reclaim::register(&listed);
        Ok(Self { inner })
    }

    /// An object that is ready, or a new one.
    ///
    /// # Panics
    ///
    /// If the factory does; or if it fails, in a pool of
    /// [`try_builder`](Self::try_builder).
    #[inline]
    pub fn acquire(&self) -> PoolGuard<'_, T> {
        self.acquire_or(|| match (self.inner.factory)() {
            Ok(object) => object,
            Err(error) => failed(&error),
        })
    }

    /// An object that is ready, or a new one.
    ///
    /// # Errors
    ///
    /// [`PoolError::Create`] if none is ready and the factory fails.
    ///
    /// # Panics
    ///
    /// If the factory does.
    #[inline]
    pub fn try_acquire(&self) -> Result<PoolGuard<'_, T>, PoolError> {
        let object = objects::acquire(&*self.inner, &self.inner.factory)?;
        Ok(self.inner.guard(object))
    }

    /// An object that is ready, or what `make` makes, under the pool's tag.
    ///
    /// # Panics
    ///
    /// If `make` does.
    #[inline]
    pub fn acquire_or(&self, make: impl FnOnce() -> T) -> PoolGuard<'_, T> {
        match objects::acquire(&*self.inner, || Ok::<T, core::convert::Infallible>(make())) {
            Ok(object) => self.inner.guard(object),
            Err(never) => match never {},
        }
    }

    /// An object that is ready, and none otherwise.
    pub fn acquire_ready(&self) -> Option<PoolGuard<'_, T>> {
        objects::acquire_ready(&*self.inner).map(|object| self.inner.guard(object))
    }

    /// A handle for a thread or a task whose guards have no lifetime.
    ///
    /// # Cost
    ///
    /// An allocation of 256 bytes.
    #[must_use]
    pub fn handle(&self) -> PoolHandle<T> {
        PoolHandle::new(self.clone())
    }

    /// So many objects, ready ones first.
    ///
    /// # Errors
    ///
    /// [`PoolError::Create`] if the factory fails; what was acquired until then goes
    /// back.
    ///
    /// # Panics
    ///
    /// If the factory does; likewise.
    pub fn acquire_many(&self, objects: usize) -> Result<Vec<PoolGuard<'_, T>>, PoolError> {
        (0..objects).map(|_| self.try_acquire()).collect()
    }

    /// Puts an object in that was made elsewhere; it is reset as others are.
    ///
    /// What it owns stays booked to the tag under which that was allocated.
    ///
    /// # Panics
    ///
    /// If the reset does.
    pub fn put(&self, object: T) {
        objects::put(&*self.inner, object);
    }

    /// Takes a ready object out for good; `None` if none is ready.
    #[must_use]
    pub fn get(&self) -> Option<T> {
        self.acquire_ready().map(PoolGuard::into_inner)
    }

    /// The name, without `pool/`.
    #[must_use]
    pub fn name(&self) -> &str {
        Reclaimer::name(&*self.inner)
    }

    /// The tag that owns the pool's memory.
    #[must_use]
    pub fn tag(&self) -> &Tag {
        self.inner.store.tag()
    }

    /// Drops ready objects until at most `target_bytes` of them are left; returns the
    /// bytes freed.
    ///
    /// The pool's own pages, with the slots, go to the system. What the objects owned
    /// goes to the allocator, which keeps it for a while; [`purge`](crate::purge) has it
    /// return that, too.
    ///
    /// Reaches what other threads keep ready, too, idle threads' included (on Linux;
    /// elsewhere only the calling thread's and what nobody keeps). Without a weigher
    /// an object counts with what objects of the pool own on average.
    ///
    /// # Cost
    ///
    /// One system call, and what is dropped.
    ///
    /// # Panics
    ///
    /// If a destructor does; what was not dropped by then stays ready.
    pub fn shrink(&self, target_bytes: u64) -> u64 {
        Reclaimer::shrink(&*self.inner, target_bytes)
    }

    /// Drops all ready objects; returns the bytes freed. As `shrink(0)`.
    pub fn shrink_idle(&self) -> u64 {
        self.shrink(0)
    }

    /// What the pool keeps, and how it was used.
    ///
    /// # Cost
    ///
    /// Some loads for each thread there is; none of them slows the users.
    ///
    /// # Concurrency
    ///
    /// Exact while nobody uses the pool; a few objects off otherwise.
    #[must_use]
    pub fn statistics(&self) -> PoolStatistics {
        statistics::of(&self.inner.store, PoolKind::Unbounded)
    }
}

#[cold]
#[inline(never)]
fn failed(error: &PoolError) -> ! {
    panic!("{error}; `try_acquire` returns this as an error")
}

/// A panic leaves a pool whole: what is half done is dropped.
impl<T: Send> UnwindSafe for Inner<T> {}
/// As above.
impl<T: Send> RefUnwindSafe for Inner<T> {}

impl<T: Send> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<T: Send> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("name", &self.name()).finish_non_exhaustive()
    }
}
