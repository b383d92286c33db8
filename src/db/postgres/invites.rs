//! Invites and bans as they are read on Postgres. Called by [`super::PostgresStore`]. They are written in
//! `apply/invites.rs` and `apply/bans.rs`.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types as sql;
use uuid::Uuid;

use super::pool::Pools;
use super::records::{user_kind, user_row, word};
use super::statement::statement;
use crate::db::invites::{BanRow, InviteRow, InviteView, works};
use crate::db::{StoreError, StoreResult};
use crate::error::ErrorCode;
use crate::ids::{InviteId, RoomId, UserId};
use crate::limits;
use crate::permissions::{Action, Role, allows};

statement!(
    /// The invite of a token that has not ended, of a room that is there.
    FindInvite { token_hash: Vec<u8> } -> struct InviteRecord,
    concat!("SELECT NULL::text AS own_role, i.id, i.role, i.created_at, i.expires_at, i.max_uses, i.uses, \
         r.id AS room_id, r.slug, r.name, u.id AS maker_id, u.name AS maker_name, ", user_kind!("u"), " AS maker_kind, m.role AS maker_role \
     FROM invites i JOIN rooms r ON r.id = i.room_id AND r.deleted_at IS NULL JOIN users u ON u.id = i.made_by \
     LEFT JOIN memberships m ON m.room_id = i.room_id AND m.user_id = i.made_by AND u.disabled_at IS NULL \
     WHERE i.token_hash = $1 AND i.expires_at > clock_timestamp() AND i.uses < i.max_uses AND i.revoked_at IS NULL")
);
statement!(
    /// The reader's right, and with it each invite; a row without one for a room that has none.
    ListInvites { user: Uuid, slug: String, limit: i64 } -> struct InviteRecord,
    concat!("SELECT own.role AS own_role, page.* FROM rooms r \
     LEFT JOIN memberships own ON own.room_id = r.id AND own.user_id = $1 \
     LEFT JOIN LATERAL ( \
         SELECT i.id, i.role, i.created_at, i.expires_at, i.max_uses, i.uses, i.room_id, r.slug, r.name, \
             u.id AS maker_id, u.name AS maker_name, ", user_kind!("u"), " AS maker_kind, m.role AS maker_role \
         FROM invites i JOIN users u ON u.id = i.made_by \
         LEFT JOIN memberships m ON m.room_id = i.room_id AND m.user_id = i.made_by AND u.disabled_at IS NULL \
         WHERE i.room_id = r.id AND i.expires_at > clock_timestamp() AND i.uses < i.max_uses AND i.revoked_at IS NULL \
         ORDER BY i.created_at DESC, i.id DESC LIMIT $3 \
     ) page ON true \
     WHERE r.slug = $2 AND r.deleted_at IS NULL AND (own.role IS NOT NULL OR r.visibility = 'public') \
     ORDER BY page.created_at DESC, page.id DESC")
);
statement!(
    /// The same of bans.
    ListBans { user: Uuid, slug: String, limit: i64 }
        -> (Option<String>, Option<Uuid>, Option<String>, Option<String>,
            Option<Uuid>, Option<String>, Option<String>, Option<String>, Option<DateTime<Utc>>),
    concat!("SELECT own.role, page.id, page.name, page.kind, page.by_id, page.by_name, page.by_kind, page.reason, page.created_at \
     FROM rooms r LEFT JOIN memberships own ON own.room_id = r.id AND own.user_id = $1 \
     LEFT JOIN LATERAL ( \
         SELECT u.id, u.name, ", user_kind!("u"), " AS kind, w.id AS by_id, w.name AS by_name, ", user_kind!("w"), " AS by_kind, b.reason, b.created_at \
         FROM bans b JOIN users u ON u.id = b.user_id JOIN users w ON w.id = b.banned_by \
         WHERE b.room_id = r.id ORDER BY b.created_at DESC, u.id DESC LIMIT $3 \
     ) page ON true \
     WHERE r.slug = $2 AND r.deleted_at IS NULL AND (own.role IS NOT NULL OR r.visibility = 'public') \
     ORDER BY page.created_at DESC, page.id DESC")
);

