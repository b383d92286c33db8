//! One room while a batch writes it: its counters, what is known of its members, and what was written. Made by
//! `apply_room`, used by each kind of change. Rights are judged through it, against rows of this transaction.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::db::rows::{
    Head, LogKind, LogRow, MessageMeta, MessageRow, RoomSettings, StoredChange, UserRow, Visibility,
};
use crate::db::sqlite::columns::{Micros, StoredId, named, now};
use crate::db::sqlite::failure::{Failure, Work};
use crate::db::sqlite::schema::{memberships, messages, room_heads, room_log, rooms};
use crate::db::sqlite::{accounts, rooms as room_rows};
use crate::error::ErrorCode;
use crate::ids::{RoomId, UserId, Version};
use crate::permissions::{Action, Role, allows};

/// The users a batch has met, and whether they are disabled, so that many posts of one author read it once.
#[derive(Default)]
pub(super) struct Authors(HashMap<UserId, Option<UserRow>>, HashMap<UserId, bool>);

/// A room under its lock.
pub(super) struct RoomWork<'a> {
    /// The writing connection, inside its transaction.
    pub(super) conn: &'a mut SqliteConnection,
    /// Which room.
    pub(super) id: StoredId,
    /// Its counters as they will be.
    pub(super) head: Head,
    /// What its owners set.
    pub(super) settings: RoomSettings,
    /// For how many people this direct room is; 0 for any other.
    pub(super) people: i32,
    /// Gone, maybe by a change of this very batch.
    pub(super) deleted: bool,
    /// The database's clock after the lock, never before the room's last.
    pub(super) now: Micros,
    authors: &'a mut Authors,
    roles: HashMap<UserId, Option<Role>>,
    changes: Vec<StoredChange>,
}

impl<'a> RoomWork<'a> {
    /// The room as it is; `None` when it never was.
    pub(super) fn open(
        conn: &'a mut SqliteConnection,
        authors: &'a mut Authors,
        room: RoomId,
    ) -> Work<Option<Self>> {
        let id = StoredId(room.0);
        let found = rooms::table
            .inner_join(room_heads::table)
            .filter(rooms::id.eq(id))
            .select((
                rooms::name,
                rooms::visibility,
                rooms::topic,
                rooms::archived,
                rooms::direct_people,
                rooms::deleted_at,
                room_heads::last_at,
            ))
            .first::<(String, String, String, bool, i32, Option<Micros>, Micros)>(conn)
            .optional()?;
        let Some((name, visibility, topic, archived, people, deleted_at, last_at)) = found else {
            return Ok(None);
        };
        let head = room_rows::head(conn, room)?;
        Ok(Some(Self {
            conn,
            id,
            head,
            settings: RoomSettings {
                name,
                visibility: named(Visibility::from_name, &visibility)?,
                topic,
                archived,
            },
            people,
            deleted: deleted_at.is_some(),
            now: now().max(last_at),
            authors,
            roles: HashMap::new(),
            changes: Vec::new(),
        }))
    }

    /// Writes the counters, if any moved, and gives what was written.
    pub(super) fn finish(self, from: Version) -> Work<(Head, Vec<StoredChange>)> {
        if self.head.version != from {
            diesel::update(room_heads::table.find(self.id))
                .set((
                    room_heads::version.eq(self.head.version),
                    room_heads::last_seq.eq(self.head.last_seq),
                    room_heads::last_at.eq(self.now),
                ))
                .execute(self.conn)?;
        }
        Ok((self.head, self.changes))
    }

    /// A user, if there is one.
    pub(super) fn user(&mut self, user: UserId) -> Work<Option<UserRow>> {
        if let Some(known) = self.authors.0.get(&user) {
            return Ok(known.clone());
        }
        let found = accounts::by_id(self.conn, user)?;
        self.authors.0.insert(user, found.clone());
        Ok(found)
    }

    /// A user is read anew: it was just made.
    pub(super) fn forget_user(&mut self, user: UserId) {
        self.authors.0.remove(&user);
    }

    /// A user that a row of this room points to.
    pub(super) fn known_user(&mut self, user: UserId) -> Work<UserRow> {
        self.user(user)?
            .ok_or_else(|| Failure::Corrupt(format!("user {user} is missing")))
    }

