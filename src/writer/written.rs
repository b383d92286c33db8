//! The rooms this process wrote to, for those who follow behind the acks. Noted by the lanes after a COMMIT, once for each room of a
//! batch; taken, all at once, by the job that indexes for search. Bounded: above it, only that there were more is known.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::ids::RoomId;
use crate::limits;

/// Rooms with commits that nobody has taken notice of.
#[derive(Debug, Default)]
pub struct WrittenRooms {
    noted: Mutex<Noted>,
}

/// What was noted.
#[derive(Debug, Default)]
pub struct Noted {
    /// Each with the time of its first commit.
    pub rooms: HashMap<RoomId, Instant>,
    /// Whether there were more than are kept.
    pub more: bool,
}

impl WrittenRooms {
    /// Something was committed there.
    pub fn note(&self, room: RoomId) {
        let mut noted = self.lock();
        if noted.rooms.len() < limits::INDEX_ROOMS_NOTED {
            noted.rooms.entry(room).or_insert_with(Instant::now);
        } else if !noted.rooms.contains_key(&room) {
            noted.more = true;
        }
    }

    /// All that was noted since the last time.
    #[must_use]
    pub fn take(&self) -> Noted {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rooms_are_noted_once_and_bounded() {
        let written = WrittenRooms::default();
        let room = RoomId::new();
        let first = Instant::now();
        written.note(room);
        tokio::time::advance(limits::INDEX_INTERVAL).await;
        written.note(room);
        let noted = written.take();
        assert_eq!((noted.rooms.get(&room), noted.more), (Some(&first), false));
        assert!(written.take().rooms.is_empty());
        for _ in 0..limits::INDEX_ROOMS_NOTED {
            written.note(RoomId::new());
        }
        let noted = written.take();
        assert_eq!(
            (noted.rooms.len(), noted.more),
            (limits::INDEX_ROOMS_NOTED, false)
        );
        for _ in 0..=limits::INDEX_ROOMS_NOTED {
            written.note(RoomId::new());
        }
        let noted = written.take();
        assert_eq!(
            (noted.rooms.len(), noted.more),
            (limits::INDEX_ROOMS_NOTED, true)
        );
    }
}
