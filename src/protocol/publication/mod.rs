//! What instances pass to each other about one room: a range of its changes with their frames already encoded, a
//! piece of a running reply, or a hint to read. The writer and the reply runners make them, feeds take them.
//!
//! The frames in it are the very bytes that go to the sockets. A feed reads only the small table in front: which
//! version each frame is, and what a feed itself must act on (a removal, a reply that starts or settles). The
//! layer authenticates the whole; still nothing here decides rights: a feed that doubts reads the database.

mod wire;

use bytes::{BufMut, Bytes, BytesMut};

use super::frame::{Frame, append_text_frame};
use super::partial::PartialBody;
use super::server::{MessageBody, ServerFrame};
use crate::db::rows::{LogKind, MessageState, StoredChange};
use crate::ids::{Attempt, ChunkNumber, Epoch, Seq, UserId, Version};

/// Something about one room.
#[derive(Clone, PartialEq, Debug)]
pub enum Publication {
    /// Changes, ready to be sent.
    Range(ChangeRange),
    /// A piece of a running reply.
    Delta(DeltaPiece),
    /// Something happened: read the database.
    Look,
}

/// The changes of (from, to], in the form they had when they were read or written.
#[derive(Clone, PartialEq, Debug)]
pub struct ChangeRange {
    /// The history it belongs to.
    pub epoch: Epoch,
    /// A reader at this version or above can take it.
    pub from: Version,
    /// Where a reader stands after it.
    pub to: Version,
    /// Ascending by version.
    pub entries: Vec<Entry>,
    /// The frames of all entries, one behind the other.
    pub frames: Bytes,
    /// Some of them shorter, ascending by version: for readers who hold what they change, in the form it had before.
    pub short: Vec<ShortFrame>,
}

/// The shorter frame of one version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShortFrame {
    /// Which version.
    pub version: Version,
    /// Its frame.
    pub frame: Bytes,
}

/// One change of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its version.
    pub version: Version,
    /// What a feed must do about it, beside sending its frame.
    pub effect: Effect,
    /// Where its frame begins in `frames`.
    pub offset: usize,
    /// The length of its frame.
    pub length: usize,
}

/// What a change means to a feed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Nothing but its frame.
    None,
    /// A reply waits or runs from here on, under attempts above `after_attempt`.
    ReplyQueued {
        /// The reply's message.
        seq: Seq,
        /// The message that asked.
        prompt_seq: Seq,
        /// Attempts up to this one are over.
        after_attempt: Attempt,
    },
    /// A reply ended.
    ReplySettled {
        /// The reply's message.
        seq: Seq,
    },
    /// Nothing above this version may reach the user's sockets whose proof is older.
    Removed {
        /// Whose.
        user: UserId,
        /// Whether by a ban: its sockets are told.
        banned: bool,
    },
    /// A message's text is gone: ranges below may not be replayed.
    Tombstone,
    /// The room is gone.
    RoomDeleted,
}

impl Effect {
    /// Why a room ends for somebody, as `room.removed` says it; none where it does not.
    #[must_use]
    pub const fn removal(self) -> Option<&'static str> {
        match self {
            Self::Removed { banned: true, .. } => Some("banned"),
            Self::Removed { .. } => Some("removed"),
            Self::RoomDeleted => Some("deleted"),
            _ => None,
        }
    }
}

/// A piece of a reply. It has no version.
#[derive(Clone, PartialEq, Debug)]
pub struct DeltaPiece {
    /// The reply's message.
    pub seq: Seq,
    /// The runner's attempt.
    pub attempt: Attempt,
    /// The first chunk covered.
    pub first: ChunkNumber,
    /// How many are covered.
    pub count: ChunkNumber,
    /// Their text, UTF-8.
    pub text: Bytes,
    /// Of the first: the oldest message that the assistant was told of, where older ones were left out. It goes in the frame only.
    pub context_from: Option<Seq>,
    /// The frame of exactly this piece.
    pub frame: Bytes,
}

impl ChangeRange {
    /// Encodes what the database gave. `changes` ascends within (from, to]; each frame's `prev` is the version of the
    /// one before it, the first one's is `from`.
    #[must_use]
    pub fn encode(
        slug: &str,
        epoch: Epoch,
        from: Version,
        to: Version,
        changes: &[StoredChange],
    ) -> Self {
        let mut frames = BytesMut::with_capacity(changes.len() * 512);
        let mut entries = Vec::with_capacity(changes.len());
        let mut prev = from;
        for change in changes {
            let version = change.version();
            let offset = frames.len();
            let length = append_text_frame(&mut frames, &change_frame(slug, prev, change));
            entries.push(Entry {
                version,
                effect: effect_of(change),
                offset,
                length,
            });
            prev = version;
        }
        Self {
            epoch,
            from,
            to,
            entries,
            frames: frames.freeze(),
            short: Vec::new(),
        }
    }

