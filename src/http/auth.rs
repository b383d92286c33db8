//! `/api/users`, `/api/guests`, `/api/sessions`, `/api/me`, `/api/tickets`, `/api/config`: coming, being somebody, going.
//! The token goes out twice, in the body for programs and in a cookie no script can read for browsers.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::AppendHeaders;
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::assets::PAGE_VERSION;
use super::client_address::{RateKey, client_address};
use super::error::Problem;
use super::extract::{Caller, Credential, JsonBody, SignedInCaller, cookie_name, credential};
use crate::app::App;
use crate::auth::{Device, SignInFrom, SignedIn};
use crate::channel_layer::GroupName;
use crate::config::{Config, LlmKind};
use crate::db::changes::SessionOrigin;
use crate::db::rows::UserRow;
use crate::db::{ASSISTANT, StoreError};
use crate::error::ErrorCode;
use crate::ids::SessionId;
use crate::limits;
use crate::permissions::Scope;
use crate::protocol::PROTOCOL;
use crate::protocol::control::Control;
use crate::quotas::{Client, Operation};

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
    /// Whether the user administers the server; false for a token, which may not.
    admin: bool,
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
    /// The organisation's provider that people may sign in at; null for none.
    sign_in: Option<ProviderConfig>,
    /// Who answers.
    assistant: AssistantConfig,
    /// What amounts are in: `cost_micros` are millionths of it.
    currency: String,
    /// The longest message, in bytes of UTF-8.
    body_bytes: usize,
    /// Whose session the credential of this request is; null for a newcomer, who need not be refused to be told.
    user: Option<UserRow>,
    /// Which page this server has: a page that was loaded under another one is out of date.
    page: &'static str,
}

/// What is public of a sign-in provider.
#[derive(Serialize, ToSchema)]
pub struct ProviderConfig {
    /// What people call it: "Sign in with" and this.
    name: String,
    /// Where a browser goes to begin.
    url: String,
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

/// A sign-up or guest that this client's address and the fleet still have; `rate_limited` when they have none.
pub struct SignInAllowed(pub(super) IpAddr);

impl FromRequestParts<Arc<App>> for SignInAllowed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Ok(RateKey(address)) = RateKey::from_request_parts(parts, app).await;
        sign_in_of(&app.quotas.stranger(address), address).await?;
        let trusted = &app.config.trusted_proxies;
        let client = client_address(&parts.extensions, &parts.headers, trusted);
        Ok(Self(client))
    }
}

/// A try at a password that this client's address, which it holds, still has; who is known does not depend on what the fleet has
/// left.
pub struct TryAllowed {
    /// As it is counted.
    address: IpAddr,
    /// As it is.
    pub(super) client: IpAddr,
}

impl FromRequestParts<Arc<App>> for TryAllowed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Ok(RateKey(address)) = RateKey::from_request_parts(parts, app).await;
        sign_in_of(&app.quotas.address_alone(address), address).await?;
        let trusted = &app.config.trusted_proxies;
        let client = client_address(&parts.extensions, &parts.headers, trusted);
        Ok(Self { address, client })
    }
}

async fn sign_in_of(client: &Client, address: IpAddr) -> Result<(), Problem> {
    let taken = client.take(Operation::SignIn).await;
    taken.map_err(|refusal| {
        tracing::info!(client = %address, "too many sign-ins of one address");
        refusal.into()
    })
}

/// Done, and the cookie of it is nothing any more.
pub(super) type Gone = (StatusCode, [(HeaderName, String); 1]);
/// Somebody is signed in, in the body and by cookies.
pub(super) type SignInAnswer = (
    StatusCode,
    AppendHeaders<Vec<(HeaderName, String)>>,
    Json<Welcome>,
);

