//! Row S16: the environment's defaults, in a process of its own for each.
//!
//! What is set is the default of every kind of pool that has one; what is malformed is an
//! error where there is somebody to return it to, and said on standard error, once, where
//! there is not.
//!
//! Seen to fail: with the two variables' ranks exchanged.

mod support;

use heapledger::{LocalPool, Pool, PoolError};

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

heapledger::pool! {
    static FIRST: u64 = 1;
    static SECOND: u64 = 2;
    static OWN: u64 = 3, retained_max = 7;
}

/// What a process with this environment says of its pools.
fn print_settings() {
    println!(); // The harness has begun a line.
    let max = |max: Option<u64>| max.map_or("none".to_owned(), |max| max.to_string());
    match Pool::builder("default", || 1).build() {
        Ok(pool) => println!("pool {}", max(pool.statistics().retained_max)),
        Err(PoolError::Setting { variable, value }) => println!("pool {variable} is {value:?}"),
        Err(other) => println!("pool {other}"),
    }
    match LocalPool::new("local", || 1) {
        Ok(pool) => println!("local {}", max(pool.statistics().retained_max)),
        Err(PoolError::Setting { variable, value }) => println!("local {variable} is {value:?}"),
        Err(other) => println!("local {other}"),
    }
    let own = Pool::builder("own", || 1).retained_max(5).build().expect("it asks for nothing");
    println!("own {}", max(own.statistics().retained_max));
    for (name, pool) in [("first", FIRST.statistics()), ("second", SECOND.statistics())] {
        println!("{name} {}", max(pool.retained_max));
    }
    println!("static own {}", max(OWN.statistics().retained_max));
}

/// The lines of a process with this environment, and what it said on standard error.
fn settings(environment: &[(&str, &str)]) -> (Vec<String>, String) {
    let output = support::this_program("the_environment_sets_the_default", "prints")
        .env_remove("MEMORY_POOL_MAX_SIZE")
        .env_remove("HEAPLEDGER_POOL_MAX")
        .envs(environment.iter().copied())
        .output()
        .expect("this program runs once more");
    let text = String::from_utf8(output.stdout).expect("text");
    let is_ours = |line: &&str| {
        ["pool ", "local ", "own ", "first ", "second ", "static own "]
            .iter()
            .any(|name| line.starts_with(name))
    };
    let lines = text.lines().filter(is_ours).map(str::to_owned).collect();
    (lines, String::from_utf8(output.stderr).expect("text"))
}

#[test]
fn the_environment_sets_the_default() {
    if support::role().is_some() {
        return print_settings();
    }
    let all = |max: &str| {
        ["pool", "local"]
            .map(|name| format!("{name} {max}"))
            .into_iter()
            .chain(["own 5".to_owned(), format!("first {max}"), format!("second {max}")])
            .chain(["static own 7".to_owned()])
            .collect::<Vec<_>>()
    };
    assert_eq!(settings(&[]), (all("1000"), String::new()));
    assert_eq!(settings(&[("MEMORY_POOL_MAX_SIZE", "500")]), (all("500"), String::new()));
    let both = [("MEMORY_POOL_MAX_SIZE", "500"), ("HEAPLEDGER_POOL_MAX", " 64 ")];
    assert_eq!(settings(&both), (all("64"), String::new()));

    let (lines, said) = settings(&[("HEAPLEDGER_POOL_MAX", "many")]);
    let refused = "HEAPLEDGER_POOL_MAX is \"many\"";
    let expected = [
        &format!("pool {refused}"),
        &format!("local {refused}"),
        "own 5",
        "first 1000",
        "second 1000",
        "static own 7",
    ];
    assert_eq!(lines, expected);
    assert_eq!(said.lines().count(), 1, "said once: {said}");
    assert!(said.contains("HEAPLEDGER_POOL_MAX") && said.contains("\"many\""), "{said}");
}
