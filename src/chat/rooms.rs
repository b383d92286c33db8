//! Rooms and their members, as their HTTP routes need them. Changes leave through the writer, which proves rights
//! inside the transaction; what is checked here only finds the room.

use std::collections::HashSet;

use super::{Chat, room_ref};
use crate::db::StoreError;
use crate::db::changes::{Change, NewRoom, Outcome, RoomEdit};
use crate::db::rows::{
    Identity, Keep, ListPlace, ListedRoom, MemberRow, PublicRoom, RoomView, UserKind, UserRow,
    Visibility,
};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{RoomId, RoomRef, UserId, Version};
use crate::limits;
use crate::permissions::{Action, Role, allows};
use crate::protocol::user_news::News;

impl Chat {
    /// Makes a room owned by `who`. Name and slug were checked for form.
    ///
    /// # Errors
    /// `slug_taken`, `too_many`, `bad_request` for a direct room, which only the server makes.
    pub async fn create_room(
        &self,
        who: &Identity,
        slug: &str,
        name: &str,
        visibility: Visibility,
    ) -> Result<RoomView, Refusal> {
        if visibility == Visibility::Direct {
            return Err(Refusal::with_message(
                ErrorCode::BadRequest,
                "`visibility` is `public` or `private`.",
            ));
        }
        let room = NewRoom {
            id: RoomId::new(),
            slug: slug.to_owned(),
            name: name.to_owned(),
            visibility,
        };
        let made = self.store.create_room(room, who.user.id).await;
        let view = made.map_err(StoreError::into_refusal)?;
        let slug = slug.to_owned();
        self.reading.tell_room(who.user.id, News::Gained { slug });
        Ok(view)
    }

    /// The direct room of `who` and the assistant, made when there is none.
    ///
    /// # Errors
    /// That it cannot be done now.
    pub async fn direct_room(&self, who: &Identity) -> Result<RoomView, Refusal> {
        let assistant = self.assistant().await?;
        let id = RoomId::new();
        let slug = format!("direct-{}", id.0.simple());
        let fresh = NewRoom {
            id,
            slug,
            name: assistant.name.clone(),
            visibility: Visibility::Direct,
        };
        self.store
            .direct_room(who.user.id, assistant.id, fresh)
            .await
            .map_err(StoreError::into_refusal)
    }

    /// The direct room of `who` and those of these names and ids, made when there is none; with the assistant alone it is
    /// that one's. By id only who shares a room with `who` is found: to others an id tells nothing.
    ///
    /// # Errors
    /// `user_not_found`; `bad_request` for nobody else, for too many, and for the assistant among others.
    pub async fn direct_room_with(
        &self,
        who: &Identity,
        names: &[String],
        ids: &[UserId],
    ) -> Result<RoomView, Refusal> {
        let bad = |sentence| Err(Refusal::with_message(ErrorCode::BadRequest, sentence));
        if names.len().saturating_add(ids.len()) >= limits::DIRECT_PEOPLE {
            return bad("A direct room is of at most 10 people: name at most 9 others.");
        }
        let people = self.named(who, names, ids).await?;
        let is_assistant = |user: &UserRow| user.kind == UserKind::Assistant;
        match people.as_slice() {
            [_] => return bad("Name somebody else in `users` or `user_ids`."),
            [_, other] if is_assistant(other) => return self.direct_room(who).await,
            _ if people.iter().any(is_assistant) => {
                return bad("The assistant is called by its name, not added.");
            }
            _ => {}
        }
        let id = RoomId::new();
        let fresh = NewRoom {
            id,
            slug: format!("direct-{}", id.0.simple()),
            name: joined_names(&people),
            visibility: Visibility::Direct,
        };
        let people: Vec<UserId> = people.iter().map(|user| user.id).collect();
        let found = self.store.people_room(who.user.id, &people, fresh).await;
        let view = found.map_err(StoreError::into_refusal)?;
        // Until something is said in it, it may be new to any of them; who comes back is told in any case.
        let told = match view.head.version {
            0 => people,
            _ => vec![who.user.id],
        };
        for user in told {
            let slug = view.room.slug.clone();
            self.reading.tell_room(user, News::Gained { slug });
        }
        Ok(view)
    }

