//! `/api/users`, `/api/guests`, `/api/sessions`, `/api/me`, `/api/tickets`, `/api/config`: coming, being somebody, going.
//! The token goes out twice, in the body for programs and in a cookie no script can read for browsers.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum_extra::extract::cookie::{Cookie, SameSite};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::client_address::{client_address, rate_key};
use super::error::{Problem, too_fast};
use super::extract::{Caller, Credential, JsonBody, SignedInCaller, cookie_name, credential};
use crate::app::App;
use crate::auth::SignedIn;
use crate::channel_layer::GroupName;
use crate::config::{Config, LlmKind};
use crate::db::ASSISTANT;
use crate::db::rows::{UserKind, UserRow};
use crate::error::ErrorCode;
use crate::ids::SessionId;
use crate::limits;
use crate::permissions::Scope;
use crate::protocol::PROTOCOL;
use crate::protocol::control::Control;

/// A name and its password.
#[derive(Deserialize, ToSchema)]
pub struct NameAndPassword {
    /// 1 to 64 characters; compared without case.
    name: String,
    /// 8 characters to 1024 bytes.
    password: String,
}

/// A name only.
#[derive(Deserialize, ToSchema)]
pub struct NameOnly {
    /// 1 to 64 characters; guests may share one.
    name: String,
}

/// What a sign-in gives.
#[derive(Serialize, ToSchema)]
pub struct Welcome {
    /// For `Authorization: Bearer`; shown this once.
    token: String,
    /// Who you are now.
    user: UserRow,
}

/// Who asks.
#[derive(Serialize, ToSchema)]
pub struct Me {
    /// The user.
    user: UserRow,
    /// The session or token that the credential is.
    session: SessionId,
    /// When that ends at the latest; null for a token without an end.
    expires_at: Option<DateTime<Utc>>,
    /// Of a token: what it may be used for; null for a session.
    scope: Option<Scope>,
}

/// A ticket.
#[derive(Serialize, ToSchema)]
pub struct Ticket {
    /// For `GET /ws?ticket=`, once.
    ticket: String,
    /// It lives so long.
    expires_in_s: i64,
}

/// What a page should know before anybody signs in.
#[derive(Serialize, ToSchema)]
pub struct PublicConfig {
    /// The version of the socket's protocol.
    protocol: u32,
    /// Whether people may come by name only.
    guests: bool,
    /// Whether people may make accounts.
    signup: bool,
    /// Who answers.
    assistant: AssistantConfig,
    /// The longest message, in bytes of UTF-8.
    body_bytes: usize,
    /// Whose session the credential of this request is; null for a newcomer, who need not be refused to be told.
    user: Option<UserRow>,
}

/// What is public of the assistant.
#[derive(Serialize, ToSchema)]
pub struct AssistantConfig {
    /// What to call it: `@` and this.
    name: &'static str,
    /// The model that answers, as its provider names it.
    model: String,
    /// Whether that is the built-in demo, which understands nothing.
    scripted: bool,
}

/// A try at signing in that this client's address still has; `rate_limited` when it has none.
pub struct SignInAllowed;

impl FromRequestParts<Arc<App>> for SignInAllowed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let trusted = &app.config.trusted_proxies;
        let client = client_address(&parts.extensions, &parts.headers, trusted);
        app.sign_ins
            .take(rate_key(client), Instant::now())
            .map(|()| Self)
            .map_err(|wait| {
                tracing::info!(%client, "too many sign-ins of one address");
                too_fast(wait)
            })
    }
}

type SignInAnswer = (StatusCode, [(HeaderName, String); 1], Json<Welcome>);

