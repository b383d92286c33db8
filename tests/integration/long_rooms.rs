//! A room that is read for long without a reply goes on as at first: who joins is answered, and what is written is delivered.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use salon::channel_layer::ChannelLayer;
use salon::channel_layer::in_memory::InMemoryLayer;
use salon::db::rows::Visibility;
use salon::feed::{Attach, Attached, Feeds, Reader, heads};
use salon::ids::{ConnectionId, Cursor, RoomRef, UserId};
use salon::protocol::CloseCode;
use salon::protocol::frame::Frame;

use crate::store::fixtures::message;
use crate::store::model;

/// Counts what it is told.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Reader for Counter {
    fn deliver(&self, _: &Frame) -> bool {
        self.0.fetch_add(1, Ordering::SeqCst);
        true
    }

    fn close(&self, _: CloseCode) {}
}

fn attach(reader: &Arc<Counter>, user: UserId, cursor: Cursor) -> Attach {
    Attach {
        connection: ConnectionId::new(),
        reader: Arc::clone(reader) as Arc<dyn Reader>,
        user,
        proof: cursor.version,
        cursor,
        whole_until: cursor.version,
        greeting: None,
    }
}

async fn two_hours() {
    let store = model::fresh().await;
    let owner = store.person("owner").await;
    let room = store.make_room(&owner, "den", Visibility::Public).await;
    let room = RoomRef {
        id: room.room.id,
        slug: "den".into(),
    };
    let layer: Arc<dyn ChannelLayer> = InMemoryLayer::new();
    let feeds = Feeds::new(Arc::clone(&store.store), layer);
    let start = store.heads(&[room.id]).await.unwrap()[0];
    let cursor = Cursor {
        epoch: start.epoch,
        version: start.version,
    };
    let first: Arc<Counter> = Arc::default();
    let attached = feeds.attach(&room, attach(&first, owner.id, cursor)).await;
    assert_eq!(attached.unwrap(), Attached::Done);
    tokio::time::sleep(Duration::from_secs(2 * 3_600)).await;

    let second: Arc<Counter> = Arc::default();
    let attached = feeds.attach(&room, attach(&second, owner.id, cursor)).await;
    assert_eq!(attached.unwrap(), Attached::Done);
    store.post(room.id, message(&owner, "still here?")).await;
    assert!(heads::check_once(&feeds, &store.store).await);
    while [&first, &second].map(|reader| reader.0.load(Ordering::SeqCst)) != [1, 1] {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn a_room_read_for_hours_without_a_reply_answers_and_delivers() {
    // A clock that goes as fast as nothing happens stands still where something always does: the deadline is of another.
    let (done, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build();
        runtime.unwrap().block_on(two_hours());
        done.send(()).unwrap();
    });
    told.recv_timeout(Duration::from_secs(30))
        .expect("the feed gave nobody else a turn, or the thread failed");
}
