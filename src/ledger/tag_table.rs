//! The table of tags: names to dense ids, without a lock.
//!
//! Ids are dense so that the cells of the tags in use share a few pages. A name
//! is found through an open-addressed index of ids. To intern, a thread takes an
//! id, writes the name into that entry (which nobody else can see yet), and
//! publishes the id by one compare-and-swap on the first empty bucket of its
//! probe sequence. If another thread was first with the same name, its id wins
//! and ours becomes the spare for the next name.
//!
//! Invariant: a bucket, once set, never changes; so two threads that intern one
//! name meet at the same bucket and return the same id. There is no lock for a
//! forked child to inherit.

use crate::sync::{AtomicU16, AtomicU32, Ordering, UnsafeCell};

use super::name::{self, TAG_NAME_MAX_BYTES, TagError};
use super::{OVERFLOW, UNTAGGED};

/// The bytes of one name.
struct Text {
    len: u8,
    bytes: [u8; TAG_NAME_MAX_BYTES],
}

struct Entry {
    text: UnsafeCell<Text>,
    parent: AtomicU16,
    /// 1 once the name may be read.
    published: AtomicU16,
}

/// Up to `TAGS` names; `BUCKETS` is a power of two, at least twice `TAGS`.
pub(crate) struct TagTable<const TAGS: usize, const BUCKETS: usize> {
    entries: [Entry; TAGS],
    /// Ids by hash of the name; 0 is empty.
    buckets: [AtomicU16; BUCKETS],
    /// The next id never given out.
    next: AtomicU32,
    /// An id that lost its race and waits for another name; 0 if none.
    spare: AtomicU16,
}

// SAFETY: `text` is written only by the thread that took the id, before the
// Release that publishes it, and only read after the Acquire that saw it.
unsafe impl<const TAGS: usize, const BUCKETS: usize> Sync for TagTable<TAGS, BUCKETS> {}

impl Entry {
    #[cfg(not(loom))]
    const fn new() -> Self {
        Self {
            text: UnsafeCell::new(Text { len: 0, bytes: [0; TAG_NAME_MAX_BYTES] }),
            parent: AtomicU16::new(0),
            published: AtomicU16::new(0),
        }
    }

    #[cfg(loom)]
    fn new() -> Self {
        Self {
            text: UnsafeCell::new(Text { len: 0, bytes: [0; TAG_NAME_MAX_BYTES] }),
            parent: AtomicU16::new(0),
            published: AtomicU16::new(0),
        }
    }
}

