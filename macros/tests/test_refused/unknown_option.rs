#[heapledger::test(max_life = "1MiB")]
fn misspelt() {}

fn main() {}
