//! Reading a room's past on SQLite: pages of messages and the changes above a cursor. Called by `contract.rs` inside a
//! read transaction, which is one snapshot: head, membership and rows belong together.

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;

use super::columns::{Micros, StoredId, time};
use super::failure::Work;
use super::messages::{self, StoredMessage, of_room, page_bytes, take_messages};
use super::rooms;
use super::schema::messages as columns;
use super::schema::rooms as room_columns;
use super::schema::{message_edits, message_pins};
use crate::db::history::{PageAt, Sides};
use crate::db::rows::{
    Changes, EditRow, HistoryPage, LatestPage, LogRow, MessageRow, RoomView, StoredChange,
};
use crate::error::ErrorCode;
use crate::ids::{RoomId, Seq, UserId, Version};
use crate::limits::PAGE_BYTES;
use crate::permissions::{Action, allows};

/// Every change above `after`, and the head. A deleted room still tells that it was deleted.
pub(super) fn changes_after(
    conn: &mut SqliteConnection,
    room: RoomId,
    after: Version,
    limit: i64,
) -> Work<Changes> {
    let limit = limit.max(1);
    let head = rooms::head(conn, room)?;
    let rows = of_room(StoredId(room.0))
        .filter(columns::version.gt(after))
        .order(columns::version)
        .limit(limit.saturating_add(1))
        .load_iter::<StoredMessage, DefaultLoadingMode>(conn)?;
    let cut = take_messages(rows, limit, PAGE_BYTES, page_bytes)?;
    let log = messages::log_after(conn, room, after, limit.saturating_add(1))?;
    let (changes, complete) = merge(cut.rows, cut.more, log, limit);
    Ok(Changes {
        head,
        changes,
        complete,
    })
}

/// Both lists in version order, up to `limit`. Where the messages were cut, nothing above the last of them is known.
fn merge(
    messages: Vec<MessageRow>,
    cut: bool,
    log: Vec<LogRow>,
    limit: i64,
) -> (Vec<StoredChange>, bool) {
    let end = match (cut, messages.last()) {
        (true, Some(last)) => last.version,
        _ => Version::MAX,
    };
    let mut changes: Vec<StoredChange> = messages
        .into_iter()
        .map(|message| StoredChange::Message(Box::new(message)))
        .chain(log.into_iter().map(StoredChange::Log))
        .filter(|change| change.version() <= end)
        .collect();
    changes.sort_unstable_by_key(StoredChange::version);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let complete = !cut && changes.len() <= limit;
    changes.truncate(limit);
    (changes, complete)
}

/// The latest messages, whoever reads them.
pub(super) fn latest_page(
    conn: &mut SqliteConnection,
    room: RoomId,
    limit: i64,
) -> Work<LatestPage> {
    let living: i64 = room_columns::table
        .find(StoredId(room.0))
        .filter(room_columns::deleted_at.is_null())
        .count()
        .get_result(conn)?;
    if living == 0 {
        return Err(ErrorCode::RoomNotFound.into());
    }
    let head = rooms::head(conn, room)?;
    let messages = downwards(conn, room, Seq::MAX, limit, PAGE_BYTES)?;
    Ok(LatestPage { head, messages })
}

/// A member's page before `before`, or its latest.
pub(super) fn before(
    conn: &mut SqliteConnection,
    user: UserId,
    slug: &str,
    before: Option<Seq>,
    limit: i64,
) -> Work<HistoryPage> {
    let (view, _) = rooms::of_member(conn, user, slug)?;
    let messages = downwards(
        conn,
        view.room.id,
        before.unwrap_or(Seq::MAX),
        limit,
        PAGE_BYTES,
    )?;
    let at = before.map_or(PageAt::Latest, PageAt::Before);
    Ok(page(messages, at, &view))
}

/// A member's page after `after`.
pub(super) fn after(
    conn: &mut SqliteConnection,
    user: UserId,
    slug: &str,
    after: Seq,
    limit: i64,
) -> Work<HistoryPage> {
    let (view, _) = rooms::of_member(conn, user, slug)?;
    let messages = upwards(conn, view.room.id, after, limit, PAGE_BYTES)?;
    Ok(page(messages, PageAt::After(after), &view))
}

