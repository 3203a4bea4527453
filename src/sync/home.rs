//! A small number for each thread, to spread threads over slots. Threads may share
//! one: it is a hint and no identity.

#[cfg(not(loom))]
pub(crate) use real::home;

#[cfg(loom)]
pub(crate) use modelled::{home, set_home};

#[cfg(not(loom))]
mod real {
    use core::cell::Cell;
    use core::sync::atomic::{AtomicUsize, Ordering};

    static NEXT: AtomicUsize = AtomicUsize::new(0);

    thread_local! {
        // The number plus one; 0 before the first question. No destructor, so that
        // it can be asked at any time of a thread's life.
        static HOME: Cell<usize> = const { Cell::new(0) };
    }

    #[inline]
    pub(crate) fn home() -> usize {
        match HOME.get() {
            0 => first_home(),
            home => home - 1,
        }
    }

    #[cold]
    fn first_home() -> usize {
        // Relaxed: a number, no more.
        let home = NEXT.fetch_add(1, Ordering::Relaxed) & (usize::MAX >> 1);
        HOME.set(home + 1);
        home
    }
}

#[cfg(loom)]
mod modelled {
    use core::cell::Cell;

    super::super::loom_thread_local! {
        static HOME: Cell<usize> = Cell::new(0);
    }

    pub(crate) fn home() -> usize {
        HOME.with(Cell::get)
    }

    /// Threads of a model choose theirs.
    #[cfg_attr(not(test), allow(dead_code, reason = "the models use it"))]
    pub(crate) fn set_home(home: usize) {
        HOME.with(|it| it.set(home));
    }
}
