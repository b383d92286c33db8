//! Rooms and their heads on SQLite: making, finding and listing them. Called by `contract.rs` inside a transaction.
//! Changes to a room that exists are in `apply/`.

use std::collections::HashMap;

use diesel::prelude::*;

use super::accounts;
use super::audit;
use super::columns::{Micros, StoredId, named, now, storable, time};
use super::failure::Work;
use super::reading;
use super::schema::{memberships, room_heads, rooms};
use crate::db::audit::{Act, NewAudit};
use crate::db::changes::NewRoom;
use crate::db::rows::{Head, ReadState, RoomRow, RoomView, Visibility};
use crate::error::ErrorCode;
use crate::ids::{Epoch, RoomId, Seq, UserId};
use crate::limits::ROOMS_PER_OWNER;
use crate::permissions::Role;

pub(super) type RoomColumns = (StoredId, String, String, String, Micros, String, bool, i32);
type HeadColumns = (StoredId, i64, i64, i64, i64, i64);
pub(super) type ViewColumns = (RoomColumns, HeadColumns, Option<String>, Option<Seq>);

/// Whether the file can be read.
pub(super) fn ping(conn: &mut SqliteConnection) -> Work<()> {
    rooms::table
        .select(rooms::id)
        .first::<StoredId>(conn)
        .optional()?;
    Ok(())
}

/// The slug of a room, deleted or not.
pub(super) fn slug(conn: &mut SqliteConnection, room: RoomId) -> Work<String> {
    rooms::table
        .filter(rooms::id.eq(StoredId(room.0)))
        .select(rooms::slug)
        .first(conn)
        .optional()?
        .ok_or_else(|| ErrorCode::RoomNotFound.into())
}

/// A room with its owner.
pub(super) fn create(conn: &mut SqliteConnection, room: &NewRoom, owner: UserId) -> Work<RoomView> {
    if accounts::by_id(conn, owner)?.is_none() || accounts::is_disabled(conn, owner)? {
        return Err(ErrorCode::UserNotFound.into());
    }
    let owned: i64 = memberships::table
        .inner_join(rooms::table)
        .filter(memberships::user_id.eq(StoredId(owner.0)))
        .filter(memberships::role.eq(Role::Owner.as_str()))
        .filter(rooms::deleted_at.is_null())
        .count()
        .get_result(conn)?;
    if owned >= ROOMS_PER_OWNER {
        return Err(ErrorCode::TooMany.into());
    }
    insert(conn, room, None, now())?;
    insert_member(conn, room.id, owner, Role::Owner)?;
    let note = NewAudit::of(Act::RoomCreated).by(owner).in_room(room.id);
    audit::insert(conn, &note.saying(room.visibility.as_str()))?;
    visible(conn, owner, &room.slug)
}

/// The direct room of two, made when there is none.
pub(super) fn direct(
    conn: &mut SqliteConnection,
    user: UserId,
    assistant: UserId,
    fresh: &NewRoom,
) -> Work<RoomView> {
    let key = direct_key(&[user, assistant]);
    let known = rooms::table
        .filter(rooms::direct_key.eq(&key))
        .filter(rooms::deleted_at.is_null())
        .select(rooms::slug)
        .first::<String>(conn)
        .optional()?;
    if let Some(slug) = known {
        return visible(conn, user, &slug);
    }
    for one in [user, assistant] {
        if accounts::by_id(conn, one)?.is_none() || accounts::is_disabled(conn, one)? {
            return Err(ErrorCode::UserNotFound.into());
        }
    }
    let room = NewRoom {
        visibility: Visibility::Direct,
        ..fresh.clone()
    };
    insert(conn, &room, Some((&key, 0)), now())?;
    insert_member(conn, room.id, user, Role::Owner)?;
    visible(conn, user, &room.slug)
}

/// A room and its head, without members; `slug_taken` when any room has or had its address.
pub(super) fn insert(
    conn: &mut SqliteConnection,
    room: &NewRoom,
    direct: Option<(&[u8], i32)>,
    at: Micros,
) -> Work<()> {
    let taken: i64 = rooms::table
        .filter(rooms::slug.eq(storable(&room.slug)?))
        .count()
        .get_result(conn)?;
    if taken > 0 {
        return Err(ErrorCode::SlugTaken.into());
    }
    diesel::insert_into(rooms::table)
        .values((
            rooms::id.eq(StoredId(room.id.0)),
            rooms::slug.eq(storable(&room.slug)?),
            rooms::name.eq(storable(&room.name)?),
            rooms::visibility.eq(room.visibility.as_str()),
            rooms::direct_key.eq(direct.map(|(key, _)| key)),
            rooms::direct_people.eq(direct.map_or(0, |(_, people)| people)),
            rooms::created_at.eq(at),
        ))
        .execute(conn)?;
    diesel::insert_into(room_heads::table)
        .values((
            room_heads::room_id.eq(StoredId(room.id.0)),
            room_heads::epoch.eq(Epoch::random().0),
        ))
        .execute(conn)?;
    Ok(())
}

