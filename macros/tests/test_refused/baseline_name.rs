#[heapledger::test(baseline = "two words")]
fn baseline_name() {}

fn main() {}
