//! `/api/rooms/{slug}/invites` and `/api/invites`: links that let their holders into a room. The token is shown once, and
//! comes back in bodies only: what is in a path or a query is logged along the way.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::client_address::RateKey;
use super::error::Problem;
use super::extract::{Caller, InvitePath, JsonBody, Payer, RoomPath};
use super::rooms::{Changed, room_json};
use crate::app::App;
use crate::auth::token::Token;
use crate::db::invites::{InviteRow, NewInvite};
use crate::db::rows::UserRow;
use crate::error::{ErrorCode, Refusal};
use crate::ids::InviteId;
use crate::limits;
use crate::permissions::Role;
use crate::protocol::server::RoomBody;
use crate::quotas::Operation;

/// An invite to be made.
#[derive(Deserialize, ToSchema)]
pub struct InviteWanted {
    /// `member`, `reader`, or by an owner `moderator`; left out: `member`.
    role: Option<Role>,
    /// How long it works: 60 seconds to 30 days; left out: 7 days.
    expires_in_s: Option<i64>,
    /// For how many: 1 to 1,000; left out: 1.
    max_uses: Option<i32>,
}

/// A new invite.
#[derive(Serialize, ToSchema)]
pub struct InviteMade {
    /// Its id.
    id: InviteId,
    /// The secret; shown this once.
    token: String,
    /// The page's address for it, below the server's origin: a browser keeps what follows `#` to itself.
    link: String,
    /// What it makes of those who come.
    role: Role,
    /// When it ends at the latest.
    expires_at: DateTime<Utc>,
    /// For how many it is.
    max_uses: i32,
}

/// An invite of the list.
#[derive(Serialize, ToSchema)]
pub struct Invite {
    /// Its id.
    id: InviteId,
    /// What it makes of those who come.
    role: Role,
    /// Who made it.
    by: UserRow,
    /// When.
    created_at: DateTime<Utc>,
    /// When it ends at the latest.
    expires_at: DateTime<Utc>,
    /// For how many it was made.
    max_uses: i32,
    /// How many came by it.
    uses: i32,
    /// False while the one who made it may no longer invite.
    works: bool,
}

impl From<InviteRow> for Invite {
    fn from(row: InviteRow) -> Self {
        Self {
            id: row.id,
            role: row.role,
            by: row.by,
            created_at: row.created_at,
            expires_at: row.expires_at,
            max_uses: row.max_uses,
            uses: row.uses,
            works: row.works,
        }
    }
}

/// Invites, the latest first.
#[derive(Serialize, ToSchema)]
pub struct InviteList {
    /// All that have not ended, at most 50.
    invites: Vec<Invite>,
}

/// What an invite's link holds.
#[derive(Deserialize, ToSchema)]
pub struct InviteToken {
    /// The secret.
    token: String,
}

/// Where an invite leads.
#[derive(Serialize, ToSchema)]
pub struct InviteTold {
    /// The room's address.
    room: String,
    /// The room's name.
    name: String,
    /// Who invites.
    by: UserRow,
    /// What one becomes.
    role: Role,
    /// When it ends at the latest.
    expires_at: DateTime<Utc>,
}

