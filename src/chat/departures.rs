//! What somebody who deleted the account is still a member of: left room by room, each at a version of its room, through the
//! writer as every removal. Called by `http/` right after the deletion and by a job for what that left over.

use super::Chat;
use crate::db::changes::Change;
use crate::db::{StoreError, StoreResult};
use crate::ids::{RoomId, RoomRef, UserId};
use crate::limits;
use crate::protocol::user_news::News;

impl Chat {
    /// Ends memberships of those who are deleted, of `user` or of anybody; whether none is left. A room that cannot be
    /// written now is left for the next time.
    pub async fn end_departures(&self, user: Option<UserId>) -> bool {
        loop {
            match self.end_some(user).await {
                Ok((0, _)) => return true,
                Ok((found, ended)) if ended == found => {}
                Ok(_) => return false,
                Err(error) => {
                    tracing::warn!(%error, "the rooms of deleted accounts could not be read");
                    return false;
                }
            }
        }
    }

    /// How many were found, and how many of them ended.
    async fn end_some(&self, user: Option<UserId>) -> StoreResult<(usize, usize)> {
        let found = self
            .store
            .departures(user, limits::DEPARTURES_PER_SWEEP)
            .await?;
        let mut ended = 0;
        for (room, user) in &found {
            match self.depart(*room, *user).await {
                Ok(()) => ended += 1,
                Err(error) => {
                    tracing::warn!(%room, %user, %error, "a deleted account stays a member for now");
                }
            }
        }
        Ok((found.len(), ended))
    }

    async fn depart(&self, id: RoomId, user: UserId) -> StoreResult<()> {
        let slug = self.store.room_slug(id).await?;
        let room = RoomRef {
            id,
            slug: slug.as_str().into(),
        };
        let change = Change::Depart { user };
        self.change(room, change)
            .await
            .map_err(StoreError::Refused)?;
        self.reading.tell_room(user, News::Lost { slug });
        Ok(())
    }
}
