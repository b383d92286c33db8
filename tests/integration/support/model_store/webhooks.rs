//! Outgoing webhooks in the model: a place in a room's changes, a lease, and what was tried last.

use async_trait::async_trait;
use chrono::TimeDelta;
use salon::db::StoreResult;
use salon::db::audit::{Act, AuditRoom, NewAudit};
use salon::db::rows::Visibility;
use salon::db::webhooks::{
    AttemptRow, ClaimedWebhook, NewWebhook, WebhookDisabled, WebhookEdit, WebhookPlace, WebhookRow,
    WebhookSettled, WebhookStore, WebhookTarget,
};
use salon::error::ErrorCode;
use salon::ids::{InstanceId, RoomId, UserId, Version, WebhookId};
use salon::limits;
use salon::permissions::{Action, allows};
use secrecy::SecretString;

use super::tables::{Room, Tables};
use super::{ModelStore, Moment, no, storable};

/// A webhook.
#[derive(Debug)]
pub(crate) struct Webhook {
    room: RoomId,
    row: WebhookRow,
    secret: SecretString,
    former: Option<(SecretString, Moment)>,
    place: WebhookPlace,
    sending_to: Option<Version>,
    next_at: Moment,
    lease: Option<(InstanceId, Moment)>,
    attempt: i64,
    failing_since: Option<Moment>,
    /// By attempt, the latest last.
    tried: Vec<AttemptRow>,
}

impl Webhook {
    fn target(&self, now: Moment) -> WebhookTarget {
        let former = self.former.iter().filter(|(_, until)| *until > now);
        let former = former.map(|(secret, _)| secret.clone());
        WebhookTarget {
            url: self.row.url.clone(),
            secrets: std::iter::once(self.secret.clone()).chain(former).collect(),
        }
    }

    /// As it is shown.
    fn shown(&self) -> WebhookRow {
        WebhookRow {
            version: self.place.version,
            last: self.tried.last().cloned(),
            ..self.row.clone()
        }
    }

    fn is_due(&self, room: &Room, now: Moment) -> bool {
        let (head, place) = (&room.head, &self.place);
        self.row.enabled
            && !room.deleted
            && (head.version, head.epoch) != (place.version, place.epoch)
            && self.next_at <= now
            && self.lease.is_none_or(|(_, until)| until < now)
    }

    fn is_held(&self, owner: InstanceId, attempt: i64) -> bool {
        self.attempt == attempt && self.lease.is_some_and(|(holder, _)| holder == owner)
    }

    fn fail(&mut self, wait_ms: i64, gone: bool, now: Moment) {
        self.row.failures += 1;
        self.next_at = now + TimeDelta::milliseconds(wait_ms);
        let since = *self.failing_since.get_or_insert(now);
        let long = since <= now - TimeDelta::seconds(limits::WEBHOOK_GIVE_UP_S);
        if self.row.enabled && (gone || long) {
            let reason = [WebhookDisabled::Failing, WebhookDisabled::Gone];
            self.row.enabled = false;
            self.row.disabled_reason = Some(reason[usize::from(gone)]);
        }
    }
}

impl Tables {
    /// The room, where the user may manage its webhooks.
    fn managed_room(&self, user: UserId, slug: &str) -> StoreResult<&Room> {
        let Some(room) = self.by_slug(slug).filter(|room| !room.deleted) else {
            return no(ErrorCode::RoomNotFound);
        };
        match room.members.get(&user) {
            Some(role) if allows(*role, Action::ManageIntegrations) => Ok(room),
            Some(_) => no(ErrorCode::Forbidden),
            None if room.row.visibility == Visibility::Public => no(ErrorCode::NotAMember),
            None => no(ErrorCode::RoomNotFound),
        }
    }

    fn webhook(&mut self, user: UserId, slug: &str, id: WebhookId) -> StoreResult<&mut Webhook> {
        let room = self.managed_room(user, slug)?.row.id;
        match self.webhooks.get_mut(&id) {
            Some(webhook) if webhook.room == room => Ok(webhook),
            _ => no(ErrorCode::WebhookNotFound),
        }
    }

    fn note_webhook(&mut self, act: Act, user: UserId, slug: &str, id: WebhookId, now: Moment) {
        let note = NewAudit {
            room: AuditRoom::named(slug),
            ..NewAudit::of(act).by(user)
        };
        self.note(note.saying(format!("webhook {id}")), now);
    }