    /// `who` and those of these names and ids, each once.
    async fn named(
        &self,
        who: &Identity,
        names: &[String],
        ids: &[UserId],
    ) -> Result<Vec<UserRow>, Refusal> {
        let mut people = vec![who.user.clone()];
        let add = |people: &mut Vec<UserRow>, user: UserRow| {
            if people.iter().all(|known| known.id != user.id) {
                people.push(user);
            }
        };
        for name in names {
            let user = self.store.user_by_name(name).await;
            add(&mut people, user.map_err(StoreError::into_refusal)?);
        }
        if ids.is_empty() {
            return Ok(people);
        }
        let found = self.store.fellows(who.user.id, ids).await;
        let found = found.map_err(StoreError::into_refusal)?;
        let is_found = |id: &UserId| *id == who.user.id || found.iter().any(|user| user.id == *id);
        if !ids.iter().all(is_found) {
            return Err(ErrorCode::UserNotFound.into());
        }
        for user in found {
            add(&mut people, user);
        }
        Ok(people)
    }

    /// Public rooms after the slug `after`, those only that hold `text`.
    ///
    /// # Errors
    /// That it cannot be read now.
    pub async fn public_rooms(
        &self,
        who: &Identity,
        text: &str,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<PublicRoom>, Refusal> {
        self.store
            .public_rooms(who.user.id, text, after, limit)
            .await
            .map_err(StoreError::into_refusal)
    }

    /// Whether `who` wants to be left alone by a room.
    ///
    /// # Errors
    /// As finding the room.
    pub async fn set_muted(&self, who: &Identity, slug: &str, muted: bool) -> Result<(), Refusal> {
        self.store
            .set_muted(who.user.id, slug, muted)
            .await
            .map_err(StoreError::into_refusal)?;
        let slug = slug.to_owned();
        self.reading
            .tell_room(who.user.id, News::Muted { slug, muted });
        Ok(())
    }

    /// The rooms `who` is in, then public ones it is not, and whether there are more: at most `limit`, from behind
    /// `after`.
    ///
    /// # Errors
    /// That it cannot be read now.
    pub async fn rooms(
        &self,
        who: &Identity,
        after: Option<ListPlace>,
        limit: i64,
    ) -> Result<(Vec<ListedRoom>, bool), Refusal> {
        let asked = limit.saturating_add(1);
        let found = self.store.rooms(who.user.id, after, asked).await;
        let mut rooms = found.map_err(StoreError::into_refusal)?;
        let limit = usize::try_from(limit).unwrap_or(0);
        let more = rooms.len() > limit;
        rooms.truncate(limit);
        Ok((rooms, more))
    }

    /// One room as `who` sees it.
    ///
    /// # Errors
    /// `room_not_found`.
    pub async fn room(&self, who: &Identity, slug: &str) -> Result<RoomView, Refusal> {
        self.store
            .room(who.user.id, slug)
            .await
            .map_err(StoreError::into_refusal)
    }

    /// Becomes a member of a public room.
    ///
    /// # Errors
    /// `room_not_found`.
    pub async fn join(&self, who: &Identity, slug: &str) -> Result<RoomView, Refusal> {
        self.enter(who.user.id, slug).await.map(|proof| proof.view)
    }

    /// Changes a room's settings.
    ///
    /// # Errors
    /// `forbidden`, `bad_request`, as finding the room.
    pub async fn edit_room(
        &self,
        who: &Identity,
        slug: &str,
        edit: RoomEdit,
    ) -> Result<RoomView, Refusal> {
        if edit.visibility == Some(Visibility::Direct) {
            return Err(Refusal::with_message(
                ErrorCode::BadRequest,
                "`visibility` is `public` or `private`.",
            ));
        }
        let room = self.find(who, slug).await?;
        self.change(
            room,
            Change::EditRoom {
                actor: who.user.id,
                edit,
            },
        )
        .await?;
        self.room(who, slug).await
    }

    /// What of its messages a room keeps.
    ///
    /// # Errors
    /// As finding the room.
    pub async fn retention(&self, who: &Identity, slug: &str) -> Result<Keep, Refusal> {
        self.store
            .retention(who.user.id, slug)
            .await
            .map_err(StoreError::into_refusal)
    }

    /// Sets it; `messages` left out: that remains as it is.
    ///
    /// # Errors
    /// `forbidden`, as finding the room.
    pub async fn set_retention(
        &self,
        who: &Identity,
        slug: &str,
        days: Option<i32>,
        messages: Option<Option<i64>>,
    ) -> Result<Version, Refusal> {
        let room = self.find(who, slug).await?;
        let change = Change::SetRetention {
            actor: who.user.id,
            days,
            messages,
        };
        let version = self.change(room.clone(), change).await?;
        // It stands; a job has the rest removed, and all of it where this could not be.
        if self.retain_a_part(room).await != Some(false) {
            self.retention_set.notify_one();
        }
        Ok(version)
    }

    /// Removes what a room no longer keeps, as much as one change may; whether there may be more, where that is known.
    async fn retain_a_part(&self, room: RoomRef) -> Option<bool> {
        let first = async || {
            let heads = self.store.heads(&[room.id]).await.ok()?;
            heads.first().map(|head| head.first_seq)
        };
        let limit = limits::RETENTION_MESSAGES;
        let before = first().await?;
        let change = Change::Retain { limit };
        self.writer.write(room.clone(), change).await.ok()?;
        Some(first().await? - before >= limit)
    }

    /// Deletes a room.
    ///
    /// # Errors
    /// `forbidden`, as finding the room.
    pub async fn delete_room(&self, who: &Identity, slug: &str) -> Result<Version, Refusal> {
        let room = self.find(who, slug).await?;
        self.change(room, Change::DeleteRoom { actor: who.user.id })
            .await
    }

    /// Makes somebody a member, or changes its role.
    ///
    /// # Errors
    /// `user_not_found`, `forbidden`, `last_owner`, as finding the room.
    pub async fn set_member(
        &self,
        who: &Identity,
        slug: &str,
        user_name: &str,
        role: Role,
    ) -> Result<Version, Refusal> {
        // Who may not see the room learns nothing of names.
        self.find(who, slug).await?;
        let found = self.store.user_by_name(user_name).await;
        let user = found.map_err(StoreError::into_refusal)?;
        self.set_role(who, slug, user.id, role).await
    }

    /// The same for a user by its id, as guests have no name of their own.
    ///
    /// # Errors
    /// As [`Chat::set_member`].
    pub async fn set_role(
        &self,
        who: &Identity,
        slug: &str,
        user: UserId,
        role: Role,
    ) -> Result<Version, Refusal> {
        let room = self.find(who, slug).await?;
        let actor = who.user.id;
        let change = Change::SetMember { actor, user, role };
        let version = self.change(room, change).await?;
        let slug = slug.to_owned();
        self.reading.tell_room(user, News::Gained { slug });
        Ok(version)
    }

    /// Ends somebody's membership; anyone may end one's own.
    ///
    /// # Errors
    /// `user_not_found`, `forbidden`, `last_owner`, as finding the room.
    pub async fn remove_member(
        &self,
        who: &Identity,
        slug: &str,
        user: UserId,
    ) -> Result<Version, Refusal> {
        let room = self.find(who, slug).await?;
        let change = Change::RemoveMember {
            actor: who.user.id,
            user,
        };
        let version = self.change(room, change).await?;
        let slug = slug.to_owned();
        self.reading.tell_room(user, News::Lost { slug });
        Ok(version)
    }

    /// Ends the memberships of a bot that was removed, as far as that goes: a room keeps its last owner, and one that cannot be
    /// written now keeps its member, who can do nothing any more.
    pub async fn leave_everywhere(&self, bot: UserId) {
        let mut after = None;
        loop {
            let rooms = match self.store.rooms(bot, after, limits::ROOMS_LISTED).await {
                Ok(rooms) => rooms,
                Err(error) => {
                    tracing::warn!(%bot, %error, "the rooms of a bot that was removed could not be read");
                    return;
                }
            };
            for listed in rooms.iter().filter(|listed| listed.view.role.is_some()) {
                self.leave_for(bot, &listed.view).await;
            }
            // Public rooms it is not in come last.
            match rooms.last() {
                Some(last) if last.view.role.is_some() => after = Some(last.place()),
                _ => return,
            }
        }
    }

    async fn leave_for(&self, bot: UserId, view: &RoomView) {
        let room = RoomRef {
            id: view.room.id,
            slug: view.room.slug.as_str().into(),
        };
        let change = Change::RemoveMember {
            actor: bot,
            user: bot,
        };
        if let Err(refusal) = self.change(room, change).await {
            tracing::info!(%bot, code = refusal.code.as_str(), "a bot that was removed stays a member");
        }
    }

    /// A page of a room's members.
    ///
    /// # Errors
    /// As finding the room.
    pub async fn members(
        &self,
        who: &Identity,
        slug: &str,
        after: Option<UserId>,
    ) -> Result<Vec<MemberRow>, Refusal> {
        self.store
            .members(who.user.id, slug, after, limits::MEMBERS_LISTED)
            .await
            .map_err(StoreError::into_refusal)
    }

    /// Lets the room see that `who` writes. Nothing is stored.
    ///
    /// # Errors
    /// `forbidden` for a reader, as finding the room.
    pub async fn typing(&self, who: &Identity, slug: &str) -> Result<(), Refusal> {
        let proof = self.prove(who.user.id, slug).await?;
        if !(proof.view.role).is_some_and(|role| allows(role, Action::Type)) {
            return Err(ErrorCode::Forbidden.into());
        }
        let presence = self.feeds.presence();
        presence.typing(proof.view.room.id, &who.user);
        Ok(())
    }

    /// Which of these members of a room are there, as far as is known.
    ///
    /// # Errors
    /// As finding the room.
    pub async fn online(
        &self,
        who: &Identity,
        slug: &str,
        members: &[MemberRow],
    ) -> Result<HashSet<UserId>, Refusal> {
        let room = self.find(who, slug).await?;
        let members: Vec<UserId> = members.iter().map(|member| member.user.id).collect();
        Ok(self.feeds.presence().present(room.id, &members))
    }

    /// The room of a slug, for a member of it.
    pub(crate) async fn find(&self, who: &Identity, slug: &str) -> Result<RoomRef, Refusal> {
        self.prove(who.user.id, slug)
            .await
            .map(|proof| room_ref(&proof))
    }

    /// Writes one change and tells the version it took.
    pub(crate) async fn change(&self, room: RoomRef, change: Change) -> Result<Version, Refusal> {
        match self.writer.write(room, change).await? {
            Outcome::Changed { version } => Ok(version),
            Outcome::Posted(posted) => Ok(posted.version),
        }
    }
}

/// The name of a direct room of people: theirs, cut to what a name may be.
fn joined_names(people: &[UserRow]) -> String {
    let mut names: Vec<&str> = people.iter().map(|user| user.name.as_str()).collect();
    names.sort_by_key(|name| name.to_lowercase());
    let all = names.join(", ");
    if all.chars().count() <= limits::NAME_CHARS {
        return all;
    }
    let mut cut: String = all.chars().take(limits::NAME_CHARS - 1).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direct_room_is_named_after_those_in_it() {
        let user = |name: &str| UserRow {
            id: UserId::new(),
            name: name.into(),
            kind: UserKind::User,
        };
        assert_eq!(joined_names(&[user("bob"), user("Ada")]), "Ada, bob");
        let long = joined_names(&[user(&"x".repeat(64)), user("bob")]);
        assert_eq!(long.chars().count(), limits::NAME_CHARS);
        assert!(long.starts_with("bob, xxx") && long.ends_with('…'));
    }
}
