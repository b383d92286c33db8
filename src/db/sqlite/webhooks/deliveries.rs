//! What deliveries write: claims, what was begun, what came of it. Every write names the attempt, so whoever lost its lease
//! changes nothing.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text};

use super::secrets;
use crate::db::sqlite::columns::{Micros, SECOND, StoredId, now, storable};
use crate::db::sqlite::failure::Work;
use crate::db::sqlite::schema::{
    outgoing_webhook_attempts as attempts, outgoing_webhook_places as places,
};
use crate::db::webhooks::{
    AttemptRow, ClaimedWebhook, WebhookDisabled, WebhookEvents, WebhookPlace, WebhookSettled,
    WebhookTarget,
};
use crate::ids::{Epoch, InstanceId, RoomId, Version, WebhookId};
use crate::limits;

#[derive(QueryableByName)]
struct Due {
    #[diesel(sql_type = Binary)]
    id: StoredId,
    #[diesel(sql_type = Binary)]
    room_id: StoredId,
    #[diesel(sql_type = Text)]
    slug: String,
    #[diesel(sql_type = BigInt)]
    attempt: i64,
    #[diesel(sql_type = Text)]
    url: String,
    #[diesel(sql_type = Integer)]
    events: i32,
    #[diesel(sql_type = Text)]
    secret: String,
    #[diesel(sql_type = Nullable<Text>)]
    former_secret: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    former_until: Option<Micros>,
    #[diesel(sql_type = BigInt)]
    epoch: i64,
    #[diesel(sql_type = BigInt)]
    version: i64,
    #[diesel(sql_type = BigInt)]
    seen_seq: i64,
    #[diesel(sql_type = Text)]
    awaited: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    sending_to: Option<i64>,
    #[diesel(sql_type = Integer)]
    failures: i32,
}

pub(super) fn claim(
    conn: &mut SqliteConnection,
    owner: InstanceId,
    limit: i64,
) -> Work<Vec<ClaimedWebhook>> {
    let at = now();
    let due = diesel::sql_query(
        "SELECT w.id, w.room_id, r.slug, w.attempt + 1 AS attempt, w.url, w.events, w.secret, w.former_secret, \
             w.former_until, w.epoch, w.version, w.seen_seq, w.awaited, w.sending_to, w.failures \
         FROM outgoing_webhooks w JOIN rooms r ON r.id = w.room_id AND r.deleted_at IS NULL \
         JOIN room_heads h ON h.room_id = w.room_id AND (h.version <> w.version OR h.epoch <> w.epoch) \
         JOIN users c ON c.id = w.created_by AND c.disabled_at IS NULL \
         WHERE w.enabled AND w.next_at <= ?1 AND (w.lease_until IS NULL OR w.lease_until < ?1) \
         ORDER BY w.next_at, w.id LIMIT ?2",
    )
    .bind::<BigInt, _>(at)
    .bind::<BigInt, _>(limit.max(0))
    .load::<Due>(conn)?;
    let lease = at + limits::WEBHOOK_LEASE_MS.cast_signed() * 1_000;
    due.into_iter()
        .map(|due| {
            diesel::update(places::table.find(due.id))
                .set((
                    places::attempt.eq(due.attempt),
                    places::lease_owner.eq(Some(StoredId(owner.0))),
                    places::lease_until.eq(Some(lease)),
                ))
                .execute(conn)?;
            claimed(due, at)
        })
        .collect()
}

fn claimed(due: Due, at: Micros) -> Work<ClaimedWebhook> {
    let holds = due.former_until.is_some_and(|until| until > at);
    Ok(ClaimedWebhook {
        id: WebhookId(due.id.0),
        room: RoomId(due.room_id.0),
        slug: due.slug,
        attempt: due.attempt,
        target: WebhookTarget {
            url: due.url,
            secrets: secrets(due.secret, due.former_secret.filter(|_| holds)),
        },
        events: WebhookEvents::from_mask(due.events),
        place: WebhookPlace {
            epoch: Epoch(due.epoch),
            version: due.version,
            seen_seq: due.seen_seq,
            awaited: serde_json::from_str(&due.awaited)?,
        },
        sending_to: due.sending_to,
        failures: due.failures,
    })
}

/// Whether a claim is still `owner`'s; its lease may have run out, as long as nobody took it.
#[diesel::dsl::auto_type]
fn held(owner: InstanceId, attempt: i64) -> _ {
    let owner: StoredId = StoredId(owner.0);
    places::attempt
        .eq(attempt)
        .and(places::lease_owner.eq(owner))
}

