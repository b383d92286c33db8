//! Changes of a room's assistants on SQLite: added, set up, taken away. Called by `apply`.

use diesel::prelude::*;

use super::room::RoomWork;
use crate::db::assistants::{AssistantEdit, AssistantSettings, NewAssistant, RoomAssistant, told};
use crate::db::changes::NewAccount;
use crate::db::rows::{LogKind, UserKind, UserRow};
use crate::db::sqlite::accounts::{held, insert, user_row};
use crate::db::sqlite::assistants::of_room;
use crate::db::sqlite::columns::{StoredId, name_key, storable};
use crate::db::sqlite::failure::Work;
use crate::db::sqlite::schema::{memberships, room_assistants as columns, users};
use crate::error::ErrorCode;
use crate::ids::{UserId, Version};
use crate::limits;
use crate::permissions::{Action, Role};

/// Adds an assistant.
pub(super) fn add(work: &mut RoomWork<'_>, new: &NewAssistant) -> Work<Version> {
    work.require(new.actor, Action::ManageAssistants)?;
    let present = of_room(work.conn, work.id)?;
    let user = assistant_named(work, new)?;
    if present.iter().any(|one| one.user.id == user.id) {
        return Err(ErrorCode::NameTaken.into());
    }
    if present.len() >= limits::ASSISTANTS_PER_ROOM {
        return Err(ErrorCode::TooMany.into());
    }
    if work.user(user.id)?.is_none() {
        let account = NewAccount {
            user: user.clone(),
            password_hash: None,
            admin: false,
        };
        insert(work.conn, &account, work.now)?;
        work.forget_user(user.id);
    }
    write(work, user.id, &new.settings)?;
    tell(work)
}

/// Changes what the room says of one.
pub(super) fn edit(
    work: &mut RoomWork<'_>,
    actor: UserId,
    assistant: UserId,
    edit: &AssistantEdit,
) -> Work<Version> {
    work.require(actor, Action::ManageAssistants)?;
    let present = find(work, assistant)?;
    let after = present.settings.edited(edit);
    if after == present.settings {
        return Ok(work.head.version);
    }
    write(work, assistant, &after)?;
    tell(work)
}

/// Takes one away; the server's own becomes what it was at first.
pub(super) fn remove(work: &mut RoomWork<'_>, actor: UserId, assistant: UserId) -> Work<Version> {
    work.require(actor, Action::ManageAssistants)?;
    find(work, assistant)?;
    let place = columns::table.find((work.id, StoredId(assistant.0)));
    if diesel::delete(place).execute(work.conn)? == 0 {
        return Ok(work.head.version);
    }
    tell(work)
}

/// The assistant of that name, or one to be made; a name that somebody else has is taken.
fn assistant_named(work: &mut RoomWork<'_>, new: &NewAssistant) -> Work<UserRow> {
    let key = name_key(storable(&new.name)?);
    let in_room: i64 = users::table
        .inner_join(memberships::table)
        .filter(memberships::room_id.eq(work.id))
        .filter(users::name_key.eq(&key))
        .count()
        .get_result(work.conn)?;
    if in_room > 0 {
        return Err(ErrorCode::NameTaken.into());
    }
    match held(work.conn, &key)? {
        None => Ok(UserRow {
            id: new.id,
            name: new.name.clone(),
            kind: UserKind::Assistant,
        }),
        Some((user, _)) => {
            let user = user_row(user)?;
            match user.kind {
                UserKind::Assistant => Ok(user),
                _ => Err(ErrorCode::NameTaken.into()),
            }
        }
    }
}

fn find(work: &mut RoomWork<'_>, assistant: UserId) -> Work<RoomAssistant> {
    let all = of_room(work.conn, work.id)?;
    let found = all.into_iter().find(|one| one.user.id == assistant);
    Ok(found.ok_or(ErrorCode::AssistantNotFound)?)
}

fn write(work: &mut RoomWork<'_>, assistant: UserId, set: &AssistantSettings) -> Work<()> {
    let storable_or_none = |text: &Option<String>| -> Work<Option<String>> {
        Ok(text
            .as_deref()
            .map(storable)
            .transpose()?
            .map(str::to_owned))
    };
    let values = (
        columns::enabled.eq(set.enabled),
        columns::provider.eq(storable_or_none(&set.provider)?),
        columns::model.eq(storable_or_none(&set.model)?),
        columns::system.eq(storable(&set.system)?.to_owned()),
        columns::temperature.eq(set.temperature),
        columns::max_tokens.eq(set.max_tokens),
        columns::history_tokens.eq(set.history_tokens),
        columns::may_prompt.eq(Role::as_str(set.may_prompt)),
        columns::may_stop.eq(Role::as_str(set.may_stop)),
        columns::may_regenerate.eq(Role::as_str(set.may_regenerate)),
    );
    let place = columns::table.find((work.id, StoredId(assistant.0)));
    if diesel::update(place)
        .set(values.clone())
        .execute(work.conn)?
        > 0
    {
        return Ok(());
    }
    diesel::insert_into(columns::table)
        .values((
            columns::room_id.eq(work.id),
            columns::user_id.eq(StoredId(assistant.0)),
            columns::added_at.eq(work.now),
            values,
        ))
        .execute(work.conn)?;
    Ok(())
}

fn tell(work: &mut RoomWork<'_>) -> Work<Version> {
    let data = told(&of_room(work.conn, work.id)?);
    work.log(LogKind::Settings, None, None, data)
}
