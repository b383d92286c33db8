//! Lists of rooms on SQLite: a user's own with what was said last, public ones to be found, which of them are muted, and
//! the direct rooms of people. Called by `contract.rs` inside a transaction.

use std::collections::HashMap;

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use super::accounts;
use super::columns::{Micros, StoredId, named, now, storable, time};
use super::failure::Work;
use super::reading;
use super::rooms::{self as room_rows, RoomColumns, ViewColumns, direct_key, views};
use super::schema::{bans, memberships, messages, room_heads, rooms, users};
use crate::db::changes::NewRoom;
use crate::db::rows::{
    LastMessage, ListPlace, ListedRoom, PublicRoom, RoomView, UserKind, Visibility,
};
use crate::error::ErrorCode;
use crate::ids::{RoomId, Seq, UserId};
use crate::limits::PREVIEW_CHARS;
use crate::permissions::Role;

diesel::define_sql_function! {
    /// A part of a text, in characters from 1.
    fn substr(text: Text, from: BigInt, count: BigInt) -> Text;
}
diesel::define_sql_function! {
    /// The first that is there.
    fn coalesce(first: Nullable<BigInt>, second: BigInt) -> BigInt;
}
diesel::define_sql_function! {
    /// Where a text holds another, from 1; 0 when it does not.
    fn instr(text: Text, part: Text) -> BigInt;
}
diesel::define_sql_function! {
    /// A to Z as a to z; other letters as they are.
    fn lower(text: Text) -> Text;
}

/// The first public rooms that hold a text: of those that the index names, which is why it comes first.
const FIND_PUBLIC: &str = "SELECT r.id FROM room_words w CROSS JOIN room_places p ON p.id = w.rowid \
    CROSS JOIN rooms r ON r.id = p.room_id \
    WHERE w.room_words MATCH ?1 AND r.visibility = 'public' AND r.deleted_at IS NULL AND r.slug > ?2 \
      AND (instr(r.slug, ?3) > 0 OR instr(lower(r.name), ?3) > 0 OR instr(lower(r.topic), ?3) > 0) \
      AND NOT EXISTS (SELECT 1 FROM bans b WHERE b.room_id = r.id AND b.user_id = ?5) \
    ORDER BY r.slug LIMIT ?4";

#[derive(QueryableByName)]
struct Held {
    #[diesel(sql_type = Binary)]
    id: StoredId,
}

type OwnColumns = (
    StoredId,
    bool,
    Option<(Seq, StoredId, String, Micros, Option<Micros>)>,
    Option<String>,
);

/// The user's rooms, the latest message first, then the public ones it has not joined; from behind a place.
pub(super) fn own(
    conn: &mut SqliteConnection,
    user: UserId,
    after: Option<ListPlace>,
    limit: i64,
) -> Work<Vec<ListedRoom>> {
    let limit = limit.max(0);
    let mentions = reading::mention_counts(conn, user, None)?;
    let (mut listed, public_after) = match after {
        None => {
            let from = (Micros::MAX, String::new());
            (joined(conn, user, from, limit, &mentions)?, String::new())
        }
        Some(ListPlace::Own { at, slug }) => {
            let from = (at.timestamp_micros(), slug);
            (joined(conn, user, from, limit, &mentions)?, String::new())
        }
        Some(ListPlace::Public { slug }) => (Vec::new(), slug),
    };
    let rest = limit - i64::try_from(listed.len()).unwrap_or(limit);
    let open = views(StoredId(user.0))
        .filter(memberships::role.is_null())
        .filter(rooms::visibility.eq(Visibility::Public.as_str()))
        .filter(rooms::slug.gt(public_after))
        .filter(not(exists(ban_of(StoredId(user.0)))))
        .order(rooms::slug)
        .limit(rest)
        .load::<ViewColumns>(conn)?;
    for columns in open {
        listed.push(ListedRoom {
            view: room_rows::view_row(columns, &mentions)?,
            last: None,
            muted: false,
        });
    }
    Ok(listed)
}

/// The ban of a user from the room of the query around it.
#[diesel::dsl::auto_type]
fn ban_of(user: StoredId) -> _ {
    bans::table
        .filter(bans::room_id.eq(rooms::id))
        .filter(bans::user_id.eq(user))
}

fn joined(
    conn: &mut SqliteConnection,
    user: UserId,
    (before, after): (Micros, String),
    limit: i64,
    mentions: &HashMap<RoomId, i64>,
) -> Work<Vec<ListedRoom>> {
    let active = || coalesce(messages::created_at.nullable(), rooms::created_at);
    let places = memberships::table
        .inner_join(rooms::table)
        .inner_join(room_heads::table.on(room_heads::room_id.eq(memberships::room_id)))
        .left_join(
            messages::table.on(messages::room_id
                .eq(memberships::room_id)
                .and(messages::seq.eq(room_heads::last_seq))),
        )
        .left_join(users::table.on(users::id.eq(messages::author_id)))
        .filter(memberships::user_id.eq(StoredId(user.0)))
        .filter(rooms::deleted_at.is_null())
        .filter(
            active()
                .lt(before)
                .or(active().eq(before).and(rooms::slug.gt(after))),
        )
        .order((active().desc(), rooms::slug))
        .limit(limit)
        .select((
            memberships::room_id,
            memberships::muted,
            (
                messages::seq,
                messages::author_id,
                substr(messages::body, 1_i64, PREVIEW_CHARS),
                messages::created_at,
                messages::deleted_at,
            )
                .nullable(),
            users::name.nullable(),
        ))
        .load::<OwnColumns>(conn)?;
    let ids: Vec<StoredId> = places.iter().map(|(room, ..)| *room).collect();
    let mut seen = HashMap::new();
    for columns in views(StoredId(user.0))
        .filter(rooms::id.eq_any(ids))
        .load::<ViewColumns>(conn)?
    {
        seen.insert(columns.0.0, room_rows::view_row(columns, mentions)?);
    }
    let mut listed = Vec::with_capacity(places.len());
    for (room, muted, message, author) in places {
        let last = match (message, author) {
            (Some((seq, id, text, created_at, deleted_at)), Some(author)) => Some(LastMessage {
                seq,
                author,
                author_id: UserId(id.0),
                text,
                created_at: time(created_at)?,
                deleted: deleted_at.is_some(),
            }),
            _ => None,
        };
        if let Some(view) = seen.remove(&room) {
            listed.push(ListedRoom { view, last, muted });
        }
    }
    Ok(listed)
}

