#[heapledger::test(max_live = "1 KB")]
fn bad_unit() {}

fn main() {}
