//! All that judging a batch needs to know, asked in one round trip together with BEGIN and the locks. Called by `apply`.
//! Each question is a statement of its own and so sees what the locks waited for.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use futures_util::future::OptionFuture;
use uuid::Uuid;

use super::keeps_answer;
use crate::db::StoreResult;
use crate::db::changes::{Batch, Change, NewPost, NewText};
use crate::db::postgres::assistants::{AssistantRecord, assistant_columns};
use crate::db::postgres::pool::Conn;
use crate::db::postgres::records::user_kind;
use crate::db::postgres::statement::{Statement, statement};
use crate::db::postgres::usage::{ReadCounted, counted};
use crate::ids::RoomId;
use crate::spending::{Counted, subjects};

/// Counters under their lock: room, epoch, version, last seq, first seq, floor, last time.
pub(super) type HeadColumns = (Uuid, i64, i64, i64, i64, i64, DateTime<Utc>);
/// A room: id, name, visibility, deleted, unsettled replies, the clock, topic, archived, people.
pub(super) type RoomColumns = (
    Uuid,
    String,
    String,
    bool,
    i64,
    DateTime<Utc>,
    String,
    bool,
    i32,
);
/// A repeat: its place in the question, seq, created version, created at, the replies' seqs.
pub(super) type RepeatColumns = (i64, i64, i64, DateTime<Utc>, Option<Vec<i64>>);

statement!(
    /// The heads that nobody else holds.
    LockFreeHeads { rooms: Vec<Uuid> } -> (Uuid, i64, i64, i64, i64, i64, DateTime<Utc>),
    "SELECT room_id, epoch, version, last_seq, first_seq, floor, last_at FROM room_heads \
     WHERE room_id = ANY($1) ORDER BY room_id FOR NO KEY UPDATE SKIP LOCKED"
);
statement!(
    /// The heads, waited for.
    LockHeads { rooms: Vec<Uuid> } -> (Uuid, i64, i64, i64, i64, i64, DateTime<Utc>),
    "SELECT room_id, epoch, version, last_seq, first_seq, floor, last_at FROM room_heads \
     WHERE room_id = ANY($1) ORDER BY room_id FOR NO KEY UPDATE"
);
statement!(
    /// The rooms, and the clock after the locks.
    ReadRooms { rooms: Vec<Uuid> }
        -> (Uuid, String, String, bool, i64, DateTime<Utc>, String, bool, i32),
    "SELECT r.id, r.name, r.visibility, r.deleted_at IS NOT NULL, \
         (SELECT count(*) FROM replies WHERE replies.room_id = r.id AND replies.state <> 'settled'), \
         clock_timestamp(), r.topic, r.archived, r.direct_people \
     FROM rooms r WHERE r.id = ANY($1)"
);
statement!(
    /// How many unsettled replies those who ask for one have, in all rooms.
    ReadAsked { users: Vec<Uuid> } -> (Uuid, i64),
    "SELECT asker_id, count(*) FROM replies WHERE state <> 'settled' AND asker_id = ANY($1) GROUP BY asker_id"
);
statement!(
    /// Users that are named; whether they, or whose bots they are, are disabled; whether they are to leave every room.
    ReadUsers { users: Vec<Uuid> } -> (Uuid, String, String, bool, bool),
    concat!("SELECT u.id, u.name, ", user_kind!("u"), ", u.disabled_at IS NOT NULL OR o.disabled_at IS NOT NULL, u.leaving \
     FROM users u LEFT JOIN users o ON o.id = u.owner_id WHERE u.id = ANY($1)")
);
statement!(
    /// What they are in the rooms.
    ReadRoles { rooms: Vec<Uuid>, users: Vec<Uuid> } -> (Uuid, Uuid, String),
    "SELECT m.room_id, m.user_id, m.role FROM unnest($1, $2) AS w (room_id, user_id) \
     JOIN memberships m ON m.room_id = w.room_id AND m.user_id = w.user_id"
);
// Three indexes of `messages` begin with the room. A plan made while the table was tiny may take any of them, and read a
// whole room for each message when it has grown. Only one index gives the order asked for here, so no plan can.
statement!(
    /// Messages that were posted before, with their replies.
    ReadRepeats { rooms: Vec<Uuid>, authors: Vec<Uuid>, clients: Vec<Uuid> }
        -> (i64, i64, i64, DateTime<Utc>, Option<Vec<i64>>),
    "SELECT w.place, m.seq, m.created_version, m.created_at, \
         (SELECT array_agg(r.seq ORDER BY r.seq) FROM replies r WHERE r.room_id = m.room_id AND r.prompt_seq = m.seq) \
     FROM unnest($1, $2, $3) WITH ORDINALITY AS w (room_id, author_id, client_id, place) \
     JOIN LATERAL ( \
         SELECT * FROM messages \
         WHERE (room_id, author_id, client_id) >= (w.room_id, w.author_id, w.client_id) \
         ORDER BY room_id, author_id, client_id LIMIT 1 \
     ) m ON m.room_id = w.room_id AND m.author_id = w.author_id AND m.client_id = w.client_id"
);
statement!(
    /// Messages that are answered, unless they are deleted.
    ReadTargets { rooms: Vec<Uuid>, seqs: Vec<i64> } -> (Uuid, i64),
    "SELECT m.room_id, m.seq FROM unnest($1, $2) AS w (room_id, seq) \
     JOIN LATERAL ( \
         SELECT * FROM messages WHERE (room_id, seq) >= (w.room_id, w.seq) ORDER BY room_id, seq LIMIT 1 \
     ) m ON m.room_id = w.room_id AND m.seq = w.seq WHERE m.deleted_at IS NULL"
);
statement!(
    /// Members of the rooms by name, as names are compared; a name may be that of several guests.
    ReadNamed { rooms: Vec<Uuid>, names: Vec<String> } -> (Uuid, String, Uuid),
    "SELECT w.room_id, w.name, m.user_id FROM unnest($1, $2) AS w (room_id, name) \
     JOIN LATERAL ( \
         SELECT s.user_id FROM users u JOIN memberships s ON s.room_id = w.room_id AND s.user_id = u.id \
         WHERE u.name_key = w.name ORDER BY u.id LIMIT 21 \
     ) m ON true"
);
const _: () = assert!(
    crate::limits::MENTIONS_PER_MESSAGE == 20,
    "with the author one more, as the statement says"
);
statement!(
    /// What rooms say of their assistants.
    ReadAssistants { rooms: Vec<Uuid> } -> struct AssistantRecord,
    concat!(
        "SELECT ", assistant_columns!(), " FROM room_assistants a JOIN users u ON u.id = a.user_id \
         WHERE a.room_id = ANY($1) ORDER BY a.added_at, a.user_id"
    )
);
statement!(
    /// What this batch was answered, if it was committed.
    FindBatch { id: Uuid } -> (serde_json::Value,),
    "SELECT results FROM batches WHERE id = $1"
);

