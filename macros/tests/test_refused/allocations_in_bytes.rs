#[heapledger::test(max_allocs = "1MiB")]
fn allocations_in_bytes() {}

fn main() {}
