//! What each frame of a client does. Answers go to the socket's outbox from wherever they arise: a send's from the
//! writer's lane, a read's from a task of its own. Called by the consumer only.

use std::sync::Arc;

use super::Consumer;
use super::connection::Connection;
use super::join;
use crate::chat::message_changes::Deed;
use crate::db::changes::{Change, Outcome};
use crate::db::marks::Mark;
use crate::error::{ErrorCode, Refusal};
use crate::ids::RoomRef;
use crate::limits;
use crate::protocol::client::{
    ClientFrame, History, JoinRoom, MarkRead, ReplyName, SelectVariant, page_at,
};
use crate::protocol::server::{MessageBody, ServerFrame};
use crate::quotas::Operation;
use crate::writer::{Answer, Job, SendOrder};

impl Consumer {
    /// Does what a well-formed frame asks, or refuses it.
    pub(super) async fn handle(&mut self, frame: ClientFrame, reference: Option<String>) {
        if frame.changes() && !self.connection.identity.may_write() {
            return self.refuse_out_of_scope(&frame, reference.as_deref());
        }
        match frame {
            ClientFrame::Ping => self.connection.send(&ServerFrame::Pong {
                reference: reference.as_deref(),
            }),
            ClientFrame::Send(send) => self.send(send, reference).await,
            ClientFrame::Join(rooms) => {
                for wanted in rooms {
                    self.join(wanted, reference.as_deref());
                }
            }
            ClientFrame::Leave(name) => self.leave(&name.room, reference.as_deref()).await,
            ClientFrame::History(history) => {
                let (shared, reference_of, slug) = (
                    Arc::clone(&self.shared),
                    reference.clone(),
                    history.room.clone(),
                );
                self.spawn(reference.as_deref(), &slug, |connection| async move {
                    read_history(&shared.chat, &connection, &history, reference_of.as_deref()).await
                });
            }
            ClientFrame::Edit(edit) => {
                let deed = match edit.resend {
                    true => Deed::Resend(edit.body, edit.if_version),
                    false => Deed::Edit(edit.body, edit.if_version),
                };
                self.change_message((edit.room, edit.seq), deed, reference)
                    .await;
            }
            ClientFrame::Delete(name) => {
                self.change_message((name.room, name.seq), Deed::Delete, reference)
                    .await;
            }
            ClientFrame::AddReaction(name) => {
                let deed = Deed::Mark(Mark::Reaction(name.emoji));
                self.change_message((name.room, name.seq), deed, reference)
                    .await;
            }
            ClientFrame::RemoveReaction(name) => {
                let deed = Deed::Unmark(Mark::Reaction(name.emoji));
                self.change_message((name.room, name.seq), deed, reference)
                    .await;
            }
            ClientFrame::Pin(name) => {
                let deed = Deed::Mark(Mark::Pin);
                self.change_message((name.room, name.seq), deed, reference)
                    .await;
            }
            ClientFrame::Unpin(name) => {
                let deed = Deed::Unmark(Mark::Pin);
                self.change_message((name.room, name.seq), deed, reference)
                    .await;
            }
            ClientFrame::Stop(name) => self.steer(name, Steer::Stop, reference).await,
            ClientFrame::Retry(name) => self.steer(name, Steer::Retry, reference).await,
            ClientFrame::Regenerate(name) => self.steer(name, Steer::Regenerate, reference).await,
            ClientFrame::Select(name) => {
                let SelectVariant { room, seq, variant } = name;
                self.steer(ReplyName { room, seq }, Steer::Select(variant), reference)
                    .await;
            }
            ClientFrame::Continue(name) => self.continue_reply(name, reference.as_deref()),
            ClientFrame::ReadMark(mark) => self.mark_read(&mark, reference.as_deref()).await,
            ClientFrame::Typing(name) => self.typing(&name.room, reference.as_deref()),
        }
    }

