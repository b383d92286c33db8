//! Which rooms somebody beside the feeds wants to hear of when they change, and a bell for it. The lanes ring it after each
//! COMMIT, without waiting and without a query; the webhooks' job says which rooms, and listens.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use tokio::sync::Notify;

use crate::ids::RoomId;

/// The rooms and the bell.
#[derive(Debug, Default)]
pub struct WatchedRooms {
    rooms: RwLock<HashSet<RoomId>>,
    /// There are too many to name: every room rings.
    every: AtomicBool,
    bell: Notify,
}

impl WatchedRooms {
    /// These, and with `every` all others too.
    pub fn watch(&self, rooms: HashSet<RoomId>, every: bool) {
        self.every.store(every, Ordering::Relaxed);
        *self.rooms.write().unwrap_or_else(PoisonError::into_inner) = rooms;
    }

    /// A room changed.
    pub fn changed(&self, room: RoomId) {
        let rooms = self.rooms.read().unwrap_or_else(PoisonError::into_inner);
        if self.every.load(Ordering::Relaxed) || rooms.contains(&room) {
            self.bell.notify_one();
        }
    }

    /// Rings whatever changed.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// Returns at the next ring, or at once when it rang since the last time.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }
}
