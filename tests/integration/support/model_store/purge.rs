//! What deleted rooms held, in the model.

use chrono::Duration;
use salon::db::rows::LogKind;

use super::Moment;
use super::tables::{Change, Room, Tables};

impl Tables {
    /// One part of one deleted room: its oldest messages, or, where it has none, the rest. Whether there was one.
    pub(super) fn purge(&mut self, age_s: i64, limit: i64, now: Moment) -> bool {
        let old = now - Duration::seconds(age_s);
        let mut rooms = self.rooms.values_mut();
        let Some(room) = rooms.find(|room| room.deleted && !room.purged && room.last_at <= old)
        else {
            return false;
        };
        let limit = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
        let seqs: Vec<_> = room.messages.keys().copied().take(limit).collect();
        for seq in &seqs {
            if let Some(message) = room.messages.remove(seq) {
                room.changes.remove(&message.row.version);
            }
            room.replies.remove(seq);
            room.head.first_seq = seq + 1;
        }
        if seqs.is_empty() {
            room.forget();
            let id = room.row.id;
            self.hooks.retain(|_, hook| hook.room != id);
            self.sweep_webhooks();
        }
        true
    }
}

impl Room {
    /// All but the address, the head and that it was deleted.
    fn forget(&mut self) {
        let tells =
            |change: &Change| matches!(change, Change::Log(log) if log.kind == LogKind::Deleted);
        self.changes.retain(|_, change| tells(change));
        self.replies.clear();
        self.members.clear();
        self.bans.clear();
        self.invites.clear();
        self.muted.clear();
        self.read.clear();
        self.assistants.clear();
        self.keep = salon::db::rows::Keep::default();
        self.direct = None;
        self.row.name = self.row.slug.clone();
        self.row.topic.clear();
        self.purged = true;
    }
}
