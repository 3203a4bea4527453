//! Pools: objects that are used again instead of made again.
//!
//! Ordinary world. Every pool is a tag of its own, `pool/<name>`, and answers
//! `reclaim`. No pool holds a lock, or anything borrowed, while user code runs
//! (factory, reset, weigher, `Drop`).

mod error;

pub use error::PoolError;
