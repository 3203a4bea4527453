static NAME: &str = "index";

#[heapledger::scoped(NAME)]
fn a_string() {}

#[heapledger::scoped(NAME)]
async fn a_string_async() {}

#[heapledger::scoped(UNKNOWN)]
fn unknown() {}

fn main() {}
