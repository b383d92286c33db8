//! The channels and groups of one process. Every layer keeps its channels here and only adds how messages come
//! from elsewhere; feeds and other receivers see [`Channel`] alone.
//!
//! Membership belongs to the [`Channel`] value: dropping it, on whatever path, ends it. Locks are held for a few
//! map operations and never over an await; the order is a channel's own groups first, then a shard.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use tokio::sync::Notify;

use super::{GroupName, LayerEvent};
use crate::limits;

/// Locks that the groups are spread over, so that busy rooms seldom meet.
const SHARDS: usize = 16;

/// A bounded mailbox of one receiver. Dropping it takes it out of every group.
pub struct Channel {
    mailbox: Arc<Mailbox>,
    registry: Arc<Registry>,
}

impl Channel {
    /// The next event; waits for one. `None` once the layer was closed and what was held is taken.
    ///
    /// Cancel-safe: an event is taken only when it is returned.
    pub async fn receive(&mut self) -> Option<LayerEvent> {
        loop {
            // The wake-up is stored when nobody waits, so nothing that comes between the two lines is missed.
            match self.mailbox.take() {
                Taken::Event(event) => return Some(event),
                Taken::Closed => return None,
                Taken::Nothing => self.mailbox.filled.notified().await,
            }
        }
    }

    /// The next event if there is one already.
    pub fn try_receive(&mut self) -> Option<LayerEvent> {
        match self.mailbox.take() {
            Taken::Event(event) => Some(event),
            Taken::Closed | Taken::Nothing => None,
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.registry.forget(&self.mailbox);
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("id", &self.mailbox.id)
            .finish_non_exhaustive()
    }
}

/// What looks after the subscriptions of a process. Called without any lock held.
pub(super) trait GroupObserver: Send + Sync + 'static {
    /// The group got its first member here or lost its last one; ask [`Registry::has_members`] which.
    fn membership_changed(&self, group: &GroupName);
}

/// All channels of one process and the groups they are in.
pub(super) struct Registry {
    shards: [Mutex<HashMap<GroupName, Members>>; SHARDS],
    hasher: RandomState,
    channels: Mutex<BTreeMap<u64, Weak<Mailbox>>>,
    next_id: AtomicU64,
    closed: AtomicBool,
    observer: Option<Arc<dyn GroupObserver>>,
}

/// Copied on change, so that sending only takes a reference out of the lock.
type Members = Arc<Vec<Arc<Mailbox>>>;

