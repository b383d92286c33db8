//! What a batch was answered, kept in `batches` for the rerun of a lost COMMIT. Called by `apply` for batches that hold
//! anything but posts; `sweep` removes it after an hour. The changes themselves are not kept: readers of a
//! rerun fill from the rooms.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::db::changes::{Outcome, Posted, RoomDone};
use crate::db::rows::Head;
use crate::db::sqlite::columns::{Micros, StoredId, now, time};
use crate::db::sqlite::failure::Work;
use crate::db::sqlite::schema::batches;
use crate::error::{ErrorCode, Refusal};
use crate::ids::{BatchId, Epoch, RoomId, Seq, Version};

#[derive(Serialize, Deserialize)]
struct SavedRoom {
    room: RoomId,
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
        created_at: Micros,
        duplicate: bool,
        reply_seq: Option<Seq>,
        #[serde(default)]
        more_replies: Vec<Seq>,
        reply_refused: Option<String>,
        #[serde(default)]
        refused_until: Option<chrono::DateTime<chrono::Utc>>,
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

/// Keeps an answer.
pub(super) fn keep(conn: &mut SqliteConnection, batch: BatchId, rooms: &[RoomDone]) -> Work<()> {
    let answer: Vec<SavedRoom> = rooms.iter().map(save_room).collect();
    diesel::insert_into(batches::table)
        .values((
            batches::id.eq(StoredId(batch.0)),
            batches::answer.eq(serde_json::to_string(&answer)?),
            batches::created_at.eq(now()),
        ))
        .execute(conn)?;
    Ok(())
}

/// The answer kept, if this batch was committed.
pub(super) fn find(conn: &mut SqliteConnection, batch: BatchId) -> Work<Option<Vec<RoomDone>>> {
    let found = batches::table
        .find(StoredId(batch.0))
        .select(batches::answer)
        .first::<String>(conn)
        .optional()?;
    let Some(answer) = found else {
        return Ok(None);
    };
    let rooms: Vec<SavedRoom> = serde_json::from_str(&answer)?;
    rooms
        .into_iter()
        .map(load_room)
        .collect::<Work<Vec<_>>>()
        .map(Some)
}

fn save_room(done: &RoomDone) -> SavedRoom {
    SavedRoom {
        room: done.head.room,
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
            created_at: posted.created_at.timestamp_micros(),
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

fn load_room(saved: SavedRoom) -> Work<RoomDone> {
    let outcomes = saved
        .outcomes
        .into_iter()
        .map(load_outcome)
        .collect::<Work<Vec<_>>>()?;
    Ok(RoomDone {
        head: Head {
            room: saved.room,
            epoch: Epoch(saved.epoch),
            version: saved.version,
            last_seq: saved.last_seq,
            first_seq: saved.first_seq,
            floor: saved.floor,
        },
        from: saved.from,
        outcomes,
        changes: Vec::new(),
    })
}

fn load_outcome(saved: SavedOutcome) -> Work<Result<Outcome, Refusal>> {
    // A code of another release may be unknown here.
    let known = |code: &str| ErrorCode::from_code(code).unwrap_or(ErrorCode::Internal);
    Ok(match saved {
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
            created_at: time(created_at)?,
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
    })
}
