//! Bodies and queries that handlers take from a request, each with a typed problem for every way it can be wrong. Used through
//! [`super::extract`].

use axum::body::{Bytes, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use super::error::Problem;
use crate::error::{ErrorCode, Refusal};
use crate::limits;

/// The body, at most `limits::REQUEST_BYTES` of it, within `limits::BODY_TIMEOUT`.
///
/// # Errors
/// `too_large`, `bad_request`.
pub async fn whole_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let bad = |sentence| Problem::from(Refusal::with_message(ErrorCode::BadRequest, sentence));
    let reading = Bytes::from_request(request, state);
    let Ok(read) = tokio::time::timeout(limits::BODY_TIMEOUT, reading).await else {
        // The connection ends with the answer, since the rest of the body would come before the next request.
        return Err(bad("The body did not come in time."));
    };
    read.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::from(ErrorCode::TooLarge),
        _ => bad("The body could not be read."),
    })
}

/// A JSON body of the form `T`: `application/json`, not compressed, at most `limits::REQUEST_BYTES`.
#[derive(Clone, Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_plain(request.headers(), "application/json") {
            return Err(ErrorCode::UnsupportedMediaType.into());
        }
        let bytes = whole_body(request, state).await?;
        // serde_json stops at 128 levels, and its sentence speaks of the client's own text only.
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| bad_request("body", &error.to_string()))
    }
}

/// A body that may be left out: then it has no type either.
impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        // What has no type and is there all the same is no body that was left out.
        if !request.headers().contains_key(header::CONTENT_TYPE) && request.body().is_end_stream() {
            return Ok(None);
        }
        let body = <Self as FromRequest<S>>::from_request(request, state);
        body.await.map(Some)
    }
}

/// The query of the form `T`.
#[derive(Clone, Debug)]
pub struct QueryOf<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Query::from_request_parts(parts, state)
            .await
            .map(|Query(query)| Self(query))
            .map_err(|error| bad_request("query", &error.body_text()))
    }
}

/// Whether a body is of this media type and not compressed.
#[must_use]
pub fn is_plain(headers: &HeaderMap, media_type: &str) -> bool {
    let is_of_it = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case(media_type));
    is_of_it && !headers.contains_key(header::CONTENT_ENCODING)
}

pub(super) fn bad_request(part: &str, cause: &str) -> Problem {
    let mut cause = cause.to_owned();
    cause.truncate(cause.floor_char_boundary(200));
    Refusal::with_message(
        ErrorCode::BadRequest,
        format!("The {part} is not of the documented form: {cause}"),
    )
    .into()
}