    /// The same range, knowing of some of its messages what alone changed.
    #[must_use]
    pub fn with_short(mut self, slug: &str, partials: &[PartialBody]) -> Self {
        for partial in partials {
            let place = self
                .entries
                .partition_point(|entry| entry.version < partial.version);
            let before = place
                .checked_sub(1)
                .and_then(|place| self.entries.get(place));
            let frame = Frame::encode(&ServerFrame::Partial {
                room: slug,
                version: partial.version,
                prev: before.map_or(self.from, |entry| entry.version),
                partial: true,
                message: partial,
            });
            self.short.push(ShortFrame {
                version: partial.version,
                frame: frame.bytes().clone(),
            });
        }
        self
    }

    /// As [`ChangeRange::frames_between`], with the shorter frames where there are any.
    #[must_use]
    pub fn short_between(&self, after: Version, up_to: Version) -> Frame {
        let mut run = BytesMut::new();
        let mut told = after;
        for short in &self.short {
            if short.version <= after || short.version > up_to {
                continue;
            }
            let whole = self.frames_between(told, short.version - 1);
            run.put_slice(whole.bytes());
            run.put_slice(&short.frame);
            told = short.version;
        }
        run.put_slice(self.frames_between(told, up_to).bytes());
        Frame::from_encoded(run.freeze())
    }

    /// The frames of the versions above `after`, as one run; empty when there are none.
    #[must_use]
    pub fn frames_above(&self, after: Version) -> Frame {
        let first = self.entries.partition_point(|entry| entry.version <= after);
        match self.entries.get(first) {
            Some(entry) => Frame::from_encoded(self.frames.slice(entry.offset..)),
            None => Frame::from_encoded(Bytes::new()),
        }
    }

    /// The frames of the versions in `(after, up_to]`, as one run.
    #[must_use]
    pub fn frames_between(&self, after: Version, up_to: Version) -> Frame {
        let first = self.entries.partition_point(|entry| entry.version <= after);
        let last = self.entries.partition_point(|entry| entry.version <= up_to);
        let start = self
            .entries
            .get(first)
            .map_or(self.frames.len(), |entry| entry.offset);
        let end = self
            .entries
            .get(last)
            .map_or(self.frames.len(), |entry| entry.offset);
        Frame::from_encoded(self.frames.slice(start..end.max(start)))
    }
}

impl DeltaPiece {
    /// A piece with its frame.
    #[must_use]
    pub fn encode(
        slug: &str,
        seq: Seq,
        attempt: Attempt,
        first: ChunkNumber,
        count: ChunkNumber,
        text: &str,
    ) -> Self {
        Self::encode_from(slug, (seq, attempt, None), (first, count), text)
    }

    /// The same of an attempt whose assistant was told of messages from `context_from` on; only the first chunk says so.
    #[must_use]
    pub fn encode_from(
        slug: &str,
        (seq, attempt, context_from): (Seq, Attempt, Option<Seq>),
        (first, count): (ChunkNumber, ChunkNumber),
        text: &str,
    ) -> Self {
        let context_from = context_from.filter(|_| first == 1);
        let frame = Frame::encode(&ServerFrame::Delta {
            room: slug,
            seq,
            attempt,
            chunk: first,
            count,
            text,
            context_from,
        });
        Self {
            seq,
            attempt,
            first,
            count,
            text: Bytes::copy_from_slice(text.as_bytes()),
            context_from,
            frame: frame.bytes().clone(),
        }
    }
}

/// The frame that tells members of one stored change.
pub(crate) fn change_frame<'a>(
    room: &'a str,
    prev: Version,
    change: &'a StoredChange,
) -> ServerFrame<'a> {
    match change {
        StoredChange::Message(row) => ServerFrame::Message {
            room,
            version: row.version,
            prev,
            message: MessageBody::from(&**row),
        },
        StoredChange::Log(log) => ServerFrame::Changed {
            room,
            version: log.version,
            prev,
            change: log.kind,
            user: log.user.as_ref(),
            role: log.role,
            data: &log.data,
        },
    }
}

