#[heapledger::test(max_live = "1.5 MiB")]
fn not_whole() {}

fn main() {}
