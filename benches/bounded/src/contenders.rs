//! The contenders: each lends objects that count their leases.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use deadpool::{managed, unmanaged};
use heapledger::BoundedPool;

/// What is lent: counts its leases.
type Object = Box<[u64; 8]>;

pub trait Contender: Sync {
    fn name(&self) -> &'static str;

    /// Takes an object and gives it back, so many times.
    fn lease(&self, times: u64);

    /// The leases that all objects have seen; nobody has one now.
    fn leases_seen(&self) -> u64;
}

/// All of them, ours first, with at most so many objects.
pub fn all(max_live: usize) -> Vec<Box<dyn Contender>> {
    let ours = BoundedPool::new("bench", max_live, Object::default).expect("a valid name");
    let waiting = BoundedPool::new("bench", max_live, Object::default).expect("a valid name");
    let r2d2 = r2d2::Pool::builder().max_size(max_live as u32).build_unchecked(Manager);
    let managed = managed::Pool::builder(Manager).max_size(max_live).build();
    vec![
        Box::new(Ours(ours, max_live)),
        Box::new(OursAsync(waiting, max_live)),
        Box::new(R2d2(r2d2, max_live)),
        Box::new(Managed(managed.expect("no timeouts, hence no runtime"), max_live)),
        Box::new(Unmanaged(unmanaged::Pool::from(vec![Object::default(); max_live]), max_live)),
    ]
}

struct Ours(BoundedPool<Object>, usize);

impl Contender for Ours {
    fn name(&self) -> &'static str {
        "**heapledger `BoundedPool`**"
    }

    fn lease(&self, times: u64) {
        for _ in 0..times {
            self.0.acquire().expect("an object")[0] += 1;
        }
    }

    fn leases_seen(&self) -> u64 {
        let leases: Vec<_> = (0..self.1).map(|_| self.0.acquire().expect("an object")).collect();
        leases.iter().map(|it| it[0]).sum()
    }
}

struct OursAsync(BoundedPool<Object>, usize);

impl Contender for OursAsync {
    fn name(&self) -> &'static str {
        "the same, `acquire_async`"
    }

    fn lease(&self, times: u64) {
        block_on(async {
            for _ in 0..times {
                self.0.acquire_async().await.expect("an object")[0] += 1;
            }
        });
    }

    fn leases_seen(&self) -> u64 {
        let leases: Vec<_> = (0..self.1).map(|_| self.0.acquire().expect("an object")).collect();
        leases.iter().map(|it| it[0]).sum()
    }
}

/// Makes objects for r2d2 and deadpool; checks and recycles nothing.
struct Manager;

impl r2d2::ManageConnection for Manager {
    type Connection = Object;
    type Error = std::convert::Infallible;

    fn connect(&self) -> Result<Object, Self::Error> {
        Ok(Object::default())
    }

    fn is_valid(&self, _: &mut Object) -> Result<(), Self::Error> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Object) -> bool {
        false
    }
}

struct R2d2(r2d2::Pool<Manager>, usize);

impl Contender for R2d2 {
    fn name(&self) -> &'static str {
        "r2d2"
    }

    fn lease(&self, times: u64) {
        for _ in 0..times {
            self.0.get().expect("an object")[0] += 1;
        }
    }

    fn leases_seen(&self) -> u64 {
        let leases: Vec<_> = (0..self.1).map(|_| self.0.get().expect("an object")).collect();
        leases.iter().map(|it| it[0]).sum()
    }
}

impl managed::Manager for Manager {
    type Type = Object;
    type Error = std::convert::Infallible;

    async fn create(&self) -> Result<Object, Self::Error> {
        Ok(Object::default())
    }

    async fn recycle(
        &self,
        _: &mut Object,
        _: &managed::Metrics,
    ) -> managed::RecycleResult<Self::Error> {
        Ok(())
    }
}

struct Managed(managed::Pool<Manager>, usize);

impl Contender for Managed {
    fn name(&self) -> &'static str {
        "deadpool, managed"
    }

    fn lease(&self, times: u64) {
        block_on(async {
            for _ in 0..times {
                self.0.get().await.expect("an object")[0] += 1;
            }
        });
    }

    fn leases_seen(&self) -> u64 {
        let lease = || block_on(self.0.get()).expect("an object");
        let leases: Vec<_> = (0..self.1).map(|_| lease()).collect();
        leases.iter().map(|it| it[0]).sum()
    }
}

struct Unmanaged(unmanaged::Pool<Object>, usize);

impl Contender for Unmanaged {
    fn name(&self) -> &'static str {
        "deadpool, unmanaged"
    }

    fn lease(&self, times: u64) {
        block_on(async {
            for _ in 0..times {
                self.0.get().await.expect("an object")[0] += 1;
            }
        });
    }

    fn leases_seen(&self) -> u64 {
        let lease = || block_on(self.0.get()).expect("an object");
        let leases: Vec<_> = (0..self.1).map(|_| lease()).collect();
        leases.iter().map(|it| it[0]).sum()
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The least of a runtime.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
