//! The ledger: what is refused, and other things that are no change, on their way into the audit log. Whoever refuses notes it here
//! and goes on: a task writes it within about a second, those of one kind by one asker as one row. Above
//! [`limits::LEDGER_KINDS`] kinds at once they are counted only, and the count is written. It never waits, and nothing waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::time::sleep;

use crate::db::Store;
use crate::db::audit::{Act, AuditRoom, NewAudit};
use crate::error::ErrorCode;
use crate::ids::UserId;
use crate::limits;
use crate::origin::{Origin, Parties};

/// What makes two refusals one row.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Kind {
    act: Act,
    outcome: Option<ErrorCode>,
    origin: Origin,
    who: Option<UserId>,
    whom: Option<UserId>,
    room: AuditRoom,
    detail: String,
}

#[derive(Default)]
struct Gathered {
    kinds: HashMap<Kind, i32>,
    /// How many found no place.
    dropped: i32,
}

/// What is on its way into the audit log.
pub struct Ledger {
    store: Arc<dyn Store>,
    gathered: Mutex<Gathered>,
}

/// Whether a refusal is one that those who keep order want to know of: a right, a secret or a limit; not a form, and nothing that
/// the server itself could not do.
#[must_use]
pub const fn matters(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::BadCredentials
            | ErrorCode::AccountDisabled
            | ErrorCode::Forbidden
            | ErrorCode::OriginRefused
            | ErrorCode::ScopeMissing
            | ErrorCode::SessionRequired
            | ErrorCode::NotAMember
            | ErrorCode::RoomNotFound
            | ErrorCode::Banned
            | ErrorCode::InviteInvalid
            | ErrorCode::RateLimited
            | ErrorCode::LastAdministrator
            | ErrorCode::RoomHasOwner
    )
}

impl Ledger {
    /// Starts the task that writes; it ends with the last handle.
    #[must_use]
    pub fn start(store: Arc<dyn Store>) -> Arc<Self> {
        let ledger = Arc::new(Self {
            store,
            gathered: Mutex::default(),
        });
        tokio::spawn(write_on(Arc::downgrade(&ledger)));
        ledger
    }

    /// Notes a refusal. `what` is the route or the frame, in our words; `slug` a room's address, if it has the form of one.
    pub fn refused(&self, code: ErrorCode, parties: Parties, slug: Option<&str>, what: &str) {
        if !matters(code) {
            return;
        }
        let act = match code {
            ErrorCode::BadCredentials | ErrorCode::AccountDisabled => Act::SignedIn,
            _ => Act::Refused,
        };
        let (origin, Parties { who, whom }) = (Origin::current(), parties);
        self.note(NewAudit {
            act,
            outcome: Some(code),
            origin,
            who,
            whom,
            room: slug.map_or(AuditRoom::None, AuditRoom::named),
            detail: what.to_owned(),
            times: 1,
        });
    }

    /// Notes anything that is no change of the database.
    pub fn note(&self, row: NewAudit) {
        let kind = Kind {
            act: row.act,
            outcome: row.outcome,
            origin: row.origin,
            who: row.who,
            whom: row.whom,
            room: row.room,
            detail: row.detail,
        };
        let mut gathered = self.lock();
        if let Some(times) = gathered.kinds.get_mut(&kind) {
            *times = times.saturating_add(row.times);
        } else if gathered.kinds.len() < room_for(kind.who.is_some()) {
            gathered.kinds.insert(kind, row.times);
        } else {
            gathered.dropped = gathered.dropped.saturating_add(row.times);
            metrics::counter!("salon_audit_dropped_total").increment(1);
        }
    }

    /// Writes what has gathered. What cannot be written is counted as dropped, and the count is kept.
    pub async fn flush(&self) {
        let Gathered { kinds, dropped } = std::mem::take(&mut *self.lock());
        if kinds.is_empty() && dropped == 0 {
            return;
        }
        let mut rows: Vec<NewAudit> = kinds
            .into_iter()
            .map(|(kind, times)| NewAudit {
                act: kind.act,
                outcome: kind.outcome,
                origin: kind.origin,
                who: kind.who,
                whom: kind.whom,
                room: kind.room,
                detail: kind.detail,
                times,
            })
            .collect();
        if dropped > 0 {
            rows.push(NewAudit {
                times: dropped,
                ..NewAudit::of(Act::Dropped)
            });
        }
        for row in &rows {
            log(row);
        }
        let lost = rows
            .iter()
            .fold(0, |lost: i32, row| lost.saturating_add(row.times));
        if let Err(error) = self.store.note(rows).await {
            tracing::warn!(%error, lost, "refusals could not be written into the audit log");
            metrics::counter!("salon_audit_dropped_total").increment(lost.unsigned_abs().into());
            let mut gathered = self.lock();
            gathered.dropped = gathered.dropped.saturating_add(lost);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same for whoever reads the log of the process: one line for each row, so that nobody fills it.
fn log(row: &NewAudit) {
    let (code, way) = (row.outcome.map(ErrorCode::as_str), row.origin.way.as_str());
    tracing::info!(act = row.act.as_str(), code, way, address = ?row.origin.address, who = ?row.who, whom = ?row.whom, room = ?row.room, what = row.detail, times = row.times, "noted");
}

/// Ends when nobody holds the ledger any more; looked at so often.
async fn write_on(ledger: Weak<Ledger>) {
    loop {
        sleep(limits::LEDGER_INTERVAL).await;
        let Some(ledger) = ledger.upgrade() else {
            return;
        };
        let waiting = {
            let gathered = ledger.lock();
            !gathered.kinds.is_empty() || gathered.dropped > 0
        };
        if waiting {
            ledger.flush().await;
        }
    }
}
/// How many kinds may have gathered for one more: strangers, who cost nothing to be, leave most of it to those who are known.
const fn room_for(is_known: bool) -> usize {
    match is_known {
        true => limits::LEDGER_KINDS,
        false => limits::LEDGER_KINDS / 5,
    }
}
