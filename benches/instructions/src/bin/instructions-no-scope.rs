//! heapledger over the same jemalloc, outside any scope.

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

fn main() {
    heapledger_instructions::run(std::env::args().skip(1));
}
