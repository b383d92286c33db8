//! Posting on Postgres: the repeat, the rights, the rate, the message, and the reply it may ask for; and the statement
//! that writes all of a batch. Called by the judge for each post, in order; nothing here waits.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::judge::Known;
use super::room::RoomWork;
use crate::db::assistants::{asked, has_left, may_ask, with_default};
use crate::db::changes::{NewPost, Posted, resolve_mentions};
use crate::db::marks::MessageMarks;
use crate::db::postgres::statement::statement;
use crate::db::rows::{
    MessageKind, MessageMeta, MessageRow, MessageState, ReplyMeta, StoredChange, UserKind, UserRow,
    Visibility,
};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{Seq, UserId};
use crate::limits::{REPLIES_PER_ROOM, RETRY_HINT_MS};
use crate::permissions::Action;

statement!(
    /// Messages, replies and counters of a batch. Counts the heads. The meta of a reply is known from its prompt.
    WriteBatch {
        rooms: Vec<Uuid>,
        seqs: Vec<i64>,
        versions: Vec<i64>,
        authors: Vec<Uuid>,
        clients: Vec<Uuid>,
        bodies: Vec<String>,
        htmls: Vec<Option<String>>,
        reply_tos: Vec<Option<i64>>,
        times: Vec<DateTime<Utc>>,
        reply_rooms: Vec<Uuid>,
        reply_seqs: Vec<i64>,
        reply_versions: Vec<i64>,
        prompt_seqs: Vec<i64>,
        askers: Vec<Uuid>,
        assistants: Vec<Uuid>,
        reply_times: Vec<DateTime<Utc>>,
        head_rooms: Vec<Uuid>,
        head_versions: Vec<i64>,
        head_seqs: Vec<i64>,
        head_times: Vec<DateTime<Utc>>,
        mention_users: Vec<Uuid>,
        mention_rooms: Vec<Uuid>,
        mention_seqs: Vec<i64>,
        metas: Vec<serde_json::Value>,
    },
    "WITH posted AS ( \
         INSERT INTO messages (room_id, seq, version, created_version, author_id, client_id, kind, state, body, html, \
                               reply_to, created_at, meta) \
         SELECT n.room_id, n.seq, n.version, n.version, n.author_id, n.client_id, 'user', 'complete', n.body, n.html, \
                n.reply_to, n.created_at, n.meta \
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $24) \
             AS n (room_id, seq, version, author_id, client_id, body, html, reply_to, created_at, meta) \
     ), answers AS ( \
         INSERT INTO messages (room_id, seq, version, created_version, author_id, kind, state, body, reply_to, meta, \
                               created_at) \
         SELECT n.room_id, n.seq, n.version, n.version, n.assistant_id, 'assistant', 'queued', '', n.prompt_seq, \
                jsonb_build_object('reply', jsonb_build_object('prompt_seq', n.prompt_seq, 'attempt', 0)), n.created_at \
         FROM unnest($10, $11, $12, $13, $15, $16) \
             AS n (room_id, seq, version, prompt_seq, assistant_id, created_at) \
     ), asked AS ( \
         INSERT INTO replies (room_id, seq, prompt_seq, asker_id, assistant_id, queued_at) \
         SELECT n.* FROM unnest($10, $11, $13, $14, $15, $16) AS n \
     ), mentioned AS ( \
         INSERT INTO mentions (user_id, room_id, seq) SELECT n.* FROM unnest($21, $22, $23) AS n \
     ) \
     UPDATE room_heads h SET version = n.version, last_seq = n.last_seq, last_at = n.last_at \
     FROM unnest($17, $18, $19, $20) AS n (room_id, version, last_seq, last_at) WHERE h.room_id = n.room_id"
);

/// The rows of a batch, gathered.
#[derive(Debug, Default)]
pub(super) struct NewRows {
    posts: Vec<NewRow>,
    replies: Vec<NewReply>,
    heads: Vec<(Uuid, i64, i64, DateTime<Utc>)>,
}

