//! What a batch was answered, kept in `batches` for the rerun of a lost COMMIT. Called by `apply` for batches that hold
//! anything but posts; `sweep` removes it after an hour. An object by room id: a rerun may come room by room. The
//! changes themselves are not kept: readers of a rerun fill from the rooms.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::db::changes::{Outcome, Posted, RoomApplied, RoomDone};
use crate::db::postgres::statement::statement;
use crate::db::rows::Head;
use crate::db::{StoreError, StoreResult};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{BatchId, Epoch, RoomId, Seq, Version};

statement!(
    /// Keeps an answer, beside those of the batch's other rooms.
    KeepAnswer { id: Uuid, results: serde_json::Value },
    "INSERT INTO batches (id, results) VALUES ($1, $2) \
     ON CONFLICT (id) DO UPDATE SET results = batches.results || excluded.results"
);

#[derive(Serialize, Deserialize)]
struct SavedRoom {
    epoch: i64,
    from: Version,
    version: Version,
    last_seq: Seq,
    first_seq: Seq,
    floor: Version,
    outcomes: Vec<SavedOutcome>,
}

#[derive(Serialize, Deserialize)]
enum SavedOutcome {
    Posted {
        seq: Seq,
        version: Version,
        created_at: DateTime<Utc>,
        duplicate: bool,
        reply_seq: Option<Seq>,
        #[serde(default)]
        more_replies: Vec<Seq>,
        reply_refused: Option<String>,
        #[serde(default)]
        refused_until: Option<DateTime<Utc>>,
    },
    Changed {
        version: Version,
    },
    Refused {
        code: String,
        message: String,
        retry_after_ms: Option<u64>,
        #[serde(default)]
        version: Option<Version>,
    },
}

fn broken(error: &serde_json::Error) -> StoreError {
    StoreError::Broken(format!("batches.results: {error}"))
}

/// The statement that keeps the answer of every room that was judged.
pub(super) fn keep(batch: BatchId, rooms: &[RoomApplied]) -> StoreResult<KeepAnswer> {
    let saved: BTreeMap<RoomId, SavedRoom> = rooms
        .iter()
        .filter_map(|room| match room {
            RoomApplied::Done(done) => Some((done.head.room, save_room(done))),
            RoomApplied::Locked => None,
        })
        .collect();
    Ok(KeepAnswer {
        id: batch.0,
        results: serde_json::to_value(saved).map_err(|error| broken(&error))?,
    })
}

/// The answers kept.
pub(super) fn load(results: &serde_json::Value) -> StoreResult<HashMap<RoomId, RoomDone>> {
    let saved: BTreeMap<RoomId, SavedRoom> =
        Deserialize::deserialize(results).map_err(|error| broken(&error))?;
    Ok(saved
        .into_iter()
        .map(|(room, saved)| (room, load_room(room, saved)))
        .collect())
}

fn save_room(done: &RoomDone) -> SavedRoom {
    SavedRoom {
        epoch: done.head.epoch.0,
        from: done.from,
        version: done.head.version,
        last_seq: done.head.last_seq,
        first_seq: done.head.first_seq,
        floor: done.head.floor,
        outcomes: done.outcomes.iter().map(save_outcome).collect(),
    }
}

fn save_outcome(outcome: &Result<Outcome, Refusal>) -> SavedOutcome {
    match outcome {
        Ok(Outcome::Posted(posted)) => SavedOutcome::Posted {
            seq: posted.seq,
            version: posted.version,
            created_at: posted.created_at,
            duplicate: posted.duplicate,
            reply_seq: posted.reply_seq,
            more_replies: posted.more_replies.clone(),
            reply_refused: posted.reply_refused.map(|code| code.as_str().to_owned()),
            refused_until: posted.refused_until,
        },
        Ok(Outcome::Changed { version }) => SavedOutcome::Changed { version: *version },
        Err(refusal) => SavedOutcome::Refused {
            code: refusal.code.as_str().to_owned(),
            message: refusal.message.to_string(),
            retry_after_ms: refusal.retry_after_ms,
            version: refusal.version,
        },
    }
}

fn load_room(room: RoomId, saved: SavedRoom) -> RoomDone {
    RoomDone {
        head: Head {
            room,
            epoch: Epoch(saved.epoch),
            version: saved.version,
            last_seq: saved.last_seq,
            first_seq: saved.first_seq,
            floor: saved.floor,
        },
        from: saved.from,
        outcomes: saved.outcomes.into_iter().map(load_outcome).collect(),
        changes: Vec::new(),
    }
}

fn load_outcome(saved: SavedOutcome) -> Result<Outcome, Refusal> {
    // A code of another release may be unknown here.
    let known = |code: &str| ErrorCode::from_code(code).unwrap_or(ErrorCode::Internal);
    match saved {
        SavedOutcome::Posted {
            seq,
            version,
            created_at,
            duplicate,
            reply_seq,
            more_replies,
            reply_refused,
            refused_until,
        } => Ok(Outcome::Posted(Posted {
            seq,
            version,
            created_at,
            duplicate,
            reply_seq,
            more_replies,
            reply_refused: reply_refused.as_deref().map(known),
            refused_until,
        })),
        SavedOutcome::Changed { version } => Ok(Outcome::Changed { version }),
        SavedOutcome::Refused {
            code,
            message,
            retry_after_ms,
            version,
        } => Err(Refusal {
            code: known(&code),
            message: message.into(),
            retry_after_ms,
            version,
        }),
    }
}
