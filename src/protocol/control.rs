//! What instances tell each other beside a room's changes. Always only a nudge to read the database: whoever forges
//! one makes somebody look, nothing more.

use bytes::Bytes;

use crate::ids::{RoomId, Seq};

/// A nudge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// Sessions may have ended.
    Sessions,
    /// Somebody asked this reply to stop.
    Stop {
        /// Where.
        room: RoomId,
        /// Its message.
        seq: Seq,
    },
}

impl Control {
    /// The bytes that go over the layer: `sessions`, or `stop ROOM SEQ`.
    #[must_use]
    pub fn to_bytes(self) -> Bytes {
        match self {
            Self::Sessions => Bytes::from_static(b"sessions"),
            Self::Stop { room, seq } => Bytes::from(format!("stop {room} {seq}")),
        }
    }

    /// Reads what [`Control::to_bytes`] wrote; `None` for anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut words = text.split(' ');
        match (words.next()?, words.next(), words.next(), words.next()) {
            ("sessions", None, None, None) => Some(Self::Sessions),
            ("stop", Some(room), Some(seq), None) => Some(Self::Stop {
                room: room.parse().ok()?,
                seq: seq.parse().ok()?,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nudge_survives_the_layer() {
        for control in [
            Control::Sessions,
            Control::Stop {
                room: RoomId::new(),
                seq: 7,
            },
        ] {
            assert_eq!(Control::from_bytes(&control.to_bytes()), Some(control));
        }
        assert_eq!(Control::from_bytes(b"stop everything now"), None);
        assert_eq!(Control::from_bytes(&[0xff]), None);
    }
}
