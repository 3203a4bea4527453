//! The tag map: the owners of blocks that cannot carry a record.
//!
//! Keyed by address, with a granule that depends on the block's layout: two
//! blocks of at least g bytes never start in the same g bytes, and `dealloc`
//! knows the layout, so one byte per g bytes of address space is enough (0.2 % at
//! 512 bytes). The first 254 tags fit into that byte; for the others it says that
//! the owner is in a wide leaf beside it, with two bytes an entry, which most
//! programs never need. Three levels, like a page table: a root in zeroed static
//! memory (4 GiB an entry), nodes (2 MiB an entry), leaves by granule. A leaf
//! exists only where something was tagged; everywhere else a lookup ends at the
//! first or second null.
//!
//! Invariant: an entry is not zero exactly while a tagged block of that granule
//! starts there. The owner is taken out *before* the block goes back to the
//! backend, so that another thread that is given the same address finds the
//! entry empty.

use core::ops::Range;
use core::sync::atomic::{AtomicU8, AtomicU16, Ordering};

use heapledger_alloc_sys::os_pages;

use super::fault::FAULTS;
use super::once_ptr::OncePtr;
use super::registry::{addresses_of, let_small_into_map};

const CHUNK_SHIFT: u32 = 21;
const NODE_SHIFT: u32 = 32;
const ADDRESS_BITS: u32 = if cfg!(target_pointer_width = "64") { 48 } else { 32 };
const NODES: usize = if ADDRESS_BITS > NODE_SHIFT { 1 << (ADDRESS_BITS - NODE_SHIFT) } else { 1 };
const CHUNKS: usize = 1 << (NODE_SHIFT - CHUNK_SHIFT);
const CHUNK_MASK: usize = (1 << CHUNK_SHIFT) - 1;

/// Leaves of one chunk, by granule.
#[repr(C, align(32))]
struct Chunk {
    leaves: [OncePtr<AtomicU8>; 2],
    wide_leaves: [OncePtr<AtomicU16>; 2],
}

/// In a leaf: the owner is in the wide leaf.
const WIDE: u8 = u8::MAX;

#[repr(C)]
struct Node {
    chunks: [Chunk; CHUNKS],
}

impl Node {
    /// The chunk of an address; always there, the index being masked.
    #[inline(always)]
    fn chunk(&self, address: usize) -> Option<&Chunk> {
        self.chunks.get((address >> CHUNK_SHIFT) % CHUNKS)
    }
}

static ROOT: [OncePtr<Node>; NODES] = [const { OncePtr::null() }; NODES];

/// Which of the two maps a block belongs to: decided by its size alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Granule {
    /// Blocks of less than 512 bytes: they all start at multiples of 16.
    Small,
    /// Blocks of 512 bytes and more: no two start in the same 512. The size must
    /// say so: one byte aligned to 512 leaves room for a block of 600.
    Large,
}

/// Smallest block of the large granule.
pub(crate) const LARGE_MIN: usize = 1 << Granule::Large.shift();

impl Granule {
    const ALL: [Self; 2] = [Self::Small, Self::Large];

    #[inline(always)]
    pub(crate) const fn of(size: usize) -> Self {
        if size < LARGE_MIN { Self::Small } else { Self::Large }
    }

    #[inline(always)]
    const fn shift(self) -> u32 {
        match self {
            Self::Small => 4,
            Self::Large => 9,
        }
    }
}

/// The chunk of an address, if its node exists.
#[inline(always)]
fn chunk(address: usize) -> Option<&'static Chunk> {
    let node = ROOT.get(address >> NODE_SHIFT)?.get();
    // SAFETY: null, or a node, and nodes live for ever.
    unsafe { node.as_ref() }?.chunk(address)
}

/// The entry of an address in a leaf, if the leaf exists.
///
/// # Safety
///
/// - `leaf` is null or has an entry for every granule of a chunk.
#[inline(always)]
unsafe fn entry<T>(leaf: *mut T, address: usize, granule: Granule) -> Option<&'static T> {
    if leaf.is_null() {
        return None;
    }
    // SAFETY: the index is below the number of granules of a chunk (caller);
    // leaves live for ever.
    Some(unsafe { &*leaf.add((address & CHUNK_MASK) >> granule.shift()) })
}

/// Takes the owner of a block out of the map; 0 if it has none.
#[inline]
pub(crate) fn take(block: *const u8, granule: Granule) -> u16 {
    take_narrow(block, granule).unwrap_or_else(|| wide_owner(block, granule))
}

/// As `take`, for owners that fit into a byte; `None` says that this one does not:
/// `wide_owner` has it.
#[inline(always)]
pub(crate) fn take_narrow(block: *const u8, granule: Granule) -> Option<u16> {
    let address = block.addr();
    let Some(leaf) = chunk(address).and_then(|chunk| chunk.leaves.get(granule as usize)) else {
        return Some(0);
    };
    // SAFETY: leaves are mapped with an entry for every granule.
    let Some(entry) = (unsafe { entry(leaf.get(), address, granule) }) else {
        return Some(0);
    };
    // Relaxed: the block came to this thread from the one that put the owner in,
    // by something that orders the two.
    let owner = entry.load(Ordering::Relaxed);
    if owner != 0 {
        entry.store(0, Ordering::Relaxed);
        if owner == WIDE {
            return None;
        }
    }
    Some(u16::from(owner))
}