    fn create_webhook(
        &mut self,
        user: UserId,
        slug: &str,
        new: NewWebhook,
        now: Moment,
    ) -> StoreResult<WebhookRow> {
        let room = self.managed_room(user, slug)?;
        storable(&new.url)?;
        let there = self.webhooks.values().filter(|it| it.room == room.row.id);
        if there.count() >= usize::try_from(limits::WEBHOOKS_PER_ROOM).unwrap() {
            return no(ErrorCode::TooMany);
        }
        let webhook = Webhook {
            room: room.row.id,
            row: WebhookRow {
                id: new.id,
                created_by: user,
                created_at: now,
                url: new.url,
                events: new.events,
                enabled: true,
                disabled_reason: None,
                version: room.head.version,
                failures: 0,
                last: None,
            },
            secret: new.secret,
            former: None,
            place: WebhookPlace {
                epoch: room.head.epoch,
                version: room.head.version,
                seen_seq: room.head.last_seq,
                awaited: Vec::new(),
            },
            sending_to: None,
            next_at: now,
            lease: None,
            attempt: 0,
            failing_since: None,
            tried: Vec::new(),
        };
        let shown = webhook.shown();
        self.webhooks.insert(new.id, webhook);
        Ok(shown)
    }

    fn edit_webhook(
        webhook: &mut Webhook,
        edit: WebhookEdit,
        now: Moment,
    ) -> StoreResult<WebhookRow> {
        if let Some(url) = edit.url {
            storable(&url)?;
            webhook.row.url = url;
            webhook.next_at = now;
        }
        if let Some(events) = edit.events {
            webhook.row.events = events;
        }
        if let Some(enabled) = edit.enabled {
            webhook.row.enabled = enabled;
            webhook.row.disabled_reason = None;
        }
        if edit.enabled == Some(true) {
            webhook.row.failures = 0;
            webhook.failing_since = None;
            webhook.next_at = now;
        }
        if let Some(secret) = edit.secret {
            let until = now + TimeDelta::seconds(limits::WEBHOOK_SECRET_OVERLAP_S);
            let former = std::mem::replace(&mut webhook.secret, secret);
            webhook.former = Some((former, until));
        }
        Ok(webhook.shown())
    }

    fn claim_webhooks(
        &mut self,
        owner: InstanceId,
        limit: i64,
        now: Moment,
    ) -> Vec<ClaimedWebhook> {
        let due = |(id, webhook): (&WebhookId, &Webhook)| {
            let room = self.rooms.get(&webhook.room)?;
            let rests = self.users.get(&webhook.row.created_by);
            let rests = rests.is_some_and(|maker| maker.disabled.is_some());
            (!rests && webhook.is_due(room, now)).then_some((webhook.next_at, *id))
        };
        let mut due: Vec<(Moment, WebhookId)> = self.webhooks.iter().filter_map(due).collect();
        due.sort();
        due.truncate(usize::try_from(limit).unwrap_or(0));
        let lease = now + TimeDelta::milliseconds(limits::WEBHOOK_LEASE_MS.cast_signed());
        let claim = |(_, id): (Moment, WebhookId)| {
            let webhook = self.webhooks.get_mut(&id)?;
            webhook.attempt += 1;
            webhook.lease = Some((owner, lease));
            Some(ClaimedWebhook {
                id,
                room: webhook.room,
                slug: self.rooms.get(&webhook.room)?.row.slug.clone(),
                attempt: webhook.attempt,
                target: webhook.target(now),
                events: webhook.row.events,
                place: webhook.place.clone(),
                sending_to: webhook.sending_to,
                failures: webhook.row.failures,
            })
        };
        due.into_iter().filter_map(claim).collect()
    }

    fn held_webhook(
        &mut self,
        owner: InstanceId,
        id: WebhookId,
        attempt: i64,
    ) -> Option<&mut Webhook> {
        let webhook = self.webhooks.get_mut(&id)?;
        webhook.is_held(owner, attempt).then_some(webhook)
    }

    fn settle_webhook(
        webhook: &mut Webhook,
        settled: WebhookSettled,
        tried: Option<AttemptRow>,
        now: Moment,
    ) -> StoreResult<bool> {
        if let Some(tried) = &tried {
            storable(&tried.detail)?;
        }
        webhook.lease = None;
        match settled {
            WebhookSettled::Advanced(place) => {
                webhook.place = place;
                webhook.sending_to = None;
                webhook.next_at = now;
                webhook.row.failures = 0;
                webhook.failing_since = None;
            }
            WebhookSettled::Failed { wait_ms, gone } => webhook.fail(wait_ms, gone, now),
            WebhookSettled::Released { wait_ms } => {
                webhook.next_at = now + TimeDelta::milliseconds(wait_ms);
            }
        }
        webhook
            .tried
            .extend(tried.map(|tried| AttemptRow { at: now, ..tried }));
        let kept = usize::try_from(limits::WEBHOOK_ATTEMPTS).unwrap();
        let old = webhook.tried.len().saturating_sub(kept);
        webhook.tried.drain(..old);
        Ok(true)
    }

