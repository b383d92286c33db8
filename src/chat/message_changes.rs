//! What is done to messages after they are posted: edited, deleted, marked with reactions and pins; and reading what is
//! left of that. Called by consumers and HTTP handlers. The rules are the store's, judged inside the transaction.

use super::Chat;
use super::messages::render;
use crate::db::StoreError;
use crate::db::changes::{Change, NewText};
use crate::db::marks::Mark;
use crate::db::rows::{EditRow, Identity, MessageRow};
use crate::error::Refusal;
use crate::ids::{Seq, UserId, Version};
use crate::protocol::client::{check_body, check_emoji};
use crate::spending::Caps;

/// What somebody wants done to a message.
#[derive(Clone, PartialEq, Debug)]
pub enum Deed {
    /// Give it another text, if that is still the one of this version.
    Edit(String, Option<Version>),
    /// The same, and have what answers it written again.
    Resend(String, Option<Version>),
    /// Delete it.
    Delete,
    /// React to it, or pin it.
    Mark(Mark),
    /// Take that back.
    Unmark(Mark),
}

impl Deed {
    /// Whether a reply is written for it.
    #[must_use]
    pub const fn prompts(&self) -> bool {
        matches!(self, Self::Resend(..))
    }

    /// What the writer is asked for it: its text checked and rendered. An edit calls nobody: at most, what
    /// the message called is asked again, where `caps` let it.
    ///
    /// # Errors
    /// `bad_request`, `too_large`.
    pub async fn by(self, actor: UserId, seq: Seq, caps: Caps) -> Result<Change, Refusal> {
        Ok(match self {
            Self::Edit(body, if_version) => edit(actor, seq, body, if_version, None).await?,
            Self::Resend(body, if_version) => {
                edit(actor, seq, body, if_version, Some(caps)).await?
            }
            Self::Delete => Change::DeleteMessage { actor, seq },
            Self::Mark(mark) => {
                check_mark(&mark)?;
                Change::Mark { actor, seq, mark }
            }
            Self::Unmark(mark) => {
                check_mark(&mark)?;
                Change::Unmark { actor, seq, mark }
            }
        })
    }
}

async fn edit(
    actor: UserId,
    seq: Seq,
    body: String,
    if_version: Option<Version>,
    resend: Option<Caps>,
) -> Result<Change, Refusal> {
    check_body(&body)?;
    let html = render(&body).await;
    Ok(Change::EditMessage(NewText {
        actor,
        seq,
        body,
        html,
        if_version,
        resend,
    }))
}

fn check_mark(mark: &Mark) -> Result<(), Refusal> {
    match mark {
        Mark::Reaction(emoji) => check_emoji(emoji),
        Mark::Pin => Ok(()),
    }
}

impl Chat {
    /// Does something to a message and waits until it is committed.
    ///
    /// # Errors
    /// `forbidden`, `message_not_found`, `reply_running`, `version_conflict`, `too_many`, as finding the room.
    pub async fn change_message(
        &self,
        who: &Identity,
        slug: &str,
        seq: Seq,
        deed: Deed,
    ) -> Result<Version, Refusal> {
        let change = deed.by(who.user.id, seq, self.caps).await?;
        let room = self.find(who, slug).await?;
        self.change(room, change).await
    }

    /// What a message said before each of its edits.
    ///
    /// # Errors
    /// `forbidden`, `message_not_found`, as finding the room.
    pub async fn edits(
        &self,
        who: &Identity,
        slug: &str,
        seq: Seq,
    ) -> Result<Vec<EditRow>, Refusal> {
        self.store
            .edits(who.user.id, slug, seq)
            .await
            .map_err(StoreError::into_refusal)
    }

    /// The room's pinned messages, the latest pin first.
    ///
    /// # Errors
    /// As finding the room.
    pub async fn pins(&self, who: &Identity, slug: &str) -> Result<Vec<MessageRow>, Refusal> {
        self.store
            .pins(who.user.id, slug)
            .await
            .map_err(StoreError::into_refusal)
    }
}
