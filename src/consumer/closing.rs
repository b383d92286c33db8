//! How a socket's stream ends: with which code, and after what is still read of it. Called by the consumer, and by tests over the
//! same codec.

use std::future::poll_fn;

use tokio::io::ReadBuf;
use tokio_tungstenite::tungstenite::error::Error as CodecError;

use super::connection::Connection;
use crate::limits;
use crate::protocol::CloseCode;

/// Ends the stream once the close frame is out, then reads and forgets what still comes, until the peer ends it too. A
/// stream that is dropped with something unread is reset, and its peer may never see the frame that says why.
pub async fn linger(connection: &Connection) {
    connection.outbox.transport().end_writing();
    let mut scratch = [0; limits::READ_BUFFER_BYTES];
    loop {
        let mut buffer = ReadBuf::new(&mut scratch);
        let read = poll_fn(|cx| connection.outbox.transport().poll_read(cx, &mut buffer)).await;
        if read.is_err() || buffer.filled().is_empty() {
            return;
        }
    }
}

/// What a codec's error closes the socket with; none when the stream is gone.
#[must_use]
pub fn close_code_of(error: &CodecError) -> Option<CloseCode> {
    match error {
        CodecError::Capacity(_) => Some(CloseCode::TooBig),
        CodecError::Utf8(_) => Some(CloseCode::NotUtf8),
        CodecError::Protocol(_) => Some(CloseCode::Protocol),
        _ => None,
    }
}

/// Without a code the stream failed, or its end came without a word: 1006, as browsers call it.
pub(super) fn count_closed(connection: &Connection, code: Option<CloseCode>) {
    let number = code.map_or(1006, CloseCode::number);
    tracing::debug!(connection = %connection.id, code = number, "socket closed");
    metrics::counter!("salon_sockets_closed_total", "code" => number.to_string()).increment(1);
}
