//! Sessions and tickets; only SHA-256s of their secrets are here. Called by [`super::PostgresStore`].

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::pool::Pools;
use super::records::user_row;
use super::revocations;
use super::statement::statement;
use crate::db::accounts::{LiveSession, RevocationKind, SessionRow};
use crate::db::audit::{Act, NewAudit};
use crate::db::changes::NewSession;
use crate::db::rows::Identity;
use crate::db::{SignedIn, StoreError, StoreResult};
use crate::error::ErrorCode;
use crate::ids::{SessionId, UserId};
use crate::limits;

/// A session with its user.
pub(super) type IdentityColumns = (Uuid, Uuid, String, String, DateTime<Utc>);

statement!(
    /// One more session, if the user is there, may come in, and has the password that was checked. The row is locked, so that
    /// whoever changes the password, or disables the user, comes before or after and never between.
    CreateSession {
        id: Uuid,
        user: Uuid,
        token_hash: Vec<u8>,
        lifetime_s: i64,
        idle_s: i64,
        address: Option<String>,
        user_agent: Option<String>,
        verified: Option<String>,
    } -> (Uuid, Uuid, String, String, DateTime<Utc>),
    "WITH who AS ( \
         SELECT id, name, kind, clock_timestamp() AS now FROM users \
         WHERE id = $2 AND disabled_at IS NULL AND ($8 IS NULL OR password_hash = $8) FOR SHARE \
     ), made AS ( \
         INSERT INTO sessions (id, user_id, token_hash, created_at, expires_at, ends_at, last_seen_at, address, user_agent) \
         SELECT $1, who.id, $3, now, now + least($4, $5) * interval '1 second', now + $4 * interval '1 second', now, $6, $7 \
         FROM who RETURNING id, expires_at \
     ) SELECT made.id, who.id, who.name, who.kind, made.expires_at FROM made, who"
);
statement!(
    /// Whose token it is, while it lives.
    FindIdentity { token_hash: Vec<u8> } -> (Uuid, Uuid, String, String, DateTime<Utc>),
    "SELECT s.id, u.id, u.name, u.kind, s.expires_at FROM sessions s JOIN users u ON u.id = s.user_id \
     WHERE s.token_hash = $1 AND s.expires_at > clock_timestamp() AND u.disabled_at IS NULL"
);
statement!(
    /// Ends a session, of this user if one is named; its tickets go with it. Tells whose it was and whether it lived.
    DeleteSession { id: Uuid, user: Option<Uuid> } -> (Uuid, bool),
    "DELETE FROM sessions WHERE id = $1 AND ($2 IS NULL OR user_id = $2) \
     RETURNING user_id, expires_at > clock_timestamp()"
);
statement!(
    /// Ends those of a user but the one that stays. Counts those that had not run out.
    DeleteSessions { user: Uuid, keep: Option<Uuid> } -> (bool,),
    "DELETE FROM sessions WHERE user_id = $1 AND id IS DISTINCT FROM $2 RETURNING expires_at > clock_timestamp()"
);
statement!(
    /// Those of a user that live.
    ListSessions { user: Uuid, limit: i64 }
        -> (Uuid, DateTime<Utc>, DateTime<Utc>, DateTime<Utc>, Option<String>, Option<String>, bool),
    "SELECT id, created_at, expires_at, coalesce(last_seen_at, created_at), address, user_agent, claimed FROM sessions \
     WHERE user_id = $1 AND expires_at > clock_timestamp() ORDER BY created_at DESC, id LIMIT $2"
);
statement!(
    /// Those that live: of people's sessions and of tokens.
    LiveSessions { ids: Vec<Uuid> } -> (Uuid, Option<DateTime<Utc>>),
    "SELECT s.id, s.expires_at FROM sessions s JOIN users u ON u.id = s.user_id \
     WHERE s.id = ANY($1) AND s.expires_at > clock_timestamp() AND u.disabled_at IS NULL \
     UNION ALL \
     SELECT t.id, t.expires_at FROM api_tokens t JOIN users u ON u.id = t.user_id LEFT JOIN users o ON o.id = u.owner_id \
     WHERE t.id = ANY($1) AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp()) \
     AND u.disabled_at IS NULL AND o.disabled_at IS NULL"
);
statement!(
    /// Sessions are in use: they live on, up to the end they were made with. Locked in order, so that two of these cannot
    /// wait for each other.
    NoteSeen { ids: Vec<Uuid>, idle_s: i64, quiet_ms: i64 },
    "WITH used AS ( \
         SELECT id FROM sessions WHERE id = ANY($1) AND expires_at > clock_timestamp() AND NOT claimed \
         AND coalesce(last_seen_at, created_at) <= clock_timestamp() - $3 * interval '1 millisecond' \
         ORDER BY id FOR NO KEY UPDATE \
     ) \
     UPDATE sessions s SET last_seen_at = clock_timestamp(), ends_at = coalesce(s.ends_at, s.expires_at), \
         expires_at = least(coalesce(s.ends_at, s.expires_at), clock_timestamp() + $2 * interval '1 second') \
     FROM used WHERE s.id = used.id"
);
statement!(
    /// A ticket of a session that exists.
    CreateTicket { session: Uuid, ticket_hash: Vec<u8>, lifetime_s: i64 },
    "INSERT INTO tickets (ticket_hash, session_id, expires_at) \
     SELECT $2, s.id, clock_timestamp() + $3 * interval '1 second' FROM sessions s \
     WHERE s.id = $1 AND s.expires_at > clock_timestamp()"
);
statement!(
    /// Uses a ticket up.
    RedeemTicket { ticket_hash: Vec<u8> } -> (Uuid, Uuid, String, String, DateTime<Utc>),
    "WITH used AS (DELETE FROM tickets WHERE ticket_hash = $1 RETURNING session_id, expires_at) \
     SELECT s.id, u.id, u.name, u.kind, s.expires_at FROM used \
     JOIN sessions s ON s.id = used.session_id JOIN users u ON u.id = s.user_id \
     WHERE used.expires_at > clock_timestamp() AND s.expires_at > clock_timestamp() AND u.disabled_at IS NULL"
);

