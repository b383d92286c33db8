//! What instances tell each other of one user's own affairs, for all sockets of that user wherever they are: how far it has
//! read, which rooms it got, lost and muted, where it was mentioned. Best effort: a lost one is made good when the client reads its rooms again. Made by
//! `chat`, taken by `consumer`; a group of its own, so that an instance that does not know it is never woken by it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::ids::{RoomId, Seq, UserId};

/// The first byte; a notice of another format is passed over.
const FORMAT: u8 = 1;

/// Something that one user's sockets are to hear.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UserNews {
    /// Whose.
    pub user: UserId,
    /// What.
    pub what: News,
}

/// What there is to hear.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// It has read on.
    Read {
        /// Where.
        room: RoomId,
        /// The room's address.
        slug: String,
        /// Up to there.
        seq: Seq,
        /// Messages above it.
        unread: i64,
        /// Those of them that mention the user.
        mentions: i64,
        /// The room's other members hear of it too.
        receipt: bool,
    },
    /// It is in this room from now on.
    Gained {
        /// The room's address.
        slug: String,
    },
    /// It is no longer in this room.
    Lost {
        /// The room's address.
        slug: String,
    },
    /// It wants to be left alone by this room, or no more.
    Muted {
        /// The room's address.
        slug: String,
        /// Whether it does.
        muted: bool,
    },
    /// Somebody mentioned it.
    Mentioned {
        /// The room's address.
        slug: String,
        /// The room's last message by then.
        last_seq: Seq,
        /// Messages above what it has read.
        unread: i64,
        /// Those of them that mention it.
        mentions: i64,
    },
}

/// The bytes that go over the layer.
#[must_use]
pub fn to_bytes(news: &[UserNews]) -> Bytes {
    let mut out = vec![FORMAT];
    // Plain structs: nothing in them can fail to be written.
    if serde_json::to_writer(&mut out, news).is_err() {
        out.truncate(1);
    }
    out.into()
}

/// Reads what [`to_bytes`] wrote; `None` for anything else.
#[must_use]
pub fn from_bytes(bytes: &[u8]) -> Option<Vec<UserNews>> {
    match bytes.split_first()? {
        (&FORMAT, json) => serde_json::from_slice(json).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_survives_the_layer_and_what_is_unknown_is_nothing() {
        let of = |what| UserNews {
            user: UserId::new(),
            what,
        };
        let slug = || "lobby".to_owned();
        let read = News::Read {
            room: RoomId::new(),
            slug: slug(),
            seq: 7,
            unread: 1,
            mentions: 0,
            receipt: true,
        };
        let news = [
            of(read),
            of(News::Gained { slug: slug() }),
            of(News::Lost { slug: slug() }),
            of(News::Muted {
                slug: slug(),
                muted: true,
            }),
            of(News::Mentioned {
                slug: slug(),
                last_seq: 9,
                unread: 2,
                mentions: 1,
            }),
        ];
        let bytes = to_bytes(&news);
        assert_eq!(from_bytes(&bytes).as_deref(), Some(&news[..]));
        for end in 0..bytes.len() {
            assert_eq!(from_bytes(&bytes[..end]), None);
        }
        assert_eq!(from_bytes(b"\x02[]"), None);
        let unknown = br#"[{"user":"019a7b1d-aaaa-7bbb-8ccc-0123456789ab","what":{"later":{}}}]"#;
        assert_eq!(from_bytes(&[&[FORMAT][..], unknown].concat()), None);
    }
}
