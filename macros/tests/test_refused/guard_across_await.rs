// A test's body runs on whatever thread polls it: no guard stays over an await.
fn needs_send<F: std::future::Future + Send>(_: F) {}

fn main() {
    needs_send(heapledger::testing::run::test_async(
        &heapledger::testing::Budget::new(),
        async {
            let _entered = heapledger::Scope::current().enter();
            std::future::ready(()).await;
        },
    ));
}