/// A row of either statement; of the list, one without an invite tells of the reader only.
#[derive(QueryableByName, Debug)]
pub(super) struct InviteRecord {
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    own_role: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Uuid>)]
    id: Option<Uuid>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    role: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Timestamptz>)]
    created_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = sql::Nullable<sql::Timestamptz>)]
    expires_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = sql::Nullable<sql::Integer>)]
    max_uses: Option<i32>,
    #[diesel(sql_type = sql::Nullable<sql::Integer>)]
    uses: Option<i32>,
    #[diesel(sql_type = sql::Nullable<sql::Uuid>)]
    room_id: Option<Uuid>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    slug: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    name: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Uuid>)]
    maker_id: Option<Uuid>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    maker_name: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    maker_kind: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    maker_role: Option<String>,
}

/// An invite with where it leads.
type Found = (InviteRow, (RoomId, String, String));

impl InviteRecord {
    /// The invite, where the row holds one.
    fn into_found(self) -> StoreResult<Option<Found>> {
        let invite = (self.id, self.role, self.created_at, self.expires_at);
        let maker = (self.maker_id, self.maker_name, self.maker_kind);
        let place = (self.room_id, self.slug, self.name);
        let (
            (Some(id), Some(role), Some(created_at), Some(expires_at)),
            (Some(maker_id), Some(maker_name), Some(maker_kind)),
            (Some(room), Some(slug), Some(name)),
        ) = (invite, maker, place)
        else {
            return Ok(None);
        };
        let role = word(&role, Role::from_name)?;
        let maker_role = self.maker_role.map(|maker| word(&maker, Role::from_name));
        let row = InviteRow {
            id: InviteId(id),
            role,
            by: user_row(maker_id, maker_name, &maker_kind)?,
            created_at,
            expires_at,
            max_uses: self.max_uses.unwrap_or(0),
            uses: self.uses.unwrap_or(0),
            works: works(role, maker_role.transpose()?),
        };
        Ok(Some((row, (RoomId(room), slug, name))))
    }
}

fn refused<T>(code: ErrorCode) -> StoreResult<T> {
    Err(StoreError::Refused(code.into()))
}

/// Refuses a reader who is this in the room and may not.
fn require(role: Option<&str>, action: Action) -> StoreResult<()> {
    match role.map(|role| word(role, Role::from_name)).transpose()? {
        None => refused(ErrorCode::NotAMember),
        Some(role) if !allows(role, action) => refused(ErrorCode::Forbidden),
        Some(_) => Ok(()),
    }
}

pub(super) async fn find(pools: &Pools, token_hash: &[u8; 32]) -> StoreResult<InviteView> {
    let token_hash = token_hash.to_vec();
    let found = pools.read(FindInvite { token_hash }).await?;
    let found = match found.into_iter().next() {
        Some(record) => record.into_found()?,
        None => None,
    };
    match found {
        Some((row, (room, slug, name))) if row.works => Ok(InviteView {
            id: row.id,
            room,
            slug,
            name,
            by: row.by,
            role: row.role,
            expires_at: row.expires_at,
        }),
        _ => refused(ErrorCode::InviteInvalid),
    }
}

pub(super) async fn list(pools: &Pools, user: UserId, slug: String) -> StoreResult<Vec<InviteRow>> {
    let limit = limits::INVITES_PER_ROOM;
    let user = user.0;
    let rows = pools.read(ListInvites { user, slug, limit }).await?;
    let Some(first) = rows.first() else {
        return refused(ErrorCode::RoomNotFound);
    };
    require(first.own_role.as_deref(), Action::Invite)?;
    let mut invites = Vec::with_capacity(rows.len());
    for row in rows {
        invites.extend(row.into_found()?.map(|(invite, _)| invite));
    }
    Ok(invites)
}

pub(super) async fn bans(pools: &Pools, user: UserId, slug: String) -> StoreResult<Vec<BanRow>> {
    let limit = limits::BANS_PER_ROOM;
    let user = user.0;
    let rows = pools.read(ListBans { user, slug, limit }).await?;
    let Some(first) = rows.first() else {
        return refused(ErrorCode::RoomNotFound);
    };
    require(first.0.as_deref(), Action::Ban)?;
    let mut bans = Vec::with_capacity(rows.len());
    for (_, id, name, kind, by_id, by_name, by_kind, reason, created_at) in rows {
        if let (Some(id), Some(name), Some(kind)) = (id, name, kind)
            && let (Some(by_id), Some(by_name), Some(by_kind)) = (by_id, by_name, by_kind)
            && let (Some(reason), Some(created_at)) = (reason, created_at)
        {
            bans.push(BanRow {
                user: user_row(id, name, &kind)?,
                by: user_row(by_id, by_name, &by_kind)?,
                reason,
                created_at,
            });
        }
    }
    Ok(bans)
}
