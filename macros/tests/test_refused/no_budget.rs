#[heapledger::test]
fn says_nothing() {}

fn main() {}
