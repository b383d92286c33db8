//! Tokens and the bots they are mostly for. Called by [`super::PostgresStore`]; only SHA-256s of secrets are here.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::pool::Pools;
use super::records::{name_key, user_kind, user_row, word};
use super::revocations;
use super::statement::statement;
use crate::db::accounts::RevocationKind;
use crate::db::audit::{Act, NewAudit};
use crate::db::integrations::{BotRow, NewToken, TokenRow, TokenUse};
use crate::db::rows::{Identity, UserKind, UserRow};
use crate::db::{StoreError, StoreResult};
use crate::error::ErrorCode;
use crate::ids::{SessionId, UserId};
use crate::limits;
use crate::looks::look;
use crate::permissions::Scope;

statement!(
    /// The actor, or a bot of the actor's; the author of a webhook's messages is none. Orders what is made for one.
    LockHolder { actor: Uuid, holder: Uuid } -> (Uuid,),
    "SELECT id FROM users WHERE id = $2 AND disabled_at IS NULL \
     AND (id = $1 AND owner_id IS NULL OR owner_id = $1 AND kind <> 'guest') FOR NO KEY UPDATE"
);
statement!(
    /// Tokens that have not run out.
    CountTokens { user: Uuid } -> (i64,),
    "SELECT count(*) FROM api_tokens WHERE user_id = $1 AND (expires_at IS NULL OR expires_at > clock_timestamp())"
);
statement!(
    /// A token.
    InsertToken { id: Uuid, user: Uuid, name: String, scope: String, token_hash: Vec<u8>, lifetime_s: Option<i64> }
        -> (DateTime<Utc>, Option<DateTime<Utc>>),
    "INSERT INTO api_tokens (id, user_id, name, scope, token_hash, expires_at) \
     VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6 * interval '1 second') RETURNING created_at, expires_at"
);
statement!(
    /// Those of a holder that the actor may see; a row without one for a holder that has none.
    ListTokens { actor: Uuid, holder: Uuid }
        -> (Option<Uuid>, Option<String>, Option<String>, Option<DateTime<Utc>>, Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    "SELECT t.id, t.name, t.scope, t.created_at, t.expires_at, t.last_used_at FROM users u \
     LEFT JOIN api_tokens t ON t.user_id = u.id AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp()) \
     WHERE u.id = $2 AND u.disabled_at IS NULL \
     AND (u.id = $1 AND u.owner_id IS NULL OR u.owner_id = $1 AND u.kind <> 'guest') ORDER BY t.id"
);
statement!(
    /// Ends one of the actor's, or of a bot of the actor's. Tells whether it had not run out.
    DeleteToken { actor: Uuid, token: Uuid } -> (Uuid, bool),
    "DELETE FROM api_tokens t USING users u WHERE t.id = $2 AND u.id = t.user_id AND (u.id = $1 OR u.owner_id = $1) \
     RETURNING t.user_id, t.expires_at IS NULL OR t.expires_at > clock_timestamp()"
);
statement!(
    /// Whose token it is, while it lives, and whether its last use is to be noted.
    FindToken { token_hash: Vec<u8>, noted_s: i64 }
        -> (Uuid, Uuid, String, String, Option<DateTime<Utc>>, String, bool),
    concat!("SELECT t.id, u.id, u.name, ", user_kind!("u"), ", t.expires_at, t.scope, \
            coalesce(t.last_used_at < clock_timestamp() - $2 * interval '1 second', true) \
     FROM api_tokens t JOIN users u ON u.id = t.user_id LEFT JOIN users o ON o.id = u.owner_id \
     WHERE t.token_hash = $1 AND u.disabled_at IS NULL AND o.disabled_at IS NULL \
     AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp())")
);
statement!(
    /// Notes a use, unless another note came first.
    NoteToken { token: Uuid, noted_s: i64 },
    "UPDATE api_tokens SET last_used_at = clock_timestamp() WHERE id = $1 \
     AND coalesce(last_used_at < clock_timestamp() - $2 * interval '1 second', true)"
);
statement!(
    /// Bots that were not removed.
    CountBots { owner: Uuid } -> (i64,),
    "SELECT count(*) FROM users WHERE owner_id = $1 AND kind <> 'guest' AND disabled_at IS NULL"
);
statement!(
    /// A bot, or nothing when the name is taken.
    InsertBot { id: Uuid, name: String, name_key: String, owner: Uuid, look: String } -> (DateTime<Utc>,),
    "INSERT INTO users (id, name, name_key, kind, owner_id, look) VALUES ($1, $2, $3, 'user', $4, $5) \
     ON CONFLICT DO NOTHING RETURNING created_at"
);
statement!(
    /// Bots that were not removed, by id.
    ListBots { owner: Uuid } -> (Uuid, String, DateTime<Utc>),
    "SELECT id, name, created_at FROM users WHERE owner_id = $1 AND kind <> 'guest' AND disabled_at IS NULL ORDER BY id"
);
statement!(
    /// Removes a bot and its tokens.
    RemoveBot { owner: Uuid, bot: Uuid } -> (Uuid,),
    "WITH removed AS ( \
         UPDATE users SET disabled_at = clock_timestamp() \
         WHERE id = $2 AND owner_id = $1 AND kind <> 'guest' AND disabled_at IS NULL RETURNING id \
     ), ended AS (DELETE FROM api_tokens t USING removed WHERE t.user_id = removed.id) \
     SELECT id FROM removed"
);

fn refused<T>(code: ErrorCode) -> StoreResult<T> {
    Err(StoreError::Refused(code.into()))
}

pub(super) async fn create(pools: &Pools, actor: UserId, token: NewToken) -> StoreResult<TokenRow> {
    let mut connection = pools.shared().await?;
    let (actor, holder) = (actor.0, token.user.0);
    let held = connection.begin_with(LockHolder { actor, holder }).await?;
    if held.is_empty() {
        connection.rollback().await;
        return refused(ErrorCode::UserNotFound);
    }
    let count = connection.run(CountTokens { user: holder }).await?;
    if count
        .first()
        .is_some_and(|(count,)| *count >= limits::TOKENS_PER_USER)
    {
        connection.rollback().await;
        return refused(ErrorCode::TooMany);
    }
    let made = connection
        .run(InsertToken {
            id: token.id.0,
            user: holder,
            name: token.name.clone(),
            scope: token.scope.as_str().into(),
            token_hash: token.token_hash.to_vec(),
            lifetime_s: token.lifetime_s,
        })
        .await?;
    let detail = format!("token {} to {}", token.id, token.scope.as_str());
    let note = NewAudit::of(Act::TokenMade)
        .by(UserId(actor))
        .to(token.user);
    connection.note(note.saying(detail));
    connection.commit().await?;
    let (created_at, expires_at) = made
        .into_iter()
        .next()
        .ok_or_else(|| StoreError::Broken("a token was not returned".into()))?;
    Ok(TokenRow {
        id: token.id,
        name: token.name,
        scope: token.scope,
        created_at,
        expires_at,
        last_used_at: None,
    })
}

pub(super) async fn list(
    pools: &Pools,
    actor: UserId,
    holder: UserId,
) -> StoreResult<Vec<TokenRow>> {
    let (actor, holder) = (actor.0, holder.0);
    let rows = pools.read(ListTokens { actor, holder }).await?;
    if rows.is_empty() {
        return refused(ErrorCode::UserNotFound);
    }
    rows.into_iter()
        .filter_map(|(id, name, scope, created_at, expires_at, last_used_at)| {
            let (id, name, scope, created_at) = (id?, name?, scope?, created_at?);
            Some(word(&scope, Scope::from_name).map(|scope| TokenRow {
                id: SessionId(id),
                name,
                scope,
                created_at,
                expires_at,
                last_used_at,
            }))
        })
        .collect()
}

pub(super) async fn delete(pools: &Pools, actor: UserId, token: SessionId) -> StoreResult<bool> {
    let mut connection = pools.shared().await?;
    let wanted = DeleteToken {
        actor: actor.0,
        token: token.0,
    };
    let deleted = connection.begin_with(wanted).await?;
    let Some((holder, lived)) = deleted.first() else {
        connection.rollback().await;
        return Ok(false);
    };
    let note = NewAudit::of(Act::TokenRemoved)
        .by(actor)
        .to(UserId(*holder));
    connection.note(note.saying(format!("token {token}")));
    revocations::log_and_commit(connection, RevocationKind::Session, *holder, Some(token)).await?;
    Ok(*lived)
}

pub(super) async fn identity(
    pools: &Pools,
    token_hash: &[u8; 32],
) -> StoreResult<Option<TokenUse>> {
    let find = FindToken {
        token_hash: token_hash.to_vec(),
        noted_s: limits::LAST_USED_S,
    };
    let Some((token, user, name, kind, expires_at, scope, note_due)) =
        pools.read(find).await?.into_iter().next()
    else {
        return Ok(None);
    };
    let identity = Identity {
        session: SessionId(token),
        user: user_row(user, name, &kind)?,
        expires_at,
        scope: Some(word(&scope, Scope::from_name)?),
    };
    Ok(Some(TokenUse { identity, note_due }))
}

pub(super) async fn note_used(pools: &Pools, token: SessionId) -> StoreResult<()> {
    let note = NoteToken {
        token: token.0,
        noted_s: limits::LAST_USED_S,
    };
    pools.write(note).await.map(drop)
}

pub(super) async fn create_bot(pools: &Pools, owner: UserId, bot: UserRow) -> StoreResult<BotRow> {
    let mut connection = pools.shared().await?;
    let (actor, holder) = (owner.0, owner.0);
    let held = connection.begin_with(LockHolder { actor, holder }).await?;
    if held.is_empty() {
        connection.rollback().await;
        return refused(ErrorCode::UserNotFound);
    }
    let count = connection.run(CountBots { owner: owner.0 }).await?;
    if count
        .first()
        .is_some_and(|(count,)| *count >= limits::BOTS_PER_USER)
    {
        connection.rollback().await;
        return refused(ErrorCode::TooMany);
    }
    let made = connection
        .run(InsertBot {
            id: bot.id.0,
            name: bot.name.clone(),
            name_key: name_key(&bot.name),
            owner: owner.0,
            look: look(&bot.name),
        })
        .await?;
    let Some((created_at,)) = made.into_iter().next() else {
        connection.rollback().await;
        return refused(ErrorCode::NameTaken);
    };
    connection.note(NewAudit::of(Act::BotMade).by(owner).to(bot.id));
    connection.commit().await?;
    let user = UserRow {
        kind: UserKind::Bot,
        ..bot
    };
    Ok(BotRow { user, created_at })
}

pub(super) async fn bots(pools: &Pools, owner: UserId) -> StoreResult<Vec<BotRow>> {
    let rows = pools.read(ListBots { owner: owner.0 }).await?;
    let bot = |(id, name, created_at)| BotRow {
        user: UserRow {
            id: UserId(id),
            name,
            kind: UserKind::Bot,
        },
        created_at,
    };
    Ok(rows.into_iter().map(bot).collect())
}

pub(super) async fn remove_bot(pools: &Pools, owner: UserId, bot: UserId) -> StoreResult<bool> {
    let mut connection = pools.shared().await?;
    let note = NewAudit::of(Act::BotRemoved).by(owner).to(bot);
    let (owner, bot) = (owner.0, bot.0);
    let removed = connection.begin_with(RemoveBot { owner, bot }).await?;
    if removed.is_empty() {
        connection.rollback().await;
        return Ok(false);
    }
    connection.note(note);
    revocations::log_and_commit(connection, RevocationKind::Deleted, bot, None).await?;
    Ok(true)
}
