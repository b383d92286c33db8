//! Goes through a batch in order: what is allowed gets its numbers, what is not its refusal. Called by `apply` with the
//! answers read under the locks. Posts are judged in memory and written at the end, everything else at once.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::posts::{self, NewRows, WriteBatch};
use super::questions::Answers;
use super::room::RoomWork;
use super::{
    administer, assistants, bans, departures, invites, members, messages, replies, retention,
    settings, variants,
};
use crate::db::assistants::RoomAssistant;
use crate::db::audit::NewAudit;
use crate::db::changes::{Change, Outcome, Posted, RoomApplied, RoomChanges, RoomDone};
use crate::db::postgres::assistants::AssistantRecord;
use crate::db::postgres::pool::Conn;
use crate::db::postgres::records::{user_row, word};
use crate::db::rows::{Head, UserRow};
use crate::db::{StoreError, StoreResult};
use crate::error::ErrorCode;
use crate::ids::{ClientId, Epoch, RoomId, Seq, UserId, Version};
use crate::permissions::Role;
use crate::spending::Counted;

/// What is known beside the rooms themselves.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Those that any change names.
    pub(super) users: HashMap<UserId, UserRow>,
    /// Those of them who are to leave every room.
    pub(super) leaving: HashSet<UserId>,
    /// What was posted before, in the end by this very batch too.
    pub(super) repeats: HashMap<(RoomId, UserId, ClientId), Posted>,
    /// Messages that may be answered.
    pub(super) targets: HashSet<(Uuid, Seq)>,
    /// Members of a room by their names.
    pub(super) named: HashMap<(Uuid, String), Vec<Uuid>>,
    /// Unsettled replies of each who asks for one.
    pub(super) asked: HashMap<Uuid, i64>,
    /// What is counted of those whose spending a question adds to.
    pub(super) counted: HashMap<Uuid, Counted>,
    /// The assistants that rooms say something of.
    pub(super) assistants: HashMap<Uuid, Vec<RoomAssistant>>,
}

/// A batch while it is judged.
pub(super) struct Judge {
    known: Known,
    rooms: HashMap<RoomId, RoomWork>,
    exist: HashSet<RoomId>,
    rows: NewRows,
}

impl Judge {
    pub(super) fn new(answers: Answers) -> StoreResult<Self> {
        let mut known = Known {
            targets: answers.targets,
            named: answers.named,
            asked: answers.asked,
            counted: answers.counted,
            assistants: by_room(answers.assistants)?,
            ..Known::default()
        };
        let mut disabled = HashSet::new();
        for (id, name, kind, is_disabled, leaving) in answers.users {
            known.users.insert(UserId(id), user_row(id, name, &kind)?);
            if is_disabled {
                disabled.insert(UserId(id));
            }
            if leaving {
                known.leaving.insert(UserId(id));
            }
        }
        for ((room, author, client), (_, seq, version, created_at, replies)) in answers.repeats {
            let mut replies = replies.unwrap_or_default().into_iter();
            let posted = Posted {
                seq,
                version,
                created_at,
                duplicate: true,
                reply_seq: replies.next(),
                more_replies: replies.collect(),
                reply_refused: None,
                refused_until: None,
            };
            let key = (RoomId(room), UserId(author), ClientId(client));
            known.repeats.insert(key, posted);
        }
        let heads: HashMap<Uuid, _> = answers.heads.iter().map(|head| (head.0, head)).collect();
        let mut rooms = HashMap::new();
        let mut exist = HashSet::new();
        for columns in answers.rooms {
            let id = columns.0;
            exist.insert(RoomId(id));
            if let Some(head) = heads.get(&id) {
                rooms.insert(RoomId(id), RoomWork::new(head, columns, disabled.clone())?);
            }
        }
        for (room, user, role) in answers.roles {
            if let Some(work) = rooms.get_mut(&RoomId(room)) {
                work.set_role(UserId(user), Some(word(&role, Role::from_name)?));
            }
        }
        Ok(Self {
            known,
            rooms,
            exist,
            rows: NewRows::default(),
        })
    }

    /// Judges the changes of one room.
    pub(super) async fn room(
        &mut self,
        connection: &mut Conn,
        wanted: &RoomChanges,
    ) -> StoreResult<RoomApplied> {
        let Some(mut work) = self.rooms.remove(&wanted.room) else {
            return Ok(if self.exist.contains(&wanted.room) {
                RoomApplied::Locked
            } else {
                RoomApplied::Done(no_room(wanted))
            });
        };
        let mut outcomes = Vec::with_capacity(wanted.changes.len());
        for (place, change) in wanted.changes.iter().enumerate() {
            let before = work.head.version;
            outcomes.push(match self.change(connection, &mut work, change).await {
                Ok(outcome) => {
                    let (moved, origin) = (work.head.version != before, wanted.origin(place));
                    let note = NewAudit::of_change(change, wanted.room, origin, moved);
                    note.into_iter().for_each(|note| connection.note(note));
                    Ok(outcome)
                }
                Err(StoreError::Refused(refusal)) => Err(refusal),
                Err(error) => return Err(error),
            });
        }
        if work.head.version != work.from {
            self.rows.head(&work);
        }
        Ok(RoomApplied::Done(RoomDone {
            head: work.head,
            from: work.from,
            outcomes,
            changes: work.changes,
        }))
    }