/// What to do about a room that somebody else has locked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Locking {
    /// Leave it out.
    Skip,
    /// Wait for it.
    Wait,
}

/// What a batch asks.
#[derive(Clone, Debug)]
pub(super) struct Questions {
    rooms: Vec<Uuid>,
    users: ReadUsers,
    roles: ReadRoles,
    repeats: ReadRepeats,
    targets: Option<ReadTargets>,
    named: Option<ReadNamed>,
    asked: Option<ReadAsked>,
    assistants: Option<ReadAssistants>,
    counted: Option<ReadCounted>,
    rerun_of: Option<FindBatch>,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) heads: Vec<HeadColumns>,
    pub(super) rooms: Vec<RoomColumns>,
    pub(super) users: Vec<(Uuid, String, String, bool, bool)>,
    pub(super) roles: Vec<(Uuid, Uuid, String)>,
    /// The repeats, each under (room, author, client id).
    pub(super) repeats: Vec<((Uuid, Uuid, Uuid), RepeatColumns)>,
    pub(super) targets: HashSet<(Uuid, i64)>,
    /// Members under (room, name).
    pub(super) named: HashMap<(Uuid, String), Vec<Uuid>>,
    /// Unsettled replies of each who asks for one.
    pub(super) asked: HashMap<Uuid, i64>,
    /// What rooms say of their assistants.
    pub(super) assistants: Vec<AssistantRecord>,
    /// What is counted of those whose spending a question adds to.
    pub(super) counted: HashMap<Uuid, Counted>,
    /// The results kept for a rerun.
    pub(super) kept: Option<serde_json::Value>,
}

