//! Writing a batch in the model: each room's changes are judged, numbered and written in order. A change is judged
//! before it writes anything, so a refusal leaves nothing to undo.

mod administer;
mod members;
mod messages;
mod posts;
mod replies;
mod retention;
mod variants;

use std::collections::{BTreeMap, BTreeSet};

use salon::db::StoreResult;
use salon::db::audit::NewAudit;
use salon::db::changes::{
    Applied, Batch, Change, Outcome, RoomApplied, RoomChanges, RoomDone, RoomEdit,
};
use salon::db::rows::{Head, LogKind, RoomSettings, UserRow, Visibility};
use salon::error::{ErrorCode, Refusal};
use salon::ids::{Epoch, UserId, Version};
use salon::permissions::{Action, Role, allows};
use salon::spending::Counted;
use serde_json::json;
use uuid::Uuid;

use super::tables::{Room, Tables, User, is_disabled};
use super::{Moment, storable};

/// What a rule says to a change.
pub(super) type Judged<T> = Result<T, Refusal>;

/// A room while a batch writes it.
pub(super) struct Work<'a> {
    pub(super) room: &'a mut Room,
    pub(super) users: &'a BTreeMap<UserId, User>,
    /// Unsettled replies of those who post, in other rooms.
    asked_elsewhere: BTreeMap<UserId, i64>,
    /// What is counted of those whose spending a question adds to, now.
    counted: BTreeMap<Uuid, Counted>,
    /// The database's clock after the lock, never before the room's last.
    pub(super) now: Moment,
}

impl Tables {
    /// Judges, numbers and writes every change of a batch.
    pub(super) fn apply(&mut self, batch: &Batch, now: Moment) -> StoreResult<Applied> {
        let mut changes = batch.rooms.iter().flat_map(|room| &room.changes);
        // Posts find themselves by their `client_id`; anything else needs the batch's own answer for a rerun.
        let keeps_answer = changes.any(|change| !matches!(change, Change::Post(_)));
        let mut kept = match self.batches.get(&batch.id) {
            Some((_, rooms)) if batch.rerun => rooms.clone(),
            _ => BTreeMap::new(),
        };
        for change in batch.rooms.iter().flat_map(|room| &room.changes) {
            check_storable(change)?;
        }
        for room in &batch.rooms {
            for change in &room.changes {
                if let Change::AddAssistant(new) = change {
                    self.make_assistant(room.room, new, now);
                }
            }
        }
        // By room: a rerun may come room by room, and the rooms it finds locked are others than the first time.
        let rooms = batch.rooms.iter();
        let done: Vec<RoomDone> = rooms
            .map(|changes| match kept.remove(&changes.room) {
                Some(done) => done,
                None => self.apply_room(changes, now),
            })
            .collect();
        if keeps_answer {
            let answers = self.batches.entry(batch.id).or_default();
            answers.0 = now;
            // The changes themselves are not kept: readers of a rerun fill from the rooms.
            answers.1.extend(done.iter().cloned().map(|room| {
                let changes = Vec::new();
                (room.head.room, RoomDone { changes, ..room })
            }));
        }
        let rooms = done.into_iter().map(RoomApplied::Done).collect();
        Ok(Applied { rooms })
    }

    fn apply_room(&mut self, wanted: &RoomChanges, now: Moment) -> RoomDone {
        let asked_elsewhere = self.asked_elsewhere(wanted);
        let counted = self.spending.now(now);
        let Some(room) = self.rooms.get_mut(&wanted.room) else {
            return no_room(wanted);
        };
        let (from, written) = (room.head.version, room.written.len());
        let mut work = Work {
            now: now.max(room.last_at),
            users: &self.users,
            asked_elsewhere,
            counted,
            room,
        };
        let changes = wanted.changes.iter();
        let mut notes = Vec::new();
        let outcomes = changes
            .enumerate()
            .map(|(place, change)| {
                let before = work.room.head.version;
                let outcome = work.apply(change)?;
                let (moved, origin) = (work.room.head.version != before, wanted.origin(place));
                notes.extend(NewAudit::of_change(change, wanted.room, origin, moved));
                Ok(outcome)
            })
            .collect();
        if work.room.head.version != from {
            work.room.last_at = work.now;
        }
        let done = RoomDone {
            head: work.room.head,
            from,
            outcomes,
            changes: work.room.written[written..].to_vec(),
        };
        notes.into_iter().for_each(|note| self.note(note, now));
        done
    }
}

