//! The guard of an object that is in use.

use core::fmt;
use core::mem::{self, ManuallyDrop};
use core::ops::{Deref, DerefMut};
use core::ptr;
use std::sync::Arc;

use super::recipe::Object;
use super::shared::Shared;
use crate::pool::gate::{Entry, Held};

/// An object of a [`BoundedPool`](super::BoundedPool), in use until this is dropped.
///
/// Dropped, it goes back: it is reset, and the one who waits longest gets it. It is
/// discarded instead if its reset says so or panics, if it is too old, if the pool
/// was closed or made smaller, or if the thread is panicking (unless the pool
/// [retains after panics](super::BoundedPoolBuilder::retain_after_panic)).
///
/// Forgotten ([`mem::forget`]), it stays in use for ever, and the pool's statistics
/// show it.
#[must_use = "the object goes back to the pool at once"]
pub struct Lease<'p, T> {
    /// Taken out once: by `drop` or by `into_parts`.
    object: ManuallyDrop<Box<Entry<Object<T>>>>,
    home: Home<'p, T>,
}

/// Borrowing is free; counting costs two exchanges that all threads share.
enum Home<'p, T> {
    Borrowed(&'p Arc<Shared<T>>),
    Counted(Arc<Shared<T>>),
}

impl<T> Deref for Home<'_, T> {
    type Target = Arc<Shared<T>>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        match self {
            Self::Borrowed(shared) => shared,
            Self::Counted(shared) => shared,
        }
    }
}

impl<'p, T> Lease<'p, T> {
    #[inline]
    pub(super) fn new(pool: &'p Arc<Shared<T>>, held: Held<'p, Object<T>>) -> Self {
        Self { object: ManuallyDrop::new(held.into_object()), home: Home::Borrowed(pool) }
    }

    /// The same lease without the lifetime: it may outlive the pool.
    ///
    /// # Cost
    ///
    /// A reference count that all threads share: twice one exchange.
    ///
    /// # Examples
    ///
    /// ```
    /// use heapledger::{BoundedPool, Lease};
    ///
    /// let pool = BoundedPool::new("into_owned", 2, || vec![1_u8; 64])?;
    /// let lease: Lease<'static, Vec<u8>> = Lease::into_owned(pool.acquire()?);
    /// let sum = std::thread::spawn(move || lease.iter().map(|it| *it as u32).sum::<u32>());
    /// drop(pool);
    /// assert_eq!(sum.join().unwrap(), 64);
    /// # Ok::<(), heapledger::PoolError>(())
    /// ```
    pub fn into_owned(lease: Self) -> Lease<'static, T> {
        let (object, home) = lease.into_parts();
        let shared = match home {
            Home::Borrowed(shared) => Arc::clone(shared),
            Home::Counted(shared) => shared,
        };
        let object = ManuallyDrop::new(object);
        Lease { object, home: Home::Counted(shared) }
    }

    /// Takes the object out of the pool, which may make another one for it.
    #[must_use]
    pub fn into_inner(lease: Self) -> T {
        let (object, home) = lease.into_parts();
        let (object, _permit) = Held::new(&home.gate, object).into_parts();
        object.value
    }

    /// Drops the object instead of putting it back, because it is broken.
    ///
    /// # Panics
    ///
    /// If the destructor of the object does; the pool may make another one for it
    /// all the same.
    pub fn discard(lease: Self) {
        let (object, home) = lease.into_parts();
        drop(Held::new(&home.gate, object));
    }

    /// The object and its home, without what the drop of the lease would do.
    fn into_parts(self) -> (Box<Entry<Object<T>>>, Home<'p, T>) {
        let lease = ManuallyDrop::new(self);
        // SAFETY: the lease is not used or dropped any more, so both are moved out.
        let object = unsafe { ptr::read(&*lease.object) };
        // SAFETY: as above.
        (object, unsafe { ptr::read(&lease.home) })
    }
}

impl<T> Drop for Lease<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the object is taken once, here; `take` forgets the lease.
        let object = unsafe { ManuallyDrop::take(&mut self.object) };
        let shared: &Shared<T> = &self.home;
        shared.check_in(Held::new(&shared.gate, object));
    }
}

impl<T> Deref for Lease<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.object.object.value
    }
}

impl<T> DerefMut for Lease<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.object.object.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Lease<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&**self).finish()
    }
}

const _: () = assert!(mem::size_of::<Lease<'_, [u64; 9]>>() == 24);
