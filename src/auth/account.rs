//! What one does with one's own account: looking through one's sessions, ending them, another password, the end of the account.
//! Called by `http/` for people signed in by a session; no token comes here.

use super::{Auth, password};
use crate::db::StoreError;
use crate::db::accounts::{NewPassword, Seen, SessionRow};
use crate::db::changes::VerifiedHash;
use crate::db::rows::{Identity, UserKind};
use crate::error::{ErrorCode, Refusal};
use crate::ids::SessionId;
use crate::limits;

impl Auth {
    /// The hash of a new password of somebody of this name, for the operator who sets it.
    ///
    /// # Errors
    /// `bad_request` for one against the rules, `busy` when too many hashes wait.
    pub async fn hash_password(&self, name: &str, password: &str) -> Result<String, Refusal> {
        password::check_rules(name, password)?;
        self.passwords.hash(password).await
    }

    /// The sessions of `who`.
    ///
    /// # Errors
    /// That they cannot be read now.
    pub async fn sessions(&self, who: &Identity) -> Result<Vec<SessionRow>, Refusal> {
        let sessions = self.store.sessions(who.user.id).await;
        sessions.map_err(StoreError::into_refusal)
    }

    /// Somebody came in once more: ends those sessions of the user that are more than `limits::SESSIONS_PER_USER`, whichever were not
    /// used for longest, never the new one. The claims of applications have a bound of their own. What cannot be ended now is at the
    /// next sign-in: nobody is kept out for it.
    pub(super) async fn end_surplus_sessions(&self, new: &Identity) {
        let user = new.user.id;
        let mut sessions = match self.store.sessions(user).await {
            Ok(sessions) => sessions,
            Err(error) => {
                tracing::warn!(%user, %error, "sessions could not be counted");
                return;
            }
        };
        sessions.retain(|session| session.id != new.session && !session.claimed);
        sessions.sort_by_key(|session| std::cmp::Reverse(session.last_seen_at));
        for session in sessions.iter().skip(limits::SESSIONS_PER_USER - 1) {
            match self.store.end_session(user, session.id).await {
                Ok(_) => {
                    tracing::info!(%user, session = %session.id, "a session was ended: the user has as many newer ones as one may have")
                }
                Err(error) => tracing::warn!(%user, %error, "a session could not be ended"),
            }
        }
    }

    /// Ends a session of `who`'s. Its sockets close when the instances next read the log of revocations (P7).
    ///
    /// # Errors
    /// `not_found`.
    pub async fn end_session(&self, who: &Identity, session: SessionId) -> Result<(), Refusal> {
        let ended = self.store.end_session(who.user.id, session).await;
        if !ended.map_err(StoreError::into_refusal)? {
            return Err(ErrorCode::NotFound.into());
        }
        tracing::info!(user = %who.user.id, %session, by = %who.session, "a session was ended");
        Ok(())
    }

    /// Ends all sessions of `who` but the one that asks; how many.
    ///
    /// # Errors
    /// That they cannot be ended now.
    pub async fn end_other_sessions(&self, who: &Identity) -> Result<u64, Refusal> {
        let ended = self
            .store
            .end_sessions(who.user.id, Some(who.session))
            .await;
        let ended = ended.map_err(StoreError::into_refusal)?;
        tracing::info!(user = %who.user.id, by = %who.session, ended, "all other sessions were ended");
        Ok(ended)
    }

    /// Ends every session of `who`, the one that asks too; how many.
    ///
    /// # Errors
    /// That they cannot be ended now.
    pub async fn end_all_sessions(&self, who: &Identity) -> Result<u64, Refusal> {
        let ended = self.store.end_sessions(who.user.id, None).await;
        let ended = ended.map_err(StoreError::into_refusal)?;
        tracing::info!(user = %who.user.id, by = %who.session, ended, "all sessions were ended");
        Ok(ended)
    }

    /// Changes the password of `who`, who knows the old one, and ends all other sessions; how many.
    ///
    /// # Errors
    /// `bad_credentials` for a wrong old password, `bad_request` for a new one against the rules, `forbidden` for a guest,
    /// `busy` when too many hashes wait.
    pub async fn change_password(
        &self,
        who: &Identity,
        old: &str,
        new: &str,
    ) -> Result<u64, Refusal> {
        if who.user.kind == UserKind::Guest {
            return Err(Refusal::with_message(
                ErrorCode::Forbidden,
                "Guests have no password.",
            ));
        }
        password::check_rules(&who.user.name, new)?;
        let seen = self.check_password(who, Some(old)).await?;
        let password = NewPassword {
            hash: self.passwords.hash(new).await?,
            seen,
            keep: Some(who.session),
        };
        let ended = self.store.set_password(who.user.id, password).await;
        let ended = ended.map_err(StoreError::into_refusal)?;
        tracing::info!(user = %who.user.id, by = %who.session, ended, "a password was changed");
        Ok(ended)
    }

    /// Deletes the account of `who`, who knows the password where there is one. What it is in rooms ends after this.
    ///
    /// # Errors
    /// `bad_credentials`, `busy` when too many hashes wait.
    pub async fn delete_account(
        &self,
        who: &Identity,
        password: Option<&str>,
    ) -> Result<(), Refusal> {
        let seen = self.check_password(who, password).await?;
        let deleted = self.store.delete_account(who.user.id, seen).await;
        deleted.map_err(StoreError::into_refusal)?;
        tracing::info!(user = %who.user.id, kind = who.user.kind.as_str(), "an account was deleted");
        Ok(())
    }

    /// What the password of `who` was checked against; a user without one is not asked.
    async fn check_password(
        &self,
        who: &Identity,
        password: Option<&str>,
    ) -> Result<Seen, Refusal> {
        let hash = self.store.password_hash(who.user.id).await;
        let Some(hash) = hash.map_err(StoreError::into_refusal)? else {
            return Ok(Seen::NoPassword);
        };
        let password = password.unwrap_or_default();
        let fits = password.len() <= crate::limits::PASSWORD_MAX_BYTES;
        if !fits || !self.passwords.verify(password, Some(hash.clone())).await? {
            tracing::info!(user = %who.user.id, session = %who.session, "a password was not right");
            return Err(ErrorCode::BadCredentials.into());
        }
        Ok(Seen::Hash(VerifiedHash(hash)))
    }
}
