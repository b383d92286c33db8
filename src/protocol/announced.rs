//! What `welcome` says of limits: those of this socket, and those that its user, its address and everybody share. Each in the unit
//! of its name.

use serde::Serialize;

use crate::limits;

/// The bounds that `welcome` announces.
#[derive(Clone, Copy, Serialize, Debug)]
pub struct Limits {
    body_bytes: usize,
    frame_bytes: usize,
    page_messages: i64,
    rooms_per_socket: usize,
    in_flight: usize,
    /// Of this socket; per second in the long run, and at once.
    #[serde(flatten)]
    socket: SocketLimits,
    /// Of all that its user does, on all sockets and by HTTP.
    user: PartyLimits,
    /// Of all that is done from its address.
    address: PartyLimits,
    /// Of all that anybody does.
    fleet: PartyLimits,
}

/// What one socket may do.
#[derive(Clone, Copy, Serialize, Debug)]
pub struct SocketLimits {
    /// Sends in the long run.
    pub sends_per_second: u32,
    /// Sends at once.
    pub sends_burst: u32,
    /// Rooms it may begin to follow, in the long run.
    pub joins_per_second: u32,
    /// The same at once.
    pub joins_burst: u32,
    /// Frames of any kind.
    pub frames_per_second: u32,
}

/// What a user, an address or everybody may do.
#[derive(Clone, Copy, Serialize, Debug)]
pub struct PartyLimits {
    /// Sends in the long run.
    pub sends_per_second: u64,
    /// Sends at once.
    pub sends_burst: u64,
    /// Joins in the long run.
    pub joins_per_second: u64,
    /// Joins at once.
    pub joins_burst: u64,
    /// Messages that call the assistant.
    pub prompts_per_minute: u64,
    /// Searches.
    pub searches_per_minute: u64,
    /// Rooms made.
    pub rooms_per_minute: u64,
    /// Invites made.
    pub invites_per_minute: u64,
    /// Sockets and event streams open at once.
    pub sockets: u64,
}

impl Limits {
    /// The fixed bounds with the configured ones.
    #[must_use]
    pub const fn new(
        socket: SocketLimits,
        user: PartyLimits,
        address: PartyLimits,
        fleet: PartyLimits,
    ) -> Self {
        Self {
            body_bytes: limits::BODY_BYTES,
            frame_bytes: limits::CLIENT_FRAME_BYTES,
            page_messages: limits::PAGE_MESSAGES,
            rooms_per_socket: limits::ROOMS_PER_SOCKET,
            in_flight: limits::IN_FLIGHT_PER_SOCKET,
            socket,
            user,
            address,
            fleet,
        }
    }
}
