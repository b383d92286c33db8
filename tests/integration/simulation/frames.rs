//! The client's end of one WebSocket over a pipe, without a task: what has come is taken, what fits is written. Masks
//! are all zero, so that a run's bytes are always the same.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use salon::consumer::transport::MemoryStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What came of the server.
#[derive(Debug)]
pub(super) enum Incoming {
    Text(Vec<u8>),
    /// The server closes, with this code.
    Close(u16),
    /// The stream is gone.
    End,
}

/// The socket.
pub(super) struct Frames {
    stream: MemoryStream,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    ended: bool,
}

impl Frames {
    pub(super) fn new(stream: MemoryStream) -> Self {
        Self {
            stream,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            ended: false,
        }
    }

    /// Queues one text frame.
    pub(super) fn send(&mut self, text: &str) {
        self.queue(TEXT, text.as_bytes());
    }

    fn queue(&mut self, opcode: u8, payload: &[u8]) {
        self.outgoing.push(0x80 | opcode);
        match payload.len() {
            length @ 0..126 => self.outgoing.push(0x80 | u8::try_from(length).unwrap()),
            length => {
                self.outgoing.push(0x80 | 126);
                let length = u16::try_from(length).expect("clients send little");
                self.outgoing.extend(length.to_be_bytes());
            }
        }
        self.outgoing.extend([0; 4]);
        self.outgoing.extend(payload);
    }

    /// Writes what fits.
    pub(super) fn flush(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        while !self.outgoing.is_empty() {
            match Pin::new(&mut self.stream).poll_write(&mut context, &self.outgoing) {
                Poll::Ready(Ok(written)) => drop(self.outgoing.drain(..written)),
                Poll::Ready(Err(_)) => return self.outgoing.clear(),
                Poll::Pending => return,
            }
        }
    }

    /// Takes up to so many bytes off the stream, and gives the frames that are whole.
    pub(super) fn receive(&mut self, mut bytes: usize) -> Vec<Incoming> {
        let mut context = Context::from_waker(Waker::noop());
        let mut space = [0; 4096];
        while bytes > 0 && !self.ended {
            let part = bytes.min(space.len());
            let mut buffer = ReadBuf::new(&mut space[..part]);
            match Pin::new(&mut self.stream).poll_read(&mut context, &mut buffer) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    bytes -= buffer.filled().len();
                    self.incoming.extend(buffer.filled());
                }
                Poll::Ready(_) => self.ended = true,
            }
        }
        let mut frames = Vec::new();
        while let Some((opcode, payload)) = self.next_frame() {
            match opcode {
                TEXT => frames.push(Incoming::Text(payload)),
                PING => self.queue(PONG, &payload),
                CLOSE => {
                    let code = u16::from_be_bytes([payload[0], payload[1]]);
                    frames.push(Incoming::Close(code));
                }
                other => panic!("the server sent a frame of kind {other}"),
            }
        }
        if self.ended {
            frames.push(Incoming::End);
        }
        frames
    }

    /// The next whole frame that has come: unmasked, as a server's are, and never in pieces.
    fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (first, second) = (*self.incoming.first()?, *self.incoming.get(1)?);
        assert!(first & 0x80 != 0 && second & 0x80 == 0, "a server's frame");
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        };
        let (start, length) = match second {
            126 => (4, number(self.incoming.get(2..4)?)),
            127 => (10, number(self.incoming.get(2..10)?)),
            length => (2, usize::from(length)),
        };
        let payload = self.incoming.get(start..start + length)?.to_vec();
        self.incoming.drain(..start + length);
        Some((first & 0x0f, payload))
    }
}
