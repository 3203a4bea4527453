fn main() {
    heapledger::testing::run::test(&heapledger::testing::Budget::new(), || 7);
}
