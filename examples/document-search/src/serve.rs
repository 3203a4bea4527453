//! `--serve`: the server, for as long as was asked, and the load on it.

use std::future::pending;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::args::Args;
use crate::error::Error;
use crate::search::SearchService;
use crate::{load, output, server};

/// Take the address: one that cannot be had is better known before the work.
pub fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).map_err(|source| Error::Listen { address, source })
}

/// Serve until ctrl-c, the end of the time or of the load.
pub fn run(
    args: &Args,
    out: &mut impl Write,
    listener: TcpListener,
    service: Arc<SearchService>,
    queries: &[String],
) -> Result<(), Error> {
    let address = listener.local_addr().map_err(Error::Server)?;
    let (loaded, load_ends) = oneshot::channel();
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = {
        let stopped = Arc::clone(&stopped);
        let over = over(args.serve_for, args.load.map(|_| load_ends));
        async move {
            over.await;
            stopped.store(true, Ordering::Relaxed);
        }
    };
    let threads = args.threads();
    output::serving(out, address, &until(args))?;
    let load = thread::scope(|scope| {
        let stopped = &stopped;
        let load = args.load.filter(|_| !queries.is_empty()).map(|count| {
            scope.spawn(move || {
                let load = load::run(address, queries, count, args.connections, stopped);
                let _ = loaded.send(()); // The server has ended already: no matter.
                load
            })
        });
        server::run(listener, service, threads, stop)?;
        let joined = load.map(|load| load.join().unwrap_or_else(|p| std::panic::resume_unwind(p)));
        joined.transpose()
    })?;
    load.map_or(Ok(()), |load| Ok(output::http_load(out, &load)?))
}

/// Ends when the server shall stop.
async fn over(seconds: Option<usize>, load: Option<oneshot::Receiver<()>>) {
    let time = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds as u64)).await,
            None => pending().await,
        }
    };
    let load = async {
        match load {
            Some(ends) => drop(ends.await),
            None => pending().await,
        }
    };
    let interrupt = async {
        // Where there is no such signal, the others end it.
        if tokio::signal::ctrl_c().await.is_err() {
            pending().await
        }
    };
    tokio::select! {
        () = time => {}
        () = load => {}
        () = interrupt => {}
    }
}

/// The same in words.
fn until(args: &Args) -> String {
    let mut until = vec!["ctrl-c".to_owned()];
    until.extend(args.serve_for.map(|seconds| format!("{seconds} s")));
    until.extend(args.load.map(|count| format!("{} requests", output::count(count))));
    until.join(", or ")
}
