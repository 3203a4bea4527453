//! Pools by name and type.

use std::sync::Arc;
use std::thread;

use heapledger::{BoundedPool, NamedPool, PoolError, Pools};

type Numbers = BoundedPool<u64>;

static NUMBERS: NamedPool<Numbers> = NamedPool::new("named/numbers");

#[test]
fn a_pool_is_found_by_name_and_type() {
    assert!(matches!(NUMBERS.get(), Err(PoolError::Unknown { name }) if name == "named/numbers"));
    let make = || BoundedPool::new("named/numbers", 2, || 5_u64).unwrap();
    let pool = Pools::register("named/numbers", make()).unwrap();
    assert!(std::ptr::eq(pool, NUMBERS.get().unwrap()));
    assert!(std::ptr::eq(pool, NUMBERS.get().unwrap()));
    assert!(std::ptr::eq(pool, Pools::get("named/numbers").unwrap()));
    assert_eq!(*NUMBERS.get().unwrap().acquire().unwrap(), 5);

    let error = Pools::get::<BoundedPool<String>>("named/numbers").unwrap_err().to_string();
    assert!(error.contains("BoundedPool<u64>") && error.contains("String>"), "{error}");
    let error = Pools::register("named/numbers", make()).unwrap_err();
    assert!(matches!(&error, PoolError::NameTaken { .. }), "{error:?}");
    assert!(error.to_string().contains("BoundedPool<u64>"), "{error}");
    assert!(Pools::names().iter().any(|(name, kind)| {
        name == "named/numbers" && *kind == std::any::type_name::<Numbers>()
    }));
}

/// Of many, one registers, and the others' pools are dropped.
#[test]
fn one_of_many_registers() {
    let alive = Arc::new(());
    let registered: Vec<_> = thread::scope(|scope| {
        let register = || {
            let alive = alive.clone();
            let pool = BoundedPool::new("named/race", 1, move || alive.clone()).unwrap();
            Pools::register("named/race", pool).is_ok()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(register)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(registered.iter().filter(|it| **it).count(), 1);
    assert_eq!(Arc::strong_count(&alive), 2, "ours, and one factory's");
}

/// Whatever is a pool: here the one without a limit.
#[test]
fn other_kinds_of_pools_have_names_too() {
    let pool = heapledger::Pool::builder("named/unbounded", String::new).build().unwrap();
    let pool = Pools::register("named/unbounded", pool).unwrap();
    assert_eq!(pool.name(), "named/unbounded");
    assert!(Pools::get::<heapledger::Pool<String>>("named/unbounded").is_ok());
    assert!(matches!(Pools::get::<Numbers>("named/unbounded"), Err(PoolError::WrongType { .. })));
}
