//! What an administrator, or the operator, does to a room of the model without being in it.

use salon::db::changes::{Administered, RoomEdit};
use salon::db::rows::Visibility;
use salon::error::{ErrorCode, Refusal};
use salon::ids::{UserId, Version};
use salon::permissions::Role;

use super::{Judged, Work};

impl Work<'_> {
    /// Judges and does it; no actor is the operator.
    pub(super) fn administer(
        &mut self,
        actor: Option<UserId>,
        act: &Administered,
    ) -> Judged<Version> {
        let administers = |actor: UserId| {
            let found = self.users.get(&actor);
            found.is_some_and(|user| user.admin && user.disabled.is_none())
        };
        if actor.is_some_and(|actor| !administers(actor) || act.is_operators()) {
            return Err(Refusal::not_an_administrator());
        }
        if self.room.row.visibility == Visibility::Direct && *act != Administered::Delete {
            return Err(ErrorCode::Forbidden.into());
        }
        match act {
            Administered::TakeOver { user } if actor == Some(*user) => {
                Err(ErrorCode::Forbidden.into())
            }
            Administered::TakeOver { user } => {
                if self.has_owner() {
                    return Err(ErrorCode::RoomHasOwner.into());
                }
                self.seat_as(*user, Role::Owner)
            }
            Administered::SetRole { user, role } => self.seat_as(*user, *role),
            Administered::Archive { archived } => self.change_room(&RoomEdit {
                archived: Some(*archived),
                ..RoomEdit::default()
            }),
            Administered::Delete => Ok(self.end_room()),
        }
    }

    /// Whether any owner may still sign in.
    fn has_owner(&self) -> bool {
        let mut members = self.room.members.iter();
        members.any(|(user, role)| {
            let living = self
                .users
                .get(user)
                .is_some_and(|user| user.disabled.is_none());
            *role == Role::Owner && living
        })
    }

    fn seat_as(&mut self, user: UserId, role: Role) -> Judged<Version> {
        let row = self.user(user).ok_or(ErrorCode::UserNotFound)?.clone();
        let present = self.room.members.get(&user).copied();
        if present == Some(role) {
            return Ok(self.room.head.version);
        }
        if present.is_none() && self.room.bans.contains_key(&user) {
            return Err(Refusal::user_is_banned());
        }
        if present == Some(Role::Owner) {
            self.require_another_owner()?;
        }
        Ok(self.put_member(row, role))
    }
}
