//! The channel layer: how instances tell each other that something happened, in the words of Django Channels.
//! Feeds receive from it, writers and reply runners send over it.
//!
//! # The specification
//!
//! - A *channel* is a mailbox of one receiver, of bounded capacity, made by [`ChannelLayer::new_channel`]. Dropping
//!   it discards it from every group and, with the last member of a group, ends the subscription to it.
//! - A *group* is a name that any channel of any instance may be added to. [`ChannelLayer::group_send`] reaches
//!   every channel of the group **at most once**: those of this process at once and in the order sent; those of
//!   others later, in the order sent by each instance, or not at all.
//! - Nothing is lost in silence. A full channel gets [`LayerEvent::Lagged`] in place of what it could not take.
//!   Whenever messages of other instances may have been lost (disconnection, resubscription, a silent
//!   connection, a refused MAC) each channel concerned gets [`LayerEvent::Resync`] as soon as messages flow again,
//!   and [`ChannelLayer::is_up`] is false in between.
//! - Sending never waits and never fails the sender: a full or dead layer drops, counts, and resyncs.
//! - Group names are at most 100 ASCII letters, digits, `-`, `_` and `.`, as Channels has them.
//!
//! Correctness never rests on the layer (P6): it only makes things fast.

pub mod counters;
pub mod in_memory;
pub mod redis;
pub mod registry;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

pub use registry::Channel;

/// The longest name of a group.
pub const GROUP_NAME_CHARS: usize = 100;

/// The name of a group.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct GroupName(Arc<str>);

impl GroupName {
    /// A name by the rules of the specification; `None` for any other.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        ((1..=GROUP_NAME_CHARS).contains(&name.len()) && name.chars().all(allowed))
            .then(|| Self(name.into()))
    }

    /// The group of one room's feeds.
    #[must_use]
    pub fn room(room: crate::ids::RoomId) -> Self {
        Self(format!("room.{room}").into())
    }

    /// The group every instance is in: nudges to look at sessions and replies.
    #[must_use]
    pub fn control() -> Self {
        Self("control".into())
    }

    /// The group in which instances tell each other who is where and who writes.
    #[must_use]
    pub fn presence() -> Self {
        Self("presence".into())
    }

    /// The group in which instances tell each other what users' own sockets are to hear. One for all users: a subscription
    /// for each would cost every idle socket more than the few who are told of what is not theirs.
    #[must_use]
    pub fn users() -> Self {
        Self("users".into())
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a channel receives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LayerEvent {
    /// Somebody sent this to `group`.
    Message {
        /// Which group it was sent to.
        group: GroupName,
        /// What was sent, as it was sent.
        payload: Bytes,
    },
    /// Messages to this channel's groups may have been lost; it flows again from here.
    Resync,
    /// This channel was full; what was sent meanwhile is lost to it.
    Lagged,
}

/// The layer. One for each process; see the specification above.
#[async_trait]
pub trait ChannelLayer: Send + Sync + 'static {
    /// A new empty channel in no group, that holds `capacity` events before it lags.
    fn new_channel(&self, capacity: usize) -> Channel;

    /// Adds the channel to a group and returns once messages of other instances flow, or the layer is known to
    /// be down (then a `Resync` follows when it is up). Adding twice is adding once.
    async fn group_add(&self, group: &GroupName, channel: &Channel);

    /// Takes the channel out of a group. Taking it out twice does nothing.
    fn group_discard(&self, group: &GroupName, channel: &Channel);

    /// Sends to every channel of the group, here and on other instances. Never waits.
    fn group_send(&self, group: &GroupName, payload: Bytes);

    /// Whether messages of other instances flow, as far as is known.
    fn is_up(&self) -> bool;

    /// Empties every group and channel of this process, for tests.
    fn flush(&self);

    /// Stops its tasks and closes its connections; what was sent is written out first, within a second.
    async fn close(&self);
}
