//! The guard of a resource that is in use.

use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::register::{OneResource, Owned};
use crate::pool::gate::{Entry, Held};

/// A resource of [`Resources`](super::Resources), in use until this is dropped.
///
/// Dropped, it goes to the one who waits longest; if it was unregistered meanwhile,
/// its cleanup runs then, on this thread.
pub struct ResourceGuard<T: Send + 'static> {
    /// Taken out once, in `drop`.
    resource: ManuallyDrop<Box<Entry<Owned<T>>>>,
    home: Arc<OneResource<T>>,
}

impl<T: Send + 'static> ResourceGuard<T> {
    /// `resource` is the one of `home`, and has its permit.
    pub(super) fn new(resource: Box<Entry<Owned<T>>>, home: Arc<OneResource<T>>) -> Self {
        Self { resource: ManuallyDrop::new(resource), home }
    }
}

impl<T: Send + 'static> Drop for ResourceGuard<T> {
    fn drop(&mut self) {
        // SAFETY: taken once, here.
        let resource = unsafe { ManuallyDrop::take(&mut self.resource) };
        // Before: the next user counts itself.
        self.home.in_use.end();
        Held::new(self.home.slot.gate(), resource).put_back();
    }
}

impl<T: Send + 'static> Deref for ResourceGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.resource.object.resource()
    }
}

impl<T: Send + 'static> DerefMut for ResourceGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.resource.object.resource_mut()
    }
}

impl<T: Send + fmt::Debug + 'static> fmt::Debug for ResourceGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResourceGuard").field(&**self).finish()
    }
}