impl Tables {
    fn asked_elsewhere(&self, wanted: &RoomChanges) -> BTreeMap<UserId, i64> {
        let posts = wanted.changes.iter().filter_map(|change| match change {
            Change::Post(post) if post.prompt.is_some() => Some(post.author),
            _ => None,
        });
        // Whose replies may be asked for again.
        let room = self.rooms.get(&wanted.room).into_iter();
        let replies = room.flat_map(|room| room.replies.values());
        let askers = posts.chain(replies.map(|reply| reply.asker));
        let askers: BTreeSet<UserId> = askers.collect();
        let count = |asker: UserId| {
            let others = self.rooms.iter().filter(|(id, _)| **id != wanted.room);
            let replies = others.flat_map(|(_, room)| room.unsettled());
            let own = replies.filter(|(_, reply)| reply.asker == asker).count();
            (asker, own as i64)
        };
        askers.into_iter().map(count).collect()
    }
}

impl Work<'_> {
    fn apply(&mut self, change: &Change) -> Judged<Outcome> {
        if self.room.deleted {
            return Err(ErrorCode::RoomNotFound.into());
        }
        if let Some(actor) = change.adds_to_room() {
            self.require_open(actor)?;
        }
        let version = match change {
            Change::Post(post) => return self.post(post).map(Outcome::Posted),
            Change::EditMessage(text) => self.edit_message(text)?,
            Change::DeleteMessage { actor, seq } => self.delete_message(*actor, *seq)?,
            Change::Mark { actor, seq, mark } => self.mark(*actor, *seq, mark)?,
            Change::Unmark { actor, seq, mark } => self.unmark(*actor, *seq, mark)?,
            Change::SetMember { actor, user, role } => self.set_member(*actor, *user, *role)?,
            Change::RemoveMember { actor, user } => self.remove_member(*actor, *user)?,
            Change::TransferRoom { actor, user } => self.transfer_room(*actor, *user)?,
            Change::Ban {
                actor,
                user,
                reason,
            } => self.ban(*actor, *user, reason)?,
            Change::Unban { actor, user } => self.unban(*actor, *user)?,
            Change::MakeInvite { actor, invite } => self.make_invite(*actor, invite)?,
            Change::RevokeInvite { actor, invite } => self.revoke_invite(*actor, *invite)?,
            Change::AcceptInvite { user, invite } => self.accept_invite(*user, *invite)?,
            Change::Depart { user } => self.depart(*user)?,
            Change::EditRoom { actor, edit } => self.edit_room(*actor, edit)?,
            Change::SetRetention {
                actor,
                days,
                messages,
            } => self.set_retention(*actor, *days, *messages)?,
            Change::Retain { limit } => self.retain(*limit),
            Change::DeleteRoom { actor } => self.delete_room(*actor)?,
            Change::Administer { actor, act } => self.administer(*actor, act)?,
            Change::StopReply { actor, seq } => self.stop_reply(*actor, *seq)?,
            Change::RetryReply { actor, seq, caps } => self.retry_reply(*actor, *seq, *caps)?,
            Change::RegenerateReply { actor, seq, caps } => {
                self.regenerate_reply(*actor, *seq, *caps)?
            }
            Change::SelectVariant {
                actor,
                seq,
                variant,
            } => self.select_variant(*actor, *seq, *variant)?,
            Change::AddAssistant(new) => self.add_assistant(new)?,
            Change::EditAssistant {
                actor,
                assistant,
                edit,
            } => self.edit_assistant(*actor, *assistant, edit)?,
            Change::RemoveAssistant { actor, assistant } => {
                self.remove_assistant(*actor, *assistant)?
            }
            Change::SettleReply(settlement) => self.settle_reply(settlement)?,
            Change::InterruptReply { seq, attempt } => self.interrupt_reply(*seq, *attempt)?,
        };
        Ok(Outcome::Changed { version })
    }

    pub(super) fn user(&self, user: UserId) -> Option<&UserRow> {
        self.users.get(&user).map(|user| &user.row)
    }

    /// Refuses who was disabled or deleted since the request came.
    pub(in super::super) fn require_enabled(&self, actor: UserId) -> Judged<()> {
        match is_disabled(self.users, actor) {
            true => Err(ErrorCode::Unauthenticated.into()),
            false => Ok(()),
        }
    }

    /// The actor's role, or the refusal for one who is not a member.
    fn member_role(&self, actor: UserId) -> Judged<Role> {
        self.require_enabled(actor)?;
        self.standing(actor)
    }

    /// The same of one who may be disabled: for leaving.
    fn standing(&self, actor: UserId) -> Judged<Role> {
        match (self.room.members.get(&actor), self.room.row.visibility) {
            (Some(role), _) => Ok(*role),
            (None, Visibility::Public) => Err(ErrorCode::NotAMember.into()),
            (None, _) => Err(ErrorCode::RoomNotFound.into()),
        }
    }

    /// Refuses whoever may not.
    pub(super) fn require(&self, actor: UserId, action: Action) -> Judged<()> {
        if allows(self.member_role(actor)?, action) {
            Ok(())
        } else {
            Err(ErrorCode::Forbidden.into())
        }
    }

    /// Refuses whoever is no member, and everybody when the room takes nothing new.
    fn require_open(&self, actor: UserId) -> Judged<()> {
        self.member_role(actor)?;
        if self.room.row.archived {
            return Err(ErrorCode::RoomArchived.into());
        }
        Ok(())
    }

    /// Changes settings.
    fn edit_room(&mut self, actor: UserId, edit: &RoomEdit) -> Judged<Version> {
        self.require(actor, Action::EditRoom)?;
        self.change_room(edit)
    }

    /// The same, judged before.
    fn change_room(&mut self, edit: &RoomEdit) -> Judged<Version> {
        let row = &mut self.room.row;
        let before = RoomSettings {
            name: row.name.clone(),
            visibility: row.visibility,
            topic: row.topic.clone(),
            archived: row.archived,
        };
        let after = before.edited(edit)?;
        if after == before {
            return Ok(self.room.head.version);
        }
        let data = after.data();
        row.name = after.name;
        row.visibility = after.visibility;
        row.topic = after.topic;
        row.archived = after.archived;
        Ok(self.room.log(LogKind::Settings, None, None, data))
    }

    /// Deletes the room: its rows stay, nobody sees them; its replies end without a word.
    fn delete_room(&mut self, actor: UserId) -> Judged<Version> {
        self.require(actor, Action::DeleteRoom)?;
        Ok(self.end_room())
    }

    /// The same, judged before.
    fn end_room(&mut self) -> Version {
        self.room.deleted = true;
        let now = self.now;
        self.room
            .replies
            .values_mut()
            .for_each(|reply| reply.end(now));
        self.room.log(LogKind::Deleted, None, None, json!({}))
    }
}

/// Refuses the whole batch for a text that cannot be stored.
fn check_storable(change: &Change) -> StoreResult<()> {
    match change {
        Change::Post(post) => {
            storable(&post.body)?;
            storable(post.html.as_deref().unwrap_or_default())
        }
        Change::SettleReply(settlement) => {
            storable(&settlement.body)?;
            storable(settlement.html.as_deref().unwrap_or_default())
        }
        Change::EditMessage(text) => {
            storable(&text.body)?;
            storable(text.html.as_deref().unwrap_or_default())
        }
        Change::Ban { reason, .. } => storable(reason),
        Change::EditRoom { edit, .. } => {
            storable(edit.name.as_deref().unwrap_or_default())?;
            storable(edit.topic.as_deref().unwrap_or_default())
        }
        _ => Ok(()),
    }
}

/// The answer for a room that never was: everything refused, counters of nothing.
fn no_room(wanted: &RoomChanges) -> RoomDone {
    let refuse = |_: &Change| Err(ErrorCode::RoomNotFound.into());
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
        outcomes: wanted.changes.iter().map(refuse).collect(),
        changes: Vec::new(),
    }
}
