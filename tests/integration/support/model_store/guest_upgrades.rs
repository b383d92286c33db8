//! A guest of the model becomes an account.

use salon::db::accounts::{GuestUpgrade, RevocationKind};
use salon::db::audit::{Act, NewAudit};
use salon::db::changes::NewSession;
use salon::db::rows::{UserKind, UserRow};
use salon::db::{SignedIn, StoreResult};
use salon::error::ErrorCode;

use super::tables::Tables;
use super::{Moment, no, storable};

impl Tables {
    /// The same user, by a name of its own and with a password.
    pub(super) fn upgrade_guest(
        &mut self,
        upgrade: GuestUpgrade,
        session: &NewSession,
        now: Moment,
    ) -> StoreResult<SignedIn> {
        storable(&upgrade.name)?;
        let id = upgrade.user;
        let taken = self.is_taken(&upgrade.name);
        let user = self
            .users
            .get_mut(&id)
            .filter(|user| user.disabled.is_none());
        let Some(user) = user else {
            return no(ErrorCode::Unauthenticated);
        };
        if user.row.kind != UserKind::Guest || user.owner.is_some() {
            return no(ErrorCode::NotAGuest);
        }
        if taken {
            return no(ErrorCode::NameTaken);
        }
        user.row = UserRow {
            id,
            name: upgrade.name,
            kind: UserKind::User,
        };
        user.has_own_name = true;
        user.password_hash = Some(upgrade.password_hash);
        let row = user.row.clone();
        self.rename(&row);
        self.end_sessions(id, None, now);
        let made = self.insert_session(session, now)?;
        self.note(NewAudit::of(Act::GuestUpgraded).concerning(id), now);
        self.revoke(RevocationKind::Sessions, id, None, now);
        Ok(made)
    }
}