pub(super) fn identity(
    (session, user, name, kind, expires_at): IdentityColumns,
) -> StoreResult<Identity> {
    Ok(Identity {
        session: SessionId(session),
        user: user_row(user, name, &kind)?,
        expires_at: Some(expires_at),
        scope: None,
    })
}

pub(super) async fn create(pools: &Pools, session: NewSession) -> StoreResult<SignedIn> {
    let user = session.user;
    let made = pools
        .write_noted(making(session), |made| {
            (!made.is_empty()).then(|| NewAudit::of(Act::SignedIn).by(user))
        })
        .await?;
    match made.into_iter().next() {
        Some(columns) => Ok(SignedIn {
            identity: identity(columns)?,
        }),
        None => Err(StoreError::Refused(ErrorCode::UserNotFound.into())),
    }
}

/// The statement that makes a session.
pub(super) fn making(session: NewSession) -> CreateSession {
    CreateSession {
        id: session.id.0,
        user: session.user.0,
        token_hash: session.token_hash.to_vec(),
        lifetime_s: session.lifetime_s,
        idle_s: session.idle_s,
        address: session.origin.address,
        user_agent: session.origin.user_agent,
        verified: session.verified.map(|hash| hash.0),
    }
}

pub(super) async fn find(pools: &Pools, token_hash: &[u8; 32]) -> StoreResult<Option<Identity>> {
    let found = pools
        .read(FindIdentity {
            token_hash: token_hash.to_vec(),
        })
        .await?;
    found.into_iter().next().map(identity).transpose()
}

