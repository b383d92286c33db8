//! Edits, deletions, reactions and pins from a socket. They cost a token as sends do, but are no sends: they hold nothing
//! back and nothing holds them back, and each can be asked for again without harm. Called by `handlers` only.

use std::sync::Arc;

use super::Consumer;
use super::connection::{Connection, InFlight};
use crate::chat::message_changes::Deed;
use crate::db::changes::{Change, Outcome};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{RoomRef, Seq};
use crate::protocol::server::ServerFrame;
use crate::quotas::Operation;
use crate::writer::{Answer, Job};

impl Consumer {
    /// Hands what is to be done to a message to the writer, or refuses it.
    pub(super) async fn change_message(
        &mut self,
        (slug, seq): (String, Seq),
        deed: Deed,
        reference: Option<String>,
    ) {
        match self.message_change(&slug, seq, deed).await {
            Ok((room, change, in_flight)) => {
                let connection = Arc::clone(&self.connection);
                let answer = done(connection, in_flight, room.clone(), reference);
                self.shared.chat.writer.submit(Job {
                    room,
                    change,
                    origin: None,
                    order: None,
                    answer,
                });
            }
            Err(refusal) => {
                let reference = reference.as_deref();
                self.connection
                    .refuse(reference, Some(&slug), None, &refusal);
            }
        }
    }

    async fn message_change(
        &mut self,
        slug: &str,
        seq: Seq,
        deed: Deed,
    ) -> Result<(RoomRef, Change, InFlight), Refusal> {
        self.take_send()?;
        if deed.prompts() {
            self.client.take_now(Operation::Prompt)?;
        }
        let (room, _) = self.room(slug).await?;
        let in_flight = self.connection.begin()?;
        let change = deed
            .by(
                self.connection.identity.user.id,
                seq,
                self.shared.chat.caps(),
            )
            .await?;
        Ok((room, change, in_flight))
    }
}

/// The answer to what takes a version and has no other answer.
fn done(
    connection: Arc<Connection>,
    in_flight: InFlight,
    room: RoomRef,
    reference: Option<String>,
) -> Answer {
    Box::new(move |result| {
        let _in_flight = in_flight;
        let (reference, room) = (reference.as_deref(), Some(&*room.slug));
        match result {
            Ok(Outcome::Changed { version }) => connection.send(&ServerFrame::Ok {
                reference,
                room,
                version: Some(version),
            }),
            Ok(Outcome::Posted(_)) => {
                connection.refuse(reference, room, None, &ErrorCode::Internal.into());
            }
            Err(refusal) => connection.refuse(reference, room, None, &refusal),
        }
    })
}
