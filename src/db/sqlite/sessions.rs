//! Sessions and socket tickets on SQLite. Called by `contract.rs` inside a transaction. Tokens never come here, only
//! their SHA-256.

use diesel::prelude::*;
use uuid::Uuid;

use super::accounts::{self, UserColumns, user_row};
use super::audit;
use super::columns::{Micros, SECOND, StoredId, now, time};
use super::failure::Work;
use super::revocations;
use super::schema::{api_tokens, sessions, tickets, users};
use crate::db::SignedIn;
use crate::db::accounts::{LiveSession, RevocationKind, SessionRow};
use crate::db::audit::{Act, NewAudit};
use crate::db::changes::{NewSession, VerifiedHash};
use crate::db::rows::Identity;
use crate::error::ErrorCode;
use crate::ids::{SessionId, UserId};
use crate::limits;

/// One more session of an existing user.
pub(super) fn create(conn: &mut SqliteConnection, session: &NewSession) -> Work<SignedIn> {
    let made = insert(conn, session)?;
    audit::insert(conn, &NewAudit::of(Act::SignedIn).by(session.user))?;
    Ok(made)
}

/// A session, without a word.
pub(super) fn insert(conn: &mut SqliteConnection, session: &NewSession) -> Work<SignedIn> {
    let user = accounts::by_id(conn, session.user)?.ok_or(ErrorCode::UserNotFound)?;
    if !may_come_in(conn, session)? {
        return Err(ErrorCode::UserNotFound.into());
    }
    let created_at = now();
    let expires_at = end(created_at, session.lifetime_s.min(session.idle_s));
    diesel::insert_into(sessions::table)
        .values((
            sessions::id.eq(StoredId(session.id.0)),
            sessions::user_id.eq(StoredId(session.user.0)),
            sessions::token_hash.eq(session.token_hash.as_slice()),
            sessions::created_at.eq(created_at),
            sessions::expires_at.eq(expires_at),
            sessions::ends_at.eq(end(created_at, session.lifetime_s)),
            sessions::last_seen_at.eq(created_at),
            sessions::address.eq(session.origin.address.as_deref()),
            sessions::user_agent.eq(session.origin.user_agent.as_deref()),
        ))
        .execute(conn)?;
    let identity = Identity {
        session: session.id,
        user,
        expires_at: Some(time(expires_at)?),
        scope: None,
    };
    Ok(SignedIn { identity })
}

/// Whether the user is not disabled, and has the password that was checked.
fn may_come_in(conn: &mut SqliteConnection, session: &NewSession) -> Work<bool> {
    let (disabled_at, hash): (Option<Micros>, Option<String>) = users::table
        .find(StoredId(session.user.0))
        .select((users::disabled_at, users::password_hash))
        .first(conn)?;
    let has_still = |verified: &VerifiedHash| hash.as_ref() == Some(&verified.0);
    Ok(disabled_at.is_none() && session.verified.as_ref().is_none_or(has_still))
}

/// Who holds the token of this hash.
pub(super) fn identity(
    conn: &mut SqliteConnection,
    token_hash: &[u8; 32],
) -> Work<Option<Identity>> {
    sessions::table
        .inner_join(users::table)
        .filter(sessions::token_hash.eq(token_hash.as_slice()))
        .filter(sessions::expires_at.gt(now()))
        .filter(users::disabled_at.is_null())
        .select((
            sessions::id,
            sessions::expires_at,
            (users::id, users::name, users::kind, users::owner_id),
        ))
        .first::<IdentityColumns>(conn)
        .optional()?
        .map(identity_row)
        .transpose()
}

