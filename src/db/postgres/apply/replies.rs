//! Versioned changes of replies on Postgres: stopped, retried, settled, interrupted. Called by the judge. What runners
//! write between them is in `db/postgres/replies.rs`; they take no head lock, so a reply's row is locked here too.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types as sql;
use uuid::Uuid;

use super::asking_again;
use super::room::RoomWork;
use crate::db::changes::{Change, Settlement};
use crate::db::postgres::pool::Conn;
use crate::db::postgres::records::{MessageRecord, message_columns, word};
use crate::db::postgres::statement::statement;
use crate::db::reply_life::{Becomes, Standing, Step};
use crate::db::rows::{MessageMeta, MessageRow, MessageState, ReplyMeta, ReplyState, StoredChange};
use crate::db::variants::Variants;
use crate::db::{StoreError, StoreResult};
use crate::error::ErrorCode;
use crate::ids::{Attempt, InstanceId, Seq, UserId, Version};
use crate::limits::REPLIES_PER_ROOM;
use crate::permissions::{Action, Role, allows};
use crate::spending::Caps;

statement!(
    /// A reply and its message; its runner waits until this is over.
    LockReply { room: Uuid, seq: i64 } -> struct ReplyRecord,
    concat!(
        "SELECT r.prompt_seq, r.asker_id, r.state AS reply_state, r.attempt, r.shown, r.lease_owner, \
             r.lease_until <= clock_timestamp() AS expired, r.stop_requested, r.context_from, r.selected, \
             (SELECT count(*) FROM reply_variants v WHERE v.room_id = r.room_id AND v.seq = r.seq)::integer + 1 AS variants, \
             coalesce(a.may_stop, 'moderator') AS may_stop, coalesce(a.may_regenerate, 'moderator') AS may_regenerate, ", message_columns!(), " \
         FROM replies r JOIN messages m ON m.room_id = r.room_id AND m.seq = r.seq JOIN users u ON u.id = m.author_id \
         LEFT JOIN room_assistants a ON a.room_id = r.room_id AND a.user_id = r.assistant_id \
         WHERE r.room_id = $1 AND r.seq = $2 FOR UPDATE OF r"
    )
);
statement!(
    /// Asks a runner to stop; who did so waits in the message for its end, without a version of its own.
    RequestStop { room: Uuid, seq: i64, meta: serde_json::Value },
    "WITH asked AS (UPDATE replies SET stop_requested = true WHERE room_id = $1 AND seq = $2) \
     UPDATE messages SET meta = $3 WHERE room_id = $1 AND seq = $2"
);
statement!(
    /// A reply's message at its next version, and the reply settled or queued again: without lease or chunks.
    RewriteReply {
        room: Uuid,
        seq: i64,
        version: i64,
        message_state: String,
        body: String,
        html: Option<String>,
        meta: serde_json::Value,
        reply_state: String,
        at: DateTime<Utc>,
        model: Option<String>,
        input_tokens: Option<i64>,
        output_tokens: Option<i64>,
        selected: i32,
    },
    "WITH reply AS ( \
         UPDATE replies SET state = $8, lease_owner = NULL, lease_until = NULL, \
             shown = shown AND $8 = 'settled', stop_requested = stop_requested AND $8 = 'settled', \
             queued_at = CASE WHEN $8 = 'queued' THEN $9 ELSE queued_at END, \
             context_from = CASE WHEN $8 = 'settled' THEN context_from END, \
             settled_at = CASE WHEN $8 = 'queued' THEN NULL WHEN state = 'settled' THEN settled_at ELSE $9 END, \
             model = $10, input_tokens = $11, output_tokens = $12, selected = $13 \
         WHERE room_id = $1 AND seq = $2 \
     ), chunks AS ( \
         DELETE FROM reply_chunks WHERE room_id = $1 AND seq = $2 \
     ) \
     UPDATE messages SET version = $3, state = $4, body = $5, html = $6, meta = $7 WHERE room_id = $1 AND seq = $2"
);
statement!(
    /// The text an attempt saved.
    SavedText { room: Uuid, seq: i64, attempt: i32 } -> (String,),
    "SELECT coalesce(string_agg(text, '' ORDER BY first), '') FROM reply_chunks \
     WHERE room_id = $1 AND seq = $2 AND attempt = $3"
);

