#[heapledger::scoped("index//postings")]
fn work() {}

fn main() {}
