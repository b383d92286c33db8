//! What an administrator does to rooms that need not be its own. Called by `http/admin.rs`. Rights are judged by the store, in the
//! change's transaction; nothing here, and nothing it leads to, reads a message.

use super::Chat;
use crate::db::StoreError;
use crate::db::changes::{Administered, Change};
use crate::db::rows::Identity;
use crate::error::Refusal;
use crate::ids::{UserId, Version};
use crate::protocol::user_news::News;

impl Chat {
    /// Does it to any room.
    ///
    /// # Errors
    /// `forbidden` for whoever is no administrator and for a direct room, `room_not_found`, `room_has_owner`, `user_not_found`.
    pub async fn administer(
        &self,
        who: &Identity,
        slug: &str,
        act: Administered,
    ) -> Result<Version, Refusal> {
        let found = self.store.any_room(slug).await;
        let room = found.map_err(StoreError::into_refusal)?.room;
        let gains: Option<UserId> = act.user();
        let actor = Some(who.user.id);
        let version = self.change(room, Change::Administer { actor, act }).await?;
        if let Some(user) = gains {
            let slug = slug.to_owned();
            self.reading.tell_room(user, News::Gained { slug });
        }
        Ok(version)
    }
}
