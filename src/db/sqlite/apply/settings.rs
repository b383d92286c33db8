//! Changes of a room itself on SQLite: its settings, its end. Called by `apply`.

use diesel::prelude::*;
use serde_json::json;

use super::room::RoomWork;
use crate::db::changes::RoomEdit;
use crate::db::rows::{LogKind, ReplyState};
use crate::db::sqlite::columns::{Micros, StoredId, storable};
use crate::db::sqlite::failure::Work;
use crate::db::sqlite::schema::{replies, reply_chunks, rooms};
use crate::ids::{UserId, Version};
use crate::permissions::Action;

/// Changes settings.
pub(super) fn edit(work: &mut RoomWork<'_>, actor: UserId, edit: &RoomEdit) -> Work<Version> {
    work.require(actor, Action::EditRoom)?;
    change(work, edit)
}

/// The same, judged before.
pub(super) fn change(work: &mut RoomWork<'_>, edit: &RoomEdit) -> Work<Version> {
    let after = work.settings.edited(edit)?;
    if after == work.settings {
        return Ok(work.head.version);
    }
    diesel::update(rooms::table.find(work.id))
        .set((
            rooms::name.eq(storable(&after.name)?),
            rooms::visibility.eq(after.visibility.as_str()),
            rooms::topic.eq(storable(&after.topic)?),
            rooms::archived.eq(after.archived),
        ))
        .execute(work.conn)?;
    let data = after.data();
    work.settings = after;
    work.log(LogKind::Settings, None, None, data)
}

/// Deletes the room.
pub(super) fn delete(work: &mut RoomWork<'_>, actor: UserId) -> Work<Version> {
    work.require(actor, Action::DeleteRoom)?;
    end(work)
}

/// The same, judged before: its rows stay, nobody sees them. Its replies end without a word, since the deletion is the
/// last version there is; their runners find their leases gone.
pub(super) fn end(work: &mut RoomWork<'_>) -> Work<Version> {
    diesel::update(rooms::table.find(work.id))
        .set(rooms::deleted_at.eq(Some(work.now)))
        .execute(work.conn)?;
    diesel::update(replies::table)
        .filter(replies::room_id.eq(work.id))
        .filter(replies::settled_at.is_null())
        .set((
            replies::state.eq(ReplyState::Settled.as_str()),
            replies::settled_at.eq(Some(work.now)),
            replies::lease_owner.eq(None::<StoredId>),
            replies::lease_until.eq(None::<Micros>),
        ))
        .execute(work.conn)?;
    diesel::delete(reply_chunks::table.filter(reply_chunks::room_id.eq(work.id)))
        .execute(work.conn)?;
    work.deleted = true;
    work.log(LogKind::Deleted, None, None, json!({}))
}