impl<const TAGS: usize, const BUCKETS: usize> TagTable<TAGS, BUCKETS> {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        assert!(BUCKETS.is_power_of_two() && BUCKETS >= 2 * TAGS && TAGS <= u16::MAX as usize);
        Self {
            entries: [const { Entry::new() }; TAGS],
            buckets: [const { AtomicU16::new(0) }; BUCKETS],
            next: AtomicU32::new(2),
            spare: AtomicU16::new(0),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            entries: core::array::from_fn(|_| Entry::new()),
            buckets: core::array::from_fn(|_| AtomicU16::new(0)),
            next: AtomicU32::new(2),
            spare: AtomicU16::new(0),
        }
    }

    /// Ids given out so far, the two built-in ones included.
    pub(crate) fn len(&self) -> usize {
        // Acquire: pairs with the fetch_update in `take_id`; a reader that loops
        // over ids need not see a name yet, only that the id may hold counts.
        (self.next.load(Ordering::Acquire) as usize).min(TAGS)
    }

    /// The id of a name, new or known. Parents are interned first.
    pub(crate) fn intern(&self, tag: &str) -> Result<u16, TagError> {
        name::check(tag)?;
        if let Some(id) = self.find(tag) {
            return Ok(id);
        }
        // Bounded: a name has at most 60 levels, each call drops one.
        let parent = match name::parent(tag) {
            Some(parent) => self.intern(parent)?,
            None => UNTAGGED,
        };
        let id = self.take_id().ok_or(TagError::TableFull)?;
        let Some(entry) = self.entries.get(id as usize) else {
            return Err(TagError::TableFull);
        };
        entry.text.with_mut(|text| {
            // SAFETY: this thread took `id` and has not published it, so no
            // other thread reads or writes this entry.
            let text = unsafe { &mut *text };
            text.len = tag.len() as u8;
            for (to, from) in text.bytes.iter_mut().zip(tag.bytes()) {
                *to = from;
            }
        });
        // Relaxed: published by the Release below.
        entry.parent.store(parent, Ordering::Relaxed);
        let winner = self.publish(tag, id)?;
        if winner == id {
            // Release: pairs with the Acquire in `name`.
            entry.published.store(1, Ordering::Release);
        } else {
            self.give_back(id);
        }
        Ok(winner)
    }

    /// The id of a known name.
    pub(crate) fn find(&self, tag: &str) -> Option<u16> {
        for bucket in self.probe(tag) {
            // Acquire: pairs with the Release in `publish`; the entry's text is
            // written before its id is seen.
            match bucket.load(Ordering::Acquire) {
                0 => return None,
                id if self.text_is(id, tag) => return Some(id),
                _ => {}
            }
        }
        None
    }

    /// The name of an id that `intern` or `find` returned.
    #[cfg(not(loom))]
    pub(crate) fn known_name(&self, id: u16) -> &str {
        let text = self.entries.get(id as usize).and_then(|entry| {
            entry.text.with(|text| {
                // SAFETY: the id came out of a bucket, so its text is written
                // and will not change.
                let text = unsafe { &*text };
                core::str::from_utf8(text.bytes.get(..text.len as usize)?).ok()
            })
        });
        text.unwrap_or_default()
    }

    /// The name of an id, once it has one.
    #[cfg(not(loom))]
    pub(crate) fn name(&self, id: u16) -> Option<&str> {
        match id {
            UNTAGGED => return Some("(untagged)"),
            OVERFLOW => return Some("(overflow)"),
            _ => {}
        }
        let entry = self.entries.get(id as usize)?;
        // Acquire: pairs with the Release in `intern`.
        if entry.published.load(Ordering::Acquire) == 0 {
            return None;
        }
        Some(self.known_name(id))
    }

    /// The id one level up; `None` for a tag of the first level.
    pub(crate) fn parent(&self, id: u16) -> Option<u16> {
        // Relaxed: written before the id was published, never again.
        match self.entries.get(id as usize)?.parent.load(Ordering::Relaxed) {
            UNTAGGED => None,
            parent => Some(parent),
        }
    }

    /// Puts `id` into the first bucket of the probe sequence that is empty, or
    /// finds the same name there; returns the id that holds the name.
    fn publish(&self, tag: &str, id: u16) -> Result<u16, TagError> {
        for bucket in self.probe(tag) {
            // Release: pairs with the Acquire in `find`. Acquire: we may read
            // the text of the id that is there.
            match bucket.compare_exchange(0, id, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(id),
                Err(other) if self.text_is(other, tag) => return Ok(other),
                Err(_) => {}
            }
        }
        // Not reached: there are twice as many buckets as ids.
        self.give_back(id);
        Err(TagError::TableFull)
    }

    fn text_is(&self, id: u16, tag: &str) -> bool {
        self.entries.get(id as usize).is_some_and(|entry| {
            entry.text.with(|text| {
                // SAFETY: the id was read from a bucket with Acquire, so its
                // text is written and will not change.
                let text = unsafe { &*text };
                text.bytes.get(..text.len as usize) == Some(tag.as_bytes())
            })
        })
    }

    fn take_id(&self) -> Option<u16> {
        // AcqRel: the spare's last holder wrote to the entry before us.
        match self.spare.swap(0, Ordering::AcqRel) {
            0 => {}
            id => return Some(id),
        }
        self.next
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |next| {
                ((next as usize) < TAGS).then_some(next + 1)
            })
            .ok()
            .map(|id| id as u16)
    }

    fn give_back(&self, id: u16) {
        // Release: pairs with the swap in `take_id`. If a spare is there
        // already, this id stays unused: one race in a table's life costs one.
        let _ = self.spare.compare_exchange(0, id, Ordering::Release, Ordering::Relaxed);
    }

    fn probe(&self, tag: &str) -> impl Iterator<Item = &AtomicU16> {
        let start = hash(tag) as usize;
        (0..BUCKETS).filter_map(move |step| self.buckets.get((start + step) & (BUCKETS - 1)))
    }
}

/// FNV-1a, 64 bits, folded: short names, no state, no table.
fn hash(tag: &str) -> u32 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in tag.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    (hash ^ (hash >> 32)) as u32
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn interning_is_idempotent_and_knows_parents() {
        let table: Box<TagTable<16, 32>> = Box::new(TagTable::new());
        let postings = table.intern("index/postings").unwrap();
        let index = table.find("index").unwrap();
        assert_eq!(table.intern("index/postings"), Ok(postings));
        assert_eq!(table.parent(postings), Some(index));
        assert_eq!(table.parent(index), None);
        assert_eq!(table.name(postings), Some("index/postings"));
        assert_eq!(table.len(), 4);
    }

    #[test]
    fn a_full_table_refuses_new_names_and_keeps_the_old() {
        let table: Box<TagTable<16, 32>> = Box::new(TagTable::new());
        let ids: Vec<u16> = (0..14).map(|n| table.intern(&format!("t{n}")).unwrap()).collect();
        assert_eq!(table.intern("one more"), Err(TagError::TableFull));
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(table.intern(&format!("t{n}")), Ok(*id));
        }
        assert_eq!(table.len(), 16);
    }
}
