//! `/api/admin/users` and `/api/admin/rooms`: what administrators of the server see and do. Every handler takes an
//! [`Administrator`]; what changes something is judged again in its transaction. No message passes here.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::nudge;
use super::error::Problem;
use super::extract::{JsonBody, QueryOf, RoomPath, SignedInCaller, UserPath};
use super::rooms::Changed;
use crate::app::App;
use crate::db::StoreError;
use crate::db::administration::{AccountAct, RoomOverview, UserAccount};
use crate::db::changes::Administered;
use crate::db::rows::{Identity, UserRow, Visibility};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{RoomId, UserId};
use crate::limits;
use crate::origin::Origin;

/// Who asks, signed in and an administrator of the server; anybody else is `forbidden`.
#[derive(Clone, Debug)]
pub struct Administrator(pub Identity);

impl FromRequestParts<Arc<App>> for Administrator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let SignedInCaller(identity) = SignedInCaller::from_request_parts(parts, app).await?;
        let asked = app.store.is_admin(identity.user.id).await;
        if asked.map_err(StoreError::into_refusal)? {
            Ok(Self(identity))
        } else {
            Err(Refusal::not_an_administrator().into())
        }
    }
}

/// Which users.
#[derive(Deserialize, IntoParams)]
pub struct UsersQuery {
    /// What the name begins with, whatever its case; left out: all.
    #[serde(default)]
    text: String,
    /// The last user of the page before.
    after: Option<UserId>,
    /// 1 to 100; left out: 100.
    limit: Option<i64>,
}

/// Which rooms.
#[derive(Deserialize, IntoParams)]
pub struct RoomsQuery {
    /// What the address begins with; left out: all.
    #[serde(default)]
    text: String,
    /// The last room of the page before, by its address.
    after: Option<String>,
    /// 1 to 100; left out: 100.
    limit: Option<i64>,
}

/// A user, as administrators see it.
#[derive(Serialize, ToSchema)]
pub struct Account {
    /// Who.
    user: UserRow,
    /// Whether it administers the server.
    admin: bool,
    /// Since when.
    created_at: DateTime<Utc>,
    /// Since when it may not sign in any more; null while it may.
    disabled_at: Option<DateTime<Utc>>,
    /// Sessions that live.
    sessions: i64,
}

/// Users, by id.
#[derive(Serialize, ToSchema)]
pub struct AccountList {
    /// At most `limit`.
    users: Vec<Account>,
    /// Whether there are more.
    more: bool,
}

/// A room, as administrators see it: nothing of what is said in it.
#[derive(Serialize, ToSchema)]
pub struct AnyRoom {
    /// Its id.
    id: RoomId,
    /// Its address.
    slug: String,
    /// Its name.
    name: String,
    /// Who may find and enter it.
    visibility: Visibility,
    /// Whether it takes nothing new.
    archived: bool,
    /// Since when.
    created_at: DateTime<Utc>,
    /// How many are in it.
    members: i64,
    /// How many messages were ever written in it.
    messages: i64,
    /// At most 20.
    owners: Vec<UserRow>,
}

/// Rooms, by address; no direct ones.
#[derive(Serialize, ToSchema)]
pub struct AnyRoomList {
    /// At most `limit`.
    rooms: Vec<AnyRoom>,
    /// Whether there are more.
    more: bool,
}

/// Whether somebody administers the server.
#[derive(Deserialize, ToSchema)]
pub struct AdminWanted {
    /// From now on.
    admin: bool,
}

/// Whether somebody is kept out.
#[derive(Deserialize, ToSchema)]
pub struct DisabledWanted {
    /// From now on.
    disabled: bool,
}

/// What becomes of a room.
#[derive(Deserialize, ToSchema)]
pub struct ArchiveWanted {
    /// Whether it takes nothing new from now on.
    archived: bool,
}

/// Who gets a room.
#[derive(Deserialize, ToSchema)]
pub struct OwnerWanted {
    /// A user; it becomes a member where it is none.
    user: UserId,
}

impl From<UserAccount> for Account {
    fn from(row: UserAccount) -> Self {
        Self {
            user: row.user,
            admin: row.admin,
            created_at: row.created_at,
            disabled_at: row.disabled_at,
            sessions: row.sessions,
        }
    }
}

impl From<RoomOverview> for AnyRoom {
    fn from(row: RoomOverview) -> Self {
        Self {
            id: row.room.id,
            slug: row.room.slug.to_string(),
            name: row.name,
            visibility: row.visibility,
            archived: row.archived,
            created_at: row.created_at,
            members: row.members,
            messages: row.messages,
            owners: row.owners,
        }
    }
}

/// How many of a page, and whether the text to search by may be one.
fn page(limit: Option<i64>, text: &str) -> Result<i64, Refusal> {
    let bad = |sentence| Err(Refusal::with_message(ErrorCode::BadRequest, sentence));
    let limit = limit.unwrap_or(limits::ADMIN_PAGE);
    if !(1..=limits::ADMIN_PAGE).contains(&limit) {
        return bad("`limit` is 1 to 100.");
    }
    if text.chars().count() > limits::ADMIN_SEARCH_CHARS || text.contains('\0') {
        return bad("`text` has at most 64 characters and no NUL.");
    }
    Ok(limit)
}

/// A page of what was asked for with one more than it takes.
fn cut<Row, Shown: From<Row>>(mut rows: Vec<Row>, limit: i64) -> (Vec<Shown>, bool) {
    let limit = usize::try_from(limit).unwrap_or(0);
    let more = rows.len() > limit;
    rows.truncate(limit);
    (rows.into_iter().map(Shown::from).collect(), more)
}

