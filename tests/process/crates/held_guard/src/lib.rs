//! A future for an executor with threads. With the feature `held` its scope's guard
//! lives across the `.await`, and the compiler must refuse it.

use heapledger::scope;

async fn pause() {}

async fn step() -> usize {
    let held = cfg!(feature = "held");
    let block = scope!("ended before the await", vec![0_u8; 100]);
    #[cfg(feature = "held")]
    let _scope = scope!("held across the await");
    pause().await;
    block.len() + usize::from(held)
}

/// What every executor with threads asks of a task.
pub fn spawned() -> impl Future<Output = usize> + Send {
    step()
}
