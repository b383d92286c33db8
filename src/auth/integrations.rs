//! Tokens for programs, the bots they are mostly for, and the secrets of incoming webhooks. Called by `http/`. What a token
//! may be used for is judged where it is used; nothing here can be asked by one.

use sha2::{Digest, Sha256};

use super::token::{Purpose, Token};
use super::{Auth, names};
use crate::db::StoreError;
use crate::db::integrations::{BotRow, HookRow, NewHook, NewToken, TokenRow};
use crate::db::rows::{Identity, UserKind, UserRow};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{ClientId, HookId, SessionId, UserId};
use crate::limits;
use crate::permissions::Scope;

/// A token as whoever makes it wants it.
#[derive(Clone, Debug)]
pub struct WantedToken {
    /// What to call it.
    pub name: String,
    /// What it may be used for.
    pub scope: Scope,
    /// When it ends, in seconds from now; none: never.
    pub expires_in_s: Option<i64>,
}

/// Who posts through a webhook, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HookCaller {
    /// Which webhook.
    pub hook: HookId,
    /// Its author, who may post and nothing else.
    pub identity: Identity,
    /// The room.
    pub slug: String,
}

impl Auth {
    /// Makes a token of `who`, or of a bot of `who`'s. The secret is given out here and never again.
    ///
    /// # Errors
    /// `bad_request` for a name or an end against the rules, `forbidden` for a guest, `user_not_found` for somebody else's
    /// bot, `too_many`.
    pub async fn create_token(
        &self,
        who: &Identity,
        holder: UserId,
        wanted: WantedToken,
    ) -> Result<(Token, TokenRow), Refusal> {
        require_account(who)?;
        if wanted
            .expires_in_s
            .is_some_and(|seconds| !(1..=limits::TOKEN_S).contains(&seconds))
        {
            return Err(Refusal::with_message(
                ErrorCode::BadRequest,
                "`expires_in_s` is from one second to ten years.",
            ));
        }
        let secret = Token::random_for(Purpose::Api);
        let token = NewToken {
            id: SessionId::new(),
            user: holder,
            name: names::display_name(&wanted.name)?,
            scope: wanted.scope,
            token_hash: secret.sha256(),
            lifetime_s: wanted.expires_in_s,
        };
        let made = self.store.create_token(who.user.id, token).await;
        let row = made.map_err(StoreError::into_refusal)?;
        tracing::info!(user = %holder, by = %who.user.id, token = %row.id, scope = row.scope.as_str(), "a token was made");
        Ok((secret, row))
    }

    /// The tokens of `who`, or of a bot of `who`'s.
    ///
    /// # Errors
    /// `user_not_found` for somebody else's.
    pub async fn tokens(&self, who: &Identity, holder: UserId) -> Result<Vec<TokenRow>, Refusal> {
        let tokens = self.store.tokens(who.user.id, holder).await;
        tokens.map_err(StoreError::into_refusal)
    }

    /// Ends a token of `who`, or of a bot of `who`'s. Its sockets close when the feeds next look (P7).
    ///
    /// # Errors
    /// `not_found`.
    pub async fn revoke_token(&self, who: &Identity, token: SessionId) -> Result<(), Refusal> {
        let ended = self.store.delete_token(who.user.id, token).await;
        if !ended.map_err(StoreError::into_refusal)? {
            return Err(ErrorCode::NotFound.into());
        }
        tracing::info!(by = %who.user.id, %token, "a token was revoked");
        Ok(())
    }

    /// Makes a bot of `who`'s.
    ///
    /// # Errors
    /// `bad_request` for a name against the rules, `forbidden` for a guest, `name_taken`, `too_many`.
    pub async fn create_bot(&self, who: &Identity, name: &str) -> Result<BotRow, Refusal> {
        require_account(who)?;
        let bot = bot(names::user_name(name)?);
        let made = self.store.create_bot(who.user.id, bot).await;
        made.map_err(StoreError::into_refusal)
    }

    /// The bots of `who`.
    ///
    /// # Errors
    /// That they cannot be read now.
    pub async fn bots(&self, who: &Identity) -> Result<Vec<BotRow>, Refusal> {
        let bots = self.store.bots(who.user.id).await;
        bots.map_err(StoreError::into_refusal)
    }

