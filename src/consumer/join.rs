//! Joining a room: prove membership, read what the socket lacks, attach to the feed. Runs on a task of its own for
//! each room of a `room.join`, so that a slow one holds up nothing.
//!
//! The order matters for P3 and P7: the proof tells up to which version this user may read; what is read for many at
//! once is shown only when it is not newer; the feed checks the proof again as it attaches.

use std::sync::Arc;

use super::Consumers;
use super::connection::{BegunJoin, Connection, Subscription};
use super::handlers::too_many_rooms;
use crate::chat::{CatchUp, SharedPage, room_ref};
use crate::db::rows::Proof;
use crate::error::{ErrorCode, Refusal};
use crate::feed::{Attach, Attached, Greeting};
use crate::ids::{Cursor, RoomRef, Version};
use crate::limits;
use crate::protocol::CloseCode;
use crate::protocol::client::JoinRoom;
use crate::protocol::frame::Frame;
use crate::protocol::publication::Effect;
use crate::protocol::server::{Joined, RoomBody, ServerFrame};

/// Proofs made for one join before it is refused: each is needed only when the room moved on meanwhile.
const PROOFS: usize = 5;

/// What a socket gets first: where it stands then, and what `room.joined` says.
struct Start {
    cursor: Cursor,
    page: Option<Arc<SharedPage>>,
    reset: Option<&'static str>,
}

/// Joins one room and answers with `room.joined`; what follows comes from the feed.
///
/// # Errors
/// What to answer instead.
pub(super) async fn join(
    shared: &Consumers,
    connection: &Arc<Connection>,
    wanted: &JoinRoom,
    reference: Option<&str>,
) -> Result<(), Refusal> {
    let mut begun = None;
    for _ in 0..PROOFS {
        let user = connection.identity.user.id;
        // Reading must not make a member.
        let members_only = wanted.members_only || !connection.identity.may_write();
        let proof = match members_only {
            true => shared.chat.prove(user, &wanted.room).await?,
            false => shared.chat.enter(user, &wanted.room).await?,
        };
        let room = room_ref(&proof);
        if begun.is_none() {
            begun = connection.begin_join(&room);
        }
        let Some(join) = &begun else {
            return Err(too_many_rooms());
        };
        let Some(start) = start(shared, &proof, wanted).await? else {
            continue;
        };
        let cursor = start.cursor;
        let Some(turn) = connection.turn_to_fill().await else {
            return Ok(());
        };
        let attach = attach(
            connection,
            &connection.subscription(&room.slug, join),
            &proof,
            (cursor, proof.view.head.version),
            Some(greeting(proof.clone(), start, reference)),
        );
        let attached = shared.chat.feeds.attach(&room, attach).await?;
        drop(turn);
        match attached {
            Attached::Done => return settle(shared, connection, &room).await,
            Attached::Owing => {
                hand_out_texts(shared, connection, &room).await;
                return settle(shared, connection, &room).await;
            }
            Attached::TooOld => {
                catch_up(shared, connection, &room, &proof, cursor, join).await;
                return settle(shared, connection, &room).await;
            }
            Attached::Gone => return Ok(()),
            Attached::ProveAgain | Attached::OtherEpoch => {}
        }
    }
    Err(Refusal::from(ErrorCode::Unavailable).retry_after_ms(limits::RETRY_HINT_MS))
}

/// A join that a leave overtook takes itself back. One that a later join overtook must not: the feed holds one
/// subscription of a socket, so taking its own back would take the later one's.
async fn settle(
    shared: &Consumers,
    connection: &Connection,
    room: &RoomRef,
) -> Result<(), Refusal> {
    if !connection.follows(&room.slug) {
        shared.chat.feeds.detach(room.id, connection.id).await;
    }
    Ok(())
}