/// A row of [`LockReply`].
#[derive(QueryableByName, Debug)]
pub(super) struct ReplyRecord {
    #[diesel(sql_type = sql::BigInt)]
    prompt_seq: i64,
    #[diesel(sql_type = sql::Uuid)]
    asker_id: Uuid,
    #[diesel(sql_type = sql::Text)]
    reply_state: String,
    #[diesel(sql_type = sql::Integer)]
    attempt: i32,
    #[diesel(sql_type = sql::Bool)]
    shown: bool,
    #[diesel(sql_type = sql::Nullable<sql::Uuid>)]
    lease_owner: Option<Uuid>,
    #[diesel(sql_type = sql::Nullable<sql::Bool>)]
    expired: Option<bool>,
    #[diesel(sql_type = sql::Bool)]
    stop_requested: bool,
    #[diesel(sql_type = sql::Nullable<sql::BigInt>)]
    context_from: Option<i64>,
    #[diesel(sql_type = sql::Integer)]
    variants: i32,
    #[diesel(sql_type = sql::Integer)]
    selected: i32,
    #[diesel(sql_type = sql::Text)]
    may_stop: String,
    #[diesel(sql_type = sql::Text)]
    may_regenerate: String,
    #[diesel(embed)]
    message: MessageRecord,
}

/// A reply as it stands, locked.
pub(super) struct Reply {
    prompt_seq: Seq,
    asker: UserId,
    pub(super) state: ReplyState,
    attempt: Attempt,
    shown: bool,
    lease_owner: Option<Uuid>,
    expired: bool,
    stop_requested: bool,
    /// The oldest message that its attempt was told of, where older ones were left out.
    context_from: Option<Seq>,
    pub(super) variants: Variants,
    /// The lowest roles that may stop it, and have it written again, whoever asked for it.
    may_stop: Role,
    may_regenerate: Role,
    pub(super) message: MessageRow,
}

impl Reply {
    /// What its changes are judged by.
    fn standing(&self) -> Standing {
        Standing {
            state: self.state,
            attempt: self.attempt,
            shown: self.shown,
            owner: self.lease_owner.map(InstanceId),
            expired: self.expired,
            stop_requested: self.stop_requested,
        }
    }

    /// What is known of it without its runner.
    pub(super) fn plain_meta(&self) -> ReplyMeta {
        ReplyMeta {
            prompt_seq: self.prompt_seq,
            attempt: self.attempt,
            ..ReplyMeta::default()
        }
    }
}

/// What somebody wants of a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Steer {
    /// That it ends.
    Stop,
    /// Another text: written again, or one of those it had.
    Again,
}

/// A reply's message as it is to be from the next version on.
pub(super) struct Rewrite {
    pub(super) state: MessageState,
    pub(super) body: String,
    pub(super) html: Option<String>,
    pub(super) meta: ReplyMeta,
    pub(super) variants: Variants,
}

pub(super) fn refused<T>(code: ErrorCode) -> StoreResult<T> {
    Err(StoreError::Refused(code.into()))
}

/// Writes a change of a reply.
pub(super) async fn change(
    connection: &mut Conn,
    work: &mut RoomWork,
    change: &Change,
) -> StoreResult<Version> {
    match change {
        Change::StopReply { actor, seq } => stop(connection, work, *actor, *seq).await,
        Change::RetryReply { actor, seq, caps } => {
            retry(connection, work, (*actor, *seq), *caps).await
        }
        Change::SettleReply(settlement) => settle(connection, work, settlement).await,
        Change::InterruptReply { seq, attempt } => {
            interrupt(connection, work, *seq, *attempt).await
        }
        _ => Err(StoreError::Broken("no change of a reply".into())),
    }
}

