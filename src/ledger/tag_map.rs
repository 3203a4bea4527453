//! The tag map: the owners of blocks that cannot carry a record.
//!
//! Keyed by address, with a granule that depends on the block's layout: two
//! blocks of at least g bytes never start in the same g bytes, and `dealloc`
//! knows the layout, so one entry of two bytes per g bytes of address space is
//! enough (0.4 % at 512 bytes). Three levels, like a page table: a root in zeroed
//! static memory (4 GiB an entry), nodes (2 MiB an entry), leaves by granule. A
//! leaf exists only where something was tagged; everywhere else a lookup ends at
//! the first or second null.
//!
//! Invariant: an entry is not zero exactly while a tagged block of that granule
//! starts there. The owner is taken out *before* the block goes back to the
//! backend, so that another thread that is given the same address finds the
//! entry empty.

use core::ops::Range;
use core::sync::atomic::{AtomicU16, Ordering};

use heapledger_alloc_sys::os_pages;

use super::fault::FAULTS;
use super::once_ptr::OncePtr;
use super::registry::addresses_of;

const CHUNK_SHIFT: u32 = 21;
const NODE_SHIFT: u32 = 32;
const ADDRESS_BITS: u32 = if cfg!(target_pointer_width = "64") { 48 } else { 32 };
const NODES: usize = if ADDRESS_BITS > NODE_SHIFT { 1 << (ADDRESS_BITS - NODE_SHIFT) } else { 1 };
const CHUNKS: usize = 1 << (NODE_SHIFT - CHUNK_SHIFT);
const CHUNK_MASK: usize = (1 << CHUNK_SHIFT) - 1;

/// Leaves of one chunk, by granule.
#[repr(C, align(32))]
struct Chunk {
    leaves: [OncePtr<AtomicU16>; 4],
}

#[repr(C)]
struct Node {
    chunks: [Chunk; CHUNKS],
}

impl Node {
    /// The place of a leaf; always there, the index being masked.
    #[inline(always)]
    fn leaf(&self, address: usize, granule: Granule) -> Option<&OncePtr<AtomicU16>> {
        self.chunks.get((address >> CHUNK_SHIFT) % CHUNKS)?.leaves.get(granule as usize)
    }
}

static ROOT: [OncePtr<Node>; NODES] = [const { OncePtr::null() }; NODES];

/// Which of the maps a block belongs to: decided by its layout alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Granule {
    /// Blocks of 7 and 8 bytes.
    Word,
    /// Blocks of less than 512 bytes, aligned to 16 and more.
    Quantum,
    /// Blocks of 512 bytes and more.
    Large,
}

/// Smallest block of the large granule.
pub(crate) const LARGE_MIN: usize = 1 << Granule::Large.shift();

impl Granule {
    /// The granule whose blocks cannot share one: those of a granule all take up
    /// at least its bytes (`Word`, `Large`), or all start at a multiple of them
    /// (`Quantum`). Size alone must make a block `Large`: one byte aligned to 512
    /// leaves room for a block of 600 that starts in the same 512 bytes.
    #[inline(always)]
    pub(crate) const fn of(size: usize, align: usize) -> Self {
        if size >= LARGE_MIN {
            Self::Large
        } else if align >= 16 {
            Self::Quantum
        } else {
            Self::Word
        }
    }

    #[inline(always)]
    const fn shift(self) -> u32 {
        match self {
            Self::Word => 3,
            Self::Quantum => 4,
            Self::Large => 9,
        }
    }
}

/// The entry of an address, if its leaf exists.
#[inline(always)]
fn entry(address: usize, granule: Granule) -> Option<&'static AtomicU16> {
    let node = ROOT.get(address >> NODE_SHIFT)?.get();
    if node.is_null() {
        return None;
    }
    // SAFETY: nodes live for ever.
    let leaf = unsafe { &*node }.leaf(address, granule)?.get();
    if leaf.is_null() {
        return None;
    }
    // SAFETY: a leaf has one entry for every granule of its chunk and lives for
    // ever.
    Some(unsafe { &*leaf.add((address & CHUNK_MASK) >> granule.shift()) })
}

