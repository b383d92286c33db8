//! The variants of a reply on Postgres: a text put aside for another one, and one of them selected. Called by the judge and
//! by edits that ask again. The selected text is the message's; `reply_variants` holds the others, so none is kept twice.

use uuid::Uuid;

use super::asking_again;
use super::replies::{Reply, Rewrite, Steer, find, refused, rewrite, steered};
use super::room::RoomWork;
use crate::db::changes::Change;
use crate::db::postgres::pool::Conn;
use crate::db::postgres::records::word;
use crate::db::postgres::statement::statement;
use crate::db::rows::{MessageState, ReplyMeta, ReplyState};
use crate::db::variants::{VariantRow, Variants};
use crate::db::{StoreError, StoreResult};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{Seq, UserId, Version};
use crate::limits::REPLIES_PER_ROOM;
use crate::spending::Caps;

statement!(
    /// A text that is not the message's any more.
    KeepVariant {
        room: Uuid,
        seq: i64,
        variant: i32,
        state: String,
        body: String,
        html: Option<String>,
        meta: serde_json::Value,
    },
    "INSERT INTO reply_variants (room_id, seq, variant, state, body, html, meta) VALUES ($1, $2, $3, $4, $5, $6, $7)"
);
statement!(
    /// A text that is the message's from now on.
    TakeVariant { room: Uuid, seq: i64, variant: i32 }
        -> (String, String, Option<String>, serde_json::Value),
    "DELETE FROM reply_variants WHERE room_id = $1 AND seq = $2 AND variant = $3 RETURNING state, body, html, meta"
);
statement!(
    /// What answers a message, gone or not.
    RepliesTo { room: Uuid, prompt_seq: i64 } -> (i64,),
    "SELECT seq FROM replies WHERE room_id = $1 AND prompt_seq = $2 ORDER BY seq"
);

/// One of the changes that are told here.
pub(super) async fn change(
    connection: &mut Conn,
    work: &mut RoomWork,
    change: &Change,
) -> StoreResult<Version> {
    match change {
        Change::RegenerateReply { actor, seq, caps } => {
            regenerate(connection, work, (*actor, *seq), *caps).await
        }
        Change::SelectVariant {
            actor,
            seq,
            variant,
        } => select(connection, work, *actor, *seq, *variant).await,
        _ => Err(StoreError::Broken("this is no change of variants".into())),
    }
}

/// Puts a settled reply back to the queue as another variant.
async fn regenerate(
    connection: &mut Conn,
    work: &mut RoomWork,
    (actor, seq): (UserId, Seq),
    caps: Caps,
) -> StoreResult<Version> {
    let reply = steered(connection, work, actor, seq, Steer::Again).await?;
    let one_more = judged(connection, work, (actor, &reply), (caps, 0)).await?;
    again(connection, work, reply, one_more).await
}

/// Makes one of its texts the reply's message.
async fn select(
    connection: &mut Conn,
    work: &mut RoomWork,
    actor: UserId,
    seq: Seq,
    variant: i32,
) -> StoreResult<Version> {
    let reply = steered(connection, work, actor, seq, Steer::Again).await?;
    require_settled(&reply)?;
    if variant == reply.variants.selected {
        return Ok(work.head.version);
    }
    let room = work.head.room.0;
    let taken = connection.run(TakeVariant { room, seq, variant }).await?;
    let Some((state, body, html, meta)) = taken.into_iter().next() else {
        return refused(ErrorCode::VariantNotFound);
    };
    keep(connection, work, &reply).await?;
    let selected = Rewrite {
        state: word(&state, MessageState::from_name)?,
        body,
        html,
        meta: serde_json::from_value::<ReplyMeta>(meta)
            .map_err(|error| StoreError::Broken(format!("reply_variants.meta: {error}")))?,
        variants: Variants {
            selected: variant,
            ..reply.variants
        },
    };
    rewrite(connection, work, reply, selected).await
}

/// The replies that an edited message asks for again: refused as a whole when one of them cannot be. Nothing is written yet.
pub(super) async fn asked_again(
    connection: &mut Conn,
    work: &RoomWork,
    (actor, prompt_seq): (UserId, Seq),
    caps: Caps,
) -> StoreResult<Vec<(Reply, Variants)>> {
    let room = work.head.room.0;
    let mut replies = Vec::new();
    for (seq,) in connection.run(RepliesTo { room, prompt_seq }).await? {
        let reply = find(connection, work, seq).await?;
        let Some(reply) = reply.filter(|reply| reply.message.deleted_at.is_none()) else {
            continue;
        };
        let before = i64::try_from(replies.len()).unwrap_or(i64::MAX);
        let one_more = judged(connection, work, (actor, &reply), (caps, before)).await?;
        replies.push((reply, one_more));
    }
    if replies.is_empty() {
        return refused(ErrorCode::ReplyNotFound);
    }
    Ok(replies)
}

/// Puts the text aside and the reply into the queue.
pub(super) async fn again(
    connection: &mut Conn,
    work: &mut RoomWork,
    reply: Reply,
    variants: Variants,
) -> StoreResult<Version> {
    keep(connection, work, &reply).await?;
    let first = Rewrite {
        state: MessageState::Queued,
        body: String::new(),
        html: None,
        meta: reply.plain_meta(),
        variants,
    };
    rewrite(connection, work, reply, first).await
}

/// The numbers of a reply with one variant more, if it may get one beside so many others that are about to be queued.
async fn judged(
    connection: &mut Conn,
    work: &RoomWork,
    (actor, reply): (UserId, &Reply),
    (caps, before): (Caps, i64),
) -> StoreResult<Variants> {
    require_settled(reply)?;
    let asking = (actor, reply.message.seq);
    asking_again::require(connection, work, asking, (caps, before)).await?;
    let Some(one_more) = reply.variants.one_more() else {
        return refused(ErrorCode::TooMany);
    };
    if work.unsettled + before >= REPLIES_PER_ROOM {
        return refused(ErrorCode::TooManyReplies);
    }
    Ok(one_more)
}

fn require_settled(reply: &Reply) -> Result<(), Refusal> {
    if reply.state != ReplyState::Settled {
        return Err(ErrorCode::ReplyRunning.into());
    }
    if reply.message.deleted_at.is_some() {
        return Err(ErrorCode::ReplyNotFound.into());
    }
    Ok(())
}

async fn keep(connection: &mut Conn, work: &RoomWork, reply: &Reply) -> StoreResult<()> {
    let present = VariantRow::of(&reply.message, reply.variants.selected);
    let meta = serde_json::to_value(&present.meta)
        .map_err(|error| StoreError::Broken(format!("reply_variants.meta: {error}")))?;
    connection
        .run(KeepVariant {
            room: work.head.room.0,
            seq: reply.message.seq,
            variant: present.variant,
            state: present.state.as_str().into(),
            body: present.body,
            html: present.html,
            meta,
        })
        .await
        .map(drop)
}