    /// Joins one room, on a task of its own.
    pub(super) fn join(&mut self, wanted: JoinRoom, reference: Option<&str>) {
        let slug = wanted.room.clone();
        let now = tokio::time::Instant::now().into_std();
        let taken = self.joins.take(self.shared.joins, now);
        let taken = taken.map_err(Refusal::too_fast);
        if let Err(refusal) = taken.and_then(|()| self.client.take_now(Operation::Join)) {
            return self
                .connection
                .refuse(reference, Some(&slug), None, &refusal);
        }
        let (shared, reference_of) = (Arc::clone(&self.shared), reference.map(str::to_owned));
        self.spawn(reference, &slug, |connection| async move {
            join::join(&shared, &connection, &wanted, reference_of.as_deref()).await
        });
    }

    /// A frame that is not looked at, with a refusal that may pass. A refused send also holds back what follows it (P10).
    pub(super) fn refuse_frame(
        &self,
        frame: &ClientFrame,
        reference: Option<&str>,
        refusal: &Refusal,
    ) {
        let client_id = match frame {
            ClientFrame::Send(send) => Some(send.client_id),
            _ => None,
        };
        let rooms = frame.rooms();
        for slug in &rooms {
            match (client_id, self.connection.room(slug)) {
                (Some(client_id), Some((_, order))) => order.next().refused(client_id),
                (Some(client_id), None) => self.connection.refused_early(slug, client_id),
                (None, _) => {}
            }
            self.connection
                .refuse(reference, Some(slug), client_id, refusal);
        }
        if rooms.is_empty() {
            self.connection.refuse(reference, None, None, refusal);
        }
    }

    /// The token of this socket may only read; it will not be otherwise later, so nothing waits behind it.
    fn refuse_out_of_scope(&self, frame: &ClientFrame, reference: Option<&str>) {
        let client_id = match frame {
            ClientFrame::Send(send) => Some(send.client_id),
            _ => None,
        };
        let refusal = ErrorCode::ScopeMissing.into();
        for slug in frame.rooms() {
            self.connection
                .refuse(reference, Some(slug), client_id, &refusal);
        }
    }

    /// The room of a slug: known to this socket, or proved now. The client's next frames wait for it, which keeps
    /// their order.
    pub(super) async fn room(&self, slug: &str) -> Result<(RoomRef, Arc<SendOrder>), Refusal> {
        if let Some(known) = self.connection.room(slug) {
            return Ok(known);
        }
        let proof = self
            .shared
            .chat
            .prove(self.connection.identity.user.id, slug)
            .await?;
        let room = crate::chat::room_ref(&proof);
        let order = self.connection.remember(&room).ok_or_else(too_many_rooms)?;
        Ok((room, order))
    }

    async fn leave(&self, slug: &str, reference: Option<&str>) {
        match self.connection.leave(slug) {
            Some(room) => {
                self.shared
                    .chat
                    .feeds
                    .detach(room.id, self.connection.id)
                    .await;
                self.connection.send(&ServerFrame::Ok {
                    reference,
                    room: Some(slug),
                    version: None,
                });
            }
            None => {
                self.connection
                    .refuse(reference, Some(slug), None, &ErrorCode::NotJoined.into())
            }
        }
    }

