//! Writing a batch of changes on SQLite, after the contract of [`Store::apply`](crate::db::Store::apply). Called by `contract.rs` inside the one
//! writing transaction, whose lock on the file stands for every room's head lock; so a room is never `Locked` here.
//!
//! Each change is judged before it writes anything: a refusal leaves nothing to undo, and its neighbours go on. What a
//! change writes it also records, one entry for each version, so that nobody has to read the batch back.

mod administer;
mod asking_again;
mod assistants;
mod bans;
mod departures;
mod invites;
mod members;
mod messages;
mod posts;
mod replies;
mod rerun;
mod retention;
mod room;
mod settings;
mod variants;

use diesel::SqliteConnection;

use self::room::{Authors, RoomWork};
use super::audit;
use super::failure::{Failure, Work};
use crate::db::audit::NewAudit;
use crate::db::changes::{Applied, Batch, Change, Outcome, RoomApplied, RoomChanges, RoomDone};
use crate::db::rows::Head;
use crate::error::ErrorCode;
use crate::ids::Epoch;

/// Judges, numbers and writes every change of a batch.
pub(super) fn apply(conn: &mut SqliteConnection, batch: &Batch) -> Work<Applied> {
    // Posts find themselves by their `client_id`; anything else needs the batch's own answer for a rerun.
    let keeps_answer = batch
        .rooms
        .iter()
        .flat_map(|room| &room.changes)
        .any(|change| !matches!(change, Change::Post(_)));
    if keeps_answer
        && batch.rerun
        && let Some(rooms) = rerun::find(conn, batch.id)?
    {
        let rooms = rooms.into_iter().map(RoomApplied::Done).collect();
        return Ok(Applied { rooms });
    }
    let mut authors = Authors::default();
    let mut rooms = Vec::with_capacity(batch.rooms.len());
    for changes in &batch.rooms {
        rooms.push(apply_room(conn, &mut authors, changes)?);
    }
    if keeps_answer {
        rerun::keep(conn, batch.id, &rooms)?;
    }
    let rooms = rooms.into_iter().map(RoomApplied::Done).collect();
    Ok(Applied { rooms })
}

fn apply_room(
    conn: &mut SqliteConnection,
    authors: &mut Authors,
    wanted: &RoomChanges,
) -> Work<RoomDone> {
    let Some(mut work) = RoomWork::open(conn, authors, wanted.room)? else {
        return Ok(no_room(wanted));
    };
    let from = work.head.version;
    let mut outcomes = Vec::with_capacity(wanted.changes.len());
    for (place, change) in wanted.changes.iter().enumerate() {
        let before = work.head.version;
        outcomes.push(match apply_change(&mut work, change) {
            Ok(outcome) => {
                let moved = work.head.version != before;
                let origin = wanted.origin(place);
                if let Some(note) = NewAudit::of_change(change, wanted.room, origin, moved) {
                    audit::insert(work.conn, &note)?;
                }
                Ok(outcome)
            }
            Err(Failure::Refused(refusal)) => Err(refusal),
            Err(failure) => return Err(failure),
        });
    }
    let (head, changes) = work.finish(from)?;
    Ok(RoomDone {
        head,
        from,
        outcomes,
        changes,
    })
}

fn apply_change(work: &mut RoomWork<'_>, change: &Change) -> Work<Outcome> {
    if work.deleted {
        return Err(ErrorCode::RoomNotFound.into());
    }
    if let Some(actor) = change.adds_to_room() {
        work.require_open(actor)?;
    }
    let version = match change {
        Change::Post(post) => return posts::post(work, post).map(Outcome::Posted),
        Change::EditMessage(text) => messages::edit(work, text)?,
        Change::DeleteMessage { actor, seq } => messages::delete(work, *actor, *seq)?,
        Change::Mark { actor, seq, mark } => messages::mark(work, *actor, *seq, mark)?,
        Change::Unmark { actor, seq, mark } => messages::unmark(work, *actor, *seq, mark)?,
        Change::SetMember { actor, user, role } => members::set(work, *actor, *user, *role)?,
        Change::RemoveMember { actor, user } => members::remove(work, *actor, *user)?,
        Change::TransferRoom { actor, user } => members::transfer(work, *actor, *user)?,
        Change::Ban {
            actor,
            user,
            reason,
        } => bans::ban(work, *actor, *user, reason)?,
        Change::Unban { actor, user } => bans::unban(work, *actor, *user)?,
        Change::MakeInvite { actor, invite } => invites::make(work, *actor, invite)?,
        Change::RevokeInvite { actor, invite } => invites::revoke(work, *actor, *invite)?,
        Change::AcceptInvite { user, invite } => invites::accept(work, *user, *invite)?,
        Change::Depart { user } => departures::depart(work, *user)?,
        Change::EditRoom { actor, edit } => settings::edit(work, *actor, edit)?,
        Change::SetRetention {
            actor,
            days,
            messages,
        } => retention::set(work, *actor, *days, *messages)?,
        Change::Retain { limit } => retention::retain(work, *limit)?,
        Change::DeleteRoom { actor } => settings::delete(work, *actor)?,
        Change::Administer { actor, act } => administer::run(work, *actor, act)?,
        Change::StopReply { actor, seq } => replies::stop(work, *actor, *seq)?,
        Change::RetryReply { actor, seq, caps } => replies::retry(work, (*actor, *seq), caps)?,
        Change::RegenerateReply { actor, seq, caps } => {
            variants::regenerate(work, (*actor, *seq), caps)?
        }
        Change::SelectVariant {
            actor,
            seq,
            variant,
        } => variants::select(work, *actor, *seq, *variant)?,
        Change::AddAssistant(new) => assistants::add(work, new)?,
        Change::EditAssistant {
            actor,
            assistant,
            edit,
        } => assistants::edit(work, *actor, *assistant, edit)?,
        Change::RemoveAssistant { actor, assistant } => {
            assistants::remove(work, *actor, *assistant)?
        }
        Change::SettleReply(settlement) => replies::settle(work, settlement)?,
        Change::InterruptReply { seq, attempt } => replies::interrupt(work, *seq, *attempt)?,
    };
    Ok(Outcome::Changed { version })
}

/// The answer for a room that never was: everything refused, counters of nothing.
fn no_room(wanted: &RoomChanges) -> RoomDone {
    RoomDone {
        head: Head {
            room: wanted.room,
            epoch: Epoch(0),
            version: 0,
            last_seq: 0,
            first_seq: 1,
            floor: 0,
        },
        from: 0,
        outcomes: wanted
            .changes
            .iter()
            .map(|_| Err(ErrorCode::RoomNotFound.into()))
            .collect(),
        changes: Vec::new(),
    }
}
