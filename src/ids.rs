//! The names of things: users, rooms, sessions, messages. Every layer uses them; they know nothing of any layer.
//!
//! Ids are UUIDv7 (time-ordered, minted here, index-friendly). `seq` and `version` are plain counters that
//! only the database advances, so they are aliases: arithmetic on them is what they are for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// A message's place in its room: 1, 2, 3 … without a hole.
pub type Seq = i64;
/// A room's change counter: every versioned change takes the next one.
pub type Version = i64;
/// One try at a reply, from 1; also the fencing token of its runner.
pub type Attempt = i32;
/// The number of a piece of a reply within an attempt, from 1.
pub type ChunkNumber = i32;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, ordered by the time it was made.
            #[must_use]
            pub fn new() -> Self {
                Self(crate::randomness::id())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_id!(
    /// An outgoing webhook.
    WebhookId
);
uuid_id!(
    /// A person, a guest, a bot or the assistant.
    UserId
);
uuid_id!(
    /// A room, whatever its name becomes.
    RoomId
);
uuid_id!(
    /// One sign-in of one user, or one of its tokens; never the secret itself.
    SessionId
);
uuid_id!(
    /// A link that lets its holders into a room; never the token itself.
    InviteId
);
uuid_id!(
    /// An incoming webhook; never its secret.
    HookId
);
uuid_id!(
    /// The sender's own id of a message: makes a resend find the first one (P4).
    ClientId
);
uuid_id!(
    /// A row of the audit log; in the order of time, about.
    AuditId
);
uuid_id!(
    /// A row of what an attempt at a reply used; in the order of time, about.
    AttemptId
);
uuid_id!(
    /// One running Salon process; the owner of reply leases.
    InstanceId
);
uuid_id!(
    /// One socket or event stream.
    ConnectionId
);
uuid_id!(
    /// One writer batch: its rerun after a lost COMMIT looks for this id.
    BatchId
);

/// A random number of a room's history; it changes when history is replaced. On the wire a string, since
/// JavaScript numbers lose precision above 2^53.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Epoch(pub i64);

impl Epoch {
    /// A fresh random epoch for a new or replaced history.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::Rng::random::<i64>(&mut crate::randomness::rng()) & i64::MAX)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Epoch {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // No epoch is printed with a sign, and a negative one would be printed as what cannot be read.
        let digits = text.strip_prefix(['+', '-']).map_or(text, |_| "signed");
        i64::from_str_radix(digits, 16).map(Self)
    }
}

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Epoch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A room by both of its names: the id that tables use and the slug that the wire uses. Both never change.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RoomRef {
    /// What tables and actors know it by.
    pub id: RoomId,
    /// What clients know it by.
    pub slug: std::sync::Arc<str>,
}

/// Where a reader stands in a room: the history it knows and the last version it applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cursor {
    /// The history that `version` counts in.
    pub epoch: Epoch,
    /// The last version applied; 0 before the first.
    pub version: Version,
}

/// The id of an event: `epoch:version`.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.version)
    }
}

/// A text that is no cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;
    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (epoch, version) = text.split_once(':').ok_or(NoCursor)?;
        let epoch = epoch.parse().map_err(|_error| NoCursor)?;
        let version: Version = version.parse().map_err(|_error| NoCursor)?;
        if version < 0 {
            return Err(NoCursor);
        }
        Ok(Self { epoch, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_survives_its_wire_form() {
        for epoch in [Epoch(0), Epoch(1), Epoch(i64::MAX), Epoch::random()] {
            let text = serde_json::to_string(&epoch).unwrap();
            assert_eq!(serde_json::from_str::<Epoch>(&text).unwrap(), epoch);
        }
        for text in ["not hex", "", "-1", "+1", "--1", "8000000000000000"] {
            assert!(text.parse::<Epoch>().is_err(), "{text}");
        }
    }
}
