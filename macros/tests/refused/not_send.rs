fn needs_send<T: Send>(_: T) {}

#[heapledger::scoped("index")]
async fn holds_an_rc() {
    let held = std::rc::Rc::new(1);
    std::future::ready(()).await;
    drop(held);
}

fn main() {
    needs_send(holds_an_rc());
}
