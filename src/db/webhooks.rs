//! Outgoing webhooks as every store keeps them: rows, and the part of the store's contract that is about them. What a webhook
//! has to deliver stands nowhere: it is the room's changes above the version it has delivered. Called by `chat/webhooks`
//! and, for what runs out, by the sweep.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::StoreResult;
use super::rows::named_enum;
use crate::ids::{Epoch, InstanceId, RoomId, Seq, UserId, Version, WebhookId};

named_enum!(
    /// What a webhook may be told of.
    WebhookEvent {
        /// A message that is new to the receiver; a reply of the assistant, once it is settled.
        Message = "message",
        /// A message that the receiver knows was edited, deleted, pinned, or reacted to.
        MessageChanged = "message.changed",
        /// A setting of the room changed, or what somebody is in it.
        RoomChanged = "room.changed",
    }
);
named_enum!(
    /// How an attempt ended.
    WebhookOutcome {
        /// The receiver took it.
        Delivered = "delivered",
        /// The receiver answered with another status than 2xx.
        Refused = "refused",
        /// No answer in time.
        Timeout = "timeout",
        /// No connection, or it broke off.
        Unreachable = "unreachable",
        /// This server may not send to that address.
        Blocked = "blocked",
    }
);
named_enum!(
    /// Why Salon itself switched a webhook off.
    WebhookDisabled {
        /// No attempt succeeded for [`crate::limits::WEBHOOK_GIVE_UP_S`].
        Failing = "failing",
        /// The receiver answered 410.
        Gone = "gone",
    }
);

/// A set of [`WebhookEvent`]s.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WebhookEvents(i32);

impl WebhookEvents {
    /// These.
    #[must_use]
    pub fn of(events: &[WebhookEvent]) -> Self {
        Self(events.iter().fold(0, |mask, event| mask | bit(*event)))
    }

    /// As stored.
    #[must_use]
    pub const fn mask(self) -> i32 {
        self.0
    }

    /// As stored, read back; bits of a later release are left out.
    #[must_use]
    pub const fn from_mask(mask: i32) -> Self {
        Self(mask & 7)
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn contains(self, event: WebhookEvent) -> bool {
        self.0 & bit(event) != 0
    }

    /// Each of them.
    #[must_use]
    pub fn list(self) -> Vec<WebhookEvent> {
        let all = WebhookEvent::ALL.iter().copied();
        all.filter(|event| self.contains(*event)).collect()
    }
}

const fn bit(event: WebhookEvent) -> i32 {
    match event {
        WebhookEvent::Message => 1,
        WebhookEvent::MessageChanged => 2,
        WebhookEvent::RoomChanged => 4,
    }
}

/// A webhook to be made.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// Its id.
    pub id: WebhookId,
    /// Where to; checked.
    pub url: String,
    /// What of.
    pub events: WebhookEvents,
    /// What it signs with.
    pub secret: SecretString,
}

/// What of a webhook is to change.
#[derive(Clone, Debug, Default)]
pub struct WebhookEdit {
    /// Where to; checked.
    pub url: Option<String>,
    /// What of.
    pub events: Option<WebhookEvents>,
    /// On or off. Switched on it begins where it stopped, at once, as if nothing had failed.
    pub enabled: Option<bool>,
    /// A new secret; the one before signs too for [`crate::limits::WEBHOOK_SECRET_OVERLAP_S`].
    pub secret: Option<SecretString>,
}

/// A webhook as those see it who manage it. Its secret is not in it.
#[derive(Clone, PartialEq, Debug)]
pub struct WebhookRow {
    /// Its id.
    pub id: WebhookId,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Where to.
    pub url: String,
    /// What of.
    pub events: WebhookEvents,
    /// Whether it is on.
    pub enabled: bool,
    /// Why not, where Salon itself switched it off.
    pub disabled_reason: Option<WebhookDisabled>,
    /// Delivered up to here.
    pub version: Version,
    /// Attempts that failed since the last that did not.
    pub failures: i32,
    /// The last attempt.
    pub last: Option<AttemptRow>,
}

/// One attempt to deliver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttemptRow {
    /// When it ended.
    pub at: DateTime<Utc>,
    /// The changes above this version,
    pub from: Version,
    /// up to this one.
    pub to: Version,
    /// How many events it held.
    pub events: i32,
    /// How it ended.
    pub outcome: WebhookOutcome,
    /// The receiver's status, where it answered.
    pub status: Option<i32>,
    /// What the receiver said, or what went wrong.
    pub detail: String,
    /// How long it took.
    pub took_ms: i32,
}

/// Where to, and what to sign with: the newest secret first.
#[derive(Clone, Debug)]
pub struct WebhookTarget {
    /// Where to.
    pub url: String,
    /// One, or two while a former one still holds.
    pub secrets: Vec<SecretString>,
}

