//! Tokens, and the bots they are mostly for, on SQLite. Called by `integrations.rs` inside a transaction. Secrets never
//! come here, only their SHA-256.

use diesel::prelude::*;

use super::accounts::{self, UserColumns, user_row};
use super::audit;
use super::columns::{Micros, SECOND, StoredId, name_key, named, now, storable, time};
use super::failure::Work;
use super::revocations;
use super::schema::{api_tokens, users};
use super::sessions::end;
use crate::db::accounts::RevocationKind;
use crate::db::audit::{Act, NewAudit};
use crate::db::integrations::{BotRow, NewToken, TokenRow, TokenUse};
use crate::db::rows::{Identity, UserKind, UserRow};
use crate::error::ErrorCode;
use crate::ids::{SessionId, UserId};
use crate::limits::{BOTS_PER_USER, LAST_USED_S, TOKENS_PER_USER};
use crate::looks::look;
use crate::permissions::Scope;

/// A token's columns.
type TokenColumns = (
    StoredId,
    String,
    String,
    Micros,
    Option<Micros>,
    Option<Micros>,
);

/// A token of the actor, or of a bot of the actor's.
pub(super) fn create(
    conn: &mut SqliteConnection,
    actor: UserId,
    token: &NewToken,
) -> Work<TokenRow> {
    require_holder(conn, actor, token.user)?;
    let at = now();
    let count: i64 = api_tokens::table
        .filter(api_tokens::user_id.eq(StoredId(token.user.0)))
        .filter(
            api_tokens::expires_at
                .is_null()
                .or(api_tokens::expires_at.gt(at)),
        )
        .count()
        .get_result(conn)?;
    if count >= TOKENS_PER_USER {
        return Err(ErrorCode::TooMany.into());
    }
    let expires_at = token.lifetime_s.map(|lifetime_s| end(at, lifetime_s));
    diesel::insert_into(api_tokens::table)
        .values((
            api_tokens::id.eq(StoredId(token.id.0)),
            api_tokens::user_id.eq(StoredId(token.user.0)),
            api_tokens::name.eq(storable(&token.name)?),
            api_tokens::scope.eq(token.scope.as_str()),
            api_tokens::token_hash.eq(token.token_hash.as_slice()),
            api_tokens::created_at.eq(at),
            api_tokens::expires_at.eq(expires_at),
        ))
        .execute(conn)?;
    let detail = format!("token {} to {}", token.id, token.scope.as_str());
    let note = NewAudit::of(Act::TokenMade).by(actor).to(token.user);
    audit::insert(conn, &note.saying(detail))?;
    Ok(TokenRow {
        id: token.id,
        name: token.name.clone(),
        scope: token.scope,
        created_at: time(at)?,
        expires_at: expires_at.map(time).transpose()?,
        last_used_at: None,
    })
}

/// Those that have not run out.
pub(super) fn list(
    conn: &mut SqliteConnection,
    actor: UserId,
    holder: UserId,
) -> Work<Vec<TokenRow>> {
    require_holder(conn, actor, holder)?;
    api_tokens::table
        .filter(api_tokens::user_id.eq(StoredId(holder.0)))
        .filter(
            api_tokens::expires_at
                .is_null()
                .or(api_tokens::expires_at.gt(now())),
        )
        .order(api_tokens::id)
        .select((
            api_tokens::id,
            api_tokens::name,
            api_tokens::scope,
            api_tokens::created_at,
            api_tokens::expires_at,
            api_tokens::last_used_at,
        ))
        .load::<TokenColumns>(conn)?
        .into_iter()
        .map(token_row)
        .collect()
}

fn token_row(columns: TokenColumns) -> Work<TokenRow> {
    let (id, name, scope, created_at, expires_at, last_used_at) = columns;
    Ok(TokenRow {
        id: SessionId(id.0),
        name,
        scope: named(Scope::from_name, &scope)?,
        created_at: time(created_at)?,
        expires_at: expires_at.map(time).transpose()?,
        last_used_at: last_used_at.map(time).transpose()?,
    })
}

/// Ends a token of the actor, or of a bot of the actor's; whether it had lived.
pub(super) fn delete(conn: &mut SqliteConnection, actor: UserId, token: SessionId) -> Work<bool> {
    let (who, actor) = (actor, StoredId(actor.0));
    let found = api_tokens::table
        .inner_join(users::table)
        .filter(api_tokens::id.eq(StoredId(token.0)))
        .filter(users::id.eq(actor).or(users::owner_id.eq(actor)))
        .select((api_tokens::expires_at, api_tokens::user_id))
        .first::<(Option<Micros>, StoredId)>(conn)
        .optional()?;
    let Some((expires_at, holder)) = found else {
        return Ok(false);
    };
    diesel::delete(api_tokens::table.find(StoredId(token.0))).execute(conn)?;
    let holder = UserId(holder.0);
    let note = NewAudit::of(Act::TokenRemoved).by(who).to(holder);
    audit::insert(conn, &note.saying(format!("token {token}")))?;
    revocations::add(conn, RevocationKind::Session, holder, Some(token))?;
    Ok(expires_at.is_none_or(|end| end > now()))
}