    async fn change(
        &mut self,
        connection: &mut Conn,
        work: &mut RoomWork,
        change: &Change,
    ) -> StoreResult<Outcome> {
        if work.deleted {
            return Err(StoreError::Refused(ErrorCode::RoomNotFound.into()));
        }
        if let Change::Post(post) = change {
            let posted = posts::post(work, &mut self.known, &mut self.rows, post)?;
            return Ok(Outcome::Posted(posted));
        }
        if let Some(actor) = change.adds_to_room() {
            work.require_open(actor)?;
        }
        if let Some(early) = self.rows.take_early() {
            connection.run(early).await?;
        }
        let version = self.other_change(connection, work, change).await?;
        if matches!(
            change,
            Change::AddAssistant(_) | Change::EditAssistant { .. } | Change::RemoveAssistant { .. }
        ) {
            // Posts behind it are judged by what is there now.
            let rows = assistants::rows_of_room(connection, work).await?;
            self.known.assistants.insert(work.head.room.0, rows);
        }
        Ok(Outcome::Changed { version })
    }

    async fn other_change(
        &self,
        connection: &mut Conn,
        work: &mut RoomWork,
        change: &Change,
    ) -> StoreResult<Version> {
        match change {
            Change::Post(_) => Err(StoreError::Broken("a post is no other change".into())),
            Change::EditMessage(text) => messages::edit(connection, work, text).await,
            Change::DeleteMessage { actor, seq } => {
                messages::delete(connection, work, *actor, *seq).await
            }
            Change::Mark { actor, seq, mark } => {
                messages::mark(connection, work, *actor, *seq, mark).await
            }
            Change::Unmark { actor, seq, mark } => {
                messages::unmark(connection, work, *actor, *seq, mark).await
            }
            Change::SetMember { actor, user, role } => {
                let row = self.known.users.get(user).cloned();
                members::set(connection, work, *actor, row, *user, *role).await
            }
            Change::RemoveMember { actor, user } => {
                let row = self.known.users.get(user).cloned();
                members::remove(connection, work, *actor, row, *user).await
            }
            Change::TransferRoom { actor, user } => {
                let rows = [actor, user].map(|user| self.known.users.get(user).cloned());
                members::transfer(connection, work, (*actor, *user), rows).await
            }
            Change::Ban {
                actor,
                user,
                reason,
            } => {
                let row = self.known.users.get(user).cloned();
                bans::ban(connection, work, (*actor, *user), row, reason).await
            }
            Change::Unban { actor, user } => bans::unban(connection, work, *actor, *user).await,
            Change::MakeInvite { actor, invite } => {
                invites::make(connection, work, *actor, invite).await
            }
            Change::RevokeInvite { actor, invite } => {
                invites::revoke(connection, work, *actor, *invite).await
            }
            Change::AcceptInvite { user, invite } => {
                let row = self.known.users.get(user).cloned();
                invites::accept(connection, work, *user, row, *invite).await
            }
            Change::Depart { user } => {
                departures::depart(connection, work, *user, self.leaver(*user)).await
            }
            Change::EditRoom { actor, edit } => {
                settings::edit(connection, work, *actor, edit).await
            }
            Change::SetRetention {
                actor,
                days,
                messages,
            } => retention::set(connection, work, *actor, *days, *messages).await,
            Change::Retain { limit } => retention::retain(connection, work, *limit).await,
            Change::DeleteRoom { actor } => settings::delete(connection, work, *actor).await,
            Change::Administer { actor, act } => {
                let row = act.user().and_then(|user| self.known.users.get(&user));
                administer::run(connection, work, *actor, act, row.cloned()).await
            }
            Change::RegenerateReply { .. } | Change::SelectVariant { .. } => {
                variants::change(connection, work, change).await
            }
            Change::AddAssistant(_)
            | Change::EditAssistant { .. }
            | Change::RemoveAssistant { .. } => assistants::change(connection, work, change).await,
            of_reply => replies::change(connection, work, of_reply).await,
        }
    }

    /// A user who is to leave every room.
    fn leaver(&self, user: UserId) -> Option<UserRow> {
        let row = self.known.users.get(&user).cloned();
        row.filter(|_| self.known.leaving.contains(&user))
    }

    /// Whether nothing took a version.
    pub(super) fn is_idle(&self) -> bool {
        self.rows.is_empty()
    }

    /// The one statement that writes all posts and heads, and how many heads.
    pub(super) fn into_write(self) -> (WriteBatch, usize) {
        self.rows.into_write()
    }
}

fn by_room(records: Vec<AssistantRecord>) -> StoreResult<HashMap<Uuid, Vec<RoomAssistant>>> {
    let mut all: HashMap<Uuid, Vec<RoomAssistant>> = HashMap::new();
    for record in records {
        let room = record.room_id;
        if let (Some(room), Some(row)) = (room, record.into_row()?) {
            all.entry(room).or_default().push(row);
        }
    }
    Ok(all)
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
