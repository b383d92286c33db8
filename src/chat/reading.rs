//! What members have read: marks are gathered, one for each user and room, and written together. Called by the consumer
//! for each `read.mark`; the server runs [`Reading::run`], and flushes what is left when it stops. At the same pace it tells
//! members that posts of this process mentioned what they have unread there, wherever their windows are.
//!
//! A mark takes no version and has no answer of its own: when it is written, every socket of its user hears `user.read`.
//! A process that dies loses the marks of its last second; its clients mark what they show again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::channel_layer::{ChannelLayer, GroupName};
use crate::db::Store;
use crate::db::rows::{ReadMark, ReadMoved};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{RoomId, Seq, UserId};
use crate::limits;
use crate::protocol::user_news::{News, UserNews, to_bytes};
use crate::writer::Mentioned;

/// News in one message of the layer.
const NEWS_PER_MESSAGE: usize = 500;

/// The marks of one process that wait to be written.
pub struct Reading {
    store: Arc<dyn Store>,
    layer: Arc<dyn ChannelLayer>,
    marks: Mutex<BTreeMap<(UserId, RoomId), Seq>>,
    mentioned: Arc<Mentioned>,
}

impl Reading {
    /// None wait.
    pub(super) fn new(
        store: Arc<dyn Store>,
        layer: Arc<dyn ChannelLayer>,
        mentioned: Arc<Mentioned>,
    ) -> Self {
        Self {
            store,
            layer,
            marks: Mutex::default(),
            mentioned,
        }
    }

    /// The user has read up to `seq`. Whether it is a member, the statement that writes it judges.
    ///
    /// # Errors
    /// `busy` when [`limits::READ_MARKS`] wait.
    pub fn mark(&self, user: UserId, room: RoomId, seq: Seq) -> Result<(), Refusal> {
        let mut marks = self.lock();
        let known = marks.contains_key(&(user, room));
        if !known && marks.len() >= limits::READ_MARKS {
            return Err(Refusal::from(ErrorCode::Busy).retry_after_ms(limits::RETRY_HINT_MS));
        }
        let marked = marks.entry((user, room)).or_insert(seq);
        *marked = seq.max(*marked);
        Ok(())
    }

    /// Writes what waits, every [`limits::READ_INTERVAL`] until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(limits::READ_INTERVAL) => {
                    self.flush().await;
                    self.tell_mentioned().await;
                }
            }
        }
    }

    /// Tells those who were mentioned what they have unread. Once: who misses it finds it in its list of rooms.
    pub async fn tell_mentioned(&self) {
        for part in self
            .mentioned
            .take()
            .chunks(limits::READ_MARKS_PER_STATEMENT)
        {
            let unread = match self.store.unread(part).await {
                Ok(unread) => unread,
                Err(error) => {
                    // Marks wait behind this: they are worth more than news.
                    tracing::warn!(%error, "who was mentioned could not be told");
                    return;
                }
            };
            let news = unread.into_iter().map(|unread| UserNews {
                user: unread.user,
                what: News::Mentioned {
                    slug: unread.slug,
                    last_seq: unread.last_seq,
                    unread: unread.unread,
                    mentions: unread.mentions,
                },
            });
            self.send(&news.collect::<Vec<_>>());
        }
    }

    /// Writes what waits, now. What the database does not take waits on.
    pub async fn flush(&self) {
        let waiting = std::mem::take(&mut *self.lock());
        let marks: Vec<ReadMark> = waiting
            .into_iter()
            .map(|((user, room), seq)| ReadMark { user, room, seq })
            .collect();
        for part in marks.chunks(limits::READ_MARKS_PER_STATEMENT) {
            match self.store.mark_read(part).await {
                Ok(moved) => self.tell(moved),
                Err(error) => {
                    tracing::warn!(%error, "what was read could not be written; it waits");
                    for mark in part {
                        // At the bound it is dropped: its user reads on and marks again.
                        let _ = self.mark(mark.user, mark.room, mark.seq);
                    }
                }
            }
        }
    }

    fn tell(&self, moved: Vec<ReadMoved>) {
        let news: Vec<UserNews> = moved
            .into_iter()
            .map(|moved| UserNews {
                user: moved.user,
                what: News::Read {
                    room: moved.room,
                    slug: moved.slug,
                    seq: moved.read.seq,
                    unread: moved.unread,
                    mentions: moved.read.mentions,
                    receipt: moved.members <= limits::RECEIPT_MEMBERS,
                },
            })
            .collect();
        self.send(&news);
    }

    /// News of a kind go by themselves: an instance that does not know it passes over what it came with.
    fn send(&self, news: &[UserNews]) {
        for part in news.chunks(NEWS_PER_MESSAGE) {
            self.layer.group_send(&GroupName::users(), to_bytes(part));
        }
    }

    /// Tells a user's sockets of a room it got or lost, or muted.
    pub(super) fn tell_room(&self, user: UserId, what: News) {
        self.send(&[UserNews { user, what }]);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(UserId, RoomId), Seq>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
