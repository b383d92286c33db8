//! What members put onto a message beside its text: reactions, and the pin. Kept with the message, so that each version of
//! it is whole by itself; who reacted, all of them, is in a table of its own. Pure: called by the stores, which write,
//! and by the writer, which tells readers only what a mark changed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::UserId;
use crate::limits;

/// A mark that somebody wants on a message, or off it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mark {
    /// This emoji, in one's own name.
    Reaction(String),
    /// The room's pin.
    Pin,
}

/// All marks of one message.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MessageMarks {
    /// In the order in which each kind first came; no kind of nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    /// Whether it is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Pin>,
}

/// One kind of reaction on one message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reaction {
    /// Which.
    pub emoji: String,
    /// How many reacted so.
    pub count: i64,
    /// The first of them, at most 20.
    pub users: Vec<UserId>,
}

/// The pin of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pin {
    /// Since when.
    pub at: DateTime<Utc>,
    /// Who did it.
    pub by: UserId,
}

impl MessageMarks {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reactions.is_empty() && self.pinned.is_none()
    }

    /// This kind of reaction, if anybody reacted so.
    #[must_use]
    pub fn reaction(&self, emoji: &str) -> Option<&Reaction> {
        self.reactions
            .iter()
            .find(|reaction| reaction.emoji == emoji)
    }

    /// Whether one more person may react so: a kind that is there already, or one more kind within the bound.
    #[must_use]
    pub fn takes(&self, emoji: &str) -> bool {
        self.reactions.len() < limits::REACTION_KINDS || self.reaction(emoji).is_some()
    }

    /// Somebody reacted who had not.
    pub fn add(&mut self, emoji: &str, user: UserId) {
        let known = self
            .reactions
            .iter_mut()
            .find(|reaction| reaction.emoji == emoji);
        match known {
            Some(reaction) => {
                reaction.count += 1;
                if reaction.users.len() < limits::REACTION_USERS {
                    reaction.users.push(user);
                }
            }
            None => self.reactions.push(Reaction {
                emoji: emoji.to_owned(),
                count: 1,
                users: vec![user],
            }),
        }
    }

    /// Somebody took a reaction away. `first` are the first who still react so, at most [`limits::REACTION_USERS`].
    pub fn remove(&mut self, emoji: &str, first: Vec<UserId>) {
        if let Some(reaction) = self
            .reactions
            .iter_mut()
            .find(|reaction| reaction.emoji == emoji)
        {
            reaction.count -= 1;
            reaction.users = first;
        }
        self.reactions.retain(|reaction| reaction.count > 0);
    }

    /// About how many bytes of a page they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of = |reaction: &Reaction| 48 + reaction.emoji.len() + 39 * reaction.users.len();
        self.reactions.iter().map(of).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_go_on_where_names_end_and_the_last_takes_the_kind_away() {
        let users: Vec<UserId> = (0..=limits::REACTION_USERS)
            .map(|_| UserId::new())
            .collect();
        let mut marks = MessageMarks::default();
        for user in &users {
            marks.add("👍", *user);
        }
        let reaction = marks.reaction("👍").unwrap();
        assert_eq!(reaction.count, 21);
        assert_eq!(reaction.users, users[..20]);
        marks.remove("👍", users[1..].to_vec());
        assert_eq!(marks.reaction("👍").unwrap().users, users[1..]);
        for _ in 0..20 {
            marks.remove("👍", Vec::new());
        }
        assert!(marks.is_empty());
    }

    #[test]
    fn kinds_are_bounded_people_are_not() {
        let mut marks = MessageMarks::default();
        for kind in 0..limits::REACTION_KINDS {
            assert!(marks.takes(&kind.to_string()));
            marks.add(&kind.to_string(), UserId::new());
        }
        assert!(!marks.takes("one more") && marks.takes("0"));
    }
}
