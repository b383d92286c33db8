//! `GET /ws`: the WebSocket upgrade, by hand over hyper, so that the raw TCP stream stays in reach of the outbox and
//! one copy of the codec is in the tree. Who connects is settled before the upgrade: afterwards there are only frames.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, RequestExt};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::client_address::RateKey;
use super::error::Problem;
use super::extract::{Credential, QueryOf, credential, identity_of};
use super::origin::origin_allowed;
use super::patient_stream::PatientStream;
use crate::app::App;
use crate::consumer::Consumers;
use crate::consumer::transport::Transport;
use crate::db::rows::Identity;
use crate::error::{ErrorCode, Refusal};
use crate::origin::{Origin, Way};
use crate::protocol::SUBPROTOCOL;

/// The query of `/ws`: a ticket, for pages that can send neither a cookie nor a header.
#[derive(Deserialize)]
pub struct TicketQuery {
    #[serde(default)]
    ticket: Option<String>,
}

/// Upgrades to a WebSocket and serves it.
///
/// # Errors
/// 400 or 426 for a handshake that is none, 401 without a credential, 403 for a foreign Origin, 429 for one socket
/// more than a user or an address may have open, 503 while stopping.
pub async fn upgrade(
    State(app): State<Arc<App>>,
    Extension(consumers): Extension<Arc<Consumers>>,
    QueryOf(query): QueryOf<TicketQuery>,
    mut request: Request,
) -> Result<Response<Body>, axum::response::Response> {
    let refused = |problem: Problem| problem.into_response();
    let accept = accept_key(request.headers())
        .map_err(|(status, sentence)| not_a_handshake(status, sentence))?;
    if app.shutdown.is_draining() {
        return Err(refused(
            Refusal::from(ErrorCode::ShuttingDown)
                .retry_after_ms(1_000)
                .into(),
        ));
    }
    let identity = identify(&app, request.headers(), query.ticket.as_deref())
        .await
        .map_err(refused)?;
    let Ok(RateKey(address)) = request.extract_parts_with_state(&app).await;
    let client = app.quotas.client(identity.user.id, address);
    let place = client
        .open()
        .await
        .map_err(|refusal| refused(refusal.into()))?;
    let wants_subprotocol =
        list(request.headers(), header::SEC_WEBSOCKET_PROTOCOL).any(|name| name == SUBPROTOCOL);
    let upgrading = hyper::upgrade::on(&mut request);
    let origin = Origin {
        way: Way::Socket,
        ..Origin::current()
    };
    // Boxed: the task would keep its place for as long as the socket lives.
    let who = Box::new((identity, client));
    // Counted among the tasks a stopping process waits for; the upgrade itself is not.
    app.shutdown.spawn("socket", async move {
        let Ok(upgraded) = upgrading.await else {
            return;
        };
        let Ok(parts) = upgraded.downcast::<TokioIo<PatientStream>>() else {
            tracing::error!("an upgraded connection is not the TCP stream that was accepted");
            return;
        };
        // Copied, so that hyper's buffer does not live as long as the socket.
        let read_ahead = parts.read_buf.to_vec();
        drop(parts.read_buf);
        let transport = Transport::Tcp(parts.io.into_inner().into_inner());
        let serve = || consumers.serve(*who, transport, read_ahead);
        let serving = origin.of_sync(serve);
        origin.of(serving).await;
        drop(place);
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if wants_subprotocol {
        headers.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(SUBPROTOCOL),
        );
    }
    Ok(response)
}

/// Who connects: by bearer token, by ticket, or by cookie from an allowed Origin.
async fn identify(
    app: &App,
    headers: &HeaderMap,
    ticket: Option<&str>,
) -> Result<Identity, Problem> {
    let identity = match (credential(headers, &app.config), ticket) {
        (Some((Credential::Bearer, token)), _) => {
            identity_of(app, Credential::Bearer, &token).await?
        }
        (_, Some(ticket)) => app.auth.redeem_ticket(ticket).await?,
        (Some((Credential::Cookie, token)), None) => {
            if !origin_allowed(headers, &app.config) {
                tracing::info!("a socket of another origin was refused");
                return Err(ErrorCode::OriginRefused.into());
            }
            identity_of(app, Credential::Cookie, &token).await?
        }
        (None, None) => None,
    };
    identity.ok_or_else(|| ErrorCode::Unauthenticated.into())
}

/// The `Sec-WebSocket-Accept` of a handshake, after RFC 6455 §4.2.1.
fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, (StatusCode, &'static str)> {
    let bad = |sentence| (StatusCode::BAD_REQUEST, sentence);
    if !list(headers, header::CONNECTION).any(|name| name.eq_ignore_ascii_case("upgrade"))
        || !list(headers, header::UPGRADE).any(|name| name.eq_ignore_ascii_case("websocket"))
    {
        return Err((
            StatusCode::UPGRADE_REQUIRED,
            "This address speaks WebSocket only.",
        ));
    }
    if headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != "13")
    {
        return Err((StatusCode::UPGRADE_REQUIRED, "The WebSocket version is 13."));
    }
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let key = keys
        .next()
        .ok_or_else(|| bad("`Sec-WebSocket-Key` is missing."))?;
    if keys.next().is_some() || !is_key(key.as_bytes()) {
        return Err(bad("`Sec-WebSocket-Key` is not 16 bytes in base64."));
    }
    HeaderValue::from_str(&derive_accept_key(key.as_bytes()))
        .map_err(|_unlikely| bad("`Sec-WebSocket-Key` is bad."))
}

/// Base64 of 16 bytes: 22 characters and two of padding.
fn is_key(key: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key.ends_with(b"==") && key.iter().take(22).all(is_base64)
}

/// The items of a comma-separated header, all its lines.
fn list(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',').map(str::trim))
}

fn not_a_handshake(status: StatusCode, sentence: &'static str) -> axum::response::Response {
    let problem = Problem::from(Refusal::with_message(ErrorCode::BadRequest, sentence));
    let mut response = problem.with_status(status);
    if status == StatusCode::UPGRADE_REQUIRED {
        response
            .headers_mut()
            .insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        response.headers_mut().insert(
            header::SEC_WEBSOCKET_VERSION,
            HeaderValue::from_static("13"),
        );
    }
    response
}
