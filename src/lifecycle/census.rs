//! The counters of instances: by type, and in a type by tag.
//!
//! An entry is made at a type's first instance (a page of counters at the first
//! under one of its tags) and stays for good: a counter's address is its handle.
//! Whoever has it needs no look-up, and no look-up takes a lock. Types are few,
//! whatever the program does.

use core::any::TypeId;
use core::hash::{Hash, Hasher};
use core::sync::atomic::{AtomicU64, Ordering};

use once_cell::race::OnceBox;

use crate::ledger::TAGS_MAX;
use crate::scope::{Scope, TagId};

use super::{InstanceCounts, TAG};

/// Types are spread over this many lists.
const LISTS: usize = 256;
/// Tags whose counters are made together: 1 KiB.
const PAGE_TAGS: usize = 64;

static TYPES: [OnceBox<Type>; LISTS] = [const { OnceBox::new() }; LISTS];

/// The instances of one type that were made under one tag.
#[derive(Debug)]
pub(super) struct Counter {
    created: AtomicU64,
    dropped: AtomicU64,
}

type Page = [Counter; PAGE_TAGS];

/// The counters of one type.
pub(super) struct Type {
    id: TypeId,
    pages: [OnceBox<Page>; TAGS_MAX / PAGE_TAGS],
    /// The next type in its list.
    next: OnceBox<Type>,
}

impl Counter {
    /// The counter of a type under the calling thread's current tag.
    #[inline]
    pub(super) fn current<T: 'static>() -> &'static Self {
        let tag = usize::from(Scope::current().tag_id().get());
        let page = &Type::find(TypeId::of::<T>()).pages[tag / PAGE_TAGS];
        &page.get_or_init(|| TAG.run(|| Box::new([const { Self::new() }; PAGE_TAGS])))
            [tag % PAGE_TAGS]
    }

    const fn new() -> Self {
        Self { created: AtomicU64::new(0), dropped: AtomicU64::new(0) }
    }

    #[inline]
    pub(super) fn add(&self) {
        // Relaxed: whoever drops the instance publishes this by its Release.
        self.created.fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn remove(&self) {
        // Release: pairs with the Acquire in `read_dropped`; who sees this drop
        // sees the creation.
        self.dropped.fetch_add(1, Ordering::Release);
    }

    /// Must come before `read_created`, for all counters of a sum.
    fn read_dropped(&self, sum: &mut InstanceCounts) {
        // Acquire: pairs with the Release in `remove`.
        sum.dropped += self.dropped.load(Ordering::Acquire);
    }

    fn read_created(&self, sum: &mut InstanceCounts) {
        // Relaxed: the Acquire loads came before.
        sum.created += self.created.load(Ordering::Relaxed);
    }
}

impl Type {
    /// The entry of a type, made if there is none.
    #[inline]
    fn find(id: TypeId) -> &'static Self {
        let mut place = &TYPES[list_of(id)];
        loop {
            let found = place.get_or_init(|| TAG.run(|| Box::new(Self::new(id))));
            if found.id == id {
                return found;
            }
            place = &found.next;
        }
    }

    fn new(id: TypeId) -> Self {
        Self { id, pages: [const { OnceBox::new() }; TAGS_MAX / PAGE_TAGS], next: OnceBox::new() }
    }
}

/// The sum over all tags. Every drop that is counted has its creation counted.
pub(super) fn total(id: TypeId) -> InstanceCounts {
    let mut sum = InstanceCounts::default();
    let pages = &Type::find(id).pages;
    let counters = || pages.iter().filter_map(OnceBox::get).flatten();
    counters().for_each(|counter| counter.read_dropped(&mut sum));
    counters().for_each(|counter| counter.read_created(&mut sum));
    sum
}

/// What was created under each tag; tags under which nothing was are left out.
pub(super) fn by_tag(id: TypeId) -> impl Iterator<Item = (TagId, InstanceCounts)> {
    let pages = Type::find(id).pages.iter().zip((0_u16..).step_by(PAGE_TAGS));
    let pages = pages.filter_map(|(page, first)| Some((page.get()?, first)));
    pages.flat_map(|(page, first)| page.iter().zip(first..)).filter_map(|(counter, tag)| {
        let mut counts = InstanceCounts::default();
        counter.read_dropped(&mut counts);
        counter.read_created(&mut counts);
        (counts.created != 0).then_some((TagId::new(tag), counts))
    })
}

fn list_of(id: TypeId) -> usize {
    let mut hasher = Folded(0);
    id.hash(&mut hasher);
    hasher.finish() as usize % LISTS
}

/// A `TypeId` is a good hash already: no more than a fold is needed.
struct Folded(u64);

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 ^= value;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