    /// Has no answer but a refusal: `user.read` comes when it is written.
    async fn mark_read(&self, mark: &MarkRead, reference: Option<&str>) {
        let user = self.connection.identity.user.id;
        let marked = match self.room(&mark.room).await {
            Ok((room, _)) => self.shared.chat.reading.mark(user, room.id, mark.seq),
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = marked {
            self.connection
                .refuse(reference, Some(&mark.room), None, &refusal);
        }
    }

    /// Has no answer but a refusal; what comes too often is dropped.
    fn typing(&mut self, slug: &str, reference: Option<&str>) {
        let now = tokio::time::Instant::now();
        if now < self.next_typing {
            return;
        }
        self.next_typing = now + limits::TYPING_INTERVAL;
        if !self.connection.follows(slug) {
            let refusal = ErrorCode::NotJoined.into();
            return self
                .connection
                .refuse(reference, Some(slug), None, &refusal);
        }
        let (shared, room) = (Arc::clone(&self.shared), slug.to_owned());
        self.spawn(reference, slug, |connection| async move {
            shared.chat.typing(&connection.identity, &room).await
        });
    }

    fn pay(&mut self, steer: Steer) -> Result<(), Refusal> {
        match steer {
            // Stopping costs nobody anything.
            Steer::Stop => Ok(()),
            // The whole text goes to everybody.
            Steer::Select(_) => self.take_send(),
            Steer::Retry | Steer::Regenerate => self.client.take_now(Operation::Prompt),
        }
    }

    async fn steer(&mut self, name: ReplyName, steer: Steer, reference: Option<String>) {
        let room = match self.room(&name.room).await {
            Ok((room, _)) => room,
            Err(refusal) => {
                return self.connection.refuse(
                    reference.as_deref(),
                    Some(&name.room),
                    None,
                    &refusal,
                );
            }
        };
        let in_flight = match self.pay(steer).and_then(|()| self.connection.begin()) {
            Ok(in_flight) => in_flight,
            Err(refusal) => {
                return self.connection.refuse(
                    reference.as_deref(),
                    Some(&name.room),
                    None,
                    &refusal,
                );
            }
        };
        let (actor, seq) = (self.connection.identity.user.id, name.seq);
        let caps = self.shared.chat.caps();
        let change = match steer {
            Steer::Stop => Change::StopReply { actor, seq },
            Steer::Retry => Change::RetryReply { actor, seq, caps },
            Steer::Regenerate => Change::RegenerateReply { actor, seq, caps },
            Steer::Select(variant) => Change::SelectVariant {
                actor,
                seq,
                variant,
            },
        };
        let (connection, chat, stopped) = (
            Arc::clone(&self.connection),
            Arc::clone(&self.shared.chat),
            room.clone(),
        );
        let answer: Answer = Box::new(move |result| {
            let _in_flight = in_flight;
            let (reference, room) = (reference.as_deref(), Some(&*stopped.slug));
            match result {
                Ok(Outcome::Changed { version }) => {
                    if steer == Steer::Stop {
                        chat.nudge_stop(&stopped, seq);
                    }
                    connection.send(&ServerFrame::Ok {
                        reference,
                        room,
                        version: Some(version),
                    });
                }
                Ok(Outcome::Posted(_)) => {
                    connection.refuse(reference, room, None, &ErrorCode::Internal.into())
                }
                Err(refusal) => connection.refuse(reference, room, None, &refusal),
            }
        });
        self.shared.chat.writer.submit(Job {
            room,
            change,
            origin: None,
            order: None,
            answer,
        });
    }

    /// Runs what takes longer on a task of its own, within the socket's places; its refusal is sent.
    pub(super) fn spawn<F>(
        &mut self,
        reference: Option<&str>,
        slug: &str,
        work: impl FnOnce(Arc<Connection>) -> F,
    ) where
        F: Future<Output = Result<(), Refusal>> + Send + 'static,
    {
        let in_flight = match self.connection.begin() {
            Ok(in_flight) => in_flight,
            Err(refusal) => {
                return self
                    .connection
                    .refuse(reference, Some(slug), None, &refusal);
            }
        };
        let connection = Arc::clone(&self.connection);
        let (reference, slug) = (reference.map(str::to_owned), slug.to_owned());
        let work = work(Arc::clone(&connection));
        self.tasks.spawn(async move {
            let _in_flight = in_flight;
            if let Err(refusal) = work.await {
                connection.refuse(reference.as_deref(), Some(&slug), None, &refusal);
            }
        });
    }
}

/// What may be done to a reply.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Steer {
    Stop,
    Retry,
    Regenerate,
    Select(i32),
}

async fn read_history(
    chat: &crate::chat::Chat,
    connection: &Connection,
    history: &History,
    reference: Option<&str>,
) -> Result<(), Refusal> {
    let limit = history.limit.unwrap_or(limits::PAGE_MESSAGES);
    let at = page_at(history.before, history.after, history.around)?;
    let page = chat
        .history(&connection.identity, &history.room, at, limit)
        .await?;
    let messages = page.messages.iter().map(MessageBody::from).collect();
    connection.send(&ServerFrame::Page {
        reference,
        room: &history.room,
        messages,
        more: page.more,
        older: page.older,
        newer: page.newer,
    });
    Ok(())
}

/// The refusal of one room more than a socket may follow.
pub(super) fn too_many_rooms() -> Refusal {
    Refusal::with_message(ErrorCode::TooMany, "A socket follows at most 200 rooms.")
}