/// How far a webhook has delivered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhookPlace {
    /// The history it delivers from.
    pub epoch: Epoch,
    /// Delivered up to here.
    pub version: Version,
    /// Messages above this one are new to the receiver.
    pub seen_seq: Seq,
    /// Replies up to `seen_seq` that were not settled when they were passed.
    pub awaited: Vec<Seq>,
}

/// A webhook that an instance is to deliver for.
#[derive(Clone)]
pub struct ClaimedWebhook {
    /// Which.
    pub id: WebhookId,
    /// Where the changes are.
    pub room: RoomId,
    /// That room's address.
    pub slug: String,
    /// The fencing token of every later write.
    pub attempt: i64,
    /// Where to send.
    pub target: WebhookTarget,
    /// What of.
    pub events: WebhookEvents,
    /// How far it is.
    pub place: WebhookPlace,
    /// Where a delivery ends that was begun and not confirmed.
    pub sending_to: Option<Version>,
    /// Attempts that failed since the last that did not.
    pub failures: i32,
}

impl fmt::Debug for ClaimedWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimedWebhook({}, {})", self.id.0, self.attempt)
    }
}

/// What became of a claim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WebhookSettled {
    /// It is delivered up to there.
    Advanced(WebhookPlace),
    /// It is not; not to be tried before so many milliseconds are over.
    Failed {
        /// So many.
        wait_ms: i64,
        /// The receiver wants nothing more, ever.
        gone: bool,
    },
    /// Nothing was tried; to be claimed again after so many milliseconds.
    Released {
        /// So many.
        wait_ms: i64,
    },
}

/// The part of the [`super::Store`] that keeps outgoing webhooks.
///
/// Methods that name a user judge [`crate::permissions::Action::ManageIntegrations`] inside their transaction: `forbidden`
/// for other members, `not_a_member` and `room_not_found` as every read. `webhook_not_found` where the room has no such one.
#[async_trait]
pub trait WebhookStore: Send + Sync + 'static {
    /// Makes one that delivers what is written from now on.
    ///
    /// # Errors
    /// `too_many` at [`crate::limits::WEBHOOKS_PER_ROOM`].
    async fn create_webhook(
        &self,
        user: UserId,
        slug: &str,
        webhook: NewWebhook,
    ) -> StoreResult<WebhookRow>;

    /// Those of a room, the oldest first.
    async fn webhooks(&self, user: UserId, slug: &str) -> StoreResult<Vec<WebhookRow>>;

    /// Changes one.
    async fn edit_webhook(
        &self,
        user: UserId,
        slug: &str,
        id: WebhookId,
        edit: WebhookEdit,
    ) -> StoreResult<WebhookRow>;

    /// Removes one with its secrets and its attempts.
    async fn delete_webhook(&self, user: UserId, slug: &str, id: WebhookId) -> StoreResult<()>;

    /// Its last attempts, the latest first; at most [`crate::limits::WEBHOOK_ATTEMPTS`].
    async fn webhook_attempts(
        &self,
        user: UserId,
        slug: &str,
        id: WebhookId,
    ) -> StoreResult<Vec<AttemptRow>>;

    /// Where to send a test event, and what to sign it with.
    async fn webhook_target(
        &self,
        user: UserId,
        slug: &str,
        id: WebhookId,
    ) -> StoreResult<WebhookTarget>;

    /// Living rooms with a webhook that is on; at most `limit`.
    async fn rooms_with_webhooks(&self, limit: i64) -> StoreResult<Vec<RoomId>>;

    /// Takes up to `limit` webhooks that are on, due, in living rooms, have changes to deliver and are nobody else's, the
    /// longest due first. Each is leased to `owner` for [`crate::limits::WEBHOOK_LEASE_MS`] of database time.
    async fn claim_webhooks(
        &self,
        owner: InstanceId,
        limit: i64,
    ) -> StoreResult<Vec<ClaimedWebhook>>;

    /// Notes that the changes up to `to` are about to be sent; false when the claim is no longer `owner`'s.
    async fn begin_delivery(
        &self,
        owner: InstanceId,
        id: WebhookId,
        attempt: i64,
        to: Version,
    ) -> StoreResult<bool>;

    /// Ends a claim, and keeps what was tried; false, and nothing changes, when the claim is no longer `owner`'s. One that has
    /// failed for [`crate::limits::WEBHOOK_GIVE_UP_S`] is switched off.
    async fn settle_webhook(
        &self,
        owner: InstanceId,
        id: WebhookId,
        attempt: i64,
        settled: WebhookSettled,
        tried: Option<AttemptRow>,
    ) -> StoreResult<bool>;
}
