#[heapledger::measured(tag = "index")]
fn unknown() {}

#[heapledger::measured("index")]
fn a_bare_name() {}

#[heapledger::measured(name = 17)]
fn not_a_string() {}

#[heapledger::measured(name)]
fn no_value() {}

#[heapledger::measured(level = "loud")]
fn no_level() {}

#[heapledger::measured(level = "info", name = "a", level = "debug")]
fn twice() {}

#[heapledger::measured(name = "a" level = "debug")]
fn no_comma() {}

fn main() {
    // The functions are there all the same: one mistake, one message.
    unknown();
}
