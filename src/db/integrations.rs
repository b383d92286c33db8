//! What programs use, as the stores keep it: tokens, bots and incoming webhooks. A part of the [`Store`](super::Store)
//! contract in a trait of its own, with its rows. Only SHA-256s of secrets come here. Called by `auth` and `chat`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::StoreResult;
use super::rows::{Identity, UserRow};
use crate::ids::{HookId, SessionId, UserId};
use crate::permissions::Scope;

/// A token as its owner may see it; never its secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenRow {
    /// Its id.
    pub id: SessionId,
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for.
    pub scope: Scope,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends, if ever.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, up to [`crate::limits::LAST_USED_S`] earlier than the truth.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its id.
    pub id: SessionId,
    /// Whom it stands for: whoever makes it, or a bot of that one's.
    pub user: UserId,
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for.
    pub scope: Scope,
    /// The SHA-256 of its secret.
    pub token_hash: [u8; 32],
    /// It lives so long from now on; none: until it is revoked.
    pub lifetime_s: Option<i64>,
}

/// Whom a token stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenUse {
    /// Who, with the token's id and scope.
    pub identity: Identity,
    /// Its last use is to be noted: it was noted more than [`crate::limits::LAST_USED_S`] ago.
    pub note_due: bool,
}

/// A bot as its owner may see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BotRow {
    /// The bot.
    pub user: UserRow,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// An incoming webhook to be made.
#[derive(Clone, Debug)]
pub struct NewHook {
    /// Its id.
    pub id: HookId,
    /// Its user, the author of its messages: a bot that has the webhook's name, which others may have too.
    pub user: UserRow,
    /// The SHA-256 of its secret.
    pub secret_hash: [u8; 32],
}

/// An incoming webhook as those who manage it may see it; never its secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HookRow {
    /// Its id.
    pub id: HookId,
    /// The author of its messages, with its name.
    pub user: UserRow,
    /// Who made it.
    pub created_by: UserRow,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When it was last used, up to [`crate::limits::LAST_USED_S`] earlier than the truth.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// What a webhook's secret stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HookUse {
    /// Which webhook.
    pub hook: HookId,
    /// The author of its messages.
    pub user: UserRow,
    /// Where it posts.
    pub slug: String,
    /// As [`TokenUse::note_due`].
    pub note_due: bool,
}

/// Tokens, bots and webhooks. The rules of [`Store`](super::Store) hold.
#[async_trait]
pub trait Integrations: Send + Sync + 'static {
    /// A token of `actor`, or of a bot that `actor` owns.
    ///
    /// # Errors
    /// `user_not_found` for anybody else, and for a bot that was removed; `too_many` above
    /// [`crate::limits::TOKENS_PER_USER`], ended ones not counted.
    async fn create_token(&self, actor: UserId, token: NewToken) -> StoreResult<TokenRow>;

    /// The tokens of `holder` that have not run out, by id.
    ///
    /// # Errors
    /// `user_not_found` unless `holder` is `actor` or a bot that `actor` owns and has not removed.
    async fn tokens(&self, actor: UserId, holder: UserId) -> StoreResult<Vec<TokenRow>>;

    /// Ends a token of `actor`, or of a bot that `actor` owns; false when it had ended before, or is another's.
    async fn delete_token(&self, actor: UserId, token: SessionId) -> StoreResult<bool>;

    /// Who holds the token of this SHA-256; `None` when it has ended. [`super::accounts::Accounts::live_sessions`] tells of tokens too.
    async fn token_identity(&self, token_hash: &[u8; 32]) -> StoreResult<Option<TokenUse>>;

    /// Notes that a token is used now.
    async fn note_token_used(&self, token: SessionId) -> StoreResult<()>;

    /// A bot of `owner`, without a password; in no room.
    ///
    /// # Errors
    /// `name_taken`; `too_many` above [`crate::limits::BOTS_PER_USER`]; `user_not_found` for an owner that is not.
    async fn create_bot(&self, owner: UserId, bot: UserRow) -> StoreResult<BotRow>;

    /// The bots of `owner` that were not removed, by id.
    async fn bots(&self, owner: UserId) -> StoreResult<Vec<BotRow>>;

    /// Removes a bot of `owner`: its tokens end, nobody finds it by name, its name stays taken. False when there is none.
    async fn remove_bot(&self, owner: UserId, bot: UserId) -> StoreResult<bool>;

    /// A webhook of a room, with its user, who becomes a member (under the head lock, without a version).
    ///
    /// # Errors
    /// `room_not_found`, `not_a_member`; `forbidden` without the right to
    /// [manage integrations](crate::permissions::Action::ManageIntegrations); `too_many` above
    /// [`crate::limits::HOOKS_PER_ROOM`].
    async fn create_hook(&self, actor: UserId, slug: &str, hook: NewHook) -> StoreResult<HookRow>;

    /// The webhooks of a room, by id.
    ///
    /// # Errors
    /// As [`Integrations::create_hook`].
    async fn hooks(&self, actor: UserId, slug: &str) -> StoreResult<Vec<HookRow>>;

    /// Gives a webhook another secret; the one before is unknown from then on.
    ///
    /// # Errors
    /// As [`Integrations::create_hook`]; `not_found`.
    async fn rotate_hook(
        &self,
        actor: UserId,
        slug: &str,
        hook: HookId,
        secret_hash: &[u8; 32],
    ) -> StoreResult<HookRow>;

    /// Ends a webhook. Its user stays a member until it is removed as one; it is returned.
    ///
    /// # Errors
    /// As [`Integrations::create_hook`]; `not_found`.
    async fn delete_hook(&self, actor: UserId, slug: &str, hook: HookId) -> StoreResult<UserRow>;

    /// The webhook whose secret has this SHA-256; `None` also when its room is deleted.
    async fn hook_by_secret(&self, secret_hash: &[u8; 32]) -> StoreResult<Option<HookUse>>;

    /// Notes that a webhook is used now.
    async fn note_hook_used(&self, hook: HookId) -> StoreResult<()>;
}
