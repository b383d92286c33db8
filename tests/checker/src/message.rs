//! A message inside a frame, and what members put onto it: reactions and the pin. A frame that tells only what changed is
//! applied to what is held here, by the rule of the wire; nothing else reads marks.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use crate::frame::{Either, RawUser, Text, name, user_of};
use crate::names::{Name, Names, digest, fnv};

/// Users named of one kind of reaction.
const NAMED: usize = 20;

/// A message inside a frame.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) seq: i64,
    pub(crate) version: i64,
    pub(crate) digest: u64,
    pub(crate) id: Option<Name>,
    pub(crate) author: Option<Name>,
    pub(crate) state: Name,
    /// The text of a reply, when it is there.
    pub(crate) text: Option<Name>,
    /// The attempt of a reply.
    pub(crate) attempt: Option<i64>,
    /// A reply of several texts: the one it tells may be older than the one that was written last.
    pub(crate) has_variants: bool,
    /// When it was stored, as the digits of the date and time; 0 when unknown.
    pub(crate) created: u64,
    pub(crate) is_reply: bool,
    /// Edited or deleted by hand.
    pub(crate) altered: bool,
    pub(crate) deleted: bool,
    pub(crate) marks: Marks,
}

/// What members put onto a message.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Marks {
    /// In the order in which each kind first came: emoji, count, the first users.
    kinds: Vec<(Name, i64, Vec<Name>)>,
    /// Who pinned it.
    pinned: Option<Name>,
}

/// What changed about a message's marks.
#[derive(Clone, Default, Debug)]
pub(crate) struct MarkChange {
    reaction: Option<ReactionChange>,
    pinned: Option<Option<Name>>,
}

#[derive(Clone, Debug)]
struct ReactionChange {
    emoji: Name,
    count: i64,
    added: Option<Name>,
    removed: Option<Name>,
    next: Option<Name>,
}

impl Marks {
    /// Marks as a program tells them.
    pub(crate) fn new<'a>(
        reactions: impl Iterator<Item = (&'a str, i64, &'a [String])>,
        pinned: Option<&str>,
        names: &mut Names,
    ) -> Self {
        let mut marks = Self::default();
        for (emoji, count, users) in reactions {
            let users = users.iter().map(|user| names.name(user)).collect();
            marks.kinds.push((names.name(emoji), count, users));
        }
        marks.pinned = pinned.map(|user| names.name(user));
        marks
    }

    /// By the rule of the wire.
    pub(crate) fn apply(&mut self, change: &MarkChange) {
        if let Some(pinned) = change.pinned {
            self.pinned = pinned;
        }
        let Some(new) = &change.reaction else {
            return;
        };
        let known = self.kinds.iter().position(|(kind, ..)| *kind == new.emoji);
        let place = known.unwrap_or_else(|| {
            self.kinds.push((new.emoji, 0, Vec::new()));
            self.kinds.len() - 1
        });
        if let Some((_, count, users)) = self.kinds.get_mut(place) {
            *count = new.count;
            users.retain(|user| Some(*user) != new.removed);
            if let Some(user) = new.added
                && users.len() < NAMED
                && !users.contains(&user)
            {
                users.push(user);
            }
            if let Some(user) = new.next
                && !users.contains(&user)
            {
                users.push(user);
            }
        }
        self.kinds.retain(|(_, count, _)| *count > 0);
    }
}

#[derive(Deserialize)]
pub(crate) struct RawMessage<'a> {
    pub(crate) seq: i64,
    version: i64,
    #[serde(borrow, default)]
    client_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    author: Either<'a, RawUser<'a>>,
    #[serde(borrow, default)]
    body: Option<Text<'a>>,
    #[serde(borrow, default)]
    hash: Option<Text<'a>>,
    #[serde(borrow, default)]
    state: Option<Text<'a>>,
    #[serde(default)]
    reply: Option<RawReply>,
    #[serde(borrow, default)]
    created_at: Option<Text<'a>>,
    #[serde(default)]
    edited_at: Option<IgnoredAny>,
    #[serde(default)]
    deleted_at: Option<IgnoredAny>,
    #[serde(borrow, default)]
    reactions: Vec<RawReaction<'a>>,
    #[serde(borrow, default, deserialize_with = "some")]
    pinned: Option<Option<RawPin<'a>>>,
    #[serde(borrow, default)]
    reaction: Option<RawReaction<'a>>,
}

