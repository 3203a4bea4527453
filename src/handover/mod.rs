//! Hand-overs: the calls that give work to another thread, with the scope that the
//! work is given away in. One file for each place that work goes to, each named as
//! what it stands in for.
//!
//! Nothing here knows more than [`Scope::current`](crate::Scope::current) where
//! work is handed over, the scope around it where it runs, and that nobody observes
//! what carries it (`Unobserved`).

#[cfg(feature = "crossbeam")]
pub mod crossbeam;
#[cfg(feature = "rayon")]
pub mod rayon;
pub mod thread;
#[cfg(feature = "tokio")]
pub mod tokio;
