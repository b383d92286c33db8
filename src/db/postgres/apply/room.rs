//! One room while a batch writes it: its counters, what is known of its members, and what was written. Made by the
//! judge, used by each kind of change. Rights are judged through it, against rows read under the room's lock.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::questions::{HeadColumns, RoomColumns};
use crate::db::StoreResult;
use crate::db::postgres::pool::Conn;
use crate::db::postgres::records::word;
use crate::db::postgres::statement::statement;
use crate::db::rows::{Head, LogKind, LogRow, RoomSettings, StoredChange, UserRow, Visibility};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{Epoch, RoomId, UserId, Version};
use crate::permissions::{Action, Role, allows};

statement!(
    /// A versioned change that is not a message.
    InsertLog {
        room: uuid::Uuid,
        version: i64,
        kind: String,
        user: Option<uuid::Uuid>,
        role: Option<String>,
        data: serde_json::Value,
        at: DateTime<Utc>,
    },
    "INSERT INTO room_log (room_id, version, kind, user_id, role, data, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7)"
);

/// A room under its lock.
#[derive(Debug)]
pub(super) struct RoomWork {
    /// Its counters as they will be.
    pub(super) head: Head,
    /// The version before the batch.
    pub(super) from: Version,
    /// What its owners set.
    pub(super) settings: RoomSettings,
    /// For how many people this direct room is; 0 for any other.
    pub(super) people: i32,
    /// Gone, maybe by a change of this very batch.
    pub(super) deleted: bool,
    /// Replies that wait or run.
    pub(super) unsettled: i64,
    /// The database's clock after the lock, never before the room's last.
    pub(super) now: DateTime<Utc>,
    roles: HashMap<UserId, Role>,
    /// Who may do nothing any more, member or not.
    disabled: HashSet<UserId>,
    /// What was written, ascending.
    pub(super) changes: Vec<StoredChange>,
}

impl RoomWork {
    pub(super) fn new(
        head: &HeadColumns,
        room: RoomColumns,
        disabled: HashSet<UserId>,
    ) -> StoreResult<Self> {
        let (id, epoch, version, last_seq, first_seq, floor, last_at) = *head;
        let (_, name, visibility, deleted, unsettled, clock, topic, archived, people) = room;
        Ok(Self {
            head: Head {
                room: RoomId(id),
                epoch: Epoch(epoch),
                version,
                last_seq,
                first_seq,
                floor,
            },
            from: version,
            settings: RoomSettings {
                name,
                visibility: word(&visibility, Visibility::from_name)?,
                topic,
                archived,
            },
            people,
            deleted,
            unsettled,
            now: clock.max(last_at),
            roles: HashMap::new(),
            disabled,
            changes: Vec::new(),
        })
    }

    /// What a user is in the room.
    pub(super) fn role(&self, user: UserId) -> Option<Role> {
        self.roles.get(&user).copied()
    }

    /// Notes what a user is from now on.
    pub(super) fn set_role(&mut self, user: UserId, role: Option<Role>) {
        match role {
            Some(role) => self.roles.insert(user, role),
            None => self.roles.remove(&user),
        };
    }

    /// Refuses who was disabled or deleted since the request came.
    pub(super) fn require_enabled(&self, actor: UserId) -> Result<(), Refusal> {
        match self.disabled.contains(&actor) {
            true => Err(ErrorCode::Unauthenticated.into()),
            false => Ok(()),
        }
    }

    /// The actor's role, or the refusal for one who is not a member.
    pub(super) fn member_role(&self, actor: UserId) -> Result<Role, Refusal> {
        self.require_enabled(actor)?;
        self.standing(actor)
    }

    /// The same of one who may be disabled: for leaving.
    pub(super) fn standing(&self, actor: UserId) -> Result<Role, Refusal> {
        match (self.role(actor), self.settings.visibility) {
            (Some(role), _) => Ok(role),
            (None, Visibility::Public) => Err(ErrorCode::NotAMember.into()),
            (None, _) => Err(ErrorCode::RoomNotFound.into()),
        }
    }

    /// Refuses whoever may not.
    pub(super) fn require(&self, actor: UserId, action: Action) -> Result<(), Refusal> {
        if allows(self.member_role(actor)?, action) {
            Ok(())
        } else {
            Err(ErrorCode::Forbidden.into())
        }
    }

    /// Refuses whoever is no member, and everybody when the room takes nothing new.
    pub(super) fn require_open(&self, actor: UserId) -> Result<(), Refusal> {
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

    /// Writes a change that is not a message at the next version, and records it.
    pub(super) async fn log(
        &mut self,
        connection: &mut Conn,
        kind: LogKind,
        user: Option<UserRow>,
        role: Option<Role>,
        data: serde_json::Value,
    ) -> StoreResult<Version> {
        let version = self.next_version();
        connection
            .run(InsertLog {
                room: self.head.room.0,
                version,
                kind: kind.as_str().into(),
                user: user.as_ref().map(|user| user.id.0),
                role: role.map(|role| role.as_str().into()),
                data: data.clone(),
                at: self.now,
            })
            .await?;
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
