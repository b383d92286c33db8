//! Sessions and tickets; only SHA-256s of their secrets are here. Called by [`super::PostgresStore`].

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::pool::Pools;
use super::records::user_row;
use super::statement::statement;
use crate::db::audit::{Act, NewAudit};
use crate::db::changes::NewSession;
use crate::db::rows::Identity;
use crate::db::{SignedIn, StoreError, StoreResult};
use crate::error::ErrorCode;
use crate::ids::{SessionId, UserId};

/// A session with its user.
type IdentityColumns = (Uuid, Uuid, String, String, DateTime<Utc>);

statement!(
    /// One more session, if the user exists.
    CreateSession { id: Uuid, user: Uuid, token_hash: Vec<u8>, lifetime_s: i64 }
        -> (Uuid, Uuid, String, String, DateTime<Utc>),
    "WITH made AS ( \
         INSERT INTO sessions (id, user_id, token_hash, expires_at) \
         SELECT $1, u.id, $3, clock_timestamp() + $4 * interval '1 second' FROM users u WHERE u.id = $2 \
         RETURNING id, user_id, expires_at \
     ) SELECT made.id, u.id, u.name, u.kind, made.expires_at FROM made JOIN users u ON u.id = made.user_id"
);
statement!(
    /// Whose token it is, while it lives.
    FindIdentity { token_hash: Vec<u8> } -> (Uuid, Uuid, String, String, DateTime<Utc>),
    "SELECT s.id, u.id, u.name, u.kind, s.expires_at FROM sessions s JOIN users u ON u.id = s.user_id \
     WHERE s.token_hash = $1 AND s.expires_at > clock_timestamp()"
);
statement!(
    /// Ends a session; its tickets go with it. Counts those that had not run out.
    DeleteSession { id: Uuid } -> (bool, Uuid),
    "DELETE FROM sessions WHERE id = $1 RETURNING expires_at > clock_timestamp(), user_id"
);
statement!(
    /// Those that live: of people's sessions and of tokens.
    LiveSessions { ids: Vec<Uuid> } -> (Uuid,),
    "SELECT id FROM sessions WHERE id = ANY($1) AND expires_at > clock_timestamp() \
     UNION ALL SELECT id FROM api_tokens WHERE id = ANY($1) AND (expires_at IS NULL OR expires_at > clock_timestamp())"
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
     WHERE used.expires_at > clock_timestamp() AND s.expires_at > clock_timestamp()"
);

fn identity((session, user, name, kind, expires_at): IdentityColumns) -> StoreResult<Identity> {
    Ok(Identity {
        session: SessionId(session),
        user: user_row(user, name, &kind)?,
        expires_at: Some(expires_at),
        scope: None,
    })
}

pub(super) async fn create(pools: &Pools, session: NewSession) -> StoreResult<SignedIn> {
    let create = CreateSession {
        id: session.id.0,
        user: session.user.0,
        token_hash: session.token_hash.to_vec(),
        lifetime_s: session.lifetime_s,
    };
    let made = pools
        .write_noted(create, |made| {
            (!made.is_empty()).then(|| NewAudit::of(Act::SignedIn).by(session.user))
        })
        .await?;
    match made.into_iter().next() {
        Some(columns) => Ok(SignedIn {
            identity: identity(columns)?,
        }),
        None => Err(StoreError::Refused(ErrorCode::UserNotFound.into())),
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

pub(super) async fn delete(pools: &Pools, session: SessionId) -> StoreResult<bool> {
    let deleted = pools
        .write_noted(DeleteSession { id: session.0 }, |deleted| {
            let lived = deleted.first().filter(|(lived, _)| *lived);
            lived.map(|(_, user)| NewAudit::of(Act::SignedOut).by(UserId(*user)))
        })
        .await?;
    Ok(deleted.first().is_some_and(|(lived, _)| *lived))
}

/// On a reserved connection: a busy pool must not keep a revoked session's sockets open.
pub(super) async fn live(pools: &Pools, sessions: &[SessionId]) -> StoreResult<Vec<SessionId>> {
    let ids = sessions.iter().map(|session| session.0).collect();
    let live = pools.reserved().await?.read(LiveSessions { ids }).await?;
    Ok(live.into_iter().map(|(id,)| SessionId(id)).collect())
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
