//! Incoming webhooks. Called by [`super::PostgresStore`]; only SHA-256s of secrets are here.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::pool::{Conn, Pools};
use super::records::{name_key, user_kind, user_row, word};
use super::rooms;
use super::statement::statement;
use crate::db::audit::{Act, NewAudit};
use crate::db::integrations::{HookRow, HookUse, NewHook};
use crate::db::rows::{UserKind, UserRow};
use crate::db::{StoreError, StoreResult};
use crate::error::ErrorCode;
use crate::ids::{HookId, RoomId, UserId};
use crate::limits;
use crate::permissions::{Action, Role, allows};

/// A webhook's columns: itself, its user's name, who made it.
type HookColumns = (
    Uuid,
    DateTime<Utc>,
    Option<DateTime<Utc>>,
    Uuid,
    String,
    Uuid,
    String,
    String,
);

statement!(
    /// The head lock of the room whose webhooks change.
    LockRoom { room: Uuid } -> (Uuid,),
    "SELECT room_id FROM room_heads WHERE room_id = $1 FOR NO KEY UPDATE"
);
statement!(
    /// What somebody is in a room that was not deleted; read after the lock.
    ReadRole { room: Uuid, user: Uuid } -> (Option<String>,),
    "SELECT m.role FROM rooms r LEFT JOIN memberships m ON m.room_id = r.id AND m.user_id = $2 \
     WHERE r.id = $1 AND r.deleted_at IS NULL"
);
statement!(
    /// How many a room has.
    CountHooks { room: Uuid } -> (i64,),
    "SELECT count(*) FROM incoming_hooks WHERE room_id = $1"
);
statement!(
    /// A webhook, its user, and that one's membership. A `guest` shares its name with whoever has it.
    InsertHook { id: Uuid, room: Uuid, user: Uuid, name: String, name_key: String, actor: Uuid, secret_hash: Vec<u8> },
    "WITH made AS ( \
         INSERT INTO users (id, name, name_key, kind, owner_id) VALUES ($3, $4, $5, 'guest', $6) RETURNING id \
     ), seated AS ( \
         INSERT INTO memberships (room_id, user_id, role, last_read_seq) \
         SELECT h.room_id, made.id, 'member', h.last_seq FROM made, room_heads h WHERE h.room_id = $2 \
     ) \
     INSERT INTO incoming_hooks (id, room_id, user_id, created_by, secret_hash) SELECT $1, $2, made.id, $6, $7 FROM made"
);
statement!(
    /// One webhook of a room.
    FindHook { room: Uuid, hook: Uuid }
        -> (Uuid, DateTime<Utc>, Option<DateTime<Utc>>, Uuid, String, Uuid, String, String),
    concat!("SELECT h.id, h.created_at, h.last_used_at, u.id, u.name, c.id, c.name, \
            ", user_kind!("c"), " \
     FROM incoming_hooks h JOIN users u ON u.id = h.user_id JOIN users c ON c.id = h.created_by \
     WHERE h.room_id = $1 AND h.id = $2")
);
statement!(
    /// The reader's right, and with it each webhook; a row without one for a room that has none.
    ListHooks { user: Uuid, slug: String }
        -> (Option<String>, Option<Uuid>, Option<DateTime<Utc>>, Option<DateTime<Utc>>, Option<Uuid>, Option<String>,
            Option<Uuid>, Option<String>, Option<String>),
    concat!("SELECT own.role, h.id, h.created_at, h.last_used_at, u.id, u.name, c.id, c.name, \
            ", user_kind!("c"), " \
     FROM rooms r LEFT JOIN memberships own ON own.room_id = r.id AND own.user_id = $1 \
     LEFT JOIN incoming_hooks h ON h.room_id = r.id AND own.role IS NOT NULL \
     LEFT JOIN users u ON u.id = h.user_id LEFT JOIN users c ON c.id = h.created_by \
     WHERE r.slug = $2 AND r.deleted_at IS NULL AND (own.role IS NOT NULL OR r.visibility = 'public') ORDER BY h.id")
);
statement!(
    /// Another secret.
    RotateHook { room: Uuid, hook: Uuid, secret_hash: Vec<u8> },
    "UPDATE incoming_hooks SET secret_hash = $3 WHERE room_id = $1 AND id = $2"
);
statement!(
    /// Ends one; its user is a bot that is gone.
    DeleteHook { room: Uuid, hook: Uuid } -> (Uuid, String),
    "WITH ended AS (DELETE FROM incoming_hooks WHERE room_id = $1 AND id = $2 RETURNING user_id) \
     UPDATE users u SET disabled_at = clock_timestamp() FROM ended WHERE u.id = ended.user_id RETURNING u.id, u.name"
);
statement!(
    /// Whose secret it is, and whether its last use is to be noted.
    FindSecret { secret_hash: Vec<u8>, noted_s: i64 } -> (Uuid, Uuid, String, String, bool),
    "SELECT h.id, u.id, u.name, r.slug, coalesce(h.last_used_at < clock_timestamp() - $2 * interval '1 second', true) \
     FROM incoming_hooks h JOIN users u ON u.id = h.user_id JOIN users c ON c.id = h.created_by \
     JOIN rooms r ON r.id = h.room_id WHERE h.secret_hash = $1 AND r.deleted_at IS NULL AND c.disabled_at IS NULL"
);
statement!(
    /// Notes a use, unless another note came first.
    NoteHook { hook: Uuid, noted_s: i64 },
    "UPDATE incoming_hooks SET last_used_at = clock_timestamp() WHERE id = $1 \
     AND coalesce(last_used_at < clock_timestamp() - $2 * interval '1 second', true)"
);

