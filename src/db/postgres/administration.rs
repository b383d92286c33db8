//! [`Administration`] and [`AuditLog`] on Postgres: which function each unit of work is, with the SQL of the first.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::account_ends::administers;
use super::pool::Pools;
use super::records::{name_key, user_kind, user_row, word};
use super::run::run;
use super::statement::statement;
use super::{PostgresStore, account_ends, audit, revocations, sessions};
use crate::db::accounts::RevocationKind;
use crate::db::administration::{AccountAct, Administration, RoomOverview, UserAccount};
use crate::db::audit::{Act, AuditFilter, AuditLog, AuditRoom, AuditRow, NewAudit};
use crate::db::rows::{UserKind, UserRow, Visibility};
use crate::db::{StoreError, StoreResult};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{Epoch, RoomId, RoomRef, UserId};
use crate::limits::OWNERS_SHOWN;
use crate::permissions::Role;

/// A room's columns.
type RoomColumns = (Uuid, String, String, String, bool, DateTime<Utc>, i64, i64);
/// An account's columns.
type AccountColumns = (
    Uuid,
    String,
    String,
    bool,
    DateTime<Utc>,
    Option<DateTime<Utc>>,
    i64,
);

macro_rules! account_columns {
    () => {
        concat!("u.id, u.name, ", user_kind!("u"), ", u.admin, u.created_at, u.disabled_at, \
             (SELECT count(*) FROM sessions s WHERE s.user_id = u.id AND s.expires_at > clock_timestamp())")
    };
}
macro_rules! room_columns {
    () => {
        "r.id, r.slug, r.name, r.visibility, r.archived, r.created_at, \
         (SELECT count(*) FROM memberships m WHERE m.room_id = r.id), h.last_seq"
    };
}

/// Rooms that one transaction gives another epoch.
const EPOCHS_AT_ONCE: i64 = 10_000;

statement!(
    /// Whether somebody administers the server.
    IsAdmin { user: Uuid } -> (bool,),
    "SELECT admin FROM users WHERE id = $1 AND disabled_at IS NULL"
);
statement!(
    /// Accounts by id, those whose name begins so.
    ListAccounts { after: Uuid, text: String, limit: i64 }
        -> (Uuid, String, String, bool, DateTime<Utc>, Option<DateTime<Utc>>, i64),
    concat!("SELECT ", account_columns!(), " FROM users u WHERE u.id > $1 AND starts_with(u.name_key, $2) \
     ORDER BY u.id LIMIT $3")
);
statement!(
    /// One account, by id or by name.
    FindAccount { user: Option<Uuid>, key: Option<String> }
        -> (Uuid, String, String, bool, DateTime<Utc>, Option<DateTime<Utc>>, i64),
    concat!("SELECT ", account_columns!(), " FROM users u WHERE u.id = $1 OR u.name_key = $2 AND u.kind <> 'guest'")
);
statement!(
    /// Locks all who administer, and one more: of two who take the last two, one comes second.
    LockAdmins { user: Uuid } -> (Uuid, bool, bool),
    "SELECT id, admin, disabled_at IS NULL FROM users WHERE admin OR id = $1 ORDER BY id FOR NO KEY UPDATE"
);
statement!(
    /// Whether a user administers.
    SetAdmin { user: Uuid, admin: bool },
    "UPDATE users SET admin = $2 WHERE id = $1"
);
statement!(
    /// Rooms by slug.
    ListAllRooms { after: String, text: String, limit: i64 }
        -> (Uuid, String, String, String, bool, DateTime<Utc>, i64, i64),
    concat!("SELECT ", room_columns!(), " FROM rooms r JOIN room_heads h ON h.room_id = r.id \
     WHERE r.deleted_at IS NULL AND r.visibility <> 'direct' AND r.slug > $1 AND starts_with(r.slug, $2) \
     ORDER BY r.slug LIMIT $3")
);
statement!(
    /// One room.
    FindAnyRoom { slug: String } -> (Uuid, String, String, String, bool, DateTime<Utc>, i64, i64),
    concat!("SELECT ", room_columns!(), " FROM rooms r JOIN room_heads h ON h.room_id = r.id \
     WHERE r.deleted_at IS NULL AND r.slug = $1")
);
statement!(
    /// The owners of rooms, the first of each.
    ReadOwners { rooms: Vec<Uuid>, most: i64 } -> (Uuid, Uuid, String, String),
    concat!("SELECT o.room_id, u.id, u.name, ", user_kind!("u"), " FROM unnest($1::uuid[]) AS wanted (id) \
     CROSS JOIN LATERAL (SELECT room_id, user_id FROM memberships \
         WHERE room_id = wanted.id AND role = 'owner' ORDER BY user_id LIMIT $2) o \
     JOIN users u ON u.id = o.user_id ORDER BY u.id")
);
statement!(
    /// Members by id.
    ListAllMembers { room: Uuid, after: Uuid, limit: i64 } -> (Uuid, String, String, String),
    concat!("SELECT u.id, u.name, ", user_kind!("u"), ", m.role FROM memberships m JOIN users u ON u.id = m.user_id \
     WHERE m.room_id = $1 AND m.user_id > $2 ORDER BY m.user_id LIMIT $3")
);
statement!(
    /// Another epoch for a room, or for the next of all.
    RenewEpochs { room: Option<Uuid>, epoch: i64, after: Uuid, limit: i64 } -> (Uuid,),
    "UPDATE room_heads SET epoch = $2 WHERE room_id IN ( \
         SELECT room_id FROM room_heads WHERE ($1::uuid IS NULL OR room_id = $1) AND room_id > $3 ORDER BY room_id LIMIT $4 \
     ) RETURNING room_id"
);

