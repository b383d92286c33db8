//! The parts of the contract on a [`FaultyStore`] that programs and organisations use: it passes everything on.

use async_trait::async_trait;
use salon::db::StoreResult;
use salon::db::identities::{Identities, IdentityUser, NewClaim, NewIdentity};
use salon::db::integrations::{
    BotRow, HookRow, HookUse, Integrations, NewHook, NewToken, TokenRow, TokenUse,
};
use salon::db::rows::{Identity, UserRow};
use salon::ids::{HookId, SessionId, UserId};

use super::faulty_store::FaultyStore;

#[async_trait]
impl Integrations for FaultyStore {
    async fn create_token(&self, actor: UserId, token: NewToken) -> StoreResult<TokenRow> {
        self.inner.create_token(actor, token).await
    }
    async fn tokens(&self, actor: UserId, holder: UserId) -> StoreResult<Vec<TokenRow>> {
        self.inner.tokens(actor, holder).await
    }
    async fn delete_token(&self, actor: UserId, token: SessionId) -> StoreResult<bool> {
        self.inner.delete_token(actor, token).await
    }
    async fn token_identity(&self, token_hash: &[u8; 32]) -> StoreResult<Option<TokenUse>> {
        self.inner.token_identity(token_hash).await
    }
    async fn note_token_used(&self, token: SessionId) -> StoreResult<()> {
        self.inner.note_token_used(token).await
    }
    async fn create_bot(&self, owner: UserId, bot: UserRow) -> StoreResult<BotRow> {
        self.inner.create_bot(owner, bot).await
    }
    async fn bots(&self, owner: UserId) -> StoreResult<Vec<BotRow>> {
        self.inner.bots(owner).await
    }
    async fn remove_bot(&self, owner: UserId, bot: UserId) -> StoreResult<bool> {
        self.inner.remove_bot(owner, bot).await
    }
    async fn create_hook(&self, actor: UserId, slug: &str, hook: NewHook) -> StoreResult<HookRow> {
        self.inner.create_hook(actor, slug, hook).await
    }
    async fn hooks(&self, actor: UserId, slug: &str) -> StoreResult<Vec<HookRow>> {
        self.inner.hooks(actor, slug).await
    }
    async fn rotate_hook(
        &self,
        actor: UserId,
        slug: &str,
        hook: HookId,
        secret_hash: &[u8; 32],
    ) -> StoreResult<HookRow> {
        self.inner.rotate_hook(actor, slug, hook, secret_hash).await
    }
    async fn delete_hook(&self, actor: UserId, slug: &str, hook: HookId) -> StoreResult<UserRow> {
        self.inner.delete_hook(actor, slug, hook).await
    }
    async fn hook_by_secret(&self, secret_hash: &[u8; 32]) -> StoreResult<Option<HookUse>> {
        self.inner.hook_by_secret(secret_hash).await
    }
    async fn note_hook_used(&self, hook: HookId) -> StoreResult<()> {
        self.inner.note_hook_used(hook).await
    }
}

#[async_trait]
impl Identities for FaultyStore {
    async fn identity_user(
        &self,
        issuer: &str,
        subject: &str,
    ) -> StoreResult<Option<IdentityUser>> {
        self.inner.identity_user(issuer, subject).await
    }
    async fn create_identity(&self, identity: NewIdentity) -> StoreResult<IdentityUser> {
        self.inner.create_identity(identity).await
    }
    async fn claim_identity(&self, claim_hash: &[u8; 32]) -> StoreResult<Option<Identity>> {
        self.inner.claim_identity(claim_hash).await
    }
    async fn create_claim(&self, claim: NewClaim) -> StoreResult<Identity> {
        self.inner.create_claim(claim).await
    }
}
