//! Direct rooms of people: one for each set of them. Called by [`super::PostgresStore`]. The room of a user with the
//! assistant is in `rooms.rs`.

use uuid::Uuid;

use super::pool::{Conn, Pools};
use super::records::{ViewRecord, user_kind, user_row, view_columns};
use super::rooms::{LockHead, LockUser};
use super::statement::statement;
use crate::db::changes::NewRoom;
use crate::db::rows::{RoomView, UserRow};
use crate::db::{StoreError, StoreResult};
use crate::error::ErrorCode;
use crate::ids::{Epoch, UserId};

statement!(
    /// The room of a set, as the user sees it.
    FindPeople { user: Uuid, key: Vec<u8> } -> struct ViewRecord,
    concat!(
        "SELECT ", view_columns!(), " FROM rooms r JOIN room_heads h ON h.room_id = r.id \
         LEFT JOIN memberships own ON own.room_id = r.id AND own.user_id = $1 \
         WHERE r.direct_key = $2 AND r.deleted_at IS NULL"
    )
);
statement!(
    /// Those of these that are in a room with the user: of each, the rooms are looked up by the key of both.
    FindFellows { user: Uuid, wanted: Vec<Uuid> } -> (Uuid, String, String),
    concat!(
        "SELECT u.id, u.name, ", user_kind!("u"), " FROM users u \
         WHERE u.id = ANY($2) AND u.disabled_at IS NULL AND u.deleted_at IS NULL AND EXISTS ( \
             SELECT FROM memberships own JOIN memberships other ON other.room_id = own.room_id AND other.user_id = u.id \
             JOIN rooms r ON r.id = own.room_id AND r.deleted_at IS NULL WHERE own.user_id = $1)"
    )
);
statement!(
    /// What those of a set are.
    Kinds { people: Vec<Uuid> } -> (String,),
    "SELECT kind FROM users WHERE id = ANY($1) AND deleted_at IS NULL"
);
statement!(
    /// Room, head and members, or nothing when the slug or the set has its room.
    CreatePeople { id: Uuid, slug: String, name: String, epoch: i64, people: Vec<Uuid>, key: Vec<u8> },
    "WITH made AS ( \
         INSERT INTO rooms (id, slug, name, visibility, direct_people, direct_key) \
         VALUES ($1, $2, $3, 'direct', cardinality($5), $6) ON CONFLICT DO NOTHING RETURNING id \
     ), head AS ( \
         INSERT INTO room_heads (room_id, epoch) SELECT id, $4 FROM made \
     ) \
     INSERT INTO memberships (room_id, user_id, role) SELECT id, unnest($5), 'member' FROM made"
);
statement!(
    /// One of the set comes back.
    ComeBack { room: Uuid, user: Uuid },
    "INSERT INTO memberships (room_id, user_id, role, last_read_seq) SELECT r.id, $2, 'member', h.last_seq \
     FROM rooms r JOIN room_heads h ON h.room_id = r.id \
     WHERE r.id = $1 AND r.deleted_at IS NULL ON CONFLICT DO NOTHING"
);

fn refused<T>(code: ErrorCode) -> StoreResult<T> {
    Err(StoreError::Refused(code.into()))
}

/// Those of these that the user shares a room with.
pub(super) async fn fellows(
    pools: &Pools,
    user: UserId,
    wanted: &[UserId],
) -> StoreResult<Vec<UserRow>> {
    let find = FindFellows {
        user: user.0,
        wanted: wanted.iter().map(|user| user.0).collect(),
    };
    let found = pools.read(find).await?.into_iter();
    found
        .map(|(id, name, kind)| user_row(id, name, &kind))
        .collect()
}

/// The room is made from `fresh`; a race for the set has one winner, whom all then read.
pub(super) async fn find_or_make(
    pools: &Pools,
    user: UserId,
    mut people: Vec<UserId>,
    fresh: NewRoom,
) -> StoreResult<RoomView> {
    people.sort_unstable();
    let find = FindPeople {
        user: user.0,
        key: people.iter().flat_map(|user| *user.0.as_bytes()).collect(),
    };
    if let Some(record) = pools.read(find.clone()).await?.into_iter().next() {
        let view = record.into_view()?;
        if view.role.is_some() {
            return Ok(view);
        }
    }
    let mut connection = pools.shared().await?;
    let known = connection.begin_with(LockUser { user: user.0 }).await?;
    if known.is_empty() {
        connection.rollback().await;
        return refused(ErrorCode::UserNotFound);
    }
    let ids: Vec<Uuid> = people.iter().map(|user| user.0).collect();
    let kinds = connection
        .run(Kinds {
            people: ids.clone(),
        })
        .await?;
    if kinds.len() != ids.len() {
        connection.rollback().await;
        return refused(ErrorCode::UserNotFound);
    }
    if kinds.iter().any(|(kind,)| kind == "assistant") {
        connection.rollback().await;
        return refused(ErrorCode::BadRequest);
    }
    connection
        .run(CreatePeople {
            id: fresh.id.0,
            slug: fresh.slug,
            name: fresh.name,
            epoch: Epoch::random().0,
            people: ids,
            key: find.key.clone(),
        })
        .await?;
    let view = enter(&mut connection, find).await?;
    connection.commit().await?;
    match view {
        Some(view) => Ok(view),
        None => refused(ErrorCode::SlugTaken),
    }
}

/// The room as one who is in it, also after having left.
async fn enter(connection: &mut Conn, find: FindPeople) -> StoreResult<Option<RoomView>> {
    let found = connection.run(find.clone()).await?.into_iter().next();
    let Some(view) = found.map(ViewRecord::into_view).transpose()? else {
        return Ok(None);
    };
    if view.role.is_some() {
        return Ok(Some(view));
    }
    let room = view.room.id.0;
    connection.run(LockHead { room }).await?;
    connection
        .run(ComeBack {
            room,
            user: find.user,
        })
        .await?;
    let found = connection.run(find).await?.into_iter().next();
    found.map(ViewRecord::into_view).transpose()
}
