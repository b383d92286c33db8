//! Changes of a room's assistants on Postgres: added, set up, taken away. Called by the judge.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::room::RoomWork;
use crate::db::assistants::{
    AssistantEdit, AssistantSettings, NewAssistant, RoomAssistant, told, with_default,
};
use crate::db::changes::Change;
use crate::db::postgres::assistants::{AssistantRecord, assistant_columns, rows};
use crate::db::postgres::pool::Conn;
use crate::db::postgres::records::{name_key, user_kind, user_row};
use crate::db::postgres::statement::statement;
use crate::db::rows::{LogKind, UserKind};
use crate::db::{ASSISTANT, StoreError, StoreResult};
use crate::error::ErrorCode;
use crate::ids::{UserId, Version};
use crate::limits;
use crate::looks::look;
use crate::permissions::Action;

statement!(
    /// A room's assistants that have a row.
    RowsOfRoom { room: Uuid } -> struct AssistantRecord,
    concat!(
        "SELECT ", assistant_columns!(), " FROM room_assistants a JOIN users u ON u.id = a.user_id \
         WHERE a.room_id = $1 ORDER BY a.added_at, a.user_id"
    )
);
statement!(
    /// Who has a name: everybody but guests, and the guests of the room.
    Named { room: Uuid, name_key: String } -> (Uuid, String, String),
    concat!(
        "SELECT u.id, u.name, ", user_kind!("u"), " FROM users u WHERE u.name_key = $2 AND (u.kind <> 'guest' \
             OR EXISTS (SELECT FROM memberships m WHERE m.room_id = $1 AND m.user_id = u.id))"
    )
);
statement!(
    /// An assistant for every room; nothing when the name was taken meanwhile.
    MakeAssistant { id: Uuid, name: String, name_key: String, look: String },
    "INSERT INTO users (id, name, name_key, kind, look) SELECT $1, $2, $3, 'assistant', $4 \
     WHERE NOT EXISTS (SELECT FROM users WHERE look = $4) ON CONFLICT DO NOTHING"
);
statement!(
    /// What the room says of one from now on.
    WriteAssistant {
        room: Uuid,
        user: Uuid,
        at: DateTime<Utc>,
        enabled: bool,
        provider: Option<String>,
        model: Option<String>,
        system: String,
        temperature: Option<i32>,
        max_tokens: Option<i32>,
        history_tokens: Option<i32>,
        may_prompt: String,
        may_stop: String,
        may_regenerate: String,
    },
    "INSERT INTO room_assistants (room_id, user_id, added_at, enabled, provider, model, system, temperature, max_tokens, \
                                  history_tokens, may_prompt, may_stop, may_regenerate) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
     ON CONFLICT (room_id, user_id) DO UPDATE SET enabled = $4, provider = $5, model = $6, system = $7, temperature = $8, \
         max_tokens = $9, history_tokens = $10, may_prompt = $11, may_stop = $12, may_regenerate = $13"
);
statement!(
    /// The room says nothing of one any more.
    ForgetAssistant { room: Uuid, user: Uuid },
    "DELETE FROM room_assistants WHERE room_id = $1 AND user_id = $2"
);

fn refused<T>(code: ErrorCode) -> StoreResult<T> {
    Err(StoreError::Refused(code.into()))
}

/// One of the changes that are told here.
pub(super) async fn change(
    connection: &mut Conn,
    work: &mut RoomWork,
    change: &Change,
) -> StoreResult<Version> {
    match change {
        Change::AddAssistant(new) => add(connection, work, new).await,
        Change::EditAssistant {
            actor,
            assistant,
            edit: wish,
        } => edit(connection, work, *actor, *assistant, wish).await,
        Change::RemoveAssistant { actor, assistant } => {
            remove(connection, work, *actor, *assistant).await
        }
        _ => Err(StoreError::Broken("this is no change of assistants".into())),
    }
}

/// Adds an assistant.
async fn add(
    connection: &mut Conn,
    work: &mut RoomWork,
    new: &NewAssistant,
) -> StoreResult<Version> {
    work.require(new.actor, Action::ManageAssistants)?;
    let present = of_room(connection, work).await?;
    let id = assistant_named(connection, work, new).await?;
    if present.iter().any(|one| one.user.id == id) {
        return refused(ErrorCode::NameTaken);
    }
    if present.len() >= limits::ASSISTANTS_PER_ROOM {
        return refused(ErrorCode::TooMany);
    }
    if id == new.id {
        let made = MakeAssistant {
            id: id.0,
            name: new.name.clone(),
            name_key: name_key(&new.name),
            look: look(&new.name),
        };
        if connection.run(made).await? == 0 {
            return refused(ErrorCode::NameTaken);
        }
    }
    write(connection, work, id, &new.settings).await?;
    tell(connection, work).await
}

