//! The channel layer of a single process: the embedded default, and what most tests use. Nothing is ever lost but
//! to a full channel, so it never sends a `Resync` and is always up.

use std::sync::{Arc, Mutex, Weak};

use async_trait::async_trait;
use bytes::Bytes;

use super::registry::{Registry, lock};
use super::{Channel, ChannelLayer, GroupName};

/// The layer in this process's memory.
pub struct InMemoryLayer {
    registry: Arc<Registry>,
    /// The registries of every instance that hears each other, this one's among them.
    instances: Arc<Mutex<Vec<Weak<Registry>>>>,
}

impl InMemoryLayer {
    /// A layer of one instance.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::on(Arc::default())
    }

    /// The layer of another instance in the same process, as tests of several instances need it: both hear each
    /// other, and closing or flushing one leaves the other alone.
    #[must_use]
    pub fn another_instance(&self) -> Arc<Self> {
        Self::on(Arc::clone(&self.instances))
    }

    /// Tells every channel of this instance that messages may have been lost: a layer that loses some on its way to this
    /// one (a test's) owes it.
    pub fn resync(&self) {
        self.registry.resync_all();
    }

    fn on(instances: Arc<Mutex<Vec<Weak<Registry>>>>) -> Arc<Self> {
        let registry = Registry::new(None);
        {
            let mut all = lock(&instances);
            all.retain(|instance| instance.strong_count() > 0);
            all.push(Arc::downgrade(&registry));
        }
        Arc::new(Self {
            registry,
            instances,
        })
    }
}

#[async_trait]
impl ChannelLayer for InMemoryLayer {
    fn new_channel(&self, capacity: usize) -> Channel {
        self.registry.new_channel(capacity)
    }

    async fn group_add(&self, group: &GroupName, channel: &Channel) {
        self.registry.add(group, channel);
    }

    fn group_discard(&self, group: &GroupName, channel: &Channel) {
        self.registry.discard(group, channel);
    }

    fn group_send(&self, group: &GroupName, payload: Bytes) {
        // Under the lock, so that all instances see what two senders send in one order.
        for registry in lock(&self.instances).iter().filter_map(Weak::upgrade) {
            registry.deliver(group, &payload);
        }
    }

    fn is_up(&self) -> bool {
        true
    }

    fn flush(&self) {
        self.registry.flush();
    }

    async fn close(&self) {
        self.registry.close();
    }
}