/// Public rooms by slug, those only that hold the text.
pub(super) fn public(
    conn: &mut SqliteConnection,
    user: UserId,
    text: &str,
    after: Option<&str>,
    limit: i64,
) -> Work<Vec<PublicRoom>> {
    let text = storable(text)?.to_ascii_lowercase();
    let members = memberships::table
        .filter(memberships::room_id.eq(rooms::id))
        .count()
        .single_value();
    let own = diesel::alias!(memberships as own_memberships);
    let role = own
        .filter(own.field(memberships::room_id).eq(rooms::id))
        .filter(own.field(memberships::user_id).eq(StoredId(user.0)))
        .select(own.field(memberships::role))
        .single_value();
    let mut query = rooms::table
        .filter(rooms::visibility.eq(Visibility::Public.as_str()))
        .filter(rooms::deleted_at.is_null())
        .filter(rooms::slug.gt(after.unwrap_or_default()))
        .filter(not(exists(ban_of(StoredId(user.0)))))
        .filter(
            instr(rooms::slug, &text)
                .gt(0_i64)
                .or(instr(lower(rooms::name), &text).gt(0_i64))
                .or(instr(lower(rooms::topic), &text).gt(0_i64)),
        )
        .order(rooms::slug)
        .limit(limit.max(0))
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
            role,
            members,
        ))
        .into_boxed();
    // The index knows every three letters in a row; what is shorter is looked for in the order of the addresses.
    if text.chars().count() >= 3 {
        let phrase = format!("\"{}\"", text.replace('"', "\"\""));
        let held = diesel::sql_query(FIND_PUBLIC)
            .bind::<Text, _>(phrase)
            .bind::<Text, _>(after.unwrap_or_default())
            .bind::<Text, _>(&text)
            .bind::<BigInt, _>(limit.max(0))
            .bind::<Binary, _>(StoredId(user.0))
            .load::<Held>(conn)?;
        query = query.filter(rooms::id.eq_any(held.into_iter().map(|held| held.id)));
    }
    let found = query.load::<(RoomColumns, Option<String>, Option<i64>)>(conn)?;
    let rows = found.into_iter();
    rows.map(|(room, role, members)| {
        Ok(PublicRoom {
            room: room_rows::room_row(room)?,
            role: role.map(|role| named(Role::from_name, &role)).transpose()?,
            members: members.unwrap_or(0),
        })
    })
    .collect()
}

/// A member's wish to be left alone.
pub(super) fn mute(conn: &mut SqliteConnection, user: UserId, slug: &str, muted: bool) -> Work<()> {
    let (view, _) = room_rows::of_member(conn, user, slug)?;
    diesel::update(memberships::table.find((StoredId(view.room.id.0), StoredId(user.0))))
        .set(memberships::muted.eq(muted))
        .execute(conn)?;
    Ok(())
}

/// The direct room of exactly these people, made when there is none.
pub(super) fn people_room(
    conn: &mut SqliteConnection,
    user: UserId,
    people: &[UserId],
    fresh: &NewRoom,
) -> Work<RoomView> {
    let key = direct_key(people);
    let known = rooms::table
        .filter(rooms::direct_key.eq(&key))
        .filter(rooms::deleted_at.is_null())
        .select((rooms::id, rooms::slug))
        .first::<(StoredId, String)>(conn)
        .optional()?;
    if let Some((room, slug)) = known {
        let role: i64 = memberships::table
            .find((room, StoredId(user.0)))
            .count()
            .get_result(conn)?;
        if role == 0 {
            room_rows::insert_member(conn, RoomId(room.0), user, Role::Member)?;
        }
        return room_rows::visible(conn, user, &slug);
    }
    for one in people {
        let one = accounts::by_id(conn, *one)?.ok_or(ErrorCode::UserNotFound)?;
        match one.kind {
            UserKind::Assistant => return Err(ErrorCode::BadRequest.into()),
            UserKind::Deleted => return Err(ErrorCode::UserNotFound.into()),
            UserKind::User | UserKind::Guest | UserKind::Bot => {}
        }
    }
    if accounts::is_disabled(conn, user)? {
        return Err(ErrorCode::UserNotFound.into());
    }
    let room = NewRoom {
        visibility: Visibility::Direct,
        ..fresh.clone()
    };
    let count = i32::try_from(people.len()).unwrap_or(i32::MAX);
    room_rows::insert(conn, &room, Some((&key, count)), now())?;
    for one in people {
        room_rows::insert_member(conn, room.id, *one, Role::Member)?;
    }
    room_rows::visible(conn, user, &room.slug)
}