/// A member's page around a message.
pub(super) fn around(
    conn: &mut SqliteConnection,
    user: UserId,
    slug: &str,
    seq: Seq,
    limit: i64,
) -> Work<HistoryPage> {
    let (view, _) = rooms::of_member(conn, user, slug)?;
    let sides = Sides::of(limit.max(1), PAGE_BYTES);
    let room = view.room.id;
    let mut messages = downwards(conn, room, seq.saturating_add(1), sides.below, sides.bytes)?;
    if messages.last().is_none_or(|last| last.seq != seq) {
        return Err(ErrorCode::MessageNotFound.into());
    }
    messages.extend(upwards(conn, room, seq, sides.above, sides.bytes)?);
    Ok(page(messages, PageAt::Around(seq), &view))
}

fn page(messages: Vec<MessageRow>, at: PageAt, view: &RoomView) -> HistoryPage {
    HistoryPage::new(messages, at, view.head.first_seq, view.head.last_seq)
}

/// One message of a member's room.
pub(super) fn message(
    conn: &mut SqliteConnection,
    user: UserId,
    slug: &str,
    seq: Seq,
) -> Work<MessageRow> {
    let (view, _) = rooms::of_member(conn, user, slug)?;
    Ok(messages::one(conn, view.room.id, seq)?.ok_or(ErrorCode::MessageNotFound)?)
}

/// The former texts of a message, for its author and those who keep order.
pub(super) fn edits(
    conn: &mut SqliteConnection,
    user: UserId,
    slug: &str,
    seq: Seq,
) -> Work<Vec<EditRow>> {
    let (view, role) = rooms::of_member(conn, user, slug)?;
    let message = messages::one(conn, view.room.id, seq)?
        .filter(|message| message.deleted_at.is_none())
        .ok_or(ErrorCode::MessageNotFound)?;
    if message.author.id != user && !allows(role, Action::ReadAnyEdits) {
        return Err(ErrorCode::Forbidden.into());
    }
    let rows = message_edits::table
        .filter(message_edits::room_id.eq(StoredId(view.room.id.0)))
        .filter(message_edits::seq.eq(seq))
        .order(message_edits::version)
        .select((
            message_edits::version,
            message_edits::body,
            message_edits::written_at,
            message_edits::replaced_at,
        ))
        .load::<(Version, String, Micros, Micros)>(conn)?;
    rows.into_iter()
        .map(|(version, body, written_at, replaced_at)| {
            Ok(EditRow {
                version,
                body,
                written_at: time(written_at)?,
                replaced_at: time(replaced_at)?,
            })
        })
        .collect()
}

/// What is pinned in a member's room, the latest pin first.
pub(super) fn pins(conn: &mut SqliteConnection, user: UserId, slug: &str) -> Work<Vec<MessageRow>> {
    let (view, _) = rooms::of_member(conn, user, slug)?;
    let pinned = message_pins::table
        .filter(message_pins::room_id.eq(StoredId(view.room.id.0)))
        .order(message_pins::version.desc())
        .select(message_pins::seq)
        .load::<Seq>(conn)?;
    let mut rows = Vec::with_capacity(pinned.len());
    for seq in pinned {
        rows.extend(messages::one(conn, view.room.id, seq)?);
    }
    Ok(rows)
}

fn downwards(
    conn: &mut SqliteConnection,
    room: RoomId,
    before: Seq,
    limit: i64,
    bytes: usize,
) -> Work<Vec<MessageRow>> {
    let limit = limit.max(0);
    let rows = of_room(StoredId(room.0))
        .filter(columns::seq.lt(before))
        .order(columns::seq.desc())
        .limit(limit.saturating_add(1))
        .load_iter::<StoredMessage, DefaultLoadingMode>(conn)?;
    let mut cut = take_messages(rows, limit, bytes, page_bytes)?;
    cut.rows.reverse();
    Ok(cut.rows)
}

fn upwards(
    conn: &mut SqliteConnection,
    room: RoomId,
    after: Seq,
    limit: i64,
    bytes: usize,
) -> Work<Vec<MessageRow>> {
    let limit = limit.max(0);
    let rows = of_room(StoredId(room.0))
        .filter(columns::seq.gt(after))
        .order(columns::seq)
        .limit(limit.saturating_add(1))
        .load_iter::<StoredMessage, DefaultLoadingMode>(conn)?;
    Ok(take_messages(rows, limit, bytes, page_bytes)?.rows)
}
