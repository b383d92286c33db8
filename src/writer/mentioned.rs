//! Whom posts mentioned, and where, until somebody tells them: filled by the lanes after a COMMIT, emptied by `chat::reading`
//! once in a while, so that many mentions of one member in one room are one piece of news. Best effort: it is not stored.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::db::changes::{Outcome, RoomDone};
use crate::db::rows::StoredChange;
use crate::ids::{RoomId, UserId, Version};
use crate::limits;

/// Members that were mentioned, each once for each room.
#[derive(Default)]
pub struct Mentioned(Mutex<BTreeSet<(UserId, RoomId)>>);

impl Mentioned {
    /// Takes all that wait.
    #[must_use]
    pub fn take(&self) -> Vec<(UserId, RoomId)> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *waiting).into_iter().collect()
    }

    /// Notes whom what was posted mentions. What changed in another way mentions nobody anew.
    pub(super) fn note(&self, room: RoomId, done: &RoomDone) {
        let posted: BTreeSet<Version> = done
            .outcomes
            .iter()
            .filter_map(|outcome| match outcome {
                Ok(Outcome::Posted(posted)) if !posted.duplicate => Some(posted.version),
                _ => None,
            })
            .collect();
        for change in &done.changes {
            let StoredChange::Message(row) = change else {
                continue;
            };
            if row.meta.mentions.is_empty() || !posted.contains(&row.version) {
                continue;
            }
            let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for user in &row.meta.mentions {
                // Above the bound it is left out: lists of rooms tell it later.
                if waiting.len() < limits::MENTIONS_WAITING {
                    waiting.insert((*user, room));
                }
            }
        }
    }
}
