//! Rooms, who is in them, and proofs of that. Called by [`super::PostgresStore`].

use diesel::QueryableByName;
use diesel::sql_types as sql;
use uuid::Uuid;

use super::pool::Pools;
use super::records::{ViewRecord, user_kind, user_row, view_columns, word};
use super::statement::statement;
use crate::db::audit::{Act, NewAudit};
use crate::db::changes::NewRoom;
use crate::db::rows::{MemberRow, Proof, RoomView, Visibility};
use crate::db::{StoreError, StoreResult};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{Epoch, RoomId, UserId};
use crate::limits;
use crate::permissions::Role;

statement!(
    /// How many rooms a user owns. Takes the user's row first, so that two creations cannot both be the last.
    /// Each room is looked up by its key: a join, planned while there were few rooms, would go through all of them for each.
    CountOwned { owner: Uuid } -> (i64,),
    "SELECT count(*) FROM memberships m WHERE m.user_id = $1 AND m.role = 'owner' \
     AND (SELECT r.deleted_at IS NULL AND r.visibility <> 'direct' FROM rooms r WHERE r.id = m.room_id)"
);
statement!(
    /// Orders what one user creates.
    LockUser { user: Uuid } -> (Uuid,),
    "SELECT id FROM users WHERE id = $1 AND disabled_at IS NULL FOR NO KEY UPDATE"
);
statement!(
    /// A room's address.
    FindSlug { room: Uuid } -> (String,),
    "SELECT slug FROM rooms WHERE id = $1"
);
statement!(
    /// Whether a user exists.
    FindUser { user: Uuid } -> (Uuid,),
    "SELECT id FROM users WHERE id = $1"
);
statement!(
    /// Room, head and first member, or nothing when the slug (or the direct room) exists.
    CreateRoom {
        id: Uuid,
        slug: String,
        name: String,
        visibility: String,
        epoch: i64,
        owner: Uuid,
        direct_user: Option<Uuid>,
        direct_assistant: Option<Uuid>,
    },
    "WITH made AS ( \
         INSERT INTO rooms (id, slug, name, visibility, direct_user_id, direct_assistant_id) \
         VALUES ($1, $2, $3, $4, $7, $8) ON CONFLICT DO NOTHING RETURNING id \
     ), head AS ( \
         INSERT INTO room_heads (room_id, epoch) SELECT id, $5 FROM made \
     ) \
     INSERT INTO memberships (room_id, user_id, role) SELECT id, $6, 'owner' FROM made"
);
statement!(
    /// The direct room of two, as the user sees it.
    FindDirect { user: Uuid, assistant: Uuid } -> struct ViewRecord,
    concat!(
        "SELECT ", view_columns!(), " FROM rooms r JOIN room_heads h ON h.room_id = r.id \
         LEFT JOIN memberships own ON own.room_id = r.id AND own.user_id = $1 \
         WHERE least(r.direct_user_id, r.direct_assistant_id) = least($1, $2) \
           AND greatest(r.direct_user_id, r.direct_assistant_id) = greatest($1, $2) \
           AND r.deleted_at IS NULL AND r.direct_user_id IS NOT NULL"
    )
);
statement!(
    /// One room, if the user may see it.
    FindRoom { user: Uuid, slug: String } -> struct ViewRecord,
    concat!(
        "SELECT ", view_columns!(), " FROM rooms r JOIN room_heads h ON h.room_id = r.id \
         LEFT JOIN memberships own ON own.room_id = r.id AND own.user_id = $1 \
         WHERE r.slug = $2 AND r.deleted_at IS NULL AND (own.role IS NOT NULL OR r.visibility = 'public')"
    )
);
statement!(
    /// The head lock of a room that is to get a member.
    LockHead { room: Uuid } -> (Uuid,),
    "SELECT room_id FROM room_heads WHERE room_id = $1 FOR NO KEY UPDATE"
);
statement!(
    /// A member of a room that is still public.
    JoinRoom { user: Uuid, room: Uuid },
    "INSERT INTO memberships (room_id, user_id, role, last_read_seq) SELECT r.id, $1, 'member', h.last_seq \
     FROM rooms r JOIN room_heads h ON h.room_id = r.id WHERE r.id = $2 AND r.visibility = 'public' AND r.deleted_at IS NULL \
         AND NOT EXISTS (SELECT 1 FROM bans b WHERE b.room_id = $2 AND b.user_id = $1) \
         AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = $1 AND u.disabled_at IS NOT NULL) ON CONFLICT DO NOTHING"
);
statement!(
    /// Many memberships at once; what one may not see has no row.
    Prove { users: Vec<Uuid>, slugs: Vec<String> } -> struct ProofRecord,
    concat!(
        "SELECT wanted.place, ", view_columns!(), " \
         FROM unnest($1, $2) WITH ORDINALITY AS wanted (user_id, slug, place) \
         JOIN rooms r ON r.slug = wanted.slug AND r.deleted_at IS NULL JOIN room_heads h ON h.room_id = r.id \
         LEFT JOIN memberships own ON own.room_id = r.id AND own.user_id = wanted.user_id \
         WHERE own.role IS NOT NULL OR r.visibility = 'public'"
    )
);
statement!(
    /// The reader's right, and with it each member; a row without one for a room that has none left.
    ListMembers { user: Uuid, slug: String, after: Option<Uuid>, limit: i64 }
        -> (Option<String>, Option<Uuid>, Option<String>, Option<String>, Option<String>),
    concat!("SELECT own.role, page.id, page.name, page.kind, page.role FROM rooms r \
     LEFT JOIN memberships own ON own.room_id = r.id AND own.user_id = $1 \
     LEFT JOIN LATERAL ( \
         SELECT u.id, u.name, u.name_key, ", user_kind!("u"), " AS kind, m.role FROM memberships m JOIN users u ON u.id = m.user_id \
         WHERE m.room_id = r.id AND own.role IS NOT NULL AND ($3 IS NULL OR (u.name_key COLLATE \"C\", u.id) > \
             (SELECT a.name_key COLLATE \"C\", a.id FROM users a WHERE a.id = $3)) \
         ORDER BY u.name_key COLLATE \"C\", u.id LIMIT $4 \
     ) page ON true \
     WHERE r.slug = $2 AND r.deleted_at IS NULL AND (own.role IS NOT NULL OR r.visibility = 'public') \
     ORDER BY page.name_key COLLATE \"C\", page.id")
);

