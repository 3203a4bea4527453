//! Load on the server: requests over loopback, from several connections.

mod client;

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use heapledger::scope;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::Error;
use crate::queries::{Latencies, popular};
use client::Client;

/// No request is sent after this time, however many are left.
const TIME_MAX: Duration = Duration::from_secs(60);

/// The result of a load.
pub struct HttpLoad {
    pub connections: usize,
    pub elapsed: Duration,
    /// Requests that were answered with a result.
    pub answered: Latencies,
    /// Requests that were answered with an error.
    pub refused: usize,
    /// What `GET /memory` said when half of the requests were sent.
    pub memory: String,
}

/// Send `count` requests for the `queries`, popular ones more often, unless the
/// server is stopped before.
pub fn run(
    server: SocketAddr,
    queries: &[String],
    count: usize,
    connections: usize,
    stopped: &AtomicBool,
) -> Result<HttpLoad, Error> {
    let _scope = scope!("load_generator");
    let next = AtomicUsize::new(0);
    let memory = Mutex::new(String::new());
    let started = Instant::now();
    let worker = || {
        let _scope = scope!("load_generator");
        let (mut times, mut refused) = (Vec::new(), 0);
        let mut client = Client::connect(server)?;
        let mut send = |number| {
            if number == count / 2 {
                let (_, body) = client.get("/memory")?;
                let text = String::from_utf8_lossy(&body).into_owned();
                *memory.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = text;
            }
            let query = &queries[popular(number, queries.len())];
            let query = utf8_percent_encode(query, NON_ALPHANUMERIC);
            let asked = Instant::now();
            let (status, _) = client.get(&format!("/search?q={query}"))?;
            if status == 200 {
                times.push(asked.elapsed())
            } else {
                refused += 1
            }
            Ok::<_, io::Error>(())
        };
        while started.elapsed() < TIME_MAX {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            match send(number) {
                // A server that stops closes its connections.
                Err(_) if stopped.load(Ordering::Relaxed) => break,
                sent => sent?,
            }
        }
        Ok::<_, io::Error>((times, refused))
    };

    let (mut times, mut refused) = (Vec::new(), 0);
    thread::scope(|scope| {
        let mut handles = Vec::with_capacity(connections);
        for number in 0..connections {
            let named = thread::Builder::new().name(format!("client-{number}"));
            handles.push(named.spawn_scoped(scope, worker).map_err(Error::Thread)?);
        }
        for handle in handles {
            let joined = handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let (own, errors) = joined.map_err(Error::Load)?;
            times.extend(own);
            refused += errors;
        }
        Ok::<_, Error>(())
    })?;
    Ok(HttpLoad {
        connections,
        elapsed: started.elapsed(),
        answered: Latencies::new(times),
        refused,
        memory: memory.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()),
    })
}
