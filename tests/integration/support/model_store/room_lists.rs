//! Lists of rooms of the model, which of them are muted, and the direct rooms of people.

use std::cmp::Reverse;

use salon::db::StoreResult;
use salon::db::changes::NewRoom;
use salon::db::rows::{
    LastMessage, ListPlace, ListedRoom, PublicRoom, RoomView, UserKind, UserRow, Visibility,
};
use salon::error::ErrorCode;
use salon::ids::UserId;
use salon::limits::PREVIEW_CHARS;
use salon::permissions::Role;

use super::tables::{Message, Room, Tables};
use super::{Moment, no};

impl Tables {
    /// The user's rooms, the latest message first, then the public ones it has not joined, by address; from behind a place.
    pub(super) fn list_rooms(
        &self,
        user: UserId,
        after: Option<&ListPlace>,
        limit: i64,
    ) -> Vec<ListedRoom> {
        let living = self.rooms.values().filter(|room| !room.deleted);
        let mut rooms: Vec<&Room> = living.collect();
        rooms.retain(|room| {
            let open = room.row.visibility == Visibility::Public && !room.bans.contains_key(&user);
            room.members.contains_key(&user) || open
        });
        let key = |room: &Room| {
            let active = room.members.contains_key(&user).then(|| {
                Reverse(
                    room.last()
                        .map_or(room.row.created_at, |last| last.created_at),
                )
            });
            (active.is_none(), active, room.row.slug.clone())
        };
        if let Some(after) = after {
            let place = match after {
                ListPlace::Own { at, slug } => (false, Some(Reverse(*at)), slug.clone()),
                ListPlace::Public { slug } => (true, None, slug.clone()),
            };
            rooms.retain(|room| key(room) > place);
        }
        rooms.sort_by_key(|room| key(room));
        rooms.truncate(usize::try_from(limit).unwrap_or(0));
        let listed = rooms.into_iter().map(|room| ListedRoom {
            view: room.view(user),
            last: room.last().filter(|_| room.members.contains_key(&user)),
            muted: room.muted.contains(&user),
        });
        listed.collect()
    }

    /// Public rooms by address, those only that hold the text.
    pub(super) fn public_rooms(
        &self,
        user: UserId,
        text: &str,
        after: Option<&str>,
        limit: i64,
    ) -> Vec<PublicRoom> {
        let text = text.to_ascii_lowercase();
        let mut rooms: Vec<&Room> = self.rooms.values().collect();
        rooms.retain(|room| {
            let row = &room.row;
            let holds = |part: &str| part.to_ascii_lowercase().contains(&text);
            !room.deleted
                && row.visibility == Visibility::Public
                && !room.bans.contains_key(&user)
                && row.slug.as_str() > after.unwrap_or_default()
                && (holds(&row.slug) || holds(&row.name) || holds(&row.topic))
        });
        rooms.sort_by_key(|room| room.row.slug.clone());
        rooms.truncate(usize::try_from(limit).unwrap_or(0));
        let found = rooms.into_iter().map(|room| PublicRoom {
            room: room.row.clone(),
            role: room.members.get(&user).copied(),
            members: room.members.len() as i64,
        });
        found.collect()
    }

    /// A member's wish to be left alone.
    pub(super) fn set_muted(&mut self, user: UserId, slug: &str, muted: bool) -> StoreResult<()> {
        let id = self.of_member(user, slug)?.0.row.id;
        if let Some(room) = self.rooms.get_mut(&id) {
            match muted {
                true => room.muted.insert(user),
                false => room.muted.remove(&user),
            };
        }
        Ok(())
    }

    /// Those of these users that are in a room with the user.
    pub(super) fn fellows(&self, user: UserId, wanted: &[UserId]) -> Vec<UserRow> {
        let shared = |one: &UserId| {
            let mut living = self.rooms.values().filter(|room| !room.deleted);
            living.any(|room| room.members.contains_key(&user) && room.members.contains_key(one))
        };
        let is_there = |one: &UserId| {
            let user = self.users.get(one);
            user.is_some_and(|user| user.disabled.is_none())
        };
        let found = wanted.iter().filter(|one| shared(one) && is_there(one));
        let rows = found.filter_map(|one| self.user(*one));
        rows.filter(|row| row.kind != UserKind::Deleted)
            .cloned()
            .collect()
    }

    /// The direct room of exactly these people, made when there is none.
    pub(super) fn people_room(
        &mut self,
        user: UserId,
        people: &[UserId],
        fresh: &NewRoom,
        now: Moment,
    ) -> StoreResult<RoomView> {
        let mut people = people.to_vec();
        people.sort_unstable();
        let set = Some(people.clone());
        let mut living = self.rooms.values_mut().filter(|room| !room.deleted);
        if let Some(known) = living.find(|room| room.direct == set) {
            if !known.members.contains_key(&user) {
                known.seat(user, Role::Member);
            }
            return Ok(known.view(user));
        }
        for one in &people {
            match self.user(*one).map(|row| row.kind) {
                None | Some(UserKind::Deleted) => return no(ErrorCode::UserNotFound),
                Some(UserKind::Assistant) => return no(ErrorCode::BadRequest),
                Some(UserKind::User | UserKind::Guest | UserKind::Bot) => {}
            }
        }
        if self.is_disabled(user) {
            return no(ErrorCode::UserNotFound);
        }
        let fresh = NewRoom {
            visibility: Visibility::Direct,
            ..fresh.clone()
        };
        self.insert_room(&fresh, set, people.len() as i32, now)?;
        let Some(made) = self.rooms.get_mut(&fresh.id) else {
            return no(ErrorCode::RoomNotFound);
        };
        for one in &people {
            made.seat(*one, Role::Member);
        }
        Ok(made.view(user))
    }
}

impl Room {
    /// The beginning of the last message.
    fn last(&self) -> Option<LastMessage> {
        let Message { row, .. } = self.messages.get(&self.head.last_seq)?;
        Some(LastMessage {
            seq: row.seq,
            author: row.author.name.clone(),
            author_id: row.author.id,
            text: row.body.chars().take(PREVIEW_CHARS as usize).collect(),
            created_at: row.created_at,
            deleted: row.deleted_at.is_some(),
        })
    }
}
