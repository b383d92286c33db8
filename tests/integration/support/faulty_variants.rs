//! The part of the contract on a [`FaultyStore`] that reads variants: it passes everything on.

use async_trait::async_trait;
use salon::db::StoreResult;
use salon::db::variants::{VariantPage, VariantStore};
use salon::ids::{Seq, UserId};

use super::faulty_store::FaultyStore;

#[async_trait]
impl VariantStore for FaultyStore {
    async fn variants(
        &self,
        user: UserId,
        slug: &str,
        seq: Seq,
        after: i32,
    ) -> StoreResult<VariantPage> {
        self.inner.variants(user, slug, seq, after).await
    }
}