fn effect_of(change: &StoredChange) -> Effect {
    match change {
        StoredChange::Message(row) if row.deleted_at.is_some() => Effect::Tombstone,
        StoredChange::Message(row) => match (&row.meta.reply, row.state) {
            (None, _) => Effect::None,
            (Some(reply), MessageState::Queued) => Effect::ReplyQueued {
                seq: row.seq,
                prompt_seq: reply.prompt_seq,
                after_attempt: reply.attempt,
            },
            (Some(_), _) => Effect::ReplySettled { seq: row.seq },
        },
        StoredChange::Log(log) => match (log.kind, &log.user) {
            (LogKind::Removed, Some(user)) => Effect::Removed {
                user: user.id,
                banned: log.data.get("banned") == Some(&serde_json::Value::Bool(true)),
            },
            (LogKind::Deleted, _) => Effect::RoomDeleted,
            _ => Effect::None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::rows::{LogRow, UserKind, UserRow};

    fn log(version: Version, kind: LogKind) -> StoredChange {
        StoredChange::Log(LogRow {
            version,
            kind,
            user: None,
            role: None,
            data: serde_json::json!({}),
        })
    }

    #[test]
    fn a_removal_says_over_the_layer_whether_it_was_a_ban() {
        let user = UserRow {
            id: UserId(uuid::Uuid::from_u128(7)),
            name: "ada".into(),
            kind: UserKind::User,
        };
        let removed = |version, data| {
            StoredChange::Log(LogRow {
                version,
                kind: LogKind::Removed,
                user: Some(user.clone()),
                role: None,
                data,
            })
        };
        let changes = [
            removed(1, serde_json::json!({})),
            removed(2, serde_json::json!({"banned": true})),
            log(3, LogKind::Deleted),
            log(4, LogKind::Settings),
        ];
        let range = ChangeRange::encode("lobby", Epoch(7), 0, 4, &changes);
        let read = Publication::from_bytes(&Publication::Range(range).to_bytes());
        let Some(Publication::Range(read)) = read else {
            panic!("{read:?}")
        };
        let reasons: Vec<_> = read
            .entries
            .iter()
            .map(|one| one.effect.removal())
            .collect();
        let expected = [Some("removed"), Some("banned"), Some("deleted"), None];
        assert_eq!(reasons, expected);
    }

    #[test]
    fn a_range_survives_the_layer_and_is_cut_at_a_version() {
        let changes = [
            log(3, LogKind::Settings),
            log(5, LogKind::Settings),
            log(6, LogKind::Deleted),
        ];
        let range = ChangeRange::encode("lobby", Epoch(7), 2, 6, &changes);
        let read = Publication::from_bytes(&Publication::Range(range.clone()).to_bytes());
        assert_eq!(read, Some(Publication::Range(range.clone())));
        assert_eq!(range.frames_above(2).payloads().count(), 3);
        assert_eq!(range.frames_above(4).payloads().count(), 2);
        assert_eq!(range.frames_above(6).payloads().count(), 0);
        assert_eq!(range.frames_between(3, 5).payloads().count(), 1);
        let first: serde_json::Value =
            serde_json::from_slice(&range.frames_above(3).payloads().next().unwrap()).unwrap();
        assert_eq!(
            (first["version"].as_i64(), first["prev"].as_i64()),
            (Some(5), Some(3))
        );
    }

    #[test]
    fn shorter_frames_go_along_and_stand_in_their_place() {
        let changes: Vec<_> = (3..=6)
            .map(|version| log(version, LogKind::Settings))
            .collect();
        let partial = |version| PartialBody {
            seq: 1,
            version,
            reaction: None,
            pinned: Some(None),
        };
        let range = ChangeRange::encode("lobby", Epoch(7), 2, 6, &changes);
        let range = range.with_short("lobby", &[partial(3), partial(5)]);
        let bytes = Publication::Range(range.clone()).to_bytes();
        assert_eq!(
            Publication::from_bytes(&bytes),
            Some(Publication::Range(range.clone()))
        );
        let told = |after, up_to| -> Vec<(i64, i64, bool)> {
            let run = range.short_between(after, up_to);
            run.payloads()
                .map(|json| {
                    let frame: serde_json::Value = serde_json::from_slice(&json).unwrap();
                    let number = |field: &str| frame[field].as_i64().unwrap();
                    (number("version"), number("prev"), frame["partial"] == true)
                })
                .collect()
        };
        assert_eq!(
            told(2, 6),
            [(3, 2, true), (4, 3, false), (5, 4, true), (6, 5, false)]
        );
        assert_eq!(told(3, 5), [(4, 3, false), (5, 4, true)]);
        assert_eq!(range.frames_between(2, 6).payloads().count(), 4);
        for end in 0..bytes.len() {
            let _ = Publication::from_bytes(&bytes.slice(..end));
            let mut changed = bytes.to_vec();
            changed[end] ^= 0xff;
            let _ = Publication::from_bytes(&Bytes::from(changed));
        }
    }

    #[test]
    fn a_cut_or_changed_publication_never_panics() {
        let bytes = Publication::Range(ChangeRange::encode(
            "a",
            Epoch(1),
            0,
            2,
            &[log(1, LogKind::Settings)],
        ))
        .to_bytes();
        for end in 0..bytes.len() {
            assert_eq!(Publication::from_bytes(&bytes.slice(..end)), None);
            let mut changed = bytes.to_vec();
            changed[end] ^= 0xff;
            let _ = Publication::from_bytes(&Bytes::from(changed));
        }
    }
}
