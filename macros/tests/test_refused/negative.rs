#[heapledger::test(max_allocs = -1)]
fn negative() {}

fn main() {}
