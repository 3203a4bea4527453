//! `GET /memory` and `GET /memory.json`: the component table.

use axum::http::StatusCode;
use axum::response::Response;
use heapledger::{ErrorKind, OwnedSnapshot, OwnedTagReading, Report};
use serde::Serialize;

use super::respond::{TEXT, error, json as as_json, respond};

pub async fn table() -> Response {
    report(|report| respond(StatusCode::OK, TEXT, report.to_string())).await
}

/// The report, and the readings of all tags with what they ever allocated and freed.
#[derive(Serialize)]
struct Memory {
    #[serde(flatten)]
    report: Report,
    tags: Vec<OwnedTagReading>,
}

pub async fn json() -> Response {
    report(|report| match OwnedSnapshot::capture() {
        Ok(snapshot) => as_json(&Memory { report, tags: snapshot.tags }),
        Err(failed) => error(StatusCode::INTERNAL_SERVER_ERROR, failed),
    })
    .await
}

/// Reads the memory, for which the kernel walks all pages: no work for a thread that
/// others wait for.
async fn report(show: impl FnOnce(Report) -> Response + Send + 'static) -> Response {
    let work = || heapledger::report().map(show);
    match heapledger::tokio::spawn_blocking(work).await {
        Ok(Ok(response)) => response,
        Ok(Err(failed)) if failed.kind() == ErrorKind::SystemUnavailable => {
            error(StatusCode::NOT_IMPLEMENTED, failed)
        }
        Ok(Err(failed)) => error(StatusCode::INTERNAL_SERVER_ERROR, failed),
        Err(failed) => error(StatusCode::INTERNAL_SERVER_ERROR, failed),
    }
}
