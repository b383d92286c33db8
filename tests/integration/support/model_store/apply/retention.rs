//! What of its messages a room keeps, in the model.

use chrono::Duration;
use salon::db::rows::{Keep, LogKind, MessageRow, MessageState};
use salon::ids::{RoomId, UserId, Version};
use salon::permissions::Action;
use serde_json::json;

use super::{Judged, Work};
use crate::support::model_store::{Moment, Room, Tables};

impl Work<'_> {
    /// Sets what is kept.
    pub(super) fn set_retention(
        &mut self,
        actor: UserId,
        days: Option<i32>,
        messages: Option<Option<i64>>,
    ) -> Judged<Version> {
        self.require(actor, Action::EditRoom)?;
        let messages = messages.unwrap_or(self.room.keep.messages);
        let wanted = Keep { days, messages };
        if self.room.keep == wanted {
            return Ok(self.room.head.version);
        }
        self.room.keep = wanted;
        Ok(self.room.log(LogKind::Settings, None, None, wanted.data()))
    }

    /// Removes the oldest messages that are not kept.
    pub(super) fn retain(&mut self, limit: i64) -> Version {
        let limit = usize::try_from(limit).unwrap_or(0);
        let now = self.now;
        let oldest = self.room.messages.values().map(|message| &message.row);
        let gone: Vec<(i64, Version)> = oldest
            .take(limit)
            .take_while(|row| self.room.is_past(row, now))
            .map(|row| (row.seq, row.version))
            .collect();
        for (seq, version) in &gone {
            self.room.messages.remove(seq);
            self.room.replies.remove(seq);
            self.room.changes.remove(version);
            self.room.head.first_seq = seq + 1;
            self.room.head.floor = self.room.head.floor.max(*version);
        }
        if gone.is_empty() {
            return self.room.head.version;
        }
        let data = json!({ "first_seq": self.room.head.first_seq });
        self.room.log(LogKind::Settings, None, None, data)
    }
}

impl Room {
    /// Whether a message is not kept and may go.
    fn is_past(&self, row: &MessageRow, now: Moment) -> bool {
        let days = self.keep.days.map(|days| Duration::days(days.into()));
        let is_old = days.is_some_and(|days| row.created_at < now - days);
        let last = self.keep.messages.map(|count| self.head.last_seq - count);
        row.state != MessageState::Queued && (is_old || last.is_some_and(|last| row.seq <= last))
    }
}

impl Tables {
    /// Rooms whose oldest message may go.
    pub(in crate::support::model_store) fn past_retention(
        &self,
        limit: i64,
        now: Moment,
    ) -> Vec<(RoomId, String)> {
        let has_past = |room: &&Room| {
            let oldest = room.messages.values().next();
            !room.deleted && oldest.is_some_and(|oldest| room.is_past(&oldest.row, now))
        };
        let rooms = self.rooms.values().filter(has_past);
        let rooms = rooms.map(|room| (room.row.id, room.row.slug.clone()));
        rooms.take(usize::try_from(limit).unwrap_or(0)).collect()
    }
}
