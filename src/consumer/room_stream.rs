//! A consumer with another transport: the frames of one room for somebody who only listens, such as an event stream.
//! The consumer is the one that sockets have, over a pipe in memory; this is the far end of that pipe, held by
//! `http/room_events`. So cursors, removals, sign-outs, drains and slow readers are what they are on a socket, and no
//! second way to read a room exists.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::Consumers;
use super::transport::{MemoryStream, Transport, pipe};
use crate::db::rows::Identity;
use crate::limits;
use crate::protocol::CloseCode;
use crate::protocol::client::JoinRoom;
use crate::quotas::Client;

/// What a listener hears next.
#[derive(Debug)]
pub enum Heard {
    /// A frame, as JSON.
    Frame(Utf8Bytes),
    /// The server's ping: nothing happened, but it is there.
    Ping,
    /// The last: why the consumer ended; none when it ended without a word.
    Closed(Option<CloseCode>),
}

/// The far end. Dropping it ends the consumer.
pub struct RoomStream {
    socket: WebSocketStream<MemoryStream>,
}

impl Consumers {
    /// Follows one room as a member of it. The future is the consumer: it runs until the stream is dropped, or ends it.
    pub async fn follow(
        self: Arc<Self>,
        payer: (Identity, Client),
        wanted: JoinRoom,
    ) -> (RoomStream, BoxFuture<'static, ()>) {
        let (server, client) = pipe(limits::EVENT_PIPE_BYTES);
        let config = WebSocketConfig::default()
            .read_buffer_size(limits::READ_BUFFER_BYTES)
            .write_buffer_size(0);
        let socket = WebSocketStream::from_raw_socket(client, Role::Client, Some(config)).await;
        let serving = self.serve_with(payer, Transport::Memory(server), Vec::new(), Some(wanted));
        (RoomStream { socket }, serving)
    }
}

impl RoomStream {
    /// What comes next. Not to be asked again after [`Heard::Closed`].
    pub async fn next(&mut self) -> Heard {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Heard::Frame(text),
                // The codec answers it.
                Some(Ok(Message::Ping(_))) => return Heard::Ping,
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map(|frame| u16::from(frame.code));
                    let named = |known: &CloseCode| Some(known.number()) == code;
                    return Heard::Closed(CloseCode::ALL.into_iter().find(named));
                }
                Some(Ok(Message::Binary(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(_)) | None => return Heard::Closed(None),
            }
        }
    }
}