/// Where the socket starts: at its cursor if that can be served, else at the latest page. `None` when the page is
/// newer than the proof.
async fn start(
    shared: &Consumers,
    proof: &Proof,
    wanted: &JoinRoom,
) -> Result<Option<Start>, Refusal> {
    let head = proof.view.head;
    let reset = match (wanted.after, wanted.epoch) {
        (Some(_), Some(epoch)) if epoch != head.epoch => Some("epoch"),
        (Some(after), _) if after > head.version => Some("ahead"),
        (Some(after), _) if after < head.floor => Some("retention"),
        (Some(version), _) => {
            let cursor = Cursor {
                epoch: head.epoch,
                version,
            };
            return Ok(Some(Start {
                cursor,
                page: None,
                reset: None,
            }));
        }
        (None, _) => None,
    };
    let page = shared.chat.latest_page(&head).await?;
    if page.head.version > head.version || page.head.epoch != head.epoch {
        return Ok(None);
    }
    let cursor = Cursor {
        epoch: page.head.epoch,
        version: page.head.version,
    };
    Ok(Some(Start {
        cursor,
        page: Some(page),
        reset,
    }))
}

/// `room.joined`, built by the feed as it attaches, with the replies that run at that moment.
fn greeting(proof: Proof, start: Start, reference: Option<&str>) -> Greeting {
    let reference = reference.map(str::to_owned);
    Box::new(move |replies, feed_version| {
        let head = proof
            .view
            .head
            .version
            .max(start.cursor.version)
            .max(feed_version);
        Frame::encode(&ServerFrame::Joined(Joined {
            reference: reference.as_deref(),
            room: RoomBody {
                version: start.cursor.version,
                ..RoomBody::new(&proof.view)
            },
            epoch: start.cursor.epoch,
            head,
            messages: start.page.as_ref().map_or(&[], |page| &page.messages),
            replies,
            reset: start.reset,
        }))
    })
}

fn attach(
    connection: &Connection,
    subscription: &Arc<Subscription>,
    proof: &Proof,
    (cursor, whole_until): (Cursor, Version),
    greeting: Option<Greeting>,
) -> Attach {
    Attach {
        connection: connection.id,
        reader: Arc::clone(subscription) as Arc<dyn crate::feed::Reader>,
        user: proof.user,
        proof: proof.view.head.version,
        cursor,
        whole_until,
        greeting,
    }
}

/// Reads pages at the socket's pace until the feed's ring takes over. Ends when a leave or a later join overtakes it: two
/// that filled one socket would tell it of a hole. The join has had its answer, so nothing is refused any more: what cannot
/// be read now is read when it can.
async fn catch_up(
    shared: &Consumers,
    connection: &Arc<Connection>,
    room: &RoomRef,
    proof: &Proof,
    mut cursor: Cursor,
    join: &BegunJoin,
) {
    let number = join.number;
    let mut proof = proof.clone();
    let mut whole_until = proof.view.head.version;
    loop {
        let page = match shared.chat.catch_up(room, cursor.version).await {
            Ok(page) => page,
            Err(refusal) => match may_try_again(connection, room, number, &refusal).await {
                true => continue,
                false => return,
            },
        };
        let turn = connection.turn_to_fill().await;
        if turn.is_none() || !connection.is_latest_join(&room.slug, number) {
            return;
        }
        whole_until = whole_until.max(page.head.version);
        if page.head.epoch != cursor.epoch || cursor.version < page.head.floor {
            // History was replaced, or cut, under this reader: it comes back and is told by `reset`.
            connection.outbox.close(CloseCode::EpochChanged);
            return;
        }
        if let Some(removed) = removal(&page, &proof) {
            return end_at(connection, (room, number), &page, cursor, removed);
        }
        let frames = page.range.frames_above(cursor.version);
        if !frames.is_empty() && !connection.deliver_of_join(&room.slug, number, &frames) {
            return;
        }
        let moved = page.range.to > cursor.version;
        cursor.version = page.range.to;
        drop(turn);
        let place = (cursor, whole_until);
        let attached = match attach_again(shared, connection, room, &proof, place, join).await {
            Some(Ok(attached)) => attached,
            Some(Err(refusal)) => match may_try_again(connection, room, number, &refusal).await {
                true => continue,
                false => return,
            },
            None => return,
        };
        match attached {
            Attached::Done | Attached::Gone => return,
            Attached::Owing => return hand_out_texts(shared, connection, room).await,
            Attached::TooOld if moved => {}
            Attached::TooOld => tokio::time::sleep(limits::PAGE_SHARE).await,
            Attached::ProveAgain => match shared.chat.prove(proof.user, &room.slug).await {
                Ok(newer) => proof = newer,
                // A removal that the feed has seen lies ahead in the pages, and they end there.
                Err(_) if moved => {}
                // It has had `room.joined`: it comes back and is refused.
                Err(_) => return connection.outbox.close(CloseCode::EpochChanged),
            },
            Attached::OtherEpoch => {
                connection.outbox.close(CloseCode::EpochChanged);
                return;
            }
        }
    }
}

