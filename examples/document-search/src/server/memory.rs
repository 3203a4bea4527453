//! `GET /memory` and `GET /memory.json`: the component table.

use axum::http::StatusCode;
use axum::response::Response;
use heapledger::{ErrorKind, Report};

use super::respond::{TEXT, error, json as as_json, respond};

pub async fn table() -> Response {
    report(|report| respond(StatusCode::OK, TEXT, report.to_string())).await
}

pub async fn json() -> Response {
    report(|report| as_json(&report)).await
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
