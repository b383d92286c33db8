//! The suite's factory for the model: what the contract means, in plain maps.

use std::future::Ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{TimeDelta, Utc};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use salon::ids::{RoomId, Seq};

use super::fixtures::{BackEnd, TestStore};
use crate::support::model_store::{Change, ModelStore};

/// The model and the clock it was handed, which is the machine's and so many seconds.
struct Model {
    store: Arc<ModelStore>,
    ahead_s: Arc<AtomicI64>,
}

impl BackEnd for Model {
    fn age(&self, seconds: i64) -> BoxFuture<'_, ()> {
        self.ahead_s.fetch_add(seconds, Ordering::SeqCst);
        std::future::ready(()).boxed()
    }

    fn set_clock_back(&self, seconds: i64) -> BoxFuture<'_, ()> {
        self.age(-seconds)
    }

    fn age_messages(&self, seconds: i64) -> BoxFuture<'_, ()> {
        for room in self.store.tables().rooms.values_mut() {
            for message in room.messages.values_mut() {
                message.row.created_at -= TimeDelta::seconds(seconds);
            }
        }
        std::future::ready(()).boxed()
    }

    fn rows_of(&self, room: RoomId) -> BoxFuture<'_, Vec<(String, usize)>> {
        let tables = self.store.tables();
        let room = &tables.rooms[&room];
        let logged = room.changes.values();
        let logged = logged.filter(|change| matches!(change, Change::Log(_)));
        let counts = [
            ("bans", room.bans.len()),
            ("invites", room.invites.len()),
            ("memberships", room.members.len()),
            ("messages", room.messages.len()),
            ("replies", room.replies.len()),
            ("room_assistants", room.assistants.len()),
            ("room_log", logged.count()),
        ];
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        let counts = counts.map(|(table, count)| (table.to_owned(), count));
        std::future::ready(counts.collect()).boxed()
    }

    fn bury(&self, room: RoomId, seq: Seq) -> BoxFuture<'_, ()> {
        let mut tables = self.store.tables();
        let room = tables.rooms.get_mut(&room).unwrap();
        let row = &mut room.messages.get_mut(&seq).unwrap().row;
        row.body.clear();
        row.html = None;
        row.deleted_at = Some(row.created_at);
        std::future::ready(()).boxed()
    }

    fn end(self: Box<Self>) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}

/// An empty one.
pub(crate) fn fresh() -> Ready<TestStore> {
    let ahead_s = Arc::new(AtomicI64::new(0));
    let ahead = Arc::clone(&ahead_s);
    let clock = move || Utc::now() + TimeDelta::seconds(ahead.load(Ordering::SeqCst));
    let store = ModelStore::new(Arc::new(clock));
    std::future::ready(TestStore {
        store: Arc::clone(&store) as Arc<dyn salon::db::Store>,
        back_end: Box::new(Model { store, ahead_s }),
    })
}