    /// Removes those that somebody made.
    pub(super) fn forget_webhooks_of(&mut self, user: UserId) {
        self.webhooks
            .retain(|_, webhook| webhook.row.created_by != user);
    }

    /// Removes those of rooms that are gone; how many.
    pub(super) fn sweep_webhooks(&mut self) -> u64 {
        let before = self.webhooks.len();
        let rooms = &self.rooms;
        self.webhooks
            .retain(|_, webhook| rooms.get(&webhook.room).is_some_and(|room| !room.deleted));
        (before - self.webhooks.len()) as u64
    }
}

#[async_trait]
impl WebhookStore for ModelStore {
    async fn create_webhook(
        &self,
        user: UserId,
        slug: &str,
        webhook: NewWebhook,
    ) -> StoreResult<WebhookRow> {
        self.unit(|tables, now| {
            let made = tables.create_webhook(user, slug, webhook, now)?;
            tables.note_webhook(Act::WebhookMade, user, slug, made.id, now);
            Ok(made)
        })
    }

    async fn webhooks(&self, user: UserId, slug: &str) -> StoreResult<Vec<WebhookRow>> {
        self.unit(|tables, _| {
            let room = tables.managed_room(user, slug)?.row.id;
            let own = tables.webhooks.values().filter(|it| it.room == room);
            let mut rows: Vec<WebhookRow> = own.map(Webhook::shown).collect();
            rows.sort_by_key(|row| (row.created_at, row.id));
            Ok(rows)
        })
    }

    async fn edit_webhook(
        &self,
        user: UserId,
        slug: &str,
        id: WebhookId,
        edit: WebhookEdit,
    ) -> StoreResult<WebhookRow> {
        self.unit(|tables, now| {
            let act = match edit.secret {
                Some(_) => Act::WebhookRotated,
                None => Act::WebhookChanged,
            };
            let edited = Tables::edit_webhook(tables.webhook(user, slug, id)?, edit, now)?;
            tables.note_webhook(act, user, slug, id, now);
            Ok(edited)
        })
    }

    async fn delete_webhook(&self, user: UserId, slug: &str, id: WebhookId) -> StoreResult<()> {
        self.unit(|tables, now| {
            tables.webhook(user, slug, id)?;
            tables.webhooks.remove(&id);
            tables.note_webhook(Act::WebhookRemoved, user, slug, id, now);
            Ok(())
        })
    }

    async fn webhook_attempts(
        &self,
        user: UserId,
        slug: &str,
        id: WebhookId,
    ) -> StoreResult<Vec<AttemptRow>> {
        self.unit(|tables, _| {
            let webhook = tables.webhook(user, slug, id)?;
            Ok(webhook.tried.iter().rev().cloned().collect())
        })
    }

    async fn webhook_target(
        &self,
        user: UserId,
        slug: &str,
        id: WebhookId,
    ) -> StoreResult<WebhookTarget> {
        self.unit(|tables, now| Ok(tables.webhook(user, slug, id)?.target(now)))
    }

    async fn rooms_with_webhooks(&self, limit: i64) -> StoreResult<Vec<RoomId>> {
        Ok(self.unit(|tables, _| {
            let living = |room: &Room| {
                let mut own = tables.webhooks.values().filter(|it| it.room == room.row.id);
                !room.deleted && own.any(|it| it.row.enabled)
            };
            let rooms = tables.rooms.values().filter(|room| living(room));
            let rooms = rooms.map(|room| room.row.id);
            rooms.take(usize::try_from(limit).unwrap_or(0)).collect()
        }))
    }

    async fn claim_webhooks(
        &self,
        owner: InstanceId,
        limit: i64,
    ) -> StoreResult<Vec<ClaimedWebhook>> {
        Ok(self.unit(|tables, now| tables.claim_webhooks(owner, limit, now)))
    }

    async fn begin_delivery(
        &self,
        owner: InstanceId,
        id: WebhookId,
        attempt: i64,
        to: Version,
    ) -> StoreResult<bool> {
        Ok(self.unit(|tables, _| {
            let held = tables.held_webhook(owner, id, attempt);
            held.map(|webhook| webhook.sending_to = Some(to)).is_some()
        }))
    }

    async fn settle_webhook(
        &self,
        owner: InstanceId,
        id: WebhookId,
        attempt: i64,
        settled: WebhookSettled,
        tried: Option<AttemptRow>,
    ) -> StoreResult<bool> {
        self.unit(
            |tables, now| match tables.held_webhook(owner, id, attempt) {
                Some(webhook) => Tables::settle_webhook(webhook, settled, tried, now),
                None => Ok(false),
            },
        )
    }
}
