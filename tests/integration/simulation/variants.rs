//! The part of the contract on a simulated connection that reads variants.

use async_trait::async_trait;
use salon::db::StoreResult;
use salon::db::variants::{VariantPage, VariantStore};
use salon::ids::{Seq, UserId};

use super::contract::read;
use super::database::SimStore;

#[async_trait]
impl VariantStore for SimStore {
    async fn variants(
        &self,
        user: UserId,
        slug: &str,
        seq: Seq,
        after: i32,
    ) -> StoreResult<VariantPage> {
        read!(self.variants(user, slug, seq, after))
    }
}
