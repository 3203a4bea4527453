#[heapledger::measured(name = "the \"index\"")]
fn work() {}

fn main() {}
