//! What a mark changed about a message, and nothing else: the `message` of a frame with `partial: true`. A reaction in a
//! large room must not cost each reader the whole message. Made by the writer's lane; a feed sends it only to readers
//! who certainly hold the message as it was before, all others get it whole.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::server::millis;
use crate::db::changes::Change;
use crate::db::marks::{Mark, Pin};
use crate::db::rows::MessageRow;
use crate::ids::{Seq, UserId, Version};
use crate::limits;

/// Of a message, what changed at `version`.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct PartialBody {
    /// Its place.
    pub seq: Seq,
    /// This change.
    pub version: Version,
    /// A reaction that came or went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reaction: Option<ReactionChange>,
    /// The pin: null when it was taken off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Option<PinBody>>,
}

/// One kind of reaction after somebody reacted so, or no longer does.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct ReactionChange {
    /// Which.
    pub emoji: String,
    /// How many react so now; with 0 the kind is gone.
    pub count: i64,
    /// Who reacted: put behind the users named, if they are fewer than 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added: Option<UserId>,
    /// Who no longer does: taken out of the users named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<UserId>,
    /// The last of the users named from now on, where there are 20: put behind the others, unless it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

/// The pin of a message.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug, utoipa::ToSchema)]
pub struct PinBody {
    /// Since when.
    #[serde(serialize_with = "millis")]
    pub at: DateTime<Utc>,
    /// Who did it.
    pub by: UserId,
}

impl From<Pin> for PinBody {
    fn from(pin: Pin) -> Self {
        Self {
            at: pin.at,
            by: pin.by,
        }
    }
}

impl PartialBody {
    /// What a change that took a version did to a message that is now `row`; `None` for all but marks.
    #[must_use]
    pub fn of(change: &Change, row: &MessageRow) -> Option<Self> {
        let (actor, seq, mark, is_added) = match change {
            Change::Mark { actor, seq, mark } => (*actor, *seq, mark, true),
            Change::Unmark { actor, seq, mark } => (*actor, *seq, mark, false),
            _ => return None,
        };
        if seq != row.seq {
            return None;
        }
        let whole = Self {
            seq,
            version: row.version,
            reaction: None,
            pinned: None,
        };
        Some(match mark {
            Mark::Pin => Self {
                pinned: Some(row.marks.pinned.map(PinBody::from)),
                ..whole
            },
            Mark::Reaction(emoji) => {
                let now = row.marks.reaction(emoji);
                let named = now.map_or(&[][..], |reaction| &reaction.users);
                let is_full = named.len() >= limits::REACTION_USERS;
                let next = named.last().filter(|_| is_full && !is_added);
                Self {
                    reaction: Some(ReactionChange {
                        emoji: emoji.clone(),
                        count: now.map_or(0, |reaction| reaction.count),
                        added: is_added.then_some(actor),
                        removed: (!is_added).then_some(actor),
                        next: next.copied(),
                    }),
                    ..whole
                }
            }
        })
    }
}
