//! Reading a room's past in the model: pages of messages, the changes above a cursor, what a prompt is built from.

use std::ops::Bound;

use salon::db::StoreResult;
use salon::db::history::{PageAt, Sides};
use salon::db::rows::{
    Changes, EditRow, HistoryPage, LatestPage, MessageKind, MessageRow, MessageState, StoredChange,
};
use salon::error::ErrorCode;
use salon::ids::{RoomId, Seq, UserId, Version};
use salon::limits::{CONTEXT_READ_BYTES, PAGE_BYTES};
use salon::permissions::{Action, allows};

use super::no;
use super::tables::{Change, Room, Tables};

impl Tables {
    /// Every change above `after`, and the head. A deleted room still tells that it was deleted.
    pub(super) fn changes_after(
        &self,
        room: RoomId,
        after: Version,
        limit: i64,
    ) -> StoreResult<Changes> {
        let Some(room) = self.rooms.get(&room) else {
            return no(ErrorCode::RoomNotFound);
        };
        let limit = usize::try_from(limit).unwrap_or(0).max(1);
        let (mut changes, mut bytes, mut complete) = (Vec::new(), 0, true);
        let above = (Bound::Excluded(after), Bound::Unbounded);
        for change in room.changes.range(above).map(|(_, change)| change) {
            let change = match change {
                Change::Log(log) => StoredChange::Log(log.clone()),
                Change::Message(seq) => StoredChange::Message(Box::new(room.row_of(*seq).clone())),
            };
            let before = bytes;
            if let StoredChange::Message(message) = &change {
                bytes += page_bytes(message);
            }
            if changes.len() == limit || (bytes > PAGE_BYTES && before > 0) {
                complete = false;
                break;
            }
            changes.push(change);
        }
        Ok(Changes {
            head: room.head,
            changes,
            complete,
        })
    }

    pub(super) fn latest_page(&self, room: RoomId, limit: i64) -> StoreResult<LatestPage> {
        match self.rooms.get(&room).filter(|room| !room.deleted) {
            Some(room) => Ok(LatestPage {
                head: room.head,
                messages: room.before(Seq::MAX, limit, PAGE_BYTES),
            }),
            None => no(ErrorCode::RoomNotFound),
        }
    }

    pub(super) fn history(
        &self,
        user: UserId,
        slug: &str,
        before: Option<Seq>,
        limit: i64,
    ) -> StoreResult<HistoryPage> {
        let (room, _) = self.of_member(user, slug)?;
        let messages = room.before(before.unwrap_or(Seq::MAX), limit, PAGE_BYTES);
        let at = before.map_or(PageAt::Latest, PageAt::Before);
        Ok(room.page(messages, at))
    }

    pub(super) fn history_after(
        &self,
        user: UserId,
        slug: &str,
        after: Seq,
        limit: i64,
    ) -> StoreResult<HistoryPage> {
        let (room, _) = self.of_member(user, slug)?;
        let messages = room.after(after, limit, PAGE_BYTES);
        Ok(room.page(messages, PageAt::After(after)))
    }

    pub(super) fn history_around(
        &self,
        user: UserId,
        slug: &str,
        seq: Seq,
        limit: i64,
    ) -> StoreResult<HistoryPage> {
        let (room, _) = self.of_member(user, slug)?;
        if !room.messages.contains_key(&seq) {
            return no(ErrorCode::MessageNotFound);
        }
        let sides = Sides::of(limit.max(1), PAGE_BYTES);
        let mut messages = room.before(seq + 1, sides.below, sides.bytes);
        messages.extend(room.after(seq, sides.above, sides.bytes));
        Ok(room.page(messages, PageAt::Around(seq)))
    }

    pub(super) fn message(&self, user: UserId, slug: &str, seq: Seq) -> StoreResult<MessageRow> {
        let (room, _) = self.of_member(user, slug)?;
        match room.messages.get(&seq) {
            Some(message) => Ok(message.row.clone()),
            None => no(ErrorCode::MessageNotFound),
        }
    }

    /// The former texts of a message, for its author and those who keep order.
    pub(super) fn edits(&self, user: UserId, slug: &str, seq: Seq) -> StoreResult<Vec<EditRow>> {
        let (room, role) = self.of_member(user, slug)?;
        match room.messages.get(&seq) {
            Some(message) if message.row.deleted_at.is_none() => {
                let own = message.row.author.id == user;
                if own || allows(role, Action::ReadAnyEdits) {
                    Ok(message.edits.clone())
                } else {
                    no(ErrorCode::Forbidden)
                }
            }
            _ => no(ErrorCode::MessageNotFound),
        }
    }

    /// What is pinned, the latest pin first.
    pub(super) fn pins(&self, user: UserId, slug: &str) -> StoreResult<Vec<MessageRow>> {
        let (room, _) = self.of_member(user, slug)?;
        let messages = room.messages.values();
        let mut pinned: Vec<_> = messages.filter(|message| message.pin.is_some()).collect();
        pinned.sort_by_key(|message| std::cmp::Reverse(message.pin));
        Ok(pinned.iter().map(|message| message.row.clone()).collect())
    }

    /// The latest settled text up to a prompt; a room that never was has none.
    pub(super) fn context(&self, room: RoomId, prompt_seq: Seq, limit: i64) -> Vec<MessageRow> {
        let Some(room) = self.rooms.get(&room) else {
            return Vec::new();
        };
        let up_to = room.messages.range(..=prompt_seq).rev();
        let settled = up_to.map(|(_, message)| &message.row).filter(|row| {
            let says_something = row.kind != MessageKind::Assistant || !row.body.is_empty();
            row.deleted_at.is_none() && row.state != MessageState::Queued && says_something
        });
        let mut rows = take(settled, limit, CONTEXT_READ_BYTES, |row| row.body.len());
        rows.reverse();
        rows
    }
}

impl Room {
    /// The present form of a message that a change names.
    fn row_of(&self, seq: Seq) -> &MessageRow {
        &self.messages[&seq].row
    }

    fn before(&self, before: Seq, limit: i64, bytes: usize) -> Vec<MessageRow> {
        let below = self.messages.range(..before).rev();
        let rows = below.map(|(_, message)| &message.row);
        let mut rows = take(rows, limit, bytes, page_bytes);
        rows.reverse();
        rows
    }

    fn after(&self, after: Seq, limit: i64, bytes: usize) -> Vec<MessageRow> {
        let above = (Bound::Excluded(after), Bound::Unbounded);
        let rows = self.messages.range(above).map(|(_, message)| &message.row);
        take(rows, limit, bytes, page_bytes)
    }

    fn page(&self, messages: Vec<MessageRow>, at: PageAt) -> HistoryPage {
        HistoryPage::new(messages, at, self.head.first_seq, self.head.last_seq)
    }
}

/// The text of a message that counts against the bounds of a page.
fn page_bytes(message: &MessageRow) -> usize {
    message.body.len() + message.html.as_ref().map_or(0, String::len) + message.marks.bytes()
}

/// Takes messages until `limit` of them or `bytes` of text, at least one.
fn take<'a>(
    rows: impl Iterator<Item = &'a MessageRow>,
    limit: i64,
    bytes: usize,
    measure: fn(&MessageRow) -> usize,
) -> Vec<MessageRow> {
    let limit = usize::try_from(limit).unwrap_or(0);
    let (mut messages, mut used) = (Vec::new(), 0);
    for row in rows {
        used += measure(row);
        if messages.len() == limit || (used > bytes && !messages.is_empty()) {
            break;
        }
        messages.push(row.clone());
    }
    messages
}
