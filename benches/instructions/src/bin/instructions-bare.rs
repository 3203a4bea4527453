//! jemalloc itself.

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static GLOBAL: Jemalloc = Jemalloc;

fn main() {
    heapledger_instructions::run(std::env::args().skip(1));
}