/// Makes an account and signs it in.
#[utoipa::path(post, path = "/api/users", tag = "accounts", request_body = NameAndPassword, security(()),
    responses((status = 201, description = "Made and signed in", body = Welcome), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn create_user(
    State(app): State<Arc<App>>,
    SignInAllowed(client): SignInAllowed,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<NameAndPassword>,
) -> Result<SignInAnswer, Problem> {
    if !app.config.signup.is_on() {
        return Err(ErrorCode::SignupOff.into());
    }
    let origin = origin_of(client, &headers);
    let signed_in = app
        .auth
        .sign_up(&wanted.name, &wanted.password, origin)
        .await?;
    end_replaced(&app, &headers).await;
    Ok(welcome(&app, &headers, signed_in))
}

/// Lets somebody in by name only.
#[utoipa::path(post, path = "/api/guests", tag = "accounts", request_body = NameOnly, security(()),
    responses((status = 201, description = "Signed in as a guest", body = Welcome), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn create_guest(
    State(app): State<Arc<App>>,
    SignInAllowed(client): SignInAllowed,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<NameOnly>,
) -> Result<SignInAnswer, Problem> {
    if !app.config.guests.is_on() {
        return Err(ErrorCode::GuestsOff.into());
    }
    let origin = origin_of(client, &headers);
    let signed_in = app.auth.guest(&wanted.name, origin).await?;
    end_replaced(&app, &headers).await;
    Ok(welcome(&app, &headers, signed_in))
}

/// Signs an account in.
#[utoipa::path(post, path = "/api/sessions", tag = "accounts", request_body = NameAndPassword, security(()),
    responses((status = 201, description = "Signed in", body = Welcome), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn create_session(
    State(app): State<Arc<App>>,
    TryAllowed { address, client }: TryAllowed,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<NameAndPassword>,
) -> Result<SignInAnswer, Problem> {
    let devices = devices(&headers, &app.config);
    let from = SignInFrom {
        attempts: &app.quotas.attempts,
        address,
        devices: &devices,
    };
    let origin = origin_of(client, &headers);
    let signed_in = app
        .auth
        .sign_in(&wanted.name, &wanted.password, Some(from), origin)
        .await?;
    end_replaced(&app, &headers).await;
    Ok(welcome(&app, &headers, signed_in))
}

/// Signs out: ends the session that asks, its sockets and its cookie.
#[utoipa::path(delete, path = "/api/sessions/current", tag = "accounts",
    responses((status = 204, description = "Signed out"), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn delete_session(
    State(app): State<Arc<App>>,
    SignedInCaller(identity): SignedInCaller,
) -> Result<Gone, Problem> {
    app.auth.sign_out(identity.session).await?;
    nudge(&app);
    // The session of a guest is all there is of the guest, so there is nothing else to end.
    Ok(gone(&app))
}

/// Every instance looks at once whether what its sockets are open by still lives, and without the nudge within a second (P7).
pub(super) fn nudge(app: &App) {
    app.layer
        .group_send(&GroupName::control(), Control::Sessions.to_bytes());
}

/// The answer to who has no session any more: its cookie goes.
pub(super) fn gone(app: &App) -> Gone {
    let gone = cookie(&app.config, String::new(), 0);
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)])
}

/// Who asks.
#[utoipa::path(get, path = "/api/me", tag = "accounts",
    responses((status = 200, description = "You", body = Me), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn me(
    State(app): State<Arc<App>>,
    Caller(identity): Caller,
) -> Result<Json<Me>, Problem> {
    let admin = identity.scope.is_none()
        && app
            .store
            .is_admin(identity.user.id)
            .await
            .map_err(StoreError::into_refusal)?;
    Ok(Json(Me {
        admin,
        user: identity.user,
        session: identity.session,
        expires_at: identity.expires_at,
        scope: identity.scope,
    }))
}

/// A single-use ticket to open a socket with, for pages that can send neither cookie nor header. Closed to programs' tokens by its
/// address; an application's claim may have one, whose socket ends with the claim.
#[utoipa::path(post, path = "/api/tickets", tag = "accounts",
    responses((status = 201, description = "A ticket", body = Ticket), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn create_ticket(
    State(app): State<Arc<App>>,
    Caller(identity): Caller,
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
        sign_in: app.auth.oidc().map(|provider| ProviderConfig {
            name: provider.name().to_owned(),
            url: format!("{}/api/oidc/start", provider.origin()),
        }),
        assistant: AssistantConfig {
            name: ASSISTANT,
            model: app.providers.default_model().llm.model().to_owned(),
            scripted: app.config.llm_kind() == LlmKind::Scripted,
        },
        currency: app.config.spending.currency.clone(),
        body_bytes: limits::BODY_BYTES,
        user: caller.map(|Caller(identity)| identity.user),
        page: &PAGE_VERSION,
    })
}

/// Ends the session whose cookie the browser is about to replace: what a cookie stood for before a sign-in, whoever put it
/// there, is worth nothing after it. A program keeps the tokens it has.
pub(super) async fn end_replaced(app: &App, headers: &HeaderMap) {
    let Some((Credential::Cookie, token)) = credential(headers, &app.config) else {
        return;
    };
    // The new session is made: when the old one cannot be ended now it runs out by itself.
    if let Ok(Some(old)) = app.auth.authenticate(&token).await
        && old.scope.is_none()
        && app.auth.sign_out(old.session).await.is_ok()
    {
        nudge(app);
    }
}

/// Where a session comes from, as its owner is shown it later.
pub(super) fn origin_of(client: IpAddr, headers: &HeaderMap) -> SessionOrigin {
    let said = headers.get(header::USER_AGENT);
    let said = said.and_then(|value| value.to_str().ok());
    let shown = |text: &str| {
        let seen = text.chars().filter(|c| !c.is_control());
        seen.take(limits::USER_AGENT_CHARS).collect()
    };
    SessionOrigin {
        address: (!client.is_unspecified()).then(|| client.to_string()),
        user_agent: said.map(shown),
    }
}

pub(super) fn welcome(app: &App, headers: &HeaderMap, signed_in: SignedIn) -> SignInAnswer {
    let config = &app.config;
    let mut cookies = vec![(header::SET_COOKIE, session_cookie(app, &signed_in))];
    let SignedIn {
        token,
        identity,
        device,
    } = signed_in;
    if let Some(device) = device {
        let kept = devices(headers, config);
        let all: Vec<&str> = [&device]
            .into_iter()
            .chain(&kept)
            .take(limits::DEVICES_PER_COOKIE)
            .map(Device::reveal)
            .collect();
        let name = device_cookie_name(config).to_owned();
        let set = set_cookie(config, name, all.join("~"), limits::DEVICE_S);
        cookies.push((header::SET_COOKIE, set));
    }
    let answer = Welcome {
        token: token.reveal().to_owned(),
        user: identity.user,
    };
    (StatusCode::CREATED, AppendHeaders(cookies), Json(answer))
}

/// A `Set-Cookie` of a new session.
pub(super) fn session_cookie(app: &App, signed_in: &SignedIn) -> String {
    let lifetime_s = app.auth.lifetimes().max_of(signed_in.identity.user.kind);
    cookie(&app.config, signed_in.token.reveal().to_owned(), lifetime_s)
}

/// The name of the cookie that tells a device from a stranger's; it stays when one signs out.
fn device_cookie_name(config: &Config) -> &'static str {
    if config.plain_http() {
        "salon-device"
    } else {
        "__Host-salon-device"
    }
}

/// The devices that a browser says it is.
fn devices(headers: &HeaderMap, config: &Config) -> Vec<Device> {
    let jar = CookieJar::from_headers(headers);
    let Some(cookie) = jar.get(device_cookie_name(config)) else {
        return Vec::new();
    };
    let all = cookie.value().split('~').take(limits::DEVICES_PER_COOKIE);
    all.filter_map(Device::parse).collect()
}

/// A `Set-Cookie` of the session cookie that lives `lifetime_s` seconds; 0 removes it.
fn cookie(config: &Config, value: String, lifetime_s: i64) -> String {
    set_cookie(config, cookie_name(config).to_owned(), value, lifetime_s)
}

/// A `Set-Cookie` of a cookie that no script can read and no other site's requests but going here carry.
pub(super) fn set_cookie(config: &Config, name: String, value: String, lifetime_s: i64) -> String {
    let mut cookie = Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(!config.plain_http())
        .build()
        .to_string();
    cookie.push_str(&format!("; Max-Age={lifetime_s}"));
    cookie
}