/// Changes what the room says of one.
async fn edit(
    connection: &mut Conn,
    work: &mut RoomWork,
    actor: UserId,
    assistant: UserId,
    edit: &AssistantEdit,
) -> StoreResult<Version> {
    work.require(actor, Action::ManageAssistants)?;
    let present = find(connection, work, assistant).await?;
    let after = present.settings.edited(edit);
    if after == present.settings {
        return Ok(work.head.version);
    }
    write(connection, work, assistant, &after).await?;
    tell(connection, work).await
}

/// Takes one away; the server's own becomes what it was at first.
async fn remove(
    connection: &mut Conn,
    work: &mut RoomWork,
    actor: UserId,
    assistant: UserId,
) -> StoreResult<Version> {
    work.require(actor, Action::ManageAssistants)?;
    find(connection, work, assistant).await?;
    let (room, user) = (work.head.room.0, assistant.0);
    if connection.run(ForgetAssistant { room, user }).await? == 0 {
        return Ok(work.head.version);
    }
    tell(connection, work).await
}

/// The id of the assistant of that name, or that of one to be made; a name that somebody else has is taken.
async fn assistant_named(
    connection: &mut Conn,
    work: &RoomWork,
    new: &NewAssistant,
) -> StoreResult<UserId> {
    let named = Named {
        room: work.head.room.0,
        name_key: name_key(&new.name),
    };
    let mut id = new.id;
    for (found, name, kind) in connection.run(named).await? {
        match user_row(found, name, &kind)?.kind {
            UserKind::Assistant => id = UserId(found),
            _ => return refused(ErrorCode::NameTaken),
        }
    }
    Ok(id)
}

/// What the room says of its assistants.
pub(super) async fn rows_of_room(
    connection: &mut Conn,
    work: &RoomWork,
) -> StoreResult<Vec<RoomAssistant>> {
    let room = work.head.room.0;
    rows(connection.run(RowsOfRoom { room }).await?)
}

/// The room's assistants, the server's own first.
async fn of_room(connection: &mut Conn, work: &RoomWork) -> StoreResult<Vec<RoomAssistant>> {
    let room = work.head.room.0;
    let name_key = name_key(ASSISTANT);
    let own = connection.run(Named { room, name_key }).await?;
    let default = own
        .into_iter()
        .map(|(id, name, kind)| user_row(id, name, &kind))
        .find(|user| !matches!(user, Ok(user) if user.kind != UserKind::Assistant))
        .unwrap_or_else(|| Err(StoreError::Broken("there is no assistant".into())))?;
    Ok(with_default(default, rows_of_room(connection, work).await?))
}

async fn find(
    connection: &mut Conn,
    work: &RoomWork,
    assistant: UserId,
) -> StoreResult<RoomAssistant> {
    let all = of_room(connection, work).await?;
    match all.into_iter().find(|one| one.user.id == assistant) {
        Some(found) => Ok(found),
        None => refused(ErrorCode::AssistantNotFound),
    }
}

async fn write(
    connection: &mut Conn,
    work: &RoomWork,
    assistant: UserId,
    set: &AssistantSettings,
) -> StoreResult<()> {
    connection
        .run(WriteAssistant {
            room: work.head.room.0,
            user: assistant.0,
            at: work.now,
            enabled: set.enabled,
            provider: set.provider.clone(),
            model: set.model.clone(),
            system: set.system.clone(),
            temperature: set.temperature,
            max_tokens: set.max_tokens,
            history_tokens: set.history_tokens,
            may_prompt: set.may_prompt.as_str().into(),
            may_stop: set.may_stop.as_str().into(),
            may_regenerate: set.may_regenerate.as_str().into(),
        })
        .await
        .map(drop)
}

async fn tell(connection: &mut Conn, work: &mut RoomWork) -> StoreResult<Version> {
    let data = told(&of_room(connection, work).await?);
    work.log(connection, LogKind::Settings, None, None, data)
        .await
}
