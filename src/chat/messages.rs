//! Messages and replies, as consumers and HTTP handlers need them: what a text becomes before it is written, posting,
//! history, and steering replies.

use super::pace::Pace;
use super::{Chat, markdown, mentions};
use crate::channel_layer::GroupName;
use crate::db::StoreError;
use crate::db::changes::{Change, NewPost, NewPrompt, Outcome, Posted};
use crate::db::history::PageAt;
use crate::db::rows::{HistoryPage, Identity, MessageRow, UserKind, UserRow};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{ClientId, RoomRef, Seq, Version};
use crate::limits;
use crate::protocol::client::check_body;
use crate::protocol::control::Control;

/// Above this a text is rendered on the blocking pool, off the reactor.
const RENDER_INLINE_BYTES: usize = 4 * 1024;
/// How much of a broken-off reply a `reply.continue` quotes: its end, where the model must go on.
const QUOTED_BYTES: usize = 4 * 1024;

/// A message as its author gives it.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The author's id of it.
    pub client_id: ClientId,
    /// The text.
    pub body: String,
    /// The message it answers.
    pub reply_to: Option<Seq>,
}

/// A post on its way to the writer.
pub struct Drafted {
    /// What the writer is asked.
    pub change: Change,
    /// What its author's budgets are to hear of the outcome.
    pub pace: Pace,
}

impl Chat {
    /// What the writer is asked for a draft: its text checked and rendered, whether it calls the assistant, and whether its author
    /// may send (`pace`) and prompt so much.
    ///
    /// # Errors
    /// `bad_request`, `too_large`, or that the assistant is not known yet.
    pub async fn post_of(
        &self,
        author: &UserRow,
        room: &RoomRef,
        draft: Draft,
        mut pace: Pace,
    ) -> Result<Drafted, Refusal> {
        check_body(&draft.body)?;
        let assistant = self.assistant().await?;
        // The store prompts for every message of a direct room, so the prompt always goes along.
        let mentioned = mentions::mentions_assistant(&draft.body, &assistant.name);
        let over_rate = pace.sends_too_fast();
        let places = mentions::places(&draft.body);
        let names = !places.is_empty();
        let prompt = Some(NewPrompt {
            assistant: assistant.id,
            mentioned,
            // Nobody answers a bot.
            over_rate: author.kind != UserKind::Bot
                && pace.prompts_too_fast(mentioned, names, room),
            caps: self.caps,
        });
        let html = render(&draft.body).await;
        let Draft {
            client_id,
            body,
            reply_to,
        } = draft;
        let change = Change::Post(NewPost {
            author: author.id,
            client_id,
            body,
            html,
            reply_to,
            mentions: places,
            prompt,
            over_rate,
        });
        Ok(Drafted { change, pace })
    }

    /// Posts a message and waits until it is committed.
    ///
    /// # Errors
    /// As `message.send`.
    pub async fn post(
        &self,
        who: &Identity,
        slug: &str,
        draft: Draft,
        pace: Pace,
    ) -> Result<Posted, Refusal> {
        let room = self.find(who, slug).await?;
        let Drafted { change, pace } = self.post_of(&who.user, &room, draft, pace).await?;
        match pace.settle(self.writer.write(room, change).await)? {
            Outcome::Posted(posted) => Ok(posted),
            Outcome::Changed { .. } => Err(ErrorCode::Internal.into()),
        }
    }

    /// A page of history.
    ///
    /// # Errors
    /// `message_not_found` where the page is around a message that is not there, as finding the room.
    pub async fn history(
        &self,
        who: &Identity,
        slug: &str,
        at: PageAt,
        limit: i64,
    ) -> Result<HistoryPage, Refusal> {
        let (user, limit) = (who.user.id, limit.clamp(1, limits::PAGE_MESSAGES));
        match at {
            PageAt::Latest => self.store.history(user, slug, None, limit).await,
            PageAt::Before(seq) => self.store.history(user, slug, Some(seq), limit).await,
            PageAt::After(seq) => self.store.history_after(user, slug, seq, limit).await,
            PageAt::Around(seq) => self.store.history_around(user, slug, seq, limit).await,
        }
        .map_err(StoreError::into_refusal)
    }

    /// One message.
    ///
    /// # Errors
    /// `message_not_found`, as finding the room.
    pub async fn message(
        &self,
        who: &Identity,
        slug: &str,
        seq: Seq,
    ) -> Result<MessageRow, Refusal> {
        self.store
            .message(who.user.id, slug, seq)
            .await
            .map_err(StoreError::into_refusal)
    }

