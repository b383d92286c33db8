//! All that crosses a socket, an event stream or the channel layer: client frames in, server frames out, close
//! codes, and the publications that instances send each other. `docs/protocol.md` is the contract for clients;
//! a test parses its examples with these types. Nothing here does I/O or decides anything.
//!
//! - [`client`]: what a client may send, parsed strictly enough to answer a typed error.
//! - [`server`]: what the server sends.
//! - [`partial`]: of a marked message, what changed.
//! - [`frame`]: a server frame as the bytes of one WebSocket text frame, encoded once for every reader.
//! - [`publication`]: a range of a room's changes, or a piece of a reply, as instances pass it on.
//! - [`control`], [`presence`] and [`user_news`]: what instances tell each other beside that.

mod accepted;
pub mod announced;
pub mod client;
pub mod control;
pub mod frame;
pub mod partial;
pub mod presence;
pub mod publication;
mod reply_body;
mod room_body;
pub mod server;
pub mod user_news;

/// The version of the wire that `welcome` names.
pub const PROTOCOL: u32 = 1;

/// The WebSocket subprotocol a client may ask for.
pub const SUBPROTOCOL: &str = "salon.v1";

/// Why the server closes a socket. 4000 to 4499: connect again with the cursors; 4500 to 4999: do not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// The peer closed, or left, and all was well.
    Normal = 1000,
    /// A frame that RFC 6455 forbids.
    Protocol = 1002,
    /// A binary frame: Salon speaks text.
    Unsupported = 1003,
    /// Text that is not UTF-8.
    NotUtf8 = 1007,
    /// A frame or message above the limit of `welcome`.
    TooBig = 1009,
    /// The server failed this one socket; come back.
    Internal = 1011,
    /// The instance is stopping; come back, to another one.
    Restart = 1012,
    /// Too much was waiting for this reader; come back with the cursors.
    Slow = 4008,
    /// A room's history was replaced; come back.
    EpochChanged = 4009,
    /// Too many frames of bad form; come back when mended.
    TooManyErrors = 4010,
    /// The peer was silent for too long; come back.
    PeerTimeout = 4011,
    /// The session has ended; sign in first.
    SignedOut = 4501,
}

impl CloseCode {
    /// Every code the server sends.
    pub const ALL: [Self; 12] = [
        Self::Normal,
        Self::Protocol,
        Self::Unsupported,
        Self::NotUtf8,
        Self::TooBig,
        Self::Internal,
        Self::Restart,
        Self::Slow,
        Self::EpochChanged,
        Self::TooManyErrors,
        Self::PeerTimeout,
        Self::SignedOut,
    ];

    /// The reason sent with the code, for people.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Normal => "bye",
            Self::Protocol => "protocol error",
            Self::Unsupported => "text frames only",
            Self::NotUtf8 => "not UTF-8",
            Self::TooBig => "too big",
            Self::Internal => "internal error",
            Self::Restart => "service restart",
            Self::Slow => "slow reader",
            Self::EpochChanged => "history was replaced",
            Self::TooManyErrors => "too many errors",
            Self::PeerTimeout => "peer timeout",
            Self::SignedOut => "signed out",
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }
}