/// Attaches the socket to the feed where its pages end; none where it is going, or was overtaken.
async fn attach_again(
    shared: &Consumers,
    connection: &Arc<Connection>,
    room: &RoomRef,
    proof: &Proof,
    place: (Cursor, Version),
    join: &BegunJoin,
) -> Option<Result<Attached, Refusal>> {
    let _turn = connection.turn_to_fill().await?;
    if !connection.is_latest_join(&room.slug, join.number) {
        return None;
    }
    let subscription = connection.subscription(&room.slug, join);
    let attach = attach(connection, &subscription, proof, place, None);
    Some(shared.chat.feeds.attach(room, attach).await)
}

/// Gives out the running texts that `room.joined` had no place for, one at a time and at the socket's pace: a room may have
/// more of them than an outbox holds. A leave ends it. A later join does not: should it fail, what this one began still holds,
/// and when it succeeds both give out what that one is owed, each text once.
async fn hand_out_texts(shared: &Consumers, connection: &Connection, room: &RoomRef) {
    loop {
        let turn = connection.turn_to_fill().await;
        if turn.is_none() || !connection.follows(&room.slug) {
            return;
        }
        if !shared.chat.feeds.next_text(room.id, connection.id).await {
            return;
        }
    }
}

/// Shows what is below the removal, and the removal itself: the last of this room.
fn end_at(
    connection: &Connection,
    (room, number): (&RoomRef, u64),
    page: &CatchUp,
    cursor: Cursor,
    (version, reason): (Version, &'static str),
) {
    let below = page.range.frames_between(cursor.version, version - 1);
    let last = Frame::encode(&ServerFrame::Removed {
        room: &room.slug,
        version,
        reason,
    });
    for run in [below, last] {
        connection.deliver_of_join(&room.slug, number, &run);
    }
    connection.leave_of_join(&room.slug, number);
}

/// Waits before a page is read again, for as long as this join is the room's latest. What will never be read closes the
/// socket: it comes back and is refused.
async fn may_try_again(
    connection: &Connection,
    room: &RoomRef,
    number: u64,
    refusal: &Refusal,
) -> bool {
    if !refusal.code.is_retryable() {
        connection.outbox.close(CloseCode::EpochChanged);
        return false;
    }
    tokio::time::sleep(limits::PAGE_SHARE).await;
    connection.outbox.closing().is_none() && connection.is_latest_join(&room.slug, number)
}

/// The first removal of this reader in a page that its proof does not outlive, and its reason.
fn removal(page: &CatchUp, proof: &Proof) -> Option<(Version, &'static str)> {
    page.range
        .entries
        .iter()
        .filter(|entry| entry.version > proof.view.head.version)
        .find_map(|entry| match entry.effect {
            Effect::Removed { user, .. } if user != proof.user => None,
            effect => effect.removal().map(|reason| (entry.version, reason)),
        })
}
