#[heapledger::scoped("")]
fn work() {}

fn main() {}