    /// What a user is in the room.
    pub(super) fn role(&mut self, user: UserId) -> Work<Option<Role>> {
        if let Some(known) = self.roles.get(&user) {
            return Ok(*known);
        }
        let role = memberships::table
            .find((self.id, StoredId(user.0)))
            .select(memberships::role)
            .first::<String>(self.conn)
            .optional()?
            .map(|role| named(Role::from_name, &role))
            .transpose()?;
        self.roles.insert(user, role);
        Ok(role)
    }

    /// Notes a membership that this batch changed.
    pub(super) fn set_role(&mut self, user: UserId, role: Option<Role>) {
        self.roles.insert(user, role);
    }

    /// Refuses who was disabled or deleted since the request came.
    pub(super) fn require_enabled(&mut self, actor: UserId) -> Work<()> {
        let disabled = match self.authors.1.get(&actor) {
            Some(known) => *known,
            None => accounts::is_disabled(self.conn, actor)?,
        };
        self.authors.1.insert(actor, disabled);
        match disabled {
            true => Err(ErrorCode::Unauthenticated.into()),
            false => Ok(()),
        }
    }

    /// The actor's role, or the refusal for one who is not a member.
    pub(super) fn member_role(&mut self, actor: UserId) -> Work<Role> {
        self.require_enabled(actor)?;
        self.standing(actor)
    }

    /// The same of one who may be disabled: for leaving.
    pub(super) fn standing(&mut self, actor: UserId) -> Work<Role> {
        match (self.role(actor)?, self.settings.visibility) {
            (Some(role), _) => Ok(role),
            (None, Visibility::Public) => Err(ErrorCode::NotAMember.into()),
            (None, _) => Err(ErrorCode::RoomNotFound.into()),
        }
    }

    /// Refuses whoever may not.
    pub(super) fn require(&mut self, actor: UserId, action: Action) -> Work<()> {
        if allows(self.member_role(actor)?, action) {
            Ok(())
        } else {
            Err(ErrorCode::Forbidden.into())
        }
    }

    /// Refuses whoever is no member, and everybody when the room takes nothing new.
    pub(super) fn require_open(&mut self, actor: UserId) -> Work<()> {
        self.member_role(actor)?;
        if self.settings.archived {
            return Err(ErrorCode::RoomArchived.into());
        }
        Ok(())
    }

    /// Takes the next version.
    pub(super) fn next_version(&mut self) -> Version {
        self.head.version += 1;
        self.head.version
    }

    /// Writes a new message, whose seq and version were just taken, and records it.
    pub(super) fn insert_message(&mut self, message: MessageRow) -> Work<()> {
        diesel::insert_into(messages::table)
            .values((
                messages::room_id.eq(self.id),
                messages::seq.eq(message.seq),
                messages::version.eq(message.version),
                messages::created_version.eq(message.version),
                messages::author_id.eq(StoredId(message.author.id.0)),
                messages::client_id.eq(message.client_id.map(|id| StoredId(id.0))),
                messages::kind.eq(message.kind.as_str()),
                messages::state.eq(message.state.as_str()),
                messages::body.eq(&message.body),
                messages::html.eq(message.html.as_deref()),
                messages::reply_to.eq(message.reply_to),
                messages::meta.eq(meta_text(&message.meta)?),
                messages::created_at.eq(self.now),
            ))
            .execute(self.conn)?;
        self.record(message);
        Ok(())
    }

    /// Records a message at its new version.
    pub(super) fn record(&mut self, message: MessageRow) {
        self.changes.push(StoredChange::Message(Box::new(message)));
    }

    /// Writes a change that is not a message at the next version, and records it.
    pub(super) fn log(
        &mut self,
        kind: LogKind,
        user: Option<UserRow>,
        role: Option<Role>,
        data: serde_json::Value,
    ) -> Work<Version> {
        let version = self.next_version();
        diesel::insert_into(room_log::table)
            .values((
                room_log::room_id.eq(self.id),
                room_log::version.eq(version),
                room_log::kind.eq(kind.as_str()),
                room_log::user_id.eq(user.as_ref().map(|user| StoredId(user.id.0))),
                room_log::role.eq(role.map(Role::as_str)),
                room_log::data.eq(data.to_string()),
                room_log::created_at.eq(self.now),
            ))
            .execute(self.conn)?;
        self.changes.push(StoredChange::Log(LogRow {
            version,
            kind,
            user,
            role,
            data,
        }));
        Ok(version)
    }
}

/// `messages.meta` of a message.
pub(super) fn meta_text(meta: &MessageMeta) -> Work<String> {
    Ok(serde_json::to_string(meta)?)
}