impl Answers {
    /// Whether a room exists but was not locked.
    pub(super) fn is_locked_elsewhere(&self, room: RoomId) -> bool {
        self.rooms.iter().any(|columns| columns.0 == room.0)
            && !self.heads.iter().any(|columns| columns.0 == room.0)
    }
}

impl Questions {
    pub(super) fn of(batch: &Batch) -> Self {
        let mut asked: HashMap<Uuid, HashSet<Uuid>> = HashMap::new();
        let mut askers = HashSet::new();
        let mut assistants = HashSet::new();
        let mut repeats = ReadRepeats {
            rooms: Vec::new(),
            authors: Vec::new(),
            clients: Vec::new(),
        };
        let mut targets = ReadTargets {
            rooms: Vec::new(),
            seqs: Vec::new(),
        };
        let mut names: HashSet<(Uuid, &str)> = HashSet::new();
        // Rooms where somebody is named: an assistant, perhaps.
        let mut naming: HashSet<Uuid> = HashSet::new();
        for wanted in &batch.rooms {
            let room = wanted.room.0;
            let users = asked.entry(room).or_default();
            for change in &wanted.changes {
                users.extend(named_users(change));
                let Change::Post(post) = change else { continue };
                repeats.rooms.push(room);
                repeats.authors.push(post.author.0);
                repeats.clients.push(post.client_id.0);
                askers.extend(post.prompt.map(|_| post.author.0));
                assistants.extend(post.prompt.map(|prompt| prompt.assistant.0));
                if !post.mentions.is_empty() || post.prompt.is_some_and(|prompt| prompt.mentioned) {
                    naming.insert(room);
                }
                let readings = post.mentions.iter().flatten();
                names.extend(readings.map(|name| (room, name.as_str())));
                if let Some(seq) = post.reply_to {
                    targets.rooms.push(room);
                    targets.seqs.push(seq);
                }
            }
        }
        let users = asked.values().flatten().copied();
        let users: HashSet<Uuid> = users.chain(assistants).collect();
        let mut roles = ReadRoles {
            rooms: Vec::new(),
            users: Vec::new(),
        };
        for (room, users) in &asked {
            roles.rooms.extend(std::iter::repeat_n(*room, users.len()));
            roles.users.extend(users);
        }
        let named = ReadNamed {
            rooms: names.iter().map(|(room, _)| *room).collect(),
            names: names.iter().map(|(_, name)| (*name).to_owned()).collect(),
        };
        let assistants = ReadAssistants {
            rooms: naming.into_iter().collect(),
        };
        Self {
            assistants: (!assistants.rooms.is_empty()).then_some(assistants),
            counted: spent_by(batch),
            named: (!names.is_empty()).then_some(named),
            asked: (!askers.is_empty()).then(|| ReadAsked {
                users: askers.into_iter().collect(),
            }),
            rooms: asked.into_keys().collect(),
            users: ReadUsers {
                users: users.into_iter().collect(),
            },
            roles,
            repeats,
            targets: (!targets.seqs.is_empty()).then_some(targets),
            rerun_of: (batch.rerun && keeps_answer(batch)).then_some(FindBatch { id: batch.id.0 }),
        }
    }

    /// Begins, locks and asks, in one round trip.
    pub(super) async fn ask(
        &self,
        connection: &mut Conn,
        locking: Locking,
    ) -> StoreResult<Answers> {
        connection.open();
        let answered = {
            let open = connection.connection()?;
            let rooms = self.rooms.clone();
            let lock = match locking {
                Locking::Skip => LockFreeHeads { rooms }.run(open),
                Locking::Wait => LockHeads { rooms }.run(open),
            };
            let rooms = self.rooms.clone();
            let targets = self.targets.clone().map(|targets| targets.run(open));
            let named = self.named.clone().map(|named| named.run(open));
            let asked = self.asked.clone().map(|asked| asked.run(open));
            let assistants = self.assistants.clone().map(|asked| asked.run(open));
            let counts = self.counted.clone().map(|asked| asked.run(open));
            let rerun_of = self.rerun_of.clone().map(|batch| batch.run(open));
            // Polled in this order, so sent in this order.
            let all = async {
                futures_util::join!(
                    connection.begin(),
                    lock,
                    ReadRooms { rooms }.run(open),
                    self.users.clone().run(open),
                    self.roles.clone().run(open),
                    self.repeats.clone().run(open),
                    OptionFuture::from(targets),
                    OptionFuture::from(named),
                    OptionFuture::from(asked),
                    OptionFuture::from(assistants),
                    OptionFuture::from(counts),
                    OptionFuture::from(rerun_of),
                )
            };
            let (
                begun,
                heads,
                rooms,
                users,
                roles,
                repeats,
                targets,
                named,
                asked,
                assistants,
                counts,
                rerun_of,
            ) = connection.within(all).await?;
            begun?;
            let answers = || -> QueryResult<Answers> {
                Ok(Answers {
                    heads: heads?,
                    rooms: rooms?,
                    users: users?,
                    roles: roles?,
                    repeats: self.placed(repeats?),
                    targets: asked_for(targets)?.into_iter().collect(),
                    assistants: assistants.transpose()?.unwrap_or_default(),
                    named: by_name(asked_for(named)?),
                    asked: asked_for(asked)?.into_iter().collect(),
                    counted: counted(asked_for(counts)?),
                    kept: rerun_of
                        .transpose()?
                        .and_then(|rows| rows.into_iter().next())
                        .map(|(results,)| results),
                })
            };
            answers()
        };
        match answered {
            Ok(answers) => Ok(answers),
            Err(error) => Err(connection.failed_at_start(&error).await),
        }
    }

