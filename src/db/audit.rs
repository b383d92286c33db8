//! The audit log: what was done to accounts, rights and rooms, and what was refused. Every store writes a row in the transaction of
//! the change it tells of, so that neither is without the other; refusals are written by the ledger, off everybody's way. No
//! row holds what was said, or a secret; messages have none.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::StoreResult;
use super::changes::{Administered, Change, RoomEdit};
use super::rows::UserRow;
use crate::error::ErrorCode;
use crate::ids::{AuditId, RoomId, UserId};
use crate::origin::{Origin, Way};
use crate::permissions::Role;

macro_rules! acts {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// What was done, or tried.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        pub enum Act { $($(#[$doc])* $variant,)* }

        impl Act {
            /// Every act there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As stored and sent.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

acts! {
    /// An account was made.
    UserCreated = "user.created";
    /// A guest came.
    GuestCame = "guest.came";
    /// A guest became an account.
    GuestUpgraded = "guest.upgraded";
    /// Somebody signed in, or failed to.
    SignedIn = "session.started";
    /// A session was ended by its holder.
    SignedOut = "session.ended";
    /// All sessions of somebody were ended.
    SessionsEnded = "sessions.ended";
    /// A password was set.
    PasswordSet = "password.set";
    /// An account was disabled.
    UserDisabled = "user.disabled";
    /// An account was enabled again.
    UserEnabled = "user.enabled";
    /// An account was deleted.
    UserDeleted = "user.deleted";
    /// Somebody administers the server from now on.
    AdminGiven = "admin.given";
    /// Somebody does no more.
    AdminTaken = "admin.taken";
    /// A token was made.
    TokenMade = "token.made";
    /// A token was ended.
    TokenRemoved = "token.removed";
    /// A bot was made.
    BotMade = "bot.made";
    /// A bot was removed.
    BotRemoved = "bot.removed";
    /// An incoming webhook was made.
    HookMade = "hook.made";
    /// An incoming webhook has another secret.
    HookRotated = "hook.rotated";
    /// An incoming webhook was removed.
    HookRemoved = "hook.removed";
    /// An outgoing webhook was made.
    WebhookMade = "webhook.made";
    /// An outgoing webhook was changed.
    WebhookChanged = "webhook.changed";
    /// An outgoing webhook has another secret.
    WebhookRotated = "webhook.rotated";
    /// An outgoing webhook was removed.
    WebhookRemoved = "webhook.removed";
    /// A room was made.
    RoomCreated = "room.created";
    /// A room's settings changed; `detail` says which.
    RoomChanged = "room.changed";
    /// What a room keeps changed.
    RetentionSet = "room.retention";
    /// A room was given away.
    RoomTransferred = "room.transferred";
    /// An administrator gave a room without an owner to somebody.
    RoomTakenOver = "room.taken_over";
    /// A room was deleted.
    RoomDeleted = "room.deleted";
    /// A room's messages were exported.
    RoomExported = "room.exported";
    /// Rooms have another epoch: their history was replaced.
    EpochRenewed = "room.new_epoch";
    /// Somebody has a role in a room.
    RoleSet = "member.role";
    /// Somebody is no longer a member: removed, or gone by itself.
    MemberRemoved = "member.removed";
    /// Somebody is kept out of a room.
    Banned = "member.banned";
    /// Somebody may come again.
    Unbanned = "member.unbanned";
    /// An invite was made.
    InviteMade = "invite.made";
    /// An invite was followed.
    InviteAccepted = "invite.accepted";
    /// An invite was withdrawn.
    InviteRevoked = "invite.revoked";
    /// A right was refused, or a limit was met; `detail` says what was asked.
    Refused = "refused";
    /// There were more refusals than the ledger takes.
    Dropped = "audit.dropped";
}

impl Act {
    /// The act of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|act| act.as_str() == name)
    }
}

/// Which room a row is about.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Default)]
pub enum AuditRoom {
    /// None.
    #[default]
    None,
    /// One that is there.
    Id(RoomId),
    /// One by its address, whether it is there or not.
    Slug(String),
}

impl AuditRoom {
    /// The room of that address; none where it is of no form an address has.
    #[must_use]
    pub fn named(slug: &str) -> Self {
        let is_slug = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !slug.is_empty() && slug.len() <= crate::limits::SLUG_CHARS && slug.bytes().all(is_slug)
        {
            Self::Slug(slug.to_owned())
        } else {
            Self::None
        }
    }
}

/// What a row says instead of the address of a direct room. Not even an id: it would tell, of two who were noted with the same one,
/// that they talk with each other. No room has this address.
pub const DIRECT: &str = "(direct)";

/// A row to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewAudit {
    /// What.
    pub act: Act,
    /// Why it was refused; none for what was done.
    pub outcome: Option<ErrorCode>,
    /// From where.
    pub origin: Origin,
    /// Who did it; none for the operator and for strangers.
    pub who: Option<UserId>,
    /// To whom.
    pub whom: Option<UserId>,
    /// Where.
    pub room: AuditRoom,
    /// A few words of ours; never another's.
    pub detail: String,
    /// How often.
    pub times: i32,
}

