//! Who is in which room, on all instances, and who writes. Best effort: it lives in memory only, is passed on over the
//! layer, and is right again by itself after any loss. Readers' seats come and go with the feeds; [`run`] tells the other
//! instances and this one's readers; [`state`] is the pure part. It reads and writes nothing in the database.

pub mod state;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::Rng;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Feeds;
use crate::channel_layer::{ChannelLayer, GroupName, LayerEvent};
use crate::db::rows::UserRow;
use crate::ids::{InstanceId, RoomId, RoomRef, UserId};
use crate::limits;
use crate::protocol::frame::Frame;
use crate::protocol::presence::{News, Notice};
use state::State;

/// Presence and typing of one process.
#[derive(Default)]
pub struct Presence {
    state: Mutex<State>,
}

/// To whom of a room's readers a frame goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    /// Those who have not been told who is here since they came.
    Untold,
    /// All who are shown in the room; they are then told.
    Everyone,
    /// All who are shown in the room, of something else than who is here.
    Passing,
}

/// A frame for the readers of one room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Telling {
    /// Where.
    pub room: RoomId,
    /// To whom.
    pub audience: Audience,
    /// What.
    pub frame: Frame,
}

/// One room's seats: what its feed tells of who comes and goes.
pub(super) struct Seats {
    presence: Arc<Presence>,
    room: RoomRef,
}

impl Seats {
    pub(super) const fn new(presence: Arc<Presence>, room: RoomRef) -> Self {
        Self { presence, room }
    }

    /// A reader came.
    pub(super) fn taken(&self, who: &UserRow) {
        self.presence.lock().arrived(&self.room, who);
    }

    /// One of this user's readers went.
    pub(super) fn left(&self, who: UserId) {
        self.presence.lock().left(self.room.id, who);
    }
}

impl Presence {
    /// Somebody writes. Told to the room soon, or dropped when too many write there.
    pub fn typing(&self, room: RoomId, who: &UserRow) {
        self.lock().typing(room, who, Instant::now());
    }

    /// Which of these are in the room, as far as is known.
    #[must_use]
    pub fn present(&self, room: RoomId, users: &[UserId]) -> HashSet<UserId> {
        self.lock().present(room, users)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes on who is here and who writes until `stop`. From `leaving` on it says no more to other instances: they forget
/// this one's readers within [`limits::PRESENCE_GRACE`], which lets those who come back elsewhere do so unnoticed.
pub async fn run(
    feeds: Feeds,
    layer: Arc<dyn ChannelLayer>,
    leaving: CancellationToken,
    stop: CancellationToken,
) {
    let (me, group, presence) = (InstanceId::new(), GroupName::presence(), feeds.presence());
    let send = |news| layer.group_send(&group, Notice { from: me, news }.to_bytes());
    let mut channel = layer.new_channel(limits::CHANNEL_CAPACITY);
    layer.group_add(&group, &channel).await;
    send(News::Hello);
    // Instances that started together must not tell together.
    let first = limits::PRESENCE_TICK.mul_f64(crate::randomness::rng().random_range(0.1..1.0));
    let mut next_tick = Instant::now() + first;
    let mut left = false;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = leaving.cancelled(), if !left => {
                left = true;
                send(News::Goodbye);
            }
            () = tokio::time::sleep_until(next_tick) => {
                let late = next_tick.elapsed();
                next_tick = Instant::now() + limits::PRESENCE_TICK;
                if late > limits::FROZEN && !left {
                    // What was told meanwhile is lost, and what was known has run out.
                    send(News::Hello);
                }
                let work = presence.lock().tick(Instant::now());
                for news in work.news {
                    if !left {
                        send(news);
                    }
                }
                for telling in work.tellings {
                    let (room, audience) = (telling.room, telling.audience);
                    if !feeds.tell(telling) && audience != Audience::Passing {
                        presence.lock().not_told(room);
                    }
                }
            }
            event = channel.receive() => match event {
                Some(LayerEvent::Message { payload, .. }) => {
                    if let Some(notice) = Notice::from_bytes(&payload)
                        && notice.from != me
                    {
                        presence.lock().heard(notice, Instant::now());
                    }
                }
                // The others hear that the layer is back as this one does, and tell in the same way.
                Some(LayerEvent::Resync) => presence.lock().ask(),
                Some(LayerEvent::Lagged) => {}
                None => return,
            },
        }
    }
}