pub(super) fn begin(
    conn: &mut SqliteConnection,
    owner: InstanceId,
    id: WebhookId,
    attempt: i64,
    to: Version,
) -> Work<bool> {
    let begun = diesel::update(places::table.find(StoredId(id.0)))
        .filter(held(owner, attempt))
        .set(places::sending_to.eq(Some(to)))
        .execute(conn)?;
    Ok(begun > 0)
}

pub(super) fn settle(
    conn: &mut SqliteConnection,
    owner: InstanceId,
    id: WebhookId,
    attempt: i64,
    settled: &WebhookSettled,
    tried: Option<&AttemptRow>,
) -> Work<bool> {
    let (row, at) = (places::table.find(StoredId(id.0)), now());
    let free = (
        places::lease_owner.eq(None::<StoredId>),
        places::lease_until.eq(None::<Micros>),
    );
    let freed = diesel::update(row)
        .filter(held(owner, attempt))
        .set(free)
        .execute(conn)?;
    if freed == 0 {
        return Ok(false);
    }
    match settled {
        WebhookSettled::Advanced(place) => {
            let set = (
                places::epoch.eq(place.epoch.0),
                places::version.eq(place.version),
                places::seen_seq.eq(place.seen_seq),
                places::awaited.eq(serde_json::to_string(&place.awaited)?),
                places::sending_to.eq(None::<i64>),
                places::next_at.eq(at),
                places::failures.eq(0),
                places::failing_since.eq(None::<Micros>),
            );
            diesel::update(row).set(set).execute(conn)?;
        }
        WebhookSettled::Failed { wait_ms, gone } => failed(conn, id, *wait_ms, *gone, at)?,
        WebhookSettled::Released { wait_ms } => {
            let set = places::next_at.eq(at + wait_ms * 1_000);
            diesel::update(row).set(set).execute(conn)?;
        }
    }
    if let Some(tried) = tried {
        keep(conn, id, attempt, tried, at)?;
    }
    Ok(true)
}

fn failed(
    conn: &mut SqliteConnection,
    id: WebhookId,
    wait_ms: i64,
    gone: bool,
    at: Micros,
) -> Work<()> {
    let row = places::table.find(StoredId(id.0));
    let (enabled, since) = row
        .select((places::enabled, places::failing_since))
        .first::<(bool, Option<Micros>)>(conn)?;
    let set = (
        places::failures.eq(places::failures + 1),
        places::failing_since.eq(Some(since.unwrap_or(at))),
        places::next_at.eq(at + wait_ms * 1_000),
    );
    diesel::update(row).set(set).execute(conn)?;
    let long = since.is_some_and(|since| since <= at - limits::WEBHOOK_GIVE_UP_S * SECOND);
    let reason = match (gone, long) {
        (true, _) => WebhookDisabled::Gone,
        (false, true) => WebhookDisabled::Failing,
        (false, false) => return Ok(()),
    };
    if enabled {
        let set = (
            places::enabled.eq(false),
            places::disabled_reason.eq(Some(reason.as_str())),
        );
        diesel::update(row).set(set).execute(conn)?;
    }
    Ok(())
}

fn keep(
    conn: &mut SqliteConnection,
    id: WebhookId,
    attempt: i64,
    tried: &AttemptRow,
    at: Micros,
) -> Work<()> {
    let id = StoredId(id.0);
    diesel::insert_into(attempts::table)
        .values((
            attempts::webhook_id.eq(id),
            attempts::attempt.eq(attempt),
            attempts::at.eq(at),
            attempts::from_version.eq(tried.from),
            attempts::to_version.eq(tried.to),
            attempts::events.eq(tried.events),
            attempts::outcome.eq(tried.outcome.as_str()),
            attempts::status.eq(tried.status),
            attempts::detail.eq(storable(&tried.detail)?),
            attempts::took_ms.eq(tried.took_ms),
        ))
        .execute(conn)?;
    let oldest = attempts::table
        .filter(attempts::webhook_id.eq(id))
        .order(attempts::attempt.desc())
        .offset(limits::WEBHOOK_ATTEMPTS)
        .limit(1)
        .select(attempts::attempt)
        .first::<i64>(conn)
        .optional()?;
    if let Some(oldest) = oldest {
        let forgotten = attempts::table
            .filter(attempts::webhook_id.eq(id))
            .filter(attempts::attempt.le(oldest));
        diesel::delete(forgotten).execute(conn)?;
    }
    Ok(())
}
