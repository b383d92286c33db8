//! The SQL of outgoing webhooks, each statement with its values by name, and its rows as they come.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types as sql;
use uuid::Uuid;

use crate::db::postgres::records::word;
use crate::db::postgres::statement::statement;
use crate::db::webhooks::{AttemptRow, WebhookDisabled, WebhookEvents, WebhookOutcome, WebhookRow};
use crate::db::{StoreError, StoreResult};
use crate::ids::{UserId, WebhookId};

statement!(
    /// The room's lock and its counters: webhooks of one room are made one after the other, and begin at a head that stands.
    LockRoom { slug: String } -> (Uuid, i64, i64, i64),
    "SELECT h.room_id, h.epoch, h.version, h.last_seq FROM room_heads h JOIN rooms r ON r.id = h.room_id \
     WHERE r.slug = $1 AND r.deleted_at IS NULL FOR NO KEY UPDATE OF h"
);
statement!(
    /// What the user is in the room.
    FindRole { user: Uuid, slug: String } -> (Option<String>, String),
    "SELECT own.role, r.visibility FROM rooms r \
     LEFT JOIN memberships own ON own.room_id = r.id AND own.user_id = $1 \
     WHERE r.slug = $2 AND r.deleted_at IS NULL"
);
statement!(
    /// Makes one, unless there are too many.
    Create {
        id: Uuid, room: Uuid, user: Uuid, url: String, events: i32, secret: String,
        epoch: i64, version: i64, last_seq: i64, most: i64,
    },
    "INSERT INTO outgoing_webhooks (id, room_id, created_by, url, events, secret, epoch, version, seen_seq) \
     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 \
     WHERE (SELECT count(*) FROM outgoing_webhooks WHERE room_id = $2) < $10"
);

/// The columns of a [`WebhookRecord`], from `outgoing_webhooks w` and its last attempt `a`.
macro_rules! webhook_columns {
    () => {
        "w.id, w.created_by, w.created_at, w.url, w.events, w.enabled, w.disabled_reason, w.version, w.failures, \
         a.at, a.from_version, a.to_version, a.events AS tried_events, a.outcome, a.status, a.detail, a.took_ms"
    };
}
/// That last attempt.
macro_rules! last_attempt {
    () => {
        "LEFT JOIN LATERAL (SELECT * FROM outgoing_webhook_attempts t WHERE t.webhook_id = w.id \
         ORDER BY t.attempt DESC LIMIT 1) a ON true"
    };
}

