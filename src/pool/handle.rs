//! `PoolHandle`: guards without a lifetime, counted where no other thread counts.

use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::in_slot::InSlot;
use super::objects::{self, Objects};
use super::{Pool, PoolError, PoolGuard};

/// A handle on a [`Pool`] whose guards have no lifetime: they may be kept in a
/// structure, sent through a channel, returned from a task, and outlive the handle.
///
/// What keeps the pool there for such a guard is a count. One for the whole pool is
/// what all threads would write to, and cost more than the pool saves; a handle has one
/// of its own, in cache lines of its own. So take a handle for each thread, connection
/// or task that lasts, by [`Pool::handle`] or by a clone, which has a count of its own,
/// too. To borrow guards needs none of this: a clone of the [`Pool`] does, in a
/// `'static` task also.
///
/// # Cost
///
/// Two atomic additions for each guard that no other thread takes part in, beside what
/// the pool costs; one that another thread drops has the line fetched there and back.
/// `benches/README.md` has the times. A handle is an allocation of 256 bytes, under
/// the tag that is current.
///
/// # Concurrency
///
/// Any thread may use it; several threads on one handle share its count, and slow
/// each other down.
///
/// # Examples
///
/// ```
/// use heapledger::{OwnedGuard, Pool};
///
/// let buffers = Pool::builder("requests", || Vec::<u8>::with_capacity(4096))
///     .reset(Vec::clear)
///     .build()?;
/// let (sender, receiver) = std::sync::mpsc::channel::<OwnedGuard<Vec<u8>>>();
/// let handle = buffers.handle();
/// let reader = std::thread::spawn(move || {
///     let mut buffer = handle.acquire();
///     buffer.extend_from_slice(b"request");
///     sender.send(buffer)
/// });
/// assert_eq!(*receiver.recv()?, b"request"); // and back to the pool
/// assert!(reader.join().unwrap().is_ok());
/// assert_eq!(buffers.statistics().in_use, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PoolHandle<T: Send + 'static> {
    /// In lines of its own: handles are often made one after the other, by one thread.
    pool: Arc<CachePadded<Pool<T>>>,
}

impl<T: Send> PoolHandle<T> {
    pub(super) fn new(pool: Pool<T>) -> Self {
        Self { pool: Arc::new(CachePadded::new(pool)) }
    }

    /// As [`Pool::acquire`].
    ///
    /// # Panics
    ///
    /// As that does.
    #[inline]
    pub fn acquire(&self) -> OwnedGuard<T> {
        self.own(self.pool.acquire())
    }

    /// As [`Pool::try_acquire`].
    ///
    /// # Errors
    ///
    /// As that.
    ///
    /// # Panics
    ///
    /// As that does.
    #[inline]
    pub fn try_acquire(&self) -> Result<OwnedGuard<T>, PoolError> {
        self.pool.try_acquire().map(|guard| self.own(guard))
    }

    /// As [`Pool::acquire_or`].
    ///
    /// # Panics
    ///
    /// As that does.
    #[inline]
    pub fn acquire_or(&self, make: impl FnOnce() -> T) -> OwnedGuard<T> {
        self.own(self.pool.acquire_or(make))
    }

    /// As [`Pool::acquire_ready`].
    #[must_use]
    pub fn acquire_ready(&self) -> Option<OwnedGuard<T>> {
        self.pool.acquire_ready().map(|guard| self.own(guard))
    }

    /// So many objects, ready ones first; as [`Pool::acquire_many`].
    ///
    /// # Errors
    ///
    /// As that.
    ///
    /// # Panics
    ///
    /// As that does.
    pub fn acquire_many(&self, objects: usize) -> Result<Vec<OwnedGuard<T>>, PoolError> {
        (0..objects).map(|_| self.try_acquire()).collect()
    }

    /// As [`Pool::put`].
    ///
    /// # Panics
    ///
    /// As that does.
    pub fn put(&self, object: T) {
        self.pool.put(object);
    }

    /// The pool, for all else.
    #[must_use]
    pub fn pool(&self) -> &Pool<T> {
        &self.pool
    }

    #[inline]
    fn own(&self, guard: PoolGuard<'_, T>) -> OwnedGuard<T> {
        OwnedGuard { object: PoolGuard::into_slot(guard), pool: self.pool.clone() }
    }
}

/// A handle with a count of its own.
impl<T: Send> Clone for PoolHandle<T> {
    fn clone(&self) -> Self {
        self.pool.handle()
    }
}

impl<T: Send> fmt::Debug for PoolHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolHandle").field("name", &self.pool.name()).finish_non_exhaustive()
    }
}

/// An object of a [`Pool`] that a [`PoolHandle`] gave: goes back when dropped, and keeps
/// the pool there until then.
///
/// Two words, and `'static`; otherwise as a [`PoolGuard`]. If it is the last that
/// knows of the pool, the pool ends with it. One that is forgotten keeps the whole pool for
/// ever, and so does an idle object that holds a guard or a handle of its own pool.
#[must_use = "the object goes back when the guard is dropped"]
pub struct OwnedGuard<T: Send + 'static> {
    object: InSlot<T>,
    pool: Arc<CachePadded<Pool<T>>>,
}

impl<T: Send> OwnedGuard<T> {
    /// Takes the object out of the pool for good.
    ///
    /// An associated function, as the object may have a method of this name.
    ///
    /// # Panics
    ///
    /// If this guard is the last that knows of the pool, and the destructor of an object
    /// that was ready does; then this object is dropped, too.
    #[must_use]
    pub fn into_inner(guard: Self) -> T {
        let (handle, object) = Self::detach(guard);
        // Not with the pair: a panic in here would find the object on its way out already.
        drop(handle);
        object
    }

    /// Takes the object out of the pool for good; returns the handle that it came from,
    /// too, for [`put`](PoolHandle::put).
    #[must_use]
    pub fn detach(guard: Self) -> (PoolHandle<T>, T) {
        let guard = ManuallyDrop::new(guard);
        // SAFETY: the guard is not dropped, so this is its count's only owner.
        let pool = unsafe { ptr::read(&raw const guard.pool) };
        // SAFETY: the guard's, complete, and not used afterwards.
        let object = unsafe { objects::take_out(&*pool.inner, guard.object.slot()) };
        (PoolHandle { pool }, object)
    }
}

impl<T: Send> Drop for OwnedGuard<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the guard's, complete, and not used afterwards.
        unsafe { self.pool.inner.check_in(self.object.slot()) };
    }
}

impl<T: Send> Deref for OwnedGuard<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.object
    }
}

impl<T: Send> DerefMut for OwnedGuard<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.object
    }
}

impl<T: Send + fmt::Debug> fmt::Debug for OwnedGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}
