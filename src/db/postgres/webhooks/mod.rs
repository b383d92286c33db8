//! Outgoing webhooks on Postgres. What one has to deliver is found by comparing two counters, so nothing is written with a
//! message. Claims skip what others hold; leases count in the database's time.

mod statements;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::db::audit::{Act, NewAudit};
use crate::db::postgres::PostgresStore;
use crate::db::postgres::pool::{Conn, Pools};
use crate::db::postgres::records::word;
use crate::db::postgres::run::run;
use crate::db::rows::Visibility;
use crate::db::webhooks::{
    AttemptRow, ClaimedWebhook, NewWebhook, WebhookEdit, WebhookEvents, WebhookPlace, WebhookRow,
    WebhookSettled, WebhookStore, WebhookTarget,
};
use crate::db::{StoreError, StoreResult};
use crate::error::ErrorCode;
use crate::ids::{Epoch, InstanceId, RoomId, UserId, Version, WebhookId};
use crate::limits;
use crate::permissions::{Action, Role, allows};
use statements::{
    Advance, Attempts, Begin, Claim, Create, Delete, Edit, Fail, FindOne, FindRole, Forget,
    GiveBack, Keep, List, LockRoom, Rooms, Sweep, Target, WebhookRecord,
};

/// Refuses whoever may not manage the room's webhooks. `found` is none where there is no such room.
fn judge(found: Option<(Option<&str>, &str)>) -> StoreResult<()> {
    let code = match found {
        Some((Some(role), _)) => {
            match allows(word(role, Role::from_name)?, Action::ManageIntegrations) {
                true => return Ok(()),
                false => ErrorCode::Forbidden,
            }
        }
        Some((None, visibility)) if visibility == Visibility::Public.as_str() => {
            ErrorCode::NotAMember
        }
        _ => ErrorCode::RoomNotFound,
    };
    Err(StoreError::Refused(code.into()))
}

fn no_webhook() -> StoreError {
    StoreError::Refused(ErrorCode::WebhookNotFound.into())
}

/// A room whose webhooks the user is about to change, locked.
struct Managed {
    connection: Conn,
    room: Uuid,
    epoch: i64,
    version: i64,
    last_seq: i64,
}

/// Begins a transaction that holds the room's lock, and proves the right to it.
async fn manage(pools: &Pools, user: UserId, slug: &str) -> StoreResult<Managed> {
    let mut connection = pools.shared().await?;
    let lock = LockRoom {
        slug: slug.to_owned(),
    };
    let head = connection.begin_with(lock).await?.into_iter().next();
    let role = FindRole {
        user: user.0,
        slug: slug.to_owned(),
    };
    let found = connection.run(role).await?.into_iter().next();
    let judged = judge(
        found
            .as_ref()
            .map(|(role, visibility)| (role.as_deref(), visibility.as_str())),
    );
    let (Ok(()), Some((room, epoch, version, last_seq))) = (&judged, head) else {
        connection.rollback().await;
        return Err(judged
            .err()
            .unwrap_or_else(|| StoreError::Refused(ErrorCode::RoomNotFound.into())));
    };
    Ok(Managed {
        connection,
        room,
        epoch,
        version,
        last_seq,
    })
}

/// Reads back what was written, and commits.
async fn finish(mut managed: Managed, id: WebhookId) -> StoreResult<WebhookRow> {
    let found = managed
        .connection
        .run(FindOne { id: id.0 })
        .await?
        .into_iter()
        .next();
    managed.connection.commit().await?;
    found
        .map_or(Ok(None), WebhookRecord::into_row)?
        .ok_or_else(no_webhook)
}

/// What the audit log says of it.
fn note(managed: &mut Managed, act: Act, user: UserId, id: WebhookId) {
    let note = NewAudit::of(act).by(user).in_room(RoomId(managed.room));
    managed
        .connection
        .note(note.saying(format!("webhook {id}")));
}

async fn create(
    pools: &Pools,
    user: UserId,
    slug: &str,
    new: NewWebhook,
) -> StoreResult<WebhookRow> {
    let mut managed = manage(pools, user, slug).await?;
    let create = Create {
        id: new.id.0,
        room: managed.room,
        user: user.0,
        url: new.url,
        events: new.events.mask(),
        secret: new.secret.expose_secret().to_owned(),
        epoch: managed.epoch,
        version: managed.version,
        last_seq: managed.last_seq,
        most: limits::WEBHOOKS_PER_ROOM,
    };
    if managed.connection.run(create).await? == 0 {
        managed.connection.rollback().await;
        return Err(StoreError::Refused(ErrorCode::TooMany.into()));
    }
    note(&mut managed, Act::WebhookMade, user, new.id);
    finish(managed, new.id).await
}