/// Takes the owner of a block out of the map; 0 if it has none.
#[inline]
pub(crate) fn take(block: *const u8, granule: Granule) -> u16 {
    let Some(entry) = entry(block.addr(), granule) else {
        return 0;
    };
    // Relaxed: the block came to this thread from the one that put the owner in,
    // by something that orders the two.
    let owner = entry.load(Ordering::Relaxed);
    if owner != 0 {
        entry.store(0, Ordering::Relaxed);
    }
    owner
}

/// Puts a block's owner into the map if its leaf exists.
#[inline(always)]
pub(crate) fn put_where_mapped(block: *const u8, granule: Granule, owner: u16) -> bool {
    match entry(block.addr(), granule) {
        Some(entry) => {
            // Relaxed: as in `take`.
            entry.store(owner, Ordering::Relaxed);
            true
        }
        None => false,
    }
}

/// Puts a block's owner into the map; false if no memory for it could be had.
#[inline]
pub(crate) fn put(block: *const u8, granule: Granule, owner: u16) -> bool {
    put_where_mapped(block, granule, owner)
        || (map_leaf(block.addr(), granule) && put_where_mapped(block, granule, owner))
}

/// Maps the leaf of an address, and the node above it.
#[cold]
#[inline(never)]
fn map_leaf(address: usize, granule: Granule) -> bool {
    let Some(place) = ROOT.get(address >> NODE_SHIFT) else {
        return false;
    };
    let Some(node) = get_or_map(place, size_of::<Node>()) else {
        return false;
    };
    // SAFETY: nodes live for ever.
    let leaf = unsafe { &*node }.leaf(address, granule);
    leaf.is_some_and(|leaf| get_or_map(leaf, leaf_bytes(granule)).is_some())
}

/// The pointer at `place`, mapping zeroed memory for it if it is null.
fn get_or_map<T>(place: &OncePtr<T>, bytes: usize) -> Option<*mut T> {
    let bytes = bytes.max(os_pages::page_size());
    let map = || {
        let fresh = os_pages::map_zeroed(bytes).cast::<T>();
        if fresh.is_null() {
            FAULTS.no_memory_for_tables.raise();
        }
        fresh
    };
    // SAFETY: mapped above with this length, seen by nobody.
    let unmap = |fresh: *mut T| unsafe { os_pages::unmap(fresh.cast(), bytes) };
    let there = place.get_or_make(map, unmap);
    (!there.is_null()).then_some(there)
}

/// Where the root is, for `self_overhead`.
pub(crate) fn statics() -> Range<usize> {
    addresses_of(&ROOT)
}

/// Calls `each` with the place of every node and leaf.
///
/// The tables are sparse, and reading an untouched page would make it present:
/// pages of which `touched` says no are left alone.
pub(crate) fn for_each_table(
    touched: impl Fn(&Range<usize>) -> bool,
    mut each: impl FnMut(Range<usize>),
) {
    for place in in_touched_pages(&ROOT, &touched) {
        // SAFETY: null, or a node, and nodes live for ever.
        let Some(node) = (unsafe { place.get().as_ref() }) else { continue };
        each(addresses_of(node));
        for chunk in in_touched_pages(&node.chunks, &touched) {
            for granule in [Granule::Word, Granule::Quantum, Granule::Large] {
                let leaf = chunk.leaves.get(granule as usize);
                let leaf = leaf.map_or(0, |leaf| leaf.get().addr());
                if leaf != 0 {
                    each(leaf..leaf.wrapping_add(leaf_bytes(granule)));
                }
            }
        }
    }
}

/// The values that lie in touched pages; no value crosses the end of one.
fn in_touched_pages<'a, T>(
    values: &'a [T],
    touched: &impl Fn(&Range<usize>) -> bool,
) -> impl Iterator<Item = &'a T> {
    const PAGE_BYTES: usize = 4096;
    let (mut page, mut is_touched) = (0, false);
    values.iter().filter(move |value| {
        let start = core::ptr::from_ref(*value).addr() & !(PAGE_BYTES - 1);
        if start != page {
            page = start;
            is_touched = touched(&(start..start.wrapping_add(PAGE_BYTES)));
        }
        is_touched
    })
}