#[derive(Deserialize)]
struct RawReply {
    attempt: Option<i64>,
    #[serde(default)]
    variants: Option<IgnoredAny>,
}

/// A kind of reaction, whole or as it changed.
#[derive(Deserialize)]
struct RawReaction<'a> {
    #[serde(borrow)]
    emoji: Text<'a>,
    count: i64,
    #[serde(borrow, default)]
    users: Vec<Text<'a>>,
    #[serde(borrow, default)]
    added: Option<Text<'a>>,
    #[serde(borrow, default)]
    removed: Option<Text<'a>>,
    #[serde(borrow, default)]
    next: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct RawPin<'a> {
    #[serde(borrow)]
    by: Text<'a>,
}

/// A field that is there and null is not one that is missing.
fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl RawMessage<'_> {
    pub(crate) fn message(&self, names: &mut Names) -> Message {
        let is_reply = self.kind.as_ref().is_some_and(|kind| kind.0 == "assistant");
        let body = self.body.as_ref().map(|body| body.0.as_ref());
        Message {
            seq: self.seq,
            version: self.version,
            digest: match (&self.hash, body) {
                (Some(hash), _) => digest(&hash.0),
                (None, body) => fnv(body.unwrap_or_default().as_bytes()),
            },
            id: name(self.client_id.as_ref(), names),
            author: user_of(&self.author, names),
            state: match &self.state {
                Some(state) => state.name(names),
                None => names.name("complete"),
            },
            text: body.filter(|_| is_reply).map(|body| names.name(body)),
            attempt: self.reply.as_ref().and_then(|reply| reply.attempt),
            has_variants: self
                .reply
                .as_ref()
                .is_some_and(|reply| reply.variants.is_some()),
            created: self.created_at.as_ref().map_or(0, |time| digits(&time.0)),
            is_reply,
            altered: self.edited_at.is_some() || self.deleted_at.is_some(),
            deleted: self.deleted_at.is_some(),
            marks: self.marks(names),
        }
    }

    fn marks(&self, names: &mut Names) -> Marks {
        let mut kinds = Vec::with_capacity(self.reactions.len());
        for reaction in &self.reactions {
            let users = reaction.users.iter().map(|user| user.name(names)).collect();
            kinds.push((reaction.emoji.name(names), reaction.count, users));
        }
        let pin = self.pinned.as_ref().and_then(Option::as_ref);
        let pinned = pin.map(|pin| pin.by.name(names));
        Marks { kinds, pinned }
    }

    /// What a frame that tells no more says.
    pub(crate) fn change(&self, names: &mut Names) -> MarkChange {
        let reaction = self.reaction.as_ref().map(|reaction| ReactionChange {
            emoji: reaction.emoji.name(names),
            count: reaction.count,
            added: name(reaction.added.as_ref(), names),
            removed: name(reaction.removed.as_ref(), names),
            next: name(reaction.next.as_ref(), names),
        });
        let pinned = self.pinned.as_ref();
        let pinned = pinned.map(|pin| pin.as_ref().map(|pin| pin.by.name(names)));
        MarkChange { reaction, pinned }
    }
}

/// The digits of a time in RFC 3339, UTC, milliseconds, which order as the times do. 0 for another form.
fn digits(time: &str) -> u64 {
    if time.len() != 24 || !time.ends_with('Z') {
        return 0;
    }
    time.bytes()
        .filter(u8::is_ascii_digit)
        .fold(0_u64, |sum, digit| {
            sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))
        })
}
