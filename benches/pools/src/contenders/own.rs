//! heapledger's pools.

use super::{Contender, Object, Source, contender, make, reset};

contender!(Dynamic(heapledger::Pool<Object>) = "heapledger Pool", heapledger::PoolGuard<'a, Object>;
    heapledger::Pool::builder("bench", make)
        .reset(reset)
        .retained_unlimited()
        .build()
        .expect("a pool");
    |pool| pool.acquire());

heapledger::pool! {
    pub static OBJECTS: Object = make(), reset = reset, retained_max = 1 << 20;
}

contender!(Static(()) = "heapledger pool!", heapledger::StaticGuard<OBJECTS>;
    (); |_pool| OBJECTS.acquire());

contender!(
    /// Guards without a lifetime, which all threads together count in one place.
    Handle(heapledger::PoolHandle<Object>) = "the same, one for all threads",
    heapledger::OwnedGuard<Object>;
    Dynamic::new().0.handle(); |pool| pool.acquire());

/// Each thread acquires from a clone, and so counts for itself: what handles are for.
pub struct Handles(Handle);

impl Handles {
    pub const NAME: &str = "heapledger PoolHandle";

    pub fn new() -> Self {
        Self(Handle::new())
    }

    pub fn one(&self) -> Handle {
        Handle(self.0.0.clone())
    }
}

impl Source for Handles {
    type Pool = Handle;

    fn with<R>(&self, body: impl FnOnce(&Handle) -> R) -> R {
        body(&self.one())
    }
}
