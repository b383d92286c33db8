//! One's own account: `/api/sessions` (what one is signed in with, and ending it), `/api/me/password`, `/api/me/account` (a guest
//! becomes one), `DELETE /api/me`. All of it is for people who are signed in; a token can do nothing here.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::{
    self, Gone, SignInAllowed, SignInAnswer, TryAllowed, gone, nudge, origin_of, welcome,
};
use super::error::Problem;
use super::extract::{JsonBody, QueryOf, SessionPath, SignedInCaller};
use crate::app::App;
use crate::error::ErrorCode;
use crate::ids::SessionId;
use crate::limits;

/// A session of one's own.
#[derive(Serialize, ToSchema)]
pub struct OwnSession {
    /// To end it with; no secret.
    id: SessionId,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it ends, unless it is used before.
    expires_at: DateTime<Utc>,
    /// When it was last used, some minutes earlier than the truth at most.
    last_seen_at: DateTime<Utc>,
    /// The address it was made from.
    address: Option<String>,
    /// What the program that made it called itself.
    user_agent: Option<String>,
    /// Whether it is the one that asks.
    current: bool,
}

/// One's sessions.
#[derive(Serialize, ToSchema)]
pub struct SessionList {
    /// The latest made first.
    sessions: Vec<OwnSession>,
}

/// Which sessions to end.
#[derive(Deserialize, IntoParams)]
pub struct WhichSessions {
    /// The one that asks too.
    #[serde(default)]
    all: bool,
}

/// How many ended.
#[derive(Serialize, ToSchema)]
pub struct EndedSessions {
    /// Sessions that lived until now.
    ended: u64,
}

/// Another password.
#[derive(Deserialize, ToSchema)]
pub struct PasswordChange {
    /// The present one.
    password: String,
    /// The one from now on, 8 characters to 1024 bytes.
    new_password: String,
}

/// What a guest needs to be an account.
#[derive(Deserialize, ToSchema)]
pub struct GuestUpgrade {
    /// 1 to 64 characters that no other account has; left out, the guest's own.
    #[serde(default)]
    name: Option<String>,
    /// 8 characters to 1024 bytes.
    password: String,
}

/// That it is oneself who wants it.
#[derive(Deserialize, ToSchema)]
pub struct Confirmation {
    /// The password; left out by a guest, who has none.
    #[serde(default)]
    password: Option<String>,
}

/// One's own sessions.
#[utoipa::path(get, path = "/api/sessions", tag = "accounts",
    responses((status = 200, description = "Sessions", body = SessionList), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_sessions(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
) -> Result<Json<SessionList>, Problem> {
    let rows = app.auth.sessions(&who).await?;
    let sessions = rows.into_iter().map(|row| OwnSession {
        current: row.id == who.session,
        id: row.id,
        created_at: row.created_at,
        expires_at: row.expires_at,
        last_seen_at: row.last_seen_at,
        address: row.address,
        user_agent: row.user_agent,
    });
    Ok(Json(SessionList {
        sessions: sessions.collect(),
    }))
}

/// Ends all other sessions, or with `all` every one: signs out everywhere. What is connected with them is closed.
#[utoipa::path(delete, path = "/api/sessions", tag = "accounts", params(WhichSessions),
    responses((status = 200, description = "Ended", body = EndedSessions), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn end_sessions(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    QueryOf(which): QueryOf<WhichSessions>,
) -> Result<Response, Problem> {
    if !which.all {
        let ended = app.auth.end_other_sessions(&who).await?;
        nudge(&app);
        return Ok(Json(EndedSessions { ended }).into_response());
    }
    let ended = app.auth.end_all_sessions(&who).await?;
    nudge(&app);
    let (_, cookie) = gone(&app);
    Ok((cookie, Json(EndedSessions { ended })).into_response())
}

/// Ends one session of one's own. What is connected with it is closed.
#[utoipa::path(delete, path = "/api/sessions/{id}", tag = "accounts", params(("id" = SessionId, Path)),
    responses((status = 204, description = "Ended"), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn end_session(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    SessionPath(session): SessionPath,
) -> Result<StatusCode, Problem> {
    app.auth.end_session(&who, session).await?;
    nudge(&app);
    Ok(StatusCode::NO_CONTENT)
}

/// Changes the password, and ends all other sessions.
#[utoipa::path(put, path = "/api/me/password", tag = "accounts", request_body = PasswordChange,
    responses((status = 200, description = "Changed", body = EndedSessions), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn change_password(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    _allowed: TryAllowed,
    JsonBody(wanted): JsonBody<PasswordChange>,
) -> Result<Json<EndedSessions>, Problem> {
    let changed = app
        .auth
        .change_password(&who, &wanted.password, &wanted.new_password);
    let ended = changed.await?;
    nudge(&app);
    Ok(Json(EndedSessions { ended }))
}

/// Makes the guest who asks an account: the same user with all it has, who can sign in from now on. What it was signed in with ends,
/// and what is connected with that is closed: the answer holds what is good in its place.
#[utoipa::path(post, path = "/api/me/account", tag = "accounts", request_body = GuestUpgrade,
    responses((status = 201, description = "An account, signed in", body = auth::Welcome), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn upgrade_guest(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    SignInAllowed(client): SignInAllowed,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<GuestUpgrade>,
) -> Result<SignInAnswer, Problem> {
    if !app.config.signup.is_on() {
        return Err(ErrorCode::SignupOff.into());
    }
    let name = wanted.name.as_deref();
    let upgraded =
        app.auth
            .upgrade_guest(&who, name, &wanted.password, origin_of(client, &headers));
    let signed_in = upgraded.await?;
    nudge(&app);
    Ok(welcome(&app, &headers, signed_in))
}

/// Deletes the account: sessions, tokens, bots and webhooks end, one leaves every room; messages stay, by nobody in particular.
#[utoipa::path(delete, path = "/api/me", tag = "accounts", request_body = Option<Confirmation>,
    responses((status = 204, description = "Deleted"), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn delete_account(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    _allowed: TryAllowed,
    confirmation: Option<JsonBody<Confirmation>>,
) -> Result<Gone, Problem> {
    let password = confirmation.and_then(|JsonBody(confirmation)| confirmation.password);
    app.auth.delete_account(&who, password.as_deref()).await?;
    nudge(&app);
    // It is deleted, whatever becomes of this.
    let leaving = app.chat.end_departures(Some(who.user.id));
    if tokio::time::timeout(limits::DEPARTURES_WAIT, leaving)
        .await
        .is_err()
    {
        tracing::info!(user = %who.user.id, "a deleted account leaves its rooms later");
    }
    Ok(gone(&app))
}