fn refused<T>(code: ErrorCode) -> StoreResult<T> {
    Err(StoreError::Refused(code.into()))
}

/// Refuses whoever may not manage the room's webhooks.
fn require(role: Option<&str>) -> StoreResult<()> {
    let Some(role) = role else {
        return refused(ErrorCode::NotAMember);
    };
    if allows(word(role, Role::from_name)?, Action::ManageIntegrations) {
        Ok(())
    } else {
        refused(ErrorCode::Forbidden)
    }
}

/// A transaction that holds the lock of a room whose webhooks the actor may manage.
async fn manage(pools: &Pools, actor: UserId, slug: &str) -> StoreResult<(Conn, Uuid)> {
    let view = rooms::find(pools, actor, slug).await?;
    require(view.role.map(Role::as_str))?;
    let (room, user) = (view.room.id.0, actor.0);
    let mut connection = pools.shared().await?;
    connection.begin_with(LockRoom { room }).await?;
    let found = connection.run(ReadRole { room, user }).await?;
    let allowed = match found.into_iter().next() {
        Some((role,)) => require(role.as_deref()),
        None => refused(ErrorCode::RoomNotFound),
    };
    match allowed {
        Ok(()) => Ok((connection, room)),
        Err(error) => {
            connection.rollback().await;
            Err(error)
        }
    }
}

fn hook_row(columns: HookColumns) -> StoreResult<HookRow> {
    let (id, created_at, last_used_at, user, name, creator, creator_name, creator_kind) = columns;
    Ok(HookRow {
        id: HookId(id),
        user: bot(user, name),
        created_by: user_row(creator, creator_name, &creator_kind)?,
        created_at,
        last_used_at,
    })
}

fn bot(id: Uuid, name: String) -> UserRow {
    UserRow {
        id: UserId(id),
        name,
        kind: UserKind::Bot,
    }
}

fn one(rows: Vec<HookColumns>) -> StoreResult<HookRow> {
    match rows.into_iter().next() {
        Some(columns) => hook_row(columns),
        None => refused(ErrorCode::NotFound),
    }
}