/// A row of [`Prove`].
#[derive(QueryableByName, Debug)]
pub(super) struct ProofRecord {
    #[diesel(sql_type = sql::BigInt)]
    place: i64,
    #[diesel(embed)]
    view: ViewRecord,
}

fn refused<T>(code: ErrorCode) -> StoreResult<T> {
    Err(StoreError::Refused(code.into()))
}

pub(super) async fn create(pools: &Pools, room: NewRoom, owner: UserId) -> StoreResult<RoomView> {
    let mut connection = pools.shared().await?;
    let locked = connection.begin_with(LockUser { user: owner.0 }).await?;
    if locked.is_empty() {
        connection.rollback().await;
        return refused(ErrorCode::UserNotFound);
    }
    let owned = connection.run(CountOwned { owner: owner.0 }).await?;
    if owned
        .first()
        .is_some_and(|(count,)| *count >= limits::ROOMS_PER_OWNER)
    {
        connection.rollback().await;
        return refused(ErrorCode::TooMany);
    }
    let slug = room.slug.clone();
    let note = NewAudit::of(Act::RoomCreated).by(owner).in_room(room.id);
    connection.note(note.saying(room.visibility.as_str()));
    let made = connection.run(new_room(room, owner, None)).await?;
    if made == 0 {
        connection.rollback().await;
        return refused(ErrorCode::SlugTaken);
    }
    let view = connection
        .run(FindRoom {
            user: owner.0,
            slug,
        })
        .await?;
    connection.commit().await?;
    one(view)
}

/// The room is made from `fresh` under its slug; a race for the pair has one winner, whom both then read.
pub(super) async fn direct(
    pools: &Pools,
    user: UserId,
    assistant: UserId,
    fresh: NewRoom,
) -> StoreResult<RoomView> {
    let find = FindDirect {
        user: user.0,
        assistant: assistant.0,
    };
    if let Some(record) = pools.read(find.clone()).await?.into_iter().next() {
        return record.into_view();
    }
    let fresh = NewRoom {
        visibility: Visibility::Direct,
        ..fresh
    };
    let mut connection = pools.shared().await?;
    let known = connection.begin_with(LockUser { user: user.0 }).await?;
    let partner = connection.run(FindUser { user: assistant.0 }).await?;
    if known.is_empty() || partner.is_empty() {
        connection.rollback().await;
        return refused(ErrorCode::UserNotFound);
    }
    connection
        .run(new_room(fresh, user, Some(assistant)))
        .await?;
    let found = connection.run(find).await?;
    connection.commit().await?;
    match found.into_iter().next() {
        Some(record) => record.into_view(),
        None => refused(ErrorCode::SlugTaken),
    }
}