    /// Removes a bot of `who`'s, and its tokens.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn remove_bot(&self, who: &Identity, bot: UserId) -> Result<(), Refusal> {
        let removed = self.store.remove_bot(who.user.id, bot).await;
        if !removed.map_err(StoreError::into_refusal)? {
            return Err(ErrorCode::NotFound.into());
        }
        tracing::info!(by = %who.user.id, %bot, "a bot was removed");
        Ok(())
    }

    /// Makes an incoming webhook of a room. The secret is given out here and never again.
    ///
    /// # Errors
    /// `bad_request` for a name against the rules, `forbidden`, `too_many`, as finding the room.
    pub async fn create_hook(
        &self,
        who: &Identity,
        slug: &str,
        name: &str,
    ) -> Result<(Token, HookRow), Refusal> {
        let secret = Token::random_for(Purpose::Hook);
        let hook = NewHook {
            id: HookId::new(),
            user: bot(names::user_name(name)?),
            secret_hash: secret.sha256(),
        };
        let made = self.store.create_hook(who.user.id, slug, hook).await;
        let row = made.map_err(StoreError::into_refusal)?;
        tracing::info!(by = %who.user.id, hook = %row.id, "an incoming webhook was made");
        Ok((secret, row))
    }

    /// The incoming webhooks of a room.
    ///
    /// # Errors
    /// `forbidden`, as finding the room.
    pub async fn hooks(&self, who: &Identity, slug: &str) -> Result<Vec<HookRow>, Refusal> {
        let hooks = self.store.hooks(who.user.id, slug).await;
        hooks.map_err(StoreError::into_refusal)
    }

    /// Gives an incoming webhook another secret; the one before is good for nothing.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, as finding the room.
    pub async fn rotate_hook(
        &self,
        who: &Identity,
        slug: &str,
        hook: HookId,
    ) -> Result<(Token, HookRow), Refusal> {
        let secret = Token::random_for(Purpose::Hook);
        let rotated = self
            .store
            .rotate_hook(who.user.id, slug, hook, &secret.sha256())
            .await;
        let row = rotated.map_err(StoreError::into_refusal)?;
        tracing::info!(by = %who.user.id, %hook, "an incoming webhook got another secret");
        Ok((secret, row))
    }

    /// Ends an incoming webhook; its user, who is to leave the room.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, as finding the room.
    pub async fn revoke_hook(
        &self,
        who: &Identity,
        slug: &str,
        hook: HookId,
    ) -> Result<UserRow, Refusal> {
        let ended = self.store.delete_hook(who.user.id, slug, hook).await;
        let user = ended.map_err(StoreError::into_refusal)?;
        tracing::info!(by = %who.user.id, %hook, "an incoming webhook was revoked");
        Ok(user)
    }

    /// Whose secret this is; `None` when it is no living webhook's.
    ///
    /// # Errors
    /// `unavailable` when the store could not be asked, `busy` when too many ask.
    pub async fn hook_caller(&self, secret: &str) -> Result<Option<HookCaller>, Refusal> {
        let Some(secret) = Token::parse_for(Purpose::Hook, secret) else {
            return Ok(None);
        };
        let _turn = self.admission.turn().await?;
        let found = self.store.hook_by_secret(&secret.sha256()).await;
        let Some(found) = found.map_err(StoreError::into_refusal)? else {
            return Ok(None);
        };
        if found.note_due
            && let Err(error) = self.store.note_hook_used(found.hook).await
        {
            tracing::warn!(%error, "when a webhook was used could not be noted");
        }
        let identity = Identity {
            session: SessionId(found.hook.0),
            user: found.user,
            expires_at: None,
            scope: Some(Scope::Write),
        };
        Ok(Some(HookCaller {
            hook: found.hook,
            identity,
            slug: found.slug,
        }))
    }

    /// Who holds a program's token.
    pub(super) async fn authenticate_program(
        &self,
        token: &Token,
    ) -> Result<Option<Identity>, Refusal> {
        let _turn = self.admission.turn().await?;
        let found = self.store.token_identity(&token.sha256()).await;
        let Some(found) = found.map_err(StoreError::into_refusal)? else {
            return Ok(None);
        };
        // A token that works is worth more than the minute of its use.
        if found.note_due
            && let Err(error) = self.store.note_token_used(found.identity.session).await
        {
            tracing::warn!(%error, "when a token was used could not be noted");
        }
        Ok(Some(found.identity))
    }
}

/// The id of a message that was posted under a key: the same key finds the same message of the same author.
#[must_use]
pub fn client_id_of(key: &str) -> ClientId {
    let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(hash.split_at(16).0);
    let builder = uuid::Builder::from_bytes(bytes)
        .with_variant(uuid::Variant::RFC4122)
        .with_version(uuid::Version::Custom);
    ClientId(builder.into_uuid())
}

/// A guest ends with its session: what it made would live on.
fn require_account(who: &Identity) -> Result<(), Refusal> {
    if who.user.kind == UserKind::Guest {
        return Err(Refusal::with_message(
            ErrorCode::Forbidden,
            "Guests have no tokens and no bots: make an account.",
        ));
    }
    Ok(())
}

fn bot(name: String) -> UserRow {
    UserRow {
        id: UserId::new(),
        name,
        kind: UserKind::Bot,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_for_one_id() {
        let id = client_id_of("build 17");
        assert_eq!(client_id_of("build 17"), id);
        assert_ne!(client_id_of("build 18"), id);
        assert_eq!(id.to_string().parse::<ClientId>().unwrap(), id);
        assert_eq!(id.0.get_version_num(), 8);
    }
}
