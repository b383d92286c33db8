//! Rooms of the model and who may see them: made, found, listed, joined. Versioned changes are in `apply`.

use std::collections::BTreeMap;

use salon::db::StoreResult;
use salon::db::audit::{Act, NewAudit};
use salon::db::changes::NewRoom;
use salon::db::rows::{
    MemberRow, Proof, ReadMark, ReadMoved, ReadState, RoomRow, RoomView, Unread, Visibility,
};
use salon::error::{ErrorCode, Refusal};
use salon::ids::{RoomId, UserId};
use salon::limits::{MENTIONS_COUNTED, RECEIPT_MEMBERS, ROOMS_PER_OWNER};
use salon::permissions::Role;

use super::tables::{Room, Tables};
use super::{Moment, no, storable};

impl Tables {
    /// A room with its owner.
    pub(super) fn create_room(
        &mut self,
        room: &NewRoom,
        owner: UserId,
        now: Moment,
    ) -> StoreResult<RoomView> {
        if self.user(owner).is_none() || self.is_disabled(owner) {
            return no(ErrorCode::UserNotFound);
        }
        let living = self.rooms.values().filter(|room| !room.deleted);
        let owned = living.filter(|room| room.members.get(&owner) == Some(&Role::Owner));
        if owned.count() as i64 >= ROOMS_PER_OWNER {
            return no(ErrorCode::TooMany);
        }
        self.insert_room(room, None, 0, now)?;
        let note = NewAudit::of(Act::RoomCreated).by(owner).in_room(room.id);
        self.note(note.saying(room.visibility.as_str()), now);
        self.own(room, owner)
    }

    /// The direct room of two, made when there is none.
    pub(super) fn direct_room(
        &mut self,
        user: UserId,
        assistant: UserId,
        fresh: &NewRoom,
        now: Moment,
    ) -> StoreResult<RoomView> {
        let pair = Some(vec![user.min(assistant), user.max(assistant)]);
        let mut living = self.rooms.values().filter(|room| !room.deleted);
        if let Some(known) = living.find(|room| room.direct == pair) {
            return Ok(known.view(user));
        }
        let gone = |one| self.user(one).is_none() || self.is_disabled(one);
        if gone(user) || gone(assistant) {
            return no(ErrorCode::UserNotFound);
        }
        let fresh = NewRoom {
            visibility: Visibility::Direct,
            ..fresh.clone()
        };
        self.insert_room(&fresh, pair, 0, now)?;
        self.own(&fresh, user)
    }

    /// A room without members.
    pub(super) fn insert_room(
        &mut self,
        room: &NewRoom,
        direct: Option<Vec<UserId>>,
        people: i32,
        now: Moment,
    ) -> StoreResult<()> {
        storable(&room.slug)?;
        storable(&room.name)?;
        if self.by_slug(&room.slug).is_some() {
            return no(ErrorCode::SlugTaken);
        }
        let row = RoomRow {
            id: room.id,
            slug: room.slug.clone(),
            name: room.name.clone(),
            visibility: room.visibility,
            created_at: now,
            topic: String::new(),
            archived: false,
            people,
        };
        self.rooms.insert(room.id, Room::new(row, direct));
        Ok(())
    }

    fn own(&mut self, room: &NewRoom, owner: UserId) -> StoreResult<RoomView> {
        let Some(made) = self.rooms.get_mut(&room.id) else {
            return no(ErrorCode::RoomNotFound);
        };
        made.seat(owner, Role::Owner);
        Ok(made.view(owner))
    }

    /// One room as the user sees it; a private one it is not in does not exist.
    pub(super) fn visible(&self, user: UserId, slug: &str) -> Result<&Room, Refusal> {
        let room = self.by_slug(slug).filter(|room| !room.deleted);
        let is_open = |room: &&Room| {
            room.members.contains_key(&user) || room.row.visibility == Visibility::Public
        };
        room.filter(is_open)
            .ok_or_else(|| ErrorCode::RoomNotFound.into())
    }

    /// One room as a member sees it.
    pub(super) fn of_member(&self, user: UserId, slug: &str) -> Result<(&Room, Role), Refusal> {
        let room = self.visible(user, slug)?;
        match room.members.get(&user) {
            Some(role) => Ok((room, *role)),
            None => Err(ErrorCode::NotAMember.into()),
        }
    }

