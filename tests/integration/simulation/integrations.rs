//! The parts of the contract on a simulated connection that programs and organisations use.

use async_trait::async_trait;
use salon::db::StoreResult;
use salon::db::identities::{Identities, IdentityUser, NewClaim, NewIdentity};
use salon::db::integrations::{
    BotRow, HookRow, HookUse, Integrations, NewHook, NewToken, TokenRow, TokenUse,
};
use salon::db::rows::{Identity, UserRow};
use salon::ids::{HookId, SessionId, UserId};

use super::contract::{commit, read};
use super::database::{Fate, SimStore};

#[async_trait]
impl Integrations for SimStore {
    async fn create_token(&self, actor: UserId, token: NewToken) -> StoreResult<TokenRow> {
        commit!(self.create_token(actor, token))
    }
    async fn tokens(&self, actor: UserId, holder: UserId) -> StoreResult<Vec<TokenRow>> {
        read!(self.tokens(actor, holder))
    }
    async fn delete_token(&self, actor: UserId, token: SessionId) -> StoreResult<bool> {
        commit!(self.delete_token(actor, token))
    }
    async fn token_identity(&self, token_hash: &[u8; 32]) -> StoreResult<Option<TokenUse>> {
        read!(self.token_identity(token_hash))
    }
    async fn note_token_used(&self, token: SessionId) -> StoreResult<()> {
        commit!(self.note_token_used(token))
    }
    async fn create_bot(&self, owner: UserId, bot: UserRow) -> StoreResult<BotRow> {
        commit!(self.create_bot(owner, bot))
    }
    async fn bots(&self, owner: UserId) -> StoreResult<Vec<BotRow>> {
        read!(self.bots(owner))
    }
    async fn remove_bot(&self, owner: UserId, bot: UserId) -> StoreResult<bool> {
        commit!(self.remove_bot(owner, bot))
    }
    async fn create_hook(&self, actor: UserId, slug: &str, hook: NewHook) -> StoreResult<HookRow> {
        commit!(self.create_hook(actor, slug, hook))
    }
    async fn hooks(&self, actor: UserId, slug: &str) -> StoreResult<Vec<HookRow>> {
        read!(self.hooks(actor, slug))
    }
    async fn rotate_hook(
        &self,
        actor: UserId,
        slug: &str,
        hook: HookId,
        secret_hash: &[u8; 32],
    ) -> StoreResult<HookRow> {
        commit!(self.rotate_hook(actor, slug, hook, secret_hash))
    }
    async fn delete_hook(&self, actor: UserId, slug: &str, hook: HookId) -> StoreResult<UserRow> {
        commit!(self.delete_hook(actor, slug, hook))
    }
    async fn hook_by_secret(&self, secret_hash: &[u8; 32]) -> StoreResult<Option<HookUse>> {
        read!(self.hook_by_secret(secret_hash))
    }
    async fn note_hook_used(&self, hook: HookId) -> StoreResult<()> {
        commit!(self.note_hook_used(hook))
    }
}

#[async_trait]
impl Identities for SimStore {
    async fn identity_user(
        &self,
        issuer: &str,
        subject: &str,
    ) -> StoreResult<Option<IdentityUser>> {
        read!(self.identity_user(issuer, subject))
    }
    async fn create_identity(&self, identity: NewIdentity) -> StoreResult<IdentityUser> {
        commit!(self.create_identity(identity))
    }
    async fn claim_identity(&self, claim_hash: &[u8; 32]) -> StoreResult<Option<Identity>> {
        read!(self.claim_identity(claim_hash))
    }
    async fn create_claim(&self, claim: NewClaim) -> StoreResult<Identity> {
        commit!(self.create_claim(claim))
    }
}