/// Makes an invite.
#[utoipa::path(post, path = "/api/rooms/{slug}/invites", tag = "invites", request_body = InviteWanted, params(("slug" = String, Path)),
    responses((status = 201, description = "Made", body = InviteMade), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn create_invite(
    State(app): State<Arc<App>>,
    Payer(who, client): Payer,
    RoomPath(slug): RoomPath,
    JsonBody(wanted): JsonBody<InviteWanted>,
) -> Result<(StatusCode, Json<InviteMade>), Problem> {
    let role = wanted.role.unwrap_or(Role::Member);
    let lifetime_s = wanted.expires_in_s.unwrap_or(limits::INVITE_DEFAULT_S);
    let max_uses = wanted.max_uses.unwrap_or(1);
    check(role, lifetime_s, max_uses)?;
    client.take(Operation::Invite).await?;
    let token = Token::random();
    let invite = NewInvite {
        id: InviteId::new(),
        token_hash: token.sha256(),
        role,
        lifetime_s,
        max_uses,
    };
    let made = app.chat.make_invite(&who, &slug, invite).await?;
    let answer = InviteMade {
        id: made.id,
        link: format!("/#/invite/{}", token.reveal()),
        token: token.reveal().to_owned(),
        role,
        expires_at: made.expires_at,
        max_uses,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

fn check(role: Role, lifetime_s: i64, max_uses: i32) -> Result<(), Refusal> {
    let bad = |sentence: &'static str| Err(Refusal::with_message(ErrorCode::BadRequest, sentence));
    if role == Role::Owner {
        return bad("`role` is `member`, `reader` or `moderator`.");
    }
    if !(limits::INVITE_SHORTEST_S..=limits::INVITE_S).contains(&lifetime_s) {
        return bad("`expires_in_s` is from 60 seconds to 30 days.");
    }
    if !(1..=limits::INVITE_USES).contains(&max_uses) {
        return bad("`max_uses` is from 1 to 1000.");
    }
    Ok(())
}

/// A room's invites that have not ended.
#[utoipa::path(get, path = "/api/rooms/{slug}/invites", tag = "invites", params(("slug" = String, Path)),
    responses((status = 200, description = "Invites", body = InviteList), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_invites(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
) -> Result<Json<InviteList>, Problem> {
    let rows = app.chat.invites(&who, &slug).await?;
    let invites = rows.into_iter().map(Invite::from).collect();
    Ok(Json(InviteList { invites }))
}

/// Withdraws an invite.
#[utoipa::path(delete, path = "/api/rooms/{slug}/invites/{invite}", tag = "invites", params(("slug" = String, Path), ("invite" = InviteId, Path)),
    responses((status = 200, description = "It works no more", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn revoke_invite(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    InvitePath { slug, invite }: InvitePath,
) -> Result<Json<Changed>, Problem> {
    let version = app.chat.revoke_invite(&who, &slug, invite).await?;
    Ok(Json(Changed { version }))
}

/// Where an invite leads, for whoever holds it, signed in or not.
#[utoipa::path(post, path = "/api/invites/look", tag = "invites", request_body = InviteToken, security(()),
    responses((status = 200, description = "The invite works", body = InviteTold), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn look_up_invite(
    State(app): State<Arc<App>>,
    RateKey(address): RateKey,
    JsonBody(held): JsonBody<InviteToken>,
) -> Result<Json<InviteTold>, Problem> {
    let stranger = app.quotas.stranger(address);
    stranger.take(Operation::InviteLook).await?;
    let found = app.chat.look_up_invite(&held.sha256()?).await?;
    Ok(Json(InviteTold {
        room: found.slug,
        name: found.name,
        by: found.by,
        role: found.role,
        expires_at: found.expires_at,
    }))
}

/// Follows an invite: one is a member of its room from now on.
#[utoipa::path(post, path = "/api/invites/accept", tag = "invites", request_body = InviteToken,
    responses((status = 200, description = "The room", body = RoomBody<'_>), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn accept_invite(
    State(app): State<Arc<App>>,
    Payer(who, client): Payer,
    JsonBody(held): JsonBody<InviteToken>,
) -> Result<Response, Problem> {
    client.take_now(Operation::Join)?;
    let hash = held.sha256()?;
    Ok(room_json(&app.chat.accept_invite(&who, &hash).await?))
}

impl InviteToken {
    /// What the store knows it by; what has not the form of a token is none of ours.
    fn sha256(&self) -> Result<[u8; 32], Refusal> {
        match Token::parse(&self.token) {
            Some(token) => Ok(token.sha256()),
            None => Err(ErrorCode::InviteInvalid.into()),
        }
    }
}