pub(super) async fn create(
    pools: &Pools,
    actor: UserId,
    slug: &str,
    hook: NewHook,
) -> StoreResult<HookRow> {
    let (mut connection, room) = manage(pools, actor, slug).await?;
    let count = connection.run(CountHooks { room }).await?;
    if count
        .first()
        .is_some_and(|(count,)| *count >= limits::HOOKS_PER_ROOM)
    {
        connection.rollback().await;
        return refused(ErrorCode::TooMany);
    }
    let note = NewAudit::of(Act::HookMade).by(actor).to(hook.user.id);
    connection.note(note.in_room(RoomId(room)));
    connection
        .run(InsertHook {
            id: hook.id.0,
            room,
            user: hook.user.id.0,
            name_key: name_key(&hook.user.name),
            name: hook.user.name,
            actor: actor.0,
            secret_hash: hook.secret_hash.to_vec(),
        })
        .await?;
    let hook = hook.id.0;
    let made = connection.run(FindHook { room, hook }).await?;
    connection.commit().await?;
    one(made)
}

pub(super) async fn list(pools: &Pools, actor: UserId, slug: &str) -> StoreResult<Vec<HookRow>> {
    let (user, slug) = (actor.0, slug.to_owned());
    let rows = pools.read(ListHooks { user, slug }).await?;
    match rows.first() {
        Some((role, ..)) => require(role.as_deref())?,
        None => return refused(ErrorCode::RoomNotFound),
    }
    rows.into_iter()
        .filter_map(
            |(_, id, created_at, last_used_at, user, name, by, by_name, by_kind)| {
                let columns = (
                    id?,
                    created_at?,
                    last_used_at,
                    user?,
                    name?,
                    by?,
                    by_name?,
                    by_kind?,
                );
                Some(hook_row(columns))
            },
        )
        .collect()
}

pub(super) async fn rotate(
    pools: &Pools,
    actor: UserId,
    slug: &str,
    hook: HookId,
    secret_hash: &[u8; 32],
) -> StoreResult<HookRow> {
    let (mut connection, room) = manage(pools, actor, slug).await?;
    let hook = hook.0;
    let secret_hash = secret_hash.to_vec();
    connection
        .run(RotateHook {
            room,
            hook,
            secret_hash,
        })
        .await?;
    let rotated = connection.run(FindHook { room, hook }).await?;
    if let Some((_, _, _, user, ..)) = rotated.first() {
        let note = NewAudit::of(Act::HookRotated).by(actor).to(UserId(*user));
        connection.note(note.in_room(RoomId(room)));
    }
    connection.commit().await?;
    one(rotated)
}

pub(super) async fn delete(
    pools: &Pools,
    actor: UserId,
    slug: &str,
    hook: HookId,
) -> StoreResult<UserRow> {
    let (mut connection, room) = manage(pools, actor, slug).await?;
    let ended = connection.run(DeleteHook { room, hook: hook.0 }).await?;
    if let Some((user, _)) = ended.first() {
        let note = NewAudit::of(Act::HookRemoved).by(actor).to(UserId(*user));
        connection.note(note.in_room(RoomId(room)));
    }
    connection.commit().await?;
    match ended.into_iter().next() {
        Some((user, name)) => Ok(bot(user, name)),
        None => refused(ErrorCode::NotFound),
    }
}

pub(super) async fn by_secret(
    pools: &Pools,
    secret_hash: &[u8; 32],
) -> StoreResult<Option<HookUse>> {
    let find = FindSecret {
        secret_hash: secret_hash.to_vec(),
        noted_s: limits::LAST_USED_S,
    };
    let found = pools.read(find).await?.into_iter().next();
    Ok(found.map(|(hook, user, name, slug, note_due)| HookUse {
        hook: HookId(hook),
        user: bot(user, name),
        slug,
        note_due,
    }))
}

pub(super) async fn note_used(pools: &Pools, hook: HookId) -> StoreResult<()> {
    let note = NoteHook {
        hook: hook.0,
        noted_s: limits::LAST_USED_S,
    };
    pools.write(note).await.map(drop)
}