    /// Proves one membership, or says why not.
    pub(super) fn prove(&self, user: UserId, slug: &str) -> Result<Proof, Refusal> {
        let (room, role) = self.of_member(user, slug)?;
        let view = room.view(user);
        Ok(Proof { user, role, view })
    }

    /// Makes the user a member of a public room, unless it is one, and proves it.
    pub(super) fn join(&mut self, user: UserId, slug: &str) -> StoreResult<Proof> {
        let id = self.visible(user, slug)?.row.id;
        if self.user(user).is_none() {
            return no(ErrorCode::UserNotFound);
        }
        let disabled = self.is_disabled(user);
        if let Some(room) = self.rooms.get_mut(&id) {
            let role = room.members.get(&user).copied();
            if role.is_none() && (disabled || room.bans.contains_key(&user)) {
                return no(ErrorCode::Banned);
            }
            room.seat(user, role.unwrap_or(Role::Member));
        }
        Ok(self.prove(user, slug)?)
    }

    /// The members by name.
    pub(super) fn list_members(
        &self,
        user: UserId,
        slug: &str,
        after: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<MemberRow>> {
        let (room, _) = self.of_member(user, slug)?;
        let place = |user: UserId| self.user(user).map(|row| (row.name.to_lowercase(), user));
        let after = match after {
            Some(after) => Some(place(after).ok_or(Refusal::from(ErrorCode::UserNotFound))?),
            None => None,
        };
        let mut members: Vec<_> = room
            .members
            .iter()
            .filter_map(|(user, role)| Some((place(*user)?, *role)))
            .filter(|(place, _)| after.as_ref().is_none_or(|after| place > after))
            .collect();
        members.sort_by(|one, other| one.0.cmp(&other.0));
        members.truncate(usize::try_from(limit).unwrap_or(0));
        let rows = members.into_iter().filter_map(|((_, user), role)| {
            let user = self.user(user)?.clone();
            Some(MemberRow { user, role })
        });
        Ok(rows.collect())
    }
}

impl Tables {
    /// Moves what users have read; answers for what moved.
    pub(super) fn mark_read(&mut self, marks: &[ReadMark]) -> Vec<ReadMoved> {
        let mut moved = BTreeMap::new();
        for mark in marks {
            let room = self.rooms.get_mut(&mark.room).filter(|room| !room.deleted);
            let Some(room) = room.filter(|room| room.members.contains_key(&mark.user)) else {
                continue;
            };
            let seq = mark.seq.min(room.head.last_seq);
            if room.read.get(&mark.user).copied().unwrap_or(0) >= seq {
                continue;
            }
            room.read.insert(mark.user, seq);
            let (view, read) = (room.view(mark.user), room.read_state(mark.user));
            let one = ReadMoved {
                user: mark.user,
                room: mark.room,
                slug: view.room.slug.clone(),
                read,
                unread: view.unread(),
                members: (room.members.len() as i64).min(RECEIPT_MEMBERS + 1),
            };
            moved.insert((mark.user, mark.room), one);
        }
        moved.into_values().collect()
    }

    /// What members have unread.
    pub(super) fn unread(&self, members: &[(UserId, RoomId)]) -> Vec<Unread> {
        let of = |(user, room): &(UserId, RoomId)| {
            let room = self.rooms.get(room).filter(|room| !room.deleted)?;
            room.members.get(user)?;
            Some(Unread {
                user: *user,
                slug: room.row.slug.clone(),
                last_seq: room.head.last_seq,
                unread: room.view(*user).unread(),
                mentions: room.read_state(*user).mentions,
            })
        };
        members.iter().filter_map(of).collect()
    }
}

impl Room {
    /// How far a member has read.
    fn read_state(&self, user: UserId) -> ReadState {
        let seq = self.read.get(&user).copied().unwrap_or(0);
        let above = self.messages.range(seq + 1..);
        let naming = above.filter(|(_, message)| message.row.meta.mentions.contains(&user));
        let mentions = (naming.count() as i64).min(MENTIONS_COUNTED);
        ReadState { seq, mentions }
    }

    /// The room as the user sees it.
    pub(super) fn view(&self, user: UserId) -> RoomView {
        RoomView {
            room: self.row.clone(),
            head: self.head,
            role: self.members.get(&user).copied(),
            read: self.members.get(&user).map(|_| self.read_state(user)),
        }
    }
}
