//! Membership on SQLite: proving, joining and listing it. Called by `contract.rs` inside a transaction. Versioned
//! changes of it are in `apply/members.rs`.

use diesel::prelude::*;

use super::accounts;
use super::accounts::{UserColumns, user_row};
use super::columns::{StoredId, named};
use super::failure::{Failure, Work};
use super::invites;
use super::rooms;
use super::schema::{memberships, rooms as rooms_table, users};
use crate::db::rows::{MemberRow, Proof, ReadState, UserKind, UserRow};
use crate::error::{ErrorCode, Refusal};
use crate::ids::UserId;
use crate::permissions::Role;

/// Proves one membership, or says why not.
pub(super) fn prove(
    conn: &mut SqliteConnection,
    user: UserId,
    slug: &str,
) -> Work<Result<Proof, Refusal>> {
    match rooms::of_member(conn, user, slug) {
        Ok((view, role)) => Ok(Ok(Proof { user, role, view })),
        Err(Failure::Refused(refusal)) => Ok(Err(refusal)),
        Err(failure) => Err(failure),
    }
}

/// Makes the user a member of a public room, unless it is one, and proves it.
pub(super) fn join(conn: &mut SqliteConnection, user: UserId, slug: &str) -> Work<Proof> {
    let mut view = rooms::visible(conn, user, slug)?;
    let role = match view.role {
        Some(role) => role,
        None => {
            if accounts::by_id(conn, user)?.is_none() {
                return Err(ErrorCode::UserNotFound.into());
            }
            if invites::is_banned(conn, view.room.id, user)? || accounts::is_disabled(conn, user)? {
                return Err(ErrorCode::Banned.into());
            }
            rooms::insert_member(conn, view.room.id, user, Role::Member)?;
            Role::Member
        }
    };
    if view.role.is_none() {
        view.role = Some(role);
        view.read = Some(ReadState {
            seq: view.head.last_seq,
            mentions: 0,
        });
    }
    Ok(Proof { user, role, view })
}

/// Those of these users that are in a room with the user.
pub(super) fn fellows(
    conn: &mut SqliteConnection,
    user: UserId,
    wanted: &[UserId],
) -> Work<Vec<UserRow>> {
    let own = diesel::alias!(memberships as own_memberships);
    let room = rooms_table::id.eq(own.field(memberships::room_id));
    let rooms_of_user = own
        .inner_join(rooms_table::table.on(room))
        .filter(own.field(memberships::user_id).eq(StoredId(user.0)))
        .filter(rooms_table::deleted_at.is_null())
        .select(own.field(memberships::room_id));
    let wanted: Vec<StoredId> = wanted.iter().map(|user| StoredId(user.0)).collect();
    let shared = memberships::table
        .filter(memberships::user_id.eq_any(wanted))
        .filter(memberships::room_id.eq_any(rooms_of_user))
        .select(memberships::user_id);
    let found = users::table
        .filter(users::id.eq_any(shared))
        .filter(users::disabled_at.is_null())
        .filter(users::kind.ne(UserKind::Deleted.as_str()))
        .select((users::id, users::name, users::kind, users::owner_id))
        .load::<UserColumns>(conn)?;
    found.into_iter().map(user_row).collect()
}

/// The members by name.
pub(super) fn list(
    conn: &mut SqliteConnection,
    user: UserId,
    slug: &str,
    after: Option<UserId>,
    limit: i64,
) -> Work<Vec<MemberRow>> {
    let (view, _) = rooms::of_member(conn, user, slug)?;
    let mut query = memberships::table
        .inner_join(users::table)
        .filter(memberships::room_id.eq(StoredId(view.room.id.0)))
        .order((users::name_key, users::id))
        .select((
            (users::id, users::name, users::kind, users::owner_id),
            memberships::role,
        ))
        .limit(limit.max(0))
        .into_boxed();
    if let Some(after) = after {
        let after = StoredId(after.0);
        let key = users::table
            .find(after)
            .select(users::name_key)
            .first::<String>(conn)
            .optional()?
            .ok_or(ErrorCode::UserNotFound)?;
        query = query.filter(
            users::name_key
                .gt(key.clone())
                .or(users::name_key.eq(key).and(users::id.gt(after))),
        );
    }
    query
        .load::<(UserColumns, String)>(conn)?
        .into_iter()
        .map(|(user, role)| {
            Ok(MemberRow {
                user: user_row(user)?,
                role: named(Role::from_name, &role)?,
            })
        })
        .collect()
}
