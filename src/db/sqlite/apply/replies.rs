//! Versioned changes of replies on SQLite: stopped, retried, settled, interrupted. Called by `apply`. What runners
//! write between them is in `db/sqlite/runners.rs`.

use diesel::prelude::*;

use super::asking_again;
use super::posts::unsettled_replies;
use super::room::{RoomWork, meta_text};
use crate::db::changes::Settlement;
use crate::db::reply_life::{Becomes, Standing, Step};
use crate::db::rows::{MessageMeta, MessageRow, MessageState, ReplyMeta, ReplyState};
use crate::db::sqlite::assistants::one;
use crate::db::sqlite::columns::{Micros, StoredId, named, storable};
use crate::db::sqlite::failure::{Failure, Work};
use crate::db::sqlite::schema::{messages as columns, replies, reply_chunks, reply_contexts};
use crate::db::sqlite::variants::others;
use crate::db::sqlite::{messages, replies as saved};
use crate::db::variants::Variants;
use crate::error::ErrorCode;
use crate::ids::{Attempt, InstanceId, RoomId, Seq, UserId, Version};
use crate::limits::REPLIES_PER_ROOM;
use crate::permissions::{Action, allows};
use crate::spending::Caps;

/// What a change of a reply is judged by.
pub(super) struct Reply {
    prompt_seq: Seq,
    pub(super) asker: UserId,
    pub(super) state: ReplyState,
    attempt: Attempt,
    shown: bool,
    lease_owner: Option<StoredId>,
    lease_until: Option<Micros>,
    stop_requested: bool,
    pub(super) variants: Variants,
}

