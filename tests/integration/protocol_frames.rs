//! What `protocol_document` compares with the examples: a message, what a reply tells of its making, and a frame of each type that tells of people.

use std::borrow::Cow;

use chrono::Utc;
use salon::db::marks::Reaction;
use salon::db::rows::{MessageKind, MessageState, ReplyMeta, Usage, UserRow};
use salon::db::variants::Variants;
use salon::ids::{ClientId, UserId};

use salon::protocol::partial::PinBody;
use salon::protocol::server::{MessageBody, QueuedBody, ServerFrame};

/// They always have all of their fields.
pub(crate) fn frames_of_people(user: &UserRow) -> Vec<ServerFrame<'_>> {
    vec![
        ServerFrame::Presence {
            room: "lobby",
            count: 1,
            users: std::slice::from_ref(user),
        },
        ServerFrame::Drain {
            reconnect_after_ms: 1,
        },
        ServerFrame::Queue {
            room: "lobby",
            waiting: vec![QueuedBody {
                seq: 1,
                position: 1,
                user,
            }],
        },
        ServerFrame::Typing {
            room: "lobby",
            user,
        },
        ServerFrame::Read {
            room: "lobby",
            user: user.id,
            seq: 1,
        },
        ServerFrame::UserRead {
            room: "lobby",
            seq: 1,
            unread: 0,
            mentions: 0,
        },
        ServerFrame::UserRooms {
            gained: &["lobby"],
            lost: &["den"],
        },
        ServerFrame::UserMuted {
            room: "lobby",
            muted: true,
        },
        ServerFrame::UserMentioned {
            room: "lobby",
            last_seq: 3,
            unread: 2,
            mentions: 1,
        },
    ]
}

/// A message with all of its fields, or with those only that are always there.
pub(crate) fn message<'a>(user: &'a UserRow, meta: &'a ReplyMeta, full: bool) -> MessageBody<'a> {
    MessageBody {
        seq: 1,
        version: 1,
        client_id: full.then(ClientId::new),
        kind: MessageKind::User,
        author: user,
        body: "",
        html: full.then_some(""),
        state: MessageState::Complete,
        reply_to: full.then_some(1),
        mentions: if full {
            std::slice::from_ref(&user.id)
        } else {
            &[]
        },
        reply: full.then_some(Cow::Borrowed(meta)),
        reactions: if full {
            Vec::leak(vec![Reaction {
                emoji: "👍".into(),
                count: 1,
                users: vec![user.id],
            }])
        } else {
            &[]
        },
        pinned: full.then(|| PinBody {
            at: Utc::now(),
            by: user.id,
        }),
        created_at: Utc::now(),
        edited_at: full.then(Utc::now),
        deleted_at: full.then(Utc::now),
    }
}

/// What a reply tells of its making: all there can be, or what there always is.
pub(crate) fn reply_meta(full: bool) -> ReplyMeta {
    ReplyMeta {
        prompt_seq: 1,
        attempt: 1,
        model: full.then(|| "m".into()),
        error: full.then(|| "e".into()),
        usage: full.then(|| Usage {
            cached_tokens: 1,
            ..Usage::default()
        }),
        cost_micros: full.then_some(1),
        first_token_ms: full.then_some(1),
        retry_at: full.then(Utc::now),
        stop_reason: full.then(|| "end".into()),
        stopped_by: full.then(UserId::new),
        context_from: full.then_some(1),
        variants: full.then_some(Variants {
            count: 2,
            selected: 1,
        }),
    }
}
