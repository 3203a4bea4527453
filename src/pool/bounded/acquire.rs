//! Acquiring as a future.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::time::Instant;

use super::recipe::{BoxError, Object};
use super::shared::boxed;
use super::{BoundedPool, Lease};
use crate::pool::PoolError;
use crate::pool::gate::{Claim, Permit, Refusal, Wait};
use crate::scope::InScope;

/// The future of [`BoundedPool::acquire_async`].
///
/// It needs no runtime. Dropped at any time it leaves the queue, and what it was
/// given already goes to the next one. Polled again after it was ready, it acquires
/// another object.
#[must_use = "a future does nothing until it is polled"]
pub struct Acquire<'p, T>(Turn<'p, T>);

impl<'p, T> Acquire<'p, T> {
    pub(super) fn new(pool: &'p BoundedPool<T>) -> Self {
        Self(Turn::new(pool))
    }
}

impl<'p, T> Future for Acquire<'p, T> {
    type Output = Result<Lease<'p, T>, PoolError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let pool = self.0.pool;
        if self.0.since.is_none()
            && let Some(held) = pool.shared.ready()
        {
            return Poll::Ready(Ok(Lease::new(&pool.shared, held)));
        }
        Pin::new(&mut self.0).poll(context).map(|claim| pool.check_out(claim?))
    }
}

/// Waiting for one's turn, with the time that it took.
pub(super) struct Turn<'p, T> {
    pool: &'p BoundedPool<T>,
    wait: Wait<'p, Object<T>>,
    /// When the waiting began, while it lasts.
    since: Option<Instant>,
}

impl<'p, T> Turn<'p, T> {
    pub(super) fn new(pool: &'p BoundedPool<T>) -> Self {
        Self { pool, wait: pool.shared.gate.claim(), since: None }
    }

    /// Stops waiting; gives what came at the last moment.
    pub(super) fn leave(&mut self) -> Result<Claim<'p, Object<T>>, PoolError> {
        let left = self.wait.leave();
        let waited = self.end();
        left.map_err(|refusal| {
            if refusal == Refusal::Exhausted {
                self.pool.shared.waits.add_timeout();
            }
            self.pool.shared.refused(refusal, waited)
        })
    }

    /// Books the waiting, if there was any.
    fn end(&mut self) -> Duration {
        let Some(since) = self.since.take() else { return Duration::ZERO };
        let waited = since.elapsed();
        self.pool.shared.waits.add(waited);
        waited
    }
}

impl<'p, T> Future for Turn<'p, T> {
    type Output = Result<Claim<'p, Object<T>>, PoolError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(outcome) = Pin::new(&mut self.wait).poll(context) else {
            self.since.get_or_insert_with(Instant::now);
            return Poll::Pending;
        };
        let waited = self.end();
        Poll::Ready(outcome.map_err(|refusal| self.pool.shared.refused(refusal, waited)))
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        if self.since.is_some() {
            self.end();
            self.pool.shared.waits.add_cancelled();
        }
    }
}

impl<T> BoundedPool<T> {
    /// Takes an object as soon as it is the caller's turn; makes one by `make`, if
    /// none is ready and the limit allows it.
    ///
    /// For objects that are made by waiting, such as connections: `make` takes the
    /// place of the pool's factory, and nobody is blocked while it runs.
    ///
    /// # Concurrency
    ///
    /// Dropped at any time it gives back what it has, the half-made object's place
    /// included.
    ///
    /// # Errors
    ///
    /// - [`PoolError::Create`] if `make` fails.
    /// - [`PoolError::Closed`] if the pool was closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # async fn connect() -> Result<String, std::io::Error> { Ok("connected".into()) }
    /// # async fn demo() -> Result<(), heapledger::PoolError> {
    /// use heapledger::BoundedPool;
    ///
    /// let pool = BoundedPool::new("acquire_or_make", 2, String::new)?;
    /// let connection = pool.acquire_or_make(connect).await?;
    /// assert_eq!(*connection, "connected");
    /// # Ok(())
    /// # }
    /// # let mut future = std::pin::pin!(demo());
    /// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// # assert!(future.as_mut().poll(&mut context).is_ready());
    /// ```
    pub async fn acquire_or_make<F, Made, E>(&self, make: F) -> Result<Lease<'_, T>, PoolError>
    where
        F: FnOnce() -> Made,
        Made: Future<Output = Result<T, E>>,
        E: Into<BoxError>,
    {
        let claim = Turn::new(self).await?;
        match self.shared.fit(claim) {
            Ok(held) => Ok(Lease::new(&self.shared, held)),
            Err(permit) => self.make(permit, make).await,
        }
    }

