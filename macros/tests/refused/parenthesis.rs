#[heapledger::scoped("(untagged)")]
fn work() {}

fn main() {}
