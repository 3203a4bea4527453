//! tokio tasks that pass boxed messages to each other.
//!
//! Each pair of tasks plays ping and pong: the asking task boxes a request, the
//! answering one frees it and boxes a reply. With more tasks than workers, most
//! blocks are freed by another thread than the one that allocated them.

use tokio::sync::mpsc;

use crate::random::{Random, hash, mix};
use crate::{ThreadStart, WORKERS};

const PAIRS: u64 = 64;
const ROUNDS: u64 = 500;
/// Messages under way at once in one direction.
const WINDOW: usize = 64;

/// What is sent: boxed, as messages of differing size are.
enum Message {
    Request { key: u64, body: String },
    Reply { key: u64, found: Vec<u64> },
}

/// Lets all pairs exchange their messages.
///
/// # Panics
///
/// If the runtime cannot be started.
pub fn exchange(on_thread_start: ThreadStart) -> u64 {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .on_thread_start(on_thread_start)
        .build()
        .unwrap_or_else(|error| panic!("no runtime: {error}"));
    runtime.block_on(async {
        let pairs: Vec<_> = (0..PAIRS).map(|pair| tokio::spawn(play(pair))).collect();
        let mut sum = 0_u64;
        for pair in pairs {
            sum = sum.wrapping_add(pair.await.unwrap_or_else(|error| panic!("{error}")));
        }
        sum
    })
}

async fn play(pair: u64) -> u64 {
    let (ask, asked) = mpsc::channel(WINDOW);
    let (answer, mut answered) = mpsc::channel(WINDOW);
    tokio::spawn(respond(asked, answer));
    let mut random = Random::new(pair);
    let mut sum = 0_u64;
    for _ in 0..ROUNDS {
        for _ in 0..WINDOW {
            let key = random.next();
            let body = "x".repeat(8 + random.below(120) as usize);
            if ask.send(Box::new(Message::Request { key, body })).await.is_err() {
                return 0;
            }
        }
        for _ in 0..WINDOW {
            sum = match answered.recv().await.map(|message| *message) {
                Some(Message::Reply { key, found }) => {
                    sum.wrapping_add(mix(found.iter().fold(key, |sum, it| mix(sum ^ it))))
                }
                _ => return 0,
            };
        }
    }
    sum
}

async fn respond(mut asked: mpsc::Receiver<Box<Message>>, answer: mpsc::Sender<Box<Message>>) {
    while let Some(message) = asked.recv().await {
        let Message::Request { key, body } = *message else { continue };
        let found = (0..key % 9).map(|it| hash(body.as_bytes()) ^ it).collect();
        if answer.send(Box::new(Message::Reply { key, found })).await.is_err() {
            return;
        }
    }
}