/// Makes an account and signs it in.
#[utoipa::path(post, path = "/api/users", tag = "accounts", request_body = NameAndPassword, security(()),
    responses((status = 201, description = "Made and signed in", body = Welcome), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn create_user(
    State(app): State<Arc<App>>,
    _allowed: SignInAllowed,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<NameAndPassword>,
) -> Result<SignInAnswer, Problem> {
    if !app.config.signup.is_on() {
        return Err(ErrorCode::SignupOff.into());
    }
    let signed_in = app.auth.sign_up(&wanted.name, &wanted.password).await?;
    end_replaced(&app, &headers).await;
    Ok(welcome(&app.config, signed_in))
}

/// Lets somebody in by name only.
#[utoipa::path(post, path = "/api/guests", tag = "accounts", request_body = NameOnly, security(()),
    responses((status = 201, description = "Signed in as a guest", body = Welcome), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn create_guest(
    State(app): State<Arc<App>>,
    _allowed: SignInAllowed,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<NameOnly>,
) -> Result<SignInAnswer, Problem> {
    if !app.config.guests.is_on() {
        return Err(ErrorCode::GuestsOff.into());
    }
    let signed_in = app.auth.guest(&wanted.name).await?;
    end_replaced(&app, &headers).await;
    Ok(welcome(&app.config, signed_in))
}

/// Signs an account in.
#[utoipa::path(post, path = "/api/sessions", tag = "accounts", request_body = NameAndPassword, security(()),
    responses((status = 201, description = "Signed in", body = Welcome), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn create_session(
    State(app): State<Arc<App>>,
    _allowed: SignInAllowed,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<NameAndPassword>,
) -> Result<SignInAnswer, Problem> {
    let signed_in = app.auth.sign_in(&wanted.name, &wanted.password).await?;
    end_replaced(&app, &headers).await;
    Ok(welcome(&app.config, signed_in))
}

/// Signs out: ends the session that asks, its sockets and its cookie.
#[utoipa::path(delete, path = "/api/sessions/current", tag = "accounts",
    responses((status = 204, description = "Signed out"), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn delete_session(
    State(app): State<Arc<App>>,
    SignedInCaller(identity): SignedInCaller,
) -> Result<(StatusCode, [(HeaderName, String); 1]), Problem> {
    app.auth.sign_out(identity.session).await?;
    // Every instance looks at once whether its sockets' sessions still live, and without the nudge soon after (P7).
    app.layer
        .group_send(&GroupName::control(), Control::Sessions.to_bytes());
    // The session of a guest is all there is of the guest, so there is nothing else to end.
    let gone = cookie(&app.config, String::new(), 0);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]))
}

/// Who asks.
#[utoipa::path(get, path = "/api/me", tag = "accounts",
    responses((status = 200, description = "You", body = Me), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn me(Caller(identity): Caller) -> Json<Me> {
    Json(Me {
        user: identity.user,
        session: identity.session,
        expires_at: identity.expires_at,
        scope: identity.scope,
    })
}

/// A single-use ticket to open a socket with, for pages that can send neither cookie nor header.
#[utoipa::path(post, path = "/api/tickets", tag = "accounts",
    responses((status = 201, description = "A ticket", body = Ticket), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn create_ticket(
    State(app): State<Arc<App>>,
    SignedInCaller(identity): SignedInCaller,
) -> Result<(StatusCode, Json<Ticket>), Problem> {
    let ticket = app.auth.create_ticket(identity.session).await?;
    let answer = Ticket {
        ticket: ticket.reveal().to_owned(),
        expires_in_s: limits::TICKET_S,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// What a page should know before anybody signs in, and whether somebody has.
#[utoipa::path(get, path = "/api/config", tag = "accounts", security(()),
    responses((status = 200, description = "The server's public settings", body = PublicConfig), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn config(State(app): State<Arc<App>>, caller: Option<Caller>) -> Json<PublicConfig> {
    Json(PublicConfig {
        protocol: PROTOCOL,
        guests: app.config.guests.is_on(),
        signup: app.config.signup.is_on(),
        assistant: AssistantConfig {
            name: ASSISTANT,
            model: app.providers.default_model().llm.model().to_owned(),
            scripted: app.config.llm_kind() == LlmKind::Scripted,
        },
        body_bytes: limits::BODY_BYTES,
        user: caller.map(|Caller(identity)| identity.user),
    })
}

/// Ends the session whose cookie the browser is about to replace: what a cookie stood for before a sign-in, whoever put it
/// there, is worth nothing after it. A program keeps the tokens it has.
async fn end_replaced(app: &App, headers: &HeaderMap) {
    let Some((Credential::Cookie, token)) = credential(headers, &app.config) else {
        return;
    };
    // The new session is made: when the old one cannot be ended now it runs out by itself.
    if let Ok(Some(old)) = app.auth.authenticate(&token).await
        && old.scope.is_none()
        && app.auth.sign_out(old.session).await.is_ok()
    {
        let nudge = Control::Sessions.to_bytes();
        app.layer.group_send(&GroupName::control(), nudge);
    }
}

fn welcome(config: &Config, signed_in: SignedIn) -> SignInAnswer {
    let SignedIn { token, identity } = signed_in;
    let lifetime_s = match identity.user.kind {
        UserKind::Guest => limits::GUEST_SESSION_S,
        UserKind::User | UserKind::Assistant | UserKind::Bot => limits::SESSION_S,
    };
    let set = cookie(config, token.reveal().to_owned(), lifetime_s);
    let answer = Welcome {
        token: token.reveal().to_owned(),
        user: identity.user,
    };
    (
        StatusCode::CREATED,
        [(header::SET_COOKIE, set)],
        Json(answer),
    )
}

/// A `Set-Cookie` of the session cookie that lives `lifetime_s` seconds; 0 removes it.
fn cookie(config: &Config, value: String, lifetime_s: i64) -> String {
    let mut cookie = Cookie::build((cookie_name(config), value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(!config.plain_http())
        .build()
        .to_string();
    cookie.push_str(&format!("; Max-Age={lifetime_s}"));
    cookie
}