impl Registry {
    /// An empty registry. `observer` hears of first and last members.
    pub(super) fn new(observer: Option<Arc<dyn GroupObserver>>) -> Arc<Self> {
        Arc::new(Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            channels: Mutex::default(),
            next_id: AtomicU64::new(1),
            closed: AtomicBool::new(false),
            observer,
        })
    }

    /// A new channel in no group. It holds `capacity` messages, at least one.
    pub(super) fn new_channel(self: &Arc<Self>, capacity: usize) -> Channel {
        let mailbox = Arc::new(Mailbox::new(
            self.next_id.fetch_add(1, Ordering::Relaxed),
            capacity.max(1),
        ));
        lock(&self.channels).insert(mailbox.id, Arc::downgrade(&mailbox));
        if self.closed.load(Ordering::SeqCst) {
            mailbox.close();
        }
        Channel {
            mailbox,
            registry: Arc::clone(self),
        }
    }

    /// Adds the channel, which must be of this registry; one of another is left alone.
    pub(super) fn add(self: &Arc<Self>, group: &GroupName, channel: &Channel) {
        if !Arc::ptr_eq(self, &channel.registry) {
            tracing::error!(%group, "a channel was added to a group of a layer that did not make it");
            return;
        }
        let mut own_groups = lock(&channel.mailbox.groups);
        if !own_groups.insert(group.clone()) {
            return;
        }
        let first = {
            let mut shard = lock(self.shard(group));
            let members = shard.entry(group.clone()).or_default();
            Arc::make_mut(members).push(Arc::clone(&channel.mailbox));
            members.len() == 1
        };
        drop(own_groups);
        if first {
            self.observe(group);
        }
    }

    /// Takes the channel out of a group. A send that runs meanwhile may still arrive.
    pub(super) fn discard(&self, group: &GroupName, channel: &Channel) {
        let emptied = {
            let mut own_groups = lock(&channel.mailbox.groups);
            own_groups.remove(group) && self.remove(group, &channel.mailbox)
        };
        if emptied {
            self.observe(group);
        }
    }

    /// Gives the message to every channel of the group here; says to how many.
    pub(super) fn deliver(&self, group: &GroupName, payload: &Bytes) -> usize {
        let Some(members) = self.members(group) else {
            return 0;
        };
        for mailbox in members.iter() {
            mailbox.put(group, payload);
        }
        members.len()
    }

    /// Tells the channels of one group that messages may have been lost.
    pub(super) fn resync(&self, group: &GroupName) {
        for mailbox in self
            .members(group)
            .iter()
            .flat_map(|members| members.iter())
        {
            mailbox.resync();
        }
    }

    /// Tells every channel that messages may have been lost.
    pub(super) fn resync_all(&self) {
        for mailbox in self.mailboxes() {
            mailbox.resync();
        }
    }

    /// Whether any channel here is in the group.
    pub(super) fn has_members(&self, group: &GroupName) -> bool {
        lock(self.shard(group)).contains_key(group)
    }

    /// Every group with a member here.
    pub(super) fn groups(&self) -> Vec<GroupName> {
        self.shards
            .iter()
            .flat_map(|shard| lock(shard).keys().cloned().collect::<Vec<_>>())
            .collect()
    }

    /// Empties every group and channel.
    pub(super) fn flush(&self) {
        for mailbox in self.mailboxes() {
            self.leave_all(&mailbox);
            mailbox.clear();
        }
    }

    /// Ends every channel, present and future.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for mailbox in self.mailboxes() {
            mailbox.close();
        }
    }

    fn forget(&self, mailbox: &Mailbox) {
        lock(&self.channels).remove(&mailbox.id);
        self.leave_all(mailbox);
    }

    fn leave_all(&self, mailbox: &Mailbox) {
        let emptied: Vec<GroupName> = {
            let mut own_groups = lock(&mailbox.groups);
            own_groups
                .drain()
                .filter(|group| self.remove(group, mailbox))
                .collect()
        };
        for group in &emptied {
            self.observe(group);
        }
    }

    /// Removes one member; true when the group has none left.
    fn remove(&self, group: &GroupName, mailbox: &Mailbox) -> bool {
        let mut shard = lock(self.shard(group));
        let Some(members) = shard.get_mut(group) else {
            return false;
        };
        Arc::make_mut(members).retain(|member| member.id != mailbox.id);
        if members.is_empty() {
            shard.remove(group);
            return true;
        }
        false
    }

    fn members(&self, group: &GroupName) -> Option<Members> {
        lock(self.shard(group)).get(group).cloned()
    }

    fn mailboxes(&self) -> Vec<Arc<Mailbox>> {
        lock(&self.channels)
            .values()
            .filter_map(Weak::upgrade)
            .collect()
    }

    fn observe(&self, group: &GroupName) {
        if let Some(observer) = &self.observer {
            observer.membership_changed(group);
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the index is taken modulo the length"
    )]
    fn shard(&self, group: &GroupName) -> &Mutex<HashMap<GroupName, Members>> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any bits of the hash will do"
        )]
        let hash = self.hasher.hash_one(group) as usize;
        &self.shards[hash % SHARDS]
    }
}

/// What a channel holds. Shared by its [`Channel`] and the groups it is in.
struct Mailbox {
    id: u64,
    capacity: usize,
    groups: Mutex<HashSet<GroupName>>,
    held: Mutex<Held>,
    filled: Notify,
}

/// Messages in the order they came, and the two flags that no full queue can lose.
#[derive(Default)]
struct Held {
    messages: VecDeque<(GroupName, Bytes)>,
    bytes: usize,
    /// Something was dropped after what is held; nothing more is taken until the receiver knows.
    lagged: bool,
    resync: bool,
    closed: bool,
}

enum Taken {
    Event(LayerEvent),
    Nothing,
    Closed,
}

impl Mailbox {
    fn new(id: u64, capacity: usize) -> Self {
        Self {
            id,
            capacity,
            groups: Mutex::default(),
            held: Mutex::default(),
            filled: Notify::new(),
        }
    }

