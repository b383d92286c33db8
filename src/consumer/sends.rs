//! Sends of a socket: a message to the writer, within the rates of the socket, its user and its address. Their answers come from
//! the writer's lane. Called by `handlers` only.

use std::sync::Arc;

use super::Consumer;
use super::connection::{Connection, InFlight};
use crate::chat::messages::{Draft, Drafted};
use crate::chat::pace::Pace;
use crate::db::changes::Outcome;
use crate::error::{ErrorCode, Refusal};
use crate::ids::{ClientId, RoomRef};
use crate::protocol::client::{ContinueReply, SendMessage};
use crate::protocol::server::{Accepted, ServerFrame};
use crate::quotas::Operation;
use crate::writer::{Answer, Job};

/// Who waits for the answer to a send.
struct Answered {
    connection: Arc<Connection>,
    _in_flight: InFlight,
    room: RoomRef,
    client_id: ClientId,
    reference: Option<String>,
    pace: Pace,
}

impl Consumer {
    /// Hands a message to the writer, or refuses it.
    pub(super) async fn send(&mut self, send: SendMessage, reference: Option<String>) {
        let SendMessage {
            room: slug,
            client_id,
            body,
            reply_to,
        } = send;
        let refuse = |connection: &Connection, refusal: &Refusal| {
            connection.refuse(reference.as_deref(), Some(&slug), Some(client_id), refusal);
        };
        let (room, order) = match self.room(&slug).await {
            Ok(found) => found,
            Err(refusal) => {
                if refusal.code.is_retryable() {
                    self.connection.refused_early(&slug, client_id);
                }
                return refuse(&self.connection, &refusal);
            }
        };
        let place = order.next();
        let in_flight = match self.connection.begin() {
            Ok(in_flight) => in_flight,
            Err(refusal) => {
                place.refused(client_id);
                return refuse(&self.connection, &refusal);
            }
        };
        // Without a token it goes on marked: only the writer knows whether it is a repeat, which is answered.
        let pace = self.pace();
        let draft = Draft {
            client_id,
            body,
            reply_to,
        };
        match self
            .shared
            .chat
            .post_of(&self.connection.identity.user, &room, draft, pace)
            .await
        {
            Ok(Drafted { change, pace }) => {
                let answer = Answered {
                    connection: Arc::clone(&self.connection),
                    _in_flight: in_flight,
                    room: room.clone(),
                    client_id,
                    reference,
                    pace,
                };
                self.shared.chat.writer.submit(Job {
                    room,
                    change,
                    origin: None,
                    order: Some(place),
                    answer: answer.of_writer(),
                });
            }
            Err(refusal) => {
                if refusal.code.is_retryable() {
                    place.refused(client_id);
                }
                refuse(&self.connection, &refusal);
            }
        }
    }

    /// Posts the message that asks the assistant to go on.
    pub(super) fn continue_reply(&mut self, name: ContinueReply, reference: Option<&str>) {
        let pace = self.pace();
        let (shared, slug, reference_of) = (
            Arc::clone(&self.shared),
            name.room.clone(),
            reference.map(str::to_owned),
        );
        self.spawn(reference, &slug, move |connection| async move {
            let identity = &connection.identity;
            let (draft, pace) = shared
                .chat
                .continuation(identity, &name.room, name.seq, name.client_id, pace)
                .await?;
            let room = shared.chat.find(identity, &name.room).await?;
            let Drafted { change, pace } = shared
                .chat
                .post_of(&identity.user, &room, draft, pace)
                .await?;
            let in_flight = connection.begin()?;
            let answer = Answered {
                connection: Arc::clone(&connection),
                _in_flight: in_flight,
                room: room.clone(),
                client_id: name.client_id,
                reference: reference_of,
                pace,
            };
            shared.chat.writer.submit(Job {
                room,
                change,
                origin: None,
                order: None,
                answer: answer.of_writer(),
            });
            Ok(())
        });
    }

    /// A token for one change, or its refusal. Changes that are no sends are refused at once.
    pub(super) fn take_send(&mut self) -> Result<(), Refusal> {
        let now = tokio::time::Instant::now().into_std();
        self.sends
            .take(self.shared.sends, now)
            .map_err(Refusal::too_fast)?;
        self.client.take_now(Operation::Send)
    }

    /// A token of this socket, its user and its address for one send, or that there is none.
    fn pace(&mut self) -> Pace {
        let now = tokio::time::Instant::now().into_std();
        let own = self.sends.take(self.shared.sends, now).err();
        Pace::of(&self.client, own)
    }
}

impl Answered {
    /// Encoded where the commit is known and put straight into the outbox.
    fn of_writer(self) -> Answer {
        Box::new(move |result| {
            let Self {
                connection,
                _in_flight,
                room,
                client_id,
                reference,
                pace,
            } = self;
            let reference = reference.as_deref();
            let refuse = |refusal: &Refusal| {
                connection.refuse(reference, Some(&room.slug), Some(client_id), refusal);
            };
            match pace.settle(result) {
                Ok(Outcome::Posted(posted)) => connection.send(&ServerFrame::Accepted(Accepted {
                    reference,
                    ..Accepted::of(&room.slug, client_id, &posted)
                })),
                Ok(Outcome::Changed { .. }) => refuse(&ErrorCode::Internal.into()),
                Err(refusal) => refuse(&refusal),
            }
        })
    }
}
