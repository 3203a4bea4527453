#[heapledger::scoped("a component whose name goes on and on until it is longer than the hundred and twenty bytes that the name of a tag may have")]
fn work() {}

fn main() {}