/// Whose token it is, and whether its last use is to be noted.
pub(super) fn identity(
    conn: &mut SqliteConnection,
    token_hash: &[u8; 32],
) -> Work<Option<TokenUse>> {
    let at = now();
    let found = api_tokens::table
        .inner_join(users::table)
        .filter(api_tokens::token_hash.eq(token_hash.as_slice()))
        .filter(
            api_tokens::expires_at
                .is_null()
                .or(api_tokens::expires_at.gt(at)),
        )
        .filter(users::disabled_at.is_null())
        .select((
            api_tokens::id,
            api_tokens::scope,
            api_tokens::expires_at,
            api_tokens::last_used_at,
            (users::id, users::name, users::kind, users::owner_id),
        ))
        .first::<(
            StoredId,
            String,
            Option<Micros>,
            Option<Micros>,
            UserColumns,
        )>(conn)
        .optional()?;
    let Some((id, scope, expires_at, last_used_at, user)) = found else {
        return Ok(None);
    };
    let user = user_row(user)?;
    if accounts::is_disabled(conn, user.id)? {
        return Ok(None);
    }
    let identity = Identity {
        session: SessionId(id.0),
        user,
        expires_at: expires_at.map(time).transpose()?,
        scope: Some(named(Scope::from_name, &scope)?),
    };
    let note_due = last_used_at.is_none_or(|last| last < at - LAST_USED_S * SECOND);
    Ok(Some(TokenUse { identity, note_due }))
}

/// Notes a use.
pub(super) fn note_used(conn: &mut SqliteConnection, token: SessionId) -> Work<()> {
    diesel::update(api_tokens::table.find(StoredId(token.0)))
        .set(api_tokens::last_used_at.eq(now()))
        .execute(conn)?;
    Ok(())
}

/// A bot; its row is that of a user with an owner and no password.
pub(super) fn create_bot(
    conn: &mut SqliteConnection,
    owner: UserId,
    bot: &UserRow,
) -> Work<BotRow> {
    require_holder(conn, owner, owner)?;
    if i64::try_from(bots(conn, owner)?.len()).unwrap_or(i64::MAX) >= BOTS_PER_USER {
        return Err(ErrorCode::TooMany.into());
    }
    let key = name_key(storable(&bot.name)?);
    let look = look(&bot.name);
    if accounts::is_taken(conn, &key, &look)? {
        return Err(ErrorCode::NameTaken.into());
    }
    let at = now();
    diesel::insert_into(users::table)
        .values((
            users::id.eq(StoredId(bot.id.0)),
            users::kind.eq(UserKind::User.as_str()),
            users::name.eq(&bot.name),
            users::name_key.eq(&key),
            users::unique_name.eq(&key),
            users::look.eq(&look),
            users::admin.eq(false),
            users::created_at.eq(at),
            users::owner_id.eq(StoredId(owner.0)),
        ))
        .execute(conn)?;
    audit::insert(conn, &NewAudit::of(Act::BotMade).by(owner).to(bot.id))?;
    Ok(BotRow {
        user: UserRow {
            kind: UserKind::Bot,
            ..bot.clone()
        },
        created_at: time(at)?,
    })
}

/// Those that were not removed.
pub(super) fn bots(conn: &mut SqliteConnection, owner: UserId) -> Work<Vec<BotRow>> {
    users::table
        .filter(users::owner_id.eq(StoredId(owner.0)))
        .filter(users::kind.ne(UserKind::Guest.as_str()))
        .filter(users::disabled_at.is_null())
        .order(users::id)
        .select((
            (users::id, users::name, users::kind, users::owner_id),
            users::created_at,
        ))
        .load::<(UserColumns, Micros)>(conn)?
        .into_iter()
        .map(|(user, created_at)| {
            Ok(BotRow {
                user: user_row(user)?,
                created_at: time(created_at)?,
            })
        })
        .collect()
}

/// Removes a bot and its tokens.
pub(super) fn remove_bot(conn: &mut SqliteConnection, owner: UserId, bot: UserId) -> Work<bool> {
    if !bots(conn, owner)?.iter().any(|row| row.user.id == bot) {
        return Ok(false);
    }
    audit::insert(conn, &NewAudit::of(Act::BotRemoved).by(owner).to(bot))?;
    let id = StoredId(bot.0);
    diesel::update(users::table.find(id))
        .set(users::disabled_at.eq(now()))
        .execute(conn)?;
    diesel::delete(api_tokens::table.filter(api_tokens::user_id.eq(id))).execute(conn)?;
    revocations::add(conn, RevocationKind::Deleted, bot, None)?;
    Ok(true)
}

/// Refuses whoever is neither the actor nor a bot of the actor's.
fn require_holder(conn: &mut SqliteConnection, actor: UserId, holder: UserId) -> Work<()> {
    let (actor, holder) = (StoredId(actor.0), StoredId(holder.0));
    let own_bot = users::owner_id
        .eq(actor)
        .and(users::kind.ne(UserKind::Guest.as_str()));
    let found = users::table
        .filter(users::id.eq(holder))
        .filter(users::disabled_at.is_null())
        .select((users::owner_id.is_null(), own_bot.nullable()))
        .first::<(bool, Option<bool>)>(conn)
        .optional()?;
    match found {
        Some((true, _)) if holder == actor => Ok(()),
        Some((_, Some(true))) => Ok(()),
        _ => Err(ErrorCode::UserNotFound.into()),
    }
}
