//! What every database holds: the public room `lobby` and the user `assistant`. Called once by `SqliteStore::open`;
//! run again it changes nothing. In code and not in the migration, because ids and epochs are random.

use diesel::prelude::*;

use super::accounts;
use super::columns::{name_key, now};
use super::failure::Work;
use super::rooms;
use super::schema;
use crate::db::changes::{NewAccount, NewRoom};
use crate::db::rows::{UserKind, UserRow, Visibility};
use crate::db::{ASSISTANT, LOBBY};
use crate::ids::{RoomId, UserId};

/// Inserts what is missing. A lobby that was deleted stays deleted: slugs are never reused.
pub(super) fn insert(conn: &mut SqliteConnection) -> Work<()> {
    let lobbies: i64 = schema::rooms::table
        .filter(schema::rooms::slug.eq(LOBBY))
        .count()
        .get_result(conn)?;
    if lobbies == 0 {
        let lobby = NewRoom {
            id: RoomId::new(),
            slug: LOBBY.into(),
            name: "Lobby".into(),
            visibility: Visibility::Public,
        };
        rooms::insert(conn, &lobby, None, now())?;
    }
    let assistants: i64 = schema::users::table
        .filter(schema::users::name_key.eq(name_key(ASSISTANT)))
        .filter(schema::users::kind.eq(UserKind::Assistant.as_str()))
        .count()
        .get_result(conn)?;
    if assistants == 0 {
        let user = UserRow {
            id: UserId::new(),
            name: ASSISTANT.into(),
            kind: UserKind::Assistant,
        };
        let account = NewAccount {
            user,
            password_hash: None,
            admin: false,
        };
        accounts::insert(conn, &account, now())?;
    }
    Ok(())
}