/// Stops a queued reply here and now; asks the runner of a streaming one.
async fn stop(
    connection: &mut Conn,
    work: &mut RoomWork,
    actor: UserId,
    seq: Seq,
) -> StoreResult<Version> {
    let reply = steered(connection, work, actor, seq, Steer::Stop).await?;
    match reply.standing().judge(Step::Stop) {
        Ok(Becomes::AskedToStop) => {
            let room = work.head.room.0;
            let meta = meta_value(&reply.message.meta.asked_to_stop(actor))?;
            connection.run(RequestStop { room, seq, meta }).await?;
            Ok(work.head.version)
        }
        Ok(Becomes::Ended(state)) => {
            let last = Rewrite {
                state,
                body: String::new(),
                html: None,
                meta: ReplyMeta {
                    stopped_by: Some(actor),
                    ..reply.plain_meta()
                },
                variants: reply.variants,
            };
            rewrite(connection, work, reply, last).await
        }
        // Nothing else comes of a stop.
        Ok(_) => refused(ErrorCode::ReplySettled),
        Err(code) => refused(code),
    }
}

/// Puts a reply that ended early back to the start. Its attempts stay counted, so that a late word of an old one is
/// known as such.
async fn retry(
    connection: &mut Conn,
    work: &mut RoomWork,
    (actor, seq): (UserId, Seq),
    caps: Caps,
) -> StoreResult<Version> {
    let reply = steered(connection, work, actor, seq, Steer::Again).await?;
    if reply.state == ReplyState::Settled && reply.message.deleted_at.is_some() {
        return refused(ErrorCode::ReplyNotFound);
    }
    if let Err(code) = reply.standing().judge(Step::Retry(reply.message.state)) {
        return refused(code);
    }
    asking_again::require(connection, work, (actor, seq), (caps, 0)).await?;
    if work.unsettled >= REPLIES_PER_ROOM {
        return refused(ErrorCode::TooManyReplies);
    }
    let first = Rewrite {
        state: MessageState::Queued,
        body: String::new(),
        html: None,
        meta: reply.plain_meta(),
        variants: reply.variants,
    };
    rewrite(connection, work, reply, first).await
}

/// The runner's last word.
async fn settle(
    connection: &mut Conn,
    work: &mut RoomWork,
    settlement: &Settlement,
) -> StoreResult<Version> {
    let Some(reply) = find(connection, work, settlement.seq).await? else {
        return refused(ErrorCode::ReplySettled);
    };
    let step = Step::Settle(settlement.owner, settlement.attempt, settlement.state);
    if let Err(code) = reply.standing().judge(step) {
        return refused(code);
    }
    let last = Rewrite {
        state: settlement.state,
        body: settlement.body.clone(),
        html: settlement.html.clone(),
        meta: settlement
            .meta
            .clone()
            .ended(settlement.state, &reply.message.meta),
        variants: reply.variants,
    };
    rewrite(connection, work, reply, last).await
}

/// Ends a reply whose runner died after it had shown some of it, with the text that was saved.
async fn interrupt(
    connection: &mut Conn,
    work: &mut RoomWork,
    seq: Seq,
    attempt: Attempt,
) -> StoreResult<Version> {
    let Some(reply) = find(connection, work, seq).await? else {
        return refused(ErrorCode::ReplySettled);
    };
    if let Err(code) = reply.standing().judge(Step::Interrupt(attempt)) {
        return refused(code);
    }
    let room = work.head.room.0;
    let saved = connection.run(SavedText { room, seq, attempt }).await?;
    let last = Rewrite {
        state: MessageState::Interrupted,
        body: saved.into_iter().next().unwrap_or_default().0,
        html: None,
        meta: ReplyMeta {
            context_from: reply.context_from,
            ..reply.plain_meta()
        },
        variants: reply.variants,
    };
    rewrite(connection, work, reply, last).await
}