#[derive(Debug)]
struct NewRow {
    room: Uuid,
    seq: i64,
    version: i64,
    author: Uuid,
    client: Uuid,
    body: String,
    html: Option<String>,
    reply_to: Option<i64>,
    mentions: Vec<UserId>,
    meta: serde_json::Value,
    time: DateTime<Utc>,
}

#[derive(Debug)]
struct NewReply {
    room: Uuid,
    seq: i64,
    version: i64,
    prompt_seq: i64,
    asker: Uuid,
    assistant: Uuid,
    time: DateTime<Utc>,
}

impl NewRows {
    /// How many replies this batch queues for somebody.
    fn asked_by(&self, user: UserId) -> i64 {
        let own = self.replies.iter().filter(|reply| reply.asker == user.0);
        i64::try_from(own.count()).unwrap_or(i64::MAX)
    }

    /// Adds a room's counters as they will be.
    pub(super) fn head(&mut self, work: &RoomWork) {
        let head = &work.head;
        self.heads
            .push((head.room.0, head.version, head.last_seq, work.now));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// What was gathered so far, written early: a change that reads tables follows in the same batch.
    pub(super) fn take_early(&mut self) -> Option<WriteBatch> {
        if self.posts.is_empty() {
            return None;
        }
        let early = Self {
            posts: std::mem::take(&mut self.posts),
            replies: std::mem::take(&mut self.replies),
            heads: Vec::new(),
        };
        Some(early.into_write().0)
    }

    /// The statement, and how many heads it writes.
    pub(super) fn into_write(self) -> (WriteBatch, usize) {
        let heads = self.heads.len();
        let mut write = WriteBatch::empty();
        for row in self.posts {
            for user in &row.mentions {
                write.mention_users.push(user.0);
                write.mention_rooms.push(row.room);
                write.mention_seqs.push(row.seq);
            }
            write.metas.push(row.meta);
            write.rooms.push(row.room);
            write.seqs.push(row.seq);
            write.versions.push(row.version);
            write.authors.push(row.author);
            write.clients.push(row.client);
            write.bodies.push(row.body);
            write.htmls.push(row.html);
            write.reply_tos.push(row.reply_to);
            write.times.push(row.time);
        }
        for row in self.replies {
            write.reply_rooms.push(row.room);
            write.reply_seqs.push(row.seq);
            write.reply_versions.push(row.version);
            write.prompt_seqs.push(row.prompt_seq);
            write.askers.push(row.asker);
            write.assistants.push(row.assistant);
            write.reply_times.push(row.time);
        }
        for (room, version, last_seq, time) in self.heads {
            write.head_rooms.push(room);
            write.head_versions.push(version);
            write.head_seqs.push(last_seq);
            write.head_times.push(time);
        }
        (write, heads)
    }
}

impl WriteBatch {
    fn empty() -> Self {
        Self {
            rooms: Vec::new(),
            seqs: Vec::new(),
            versions: Vec::new(),
            authors: Vec::new(),
            clients: Vec::new(),
            bodies: Vec::new(),
            htmls: Vec::new(),
            reply_tos: Vec::new(),
            times: Vec::new(),
            reply_rooms: Vec::new(),
            reply_seqs: Vec::new(),
            reply_versions: Vec::new(),
            prompt_seqs: Vec::new(),
            askers: Vec::new(),
            assistants: Vec::new(),
            reply_times: Vec::new(),
            head_rooms: Vec::new(),
            head_versions: Vec::new(),
            head_seqs: Vec::new(),
            head_times: Vec::new(),
            mention_users: Vec::new(),
            mention_rooms: Vec::new(),
            mention_seqs: Vec::new(),
            metas: Vec::new(),
        }
    }
}

/// Numbers a message, or finds it stored.
pub(super) fn post(
    work: &mut RoomWork,
    known: &mut Known,
    rows: &mut NewRows,
    post: &NewPost,
) -> Result<Posted, Refusal> {
    let key = (work.head.room, post.author, post.client_id);
    if let Some(posted) = known.repeats.get(&key) {
        return Ok(posted.clone());
    }
    let author = judged(work, known, post)?;
    let asks =
        known.asked.get(&author.id.0).copied().unwrap_or_default() + rows.asked_by(author.id);
    let full_until = post.prompt.and_then(|prompt| {
        let counted = |subject| known.counted.get(&subject).copied().unwrap_or_default();
        prompt
            .caps
            .full(post.author, work.head.room, work.now, counted)
    });
    let asked = wanted_assistants(work, known, post, (&author, asks, full_until.is_some()));
    let message = new_message(work, author);
    let (seq, version, created_at) = (message.seq, message.version, message.created_at);
    let meta = MessageMeta {
        mentions: mentioned(work, known, post),
        ..MessageMeta::default()
    };
    rows.posts.push(NewRow {
        room: work.head.room.0,
        seq,
        version,
        author: post.author.0,
        client: post.client_id.0,
        body: post.body.clone(),
        html: post.html.clone(),
        reply_to: post.reply_to,
        mentions: meta.mentions.clone(),
        // It holds no map with other keys than strings, so it always is a value.
        meta: serde_json::to_value(&meta).unwrap_or_default(),
        time: created_at,
    });
    work.changes
        .push(StoredChange::Message(Box::new(MessageRow {
            client_id: Some(post.client_id),
            body: post.body.clone(),
            html: post.html.clone(),
            reply_to: post.reply_to,
            meta,
            ..message
        })));
    let (replies, reply_refused) = queue_replies(work, rows, asked, post.author, seq);
    let mut replies = replies.into_iter();
    let posted = Posted {
        seq,
        version,
        created_at,
        duplicate: false,
        reply_seq: replies.next(),
        more_replies: replies.collect(),
        reply_refused,
        refused_until: full_until.filter(|_| reply_refused == Some(ErrorCode::SpendLimitReached)),
    };
    let repeat = Posted {
        duplicate: true,
        reply_refused: None,
        refused_until: None,
        ..posted.clone()
    };
    known.repeats.insert(key, repeat);
    Ok(posted)
}

/// Who posts, if it may be posted: rights first, then the rate, then what it answers.
fn judged(work: &RoomWork, known: &Known, post: &NewPost) -> Result<UserRow, Refusal> {
    work.require(post.author, Action::Post)?;
    work.require_open(post.author)?;
    if post.is_over_rate(work.settings.visibility, work.people) {
        return Err(Refusal::from(ErrorCode::RateLimited).retry_after_ms(RETRY_HINT_MS));
    }
    if let Some(seq) = post.reply_to
        && !may_be_answered(work, known, seq)
    {
        return Err(ErrorCode::MessageNotFound.into());
    }
    let author = known.users.get(&post.author).cloned();
    Ok(author.ok_or(ErrorCode::UserNotFound)?)
}

/// The members whom it mentions, each once.
fn mentioned(work: &RoomWork, known: &Known, post: &NewPost) -> Vec<UserId> {
    let room = work.head.room.0;
    resolve_mentions(post, |name| {
        let named = known.named.get(&(room, name.to_owned()));
        named.map_or_else(Vec::new, |users| {
            users.iter().copied().map(UserId).collect()
        })
    })
}

/// Stored and not deleted; what this very batch did to it comes first.
fn may_be_answered(work: &RoomWork, known: &Known, seq: Seq) -> bool {
    let of_this_batch = work.changes.iter().rev().find_map(|change| match change {
        StoredChange::Message(message) if message.seq == seq => Some(message.deleted_at.is_none()),
        _ => None,
    });
    of_this_batch.unwrap_or_else(|| known.targets.contains(&(work.head.room.0, seq)))
}

/// Who is to answer, each with why it does not; nobody when nobody was asked. `asks` counts the asker's unsettled replies;
/// batches of other rooms that are written at the same time may each add some. `is_spent` tells whether what may be spent is.
fn wanted_assistants(
    work: &RoomWork,
    known: &Known,
    post: &NewPost,
    (author, asks, is_spent): (&UserRow, i64, bool),
) -> Vec<Result<UserRow, ErrorCode>> {
    let Some(prompt) = post.prompt else {
        return Vec::new();
    };
    let in_direct = work.settings.visibility == Visibility::Direct && work.people == 0;
    // An assistant that called itself would never stop.
    if author.kind == UserKind::Assistant {
        return Vec::new();
    }
    let room = work.head.room.0;
    let rows = known.assistants.get(&room).cloned().unwrap_or_default();
    let default = known.users.get(&prompt.assistant);
    let default = default.filter(|user| user.kind == UserKind::Assistant);
    let all = match default {
        Some(default) => with_default(default.clone(), rows),
        None if prompt.mentioned || in_direct => {
            return vec![Err(match author.kind {
                UserKind::Bot => ErrorCode::BotsNotAnswered,
                _ => ErrorCode::NoAssistant,
            })];
        }
        None => rows,
    };
    let is_member = |name: &str| known.named.contains_key(&(room, name.to_owned()));
    let role = work.role(author.id);
    asked(post, &all, in_direct, is_member)
        .into_iter()
        .zip(asks..)
        .map(|(one, asks)| {
            may_ask(&one, author.kind, role, in_direct)?;
            has_left(prompt, asks, is_spent)?;
            Ok(one.user)
        })
        .collect()
}

/// Queues the replies in order, as many as may run; their seqs, and why the first that is not queued is not.
fn queue_replies(
    work: &mut RoomWork,
    rows: &mut NewRows,
    asked: Vec<Result<UserRow, ErrorCode>>,
    asker: UserId,
    prompt_seq: Seq,
) -> (Vec<Seq>, Option<ErrorCode>) {
    let (mut replies, mut refused) = (Vec::new(), None);
    for assistant in asked {
        match assistant {
            Ok(_) if work.unsettled >= REPLIES_PER_ROOM => {
                refused = refused.or(Some(ErrorCode::TooManyReplies));
            }
            Ok(assistant) => replies.push(queue_reply(work, rows, assistant, asker, prompt_seq)),
            Err(code) => refused = refused.or(Some(code)),
        }
    }
    (replies, refused)
}

fn queue_reply(
    work: &mut RoomWork,
    rows: &mut NewRows,
    assistant: UserRow,
    asker: UserId,
    prompt_seq: Seq,
) -> Seq {
    let assistant_id = assistant.id.0;
    let message = new_message(work, assistant);
    let seq = message.seq;
    rows.replies.push(NewReply {
        room: work.head.room.0,
        seq,
        version: message.version,
        prompt_seq,
        asker: asker.0,
        assistant: assistant_id,
        time: message.created_at,
    });
    work.unsettled += 1;
    work.changes
        .push(StoredChange::Message(Box::new(MessageRow {
            kind: MessageKind::Assistant,
            state: MessageState::Queued,
            reply_to: Some(prompt_seq),
            meta: MessageMeta {
                reply: Some(ReplyMeta {
                    prompt_seq,
                    ..ReplyMeta::default()
                }),
                ..MessageMeta::default()
            },
            ..message
        })));
    seq
}

/// A message at the next seq and version, complete and without text yet.
fn new_message(work: &mut RoomWork, author: UserRow) -> MessageRow {
    work.head.last_seq += 1;
    MessageRow {
        seq: work.head.last_seq,
        version: work.next_version(),
        author,
        client_id: None,
        kind: MessageKind::User,
        state: MessageState::Complete,
        body: String::new(),
        html: None,
        reply_to: None,
        meta: MessageMeta::default(),
        created_at: work.now,
        edited_at: None,
        deleted_at: None,
        marks: MessageMarks::default(),
    }
}
