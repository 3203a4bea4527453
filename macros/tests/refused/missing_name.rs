#[heapledger::scoped]
fn bare() {}

#[heapledger::scoped()]
fn with_parentheses() {}

fn main() {}
