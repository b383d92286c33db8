//! Sessions and socket tickets on SQLite. Called by `contract.rs` inside a transaction. Tokens never come here, only
//! their SHA-256.

use diesel::prelude::*;

use super::accounts::{self, UserColumns, user_row};
use super::audit;
use super::columns::{Micros, SECOND, StoredId, now, time};
use super::failure::Work;
use super::schema::{api_tokens, sessions, tickets, users};
use crate::db::SignedIn;
use crate::db::audit::{Act, NewAudit};
use crate::db::changes::NewSession;
use crate::db::rows::Identity;
use crate::error::ErrorCode;
use crate::ids::{SessionId, UserId};

/// One more session of an existing user.
pub(super) fn create(conn: &mut SqliteConnection, session: &NewSession) -> Work<SignedIn> {
    let made = insert(conn, session)?;
    audit::insert(conn, &NewAudit::of(Act::SignedIn).by(session.user))?;
    Ok(made)
}

/// A session, without a word.
pub(super) fn insert(conn: &mut SqliteConnection, session: &NewSession) -> Work<SignedIn> {
    let user = accounts::by_id(conn, session.user)?.ok_or(ErrorCode::UserNotFound)?;
    let created_at = now();
    let expires_at = end(created_at, session.lifetime_s);
    diesel::insert_into(sessions::table)
        .values((
            sessions::id.eq(StoredId(session.id.0)),
            sessions::user_id.eq(StoredId(session.user.0)),
            sessions::token_hash.eq(session.token_hash.as_slice()),
            sessions::created_at.eq(created_at),
            sessions::expires_at.eq(expires_at),
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

/// Who holds the token of this hash.
pub(super) fn identity(
    conn: &mut SqliteConnection,
    token_hash: &[u8; 32],
) -> Work<Option<Identity>> {
    sessions::table
        .inner_join(users::table)
        .filter(sessions::token_hash.eq(token_hash.as_slice()))
        .filter(sessions::expires_at.gt(now()))
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

/// Ends a session; its tickets go with it.
pub(super) fn delete(conn: &mut SqliteConnection, session: SessionId) -> Work<bool> {
    // An expired one had ended before, swept or not.
    let lived = lives(conn, session)?;
    let holder = sessions::table
        .find(StoredId(session.0))
        .select(sessions::user_id)
        .first::<StoredId>(conn)
        .optional()?;
    if let (true, Some(holder)) = (lived, holder) {
        audit::insert(conn, &NewAudit::of(Act::SignedOut).by(UserId(holder.0)))?;
    }
    diesel::delete(sessions::table.find(StoredId(session.0))).execute(conn)?;
    Ok(lived)
}

/// Those that still live: of people's sessions and of tokens.
pub(super) fn live(conn: &mut SqliteConnection, wanted: &[SessionId]) -> Work<Vec<SessionId>> {
    let wanted: Vec<StoredId> = wanted.iter().map(|session| StoredId(session.0)).collect();
    let at = now();
    let mut living = sessions::table
        .filter(sessions::id.eq_any(&wanted))
        .filter(sessions::expires_at.gt(at))
        .select(sessions::id)
        .load::<StoredId>(conn)?;
    living.extend(
        api_tokens::table
            .filter(api_tokens::id.eq_any(&wanted))
            .filter(
                api_tokens::expires_at
                    .is_null()
                    .or(api_tokens::expires_at.gt(at)),
            )
            .select(api_tokens::id)
            .load::<StoredId>(conn)?,
    );
    Ok(living.into_iter().map(|id| SessionId(id.0)).collect())
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