    fn put(&self, group: &GroupName, payload: &Bytes) {
        {
            let mut held = lock(&self.held);
            let full = held.messages.len() >= self.capacity
                || (!held.messages.is_empty()
                    && held.bytes + payload.len() > limits::CHANNEL_BYTES);
            if held.lagged || full {
                held.lagged = true;
                metrics::counter!("salon_layer_lagged_messages_total").increment(1);
            } else {
                held.bytes += payload.len();
                held.messages.push_back((group.clone(), payload.clone()));
            }
        }
        self.filled.notify_one();
    }

    fn resync(&self) {
        lock(&self.held).resync = true;
        self.filled.notify_one();
    }

    fn close(&self) {
        lock(&self.held).closed = true;
        self.filled.notify_one();
    }

    fn clear(&self) {
        let mut held = lock(&self.held);
        let closed = held.closed;
        *held = Held {
            closed,
            ..Held::default()
        };
    }

    /// `Resync` comes first, since a receiver that reads the database sees all that was sent before; `Lagged`
    /// comes where the gap is, after what was held.
    fn take(&self) -> Taken {
        let mut held = lock(&self.held);
        if std::mem::take(&mut held.resync) {
            return Taken::Event(LayerEvent::Resync);
        }
        if let Some((group, payload)) = held.messages.pop_front() {
            held.bytes -= payload.len();
            return Taken::Event(LayerEvent::Message { group, payload });
        }
        if std::mem::take(&mut held.lagged) {
            return Taken::Event(LayerEvent::Lagged);
        }
        if held.closed {
            return Taken::Closed;
        }
        Taken::Nothing
    }
}

/// A panic elsewhere leaves these maps whole: every change to them is a single step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str) -> GroupName {
        GroupName::new(name).unwrap()
    }

    #[test]
    fn a_dropped_channel_leaves_nothing_behind() {
        #[derive(Default)]
        struct Seen(Mutex<Vec<String>>);
        impl GroupObserver for Seen {
            fn membership_changed(&self, group: &GroupName) {
                lock(&self.0).push(group.to_string());
            }
        }
        let seen = Arc::new(Seen::default());
        let registry = Registry::new(Some(Arc::clone(&seen) as _));
        let (first, second) = (registry.new_channel(1), registry.new_channel(1));
        registry.add(&group("a"), &first);
        registry.add(&group("a"), &second);
        drop(first);
        assert!(registry.has_members(&group("a")));
        drop(second);
        assert!(registry.groups().is_empty());
        assert!(registry.mailboxes().is_empty());
        assert!(lock(&registry.channels).is_empty());
        assert_eq!(
            *lock(&seen.0),
            ["a", "a"],
            "the first joined, the last left"
        );
    }

    #[test]
    fn a_full_channel_still_gets_its_resync() {
        let registry = Registry::new(None);
        let mut channel = registry.new_channel(1);
        registry.add(&group("a"), &channel);
        for _ in 0..3 {
            registry.deliver(&group("a"), &Bytes::from_static(b"x"));
            registry.resync(&group("a"));
        }
        assert_eq!(channel.try_receive(), Some(LayerEvent::Resync));
        assert!(matches!(
            channel.try_receive(),
            Some(LayerEvent::Message { .. })
        ));
        assert_eq!(channel.try_receive(), Some(LayerEvent::Lagged));
        assert_eq!(channel.try_receive(), None);
    }

    #[test]
    fn bytes_are_bounded_too_but_one_message_always_fits() {
        let registry = Registry::new(None);
        let mut channel = registry.new_channel(100);
        registry.add(&group("a"), &channel);
        let large = Bytes::from(vec![0; limits::CHANNEL_BYTES + 1]);
        for _ in 0..2 {
            registry.deliver(&group("a"), &large);
            registry.deliver(&group("a"), &Bytes::from_static(b"x"));
            assert!(matches!(
                channel.try_receive(),
                Some(LayerEvent::Message { payload, .. }) if payload == large
            ));
            assert_eq!(channel.try_receive(), Some(LayerEvent::Lagged));
        }
    }

    #[test]
    fn a_channel_of_another_registry_is_left_alone() {
        let (one, two) = (Registry::new(None), Registry::new(None));
        let channel = one.new_channel(1);
        two.add(&group("a"), &channel);
        assert!(!two.has_members(&group("a")));
    }
}
