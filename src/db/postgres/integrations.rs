//! [`Integrations`] on Postgres: which function each unit of work is. The SQL is in [`super::tokens`] and [`super::hooks`].

use async_trait::async_trait;

use super::run::run;
use super::{PostgresStore, hooks, tokens};
use crate::db::StoreResult;
use crate::db::integrations::{
    BotRow, HookRow, HookUse, Integrations, NewHook, NewToken, TokenRow, TokenUse,
};
use crate::db::rows::UserRow;
use crate::ids::{HookId, SessionId, UserId};

#[async_trait]
impl Integrations for PostgresStore {
    async fn create_token(&self, actor: UserId, token: NewToken) -> StoreResult<TokenRow> {
        run!(self, |pools| tokens::create(pools, actor, token))
    }

    async fn tokens(&self, actor: UserId, holder: UserId) -> StoreResult<Vec<TokenRow>> {
        run!(self, |pools| tokens::list(pools, actor, holder))
    }

    async fn delete_token(&self, actor: UserId, token: SessionId) -> StoreResult<bool> {
        run!(self, |pools| tokens::delete(pools, actor, token))
    }

    async fn token_identity(&self, token_hash: &[u8; 32]) -> StoreResult<Option<TokenUse>> {
        let token_hash = *token_hash;
        run!(self, |pools| tokens::identity(pools, &token_hash))
    }

    async fn note_token_used(&self, token: SessionId) -> StoreResult<()> {
        run!(self, |pools| tokens::note_used(pools, token))
    }

    async fn create_bot(&self, owner: UserId, bot: UserRow) -> StoreResult<BotRow> {
        run!(self, |pools| tokens::create_bot(pools, owner, bot))
    }

    async fn bots(&self, owner: UserId) -> StoreResult<Vec<BotRow>> {
        run!(self, |pools| tokens::bots(pools, owner))
    }

    async fn remove_bot(&self, owner: UserId, bot: UserId) -> StoreResult<bool> {
        run!(self, |pools| tokens::remove_bot(pools, owner, bot))
    }

    async fn create_hook(&self, actor: UserId, slug: &str, hook: NewHook) -> StoreResult<HookRow> {
        let slug = slug.to_owned();
        run!(self, |pools| hooks::create(pools, actor, &slug, hook))
    }

    async fn hooks(&self, actor: UserId, slug: &str) -> StoreResult<Vec<HookRow>> {
        let slug = slug.to_owned();
        run!(self, |pools| hooks::list(pools, actor, &slug))
    }

    async fn rotate_hook(
        &self,
        actor: UserId,
        slug: &str,
        hook: HookId,
        secret_hash: &[u8; 32],
    ) -> StoreResult<HookRow> {
        let (slug, secret_hash) = (slug.to_owned(), *secret_hash);
        run!(self, |pools| hooks::rotate(
            pools,
            actor,
            &slug,
            hook,
            &secret_hash
        ))
    }

    async fn delete_hook(&self, actor: UserId, slug: &str, hook: HookId) -> StoreResult<UserRow> {
        let slug = slug.to_owned();
        run!(self, |pools| hooks::delete(pools, actor, &slug, hook))
    }

    async fn hook_by_secret(&self, secret_hash: &[u8; 32]) -> StoreResult<Option<HookUse>> {
        let secret_hash = *secret_hash;
        run!(self, |pools| hooks::by_secret(pools, &secret_hash))
    }

    async fn note_hook_used(&self, hook: HookId) -> StoreResult<()> {
        run!(self, |pools| hooks::note_used(pools, hook))
    }
}
