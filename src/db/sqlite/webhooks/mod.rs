//! Outgoing webhooks on SQLite. What one has to deliver is found by comparing two counters, so nothing is written with a message.
//! The one writer of the embedded database stands for every lock.

mod deliveries;

use async_trait::async_trait;
use diesel::prelude::*;
use secrecy::{ExposeSecret, SecretString};

use crate::db::StoreResult;
use crate::db::audit::{Act, NewAudit};
use crate::db::sqlite::SqliteStore;
use crate::db::sqlite::audit;
use crate::db::sqlite::columns::{Micros, SECOND, StoredId, named, now, storable, time};
use crate::db::sqlite::failure::{Failure, Work};
use crate::db::sqlite::rooms;
use crate::db::sqlite::schema::{
    outgoing_webhook_attempts as attempts, outgoing_webhook_places as places,
    outgoing_webhooks as webhooks, rooms as room_rows,
};
use crate::db::webhooks::{
    AttemptRow, ClaimedWebhook, NewWebhook, WebhookDisabled, WebhookEdit, WebhookEvents,
    WebhookOutcome, WebhookRow, WebhookSettled, WebhookStore, WebhookTarget,
};
use crate::error::ErrorCode;
use crate::ids::{InstanceId, RoomId, UserId, Version, WebhookId};
use crate::limits;
use crate::permissions::{Action, allows};

type AttemptColumns = (Micros, i64, i64, i32, String, Option<i32>, String, i32);
type WebhookColumns = (
    StoredId,
    StoredId,
    Micros,
    String,
    i32,
    bool,
    Option<String>,
    i64,
    i32,
);

/// The room, where the user may manage its webhooks.
fn managed(conn: &mut SqliteConnection, user: UserId, slug: &str) -> Work<crate::db::rows::Head> {
    let (view, role) = rooms::of_member(conn, user, slug)?;
    if !allows(role, Action::ManageIntegrations) {
        return Err(ErrorCode::Forbidden.into());
    }
    Ok(view.head)
}

/// The room, where it has this webhook and the user may manage it.
fn managed_one(
    conn: &mut SqliteConnection,
    user: UserId,
    slug: &str,
    id: WebhookId,
) -> Work<StoredId> {
    let room = StoredId(managed(conn, user, slug)?.room.0);
    let found: i64 = webhooks::table
        .filter(webhooks::id.eq(StoredId(id.0)))
        .filter(webhooks::room_id.eq(room))
        .count()
        .get_result(conn)?;
    if found == 0 {
        return Err(ErrorCode::WebhookNotFound.into());
    }
    Ok(room)
}

fn attempt_row(columns: AttemptColumns) -> Work<AttemptRow> {
    let (at, from, to, events, outcome, status, detail, took_ms) = columns;
    Ok(AttemptRow {
        at: time(at)?,
        from,
        to,
        events,
        outcome: named(WebhookOutcome::from_name, &outcome)?,
        status,
        detail,
        took_ms,
    })
}

fn tried(conn: &mut SqliteConnection, id: StoredId, limit: i64) -> Work<Vec<AttemptRow>> {
    let found = attempts::table
        .filter(attempts::webhook_id.eq(id))
        .order(attempts::attempt.desc())
        .limit(limit)
        .select((
            attempts::at,
            attempts::from_version,
            attempts::to_version,
            attempts::events,
            attempts::outcome,
            attempts::status,
            attempts::detail,
            attempts::took_ms,
        ))
        .load::<AttemptColumns>(conn)?;
    found.into_iter().map(attempt_row).collect()
}

fn rows(conn: &mut SqliteConnection, room: StoredId) -> Work<Vec<WebhookRow>> {
    let found = webhooks::table
        .filter(webhooks::room_id.eq(room))
        .order((webhooks::created_at, webhooks::id))
        .select((
            webhooks::id,
            webhooks::created_by,
            webhooks::created_at,
            webhooks::url,
            webhooks::events,
            webhooks::enabled,
            webhooks::disabled_reason,
            webhooks::version,
            webhooks::failures,
        ))
        .load::<WebhookColumns>(conn)?;
    found
        .into_iter()
        .map(
            |(id, by, at, url, events, enabled, reason, version, failures)| {
                Ok(WebhookRow {
                    id: WebhookId(id.0),
                    created_by: UserId(by.0),
                    created_at: time(at)?,
                    url,
                    events: WebhookEvents::from_mask(events),
                    enabled,
                    disabled_reason: reason
                        .map(|reason| named(WebhookDisabled::from_name, &reason))
                        .transpose()?,
                    version,
                    failures,
                    last: tried(conn, id, 1)?.into_iter().next(),
                })
            },
        )
        .collect()
}

