//! A room's whole history as it is written out: pages by seq, rights read again with each, the memory of one page. Called by
//! `http/export`, which says it in a format; this decides what comes, and whether it was all.

use std::sync::Arc;
use std::time::Duration;

use super::Chat;
use crate::db::StoreError;
use crate::db::rows::{Identity, MessageRow, RoomView};
use crate::error::{ErrorCode, Refusal};
use crate::ids::Seq;
use crate::limits;

/// An export under way.
pub struct Export {
    chat: Arc<Chat>,
    who: Identity,
    /// The room as it was when it began: what comes after is not part of it.
    pub room: RoomView,
    after: Seq,
    /// Messages given out.
    pub count: u64,
}

impl Chat {
    /// Begins an export of what the room holds now.
    ///
    /// # Errors
    /// As finding the room.
    pub async fn export(self: Arc<Self>, who: Identity, slug: &str) -> Result<Export, Refusal> {
        let room = self.prove(who.user.id, slug).await?.view;
        Ok(Export {
            after: room.head.first_seq - 1,
            chat: self,
            who,
            room,
            count: 0,
        })
    }
}

impl Export {
    /// The next page; none when that was all. What cannot be read now is tried again for a while.
    ///
    /// # Errors
    /// Why it ends before its end: one is no longer a member (as finding the room), or it cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<MessageRow>>, Refusal> {
        let last = self.room.head.last_seq;
        if self.after >= last {
            return Ok(None);
        }
        let mut messages = self.read().await?;
        messages.retain(|message| message.seq <= last);
        let Some(end) = messages.last().map(|message| message.seq) else {
            return Ok(None);
        };
        self.after = end;
        self.count += messages.len() as u64;
        Ok(Some(messages))
    }

    async fn read(&self) -> Result<Vec<MessageRow>, Refusal> {
        let (user, slug) = (self.who.user.id, &self.room.room.slug);
        let mut tries = 0;
        loop {
            let page = self
                .chat
                .store
                .history_after(user, slug, self.after, limits::EXPORT_PAGE);
            match page.await.map_err(StoreError::into_refusal) {
                Ok(page) => return Ok(page.messages),
                Err(refusal) if refusal.code.is_retryable() && tries < limits::EXPORT_TRIES => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(limits::RETRY_HINT_MS) * tries).await;
                }
                Err(refusal) => return Err(refusal),
            }
        }
    }

    /// Whether retention took some of it meanwhile: then it is not whole.
    ///
    /// # Errors
    /// As finding the room.
    pub fn checked(&self) -> Result<(), Refusal> {
        let expected = self.room.head.last_seq - self.room.head.first_seq + 1;
        match u64::try_from(expected.max(0)) {
            Ok(expected) if expected == self.count => Ok(()),
            _ => Err(Refusal::with_message(
                ErrorCode::Unavailable,
                "Some messages were removed by the room's retention meanwhile: export again.",
            )),
        }
    }
}