/// One more member, who has read what is there.
pub(super) fn insert_member(
    conn: &mut SqliteConnection,
    room: RoomId,
    user: UserId,
    role: Role,
) -> Work<()> {
    let last_seq = head(conn, room)?.last_seq;
    diesel::insert_into(memberships::table)
        .values((
            memberships::last_read_seq.eq(last_seq),
            memberships::room_id.eq(StoredId(room.0)),
            memberships::user_id.eq(StoredId(user.0)),
            memberships::role.eq(role.as_str()),
            memberships::joined_at.eq(now()),
        ))
        .execute(conn)?;
    Ok(())
}

/// One room as the user sees it; a private one it is not in does not exist.
pub(super) fn visible(conn: &mut SqliteConnection, user: UserId, slug: &str) -> Work<RoomView> {
    let view = views(StoredId(user.0))
        .filter(rooms::slug.eq(slug))
        .first::<ViewColumns>(conn)
        .optional()?
        .ok_or(ErrorCode::RoomNotFound)?;
    let mentions = match view.2 {
        Some(_) => reading::mention_counts(conn, user, Some(RoomId(view.0.0.0)))?,
        None => HashMap::new(),
    };
    let view = view_row(view, &mentions)?;
    if view.role.is_none() && view.room.visibility != Visibility::Public {
        return Err(ErrorCode::RoomNotFound.into());
    }
    Ok(view)
}

/// One room as a member sees it.
pub(super) fn of_member(
    conn: &mut SqliteConnection,
    user: UserId,
    slug: &str,
) -> Work<(RoomView, Role)> {
    let view = visible(conn, user, slug)?;
    let role = view.role.ok_or(ErrorCode::NotAMember)?;
    Ok((view, role))
}

/// The counters of those of the given rooms that exist, deleted ones too.
pub(super) fn heads(conn: &mut SqliteConnection, wanted: &[RoomId]) -> Work<Vec<Head>> {
    let wanted = wanted.iter().map(|room| StoredId(room.0));
    let found = room_heads::table
        .filter(room_heads::room_id.eq_any(wanted))
        .select(head_columns())
        .load::<HeadColumns>(conn)?;
    Ok(found.into_iter().map(head_row).collect())
}

/// The counters of one room.
pub(super) fn head(conn: &mut SqliteConnection, room: RoomId) -> Work<Head> {
    let found = room_heads::table
        .find(StoredId(room.0))
        .select(head_columns())
        .first::<HeadColumns>(conn)
        .optional()?;
    Ok(found.map(head_row).ok_or(ErrorCode::RoomNotFound)?)
}

/// Those of a direct room, in whatever order they are named.
pub(super) fn direct_key(people: &[UserId]) -> Vec<u8> {
    let mut people = people.to_vec();
    people.sort_unstable();
    people.iter().flat_map(|user| *user.0.as_bytes()).collect()
}

/// Every living room with its head and the user's role in it, in one statement.
#[diesel::dsl::auto_type]
pub(super) fn views(user: StoredId) -> _ {
    rooms::table
        .inner_join(room_heads::table)
        .left_join(
            memberships::table.on(memberships::room_id
                .eq(rooms::id)
                .and(memberships::user_id.eq(user))),
        )
        .filter(rooms::deleted_at.is_null())
        .select((
            (
                rooms::id,
                rooms::slug,
                rooms::name,
                rooms::visibility,
                rooms::created_at,
                rooms::topic,
                rooms::archived,
                rooms::direct_people,
            ),
            (
                room_heads::room_id,
                room_heads::epoch,
                room_heads::version,
                room_heads::last_seq,
                room_heads::first_seq,
                room_heads::floor,
            ),
            memberships::role.nullable(),
            memberships::last_read_seq.nullable(),
        ))
}

#[diesel::dsl::auto_type]
fn head_columns() -> _ {
    (
        room_heads::room_id,
        room_heads::epoch,
        room_heads::version,
        room_heads::last_seq,
        room_heads::first_seq,
        room_heads::floor,
    )
}

fn head_row((room, epoch, version, last_seq, first_seq, floor): HeadColumns) -> Head {
    Head {
        room: RoomId(room.0),
        epoch: Epoch(epoch),
        version,
        last_seq,
        first_seq,
        floor,
    }
}

/// A room by its columns.
pub(super) fn room_row(columns: RoomColumns) -> Work<RoomRow> {
    let (id, slug, name, visibility, created_at, topic, archived, people) = columns;
    Ok(RoomRow {
        id: RoomId(id.0),
        slug,
        name,
        visibility: named(Visibility::from_name, &visibility)?,
        created_at: time(created_at)?,
        topic,
        archived,
        people,
    })
}

/// A view by its columns, with the mentions that wait in each room.
pub(super) fn view_row(
    (room, head, role, read): ViewColumns,
    mentions: &HashMap<RoomId, i64>,
) -> Work<RoomView> {
    let read = read.map(|seq| ReadState {
        seq,
        mentions: mentions.get(&RoomId(room.0.0)).copied().unwrap_or(0),
    });
    Ok(RoomView {
        room: room_row(room)?,
        head: head_row(head),
        role: role.map(|role| named(Role::from_name, &role)).transpose()?,
        read,
    })
}
