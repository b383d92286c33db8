//! The assistants of rooms in the model: read, and changed by batches.

use async_trait::async_trait;
use salon::db::assistants::{
    AssistantEdit, AssistantSettings, AssistantStore, NewAssistant, RoomAssistant, told,
    with_default,
};
use salon::db::rows::{LogKind, UserKind, UserRow};
use salon::db::{ASSISTANT, StoreResult};
use salon::error::ErrorCode;
use salon::ids::{RoomId, Seq, UserId, Version};
use salon::limits;
use salon::permissions::Action;

use super::Moment;
use super::apply::{Judged, Work};
use super::tables::{Room, Tables, User};
use super::{ModelStore, no};

impl Room {
    /// The room's assistants, the server's own first.
    pub(super) fn assistants(&self, users: &Users) -> Vec<RoomAssistant> {
        let mut own = users.values();
        let default = own.find(|user| user.row.name == ASSISTANT);
        let default = default.map(|user| user.row.clone()).unwrap();
        with_default(default, self.assistants.clone())
    }
}

/// Everybody, by id.
pub(super) type Users = std::collections::BTreeMap<UserId, User>;

#[async_trait]
impl AssistantStore for ModelStore {
    async fn room_assistants(&self, user: UserId, slug: &str) -> StoreResult<Vec<RoomAssistant>> {
        self.unit(|tables, _| {
            let (room, _) = tables.of_member(user, slug)?;
            Ok(room.assistants(&tables.users))
        })
    }

    async fn replying_assistant(&self, room: RoomId, seq: Seq) -> StoreResult<RoomAssistant> {
        self.unit(|tables, _| {
            let room = tables.rooms.get(&room);
            let message = room.and_then(|room| room.messages.get(&seq));
            let (Some(room), Some(message)) = (room, message) else {
                return no(ErrorCode::ReplyNotFound);
            };
            let author = &message.row.author;
            let all = room.assistants(&tables.users);
            let known = all.into_iter().find(|one| one.user.id == author.id);
            Ok(known.unwrap_or_else(|| RoomAssistant {
                user: author.clone(),
                settings: AssistantSettings {
                    enabled: false,
                    ..AssistantSettings::default()
                },
            }))
        })
    }
}

impl Tables {
    /// Makes the users of assistants that a batch is about to add, where nobody has their names: a room's work sees users as
    /// they are.
    pub(super) fn make_assistant(&mut self, room: RoomId, new: &NewAssistant, now: Moment) {
        let key = new.name.to_lowercase();
        let room = self.rooms.get(&room);
        let taken = self.users.values().any(|user| {
            let here = room.is_some_and(|room| room.members.contains_key(&user.row.id));
            (user.has_own_name || here) && user.row.name.to_lowercase() == key
        });
        let allowed = room.is_some_and(|room| {
            let role = room.members.get(&new.actor);
            role.is_some_and(|role| salon::permissions::allows(*role, Action::ManageAssistants))
                && room.assistants.len() + 1 < limits::ASSISTANTS_PER_ROOM
        });
        if !taken && allowed {
            let row = UserRow {
                id: new.id,
                name: new.name.clone(),
                kind: UserKind::Assistant,
            };
            self.users.insert(row.id, User::of(row, now));
        }
    }
}

impl Work<'_> {
    /// Adds an assistant, whose user is there.
    pub(super) fn add_assistant(&mut self, new: &NewAssistant) -> Judged<Version> {
        self.require(new.actor, Action::ManageAssistants)?;
        let present = self.room.assistants(self.users);
        let key = new.name.to_lowercase();
        let mut named = self.users.values().filter(|user| {
            let here = self.room.members.contains_key(&user.row.id);
            user.row.name.to_lowercase() == key && (user.has_own_name || here)
        });
        let user = named.find(|user| user.row.kind != UserKind::Assistant);
        if user.is_some() {
            return Err(ErrorCode::NameTaken.into());
        }
        if present
            .iter()
            .any(|one| one.user.name.to_lowercase() == key)
        {
            return Err(ErrorCode::NameTaken.into());
        }
        if present.len() >= limits::ASSISTANTS_PER_ROOM {
            return Err(ErrorCode::TooMany.into());
        }
        let mut users = self.users.values();
        let user = users.find(|user| user.has_own_name && user.row.name.to_lowercase() == key);
        self.room.assistants.push(RoomAssistant {
            user: user.map(|user| user.row.clone()).unwrap(),
            settings: new.settings.clone(),
        });
        Ok(self.tell_assistants())
    }

    /// Changes what the room says of one.
    pub(super) fn edit_assistant(
        &mut self,
        actor: UserId,
        assistant: UserId,
        edit: &AssistantEdit,
    ) -> Judged<Version> {
        self.require(actor, Action::ManageAssistants)?;
        let mut present = self.find_assistant(assistant)?;
        let after = present.settings.edited(edit);
        if after == present.settings {
            return Ok(self.room.head.version);
        }
        present.settings = after;
        let mut rows = self.room.assistants.iter_mut();
        match rows.find(|one| one.user.id == assistant) {
            Some(row) => *row = present,
            None => self.room.assistants.push(present),
        }
        Ok(self.tell_assistants())
    }

    /// Takes one away; the server's own becomes what it was at first.
    pub(super) fn remove_assistant(&mut self, actor: UserId, assistant: UserId) -> Judged<Version> {
        self.require(actor, Action::ManageAssistants)?;
        self.find_assistant(assistant)?;
        let before = self.room.assistants.len();
        self.room.assistants.retain(|one| one.user.id != assistant);
        if self.room.assistants.len() == before {
            return Ok(self.room.head.version);
        }
        Ok(self.tell_assistants())
    }

    fn find_assistant(&self, assistant: UserId) -> Judged<RoomAssistant> {
        let all = self.room.assistants(self.users);
        let found = all.into_iter().find(|one| one.user.id == assistant);
        found.ok_or_else(|| ErrorCode::AssistantNotFound.into())
    }

    fn tell_assistants(&mut self) -> Version {
        let data = told(&self.room.assistants(self.users));
        self.room.log(LogKind::Settings, None, None, data)
    }
}
