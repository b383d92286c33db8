//! Invites, bans and giving a room away, as their HTTP routes need them. Changes leave through the writer, which proves
//! rights and counts uses inside the transaction; what is checked here only finds the room.

use std::sync::Arc;

use super::Chat;
use crate::db::StoreError;
use crate::db::changes::Change;
use crate::db::invites::{BanRow, InviteRow, InviteView, NewInvite};
use crate::db::rows::{Identity, RoomView};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{InviteId, RoomRef, UserId, Version};
use crate::protocol::user_news::News;

impl Chat {
    /// Makes an invite.
    ///
    /// # Errors
    /// `forbidden`, `too_many`, as finding the room.
    pub async fn make_invite(
        &self,
        who: &Identity,
        slug: &str,
        invite: NewInvite,
    ) -> Result<InviteView, Refusal> {
        let room = self.find(who, slug).await?;
        let token_hash = invite.token_hash;
        let actor = who.user.id;
        self.change(room, Change::MakeInvite { actor, invite })
            .await?;
        self.look_up_invite(&token_hash).await
    }

    /// A room's invites that have not ended.
    ///
    /// # Errors
    /// `forbidden`, as finding the room.
    pub async fn invites(&self, who: &Identity, slug: &str) -> Result<Vec<InviteRow>, Refusal> {
        let found = self.store.invites(who.user.id, slug).await;
        found.map_err(StoreError::into_refusal)
    }

    /// Withdraws an invite.
    ///
    /// # Errors
    /// `forbidden`, as finding the room.
    pub async fn revoke_invite(
        &self,
        who: &Identity,
        slug: &str,
        invite: InviteId,
    ) -> Result<Version, Refusal> {
        let room = self.find(who, slug).await?;
        let actor = who.user.id;
        self.change(room, Change::RevokeInvite { actor, invite })
            .await
    }

    /// What an invite leads to.
    ///
    /// # Errors
    /// `invite_invalid`.
    pub async fn look_up_invite(&self, token_hash: &[u8; 32]) -> Result<InviteView, Refusal> {
        let found = self.store.invite(token_hash).await;
        found.map_err(StoreError::into_refusal)
    }

    /// Follows an invite: `who` is a member of its room from now on.
    ///
    /// # Errors
    /// `invite_invalid`, whyever it does not work; `banned`.
    pub async fn accept_invite(
        &self,
        who: &Identity,
        token_hash: &[u8; 32],
    ) -> Result<RoomView, Refusal> {
        let invite = self.look_up_invite(token_hash).await?;
        let room = RoomRef {
            id: invite.room,
            slug: Arc::from(invite.slug.as_str()),
        };
        let change = Change::AcceptInvite {
            user: who.user.id,
            invite: invite.id,
        };
        self.change(room, change).await.map_err(as_invalid)?;
        let slug = invite.slug.clone();
        self.reading.tell_room(who.user.id, News::Gained { slug });
        self.room(who, &invite.slug).await.map_err(as_invalid)
    }

    /// Keeps somebody out of a room.
    ///
    /// # Errors
    /// `user_not_found`, `forbidden`, `too_many`, as finding the room.
    pub async fn ban(
        &self,
        who: &Identity,
        slug: &str,
        user: UserId,
        reason: String,
    ) -> Result<Version, Refusal> {
        let room = self.find(who, slug).await?;
        let actor = who.user.id;
        // Whoever is not in it is told nothing: not even that there is such a room.
        let was_in = self.prove(user, slug).await.is_ok();
        let change = Change::Ban {
            actor,
            user,
            reason,
        };
        let version = self.change(room, change).await?;
        if was_in {
            let slug = slug.to_owned();
            self.reading.tell_room(user, News::Lost { slug });
        }
        Ok(version)
    }

    /// The same for a user by its name.
    ///
    /// # Errors
    /// As [`Chat::ban`].
    pub async fn ban_by_name(
        &self,
        who: &Identity,
        slug: &str,
        user_name: &str,
        reason: String,
    ) -> Result<Version, Refusal> {
        // Who may not see the room learns nothing of names.
        self.find(who, slug).await?;
        let found = self.store.user_by_name(user_name).await;
        let user = found.map_err(StoreError::into_refusal)?;
        self.ban(who, slug, user.id, reason).await
    }

    /// Lets somebody come again.
    ///
    /// # Errors
    /// `forbidden`, as finding the room.
    pub async fn unban(
        &self,
        who: &Identity,
        slug: &str,
        user: UserId,
    ) -> Result<Version, Refusal> {
        let room = self.find(who, slug).await?;
        let actor = who.user.id;
        self.change(room, Change::Unban { actor, user }).await
    }

    /// Who is kept out of a room.
    ///
    /// # Errors
    /// `forbidden`, as finding the room.
    pub async fn bans(&self, who: &Identity, slug: &str) -> Result<Vec<BanRow>, Refusal> {
        let found = self.store.bans(who.user.id, slug).await;
        found.map_err(StoreError::into_refusal)
    }

    /// Gives the room to another member; `who` keeps order in it from now on.
    ///
    /// # Errors
    /// `user_not_found`, `forbidden`, as finding the room.
    pub async fn transfer_room(
        &self,
        who: &Identity,
        slug: &str,
        user: UserId,
    ) -> Result<Version, Refusal> {
        let room = self.find(who, slug).await?;
        let actor = who.user.id;
        self.change(room, Change::TransferRoom { actor, user })
            .await
    }
}

/// A room that went meanwhile makes its invites invalid, and says no more than that.
fn as_invalid(refusal: Refusal) -> Refusal {
    match refusal.code {
        ErrorCode::RoomNotFound | ErrorCode::NotAMember => ErrorCode::InviteInvalid.into(),
        _ => refusal,
    }
}