    fn placed(&self, rows: Vec<RepeatColumns>) -> Vec<((Uuid, Uuid, Uuid), RepeatColumns)> {
        let asked = &self.repeats;
        rows.into_iter()
            .filter_map(|row| {
                let place = usize::try_from(row.0 - 1).ok()?;
                let key = (
                    *asked.rooms.get(place)?,
                    *asked.authors.get(place)?,
                    *asked.clients.get(place)?,
                );
                Some((key, row))
            })
            .collect()
    }
}

/// What of those is counted whose spending is capped and who ask for a reply.
fn spent_by(batch: &Batch) -> Option<ReadCounted> {
    let mut spenders = HashSet::new();
    for wanted in &batch.rooms {
        for change in &wanted.changes {
            if let Change::Post(post) = change
                && post.prompt.is_some_and(|prompt| prompt.caps.is_any())
            {
                spenders.extend(subjects(post.author, wanted.room));
            }
        }
    }
    let subjects: Vec<Uuid> = spenders.into_iter().collect();
    (!subjects.is_empty()).then_some(ReadCounted { subjects })
}

/// The rows of a question that need not have been asked.
fn asked_for<T>(rows: Option<QueryResult<Vec<T>>>) -> QueryResult<Vec<T>> {
    Ok(rows.transpose()?.unwrap_or_default())
}

fn by_name(rows: Vec<(Uuid, String, Uuid)>) -> HashMap<(Uuid, String), Vec<Uuid>> {
    let mut named: HashMap<_, Vec<_>> = HashMap::new();
    for (room, name, user) in rows {
        named.entry((room, name)).or_default().push(user);
    }
    named
}

/// The users whose rights or rows a change needs.
fn named_users(change: &Change) -> Vec<Uuid> {
    match change {
        Change::Post(NewPost { author, .. }) => vec![author.0],
        Change::SetMember { actor, user, .. }
        | Change::RemoveMember { actor, user }
        | Change::TransferRoom { actor, user }
        | Change::Ban { actor, user, .. }
        | Change::Unban { actor, user } => vec![actor.0, user.0],
        Change::AcceptInvite { user, .. } | Change::Depart { user } => vec![user.0],
        Change::Administer { act, .. } => act.user().into_iter().map(|user| user.0).collect(),
        Change::AddAssistant(new) => vec![new.actor.0],
        Change::EditMessage(NewText { actor, .. })
        | Change::DeleteMessage { actor, .. }
        | Change::Mark { actor, .. }
        | Change::Unmark { actor, .. }
        | Change::MakeInvite { actor, .. }
        | Change::RevokeInvite { actor, .. }
        | Change::EditRoom { actor, .. }
        | Change::EditAssistant { actor, .. }
        | Change::RemoveAssistant { actor, .. }
        | Change::SetRetention { actor, .. }
        | Change::DeleteRoom { actor }
        | Change::StopReply { actor, .. }
        | Change::RetryReply { actor, .. }
        | Change::RegenerateReply { actor, .. }
        | Change::SelectVariant { actor, .. } => vec![actor.0],
        Change::SettleReply(_) | Change::InterruptReply { .. } | Change::Retain { .. } => {
            Vec::new()
        }
    }
}