statement!(
    /// Those of a room, with the reader's right to know.
    List { user: Uuid, slug: String } -> struct ListedRecord,
    concat!(
        "SELECT own.role, r.visibility, ", webhook_columns!(), " FROM rooms r \
         LEFT JOIN memberships own ON own.room_id = r.id AND own.user_id = $1 \
         LEFT JOIN outgoing_webhooks w ON w.room_id = r.id ", last_attempt!(), " \
         WHERE r.slug = $2 AND r.deleted_at IS NULL ORDER BY w.created_at, w.id"
    )
);
statement!(
    /// One, after it was written.
    FindOne { id: Uuid } -> struct WebhookRecord,
    concat!(
        "SELECT ", webhook_columns!(), " FROM outgoing_webhooks w ", last_attempt!(), " WHERE w.id = $1"
    )
);
statement!(
    /// Changes one. Switched on it is due at once, as if nothing had failed; with another target too.
    Edit {
        id: Uuid, room: Uuid, url: Option<String>, events: Option<i32>, enabled: Option<bool>, secret: Option<String>,
        overlap_s: i64,
    },
    "UPDATE outgoing_webhooks SET url = coalesce($3, url), events = coalesce($4, events), \
         enabled = coalesce($5, enabled), \
         disabled_reason = CASE WHEN $5 IS NULL THEN disabled_reason END, \
         failures = CASE WHEN $5 THEN 0 ELSE failures END, \
         failing_since = CASE WHEN $5 THEN NULL ELSE failing_since END, \
         next_at = CASE WHEN $5 OR $3 IS NOT NULL THEN clock_timestamp() ELSE next_at END, \
         former_secret = CASE WHEN $6 IS NULL THEN former_secret ELSE secret END, \
         former_until = CASE WHEN $6 IS NULL THEN former_until \
             ELSE clock_timestamp() + $7 * interval '1 second' END, \
         secret = coalesce($6, secret) \
     WHERE id = $1 AND room_id = $2"
);
statement!(
    /// Removes one with its attempts.
    Delete { id: Uuid, room: Uuid },
    "DELETE FROM outgoing_webhooks WHERE id = $1 AND room_id = $2"
);
statement!(
    /// What was tried, the latest first, with the reader's right to know.
    Attempts { user: Uuid, slug: String, id: Uuid, limit: i64 } -> struct TriedRecord,
    "SELECT own.role, r.visibility, w.id AS webhook, \
         a.at, a.from_version, a.to_version, a.events AS tried_events, a.outcome, a.status, a.detail, a.took_ms \
     FROM rooms r LEFT JOIN memberships own ON own.room_id = r.id AND own.user_id = $1 \
     LEFT JOIN outgoing_webhooks w ON w.room_id = r.id AND w.id = $3 \
     LEFT JOIN LATERAL (SELECT * FROM outgoing_webhook_attempts t WHERE t.webhook_id = w.id \
         ORDER BY t.attempt DESC LIMIT $4) a ON true \
     WHERE r.slug = $2 AND r.deleted_at IS NULL ORDER BY a.attempt DESC"
);
statement!(
    /// Where to and what with, with the asker's right to know.
    Target { user: Uuid, slug: String, id: Uuid }
        -> (Option<String>, String, Option<String>, Option<String>, Option<String>),
    "SELECT own.role, r.visibility, w.url, w.secret, \
         CASE WHEN w.former_until > clock_timestamp() THEN w.former_secret END \
     FROM rooms r LEFT JOIN memberships own ON own.room_id = r.id AND own.user_id = $1 \
     LEFT JOIN outgoing_webhooks w ON w.room_id = r.id AND w.id = $3 \
     WHERE r.slug = $2 AND r.deleted_at IS NULL"
);
statement!(
    /// Rooms that somebody is told of.
    Rooms { limit: i64 } -> (Uuid,),
    "SELECT DISTINCT w.room_id FROM outgoing_webhooks w JOIN rooms r ON r.id = w.room_id AND r.deleted_at IS NULL \
     WHERE w.enabled LIMIT $1"
);
statement!(
    /// Takes what is due and nobody else's.
    Claim { owner: Uuid, limit: i64, lease_ms: i64 }
        -> (Uuid, Uuid, String, i64, String, i32, String, Option<String>, i64, i64, i64, Vec<i64>, Option<i64>, i32),
    "WITH picked AS ( \
         SELECT w.id, r.slug FROM outgoing_webhooks w JOIN rooms r ON r.id = w.room_id AND r.deleted_at IS NULL \
         JOIN room_heads h ON h.room_id = w.room_id AND (h.version <> w.version OR h.epoch <> w.epoch) \
         JOIN users c ON c.id = w.created_by AND c.disabled_at IS NULL \
         WHERE w.enabled AND w.next_at <= clock_timestamp() \
           AND (w.lease_until IS NULL OR w.lease_until < clock_timestamp()) \
         ORDER BY w.next_at, w.id LIMIT $2 FOR UPDATE OF w SKIP LOCKED \
     ) \
     UPDATE outgoing_webhooks w SET attempt = w.attempt + 1, lease_owner = $1, \
         lease_until = clock_timestamp() + $3 * interval '1 millisecond' \
     FROM picked WHERE w.id = picked.id \
     RETURNING w.id, w.room_id, picked.slug, w.attempt, w.url, w.events, w.secret, \
         CASE WHEN w.former_until > clock_timestamp() THEN w.former_secret END, \
         w.epoch, w.version, w.seen_seq, w.awaited, w.sending_to, w.failures"
);
statement!(
    /// What is about to be sent.
    Begin { owner: Uuid, id: Uuid, attempt: i64, to: i64 },
    "UPDATE outgoing_webhooks SET sending_to = $4 WHERE id = $2 AND attempt = $3 AND lease_owner = $1"
);
statement!(
    /// It is delivered.
    Advance {
        owner: Uuid, id: Uuid, attempt: i64, epoch: i64, version: i64, seen_seq: i64, awaited: Vec<i64>,
    },
    "UPDATE outgoing_webhooks SET epoch = $4, version = $5, seen_seq = $6, awaited = $7, sending_to = NULL, \
         next_at = clock_timestamp(), lease_owner = NULL, lease_until = NULL, failures = 0, failing_since = NULL \
     WHERE id = $2 AND attempt = $3 AND lease_owner = $1"
);
statement!(
    /// It is not; after days of it, it never will be. The wait is at most an hour, so this is looked at.
    Fail { owner: Uuid, id: Uuid, attempt: i64, wait_ms: i64, gone: bool, give_up_s: i64 },
    "UPDATE outgoing_webhooks SET failures = failures + 1, failing_since = coalesce(failing_since, clock_timestamp()), \
         next_at = clock_timestamp() + $4 * interval '1 millisecond', lease_owner = NULL, lease_until = NULL, \
         enabled = enabled AND NOT $5 \
             AND coalesce(failing_since > clock_timestamp() - $6 * interval '1 second', true), \
         disabled_reason = CASE WHEN NOT enabled THEN disabled_reason WHEN $5 THEN 'gone' \
             WHEN failing_since <= clock_timestamp() - $6 * interval '1 second' THEN 'failing' END \
     WHERE id = $2 AND attempt = $3 AND lease_owner = $1"
);
statement!(
    /// Nothing was tried.
    GiveBack { owner: Uuid, id: Uuid, attempt: i64, wait_ms: i64 },
    "UPDATE outgoing_webhooks SET lease_owner = NULL, lease_until = NULL, \
         next_at = clock_timestamp() + $4 * interval '1 millisecond' \
     WHERE id = $2 AND attempt = $3 AND lease_owner = $1"
);
statement!(
    /// Keeps what was tried.
    Keep {
        id: Uuid, attempt: i64, from: i64, to: i64, events: i32, outcome: String, status: Option<i32>,
        detail: String, took_ms: i32,
    },
    "INSERT INTO outgoing_webhook_attempts \
         (webhook_id, attempt, from_version, to_version, events, outcome, status, detail, took_ms) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
);
statement!(
    /// Forgets all but the last ones.
    Forget { id: Uuid, kept: i64 },
    "DELETE FROM outgoing_webhook_attempts WHERE webhook_id = $1 AND attempt <= \
     (SELECT attempt FROM outgoing_webhook_attempts WHERE webhook_id = $1 ORDER BY attempt DESC OFFSET $2 LIMIT 1)"
);
statement!(
    /// Webhooks of rooms that are gone, with their secrets.
    Sweep {},
    "DELETE FROM outgoing_webhooks WHERE id IN (SELECT w.id FROM outgoing_webhooks w \
     JOIN rooms r ON r.id = w.room_id AND r.deleted_at IS NOT NULL ORDER BY w.id LIMIT 1000 FOR UPDATE OF w SKIP LOCKED)"
);