impl Reply {
    /// What its changes are judged by.
    fn standing(&self, now: Micros) -> Standing {
        Standing {
            state: self.state,
            attempt: self.attempt,
            shown: self.shown,
            owner: self.lease_owner.map(|owner| InstanceId(owner.0)),
            expired: self.lease_until.is_some_and(|until| until <= now),
            stop_requested: self.stop_requested,
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

/// Stops a queued reply here and now; asks the runner of a streaming one.
pub(super) fn stop(work: &mut RoomWork<'_>, actor: UserId, seq: Seq) -> Work<Version> {
    let reply = steered(work, actor, seq, Steer::Stop)?;
    match reply.standing(work.now).judge(Step::Stop)? {
        Becomes::AskedToStop => {
            diesel::update(replies::table.find((work.id, seq)))
                .set(replies::stop_requested.eq(true))
                .execute(work.conn)?;
            // Who did so waits in the message for its end, without a version of its own.
            let meta = message(work, seq)?.meta.asked_to_stop(actor);
            diesel::update(columns::table.find((work.id, seq)))
                .set(columns::meta.eq(meta_text(&meta)?))
                .execute(work.conn)?;
            Ok(work.head.version)
        }
        Becomes::Ended(state) => {
            let meta = ReplyMeta {
                stopped_by: Some(actor),
                ..plain_meta(&reply)
            };
            end(
                work,
                seq,
                Rewrite {
                    state,
                    body: String::new(),
                    html: None,
                    meta,
                    variants: reply.variants,
                },
            )
        }
        // Nothing else comes of a stop.
        _ => Err(ErrorCode::ReplySettled.into()),
    }
}

/// Puts a reply that ended early back to the start. Its attempts stay counted, so that a late word of an old one is
/// known as such.
pub(super) fn retry(
    work: &mut RoomWork<'_>,
    (actor, seq): (UserId, Seq),
    caps: &Caps,
) -> Work<Version> {
    let reply = steered(work, actor, seq, Steer::Again)?;
    let stands = message(work, seq)?;
    if reply.state == ReplyState::Settled && stands.deleted_at.is_some() {
        return Err(ErrorCode::ReplyNotFound.into());
    }
    reply.standing(work.now).judge(Step::Retry(stands.state))?;
    asking_again::require(work, (actor, seq), &reply, (caps, 0))?;
    if unsettled_replies(work)? >= REPLIES_PER_ROOM {
        return Err(ErrorCode::TooManyReplies.into());
    }
    queue(work, seq, &reply, reply.variants)
}

/// Puts a reply into the queue, without text.
pub(super) fn queue(
    work: &mut RoomWork<'_>,
    seq: Seq,
    reply: &Reply,
    variants: Variants,
) -> Work<Version> {
    diesel::update(replies::table.find((work.id, seq)))
        .set((
            replies::state.eq(ReplyState::Queued.as_str()),
            replies::shown.eq(false),
            replies::stop_requested.eq(false),
            replies::queued_at.eq(work.now),
            replies::settled_at.eq(None::<Micros>),
            replies::lease_owner.eq(None::<StoredId>),
            replies::lease_until.eq(None::<Micros>),
        ))
        .execute(work.conn)?;
    diesel::update(reply_contexts::table.find((work.id, seq)))
        .set(reply_contexts::context_from.eq(None::<Seq>))
        .execute(work.conn)?;
    rewrite(
        work,
        seq,
        Rewrite {
            state: MessageState::Queued,
            body: String::new(),
            html: None,
            meta: plain_meta(reply),
            variants,
        },
    )
}

/// The runner's last word.
pub(super) fn settle(work: &mut RoomWork<'_>, settlement: &Settlement) -> Work<Version> {
    let reply = find(work, settlement.seq)?.ok_or(ErrorCode::ReplySettled)?;
    let step = Step::Settle(settlement.owner, settlement.attempt, settlement.state);
    reply.standing(work.now).judge(step)?;
    storable(&settlement.body)?;
    storable(settlement.html.as_deref().unwrap_or_default())?;
    let usage = settlement.meta.usage;
    let before = message(work, settlement.seq)?.meta;
    diesel::update(replies::table.find((work.id, settlement.seq)))
        .set((
            replies::model.eq(settlement.meta.model.as_deref()),
            replies::input_tokens.eq(usage.map(|usage| usage.input_tokens)),
            replies::output_tokens.eq(usage.map(|usage| usage.output_tokens)),
        ))
        .execute(work.conn)?;
    end(
        work,
        settlement.seq,
        Rewrite {
            state: settlement.state,
            body: settlement.body.clone(),
            html: settlement.html.clone(),
            meta: settlement.meta.clone().ended(settlement.state, &before),
            variants: reply.variants,
        },
    )
}

/// Ends a reply whose runner died after it had shown some of it, with the text that was saved.
pub(super) fn interrupt(work: &mut RoomWork<'_>, seq: Seq, attempt: Attempt) -> Work<Version> {
    let reply = find(work, seq)?.ok_or(ErrorCode::ReplySettled)?;
    reply.standing(work.now).judge(Step::Interrupt(attempt))?;
    let (_, body) = saved::saved_text(work.conn, RoomId(work.id.0), seq, attempt)?;
    let meta = ReplyMeta {
        context_from: saved::context_from(work.conn, RoomId(work.id.0), seq)?,
        ..plain_meta(&reply)
    };
    end(
        work,
        seq,
        Rewrite {
            state: MessageState::Interrupted,
            body,
            html: None,
            meta,
            variants: reply.variants,
        },
    )
}

/// The reply, if the actor may stop it and have it written again.
pub(super) fn steered(
    work: &mut RoomWork<'_>,
    actor: UserId,
    seq: Seq,
    steer: Steer,
) -> Work<Reply> {
    let role = work.member_role(actor)?;
    let reply = find(work, seq)?.ok_or(ErrorCode::ReplyNotFound)?;
    let own = reply.asker == actor && allows(role, Action::SteerOwnReply);
    if own {
        return Ok(reply);
    }
    let author = message(work, seq)?.author.id;
    let settings = one(work.conn, work.id, author)?.settings;
    let least = match steer {
        Steer::Stop => settings.may_stop,
        Steer::Again => settings.may_regenerate,
    };
    if role.is_at_least(least) && allows(role, Action::SteerOwnReply) {
        Ok(reply)
    } else {
        Err(ErrorCode::Forbidden.into())
    }
}

type ReplyColumns = (
    Seq,
    StoredId,
    String,
    Attempt,
    bool,
    Option<StoredId>,
    Option<Micros>,
    bool,
    i32,
);

pub(super) fn find(work: &mut RoomWork<'_>, seq: Seq) -> Work<Option<Reply>> {
    let count = others(work.conn, work.id, seq)? + 1;
    let found = replies::table
        .find((work.id, seq))
        .select((
            replies::prompt_seq,
            replies::asker_id,
            replies::state,
            replies::attempt,
            replies::shown,
            replies::lease_owner,
            replies::lease_until,
            replies::stop_requested,
            replies::selected,
        ))
        .first::<ReplyColumns>(work.conn)
        .optional()?;
    found
        .map(
            |(
                prompt_seq,
                asker,
                state,
                attempt,
                shown,
                lease_owner,
                lease_until,
                stop_requested,
                selected,
            )| {
                Ok(Reply {
                    prompt_seq,
                    asker: UserId(asker.0),
                    state: named(ReplyState::from_name, &state)?,
                    attempt,
                    shown,
                    lease_owner,
                    lease_until,
                    stop_requested,
                    variants: Variants { count, selected },
                })
            },
        )
        .transpose()
}

/// What is known of a reply without its runner.
fn plain_meta(reply: &Reply) -> ReplyMeta {
    ReplyMeta {
        prompt_seq: reply.prompt_seq,
        attempt: reply.attempt,
        ..ReplyMeta::default()
    }
}

/// Settles a reply: no lease, no chunks, and its message as it stays.
fn end(work: &mut RoomWork<'_>, seq: Seq, last: Rewrite) -> Work<Version> {
    diesel::update(replies::table.find((work.id, seq)))
        .set((
            replies::state.eq(ReplyState::Settled.as_str()),
            replies::settled_at.eq(Some(work.now)),
            replies::lease_owner.eq(None::<StoredId>),
            replies::lease_until.eq(None::<Micros>),
        ))
        .execute(work.conn)?;
    diesel::delete(
        reply_chunks::table
            .filter(reply_chunks::room_id.eq(work.id))
            .filter(reply_chunks::seq.eq(seq)),
    )
    .execute(work.conn)?;
    rewrite(work, seq, last)
}

/// Gives a reply's message its new form at the next version, and records it.
pub(super) fn rewrite(work: &mut RoomWork<'_>, seq: Seq, new: Rewrite) -> Work<Version> {
    let present = message(work, seq)?;
    let version = work.next_version();
    let row = MessageRow {
        version,
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
        ..present
    };
    diesel::update(columns::table.find((work.id, seq)))
        .set((
            columns::version.eq(version),
            columns::state.eq(row.state.as_str()),
            columns::body.eq(&row.body),
            columns::html.eq(row.html.as_deref()),
            columns::meta.eq(meta_text(&row.meta)?),
        ))
        .execute(work.conn)?;
    diesel::update(replies::table.find((work.id, seq)))
        .set(replies::selected.eq(new.variants.selected))
        .execute(work.conn)?;
    work.record(row);
    Ok(version)
}

pub(super) fn message(work: &mut RoomWork<'_>, seq: Seq) -> Work<MessageRow> {
    messages::one(work.conn, RoomId(work.id.0), seq)?
        .ok_or_else(|| Failure::Corrupt(format!("reply {seq} has no message")))
}
