//! The pools beside their peers: one run, interleaved.

mod contenders;
mod jobs;

use contenders::*;
use crossbeam_queue::ArrayQueue;
use std::sync::Mutex;

#[global_allocator]
static GLOBAL: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ROUNDS: usize = 200_000;

type Job = Box<dyn Fn() -> f64>;

fn jobs_of<C: Contender + 'static>(peer: bool) -> Vec<Job> {
    let pool: &'static C = Box::leak(Box::new(C::new()));
    let n = if peer { ROUNDS / 10 } else { ROUNDS };
    vec![
        Box::new(move || jobs::one(pool, 1, n)),
        Box::new(move || jobs::one(pool, 4, n)),
        Box::new(move || jobs::held(pool, 1, n)),
        Box::new(move || jobs::held(pool, 4, n)),
        Box::new(move || jobs::hand_over(pool, 1, n)),
        Box::new(move || jobs::hand_over(pool, 2, n / 4)),
    ]
}

fn main() {
    let rounds: usize = std::env::args().nth(1).map_or(7, |it| it.parse().unwrap());
    let mut all: Vec<(&str, Vec<Job>)> = vec![
        (Boxes::NAME, jobs_of::<Boxes>(false)),
        (Dynamic::NAME, jobs_of::<Dynamic>(false)),
        (Static::NAME, jobs_of::<Static>(false)),
    ];
    if std::env::args().nth(2).is_some() {
        all.push((ShardedSlab::NAME, jobs_of::<ShardedSlab>(true)));
        all.push((Lockfree::NAME, jobs_of::<Lockfree>(true)));
        all.push((ObjectPool::NAME, jobs_of::<ObjectPool>(true)));
        all.push((Opool::NAME, jobs_of::<Opool>(true)));
        all.push((Regex::NAME, jobs_of::<Regex>(true)));
        all.push((Poolshark::NAME, jobs_of::<Poolshark>(true)));
        all.push(("ArrayQueue", jobs_of::<Hand<ArrayQueue<Box<Object>>>>(true)));
        all.push(("Mutex<Vec>", jobs_of::<Hand<Mutex<Vec<Box<Object>>>>>(true)));
    }
    let mut times = vec![vec![vec![]; 6]; all.len()];
    for _ in 0..rounds {
        for job in 0..6 {
            for (contender, (_, jobs)) in all.iter().enumerate() {
                times[contender][job].push(jobs[job]());
            }
        }
    }
    println!(
        "{:<24}{:>14}{:>14}{:>14}{:>14}{:>14}{:>14}",
        "", "1T", "4T", "held 1T", "held 4T", "1+1", "2+2"
    );
    for (contender, (name, _)) in all.iter().enumerate() {
        print!("{name:<24}");
        for job in 0..6 {
            let t = &mut times[contender][job];
            t.sort_by(f64::total_cmp);
            print!("{:>8.1}({:.1})", t[t.len() / 2], t[0]);
        }
        println!();
    }
}