/// The owner of a block for which `take_narrow` returned `None`.
#[cold]
#[inline(never)]
pub(crate) fn wide_owner(block: *const u8, granule: Granule) -> u16 {
    let address = block.addr();
    let leaf = chunk(address).and_then(|chunk| chunk.wide_leaves.get(granule as usize));
    // SAFETY: leaves are mapped with an entry for every granule.
    let entry = leaf.and_then(|leaf| unsafe { entry(leaf.get(), address, granule) });
    // Relaxed: as in `take_narrow`. The entry stays: only the leaf tells that it
    // counts.
    entry.map_or(0, |entry| entry.load(Ordering::Relaxed))
}

/// Puts a block's owner into the map if that takes no more than one store: its
/// leaf exists, and the owner fits into a byte.
#[inline(always)]
pub(crate) fn put_where_mapped(block: *const u8, granule: Granule, owner: u16) -> bool {
    let address = block.addr();
    if owner >= u16::from(WIDE) {
        return false;
    }
    let Some(leaf) = chunk(address).and_then(|chunk| chunk.leaves.get(granule as usize)) else {
        return false;
    };
    // SAFETY: leaves are mapped with an entry for every granule.
    let Some(entry) = (unsafe { entry(leaf.get(), address, granule) }) else {
        return false;
    };
    // Relaxed: as in `take_narrow`.
    entry.store(owner as u8, Ordering::Relaxed);
    true
}

/// Puts a block's owner into the map; false if no memory for it could be had.
#[inline]
pub(crate) fn put(block: *const u8, granule: Granule, owner: u16) -> bool {
    put_where_mapped(block, granule, owner) || put_slow(block.addr(), granule, owner).is_some()
}

/// As `put`, mapping the node and the leaves that it takes.
#[cold]
#[inline(never)]
fn put_slow(address: usize, granule: Granule, owner: u16) -> Option<()> {
    let node = get_or_map(ROOT.get(address >> NODE_SHIFT)?, size_of::<Node>())?;
    // SAFETY: nodes live for ever.
    let chunk = unsafe { &*node }.chunk(address)?;
    let place = chunk.leaves.get(granule as usize)?;
    if granule == Granule::Small && place.get().is_null() {
        // Before the leaf is there, so that who finds it need not do this.
        let_small_into_map();
    }
    let leaf = get_or_map(place, leaf_bytes(granule))?;
    let byte = match u8::try_from(owner) {
        Ok(byte) if byte != WIDE => byte,
        _ => {
            let place = chunk.wide_leaves.get(granule as usize)?;
            let wide = get_or_map(place, wide_leaf_bytes(granule))?;
            // SAFETY: leaves are mapped with an entry for every granule.
            unsafe { entry(wide, address, granule) }?.store(owner, Ordering::Relaxed);
            WIDE
        }
    };
    // SAFETY: as above. Relaxed: as in `take`.
    unsafe { entry(leaf, address, granule) }?.store(byte, Ordering::Relaxed);
    Some(())
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
            for granule in Granule::ALL {
                let leaf = chunk.leaves.get(granule as usize).map(|leaf| leaf.get().addr());
                let wide = chunk.wide_leaves.get(granule as usize).map(|leaf| leaf.get().addr());
                for (leaf, bytes) in [(leaf, leaf_bytes(granule)), (wide, wide_leaf_bytes(granule))]
                {
                    if let Some(leaf) = leaf.filter(|leaf| *leaf != 0) {
                        each(leaf..leaf.wrapping_add(bytes));
                    }
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
    size_of::<AtomicU8>() << (CHUNK_SHIFT - granule.shift())
}

/// Bytes of a wide leaf.
const fn wide_leaf_bytes(granule: Granule) -> usize {
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
        for (size, shift) in [(1, 4), (8, 4), (300, 4), (511, 4), (512, 9), (1 << 20, 9)] {
            assert_eq!(Granule::of(size).shift(), shift, "{size}");
        }
    }

    #[test]
    fn a_taken_owner_is_gone_and_neighbours_stay() {
        let base = 0x6123_4560_0000_usize;
        let granule = Granule::of(64);
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
        assert!(!put(block, Granule::of(4096), 7));
        assert_eq!(take(block, Granule::of(4096)), 0);
    }

    /// Blocks of all granules come and go at random over three nodes, as a
    /// `HashMap` says. The address space is one that no allocator uses.
    #[test]
    fn random_owners_are_as_in_a_hash_map() {
        let mut random = Random::new(42);
        let sizes = [8, 16, 32, 100, 512, 5000];
        let mut owners = HashMap::new();
        for _ in 0..200_000 {
            let granule = Granule::of(sizes[random.below(6) as usize]);
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
            let granule = if shift == 4 { Granule::Small } else { Granule::Large };
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
