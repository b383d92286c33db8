//! Rooms and their members, as their HTTP routes need them. Changes leave through the writer, which proves rights
//! inside the transaction; what is checked here only finds the room.

use super::{Chat, room_ref};
use crate::db::StoreError;
use crate::db::changes::{Change, NewRoom, Outcome};
use crate::db::rows::{Identity, MemberRow, RoomView, Visibility};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{RoomId, RoomRef, UserId, Version};
use crate::limits;
use crate::permissions::Role;

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
        self.store
            .create_room(room, who.user.id)
            .await
            .map_err(StoreError::into_refusal)
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

    /// The rooms `who` is in, then public ones it is not.
    ///
    /// # Errors
    /// That it cannot be read now.
    pub async fn rooms(&self, who: &Identity) -> Result<Vec<RoomView>, Refusal> {
        self.store
            .rooms(who.user.id, limits::ROOMS_LISTED)
            .await
            .map_err(StoreError::into_refusal)
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

    /// Changes a room's name or visibility.
    ///
    /// # Errors
    /// `forbidden`, `bad_request`, as finding the room.
    pub async fn edit_room(
        &self,
        who: &Identity,
        slug: &str,
        name: Option<String>,
        visibility: Option<Visibility>,
    ) -> Result<RoomView, Refusal> {
        if visibility == Some(Visibility::Direct) {
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
                name,
                visibility,
            },
        )
        .await?;
        self.room(who, slug).await
    }

    /// How many days a room keeps its messages; none: for ever.
    ///
    /// # Errors
    /// As finding the room.
    pub async fn retention(&self, who: &Identity, slug: &str) -> Result<Option<i32>, Refusal> {
        self.store
            .retention(who.user.id, slug)
            .await
            .map_err(StoreError::into_refusal)
    }

    /// Sets it.
    ///
    /// # Errors
    /// `forbidden`, as finding the room.
    pub async fn set_retention(
        &self,
        who: &Identity,
        slug: &str,
        days: Option<i32>,
    ) -> Result<Version, Refusal> {
        let room = self.find(who, slug).await?;
        let actor = who.user.id;
        self.change(room, Change::SetRetention { actor, days })
            .await
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
        let room = self.find(who, slug).await?;
        let user = self
            .store
            .user_by_name(user_name)
            .await
            .map_err(StoreError::into_refusal)?;
        self.change(
            room,
            Change::SetMember {
                actor: who.user.id,
                user: user.id,
                role,
            },
        )
        .await
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
        self.change(
            room,
            Change::RemoveMember {
                actor: who.user.id,
                user,
            },
        )
        .await
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
