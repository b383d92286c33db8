//! One server frame as the bytes of one WebSocket text frame, header and all. Server frames are unmasked, so
//! the same bytes serve every socket: encoded once by whoever makes it, then only its reference count moves.

use bytes::{BufMut, Bytes, BytesMut};

use super::CloseCode;
use super::server::ServerFrame;

/// The longest header an unmasked frame has (RFC 6455 §5.2): 2 bytes and a 64-bit length.
const HEADER_MAX: usize = 10;
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

/// Whole WebSocket frames, one or a run of them, ready to be written to any number of sockets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame(Bytes);

impl Frame {
    /// Encodes a server frame.
    #[must_use]
    pub fn encode(frame: &ServerFrame<'_>) -> Self {
        let mut buffer = BytesMut::with_capacity(512);
        append_text_frame(&mut buffer, frame);
        Self(buffer.freeze())
    }

    /// A close frame.
    #[must_use]
    pub fn close(code: CloseCode) -> Self {
        let reason = code.reason().as_bytes();
        let mut buffer = BytesMut::with_capacity(4 + reason.len());
        buffer.put_u8(CLOSE);
        buffer.put_u8(u8::try_from(reason.len() + 2).unwrap_or(2));
        buffer.put_u16(code.number());
        buffer.put_slice(reason);
        Self(buffer.freeze())
    }

    /// The answer to a close frame: its code and nothing more, or nothing at all.
    #[must_use]
    pub fn close_answer(code: Option<u16>) -> Self {
        let mut buffer = BytesMut::with_capacity(4);
        buffer.put_u8(CLOSE);
        buffer.put_u8(if code.is_some() { 2 } else { 0 });
        if let Some(code) = code {
            buffer.put_u16(code);
        }
        Self(buffer.freeze())
    }

    /// A ping without a payload.
    #[must_use]
    pub const fn ping() -> Self {
        Self(Bytes::from_static(&[PING, 0]))
    }

    /// Bytes that already are whole frames, such as a part of a publication.
    #[must_use]
    pub const fn from_encoded(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The encoded bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// How many bytes it has on the wire.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds nothing at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The JSON texts of the text frames in it, for event streams and tests; control frames are passed over.
    pub fn payloads(&self) -> impl Iterator<Item = Bytes> + '_ {
        let mut rest = self.0.clone();
        std::iter::from_fn(move || {
            loop {
                let (kind, payload, after) = split(&rest)?;
                rest = after;
                if kind == TEXT {
                    return Some(payload);
                }
            }
        })
    }
}

/// Appends the WebSocket text frame of `frame` and returns how many bytes it took.
pub fn append_text_frame(buffer: &mut BytesMut, frame: &ServerFrame<'_>) -> usize {
    append_framed(buffer, |json| {
        // Frames hold no maps with non-string keys and no failing serialisers; were one to fail, the empty
        // object keeps the stream whole.
        if serde_json::to_writer(&mut *json, frame).is_err() {
            json.extend_from_slice(b"{}");
        }
    })
}

/// Writes the payload behind room for the longest header, then closes the gap when the header is shorter.
fn append_framed(buffer: &mut BytesMut, write: impl FnOnce(&mut Vec<u8>)) -> usize {
    let mut payload = Vec::with_capacity(512);
    write(&mut payload);
    let before = buffer.len();
    buffer.reserve(payload.len() + HEADER_MAX);
    buffer.put_u8(TEXT);
    match payload.len() {
        length @ 0..=125 => buffer.put_u8(u8::try_from(length).unwrap_or(0)),
        length @ 126..=0xffff => {
            buffer.put_u8(126);
            buffer.put_u16(u16::try_from(length).unwrap_or(u16::MAX));
        }
        length => {
            buffer.put_u8(127);
            buffer.put_u64(length as u64);
        }
    }
    buffer.put_slice(&payload);
    buffer.len() - before
}

/// The first frame of some unmasked frames: its first byte, its payload and what follows it.
fn split(bytes: &Bytes) -> Option<(u8, Bytes, Bytes)> {
    let kind = *bytes.first()?;
    let (header, length) = match *bytes.get(1)? & 0x7f {
        126 => (
            4,
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
        ),
        127 => (
            10,
            usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?,
        ),
        length => (2, usize::from(length)),
    };
    let end = usize::checked_add(header, length)?;
    (end <= bytes.len()).then(|| (kind, bytes.slice(header..end), bytes.slice(end..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_of_header_is_read_back() {
        for text in ["", "short", &"x".repeat(126), &"y".repeat(70_000)] {
            let mut buffer = BytesMut::new();
            append_text_frame(
                &mut buffer,
                &ServerFrame::Pong {
                    reference: Some(text),
                },
            );
            append_text_frame(
                &mut buffer,
                &ServerFrame::Drain {
                    reconnect_after_ms: 1,
                },
            );
            let payloads: Vec<Bytes> = Frame::from_encoded(buffer.freeze()).payloads().collect();
            assert_eq!(payloads.len(), 2);
            let first: serde_json::Value = serde_json::from_slice(&payloads[0]).unwrap();
            assert_eq!(first["ref"], text);
        }
    }

    #[test]
    fn control_frames_are_passed_over() {
        let mut bytes = BytesMut::new();
        bytes.extend_from_slice(Frame::ping().bytes());
        bytes.extend_from_slice(Frame::close(CloseCode::Slow).bytes());
        append_text_frame(&mut bytes, &ServerFrame::Pong { reference: None });
        assert_eq!(Frame::from_encoded(bytes.freeze()).payloads().count(), 1);
    }
}