/// The reply, if the actor may stop it and have it written again.
pub(super) async fn steered(
    connection: &mut Conn,
    work: &RoomWork,
    actor: UserId,
    seq: Seq,
    steer: Steer,
) -> StoreResult<Reply> {
    let role = work.member_role(actor)?;
    let Some(reply) = find(connection, work, seq).await? else {
        return refused(ErrorCode::ReplyNotFound);
    };
    let own = reply.asker == actor && allows(role, Action::SteerOwnReply);
    let least = match steer {
        Steer::Stop => reply.may_stop,
        Steer::Again => reply.may_regenerate,
    };
    if own || (role.is_at_least(least) && allows(role, Action::SteerOwnReply)) {
        Ok(reply)
    } else {
        refused(ErrorCode::Forbidden)
    }
}

pub(super) async fn find(
    connection: &mut Conn,
    work: &RoomWork,
    seq: Seq,
) -> StoreResult<Option<Reply>> {
    let room = work.head.room.0;
    let found = connection.run(LockReply { room, seq }).await?;
    let Some(record) = found.into_iter().next() else {
        return Ok(None);
    };
    let Some(message) = record.message.into_row()? else {
        return Ok(None);
    };
    Ok(Some(Reply {
        prompt_seq: record.prompt_seq,
        asker: UserId(record.asker_id),
        state: word(&record.reply_state, ReplyState::from_name)?,
        attempt: record.attempt,
        shown: record.shown,
        lease_owner: record.lease_owner,
        expired: record.expired.unwrap_or(false),
        stop_requested: record.stop_requested,
        context_from: record.context_from,
        variants: Variants {
            count: record.variants,
            selected: record.selected,
        },
        may_stop: word(&record.may_stop, Role::from_name)?,
        may_regenerate: word(&record.may_regenerate, Role::from_name)?,
        message,
    }))
}

/// Gives a reply's message its new form at the next version, and records it. Queued is queued again; all else settles.
pub(super) async fn rewrite(
    connection: &mut Conn,
    work: &mut RoomWork,
    reply: Reply,
    new: Rewrite,
) -> StoreResult<Version> {
    let reply_state = match new.state {
        MessageState::Queued => ReplyState::Queued,
        _ => ReplyState::Settled,
    };
    let usage = new.meta.usage;
    let model = new.meta.model.clone();
    let row = MessageRow {
        version: work.next_version(),
        state: new.state,
        body: new.body,
        html: new.html,
        meta: MessageMeta {
            reply: Some(ReplyMeta {
                variants: new.variants.told(),
                ..new.meta
            }),
            ..MessageMeta::default()
        },
        ..reply.message
    };
    let meta = meta_value(&row.meta)?;
    connection
        .run(RewriteReply {
            room: work.head.room.0,
            seq: row.seq,
            version: row.version,
            message_state: row.state.as_str().into(),
            body: row.body.clone(),
            html: row.html.clone(),
            meta,
            reply_state: reply_state.as_str().into(),
            at: work.now,
            model,
            input_tokens: usage.map(|usage| usage.input_tokens),
            output_tokens: usage.map(|usage| usage.output_tokens),
            selected: new.variants.selected,
        })
        .await?;
    work.unsettled += match (reply.state, reply_state) {
        (ReplyState::Settled, ReplyState::Queued) => 1,
        (ReplyState::Queued | ReplyState::Streaming, ReplyState::Settled) => -1,
        _ => 0,
    };
    let version = row.version;
    work.changes.push(StoredChange::Message(Box::new(row)));
    Ok(version)
}

fn meta_value(meta: &MessageMeta) -> StoreResult<serde_json::Value> {
    serde_json::to_value(meta)
        .map_err(|error| StoreError::Broken(format!("messages.meta: {error}")))
}
