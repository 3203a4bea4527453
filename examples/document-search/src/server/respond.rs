//! What is sent back.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;

pub const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A response of one piece, so that its length is known.
pub fn respond(status: StatusCode, kind: HeaderValue, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// A value as JSON.
pub fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => respond(StatusCode::OK, JSON, body),
        Err(failed) => error(StatusCode::INTERNAL_SERVER_ERROR, failed),
    }
}

/// What is wrong, as `{"error": "…"}`.
pub fn error(status: StatusCode, what: impl ToString) -> Response {
    let body = serde_json::json!({ "error": what.to_string() });
    respond(status, JSON, body.to_string())
}
