//! The assistants of rooms on SQLite: read here, changed by `apply/assistants.rs`.

use async_trait::async_trait;
use diesel::prelude::*;

use super::accounts::{UserColumns, assistant as default_assistant, by_id, user_row};
use super::columns::{StoredId, named};
use super::failure::Work;
use super::schema::{messages, room_assistants as columns, users};
use super::{SqliteStore, rooms};
use crate::db::StoreResult;
use crate::db::assistants::{AssistantSettings, AssistantStore, RoomAssistant, with_default};
use crate::error::ErrorCode;
use crate::ids::{RoomId, Seq, UserId};
use crate::permissions::Role;

type SettingColumns = (
    bool,
    Option<String>,
    Option<String>,
    String,
    Option<i32>,
    Option<i32>,
    Option<i32>,
    String,
    String,
    String,
);

fn settings(
    (enabled, provider, model, system, temperature, max_tokens, history, prompt, stop, again): SettingColumns,
) -> Work<AssistantSettings> {
    Ok(AssistantSettings {
        enabled,
        provider,
        model,
        system,
        temperature,
        max_tokens,
        history_tokens: history,
        may_prompt: named(Role::from_name, &prompt)?,
        may_stop: named(Role::from_name, &stop)?,
        may_regenerate: named(Role::from_name, &again)?,
    })
}

/// The assistants of a room, the server's own first.
pub(super) fn of_room(conn: &mut SqliteConnection, room: StoredId) -> Work<Vec<RoomAssistant>> {
    let found = columns::table
        .inner_join(users::table)
        .filter(columns::room_id.eq(room))
        .order((columns::added_at, columns::user_id))
        .select((
            (users::id, users::name, users::kind, users::owner_id),
            (
                columns::enabled,
                columns::provider,
                columns::model,
                columns::system,
                columns::temperature,
                columns::max_tokens,
                columns::history_tokens,
                columns::may_prompt,
                columns::may_stop,
                columns::may_regenerate,
            ),
        ))
        .load::<(UserColumns, SettingColumns)>(conn)?;
    let rows = found
        .into_iter()
        .map(|(user, set)| {
            Ok(RoomAssistant {
                user: user_row(user)?,
                settings: settings(set)?,
            })
        })
        .collect::<Work<Vec<_>>>()?;
    Ok(with_default(default_assistant(conn)?, rows))
}

/// One assistant as the room has it; one that was taken away is as by default, and not enabled.
pub(super) fn one(
    conn: &mut SqliteConnection,
    room: StoredId,
    assistant: UserId,
) -> Work<RoomAssistant> {
    let all = of_room(conn, room)?;
    if let Some(found) = all.into_iter().find(|one| one.user.id == assistant) {
        return Ok(found);
    }
    Ok(RoomAssistant {
        user: by_id(conn, assistant)?.ok_or(ErrorCode::ReplyNotFound)?,
        settings: AssistantSettings {
            enabled: false,
            ..AssistantSettings::default()
        },
    })
}

fn replying(conn: &mut SqliteConnection, room: RoomId, seq: Seq) -> Work<RoomAssistant> {
    let room = StoredId(room.0);
    let author = messages::table
        .find((room, seq))
        .select(messages::author_id)
        .first::<StoredId>(conn)
        .optional()?
        .ok_or(ErrorCode::ReplyNotFound)?;
    one(conn, room, UserId(author.0))
}

#[async_trait]
impl AssistantStore for SqliteStore {
    async fn room_assistants(&self, user: UserId, slug: &str) -> StoreResult<Vec<RoomAssistant>> {
        let slug = slug.to_owned();
        self.read(move |conn| {
            let (view, _) = rooms::of_member(conn, user, &slug)?;
            of_room(conn, StoredId(view.room.id.0))
        })
        .await
    }

    async fn replying_assistant(&self, room: RoomId, seq: Seq) -> StoreResult<RoomAssistant> {
        self.read(move |conn| replying(conn, room, seq)).await
    }
}
