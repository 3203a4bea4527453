#[heapledger::test(max_bytes = "99999999999 GiB")]
fn too_large() {}

fn main() {}