/// Ends a session, of this user's if one is named.
pub(super) async fn delete(
    pools: &Pools,
    session: SessionId,
    user: Option<UserId>,
) -> StoreResult<bool> {
    let mut connection = pools.shared().await?;
    let wanted = DeleteSession {
        id: session.0,
        user: user.map(|user| user.0),
    };
    let deleted = connection.begin_with(wanted).await?;
    let Some((user, lived)) = deleted.first() else {
        connection.rollback().await;
        return Ok(false);
    };
    if *lived {
        connection.note(NewAudit::of(Act::SignedOut).concerning(UserId(*user)));
    }
    revocations::log_and_commit(connection, RevocationKind::Session, *user, Some(session)).await?;
    Ok(*lived)
}

/// Ends all sessions of a user but the one that stays.
pub(super) async fn end_all(
    pools: &Pools,
    user: UserId,
    keep: Option<SessionId>,
) -> StoreResult<u64> {
    let mut connection = pools.shared().await?;
    let ended = connection.begin_with(delete_all(user, keep)).await?;
    if ended.is_empty() {
        connection.rollback().await;
        return Ok(0);
    }
    connection.note(NewAudit::of(Act::SessionsEnded).concerning(user));
    revocations::log_and_commit(connection, RevocationKind::Sessions, user.0, None).await?;
    Ok(lived(&ended))
}

/// The statement that ends a user's sessions.
pub(super) fn delete_all(user: UserId, keep: Option<SessionId>) -> DeleteSessions {
    DeleteSessions {
        user: user.0,
        keep: keep.map(|session| session.0),
    }
}

/// How many of those that were deleted had lived.
pub(super) fn lived(deleted: &[(bool,)]) -> u64 {
    deleted.iter().filter(|(lived,)| *lived).count() as u64
}

pub(super) async fn list(pools: &Pools, user: UserId) -> StoreResult<Vec<SessionRow>> {
    let wanted = ListSessions {
        user: user.0,
        limit: limits::SESSIONS_LISTED,
    };
    let rows = pools.read(wanted).await?;
    let row =
        |(id, created_at, expires_at, last_seen_at, address, user_agent, claimed)| SessionRow {
            id: SessionId(id),
            created_at,
            expires_at,
            last_seen_at,
            address,
            user_agent,
            claimed,
        };
    Ok(rows.into_iter().map(row).collect())
}

/// On a reserved connection: a busy pool must not keep a revoked session's sockets open.
pub(super) async fn live(pools: &Pools, sessions: &[SessionId]) -> StoreResult<Vec<LiveSession>> {
    let ids = sessions.iter().map(|session| session.0).collect();
    let live = pools.reserved().await?.read(LiveSessions { ids }).await?;
    let row = |(id, expires_at)| LiveSession {
        id: SessionId(id),
        expires_at,
    };
    Ok(live.into_iter().map(row).collect())
}

pub(super) async fn note_seen(
    pools: &Pools,
    sessions: &[SessionId],
    idle_s: i64,
    quiet_ms: i64,
) -> StoreResult<()> {
    let noted = NoteSeen {
        ids: sessions.iter().map(|session| session.0).collect(),
        idle_s,
        quiet_ms,
    };
    pools.write(noted).await.map(drop)
}

pub(super) async fn create_ticket(
    pools: &Pools,
    session: SessionId,
    ticket_hash: &[u8; 32],
    lifetime_s: i64,
) -> StoreResult<()> {
    let made = pools
        .write(CreateTicket {
            session: session.0,
            ticket_hash: ticket_hash.to_vec(),
            lifetime_s,
        })
        .await?;
    match made {
        0 => Err(StoreError::Refused(ErrorCode::Unauthenticated.into())),
        _ => Ok(()),
    }
}

pub(super) async fn redeem_ticket(
    pools: &Pools,
    ticket_hash: &[u8; 32],
) -> StoreResult<Option<Identity>> {
    let used = pools
        .write(RedeemTicket {
            ticket_hash: ticket_hash.to_vec(),
        })
        .await?;
    used.into_iter().next().map(identity).transpose()
}
