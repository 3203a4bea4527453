//! A list of watched objects; one is the process's, others are a thread's own.

use core::panic::Location;
use std::collections::BTreeMap;
use std::rc;
use std::sync;
use std::time::Instant;

use super::watch::{WatchId, Watched};

/// A list looks for dropped objects by itself when it comes to this length, and
/// again when it has doubled since.
const SWEEP_AT: usize = 64;

/// A handle that does not keep its object alive.
pub(super) trait Weak {
    /// Owners that keep the object alive; 0 once it is dropped.
    fn strong_count(&self) -> usize;
}

impl<T: ?Sized> Weak for sync::Weak<T> {
    fn strong_count(&self) -> usize {
        Self::strong_count(self)
    }
}

impl<T: ?Sized> Weak for rc::Weak<T> {
    fn strong_count(&self) -> usize {
        Self::strong_count(self)
    }
}

/// A weak handle and what is called when its object is gone.
pub(super) trait Object {
    fn strong_count(&self) -> usize;
    fn gone(self: Box<Self>, last: Watched);
}

impl<W: Weak, F: FnOnce(Watched)> Object for (W, F) {
    fn strong_count(&self) -> usize {
        self.0.strong_count()
    }

    fn gone(self: Box<Self>, last: Watched) {
        let (weak, on_drop) = *self;
        // Frees the object's block, before somebody may look at the ledger.
        drop(weak);
        on_drop(last);
    }
}

/// What was known when the watch began.
#[derive(Clone)]
pub(super) struct Birth {
    pub(super) name: String,
    pub(super) type_name: &'static str,
    pub(super) tag: String,
    pub(super) site: &'static Location<'static>,
    pub(super) born: Instant,
}

impl Birth {
    fn watched(self, id: WatchId, strong_count: usize) -> Watched {
        let Self { name, type_name, tag, site, born } = self;
        Watched { id, name, type_name, tag, site, age: born.elapsed(), strong_count }
    }
}

/// One watched object; `O` is an [`Object`], `Send` in the process's list.
pub(super) struct Entry<O: ?Sized> {
    pub(super) birth: Birth,
    pub(super) object: Box<O>,
}

impl<O: Object + ?Sized> Entry<O> {
    /// Tells whoever wants to know that the object is gone.
    pub(super) fn tell(self, id: WatchId) {
        self.object.gone(self.birth.watched(id, 0));
    }
}

pub(super) struct List<O: ?Sized> {
    entries: BTreeMap<WatchId, Entry<O>>,
    sweep_at: usize,
}

impl<O: Object + ?Sized> List<O> {
    pub(super) const fn new() -> Self {
        Self { entries: BTreeMap::new(), sweep_at: SWEEP_AT }
    }

    /// Returns entries that the caller has to tell, when it is time.
    pub(super) fn add(&mut self, id: WatchId, entry: Entry<O>) -> Vec<(WatchId, Entry<O>)> {
        self.entries.insert(id, entry);
        if self.entries.len() < self.sweep_at {
            return Vec::new();
        }
        let gone = self.take_gone();
        self.sweep_at = SWEEP_AT.max(2 * self.entries.len());
        gone
    }

    pub(super) fn remove(&mut self, id: WatchId) -> Option<Entry<O>> {
        self.entries.remove(&id)
    }

    /// Entries whose objects were dropped; each is returned once.
    pub(super) fn take_gone(&mut self) -> Vec<(WatchId, Entry<O>)> {
        self.entries.extract_if(.., |_, entry| entry.object.strong_count() == 0).collect()
    }

    pub(super) fn alive(&self) -> impl Iterator<Item = Watched> {
        let counted =
            self.entries.iter().map(|(id, it)| (*id, &it.birth, it.object.strong_count()));
        // Some may have been dropped since the list was swept.
        let alive = counted.filter(|(_, _, strong_count)| *strong_count > 0);
        alive.map(|(id, birth, strong_count)| birth.clone().watched(id, strong_count))
    }
}
