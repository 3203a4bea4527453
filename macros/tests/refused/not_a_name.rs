#[heapledger::scoped(17)]
fn a_number() {}

#[heapledger::scoped(concat!("a", "b"))]
fn a_macro() {}

#[heapledger::scoped(format!("tenant/{id}"))]
fn of_an_argument(id: u32) {
    drop(id.to_string());
}

#[heapledger::scoped("a", "b")]
fn two_names() {}

#[heapledger::scoped(name = "a")]
fn an_option() {}

fn main() {}
