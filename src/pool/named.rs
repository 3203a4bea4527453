//! Pools by name.

use core::any::{Any, type_name};
use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::PoolError;
use crate::reclaim::OWN;
use crate::sync::lock::Mutex;

/// The pools of the process by name: each of its own type.
///
/// For pools that are made in one place and used in others. A registered pool lives
/// as long as the process. Whoever uses one often keeps the reference, or has a
/// [`NamedPool`] keep it: nobody looks a name up for every object.
///
/// # Examples
///
/// ```
/// use heapledger::{BoundedPool, NamedPool, PoolError, Pools};
///
/// type Executors = BoundedPool<Vec<u32>>;
/// static EXECUTORS: NamedPool<Executors> = NamedPool::new("executors");
///
/// Pools::register("executors", BoundedPool::new("executors", 4, || vec![0_u32; 64])?)?;
///
/// let executor = EXECUTORS.get()?.acquire()?;
/// assert_eq!(executor.len(), 64);
///
/// let error = Pools::get::<BoundedPool<String>>("executors").unwrap_err();
/// assert!(error.to_string().contains("String") && error.to_string().contains("u32"));
/// # Ok::<(), PoolError>(())
/// ```
#[derive(Debug)]
pub struct Pools(());

/// A pool, and what its type is called.
#[derive(Clone, Copy)]
struct Registered {
    pool: &'static (dyn Any + Send + Sync),
    type_name: &'static str,
}

static POOLS: Mutex<BTreeMap<String, Registered>> = Mutex::new(BTreeMap::new());

impl Pools {
    /// Registers a pool under a name, for as long as the process lives.
    ///
    /// # Errors
    ///
    /// [`PoolError::NameTaken`] if there is one under the name; the new one is dropped.
    pub fn register<P: Any + Send + Sync>(name: &str, pool: P) -> Result<&'static P, PoolError> {
        // Boxed beforehand: it is given up only when the name is sure to be free.
        let pool = Box::new(pool);
        let mut pools = POOLS.lock();
        if let Some(there) = pools.get(name) {
            let registered = there.type_name;
            drop(pools); // Dropping the new pool is not for under the lock.
            return Err(PoolError::NameTaken { name: name.to_owned(), registered });
        }
        let pool: &'static P = Box::leak(pool);
        let _scope = OWN.enter();
        pools.insert(name.to_owned(), Registered { pool, type_name: type_name::<P>() });
        Ok(pool)
    }

    /// The pool of this name and type.
    ///
    /// # Cost
    ///
    /// A lock and a look-up: keep the result.
    ///
    /// # Errors
    ///
    /// - [`PoolError::Unknown`] if there is none under the name.
    /// - [`PoolError::WrongType`] if it has another type; the error names both.
    pub fn get<P: Any + Send + Sync>(name: &str) -> Result<&'static P, PoolError> {
        let there = POOLS.lock().get(name).copied();
        let Some(Registered { pool, type_name: registered }) = there else {
            return Err(PoolError::Unknown { name: name.to_owned() });
        };
        let pool: &'static dyn Any = pool;
        pool.downcast_ref().ok_or_else(|| PoolError::WrongType {
            name: name.to_owned(),
            registered,
            asked: type_name::<P>(),
        })
    }

    /// The names and types of all registered pools, by name.
    #[must_use]
    pub fn names() -> Vec<(String, &'static str)> {
        let pools = POOLS.lock();
        pools.iter().map(|(name, it)| (name.clone(), it.type_name)).collect()
    }
}

/// A registered pool for a `static`: looks the name up once.
///
/// # Cost
///
/// After the first success, one load.
#[derive(Debug)]
pub struct NamedPool<P: 'static> {
    name: &'static str,
    found: OnceLock<&'static P>,
}

impl<P: Any + Send + Sync> NamedPool<P> {
    /// For the pool that is, or will be, registered under the name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, found: OnceLock::new() }
    }

    /// The pool.
    ///
    /// # Errors
    ///
    /// As for [`Pools::get`], until it is registered; then never again.
    #[inline]
    pub fn get(&self) -> Result<&'static P, PoolError> {
        match self.found.get() {
            Some(pool) => Ok(pool),
            None => self.find(),
        }
    }

    #[cold]
    fn find(&self) -> Result<&'static P, PoolError> {
        let pool = Pools::get(self.name)?;
        Ok(self.found.get_or_init(|| pool))
    }
}