/// Ends a session, of this user's if one is named; its tickets go with it.
pub(super) fn delete(
    conn: &mut SqliteConnection,
    session: SessionId,
    user: Option<UserId>,
) -> Work<bool> {
    // An expired one had ended before, swept or not.
    let lived = lives(conn, session)?;
    let found = sessions::table
        .find(StoredId(session.0))
        .select(sessions::user_id)
        .first::<StoredId>(conn)
        .optional()?;
    let Some(owner) = found.filter(|owner| user.is_none_or(|user| user.0 == owner.0)) else {
        return Ok(false);
    };
    if lived {
        let note = NewAudit::of(Act::SignedOut).concerning(UserId(owner.0));
        audit::insert(conn, &note)?;
    }
    diesel::delete(sessions::table.find(StoredId(session.0))).execute(conn)?;
    revocations::add(
        conn,
        RevocationKind::Session,
        UserId(owner.0),
        Some(session),
    )?;
    Ok(lived)
}

/// Ends all sessions of a user but the one that stays; how many of them had lived.
pub(super) fn delete_all(
    conn: &mut SqliteConnection,
    user: UserId,
    keep: Option<SessionId>,
) -> Work<u64> {
    let at = now();
    // No session has the nil id.
    let keep = StoredId(keep.map_or_else(Uuid::nil, |session| session.0));
    let of_user = sessions::user_id
        .eq(StoredId(user.0))
        .and(sessions::id.ne(keep));
    let lived: i64 = sessions::table
        .filter(of_user)
        .filter(sessions::expires_at.gt(at))
        .count()
        .get_result(conn)?;
    diesel::delete(sessions::table.filter(of_user)).execute(conn)?;
    Ok(lived.unsigned_abs())
}

/// Ends all sessions of a user but the one that stays, and logs it.
pub(super) fn end_all(
    conn: &mut SqliteConnection,
    user: UserId,
    keep: Option<SessionId>,
) -> Work<u64> {
    let ended = delete_all(conn, user, keep)?;
    if ended > 0 {
        let note = NewAudit::of(Act::SessionsEnded).concerning(user);
        audit::insert(conn, &note)?;
        revocations::add(conn, RevocationKind::Sessions, user, None)?;
    }
    Ok(ended)
}

/// Those of a user that live, the latest made first.
pub(super) fn list(conn: &mut SqliteConnection, user: UserId) -> Work<Vec<SessionRow>> {
    type Columns = (
        StoredId,
        Micros,
        Micros,
        Option<Micros>,
        Option<String>,
        Option<String>,
        bool,
    );
    let rows = sessions::table
        .filter(sessions::user_id.eq(StoredId(user.0)))
        .filter(sessions::expires_at.gt(now()))
        .order((sessions::created_at.desc(), sessions::id))
        .limit(limits::SESSIONS_LISTED)
        .select((
            sessions::id,
            sessions::created_at,
            sessions::expires_at,
            sessions::last_seen_at,
            sessions::address,
            sessions::user_agent,
            sessions::claimed,
        ))
        .load::<Columns>(conn)?;
    rows.into_iter()
        .map(
            |(id, created, expires, seen, address, user_agent, claimed)| {
                Ok(SessionRow {
                    id: SessionId(id.0),
                    created_at: time(created)?,
                    expires_at: time(expires)?,
                    last_seen_at: time(seen.unwrap_or(created))?,
                    address,
                    user_agent,
                    claimed,
                })
            },
        )
        .collect()
}