async fn edit(
    pools: &Pools,
    user: UserId,
    slug: &str,
    id: WebhookId,
    edit: WebhookEdit,
) -> StoreResult<WebhookRow> {
    let mut managed = manage(pools, user, slug).await?;
    let act = match edit.secret {
        Some(_) => Act::WebhookRotated,
        None => Act::WebhookChanged,
    };
    let change = Edit {
        id: id.0,
        room: managed.room,
        url: edit.url,
        events: edit.events.map(WebhookEvents::mask),
        enabled: edit.enabled,
        secret: edit.secret.map(|secret| secret.expose_secret().to_owned()),
        overlap_s: limits::WEBHOOK_SECRET_OVERLAP_S,
    };
    if managed.connection.run(change).await? == 0 {
        managed.connection.rollback().await;
        return Err(no_webhook());
    }
    note(&mut managed, act, user, id);
    finish(managed, id).await
}

async fn delete(pools: &Pools, user: UserId, slug: &str, id: WebhookId) -> StoreResult<()> {
    let mut managed = manage(pools, user, slug).await?;
    let room = managed.room;
    if managed.connection.run(Delete { id: id.0, room }).await? == 0 {
        managed.connection.rollback().await;
        return Err(no_webhook());
    }
    note(&mut managed, Act::WebhookRemoved, user, id);
    managed.connection.commit().await
}

async fn list(pools: &Pools, user: UserId, slug: &str) -> StoreResult<Vec<WebhookRow>> {
    let found = pools
        .read(List {
            user: user.0,
            slug: slug.to_owned(),
        })
        .await?;
    judge(
        found
            .first()
            .map(|row| (row.role.as_deref(), row.visibility.as_str())),
    )?;
    let rows = found.into_iter().map(|row| row.webhook.into_row());
    rows.filter_map(StoreResult::transpose).collect()
}

async fn attempts(
    pools: &Pools,
    user: UserId,
    slug: &str,
    id: WebhookId,
) -> StoreResult<Vec<AttemptRow>> {
    let wanted = Attempts {
        user: user.0,
        slug: slug.to_owned(),
        id: id.0,
        limit: limits::WEBHOOK_ATTEMPTS,
    };
    let found = pools.read(wanted).await?;
    judge(
        found
            .first()
            .map(|row| (row.role.as_deref(), row.visibility.as_str())),
    )?;
    if found.first().is_none_or(|row| row.webhook.is_none()) {
        return Err(no_webhook());
    }
    let rows = found.into_iter().map(|row| row.tried.into_row());
    rows.filter_map(StoreResult::transpose).collect()
}

async fn target(
    pools: &Pools,
    user: UserId,
    slug: &str,
    id: WebhookId,
) -> StoreResult<WebhookTarget> {
    let wanted = Target {
        user: user.0,
        slug: slug.to_owned(),
        id: id.0,
    };
    let found = pools.read(wanted).await?.into_iter().next();
    judge(found.as_ref().map(|row| (row.0.as_deref(), row.1.as_str())))?;
    match found {
        Some((_, _, Some(url), Some(secret), former)) => Ok(WebhookTarget {
            url,
            secrets: secrets(secret, former),
        }),
        _ => Err(no_webhook()),
    }
}

fn secrets(secret: String, former: Option<String>) -> Vec<SecretString> {
    std::iter::once(secret)
        .chain(former)
        .map(SecretString::from)
        .collect()
}

async fn claim(pools: &Pools, owner: InstanceId, limit: i64) -> StoreResult<Vec<ClaimedWebhook>> {
    let lease_ms = limits::WEBHOOK_LEASE_MS.cast_signed();
    let claim = Claim {
        owner: owner.0,
        limit,
        lease_ms,
    };
    let claimed = pools.write(claim).await?.into_iter().map(
        |(
            id,
            room,
            slug,
            attempt,
            url,
            events,
            secret,
            former,
            epoch,
            version,
            seen_seq,
            awaited,
            sending_to,
            failures,
        )| {
            ClaimedWebhook {
                id: WebhookId(id),
                room: RoomId(room),
                slug,
                attempt,
                target: WebhookTarget {
                    url,
                    secrets: secrets(secret, former),
                },
                events: WebhookEvents::from_mask(events),
                place: WebhookPlace {
                    epoch: Epoch(epoch),
                    version,
                    seen_seq,
                    awaited,
                },
                sending_to,
                failures,
            }
        },
    );
    Ok(claimed.collect())
}

