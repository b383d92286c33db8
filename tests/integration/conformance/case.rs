//! One case of the Autobahn list: what the client sends, byte for byte, and what must come back. Built by the lists
//! beside it, played by `run`. It never judges anything itself.

/// Operation codes of RFC 6455 §5.2.
pub(super) const CONTINUATION: u8 = 0x0;
pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xA;

/// One frame as it is sent: nothing about it has to be legal.
#[derive(Clone, Debug)]
pub(super) struct RawFrame {
    pub(super) fin: bool,
    /// The three reserved bits, as a number.
    pub(super) reserved: u8,
    pub(super) opcode: u8,
    pub(super) payload: Vec<u8>,
}

impl RawFrame {
    /// The frame on the wire, masked as a client must.
    pub(super) fn encode(&self) -> Vec<u8> {
        const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
        let first = u8::from(self.fin) << 7 | self.reserved << 4 | self.opcode;
        let mut bytes = vec![first];
        match self.payload.len() {
            short @ 0..126 => bytes.push(0x80 | u8::try_from(short).unwrap()),
            middle @ 126..65_536 => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(middle).unwrap().to_be_bytes());
            }
            long => {
                bytes.push(0x80 | 127);
                bytes.extend((long as u64).to_be_bytes());
            }
        }
        bytes.extend(MASK);
        let masked = self.payload.iter().zip(MASK.iter().cycle());
        bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
        bytes
    }
}

/// A whole frame.
pub(super) fn whole(opcode: u8, payload: impl AsRef<[u8]>) -> RawFrame {
    RawFrame {
        fin: true,
        reserved: 0,
        opcode,
        payload: payload.as_ref().to_vec(),
    }
}

/// A frame that says more is to come.
pub(super) fn part(opcode: u8, payload: impl AsRef<[u8]>) -> RawFrame {
    RawFrame {
        fin: false,
        ..whole(opcode, payload)
    }
}

/// A close frame with a code and a reason.
pub(super) fn close(code: u16, reason: impl AsRef<[u8]>) -> RawFrame {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend(reason.as_ref());
    whole(CLOSE, payload)
}

/// How the bytes are cut into writes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chop {
    /// All frames in one write.
    Together,
    /// One write for a frame.
    Frames,
    /// Writes of so many bytes.
    Bytes(usize),
}

/// How it must end.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// The connection lives: the client then closes with 1000 and is answered so.
    Alive,
    /// The client's own close frame is answered with one of these codes; `None` is a close frame without a code.
    Answered(Vec<Option<u16>>),
    /// The server fails the connection: a close frame with one of these codes, then the end of the stream.
    Failed(Vec<u16>),
}

/// One case.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// Its number in the Autobahn list.
    pub(super) id: String,
    pub(super) frames: Vec<RawFrame>,
    pub(super) chop: Chop,
    /// What comes back before the end, in order. Where the connection fails, what was echoed may be less.
    pub(super) replies: Vec<(u8, Vec<u8>)>,
    pub(super) end: End,
}

impl Case {
    /// A case that ends well after these replies.
    pub(super) fn alive(
        id: impl Into<String>,
        frames: Vec<RawFrame>,
        replies: Vec<(u8, Vec<u8>)>,
    ) -> Self {
        Self {
            id: id.into(),
            frames,
            chop: Chop::Together,
            replies,
            end: End::Alive,
        }
    }

    /// A case in which the server must fail the connection.
    pub(super) fn failed(id: impl Into<String>, frames: Vec<RawFrame>, code: u16) -> Self {
        Self {
            end: End::Failed(vec![code]),
            ..Self::alive(id, frames, Vec::new())
        }
    }

    /// The same with what is echoed before.
    pub(super) fn after(self, replies: Vec<(u8, Vec<u8>)>) -> Self {
        Self { replies, ..self }
    }

    /// The same, cut so.
    pub(super) fn chopped(self, chop: Chop) -> Self {
        Self { chop, ..self }
    }
}

/// The echo of a text.
pub(super) fn text(payload: impl AsRef<[u8]>) -> (u8, Vec<u8>) {
    (TEXT, payload.as_ref().to_vec())
}

/// The echo of bytes.
pub(super) fn binary(payload: impl AsRef<[u8]>) -> (u8, Vec<u8>) {
    (BINARY, payload.as_ref().to_vec())
}

/// The answer to a ping.
pub(super) fn pong(payload: impl AsRef<[u8]>) -> (u8, Vec<u8>) {
    (PONG, payload.as_ref().to_vec())
}