    /// Stops a reply: a queued one at once, a running one as soon as its runner hears of it.
    ///
    /// # Errors
    /// `reply_not_found`, `reply_settled`, `forbidden`, as finding the room.
    pub async fn stop_reply(
        &self,
        who: &Identity,
        slug: &str,
        seq: Seq,
    ) -> Result<Version, Refusal> {
        let room = self.find(who, slug).await?;
        let version = self
            .change(
                room.clone(),
                Change::StopReply {
                    actor: who.user.id,
                    seq,
                },
            )
            .await?;
        self.nudge_stop(&room, seq);
        Ok(version)
    }

    /// Tells the runners, wherever they are, to look at a reply; the database says what they find.
    pub(crate) fn nudge_stop(&self, room: &RoomRef, seq: Seq) {
        self.layer.group_send(
            &GroupName::control(),
            Control::Stop { room: room.id, seq }.to_bytes(),
        );
    }

    /// Puts a stopped, failed or interrupted reply back to the queue.
    ///
    /// # Errors
    /// `reply_not_found`, `reply_running`, `forbidden`, `spend_limit_reached`, as finding the room.
    pub async fn retry_reply(
        &self,
        who: &Identity,
        slug: &str,
        seq: Seq,
    ) -> Result<Version, Refusal> {
        let room = self.find(who, slug).await?;
        self.change(
            room,
            Change::RetryReply {
                actor: who.user.id,
                seq,
                caps: self.caps,
            },
        )
        .await
    }

    /// The message that asks the assistant to go on with a reply that broke off: a new turn of the user that quotes its
    /// end, since models refuse to go on from a turn of their own.
    ///
    /// # Errors
    /// `reply_not_found`, `reply_running`, as finding the room.
    pub async fn continuation(
        &self,
        who: &Identity,
        slug: &str,
        seq: Seq,
        client_id: ClientId,
        pace: Pace,
    ) -> Result<(Draft, Pace), Refusal> {
        let draft = |body, reply_to| Draft {
            client_id,
            body,
            reply_to,
        };
        match self.broken_off(who, slug, seq).await {
            Ok(message) => {
                let body = continuation_text(&message.author.name, &message.body);
                Ok((draft(body, Some(seq)), pace))
            }
            // Since it was first asked for, the reply may have been retried or deleted: a repeat still finds its message.
            Err(refusal)
                if matches!(
                    refusal.code,
                    ErrorCode::ReplyNotFound | ErrorCode::ReplyRunning
                ) =>
            {
                Ok((draft("-".to_owned(), None), pace.unless_repeated(refusal)))
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// A reply that has ended, whatever it came to.
    async fn broken_off(
        &self,
        who: &Identity,
        slug: &str,
        seq: Seq,
    ) -> Result<MessageRow, Refusal> {
        let message = self
            .message(who, slug, seq)
            .await
            .map_err(|refusal| match refusal.code {
                ErrorCode::MessageNotFound => ErrorCode::ReplyNotFound.into(),
                _ => refusal,
            })?;
        if message.meta.reply.is_none() || message.deleted_at.is_some() {
            return Err(ErrorCode::ReplyNotFound.into());
        }
        match message.state {
            crate::db::rows::MessageState::Queued => Err(ErrorCode::ReplyRunning.into()),
            _ => Ok(message),
        }
    }
}

/// "@assistant Please go on", with the end of what there is as a quote.
fn continuation_text(assistant: &str, partial: &str) -> String {
    let start = partial.ceil_char_boundary(partial.len().saturating_sub(QUOTED_BYTES));
    let quoted = partial.get(start..).unwrap_or_default().trim_end();
    if quoted.is_empty() {
        return format!("@{assistant} Please answer again: nothing of the answer arrived.");
    }
    let quote: String = quoted.lines().map(|line| format!("> {line}\n")).collect();
    format!("@{assistant} Please go on exactly where this broke off:\n\n{quote}")
}

/// A text's HTML, off the reactor when it is long.
pub(crate) async fn render(body: &str) -> Option<String> {
    if body.len() <= RENDER_INLINE_BYTES {
        return markdown::render(body);
    }
    let body = body.to_owned();
    // A renderer that panics costs the formatting, never the text.
    tokio::task::spawn_blocking(move || markdown::render(&body))
        .await
        .unwrap_or(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_continuation_quotes_the_end_within_the_limit() {
        let text = continuation_text("assistant", &"häuser und zeilen\n".repeat(2_000));
        assert!(text.starts_with("@assistant ") && text.len() < limits::BODY_BYTES);
        assert!(text.trim_end().ends_with("> häuser und zeilen"));
        assert!(
            check_body(&continuation_text(
                "assistant",
                "\n\n".repeat(4_000).as_str()
            ))
            .is_ok()
        );
        assert!(check_body(&continuation_text("assistant", "")).is_ok());
    }
}