fn refused<T>(refusal: impl Into<Refusal>) -> StoreResult<T> {
    Err(StoreError::Refused(refusal.into()))
}

fn account(
    (id, name, kind, admin, created_at, disabled_at, sessions): AccountColumns,
) -> StoreResult<UserAccount> {
    Ok(UserAccount {
        user: user_row(id, name, &kind)?,
        admin,
        created_at,
        disabled_at,
        sessions,
    })
}

async fn find(
    pools: &Pools,
    user: Option<UserId>,
    key: Option<String>,
) -> StoreResult<UserAccount> {
    let user = user.map(|user| user.0);
    match pools
        .read(FindAccount { user, key })
        .await?
        .into_iter()
        .next()
    {
        Some(columns) => account(columns),
        None => refused(ErrorCode::UserNotFound),
    }
}

async fn list(
    pools: &Pools,
    text: String,
    after: Option<UserId>,
    limit: i64,
) -> StoreResult<Vec<UserAccount>> {
    let after = after.map_or(Uuid::nil(), |after| after.0);
    let found = pools.read(ListAccounts { after, text, limit }).await?;
    found.into_iter().map(account).collect()
}

async fn is_admin(pools: &Pools, user: UserId) -> StoreResult<bool> {
    let found = pools.read(IsAdmin { user: user.0 }).await?;
    Ok(found.first().is_some_and(|(admin,)| *admin))
}

async fn set_admin(
    pools: &Pools,
    actor: Option<UserId>,
    user: UserId,
    admin: bool,
) -> StoreResult<bool> {
    let found = find(pools, Some(user), None).await?;
    let mut connection = pools.shared().await?;
    let rows = connection.begin_with(LockAdmins { user: user.0 }).await?;
    let present = rows.iter().find(|(id, ..)| *id == user.0);
    let others = rows
        .iter()
        .filter(|(id, admin, enabled)| *id != user.0 && *admin && *enabled)
        .count();
    let judged = match present {
        _ if actor.is_some_and(|actor| !administers(&rows, actor)) => {
            Err(Refusal::not_an_administrator())
        }
        None => Err(ErrorCode::UserNotFound.into()),
        Some((_, is_so, _)) if *is_so == admin => Ok(false),
        Some((_, _, enabled)) if admin && (!enabled || found.user.kind != UserKind::User) => {
            Err(Refusal::cannot_administer())
        }
        Some((_, _, enabled)) if !admin && *enabled && others == 0 => {
            Err(ErrorCode::LastAdministrator.into())
        }
        Some(_) => Ok(true),
    };
    if !matches!(judged, Ok(true)) {
        connection.rollback().await;
        return judged.map_err(StoreError::Refused);
    }
    connection
        .run(SetAdmin {
            user: user.0,
            admin,
        })
        .await?;
    let act = if admin {
        Act::AdminGiven
    } else {
        Act::AdminTaken
    };
    connection.note(NewAudit {
        who: actor,
        ..NewAudit::of(act).to(user)
    });
    if admin {
        connection.commit().await?;
        return Ok(true);
    }
    // Its windows show what it may no longer see.
    connection.run(sessions::delete_all(user, None)).await?;
    revocations::log_and_commit(connection, RevocationKind::Role, user.0, None).await?;
    Ok(true)
}

async fn overviews(pools: &Pools, found: Vec<RoomColumns>) -> StoreResult<Vec<RoomOverview>> {
    let rooms = found.iter().map(|columns| columns.0).collect();
    let most = OWNERS_SHOWN;
    let owners = pools.read(ReadOwners { rooms, most }).await?;
    let overview =
        |(id, slug, name, visibility, archived, created_at, members, messages): RoomColumns| {
            let own = owners.iter().filter(|(room, ..)| *room == id);
            Ok(RoomOverview {
                room: RoomRef {
                    id: RoomId(id),
                    slug: slug.into(),
                },
                name,
                visibility: word(&visibility, Visibility::from_name)?,
                archived,
                created_at,
                members,
                messages,
                owners: own
                    .map(|(_, id, name, kind)| user_row(*id, name.clone(), kind))
                    .collect::<StoreResult<_>>()?,
            })
        };
    found.into_iter().map(overview).collect()
}

