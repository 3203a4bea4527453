//! A quick workload that checks itself, as a program of its own.
//!
//! Threads allocate, grow, shrink and free in every regime, in scopes and outside,
//! and hand blocks to each other; each keeps its own account of what every tag must
//! hold. At rest the ledger must agree to the byte. Exits with 0 if it does.
//!
//! `tests/process/fat_lto.rs` runs it as built with fat link-time optimisation,
//! `tests/process/machine_code.rs` reads the code of it.

mod planted;
mod pools;

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, realloc};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};

use heapledger::{Tag, TagId};

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

const THREADS: usize = 4;
const TURNS: usize = 200_000;
const TAGS: [&str; 4] = ["one", "two", "two/below", "three"];

/// A block that is on its way from thread to thread.
struct Block {
    address: *mut u8,
    layout: Layout,
    owner: usize,
}

// SAFETY: whoever holds the value owns the block.
unsafe impl Send for Block {}

/// What a tag must hold: allocated minus freed, by the threads' own account.
type Account = [i64; TAGS.len()];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(mixed ^ (mixed >> 31)) * bound as u128) >> 64) as usize
    }

    fn layout(&mut self) -> Layout {
        let limit = [6, 8, 100, 511, 4096, 200_000][self.below(6)];
        let align = [1, 8, 8, 8, 16, 64][self.below(6)];
        Layout::from_size_align(1 + self.below(limit), align).expect("a layout")
    }
}

fn new_block(random: &mut Random, owner: usize, tag: &Tag) -> Block {
    let layout = random.layout();
    let zeroed = random.below(4) == 0;
    // SAFETY: the size is not 0.
    let address = tag.run(|| unsafe { if zeroed { alloc_zeroed(layout) } else { alloc(layout) } });
    assert!(!address.is_null());
    Block { address, layout, owner }
}

fn work(seed: u64, next: &Sender<Block>, inbox: &Receiver<Block>) -> Account {
    let tags = TAGS.map(|name| Tag::register(name).expect("a good name"));
    let mut random = Random(seed);
    let mut account = Account::default();
    let mut held: Vec<Block> = Vec::new();
    for _ in 0..TURNS {
        match random.below(5) {
            0 | 1 => {
                let owner = random.below(TAGS.len());
                let block = new_block(&mut random, owner, &tags[owner]);
                account[owner] += block.layout.size() as i64;
                held.push(block);
            }
            2 if !held.is_empty() => {
                let at = random.below(held.len());
                let block = &mut held[at];
                let new = 1 + random.below(2000);
                // SAFETY: the block is live, the size is not 0. Under another
                // tag: the owner must stay.
                block.address = tags[random.below(TAGS.len())]
                    .run(|| unsafe { realloc(block.address, block.layout, new) });
                assert!(!block.address.is_null());
                account[block.owner] += new as i64 - block.layout.size() as i64;
                block.layout =
                    Layout::from_size_align(new, block.layout.align()).expect("a layout");
            }
            3 if !held.is_empty() => {
                let at = random.below(held.len());
                // The receiver may have finished: then the block is ours again.
                if let Err(back) = next.send(held.swap_remove(at)) {
                    held.push(back.0);
                }
            }
            _ => {
                let block = inbox.try_recv().ok().or_else(|| held.pop());
                free(block, &mut account);
            }
        }
    }
    held.into_iter().for_each(|block| free(Some(block), &mut account));
    account
}

fn free(block: Option<Block>, account: &mut Account) {
    let Some(Block { address, layout, owner }) = block else { return };
    account[owner] -= layout.size() as i64;
    // SAFETY: the block is live and ours.
    unsafe { dealloc(address, layout) };
}

fn main() -> ExitCode {
    planted::keep();
    pools::run();
    let (senders, inboxes): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| channel()).unzip();
    let workers: Vec<_> = inboxes
        .into_iter()
        .enumerate()
        .map(|(number, inbox)| {
            let next = senders[(number + 1) % THREADS].clone();
            std::thread::spawn(move || {
                let account = work(number as u64, &next, &inbox);
                (account, inbox)
            })
        })
        .collect();
    drop(senders);
    let mut expected = Account::default();
    let mut inboxes = Vec::new();
    for worker in workers {
        let (account, inbox) = worker.join().expect("no panic");
        expected.iter_mut().zip(account).for_each(|(sum, part)| *sum += part);
        inboxes.push(inbox);
    }
    // Blocks that nobody took out: live, and theirs who allocated them.
    let agree = |expected: &Account| {
        TAGS.iter().zip(expected).all(|(name, bytes)| {
            let own = Tag::register(name).expect("known").read().expect("installed").own;
            own.live_bytes_signed() == *bytes
        })
    };
    let at_rest = agree(&expected);
    for inbox in inboxes {
        inbox.try_iter().for_each(|block| free(Some(block), &mut expected));
    }
    let empty = expected == Account::default() && agree(&expected);
    let checked = heapledger::self_check();
    println!("at rest {at_rest}, empty {empty}, {checked:?}, {} turns", THREADS * TURNS);
    let untagged = heapledger::read_tag(TagId::UNTAGGED).is_ok();
    ExitCode::from(u8::from(!(at_rest && empty && untagged && checked.is_ok())))
}