async fn settle(
    pools: &Pools,
    owner: InstanceId,
    id: WebhookId,
    attempt: i64,
    settled: WebhookSettled,
    tried: Option<AttemptRow>,
) -> StoreResult<bool> {
    let (owner, id) = (owner.0, id.0);
    let mut connection = pools.shared().await?;
    let held = match settled {
        WebhookSettled::Advanced(place) => {
            let WebhookPlace {
                epoch: Epoch(epoch),
                version,
                seen_seq,
                awaited,
            } = place;
            let advance = Advance {
                owner,
                id,
                attempt,
                epoch,
                version,
                seen_seq,
                awaited,
            };
            connection.begin_with(advance).await?
        }
        WebhookSettled::Failed { wait_ms, gone } => {
            let give_up_s = limits::WEBHOOK_GIVE_UP_S;
            let fail = Fail {
                owner,
                id,
                attempt,
                wait_ms,
                gone,
                give_up_s,
            };
            connection.begin_with(fail).await?
        }
        WebhookSettled::Released { wait_ms } => {
            let give_back = GiveBack {
                owner,
                id,
                attempt,
                wait_ms,
            };
            connection.begin_with(give_back).await?
        }
    };
    if let Some(tried) = tried
        && held > 0
    {
        let keep = Keep {
            id,
            attempt,
            from: tried.from,
            to: tried.to,
            events: tried.events,
            outcome: tried.outcome.as_str().to_owned(),
            status: tried.status,
            detail: tried.detail,
            took_ms: tried.took_ms,
        };
        connection.run(keep).await?;
        let kept = limits::WEBHOOK_ATTEMPTS;
        connection.run(Forget { id, kept }).await?;
    }
    connection.commit().await?;
    Ok(held > 0)
}

/// Webhooks of rooms that are gone.
pub(super) async fn sweep(pools: &Pools) -> StoreResult<usize> {
    pools.write(Sweep {}).await
}

#[async_trait]
impl WebhookStore for PostgresStore {
    async fn create_webhook(
        &self,
        user: UserId,
        slug: &str,
        webhook: NewWebhook,
    ) -> StoreResult<WebhookRow> {
        let slug = slug.to_owned();
        run!(self, |pools| create(pools, user, &slug, webhook))
    }

    async fn webhooks(&self, user: UserId, slug: &str) -> StoreResult<Vec<WebhookRow>> {
        let slug = slug.to_owned();
        run!(self, |pools| list(pools, user, &slug))
    }

    async fn edit_webhook(
        &self,
        user: UserId,
        slug: &str,
        id: WebhookId,
        change: WebhookEdit,
    ) -> StoreResult<WebhookRow> {
        let slug = slug.to_owned();
        run!(self, |pools| edit(pools, user, &slug, id, change))
    }

    async fn delete_webhook(&self, user: UserId, slug: &str, id: WebhookId) -> StoreResult<()> {
        let slug = slug.to_owned();
        run!(self, |pools| delete(pools, user, &slug, id))
    }

    async fn webhook_attempts(
        &self,
        user: UserId,
        slug: &str,
        id: WebhookId,
    ) -> StoreResult<Vec<AttemptRow>> {
        let slug = slug.to_owned();
        run!(self, |pools| attempts(pools, user, &slug, id))
    }

    async fn webhook_target(
        &self,
        user: UserId,
        slug: &str,
        id: WebhookId,
    ) -> StoreResult<WebhookTarget> {
        let slug = slug.to_owned();
        run!(self, |pools| target(pools, user, &slug, id))
    }

    async fn rooms_with_webhooks(&self, limit: i64) -> StoreResult<Vec<RoomId>> {
        let found = run!(self, |pools| pools.read(Rooms { limit }))?;
        Ok(found.into_iter().map(|(room,)| RoomId(room)).collect())
    }

    async fn claim_webhooks(
        &self,
        owner: InstanceId,
        limit: i64,
    ) -> StoreResult<Vec<ClaimedWebhook>> {
        run!(self, |pools| claim(pools, owner, limit))
    }

    async fn begin_delivery(
        &self,
        owner: InstanceId,
        id: WebhookId,
        attempt: i64,
        to: Version,
    ) -> StoreResult<bool> {
        let begin = Begin {
            owner: owner.0,
            id: id.0,
            attempt,
            to,
        };
        Ok(run!(self, |pools| pools.write(begin))? > 0)
    }

    async fn settle_webhook(
        &self,
        owner: InstanceId,
        id: WebhookId,
        attempt: i64,
        settled: WebhookSettled,
        tried: Option<AttemptRow>,
    ) -> StoreResult<bool> {
        run!(self, |pools| settle(
            pools, owner, id, attempt, settled, tried
        ))
    }
}
