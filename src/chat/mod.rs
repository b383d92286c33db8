//! The rules of rooms and messages, over the writer, the feeds and the store: what the consumer and the HTTP handlers
//! call. It knows no sockets and no HTTP.
//!
//! [`rooms`], [`invites`], [`messages`], [`reading`] and [`search`] are the nouns, [`message_changes`] what is done to messages; [`assistant`] runs replies, [`webhooks`] tells others; [`proofs`] and [`single_flight`] make many
//! readers cost little; [`markdown`], [`mentions`] and [`prompt`] are pure.

pub mod administration;
pub mod assistant;
pub mod assistants;
mod departures;
pub mod export;
pub mod invites;
pub mod ledger;
pub mod markdown;
pub mod mentions;
pub mod message_changes;
pub mod messages;
pub mod pace;
pub mod prompt;
pub mod proofs;
pub mod reading;
pub mod rooms;
pub mod search;
pub mod single_flight;
pub mod variants;
pub mod webhooks;

use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::sync::{Notify, OnceCell, Semaphore};

use crate::channel_layer::ChannelLayer;
use crate::db::Store;
use crate::db::rows::{Head, Proof, UserRow};
use crate::error::{ErrorCode, Refusal};
use crate::feed::Feeds;
use crate::ids::{RoomId, RoomRef, UserId, Version};
use crate::limits;
use crate::protocol::publication::ChangeRange;
use crate::protocol::server::MessageBody;
use crate::protocol::user_news::News;
use crate::spending::Caps;
use crate::writer::Writer;
use ledger::Ledger;
use proofs::Proofs;
use reading::Reading;
use single_flight::SingleFlight;

/// Changes in one page of catching up.
const CATCH_UP_CHANGES: i64 = 200;
const _: () = assert!(
    CATCH_UP_CHANGES > limits::CATCH_UP_STEP,
    "a page always leads past its reader's cursor"
);

/// Rooms and messages.
pub struct Chat {
    /// The database, for reads that name their reader.
    pub(crate) store: Arc<dyn Store>,
    /// Every change leaves through it.
    pub(crate) writer: Arc<Writer>,
    /// The rooms' streams.
    pub feeds: Feeds,
    pub(crate) layer: Arc<dyn ChannelLayer>,
    /// What members have read.
    pub reading: Arc<Reading>,
    /// What is refused, on its way into the audit log.
    pub ledger: Arc<Ledger>,
    /// A room is to keep less from now on.
    retention_set: Arc<Notify>,
    /// Searches at once.
    searches: Semaphore,
    proofs: Proofs,
    latest: SingleFlight<RoomId, Arc<SharedPage>>,
    catching_up: SingleFlight<(RoomId, Version), Arc<CatchUp>>,
    catch_ups: Semaphore,
    assistant: OnceCell<UserRow>,
    /// What may be spent on answers.
    caps: Caps,
}

/// The latest messages of a room, encoded once for all who join.
pub struct SharedPage {
    /// The room as it was then.
    pub head: Head,
    /// Ascending by seq; each is a message's JSON.
    pub messages: Vec<Box<RawValue>>,
}

/// What follows a cursor that is older than the ring, encoded once for all who stand there.
pub struct CatchUp {
    /// The room as it was then.
    pub head: Head,
    /// The changes, up to its `to`.
    pub range: ChangeRange,
}

