//! What happens to every request around its handler: an id and a log span without secrets, the Origin check, a
//! deadline, and the headers that keep browsers safe. Applied by `routes.rs` and nowhere else.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;
use uuid::Uuid;

use super::client_address::{client_address, is_plain};
use super::error::{Problem, Refused};
use super::origin::change_allowed;
use crate::app::App;
use crate::auth::token::Purpose;
use crate::error::{ErrorCode, Refusal};
use crate::limits;
use crate::metrics;
use crate::origin::{Origin, Parties, Way};

/// What the page may do: its own scripts, styles and connections, no inline code, no frames, no markup from strings
/// but through its one named policy.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types salon";

/// On every answer.
const SAFETY_HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// Addresses of webhooks: what follows is a secret.
const HOOKS: &str = "/api/hooks/";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Whether a method is one that routes have, or that browsers ask with.
fn routes_know(method: &str) -> bool {
    const METHODS: [&str; 7] = ["get", "head", "options", "post", "put", "patch", "delete"];
    METHODS.contains(&method)
}

/// Gives the request an id (in the log and in `X-Request-Id` of the answer), a span and its metrics. The log holds
/// method, path and client: no query, no header, no body, and of an address that holds a secret what comes before it.
pub async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let id = Uuid::now_v7();
    let client = client_address(
        request.extensions(),
        request.headers(),
        &app.config.trusted_proxies,
    );
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "other".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!("request", %id, method = %request.method(), path = ?loggable(request.uri().path()), %client);
    let began = Instant::now();
    // A method may be any word of the client's.
    let method = request.method().as_str().to_lowercase();
    let method = match routes_know(&method) {
        true => method,
        false => "other".to_owned(),
    };
    let what = format!("{method} {route}");
    let slug = slug_of(&route, request.uri().path());
    let origin = Origin {
        way: Way::Http,
        address: Some(client),
        acting: None,
    };
    let answered = Parties::told_by(origin.of(next.run(request)));
    let (mut response, parties) = answered.instrument(span.clone()).await;
    if let Some(Refused(code)) = response.extensions().get() {
        let note = || {
            app.chat
                .ledger
                .refused(*code, parties, slug.as_deref(), &what)
        };
        span.in_scope(|| origin.of_sync(note));
    }
    let (status, elapsed) = (response.status(), began.elapsed());
    metrics::http_request(&route, status.as_u16(), elapsed);
    let elapsed_ms = elapsed.as_millis();
    span.in_scope(|| {
        if status.is_server_error() {
            tracing::warn!(status = status.as_u16(), elapsed_ms, "answered");
        } else {
            tracing::debug!(status = status.as_u16(), elapsed_ms, "answered");
        }
    });
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The room that a path of this route names.
fn slug_of(route: &str, path: &str) -> Option<String> {
    let place = route.split('/').position(|part| part == "{slug}")?;
    path.split('/').nth(place).map(str::to_owned)
}

/// Adds the headers that keep browsers safe.
pub async fn safety_headers(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in SAFETY_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !app.config.plain_http() {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    if is_api {
        insert_if_absent(headers, header::CACHE_CONTROL, "no-store");
    }
    response
}

/// Refuses a changing request that a page of another site may have sent (`origin_refused`).
pub async fn guard_origin(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    // Who posts through a webhook is told by the address alone: a page of another site that knows it may as well.
    let is_hook = request.uri().path().starts_with(HOOKS);
    if changes(request.method()) && !is_hook && !change_allowed(request.headers(), &app.config) {
        tracing::info!("a changing request of another origin was refused");
        return Problem::from(ErrorCode::OriginRefused).into_response();
    }
    next.run(request).await
}

/// Refuses what crossed a public network in the clear, where every public origin is https (`https_required`). The health
/// words are for whoever asks from inside.
pub async fn guard_transport(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    let is_probe = matches!(request.uri().path(), "/livez" | "/readyz");
    let (extensions, headers) = (request.extensions(), request.headers());
    if !app.config.plain_http()
        && !is_probe
        && is_plain(extensions, headers, &app.config.trusted_proxies)
    {
        tracing::info!("a request that came over plain HTTP was refused");
        return Problem::from(ErrorCode::HttpsRequired).into_response();
    }
    next.run(request).await
}

/// Ends a request that takes longer than `limits::REQUEST_TIMEOUT`. Not for streams.
pub async fn deadline(request: Request, next: Next) -> Response {
    let code = if changes(request.method()) {
        ErrorCode::OutcomeUnknown
    } else {
        ErrorCode::Unavailable
    };
    match tokio::time::timeout(limits::REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!("a request took too long");
            Problem::from(Refusal::from(code).retry_after_ms(limits::RETRY_HINT_MS)).into_response()
        }
    }
}

/// What the log may hold of a path: a webhook's address is its secret, at the right address or at a mistyped one.
fn loggable(path: &str) -> Cow<'_, str> {
    let prefix = Purpose::Api.prefix();
    let end = match path.starts_with(HOOKS) {
        true => Some(HOOKS.len()),
        false => path.find(prefix),
    };
    match end.and_then(|end| path.get(..end)) {
        Some(public) => Cow::Owned(format!("{public}…")),
        None => Cow::Borrowed(path),
    }
}

const fn changes(method: &Method) -> bool {
    !matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    )
}

fn insert_if_absent(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers
        .entry(name)
        .or_insert(HeaderValue::from_static(value));
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    #[test]
    fn no_secret_of_an_address_is_logged() {
        assert_eq!(loggable("/api/rooms/lobby"), "/api/rooms/lobby");
        for path in [
            "/api/hooks/salon_hook_ab12",
            "/api/hooks/salon_hook_ab12/extra",
            "/api/hooks/ab12",
            "/API/hooks/salon_hook_ab12",
            "/api/rooms/salon_ab12",
        ] {
            assert!(!loggable(path).contains("ab12"), "{path}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_ended_and_a_change_may_have_happened() {
        async fn never() {
            std::future::pending::<()>().await;
        }
        let router = Router::new()
            .route("/", get(never).post(never))
            .layer(axum::middleware::from_fn(deadline));
        for (method, code) in [
            (Method::GET, "unavailable"),
            (Method::POST, "outcome_unknown"),
        ] {
            let mut request = Request::new(Body::empty());
            *request.method_mut() = method;
            let response = router.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), 503);
            let bytes = axum::body::to_bytes(response.into_body(), 10_000)
                .await
                .unwrap();
            assert!(String::from_utf8_lossy(&bytes).contains(code));
        }
    }
}
