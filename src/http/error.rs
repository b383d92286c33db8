//! What an HTTP client gets instead of what it asked for: an RFC 9457 problem with the same code that a socket
//! would get. Every handler returns [`Problem`] as its error; the fallbacks and a caught panic come here too.

use std::any::Any;
use std::borrow::Cow;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::{ErrorCode, Refusal};
use crate::ids::Version;

/// A refusal on its way to an HTTP client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem(pub Refusal);

/// Beside an answer: that it is a refusal, and which. For those around the handlers.
#[derive(Clone, Copy, Debug)]
pub struct Refused(pub ErrorCode);

/// The JSON of a problem.
#[derive(Serialize, Debug, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// A URI of the kind of problem: `urn:salon:problem:` and the code.
    pub r#type: String,
    /// The code's sentence.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What to branch on.
    pub code: &'static str,
    /// What to show: what is wrong with this very request.
    #[schema(value_type = String)]
    pub detail: Cow<'static, str>,
    /// When to try again, in milliseconds, where that is known.
    pub retry_after_ms: Option<u64>,
    /// Of a `version_conflict`: the message's present version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
}

impl<T: Into<Refusal>> From<T> for Problem {
    fn from(refusal: T) -> Self {
        Self(refusal.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.response_with(&NoMembers {})
    }
}

/// No extension members.
#[derive(Serialize)]
struct NoMembers {}

/// A problem with members of its own beside the usual ones (RFC 9457 §3.2).
#[derive(Serialize)]
struct Extended<'a, Members> {
    #[serde(flatten)]
    problem: ProblemBody,
    #[serde(flatten)]
    members: &'a Members,
}

impl Problem {
    /// The answer, with further members.
    pub fn response_with<Members: Serialize>(self, members: &Members) -> Response {
        let status = self.0.code.http_status();
        self.response_of(status, members)
    }

    /// The answer with a status that says more than the code's own.
    pub fn with_status(self, status: StatusCode) -> Response {
        self.response_of(status.as_u16(), &NoMembers {})
    }

    fn response_of<Members: Serialize>(self, status: u16, members: &Members) -> Response {
        let Self(refusal) = self;
        let code = Refused(refusal.code);
        let problem = ProblemBody {
            r#type: format!("urn:salon:problem:{}", refusal.code.as_str()),
            title: refusal.code.sentence(),
            status,
            code: refusal.code.as_str(),
            detail: refusal.message,
            retry_after_ms: refusal.retry_after_ms,
            version: refusal.version,
        };
        // Structs of strings and numbers always serialise.
        let json = serde_json::to_vec(&Extended { problem, members }).unwrap_or_default();
        let mut response = json.into_response();
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(code);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(wait) = refusal.retry_after_ms {
            headers.insert(header::RETRY_AFTER, wait.div_ceil(1000).max(1).into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The refusal of a limiter that wants so long a rest.
#[must_use]
pub fn too_fast(wait: Duration) -> Problem {
    Refusal::too_fast(wait).into()
}

/// The answer for an address that answers other methods; axum adds `Allow`.
pub async fn method_not_allowed() -> Problem {
    ErrorCode::MethodNotAllowed.into()
}

/// The answer in place of a handler that panicked. The log has its place already, and gets none of its words: they may hold
/// a message's text.
pub fn panicked(_panic: Box<dyn Any + Send + 'static>) -> Response {
    Problem::from(ErrorCode::Internal).into_response()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::extract::Request;
    use axum::routing::get;
    use tower::ServiceExt;
    use tower_http::catch_panic::CatchPanicLayer;

    use super::*;

    #[tokio::test]
    async fn a_problem_says_code_and_time() {
        let refusal = Refusal::from(ErrorCode::RateLimited).retry_after_ms(1_200);
        let response = Problem::from(refusal).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
        let bytes = axum::body::to_bytes(response.into_body(), 10_000)
            .await
            .unwrap();
        let body: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(body["code"], "rate_limited");
        assert_eq!(body["status"], 429);
        assert_eq!(body["retry_after_ms"], 1_200);
        assert_eq!(body["type"], "urn:salon:problem:rate_limited");
    }

    #[tokio::test]
    async fn a_handler_that_panics_answers_all_the_same() {
        async fn handler() -> &'static str {
            panic!("secret")
        }
        let router = Router::new()
            .route("/", get(handler))
            .layer(CatchPanicLayer::custom(panicked));
        for _ in 0..2 {
            let request = Request::new(axum::body::Body::empty());
            let response = router.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let bytes = axum::body::to_bytes(response.into_body(), 10_000)
                .await
                .unwrap();
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            assert!(
                text.contains("\"internal\"") && !text.contains("secret"),
                "{text}"
            );
        }
    }
}
