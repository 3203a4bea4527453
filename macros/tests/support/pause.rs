//! A task's step aside.

use std::future::poll_fn;
use std::task::Poll;

/// Lets another worker go on. (tokio's own `yield_now` keeps a list, which grows in
/// whoever's scope comes first: exact, but not for a test to foretell.)
pub async fn pause() {
    let mut first = true;
    poll_fn(|context| {
        if std::mem::take(&mut first) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}