impl NewAudit {
    /// An act that comes from where what runs now comes from.
    #[must_use]
    pub fn of(act: Act) -> Self {
        Self {
            act,
            outcome: None,
            origin: Origin::current(),
            who: None,
            whom: None,
            room: AuditRoom::None,
            detail: String::new(),
            times: 1,
        }
    }

    /// Who did it.
    #[must_use]
    pub fn by(self, who: UserId) -> Self {
        Self {
            who: Some(who),
            ..self
        }
    }

    /// About an account: done by an administrator who acts, by the operator, or by whoever it is about.
    #[must_use]
    pub fn concerning(self, user: UserId) -> Self {
        let who = match (self.origin.acting, self.origin.way) {
            (Some(acting), _) => Some(acting),
            (None, Way::Command) => None,
            (None, _) => Some(user),
        };
        let whom = (who != Some(user)).then_some(user);
        Self { who, whom, ..self }
    }

    /// To whom.
    #[must_use]
    pub fn to(self, whom: UserId) -> Self {
        Self {
            whom: Some(whom),
            ..self
        }
    }

    /// Where.
    #[must_use]
    pub fn in_room(self, room: RoomId) -> Self {
        Self {
            room: AuditRoom::Id(room),
            ..self
        }
    }

    /// In a few words of ours.
    #[must_use]
    pub fn saying(self, detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            ..self
        }
    }

    /// What is written of a room's change that was allowed; none for messages and what the server does by itself. `moved` tells
    /// whether it took a version.
    #[must_use]
    pub fn of_change(change: &Change, room: RoomId, origin: Origin, moved: bool) -> Option<Self> {
        let of = |act| Self {
            origin,
            ..Self::of(act).in_room(room)
        };
        let note = match change {
            Change::SetMember { actor, user, role } => {
                of(Act::RoleSet).by(*actor).to(*user).saying(role.as_str())
            }
            Change::RemoveMember { actor, user } => of(Act::MemberRemoved).by(*actor).to(*user),
            Change::TransferRoom { actor, user } => of(Act::RoomTransferred).by(*actor).to(*user),
            Change::AcceptInvite { user, invite } => of(Act::InviteAccepted)
                .by(*user)
                .saying(format!("invite {invite}")),
            Change::EditRoom { actor, edit } => {
                of(Act::RoomChanged).by(*actor).saying(changed(edit))
            }
            Change::AddAssistant(new) => of(Act::RoomChanged)
                .by(new.actor)
                .saying("an assistant was added"),
            Change::EditAssistant {
                actor, assistant, ..
            } => of(Act::RoomChanged)
                .by(*actor)
                .to(*assistant)
                .saying("an assistant was changed"),
            Change::RemoveAssistant { actor, assistant } => of(Act::RoomChanged)
                .by(*actor)
                .to(*assistant)
                .saying("an assistant was taken out"),
            Change::SetRetention { actor, .. } => of(Act::RetentionSet).by(*actor),
            Change::DeleteRoom { actor } => of(Act::RoomDeleted).by(*actor),
            Change::Administer { actor, act } => Self {
                who: *actor,
                ..administered(act, &of)
            },
            // Those take no version, or need not.
            Change::Ban { actor, user, .. } => return Some(of(Act::Banned).by(*actor).to(*user)),
            Change::Unban { actor, user } => return Some(of(Act::Unbanned).by(*actor).to(*user)),
            Change::MakeInvite { actor, invite } => {
                let detail = format!("invite {} as {}", invite.id, invite.role.as_str());
                return Some(of(Act::InviteMade).by(*actor).saying(detail));
            }
            Change::RevokeInvite { actor, invite } => {
                let detail = format!("invite {invite}");
                return Some(of(Act::InviteRevoked).by(*actor).saying(detail));
            }
            Change::Post(_)
            | Change::EditMessage(_)
            | Change::DeleteMessage { .. }
            | Change::Mark { .. }
            | Change::Unmark { .. }
            | Change::Depart { .. }
            | Change::Retain { .. }
            | Change::StopReply { .. }
            | Change::RetryReply { .. }
            | Change::RegenerateReply { .. }
            | Change::SelectVariant { .. }
            | Change::SettleReply(_)
            | Change::InterruptReply { .. } => return None,
        };
        moved.then_some(note)
    }
}