/// What was tried, or nothing where nothing was.
#[derive(QueryableByName, Debug)]
pub(super) struct AttemptRecord {
    #[diesel(sql_type = sql::Nullable<sql::Timestamptz>)]
    at: Option<DateTime<Utc>>,
    #[diesel(sql_type = sql::Nullable<sql::BigInt>)]
    from_version: Option<i64>,
    #[diesel(sql_type = sql::Nullable<sql::BigInt>)]
    to_version: Option<i64>,
    #[diesel(sql_type = sql::Nullable<sql::Integer>)]
    tried_events: Option<i32>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    outcome: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Integer>)]
    status: Option<i32>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    detail: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Integer>)]
    took_ms: Option<i32>,
}

/// A webhook, or nothing where a room has none.
#[derive(QueryableByName, Debug)]
pub(super) struct WebhookRecord {
    #[diesel(sql_type = sql::Nullable<sql::Uuid>)]
    id: Option<Uuid>,
    #[diesel(sql_type = sql::Nullable<sql::Uuid>)]
    created_by: Option<Uuid>,
    #[diesel(sql_type = sql::Nullable<sql::Timestamptz>)]
    created_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    url: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Integer>)]
    events: Option<i32>,
    #[diesel(sql_type = sql::Nullable<sql::Bool>)]
    enabled: Option<bool>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    disabled_reason: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::BigInt>)]
    version: Option<i64>,
    #[diesel(sql_type = sql::Nullable<sql::Integer>)]
    failures: Option<i32>,
    #[diesel(embed)]
    last: AttemptRecord,
}

/// A row of [`List`].
#[derive(QueryableByName, Debug)]
pub(super) struct ListedRecord {
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    pub(super) role: Option<String>,
    #[diesel(sql_type = sql::Text)]
    pub(super) visibility: String,
    #[diesel(embed)]
    pub(super) webhook: WebhookRecord,
}

/// A row of [`Attempts`].
#[derive(QueryableByName, Debug)]
pub(super) struct TriedRecord {
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    pub(super) role: Option<String>,
    #[diesel(sql_type = sql::Text)]
    pub(super) visibility: String,
    #[diesel(sql_type = sql::Nullable<sql::Uuid>)]
    pub(super) webhook: Option<Uuid>,
    #[diesel(embed)]
    pub(super) tried: AttemptRecord,
}

impl AttemptRecord {
    pub(super) fn into_row(self) -> StoreResult<Option<AttemptRow>> {
        let (Some(at), Some(outcome)) = (self.at, self.outcome) else {
            return Ok(None);
        };
        Ok(Some(AttemptRow {
            at,
            from: self.from_version.unwrap_or_default(),
            to: self.to_version.unwrap_or_default(),
            events: self.tried_events.unwrap_or_default(),
            outcome: word(&outcome, WebhookOutcome::from_name)?,
            status: self.status,
            detail: self.detail.unwrap_or_default(),
            took_ms: self.took_ms.unwrap_or_default(),
        }))
    }
}

impl WebhookRecord {
    pub(super) fn into_row(self) -> StoreResult<Option<WebhookRow>> {
        let Some(id) = self.id else {
            return Ok(None);
        };
        let missing = || StoreError::Broken("a webhook lacks a column".into());
        let reason = self.disabled_reason.as_deref();
        Ok(Some(WebhookRow {
            id: WebhookId(id),
            created_by: UserId(self.created_by.ok_or_else(missing)?),
            created_at: self.created_at.ok_or_else(missing)?,
            url: self.url.ok_or_else(missing)?,
            events: WebhookEvents::from_mask(self.events.ok_or_else(missing)?),
            enabled: self.enabled.ok_or_else(missing)?,
            disabled_reason: reason
                .map(|reason| word(reason, WebhookDisabled::from_name))
                .transpose()?,
            version: self.version.ok_or_else(missing)?,
            failures: self.failures.ok_or_else(missing)?,
            last: self.last.into_row()?,
        }))
    }
}