/// Sessions are in use: they live on, up to the end they were made with.
pub(super) fn note_seen(
    conn: &mut SqliteConnection,
    used: &[SessionId],
    idle_s: i64,
    quiet_ms: i64,
) -> Work<()> {
    let at = now();
    let quiet_since = at - quiet_ms.clamp(0, 1_000_000_000) * 1_000;
    for session in used {
        let one = sessions::table
            .find(StoredId(session.0))
            .filter(sessions::claimed.eq(false))
            .filter(sessions::expires_at.gt(at));
        let found: Option<(Micros, Option<Micros>, Option<Micros>)> = one
            .select((
                sessions::expires_at,
                sessions::ends_at,
                sessions::last_seen_at,
            ))
            .first(conn)
            .optional()?;
        let Some((expires_at, ends_at, seen)) = found else {
            continue;
        };
        if seen.is_some_and(|seen| seen > quiet_since) {
            continue;
        }
        let ends_at = ends_at.unwrap_or(expires_at);
        diesel::update(sessions::table.find(StoredId(session.0)))
            .set((
                sessions::last_seen_at.eq(at),
                sessions::ends_at.eq(ends_at),
                sessions::expires_at.eq(ends_at.min(end(at, idle_s))),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// Those that live: of people's sessions and of tokens.
pub(super) fn live(conn: &mut SqliteConnection, wanted: &[SessionId]) -> Work<Vec<LiveSession>> {
    let wanted: Vec<StoredId> = wanted.iter().map(|session| StoredId(session.0)).collect();
    let at = now();
    let mut living: Vec<(StoredId, Option<Micros>)> = sessions::table
        .inner_join(users::table)
        .filter(sessions::id.eq_any(&wanted))
        .filter(sessions::expires_at.gt(at))
        .filter(users::disabled_at.is_null())
        .select((sessions::id, sessions::expires_at.nullable()))
        .load(conn)?;
    let tokens: Vec<(StoredId, Option<Micros>, StoredId)> = api_tokens::table
        .filter(api_tokens::id.eq_any(&wanted))
        .filter(
            api_tokens::expires_at
                .is_null()
                .or(api_tokens::expires_at.gt(at)),
        )
        .select((api_tokens::id, api_tokens::expires_at, api_tokens::user_id))
        .load(conn)?;
    for (id, expires_at, holder) in tokens {
        if !accounts::is_disabled(conn, UserId(holder.0))? {
            living.push((id, expires_at));
        }
    }
    living
        .into_iter()
        .map(|(id, expires_at)| {
            Ok(LiveSession {
                id: SessionId(id.0),
                expires_at: expires_at.map(time).transpose()?,
            })
        })
        .collect()
}

/// Whether it is a session that lives; a token is none.
fn lives(conn: &mut SqliteConnection, session: SessionId) -> Work<bool> {
    let living: i64 = sessions::table
        .find(StoredId(session.0))
        .filter(sessions::expires_at.gt(now()))
        .count()
        .get_result(conn)?;
    Ok(living > 0)
}

/// A ticket of a living session.
pub(super) fn create_ticket(
    conn: &mut SqliteConnection,
    session: SessionId,
    ticket_hash: &[u8; 32],
    lifetime_s: i64,
) -> Work<()> {
    if !lives(conn, session)? {
        return Err(ErrorCode::Unauthenticated.into());
    }
    diesel::insert_into(tickets::table)
        .values((
            tickets::ticket_hash.eq(ticket_hash.as_slice()),
            tickets::session_id.eq(StoredId(session.0)),
            tickets::expires_at.eq(end(now(), lifetime_s)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Uses a ticket up.
pub(super) fn redeem_ticket(
    conn: &mut SqliteConnection,
    ticket_hash: &[u8; 32],
) -> Work<Option<Identity>> {
    let found = tickets::table
        .inner_join(sessions::table.inner_join(users::table))
        .filter(tickets::ticket_hash.eq(ticket_hash.as_slice()))
        .filter(tickets::expires_at.gt(now()))
        .filter(sessions::expires_at.gt(now()))
        .filter(users::disabled_at.is_null())
        .select((
            sessions::id,
            sessions::expires_at,
            (users::id, users::name, users::kind, users::owner_id),
        ))
        .first::<IdentityColumns>(conn)
        .optional()?;
    diesel::delete(tickets::table.find(ticket_hash.as_slice())).execute(conn)?;
    found.map(identity_row).transpose()
}

type IdentityColumns = (StoredId, Micros, UserColumns);

fn identity_row((session, expires_at, user): IdentityColumns) -> Work<Identity> {
    Ok(Identity {
        session: SessionId(session.0),
        user: user_row(user)?,
        expires_at: Some(time(expires_at)?),
        scope: None,
    })
}

/// The end of a life of so many seconds; a life without end in sight stays a time that can be written.
pub(super) fn end(from: Micros, lifetime_s: i64) -> Micros {
    const CENTURY_S: i64 = 100 * 366 * 24 * 3600;
    from + lifetime_s.clamp(-CENTURY_S, CENTURY_S) * SECOND
}
