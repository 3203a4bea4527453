//! heapledger over the same jemalloc, inside a scope: every block has an owner.

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

fn main() {
    let _scope = heapledger::scope!("instructions");
    heapledger_instructions::run(std::env::args().skip(1));
}