fn one(conn: &mut SqliteConnection, room: StoredId, id: WebhookId) -> Work<WebhookRow> {
    let found = rows(conn, room)?.into_iter().find(|row| row.id == id);
    Ok(found.ok_or(ErrorCode::WebhookNotFound)?)
}

fn create(
    conn: &mut SqliteConnection,
    user: UserId,
    slug: &str,
    new: &NewWebhook,
) -> Work<WebhookRow> {
    let head = managed(conn, user, slug)?;
    let room = StoredId(head.room.0);
    let there: i64 = webhooks::table
        .filter(webhooks::room_id.eq(room))
        .count()
        .get_result(conn)?;
    if there >= limits::WEBHOOKS_PER_ROOM {
        return Err(ErrorCode::TooMany.into());
    }
    let at = now();
    diesel::insert_into(webhooks::table)
        .values((
            webhooks::id.eq(StoredId(new.id.0)),
            webhooks::room_id.eq(room),
            webhooks::created_by.eq(StoredId(user.0)),
            webhooks::created_at.eq(at),
            webhooks::url.eq(storable(&new.url)?),
            webhooks::events.eq(new.events.mask()),
            webhooks::secret.eq(new.secret.expose_secret()),
            webhooks::epoch.eq(head.epoch.0),
            webhooks::version.eq(head.version),
            webhooks::seen_seq.eq(head.last_seq),
            webhooks::next_at.eq(at),
        ))
        .execute(conn)?;
    note(conn, Act::WebhookMade, user, room, new.id)?;
    one(conn, room, new.id)
}

fn edit(
    conn: &mut SqliteConnection,
    user: UserId,
    slug: &str,
    id: WebhookId,
    edit: &WebhookEdit,
) -> Work<WebhookRow> {
    let room = managed_one(conn, user, slug, id)?;
    let (row, at) = (webhooks::table.find(StoredId(id.0)), now());
    if let Some(url) = &edit.url {
        let set = webhooks::url.eq(storable(url)?);
        diesel::update(row).set(set).execute(conn)?;
    }
    if let Some(events) = edit.events {
        let set = webhooks::events.eq(events.mask());
        diesel::update(row).set(set).execute(conn)?;
    }
    if let Some(enabled) = edit.enabled {
        let set = (
            webhooks::enabled.eq(enabled),
            webhooks::disabled_reason.eq(None::<String>),
        );
        diesel::update(row).set(set).execute(conn)?;
    }
    let place = places::table.find(StoredId(id.0));
    if edit.enabled == Some(true) {
        let set = (
            places::failures.eq(0),
            places::failing_since.eq(None::<Micros>),
        );
        diesel::update(place).set(set).execute(conn)?;
    }
    if edit.enabled == Some(true) || edit.url.is_some() {
        let set = places::next_at.eq(at);
        diesel::update(place).set(set).execute(conn)?;
    }
    if let Some(secret) = &edit.secret {
        let former: String = row.select(webhooks::secret).first(conn)?;
        let until = at + limits::WEBHOOK_SECRET_OVERLAP_S * SECOND;
        let set = (
            webhooks::secret.eq(secret.expose_secret()),
            webhooks::former_secret.eq(Some(former)),
            webhooks::former_until.eq(Some(until)),
        );
        diesel::update(row).set(set).execute(conn)?;
    }
    let act = match edit.secret {
        Some(_) => Act::WebhookRotated,
        None => Act::WebhookChanged,
    };
    note(conn, act, user, room, id)?;
    one(conn, room, id)
}

/// What the audit log says of it.
fn note(
    conn: &mut SqliteConnection,
    act: Act,
    actor: UserId,
    room: StoredId,
    id: WebhookId,
) -> Work<()> {
    let note = NewAudit::of(act).by(actor).in_room(RoomId(room.0));
    audit::insert(conn, &note.saying(format!("webhook {id}")))
}

fn delete(conn: &mut SqliteConnection, user: UserId, slug: &str, id: WebhookId) -> Work<()> {
    let room = managed_one(conn, user, slug, id)?;
    diesel::delete(webhooks::table.find(StoredId(id.0))).execute(conn)?;
    note(conn, Act::WebhookRemoved, user, room, id)
}

