//! The part of the contract on a [`FaultyStore`] that reads assistants: it passes everything on.

use async_trait::async_trait;
use salon::db::StoreResult;
use salon::db::assistants::{AssistantStore, RoomAssistant};
use salon::ids::{RoomId, Seq, UserId};

use super::faulty_store::FaultyStore;

#[async_trait]
impl AssistantStore for FaultyStore {
    async fn room_assistants(&self, user: UserId, slug: &str) -> StoreResult<Vec<RoomAssistant>> {
        self.inner.room_assistants(user, slug).await
    }

    async fn replying_assistant(&self, room: RoomId, seq: Seq) -> StoreResult<RoomAssistant> {
        self.inner.replying_assistant(room, seq).await
    }
}