fn new_room(room: NewRoom, owner: UserId, assistant: Option<UserId>) -> CreateRoom {
    CreateRoom {
        id: room.id.0,
        slug: room.slug,
        name: room.name,
        visibility: room.visibility.as_str().into(),
        epoch: Epoch::random().0,
        owner: owner.0,
        direct_user: assistant.map(|_| owner.0),
        direct_assistant: assistant.map(|assistant| assistant.0),
    }
}

fn one(records: Vec<ViewRecord>) -> StoreResult<RoomView> {
    match records.into_iter().next() {
        Some(record) => record.into_view(),
        None => refused(ErrorCode::RoomNotFound),
    }
}

pub(super) async fn find(pools: &Pools, user: UserId, slug: &str) -> StoreResult<RoomView> {
    let slug = slug.to_owned();
    one(pools.read(FindRoom { user: user.0, slug }).await?)
}

pub(super) async fn slug(pools: &Pools, room: RoomId) -> StoreResult<String> {
    let found = pools.read(FindSlug { room: room.0 }).await?;
    match found.into_iter().next() {
        Some((slug,)) => Ok(slug),
        None => Err(Refusal::from(ErrorCode::RoomNotFound).into()),
    }
}

/// Refuses whoever is no member.
pub(super) async fn require_member(pools: &Pools, user: UserId, slug: &str) -> StoreResult<()> {
    let view = find(pools, user, slug).await?;
    proof(user, view).map(drop).map_err(StoreError::Refused)
}

pub(super) async fn join(pools: &Pools, user: UserId, slug: &str) -> StoreResult<Proof> {
    let view = find(pools, user, slug).await?;
    let room = view.room.id;
    if let Ok(proof) = proof(user, view) {
        return Ok(proof);
    }
    let mut connection = pools.shared().await?;
    connection.begin_with(LockHead { room: room.0 }).await?;
    connection
        .run(JoinRoom {
            user: user.0,
            room: room.0,
        })
        .await?;
    let slug = slug.to_owned();
    let seen = connection.run(FindRoom { user: user.0, slug }).await?;
    connection.commit().await?;
    proof(user, one(seen)?).map_err(|refusal| match refusal.code {
        // It is public still and took nobody.
        ErrorCode::NotAMember => StoreError::Refused(ErrorCode::Banned.into()),
        _ => StoreError::Refused(refusal),
    })
}

fn proof(user: UserId, view: RoomView) -> Result<Proof, Refusal> {
    match view.role {
        Some(role) => Ok(Proof { user, role, view }),
        None if view.room.visibility == Visibility::Public => Err(ErrorCode::NotAMember.into()),
        None => Err(ErrorCode::RoomNotFound.into()),
    }
}

pub(super) async fn prove(
    pools: &Pools,
    wanted: &[(UserId, String)],
) -> StoreResult<Vec<Result<Proof, Refusal>>> {
    let mut answers: Vec<Result<Proof, Refusal>> =
        vec![Err(ErrorCode::RoomNotFound.into()); wanted.len()];
    let rows = pools
        .read(Prove {
            users: wanted.iter().map(|(user, _)| user.0).collect(),
            slugs: wanted.iter().map(|(_, slug)| slug.clone()).collect(),
        })
        .await?;
    for row in rows {
        let place = usize::try_from(row.place - 1).unwrap_or(usize::MAX);
        if let (Some(answer), Some((user, _))) = (answers.get_mut(place), wanted.get(place)) {
            *answer = proof(*user, row.view.into_view()?);
        }
    }
    Ok(answers)
}

pub(super) async fn members(
    pools: &Pools,
    user: UserId,
    slug: &str,
    after: Option<UserId>,
    limit: i64,
) -> StoreResult<Vec<MemberRow>> {
    let rows = pools
        .read(ListMembers {
            user: user.0,
            slug: slug.to_owned(),
            after: after.map(|after| after.0),
            limit,
        })
        .await?;
    match rows.first() {
        None => return refused(ErrorCode::RoomNotFound),
        Some((None, ..)) => return refused(ErrorCode::NotAMember),
        Some(_) => {}
    }
    let mut members = Vec::with_capacity(rows.len());
    for (_, id, name, kind, role) in rows {
        if let (Some(id), Some(name), Some(kind), Some(role)) = (id, name, kind, role) {
            members.push(MemberRow {
                user: user_row(id, name, &kind)?,
                role: word(&role, Role::from_name)?,
            });
        }
    }
    Ok(members)
}
