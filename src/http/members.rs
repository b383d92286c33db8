//! `/api/rooms/{slug}/members`: who is in a room, and as what.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::Problem;
use super::extract::{Caller, JsonBody, MemberPath, QueryOf, RoomPath};
use super::rooms::Changed;
use crate::app::App;
use crate::auth::names;
use crate::db::rows::UserRow;
use crate::error::{ErrorCode, Refusal};
use crate::ids::UserId;
use crate::limits;
use crate::permissions::Role;

/// Who is to be a member, and as what.
#[derive(Deserialize, ToSchema)]
pub struct MemberEdit {
    /// The user's name; compared without case. Guests have no name of their own: they are named by `user`.
    name: Option<String>,
    /// The user's id, in place of `name`.
    user: Option<UserId>,
    /// Left out: `member`.
    role: Option<Role>,
}

/// Where a page of members begins.
#[derive(Deserialize, IntoParams)]
pub struct MembersAfter {
    /// The last user of the page before.
    after: Option<UserId>,
}

/// One member.
#[derive(Serialize, ToSchema)]
pub struct Member {
    /// Who.
    user: UserRow,
    /// As what.
    role: Role,
    /// Whether somebody of it is in the room at present, as far as is known.
    online: bool,
}

/// Members, by name.
#[derive(Serialize, ToSchema)]
pub struct MemberList {
    /// At most 200.
    members: Vec<Member>,
    /// Whether there may be more: ask again with `after` the last one's id.
    more: bool,
}

/// The members of a room.
#[utoipa::path(get, path = "/api/rooms/{slug}/members", tag = "members", params(("slug" = String, Path), MembersAfter),
    responses((status = 200, description = "Members", body = MemberList), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_members(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
    QueryOf(page): QueryOf<MembersAfter>,
) -> Result<Json<MemberList>, Problem> {
    let rows = app.chat.members(&who, &slug, page.after).await?;
    let more = i64::try_from(rows.len()).is_ok_and(|count| count >= limits::MEMBERS_LISTED);
    let online = app.chat.online(&who, &slug, &rows).await?;
    let members = rows
        .into_iter()
        .map(|row| Member {
            online: online.contains(&row.user.id),
            user: row.user,
            role: row.role,
        })
        .collect();
    Ok(Json(MemberList { members, more }))
}

/// Adds a member, or gives one another role.
#[utoipa::path(post, path = "/api/rooms/{slug}/members", tag = "members", request_body = MemberEdit, params(("slug" = String, Path)),
    responses((status = 200, description = "Done", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn set_member(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
    JsonBody(edit): JsonBody<MemberEdit>,
) -> Result<Json<Changed>, Problem> {
    let role = edit.role.unwrap_or(Role::Member);
    let version = match (edit.name, edit.user) {
        (Some(name), None) => {
            // What cannot be a name is nobody's.
            let name = names::display_name(&name).map_err(|_rule| ErrorCode::UserNotFound)?;
            app.chat.set_member(&who, &slug, &name, role).await?
        }
        (None, Some(user)) => app.chat.set_role(&who, &slug, user, role).await?,
        _ => {
            let sentence = "Give one of `name` and `user`.";
            return Err(Refusal::with_message(ErrorCode::BadRequest, sentence).into());
        }
    };
    Ok(Json(Changed { version }))
}

/// Removes a member, or oneself.
#[utoipa::path(delete, path = "/api/rooms/{slug}/members/{user}", tag = "members", params(("slug" = String, Path), ("user" = UserId, Path)),
    responses((status = 200, description = "Removed", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn remove_member(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    MemberPath { slug, user }: MemberPath,
) -> Result<Json<Changed>, Problem> {
    let version = app.chat.remove_member(&who, &slug, user).await?;
    Ok(Json(Changed { version }))
}