fn administered(act: &Administered, of: &impl Fn(Act) -> NewAudit) -> NewAudit {
    match act {
        Administered::TakeOver { user } => of(Act::RoomTakenOver)
            .to(*user)
            .saying(Role::Owner.as_str()),
        Administered::SetRole { user, role } => of(Act::RoleSet).to(*user).saying(role.as_str()),
        Administered::Archive { archived } => {
            of(Act::RoomChanged).saying(format!("archived={archived}"))
        }
        Administered::Delete => of(Act::RoomDeleted),
    }
}

/// Which settings change; of names and topics not what they are.
fn changed(edit: &RoomEdit) -> String {
    let visibility = edit
        .visibility
        .map(|visibility| format!("visibility={}", visibility.as_str()));
    let archived = edit.archived.map(|archived| format!("archived={archived}"));
    let name = edit.name.as_ref().map(|_| "name".to_owned());
    let topic = edit.topic.as_ref().map(|_| "topic".to_owned());
    let parts = [visibility, archived, name, topic];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditRow {
    /// Its place in time.
    pub id: AuditId,
    /// When, by the database's clock.
    pub at: DateTime<Utc>,
    /// What.
    pub act: Act,
    /// The code of a refusal.
    pub outcome: Option<String>,
    /// By which way.
    pub way: Way,
    /// From which address.
    pub address: Option<String>,
    /// Who, while that is known.
    pub who: Option<UserRow>,
    /// To whom, while that is known.
    pub whom: Option<UserRow>,
    /// The room's slug.
    pub room: Option<String>,
    /// A few words.
    pub detail: String,
    /// How often.
    pub times: i32,
}

/// Which rows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditFilter {
    /// Older than this row.
    pub before: Option<AuditId>,
    /// Not before.
    pub since: Option<DateTime<Utc>>,
    /// Done by this user, or to it.
    pub user: Option<UserId>,
    /// This act only.
    pub act: Option<Act>,
    /// About this room only.
    pub room: Option<String>,
    /// At most so many.
    pub limit: i64,
}

impl AuditFilter {
    /// From when on, as every database can compare it.
    #[must_use]
    pub fn since(&self) -> Option<DateTime<Utc>> {
        let far = DateTime::from_timestamp(FAR_S, 0).unwrap_or(DateTime::UNIX_EPOCH);
        self.since
            .map(|since| since.clamp(DateTime::UNIX_EPOCH, far))
    }

    /// The ids between which the rows are: an id's time is that of the process that made it, the row's the database's, and they
    /// differ by less than a minute.
    #[must_use]
    pub fn ids(&self) -> (AuditId, AuditId) {
        let from = self
            .since()
            .and_then(|since| since.checked_sub_signed(CLOCKS_DIFFER))
            .map_or(uuid::Uuid::nil(), first_id);
        let to = self.before.map_or(uuid::Uuid::max(), |before| before.0);
        (AuditId(from), AuditId(to))
    }
}

/// The year 9999, in seconds since 1970.
const FAR_S: i64 = 253_402_300_799;

/// How far two clocks may be apart.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(1);

/// An id below every one made at this time or later.
#[must_use]
pub fn first_id(at: DateTime<Utc>) -> uuid::Uuid {
    let ms = u128::try_from(at.timestamp_millis()).unwrap_or(0);
    uuid::Uuid::from_u128(ms << 80)
}

/// The audit log. The rules of [`Store`](super::Store) hold.
#[async_trait]
pub trait AuditLog: Send + Sync + 'static {
    /// Writes rows that tell of no change; those that do are written with it.
    async fn note(&self, rows: Vec<NewAudit>) -> StoreResult<()>;

    /// Rows, the latest first.
    async fn audit(&self, filter: AuditFilter) -> StoreResult<Vec<AuditRow>>;

    /// Removes rows that are older than so many days, a bounded number at once. How many went.
    async fn sweep_audit(&self, days: u32) -> StoreResult<u64>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_above_its_own_time_and_below_a_later_one() {
        let id = AuditId::new();
        assert!(first_id(Utc::now() - CLOCKS_DIFFER) < id.0);
        assert!(first_id(Utc::now() + CLOCKS_DIFFER) > id.0);
    }

    #[test]
    fn every_act_is_found_by_its_name() {
        for act in Act::ALL {
            assert_eq!(Act::from_name(act.as_str()), Some(*act));
        }
    }
}