    /// As [`acquire_or_make`](Self::acquire_or_make), for objects that are checked by
    /// waiting, such as connections that are asked whether they still are.
    ///
    /// `check` runs for each object that was idle, after the pool's health check; one
    /// for which it says false is discarded, and the next idle one is checked, or
    /// another made. The caller keeps its turn all the time.
    ///
    /// # Concurrency
    ///
    /// Dropped at any time it gives back what it has; an object that is being checked
    /// is discarded. Nobody is blocked while `check` and `make` run. The pool's own
    /// timeout does not count here: put the future under one of the runtime's.
    ///
    /// In a spawned task, write a closure that captures something as `async move`, and have
    /// it capture values, not references: else the compiler does not see that the task is
    /// `Send`. What it changes has to be an atomic, or behind a lock.
    ///
    /// # Errors
    ///
    /// As for [`acquire_or_make`](Self::acquire_or_make).
    ///
    /// # Panics
    ///
    /// If `check` or `make` does; the object is discarded, also where those that come
    /// back during a panic are kept, and its place is free.
    ///
    /// # Examples
    ///
    /// ```
    /// # struct Connection { is_open: bool }
    /// # impl Connection { async fn ping(&mut self) -> bool { self.is_open } }
    /// # async fn connect() -> Result<Connection, std::io::Error> {
    /// #     Ok(Connection { is_open: true })
    /// # }
    /// # async fn demo() -> Result<(), heapledger::PoolError> {
    /// # let make = || Connection { is_open: true };
    /// let pool = heapledger::BoundedPool::new("acquire_checked", 2, make)?;
    /// let mut connection = pool.acquire_checked(Connection::ping, connect).await?;
    /// connection.is_open = false;
    /// drop(connection);
    /// assert!(pool.acquire_checked(Connection::ping, connect).await?.is_open);
    /// assert_eq!(pool.statistics().created, 2);
    /// # Ok(())
    /// # }
    /// # let mut future = std::pin::pin!(demo());
    /// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// # assert!(future.as_mut().poll(&mut context).is_ready());
    /// ```
    pub async fn acquire_checked<C, F, Made, E>(
        &self,
        check: C,
        make: F,
    ) -> Result<Lease<'_, T>, PoolError>
    where
        C: AsyncFn(&mut T) -> bool,
        F: FnOnce() -> Made,
        Made: Future<Output = Result<T, E>>,
        E: Into<BoxError>,
    {
        let mut claim = Turn::new(self).await?;
        let permit = loop {
            let mut held = match self.shared.fit(claim) {
                Ok(held) => held,
                Err(permit) => break permit,
            };
            let value = &mut held.object_mut().value;
            if check(value).in_scope(&self.shared.tag).await {
                return Ok(Lease::new(&self.shared, held));
            }
            let (object, permit) = held.into_parts();
            drop(object);
            claim = permit.trade();
        };
        self.make(permit, make).await
    }

    async fn make<'p, F, Made, E>(
        &'p self,
        permit: Permit<'p, Object<T>>,
        make: F,
    ) -> Result<Lease<'p, T>, PoolError>
    where
        F: FnOnce() -> Made,
        Made: Future<Output = Result<T, E>>,
        E: Into<BoxError>,
    {
        let making = self.shared.begin()?;
        let tag = &self.shared.tag;
        let made = tag.run(make).in_scope(tag).await;
        drop(making);
        let value = made.map_err(|error| PoolError::Create(boxed(error)))?;
        Ok(Lease::new(&self.shared, self.shared.hold(permit, value)))
    }
}
