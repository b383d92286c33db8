//! Replies that are not settled, as frames tell of them. Made by feeds; a settled one is a message like any other.

use serde::Serialize;

use crate::db::queue::QueuedReply;
use crate::db::rows::{ReplyState, RunningReply, UserRow};
use crate::ids::{Attempt, ChunkNumber, Seq};

/// A reply that is not settled, in `room.joined`.
#[derive(Clone, Copy, Serialize, Debug)]
pub struct ReplyBody<'a> {
    /// Its message.
    pub seq: Seq,
    /// The message that asked.
    pub prompt_seq: Seq,
    /// `queued` or `streaming`.
    pub state: ReplyState,
    /// The current try.
    pub attempt: Attempt,
    /// The highest chunk number in `body`.
    pub chunks: ChunkNumber,
    /// The text so far; null when it does not fit, then it follows as one delta from chunk 1.
    pub body: Option<&'a str>,
    /// The oldest message that the assistant was told of, where older ones were left out; once it writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_from: Option<Seq>,
}

impl<'a> From<&'a RunningReply> for ReplyBody<'a> {
    fn from(reply: &'a RunningReply) -> Self {
        Self {
            seq: reply.seq,
            prompt_seq: reply.prompt_seq,
            state: reply.state,
            attempt: reply.attempt,
            chunks: reply.chunks,
            body: Some(&reply.body),
            context_from: reply.context_from,
        }
    }
}

/// A reply that waits for a runner.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct QueuedBody<'a> {
    /// Its seq.
    pub seq: Seq,
    /// How many go before it on this server, and itself: the next has 1.
    pub position: i64,
    /// Who asked.
    pub user: &'a UserRow,
}

impl<'a> From<&'a QueuedReply> for QueuedBody<'a> {
    fn from(reply: &'a QueuedReply) -> Self {
        Self {
            seq: reply.seq,
            position: reply.position,
            user: &reply.asker,
        }
    }
}