fn target(
    conn: &mut SqliteConnection,
    user: UserId,
    slug: &str,
    id: WebhookId,
) -> Work<WebhookTarget> {
    managed_one(conn, user, slug, id)?;
    let (url, secret, former, until) = webhooks::table
        .find(StoredId(id.0))
        .select((
            webhooks::url,
            webhooks::secret,
            webhooks::former_secret,
            webhooks::former_until,
        ))
        .first::<(String, String, Option<String>, Option<Micros>)>(conn)?;
    let former = former.filter(|_| until.is_some_and(|until| until > now()));
    Ok(WebhookTarget {
        url,
        secrets: secrets(secret, former),
    })
}

fn secrets(secret: String, former: Option<String>) -> Vec<SecretString> {
    std::iter::once(secret)
        .chain(former)
        .map(SecretString::from)
        .collect()
}

fn watched(conn: &mut SqliteConnection, limit: i64) -> Work<Vec<RoomId>> {
    let found = webhooks::table
        .inner_join(room_rows::table)
        .filter(room_rows::deleted_at.is_null())
        .filter(webhooks::enabled.eq(true))
        .select(webhooks::room_id)
        .distinct()
        .limit(limit)
        .load::<StoredId>(conn)?;
    Ok(found.into_iter().map(|room| RoomId(room.0)).collect())
}

/// Webhooks of rooms that are gone, with their secrets.
pub(super) fn sweep(conn: &mut SqliteConnection) -> Result<usize, Failure> {
    let gone = room_rows::table
        .filter(room_rows::deleted_at.is_not_null())
        .select(room_rows::id);
    Ok(diesel::delete(webhooks::table.filter(webhooks::room_id.eq_any(gone))).execute(conn)?)
}

#[async_trait]
impl WebhookStore for SqliteStore {
    async fn create_webhook(
        &self,
        user: UserId,
        slug: &str,
        webhook: NewWebhook,
    ) -> StoreResult<WebhookRow> {
        let slug = slug.to_owned();
        self.write(move |conn| create(conn, user, &slug, &webhook))
            .await
    }

    async fn webhooks(&self, user: UserId, slug: &str) -> StoreResult<Vec<WebhookRow>> {
        let slug = slug.to_owned();
        self.read(move |conn| {
            let room = managed(conn, user, &slug)?.room;
            rows(conn, StoredId(room.0))
        })
        .await
    }

    async fn edit_webhook(
        &self,
        user: UserId,
        slug: &str,
        id: WebhookId,
        change: WebhookEdit,
    ) -> StoreResult<WebhookRow> {
        let slug = slug.to_owned();
        self.write(move |conn| edit(conn, user, &slug, id, &change))
            .await
    }

    async fn delete_webhook(&self, user: UserId, slug: &str, id: WebhookId) -> StoreResult<()> {
        let slug = slug.to_owned();
        self.write(move |conn| delete(conn, user, &slug, id)).await
    }

    async fn webhook_attempts(
        &self,
        user: UserId,
        slug: &str,
        id: WebhookId,
    ) -> StoreResult<Vec<AttemptRow>> {
        let slug = slug.to_owned();
        self.read(move |conn| {
            managed_one(conn, user, &slug, id)?;
            tried(conn, StoredId(id.0), limits::WEBHOOK_ATTEMPTS)
        })
        .await
    }

    async fn webhook_target(
        &self,
        user: UserId,
        slug: &str,
        id: WebhookId,
    ) -> StoreResult<WebhookTarget> {
        let slug = slug.to_owned();
        self.read(move |conn| target(conn, user, &slug, id)).await
    }

    async fn rooms_with_webhooks(&self, limit: i64) -> StoreResult<Vec<RoomId>> {
        self.read(move |conn| watched(conn, limit)).await
    }

    async fn claim_webhooks(
        &self,
        owner: InstanceId,
        limit: i64,
    ) -> StoreResult<Vec<ClaimedWebhook>> {
        self.write(move |conn| deliveries::claim(conn, owner, limit))
            .await
    }

    async fn begin_delivery(
        &self,
        owner: InstanceId,
        id: WebhookId,
        attempt: i64,
        to: Version,
    ) -> StoreResult<bool> {
        self.write(move |conn| deliveries::begin(conn, owner, id, attempt, to))
            .await
    }

    async fn settle_webhook(
        &self,
        owner: InstanceId,
        id: WebhookId,
        attempt: i64,
        settled: WebhookSettled,
        tried: Option<AttemptRow>,
    ) -> StoreResult<bool> {
        self.write(move |conn| {
            deliveries::settle(conn, owner, id, attempt, &settled, tried.as_ref())
        })
        .await
    }
}
