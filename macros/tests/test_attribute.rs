//! What `#[heapledger::test]` refuses, and how it says it.
//!
//! The messages are in `test_refused/*.stderr`; `TRYBUILD=overwrite` writes them
//! anew. What it accepts is run by the tests of heapledger itself.

#[test]
fn misuse_of_the_test_attribute_is_refused_with_a_message_that_helps() {
    trybuild::TestCases::new().compile_fail("tests/test_refused/*.rs");
}