impl Chat {
    /// The rules over these handles.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        writer: Arc<Writer>,
        feeds: Feeds,
        layer: Arc<dyn ChannelLayer>,
    ) -> Self {
        Self {
            retention_set: Arc::default(),
            searches: Semaphore::new(limits::SEARCHES),
            ledger: Ledger::start(Arc::clone(&store)),
            proofs: Proofs::start(Arc::clone(&store)),
            reading: Arc::new(Reading::new(
                Arc::clone(&store),
                Arc::clone(&layer),
                writer.mentioned(),
            )),
            store,
            writer,
            feeds,
            layer,
            latest: SingleFlight::new(limits::PAGE_SHARE, limits::SHARED_PAGES),
            catching_up: SingleFlight::new(limits::PAGE_SHARE, limits::SHARED_PAGES),
            catch_ups: Semaphore::new(limits::CATCH_UPS),
            assistant: OnceCell::new(),
            caps: Caps::default(),
        }
    }

    /// The same where no more than this may be spent on answers.
    #[must_use]
    pub const fn capped(mut self, caps: Caps) -> Self {
        self.caps = caps;
        self
    }

    /// What may be spent on answers.
    #[must_use]
    pub const fn caps(&self) -> Caps {
        self.caps
    }

    /// The assistant's user; read once.
    ///
    /// # Errors
    /// `unavailable` while the database does not answer.
    pub async fn assistant(&self) -> Result<&UserRow, Refusal> {
        self.assistant
            .get_or_try_init(|| self.store.assistant())
            .await
            .map_err(crate::db::StoreError::into_refusal)
    }

    /// Proves membership.
    ///
    /// # Errors
    /// `not_a_member`, `room_not_found`, or that it cannot be told now.
    pub async fn prove(&self, user: UserId, slug: &str) -> Result<Proof, Refusal> {
        self.proofs.prove(user, slug).await
    }

    /// Proves membership, becoming a member first where the room is public.
    ///
    /// # Errors
    /// `room_not_found`, or that it cannot be done now.
    pub async fn enter(&self, user: UserId, slug: &str) -> Result<Proof, Refusal> {
        match self.prove(user, slug).await {
            Err(refusal) if refusal.code == ErrorCode::NotAMember => {
                let joined = self.store.join_room(user, slug).await;
                let proof = joined.map_err(crate::db::StoreError::into_refusal)?;
                let slug = slug.to_owned();
                self.reading.tell_room(user, News::Gained { slug });
                Ok(proof)
            }
            proved => proved,
        }
    }

    /// Told whenever a room's retention was set here: whoever removes what is past it need not wait for its hour.
    #[must_use]
    pub fn retention_set(&self) -> Arc<Notify> {
        Arc::clone(&self.retention_set)
    }

    /// The latest page of a room, at most [`limits::PAGE_SHARE`] old, and no older than what `head` says of its beginning.
    /// Show it only to one whose proof is not older.
    ///
    /// # Errors
    /// That it cannot be read now.
    pub async fn latest_page(&self, head: &Head) -> Result<Arc<SharedPage>, Refusal> {
        let page = self.shared_page(head.room).await?;
        if page.head.first_seq >= head.first_seq {
            return Ok(page);
        }
        // It was read before retention took what it shows.
        self.latest
            .forget(&head.room, |kept| Arc::ptr_eq(kept, &page));
        self.shared_page(head.room).await
    }

    async fn shared_page(&self, room: RoomId) -> Result<Arc<SharedPage>, Refusal> {
        let read = async {
            metrics::counter!("salon_history_reads_total", "kind" => "latest").increment(1);
            let page = self.store.latest_page(room, limits::PAGE_MESSAGES).await?;
            let raw = |row| serde_json::value::to_raw_value(&MessageBody::from(row)).ok();
            let messages = page.messages.iter().filter_map(raw).collect();
            Ok(Arc::new(SharedPage {
                head: page.head,
                messages,
            }))
        };
        self.latest
            .get(room, read)
            .await
            .map_err(crate::db::StoreError::into_refusal)
    }

    /// What follows `after`, a page of it, and perhaps a little of what comes before: readers who stand near each other get
    /// the same page. Few are read at once, so that a storm leaves connections to the others.
    ///
    /// # Errors
    /// That it cannot be read now.
    pub async fn catch_up(&self, room: &RoomRef, after: Version) -> Result<Arc<CatchUp>, Refusal> {
        let near = after - after.rem_euclid(limits::CATCH_UP_STEP);
        let page = self.page_above(room, near).await?;
        if page.range.to > after {
            return Ok(page);
        }
        // It is of large messages, or was read before this reader got so far.
        self.page_above(room, after).await
    }

    async fn page_above(&self, room: &RoomRef, after: Version) -> Result<Arc<CatchUp>, Refusal> {
        let read = async {
            // The semaphore is never closed.
            let _permit = self.catch_ups.acquire().await;
            metrics::counter!("salon_history_reads_total", "kind" => "catch_up").increment(1);
            let page = self
                .store
                .changes_after(room.id, after, CATCH_UP_CHANGES)
                .await?;
            let end = match (page.complete, page.changes.last()) {
                (true, _) => page.head.version,
                (false, last) => last.map_or(after, crate::db::rows::StoredChange::version),
            };
            let range = ChangeRange::encode(&room.slug, page.head.epoch, after, end, &page.changes);
            Ok(Arc::new(CatchUp {
                head: page.head,
                range,
            }))
        };
        let page = self
            .catching_up
            .get((room.id, after), read)
            .await
            .map_err(crate::db::StoreError::into_refusal)?;
        if page.head.version - page.range.to > limits::CATCH_UP_NEAR {
            // Far from the head few stand together: kept for others, the pages of one long way would fill the memory.
            self.catching_up
                .forget(&(room.id, after), |kept| Arc::ptr_eq(kept, &page));
        }
        Ok(page)
    }
}

/// The room of a proof, by both of its names.
#[must_use]
pub fn room_ref(proof: &Proof) -> RoomRef {
    RoomRef {
        id: proof.view.room.id,
        slug: proof.view.room.slug.as_str().into(),
    }
}