/// All users: people, guests, bots, and those who are disabled.
#[utoipa::path(get, path = "/api/admin/users", tag = "administration", params(UsersQuery),
    responses((status = 200, description = "A page", body = AccountList), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_users(
    State(app): State<Arc<App>>,
    _who: Administrator,
    QueryOf(query): QueryOf<UsersQuery>,
) -> Result<Json<AccountList>, Problem> {
    let limit = page(query.limit, &query.text)?;
    let asked = app
        .store
        .user_accounts(&query.text, query.after, limit + 1)
        .await;
    let (users, more) = cut(asked.map_err(StoreError::into_refusal)?, limit);
    Ok(Json(AccountList { users, more }))
}

/// Makes somebody an administrator, or one no more; the last one stays one.
#[utoipa::path(put, path = "/api/admin/users/{user}/admin", tag = "administration", request_body = AdminWanted, params(("user" = UserId, Path)),
    responses((status = 200, description = "So it is", body = Account), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn set_admin(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    UserPath(user): UserPath,
    JsonBody(wanted): JsonBody<AdminWanted>,
) -> Result<Json<Account>, Problem> {
    let set = app
        .store
        .set_admin(Some(who.user.id), user, wanted.admin)
        .await;
    set.map_err(StoreError::into_refusal)?;
    nudge(&app);
    let account = app.store.user_account(user).await;
    Ok(Json(account.map_err(StoreError::into_refusal)?.into()))
}

/// Keeps somebody out, or lets one in again: sessions end, tokens and bots stop working.
#[utoipa::path(put, path = "/api/admin/users/{user}/disabled", tag = "administration", request_body = DisabledWanted, params(("user" = UserId, Path)),
    responses((status = 200, description = "So it is", body = Account), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn disable_user(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    UserPath(user): UserPath,
    JsonBody(wanted): JsonBody<DisabledWanted>,
) -> Result<Json<Account>, Problem> {
    let act = match wanted.disabled {
        true => AccountAct::Disable,
        false => AccountAct::Enable,
    };
    administer(&app, &who, user, act).await?;
    let account = app.store.user_account(user).await;
    Ok(Json(account.map_err(StoreError::into_refusal)?.into()))
}

/// Ends all sessions of somebody, with their sockets.
#[utoipa::path(delete, path = "/api/admin/users/{user}/sessions", tag = "administration", params(("user" = UserId, Path)),
    responses((status = 200, description = "Ended", body = Account), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn end_sessions(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    UserPath(user): UserPath,
) -> Result<Json<Account>, Problem> {
    administer(&app, &who, user, AccountAct::EndSessions).await?;
    let account = app.store.user_account(user).await;
    Ok(Json(account.map_err(StoreError::into_refusal)?.into()))
}

/// Does it, as long as the administrator is one.
async fn administer(
    app: &App,
    who: &Identity,
    user: UserId,
    act: AccountAct,
) -> Result<(), Problem> {
    let actor = who.user.id;
    let done = app.store.administer_account(actor, user, act);
    let done = Origin::acting(actor).of(done).await;
    done.map_err(StoreError::into_refusal)?;
    nudge(app);
    Ok(())
}

/// All rooms, private ones too: their names, sizes and owners. Who talks with whom in direct rooms is nobody else's.
#[utoipa::path(get, path = "/api/admin/rooms", tag = "administration", params(RoomsQuery),
    responses((status = 200, description = "A page", body = AnyRoomList), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_rooms(
    State(app): State<Arc<App>>,
    _who: Administrator,
    QueryOf(query): QueryOf<RoomsQuery>,
) -> Result<Json<AnyRoomList>, Problem> {
    let limit = page(query.limit, &query.text)?;
    page(None, query.after.as_deref().unwrap_or_default())?;
    let asked = app
        .store
        .all_rooms(&query.text, query.after.as_deref(), limit + 1)
        .await;
    let (rooms, more) = cut(asked.map_err(StoreError::into_refusal)?, limit);
    Ok(Json(AnyRoomList { rooms, more }))
}

/// Closes a room to anything new, or opens it again.
#[utoipa::path(patch, path = "/api/admin/rooms/{slug}", tag = "administration", request_body = ArchiveWanted, params(("slug" = String, Path)),
    responses((status = 200, description = "So it is", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn archive_room(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    RoomPath(slug): RoomPath,
    JsonBody(ArchiveWanted { archived }): JsonBody<ArchiveWanted>,
) -> Result<Json<Changed>, Problem> {
    let act = Administered::Archive { archived };
    let version = app.chat.administer(&who, &slug, act).await?;
    Ok(Json(Changed { version }))
}

/// Deletes a room.
#[utoipa::path(delete, path = "/api/admin/rooms/{slug}", tag = "administration", params(("slug" = String, Path)),
    responses((status = 200, description = "Gone", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn delete_room(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    RoomPath(slug): RoomPath,
) -> Result<Json<Changed>, Problem> {
    let version = app
        .chat
        .administer(&who, &slug, Administered::Delete)
        .await?;
    Ok(Json(Changed { version }))
}

/// Gives a room whose owners are gone to somebody.
#[utoipa::path(put, path = "/api/admin/rooms/{slug}/owner", tag = "administration", request_body = OwnerWanted, params(("slug" = String, Path)),
    responses((status = 200, description = "Given", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn take_over_room(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    RoomPath(slug): RoomPath,
    JsonBody(OwnerWanted { user }): JsonBody<OwnerWanted>,
) -> Result<Json<Changed>, Problem> {
    let act = Administered::TakeOver { user };
    let version = app.chat.administer(&who, &slug, act).await?;
    Ok(Json(Changed { version }))
}
