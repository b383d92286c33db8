//! What a room's feeds are told of a batch, encoded once for all their readers. Called by the lane after the COMMIT.

use super::Job;
use crate::db::changes::{Change, Outcome, RoomDone};
use crate::db::rows::StoredChange;
use crate::ids::RoomRef;
use crate::limits;
use crate::protocol::partial::PartialBody;
use crate::protocol::publication::{ChangeRange, Publication};

/// What the room's feeds are told; nothing when nothing changed.
pub(super) fn publication_of(
    room: &RoomRef,
    jobs: &[Job],
    done: &RoomDone,
    rerun: bool,
) -> Option<Publication> {
    if rerun {
        // The first run may have committed changes that this one did not see: feeds read.
        return Some(Publication::Look);
    }
    if done.head.version == done.from {
        return None;
    }
    metrics::counter!("salon_changes_total").increment(done.changes.len() as u64);
    let range = ChangeRange::encode(
        &room.slug,
        done.head.epoch,
        done.from,
        done.head.version,
        &done.changes,
    )
    .with_short(&room.slug, &partials(jobs, done));
    // Escapes may grow a text sixfold; what the layer would not take is read from the database instead.
    let short: usize = range.short.iter().map(|short| short.frame.len()).sum();
    let fits = range.frames.len() + short + range.entries.len() * 40 < limits::LAYER_MESSAGE_BYTES;
    Some(if fits {
        Publication::Range(range)
    } else {
        Publication::Look
    })
}

/// Of the messages written, what alone changed, where a change says so. A version is the first job's that tells it: one
/// that had nothing to change tells the room's.
fn partials(jobs: &[Job], done: &RoomDone) -> Vec<PartialBody> {
    let mut found = Vec::new();
    let mut told = done.from;
    for (job, outcome) in jobs.iter().zip(&done.outcomes) {
        let version = match outcome {
            Ok(Outcome::Changed { version }) => *version,
            Ok(Outcome::Posted(posted)) => posted.version,
            Err(_) => continue,
        };
        if version <= told {
            continue;
        }
        told = version;
        // Only a mark is told by itself: a batch of posts, which is what most are, looks for nothing.
        if !matches!(job.change, Change::Mark { .. } | Change::Unmark { .. }) {
            continue;
        }
        let row = done.changes.iter().find_map(|change| match change {
            StoredChange::Message(row) if row.version == version => Some(row),
            _ => None,
        });
        found.extend(row.and_then(|row| PartialBody::of(&job.change, row)));
    }
    found
}
