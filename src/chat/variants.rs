//! The variants of a reply: read, made and selected. Called by HTTP handlers; a socket submits its changes itself. The rules are
//! the store's, judged inside the transaction.

use super::Chat;
use crate::db::StoreError;
use crate::db::changes::Change;
use crate::db::rows::Identity;
use crate::db::variants::VariantPage;
use crate::error::Refusal;
use crate::ids::{Seq, Version};

impl Chat {
    /// Does something to a reply and waits until it is committed.
    ///
    /// # Errors
    /// `reply_not_found`, `reply_running`, `variant_not_found`, `too_many`, `too_many_replies`, `forbidden`, as finding the room.
    pub async fn change_reply(
        &self,
        who: &Identity,
        slug: &str,
        change: Change,
    ) -> Result<Version, Refusal> {
        let room = self.find(who, slug).await?;
        self.change(room, change).await
    }

    /// The texts of a reply above a number.
    ///
    /// # Errors
    /// `reply_not_found`, as finding the room.
    pub async fn variants(
        &self,
        who: &Identity,
        slug: &str,
        seq: Seq,
        after: i32,
    ) -> Result<VariantPage, Refusal> {
        self.store
            .variants(who.user.id, slug, seq, after)
            .await
            .map_err(StoreError::into_refusal)
    }
}
