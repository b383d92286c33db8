//! Whether a settled reply may be asked for again, on Postgres: what a message that asks is judged by, read before anything is put
//! aside. Called by retries, regenerations and edits that ask again. It writes nothing.

use chrono::TimeDelta;
use diesel::QueryableByName;
use diesel::sql_types as sql;
use uuid::Uuid;

use super::replies::refused;
use super::room::RoomWork;
use crate::db::assistants::{AskedAgain, may_ask_again};
use crate::db::postgres::assistants::{AssistantRecord, assistant_columns};
use crate::db::postgres::pool::Conn;
use crate::db::postgres::records::{user_kind, word};
use crate::db::postgres::statement::statement;
use crate::db::postgres::usage::{ReadCounted, counted};
use crate::db::rows::{UserKind, Visibility};
use crate::db::{ASSISTANT, StoreResult};
use crate::error::ErrorCode;
use crate::ids::{Seq, UserId};
use crate::permissions::{Action, Role, allows};
use crate::spending::{Caps, subjects};

statement!(
    /// Who wrote a reply, what its asker is by now, and what they are who want it again.
    ReadAsking { room: Uuid, seq: i64, actor: Uuid } -> struct AskingRecord,
    concat!(
        "SELECT p.asker_id, ", assistant_columns!(), ", \
             (SELECT m.role FROM memberships m JOIN users w ON w.id = m.user_id AND w.disabled_at IS NULL \
              LEFT JOIN users o ON o.id = w.owner_id \
              WHERE o.disabled_at IS NULL AND m.room_id = p.room_id AND m.user_id = p.asker_id) AS asker_role, \
             (SELECT count(*) FROM replies q WHERE q.state <> 'settled' AND q.asker_id = p.asker_id) AS asks, \
             (SELECT ", user_kind!("w"), " FROM users w WHERE w.id = $3) AS actor_kind \
         FROM replies p JOIN users u ON u.id = p.assistant_id \
         LEFT JOIN room_assistants a ON a.room_id = p.room_id AND a.user_id = p.assistant_id \
         WHERE p.room_id = $1 AND p.seq = $2"
    )
);

/// A row of [`ReadAsking`].
#[derive(QueryableByName, Debug)]
pub(super) struct AskingRecord {
    #[diesel(sql_type = sql::Uuid)]
    asker_id: Uuid,
    #[diesel(embed)]
    assistant: AssistantRecord,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    asker_role: Option<String>,
    #[diesel(sql_type = sql::BigInt)]
    asks: i64,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    actor_kind: Option<String>,
}

/// Refuses where a message of `actor` would get no answer of who wrote the reply, beside `before` others of its asker that are
/// about to be queued.
pub(super) async fn require(
    connection: &mut Conn,
    work: &RoomWork,
    (actor, seq): (UserId, Seq),
    (caps, before): (Caps, i64),
) -> StoreResult<()> {
    let asking = ReadAsking {
        room: work.head.room.0,
        seq,
        actor: actor.0,
    };
    let found = connection.run(asking).await?;
    let Some(record) = found.into_iter().next() else {
        return refused(ErrorCode::ReplyNotFound);
    };
    let spent_for = spent_for(connection, work, UserId(record.asker_id), caps).await?;
    let has_row = record.assistant.room_id.is_some();
    let assistant = record.assistant.into_row()?;
    let assistant = assistant.filter(|one| has_row || one.user.name == ASSISTANT);
    let Some(kind) = record.actor_kind else {
        return refused(ErrorCode::UserNotFound);
    };
    let asker_role = record.asker_role.as_deref();
    let asker_role = asker_role.map(|role| word(role, Role::from_name));
    may_ask_again(AskedAgain {
        assistant: assistant.as_ref(),
        actor: word(&kind, UserKind::from_name)?,
        role: work.role(actor),
        in_direct: work.settings.visibility == Visibility::Direct && work.people == 0,
        asker_may_prompt: asker_role
            .transpose()?
            .is_some_and(|role| allows(role, Action::Post)),
        asks: record.asks.saturating_add(before),
        spent_for,
    })?;
    Ok(())
}

/// How long what `asker` may spend here is spent.
async fn spent_for(
    connection: &mut Conn,
    work: &RoomWork,
    asker: UserId,
    caps: Caps,
) -> StoreResult<Option<TimeDelta>> {
    if !caps.is_any() {
        return Ok(None);
    }
    let (room, now) = (work.head.room, work.now);
    let subjects = subjects(asker, room).to_vec();
    let all = counted(connection.run(ReadCounted { subjects }).await?);
    let full = caps.full(asker, room, now, |subject| {
        all.get(&subject).copied().unwrap_or_default()
    });
    Ok(full.map(|until| until - now))
}
