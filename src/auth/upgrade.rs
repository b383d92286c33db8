//! A guest becomes an account: the same user, who from now on has a name of its own and a password, and can come back. Called by
//! `http/` for guests signed in by a session; no token comes here.
//!
//! More rights need another secret: whoever has the guest's token, by whatever way it came, has nothing of the account.

use super::{Auth, Device, SignedIn, names, password, signed_in};
use crate::db::StoreError;
use crate::db::accounts::GuestUpgrade;
use crate::db::changes::SessionOrigin;
use crate::db::rows::{Identity, UserKind, UserRow};
use crate::error::{ErrorCode, Refusal};

impl Auth {
    /// Makes the guest `who` an account, by another name where one is given, and signs it in anew: what it was signed in with
    /// ends.
    ///
    /// # Errors
    /// `not_a_guest`, `bad_request` for a name or password against the rules, `name_taken`, `unauthenticated` for a guest that
    /// ended meanwhile, `busy` when too many hashes wait.
    pub async fn upgrade_guest(
        &self,
        who: &Identity,
        name: Option<&str>,
        password: &str,
        origin: SessionOrigin,
    ) -> Result<SignedIn, Refusal> {
        // Before a hash is paid for.
        if who.user.kind != UserKind::Guest {
            return Err(ErrorCode::NotAGuest.into());
        }
        let name = names::user_name(name.unwrap_or(&who.user.name))?;
        password::check_rules(&name, password)?;
        let password_hash = self.passwords.hash(password).await?;
        let user = UserRow {
            id: who.user.id,
            name,
            kind: UserKind::User,
        };
        let device = Device::new(user.id, &password_hash);
        let (token, session) = self.fresh_session(&user, origin);
        let upgrade = GuestUpgrade {
            user: user.id,
            name: user.name,
            password_hash,
        };
        let made = self.store.upgrade_guest(upgrade, session).await;
        let made = made.map_err(StoreError::into_refusal)?;
        tracing::info!(user = %who.user.id, by = %who.session, "a guest became an account");
        Ok(SignedIn {
            device: Some(device),
            ..signed_in(token, made.identity)
        })
    }
}
