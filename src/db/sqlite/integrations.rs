//! [`Integrations`] on SQLite: which unit of work each method is, and which connection it runs on. The SQL is in
//! [`super::tokens`] and [`super::hooks`].

use async_trait::async_trait;

use super::{SqliteStore, hooks, tokens};
use crate::db::StoreResult;
use crate::db::integrations::{
    BotRow, HookRow, HookUse, Integrations, NewHook, NewToken, TokenRow, TokenUse,
};
use crate::db::rows::UserRow;
use crate::ids::{HookId, SessionId, UserId};

#[async_trait]
impl Integrations for SqliteStore {
    async fn create_token(&self, actor: UserId, token: NewToken) -> StoreResult<TokenRow> {
        self.write(move |conn| tokens::create(conn, actor, &token))
            .await
    }

    async fn tokens(&self, actor: UserId, holder: UserId) -> StoreResult<Vec<TokenRow>> {
        self.read(move |conn| tokens::list(conn, actor, holder))
            .await
    }

    async fn delete_token(&self, actor: UserId, token: SessionId) -> StoreResult<bool> {
        self.write(move |conn| tokens::delete(conn, actor, token))
            .await
    }

    async fn token_identity(&self, token_hash: &[u8; 32]) -> StoreResult<Option<TokenUse>> {
        let token_hash = *token_hash;
        self.read(move |conn| tokens::identity(conn, &token_hash))
            .await
    }

    async fn note_token_used(&self, token: SessionId) -> StoreResult<()> {
        self.write(move |conn| tokens::note_used(conn, token)).await
    }

    async fn create_bot(&self, owner: UserId, bot: UserRow) -> StoreResult<BotRow> {
        self.write(move |conn| tokens::create_bot(conn, owner, &bot))
            .await
    }

    async fn bots(&self, owner: UserId) -> StoreResult<Vec<BotRow>> {
        self.read(move |conn| tokens::bots(conn, owner)).await
    }

    async fn remove_bot(&self, owner: UserId, bot: UserId) -> StoreResult<bool> {
        self.write(move |conn| tokens::remove_bot(conn, owner, bot))
            .await
    }

    async fn create_hook(&self, actor: UserId, slug: &str, hook: NewHook) -> StoreResult<HookRow> {
        let slug = slug.to_owned();
        self.write(move |conn| hooks::create(conn, actor, &slug, &hook))
            .await
    }

    async fn hooks(&self, actor: UserId, slug: &str) -> StoreResult<Vec<HookRow>> {
        let slug = slug.to_owned();
        self.read(move |conn| hooks::list(conn, actor, &slug)).await
    }

    async fn rotate_hook(
        &self,
        actor: UserId,
        slug: &str,
        hook: HookId,
        secret_hash: &[u8; 32],
    ) -> StoreResult<HookRow> {
        let (slug, secret_hash) = (slug.to_owned(), *secret_hash);
        self.write(move |conn| hooks::rotate(conn, actor, &slug, hook, &secret_hash))
            .await
    }

    async fn delete_hook(&self, actor: UserId, slug: &str, hook: HookId) -> StoreResult<UserRow> {
        let slug = slug.to_owned();
        self.write(move |conn| hooks::delete(conn, actor, &slug, hook))
            .await
    }

    async fn hook_by_secret(&self, secret_hash: &[u8; 32]) -> StoreResult<Option<HookUse>> {
        let secret_hash = *secret_hash;
        self.read(move |conn| hooks::by_secret(conn, &secret_hash))
            .await
    }

    async fn note_hook_used(&self, hook: HookId) -> StoreResult<()> {
        self.write(move |conn| hooks::note_used(conn, hook)).await
    }
}
