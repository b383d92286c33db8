//! The variants of a reply on SQLite: a text put aside for another one, and one of them selected. Called by `apply` and by
//! edits that ask again. The selected text is the message's; `reply_variants` holds the others, so none is kept twice.

use diesel::prelude::*;

use super::asking_again;
use super::posts::unsettled_replies;
use super::replies::{Reply, Rewrite, Steer, find, message, queue, rewrite, steered};
use super::room::RoomWork;
use crate::db::rows::{MessageRow, MessageState, ReplyState};
use crate::db::sqlite::columns::named;
use crate::db::sqlite::failure::Work;
use crate::db::sqlite::schema::{replies, reply_variants as columns};
use crate::db::variants::{VariantRow, Variants};
use crate::error::ErrorCode;
use crate::ids::{Seq, UserId, Version};
use crate::limits::REPLIES_PER_ROOM;
use crate::spending::Caps;

/// Puts a settled reply back to the queue as another variant.
pub(super) fn regenerate(
    work: &mut RoomWork<'_>,
    (actor, seq): (UserId, Seq),
    caps: &Caps,
) -> Work<Version> {
    let reply = steered(work, actor, seq, Steer::Again)?;
    let one_more = judged(work, (actor, seq), &reply, (caps, 0))?;
    again(work, seq, one_more)
}

/// Makes one of its texts the reply's message.
pub(super) fn select(
    work: &mut RoomWork<'_>,
    actor: UserId,
    seq: Seq,
    variant: i32,
) -> Work<Version> {
    let reply = steered(work, actor, seq, Steer::Again)?;
    let present = settled(work, &reply, seq)?;
    if variant == reply.variants.selected {
        return Ok(work.head.version);
    }
    let place = columns::table.find((work.id, seq, variant));
    let (state, body, html, meta) = place
        .select((columns::state, columns::body, columns::html, columns::meta))
        .first::<(String, String, Option<String>, String)>(work.conn)
        .optional()?
        .ok_or(ErrorCode::VariantNotFound)?;
    diesel::delete(place).execute(work.conn)?;
    keep(work, &present, reply.variants.selected)?;
    let selected = Rewrite {
        state: named(MessageState::from_name, &state)?,
        body,
        html,
        meta: serde_json::from_str(&meta)?,
        variants: Variants {
            selected: variant,
            ..reply.variants
        },
    };
    rewrite(work, seq, selected)
}

/// The replies that an edited message asks for again: refused as a whole when one of them cannot be. Nothing is written yet.
pub(super) fn asked_again(
    work: &mut RoomWork<'_>,
    (actor, prompt_seq): (UserId, Seq),
    caps: &Caps,
) -> Work<Vec<(Seq, Variants)>> {
    let found = replies::table
        .filter(replies::room_id.eq(work.id))
        .filter(replies::prompt_seq.eq(prompt_seq))
        .order(replies::seq)
        .select(replies::seq)
        .load::<Seq>(work.conn)?;
    let mut asked = Vec::new();
    for seq in found {
        if message(work, seq)?.deleted_at.is_some() {
            continue;
        }
        let Some(reply) = find(work, seq)? else {
            continue;
        };
        let before = i64::try_from(asked.len()).unwrap_or(i64::MAX);
        let one_more = judged(work, (actor, seq), &reply, (caps, before))?;
        asked.push((seq, one_more));
    }
    if asked.is_empty() {
        return Err(ErrorCode::ReplyNotFound.into());
    }
    Ok(asked)
}

/// Puts the text aside and the reply into the queue.
pub(super) fn again(work: &mut RoomWork<'_>, seq: Seq, variants: Variants) -> Work<Version> {
    let reply = find(work, seq)?.ok_or(ErrorCode::ReplyNotFound)?;
    let present = message(work, seq)?;
    keep(work, &present, reply.variants.selected)?;
    queue(work, seq, &reply, variants)
}

/// The numbers of a reply with one variant more, if it may get one beside so many others that are about to be queued.
fn judged(
    work: &mut RoomWork<'_>,
    (actor, seq): (UserId, Seq),
    reply: &Reply,
    (caps, before): (&Caps, i64),
) -> Work<Variants> {
    settled(work, reply, seq)?;
    asking_again::require(work, (actor, seq), reply, (caps, before))?;
    let one_more = reply.variants.one_more().ok_or(ErrorCode::TooMany)?;
    if unsettled_replies(work)? + before >= REPLIES_PER_ROOM {
        return Err(ErrorCode::TooManyReplies.into());
    }
    Ok(one_more)
}

/// The message of a reply that is settled and not deleted.
fn settled(work: &mut RoomWork<'_>, reply: &Reply, seq: Seq) -> Work<MessageRow> {
    if reply.state != ReplyState::Settled {
        return Err(ErrorCode::ReplyRunning.into());
    }
    let present = message(work, seq)?;
    if present.deleted_at.is_some() {
        return Err(ErrorCode::ReplyNotFound.into());
    }
    Ok(present)
}

fn keep(work: &mut RoomWork<'_>, present: &MessageRow, variant: i32) -> Work<()> {
    let present_text = VariantRow::of(present, variant);
    diesel::insert_into(columns::table)
        .values((
            columns::room_id.eq(work.id),
            columns::seq.eq(present.seq),
            columns::variant.eq(variant),
            columns::state.eq(present_text.state.as_str()),
            columns::body.eq(&present_text.body),
            columns::html.eq(present_text.html.as_deref()),
            columns::meta.eq(serde_json::to_string(&present_text.meta)?),
        ))
        .execute(work.conn)?;
    Ok(())
}
