//! The part of the contract on a simulated connection that reads assistants.

use async_trait::async_trait;
use salon::db::StoreResult;
use salon::db::assistants::{AssistantStore, RoomAssistant};
use salon::ids::{RoomId, Seq, UserId};

use super::contract::read;
use super::database::SimStore;

#[async_trait]
impl AssistantStore for SimStore {
    async fn room_assistants(&self, user: UserId, slug: &str) -> StoreResult<Vec<RoomAssistant>> {
        read!(self.room_assistants(user, slug))
    }

    async fn replying_assistant(&self, room: RoomId, seq: Seq) -> StoreResult<RoomAssistant> {
        read!(self.replying_assistant(room, seq))
    }
}