async fn all_rooms(
    pools: &Pools,
    text: String,
    after: String,
    limit: i64,
) -> StoreResult<Vec<RoomOverview>> {
    let found = pools.read(ListAllRooms { after, text, limit }).await?;
    overviews(pools, found).await
}

async fn any_room(pools: &Pools, slug: String) -> StoreResult<RoomOverview> {
    let found = pools.read(FindAnyRoom { slug }).await?;
    match overviews(pools, found).await?.into_iter().next() {
        Some(room) => Ok(room),
        None => refused(ErrorCode::RoomNotFound),
    }
}

async fn members_of(
    pools: &Pools,
    room: RoomId,
    after: Option<UserId>,
    limit: i64,
) -> StoreResult<Vec<(UserRow, Role)>> {
    let after = after.map_or(Uuid::nil(), |after| after.0);
    let list = ListAllMembers {
        room: room.0,
        after,
        limit,
    };
    let found = pools.read(list).await?;
    found
        .into_iter()
        .map(|(id, name, kind, role)| {
            Ok((user_row(id, name, &kind)?, word(&role, Role::from_name)?))
        })
        .collect()
}

async fn renew_epochs(pools: &Pools, slug: Option<String>) -> StoreResult<u64> {
    let room = match &slug {
        Some(slug) => Some(any_room(pools, slug.clone()).await?.room.id.0),
        None => None,
    };
    let epoch = Epoch::random().0;
    let (mut renewed, mut after) = (0, Uuid::nil());
    // In parts, each a transaction: all rooms of a large server would take longer than one may.
    loop {
        let mut connection = pools.shared().await?;
        let part = RenewEpochs {
            room,
            epoch,
            after,
            limit: EPOCHS_AT_ONCE,
        };
        let rooms = connection.begin_with(part).await?;
        renewed += rooms.len() as u64;
        let is_last = i64::try_from(rooms.len()) != Ok(EPOCHS_AT_ONCE);
        if is_last {
            connection.note(NewAudit {
                room: slug.clone().map_or(AuditRoom::None, AuditRoom::Slug),
                ..NewAudit::of(Act::EpochRenewed)
            });
        }
        connection.commit().await?;
        match rooms.iter().map(|(room,)| *room).max() {
            Some(last) if !is_last => after = last,
            _ => return Ok(renewed),
        }
    }
}

#[async_trait]
impl Administration for PostgresStore {
    async fn is_admin(&self, user: UserId) -> StoreResult<bool> {
        run!(self, |pools| is_admin(pools, user))
    }

    async fn user_accounts(
        &self,
        text: &str,
        after: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<UserAccount>> {
        let text = name_key(text);
        run!(self, |pools| list(pools, text, after, limit))
    }

    async fn user_account(&self, user: UserId) -> StoreResult<UserAccount> {
        run!(self, |pools| find(pools, Some(user), None))
    }

    async fn user_account_by_name(&self, name: &str) -> StoreResult<UserAccount> {
        let key = Some(name_key(name));
        run!(self, |pools| find(pools, None, key))
    }

    async fn set_admin(
        &self,
        actor: Option<UserId>,
        user: UserId,
        admin: bool,
    ) -> StoreResult<bool> {
        run!(self, |pools| set_admin(pools, actor, user, admin))
    }

    async fn administer_account(
        &self,
        actor: UserId,
        user: UserId,
        act: AccountAct,
    ) -> StoreResult<bool> {
        run!(self, |pools| account_ends::administer(
            pools, actor, user, act
        ))
    }

    async fn all_rooms(
        &self,
        text: &str,
        after: Option<&str>,
        limit: i64,
    ) -> StoreResult<Vec<RoomOverview>> {
        let (text, after) = (text.to_owned(), after.unwrap_or_default().to_owned());
        run!(self, |pools| all_rooms(pools, text, after, limit))
    }

    async fn any_room(&self, slug: &str) -> StoreResult<RoomOverview> {
        let slug = slug.to_owned();
        run!(self, |pools| any_room(pools, slug))
    }

    async fn members_of(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<(UserRow, Role)>> {
        run!(self, |pools| members_of(pools, room, after, limit))
    }

    async fn renew_epochs(&self, slug: Option<&str>) -> StoreResult<u64> {
        let slug = slug.map(str::to_owned);
        run!(self, |pools| renew_epochs(pools, slug))
    }
}

#[async_trait]
impl AuditLog for PostgresStore {
    async fn note(&self, rows: Vec<NewAudit>) -> StoreResult<()> {
        run!(self, |pools| audit::note(pools, &rows))
    }

    async fn audit(&self, filter: AuditFilter) -> StoreResult<Vec<AuditRow>> {
        run!(self, |pools| audit::list(pools, filter))
    }

    async fn sweep_audit(&self, days: u32) -> StoreResult<u64> {
        run!(self, |pools| audit::sweep(pools, days))
    }
}
