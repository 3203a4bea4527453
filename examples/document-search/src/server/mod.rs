//! The service over HTTP, with a tag for each request below that of its kind.
//!
//! A request is worked on by a task that moves between threads, and by a thread for
//! blocking work. `ScopeLayer` gives the task its tag, `heapledger::tokio` takes it
//! along to the blocking thread; the components that the work goes through enter
//! their own scopes inside, as they do without a server.

mod memory;
mod respond;
mod search;

use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use heapledger::tokio::ThreadsInScope;
use heapledger::tower::ScopeLayer;
use heapledger::{EphemeralTag, Tag, scope};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use crate::error::Error;
use crate::search::SearchService;

/// The runtime, the connections and what axum needs for itself.
static HTTP: Tag = Tag::new("http");

/// How long requests may still take when the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// Serve until `stop` is over and the requests under way are answered.
pub fn run(
    listener: TcpListener,
    service: Arc<SearchService>,
    threads: usize,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let _scope = scope!(HTTP);
    let runtime = runtime(threads).map_err(Error::Thread)?;
    let stopping = Arc::new(Notify::new());
    let stop = {
        let stopping = Arc::clone(&stopping);
        async move {
            stop.await;
            stopping.notify_one();
        }
    };
    let served = runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let late = async {
            stopping.notified().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            served = axum::serve(listener, router(service)).with_graceful_shutdown(stop) => served,
            () = late => Ok(()), // Somebody keeps a connection open and says nothing.
        }
    });
    runtime.shutdown_timeout(GRACE);
    served.map_err(Error::Server)
}

/// Which address is answered by what, and under which tag.
fn router(service: Arc<SearchService>) -> Router {
    Router::new()
        .route("/search", get(search::answer))
        .route("/memory", get(memory::table))
        .route("/memory.json", get(memory::json))
        .fallback(nothing_here)
        .layer(ScopeLayer::new(tag_of_its_own))
        .with_state(service)
}

/// A tag for this request alone: its number in the table serves another one when the
/// request is answered, and what it did is added to that of its kind.
fn tag_of_its_own(request: &Request) -> EphemeralTag {
    static REQUESTS: AtomicU64 = AtomicU64::new(1);
    let kind = match request.uri().path() {
        "/search" => "search",
        "/memory" | "/memory.json" => "memory",
        _ => "other",
    };
    // Relaxed: only the number counts.
    let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
    Tag::ephemeral(&format!("request/{kind}/{number}")).expect("words and digits are a good name")
}

async fn nothing_here() -> Response {
    respond::error(
        StatusCode::NOT_FOUND,
        "nothing here: ask for /search?q=some+words, /memory or /memory.json",
    )
}

/// A runtime with all its threads, which begin in `HTTP` and so book to it whatever
/// tokio and axum do outside of requests.
fn runtime(threads: usize) -> std::io::Result<Runtime> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(threads)
        .thread_keep_alive(Duration::MAX)
        .threads_in_scope(&HTTP)
        .enable_all()
        .build()?;
    // A thread for blocking work is started by the first request that needs it, and
    // would belong to that request. So all of them are started here: each waits
    // until the others are there, too.
    let all = Arc::new(Barrier::new(threads + 1));
    for _ in 0..threads {
        let all = Arc::clone(&all);
        runtime.spawn_blocking(move || all.wait());
    }
    all.wait();
    Ok(runtime)
}
