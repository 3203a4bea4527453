//! The adapter for parallel iterators. It hands its consumer down the chain, so the
//! folder that the consumer becomes on a thread lives as long as a piece of the
//! work does there: the folder holds the guard.

use ::rayon::iter::ParallelIterator;
use ::rayon::iter::plumbing::{Consumer, Folder, Reducer, UnindexedConsumer};

use crate::scope::{Carried, Scoped};

impl<I: ParallelIterator, S: Carried + Send + Sync> ParallelIterator for Scoped<I, S> {
    type Item = I::Item;

    fn drive_unindexed<C: UnindexedConsumer<I::Item>>(self, consumer: C) -> C::Result {
        self.run_with(|inner, scope| inner.drive_unindexed(InScope { base: consumer, scope }))
    }

    fn opt_len(&self) -> Option<usize> {
        self.get_ref().opt_len()
    }
}

/// A consumer or a reducer, each of whose steps is in the scope.
struct InScope<'a, T, S> {
    base: T,
    scope: &'a S,
}

impl<'a, Item, C: Consumer<Item>, S: Carried + Sync> Consumer<Item> for InScope<'a, C, S> {
    type Folder = FolderInScope<C::Folder, S::Guard<'a>>;
    type Reducer = InScope<'a, C::Reducer, S>;
    type Result = C::Result;

    fn split_at(self, index: usize) -> (Self, Self, Self::Reducer) {
        let scope = self.scope;
        let _scope = scope.enter();
        let (left, right, reducer) = self.base.split_at(index);
        (
            InScope { base: left, scope },
            InScope { base: right, scope },
            InScope { base: reducer, scope },
        )
    }

    fn into_folder(self) -> Self::Folder {
        let guard = self.scope.enter();
        FolderInScope { base: self.base.into_folder(), guard }
    }

    fn full(&self) -> bool {
        self.base.full()
    }
}

impl<Item, C: UnindexedConsumer<Item>, S: Carried + Sync> UnindexedConsumer<Item>
    for InScope<'_, C, S>
{
    fn split_off_left(&self) -> Self {
        let _scope = self.scope.enter();
        InScope { base: self.base.split_off_left(), scope: self.scope }
    }

    fn to_reducer(&self) -> Self::Reducer {
        InScope { base: self.base.to_reducer(), scope: self.scope }
    }
}

impl<Result, R: Reducer<Result>, S: Carried> Reducer<Result> for InScope<'_, R, S> {
    fn reduce(self, left: Result, right: Result) -> Result {
        let _scope = self.scope.enter();
        self.base.reduce(left, right)
    }
}

/// One piece of the work, on one thread. It is dropped before its guard is.
struct FolderInScope<F, G> {
    base: F,
    guard: G,
}

impl<Item, F: Folder<Item>, G> Folder<Item> for FolderInScope<F, G> {
    type Result = F::Result;

    fn consume(self, item: Item) -> Self {
        FolderInScope { base: self.base.consume(item), guard: self.guard }
    }

    fn consume_iter<I: IntoIterator<Item = Item>>(self, items: I) -> Self {
        FolderInScope { base: self.base.consume_iter(items), guard: self.guard }
    }

    fn complete(self) -> F::Result {
        let Self { base, guard: _guard } = self;
        base.complete()
    }

    fn full(&self) -> bool {
        self.base.full()
    }
}
