//! Reading the variants of a reply in the model.

use async_trait::async_trait;
use salon::db::StoreResult;
use salon::db::rows::MessageState;
use salon::db::variants::{VariantPage, VariantRow, VariantStore};
use salon::error::ErrorCode;
use salon::ids::{Seq, UserId};

use super::tables::Tables;
use super::{ModelStore, no};

#[async_trait]
impl VariantStore for ModelStore {
    async fn variants(
        &self,
        user: UserId,
        slug: &str,
        seq: Seq,
        after: i32,
    ) -> StoreResult<VariantPage> {
        self.unit(|tables, _| {
            let (room, _) = tables.of_member(user, slug)?;
            let message = room.messages.get(&seq).map(|message| &message.row);
            let living = message.filter(|row| row.deleted_at.is_none());
            let (Some(row), Some(reply)) = (living, room.replies.get(&seq)) else {
                return no(ErrorCode::ReplyNotFound);
            };
            let mut rows: Vec<VariantRow> = reply.others.values().cloned().collect();
            if row.state != MessageState::Queued {
                rows.push(VariantRow::of(row, reply.variants.selected));
            }
            rows.retain(|row| row.variant > after);
            rows.sort_unstable_by_key(|row| row.variant);
            Ok(VariantPage::cut(reply.variants, rows))
        })
    }
}

impl Tables {
    /// Removes what is left of replies that are gone.
    pub(super) fn sweep_variants(&mut self) -> u64 {
        let mut swept = 0;
        for room in self.rooms.values_mut() {
            let messages = &room.messages;
            for (seq, reply) in &mut room.replies {
                let lives = messages
                    .get(seq)
                    .is_some_and(|message| message.row.deleted_at.is_none());
                if !lives {
                    swept += std::mem::take(&mut reply.others).len() as u64;
                }
            }
        }
        swept
    }
}
