//! `GET /search?q=WORDS&limit=N`: the best documents for a query.

use std::str::Utf8Error;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::respond::{error, json};
use crate::cache::Answer;
use crate::search::SearchService;

/// Longest query, in bytes.
const QUERY_BYTES_MAX: usize = 1000;

/// Most results in an answer.
const LIMIT_MAX: usize = 100;

#[derive(Serialize)]
struct Found<'a> {
    query: &'a str,
    from_cache: bool,
    #[serde(flatten)]
    answer: &'a Answer,
}

pub async fn answer(
    State(service): State<Arc<SearchService>>,
    RawQuery(parameters): RawQuery,
) -> Response {
    let asked = match Asked::parse(parameters.as_deref().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(refused) => return error(StatusCode::BAD_REQUEST, refused),
    };
    // A search computes: it goes to a thread that nobody waits for. The request's
    // scope goes along, and the search enters its components' scopes in it.
    let work = move || {
        let limit = asked.limit.unwrap_or(service.hits);
        let (answer, from_cache) = service.best(&asked.query, limit)?;
        Ok::<_, crate::Error>(json(&Found { query: &asked.query, from_cache, answer: &answer }))
    };
    match heapledger::tokio::spawn_blocking(work).await {
        Ok(Ok(response)) => response,
        Ok(Err(failed)) => error(StatusCode::INTERNAL_SERVER_ERROR, failed),
        Err(failed) => error(StatusCode::INTERNAL_SERVER_ERROR, failed),
    }
}

/// What is asked for.
#[derive(Debug, PartialEq)]
struct Asked {
    query: String,
    limit: Option<usize>,
}

/// Why it is not answered.
#[derive(Debug, PartialEq, thiserror::Error)]
enum Refused {
    #[error("q is missing: ask for /search?q=some+words")]
    Missing,
    #[error("q holds no word to search for: give letters or digits")]
    NoWord,
    #[error("q has {0} bytes, {QUERY_BYTES_MAX} are allowed: ask for fewer words")]
    TooLong(usize),
    #[error("q is not UTF-8 ({0}): percent-encode the bytes of a UTF-8 text")]
    Encoding(#[from] Utf8Error),
    #[error("limit is not a number from 1 to {LIMIT_MAX}: give one, or leave it out")]
    Limit,
    #[error("only the parameters q and limit are known, each once: leave the others out")]
    Parameters,
}

impl Asked {
    fn parse(parameters: &str) -> Result<Self, Refused> {
        let (mut query, mut limit) = (None, None);
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let place = match name {
                "q" => &mut query,
                "limit" => &mut limit,
                _ => return Err(Refused::Parameters),
            };
            if place.replace(value).is_some() {
                return Err(Refused::Parameters);
            }
        }
        let query = query.ok_or(Refused::Missing)?;
        // Before anything is made of it: a byte takes three characters at most.
        if query.len() > 3 * QUERY_BYTES_MAX {
            return Err(Refused::TooLong(query.len()));
        }
        let spaced = query.replace('+', " ");
        let query = percent_decode_str(&spaced).decode_utf8()?.into_owned();
        if query.len() > QUERY_BYTES_MAX {
            return Err(Refused::TooLong(query.len()));
        }
        if !query.contains(char::is_alphanumeric) {
            return Err(Refused::NoWord);
        }
        let limit = limit.map(|limit| match limit.parse() {
            Ok(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
            _ => Err(Refused::Limit),
        });
        Ok(Self { query, limit: limit.transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_questions_are_understood() {
        let asked = |query: &str, limit| Ok(Asked { query: query.to_owned(), limit });
        assert_eq!(Asked::parse("q=raw+pointer"), asked("raw pointer", None));
        assert_eq!(Asked::parse("limit=100&q=%C3%A4%20b%2b"), asked("ä b+", Some(100)));
        assert_eq!(Asked::parse("&q=a=b&"), asked("a=b", None));
        assert_eq!(Asked::parse("q=100%"), asked("100%", None));
        let most = format!("q={}", "%61".repeat(QUERY_BYTES_MAX));
        assert_eq!(Asked::parse(&most), asked(&"a".repeat(QUERY_BYTES_MAX), None));
    }

    #[test]
    fn bad_questions_are_refused() {
        let refused = |parameters: &str| Asked::parse(parameters).expect_err(parameters);
        for missing in ["", "&", "limit=3"] {
            assert_eq!(refused(missing), Refused::Missing);
        }
        for empty in ["q", "q=", "q=+%20", "q=!?%00"] {
            assert_eq!(refused(empty), Refused::NoWord);
        }
        for limit in ["0", "101", "-1", "x", "", "1.5", "99999999999999999999999"] {
            assert_eq!(refused(&format!("q=a&limit={limit}")), Refused::Limit);
        }
        for other in ["q=a&q=b", "q=a&limit=1&limit=1", "Q=a", "q=a&page=2"] {
            assert_eq!(refused(other), Refused::Parameters);
        }
        assert!(matches!(refused("q=a%FFb"), Refused::Encoding(_)));
        let long = QUERY_BYTES_MAX + 1;
        assert_eq!(refused(&format!("q={}", "a".repeat(long))), Refused::TooLong(long));
        assert_eq!(refused(&format!("q={}", "a".repeat(1 << 20))), Refused::TooLong(1 << 20));
    }
}