/// Bytes of a leaf: an entry for every granule of a chunk.
const fn leaf_bytes(granule: Granule) -> usize {
    size_of::<AtomicU16>() << (CHUNK_SHIFT - granule.shift())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Barrier;

    use super::*;
    use crate::tests::random::Random;

    #[test]
    fn granules_follow_the_layout() {
        for (size, align, shift) in [
            (7, 1, 3),
            (8, 8, 3),
            (1, 16, 4),
            (300, 16, 4),
            (511, 256, 4),
            (511, 4096, 4),
            (512, 8, 9),
            (8, 1024, 4),
            (1 << 20, 8, 9),
        ] {
            assert_eq!(Granule::of(size, align).shift(), shift, "{size} {align}");
        }
    }

    #[test]
    fn a_taken_owner_is_gone_and_neighbours_stay() {
        let base = 0x6123_4560_0000_usize;
        let granule = Granule::of(64, 16);
        for index in 0..100 {
            let block = core::ptr::without_provenance(base + index * 64);
            assert_eq!(take(block, granule), 0);
            assert!(put(block, granule, index as u16 + 1));
        }
        for index in 0..100 {
            let block = core::ptr::without_provenance(base + index * 64);
            assert_eq!(take(block, granule), index as u16 + 1);
            assert_eq!(take(block, granule), 0);
        }
    }

    #[test]
    fn an_address_beyond_the_map_is_refused() {
        let block = core::ptr::without_provenance(usize::MAX & !4095);
        assert!(!put(block, Granule::of(4096, 8), 7));
        assert_eq!(take(block, Granule::of(4096, 8)), 0);
    }

    /// Blocks of all granules come and go at random over three nodes, as a
    /// `HashMap` says. The address space is one that no allocator uses.
    #[test]
    fn random_owners_are_as_in_a_hash_map() {
        let mut random = Random::new(42);
        let layouts = [(8, 8), (7, 1), (16, 16), (100, 64), (512, 8), (5000, 4096)];
        let mut owners = HashMap::new();
        for _ in 0..200_000 {
            let (size, align) = layouts[random.below(6) as usize];
            let granule = Granule::of(size, align);
            // A few thousand places, most of them near the ends of nodes and chunks.
            let node = 0x5abc_0000_0000 + (random.below(3) << NODE_SHIFT) as usize;
            let chunk = [0, 1, CHUNKS - 1][random.below(3) as usize] << CHUNK_SHIFT;
            let place = random.below(200) as usize;
            let place = if place < 100 { place } else { (1 << CHUNK_SHIFT >> 9) - 1 - place };
            let address = node + chunk + (place << granule.shift());
            let block: *const u8 = core::ptr::without_provenance(address);
            let key = (address, granule.shift());
            // The allocator puts where nothing is, and takes what is there.
            if owners.contains_key(&key) || random.below(8) == 0 {
                assert_eq!(take(block, granule), owners.remove(&key).unwrap_or(0));
            } else {
                let owner = random.below(4095) as u16 + 1;
                assert!(put(block, granule, owner));
                owners.insert(key, owner);
            }
        }
        assert!(owners.len() > 500, "only {} blocks at the end", owners.len());
        for ((address, shift), owner) in owners {
            let granules = [Granule::Word, Granule::Quantum, Granule::Large];
            let granule = granules.into_iter().find(|one| one.shift() == shift).unwrap();
            let block: *const u8 = core::ptr::without_provenance(address);
            assert_eq!((take(block, granule), take(block, granule)), (owner, 0));
        }
    }

    /// Eight threads map the same leaves at one time, each for blocks of its own.
    #[test]
    fn entries_of_threads_that_map_one_leaf_all_stay() {
        let gate = Barrier::new(8);
        std::thread::scope(|scope| {
            for thread in 0..8_usize {
                let gate = &gate;
                scope.spawn(move || {
                    for chunk in 0..64 {
                        gate.wait();
                        let address = 0x5ade_0000_0000 + (chunk << CHUNK_SHIFT) + thread * 512;
                        let block: *const u8 = core::ptr::without_provenance(address);
                        assert!(put(block, Granule::Large, thread as u16 + 1));
                        gate.wait();
                        assert_eq!(take(block, Granule::Large), thread as u16 + 1);
                    }
                });
            }
        });
    }
}
