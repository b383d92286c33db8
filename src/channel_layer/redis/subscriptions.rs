//! Which groups this process is subscribed to, which it should be, and who waits to know. Changes are recorded as
//! "look at this group" and judged by what the registry says then, so no order of joins, leaves, cancellations and
//! lost connections can leak a subscription.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::super::GroupName;
use super::super::registry::{GroupObserver, Registry, lock};
use crate::limits;

/// The subscriptions of one process. All sets are bounded by the groups that have members here, or just had.
pub(super) struct Subscriptions {
    state: Mutex<State>,
    /// Mirrors `State::up` for those who only ask.
    up: AtomicBool,
    /// Wakes the session: there is a group to look at.
    changed: Notify,
    /// Wakes those who wait for a confirmation: it counts confirmations and losses.
    settled: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// A session runs, so changes are recorded. Without one there is no need: the next one asks the registry.
    in_session: bool,
    up: bool,
    confirmed: HashSet<GroupName>,
    /// To be looked at.
    changed: HashSet<GroupName>,
    /// Somebody went on without waiting for the confirmation, and gets a `Resync` with it.
    owed: HashSet<GroupName>,
}

/// What the groups looked at need.
#[derive(Default)]
pub(super) struct Changes {
    /// Have members and are not subscribed.
    pub(super) subscribe: Vec<GroupName>,
    /// Are subscribed and have no members.
    pub(super) unsubscribe: Vec<GroupName>,
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            up: AtomicBool::new(false),
            changed: Notify::new(),
            settled: watch::channel(0).0,
        }
    }
}

impl GroupObserver for Subscriptions {
    fn membership_changed(&self, group: &GroupName) {
        {
            let mut state = lock(&self.state);
            if !state.in_session {
                return;
            }
            state.changed.insert(group.clone());
        }
        self.changed.notify_one();
    }
}

impl Subscriptions {
    /// Whether messages of other instances flow.
    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::SeqCst)
    }

    /// Returns when the group is subscribed, or at once when the layer is down, or when it takes too long; in the
    /// last two cases a `Resync` follows the subscription.
    pub(super) async fn wait_for(&self, group: &GroupName) {
        let mut settled = self.settled.subscribe();
        let confirmed = async { while self.must_wait(group) && settled.changed().await.is_ok() {} };
        if timeout(limits::SUBSCRIBE_TIMEOUT, confirmed).await.is_err() {
            self.owe(group);
        }
    }

    /// Whether a confirmation is on its way. If none is, and there was none, one that comes is owed a `Resync`.
    fn must_wait(&self, group: &GroupName) -> bool {
        let mut state = lock(&self.state);
        if state.confirmed.contains(group) {
            return false;
        }
        if !state.up && state.in_session {
            state.owed.insert(group.clone());
        }
        state.up
    }

    fn owe(&self, group: &GroupName) {
        let mut state = lock(&self.state);
        if state.in_session && !state.confirmed.contains(group) {
            state.owed.insert(group.clone());
        }
    }

    /// A session begins: everything with members is to be subscribed.
    pub(super) fn begin(&self, registry: &Registry) {
        lock(&self.state).in_session = true;
        // Recording is on, so a group that gets its first member after this line is in `changed` by itself.
        let groups = registry.groups();
        lock(&self.state).changed.extend(groups);
    }

    /// Everything that had members was subscribed. What came meanwhile still is to be, and gets its `Resync` then;
    /// the caller resyncs all others now.
    pub(super) fn go_up(&self) {
        {
            let mut guard = lock(&self.state);
            let state = &mut *guard;
            state.up = true;
            state.owed.clone_from(&state.changed);
        }
        self.up.store(true, Ordering::SeqCst);
        metrics::gauge!("salon_layer_up").set(1.0);
        self.settled.send_modify(|count| *count += 1);
        self.changed.notify_one();
    }

    /// The session is over.
    pub(super) fn end(&self) {
        *lock(&self.state) = State::default();
        self.up.store(false, Ordering::SeqCst);
        metrics::gauge!("salon_layer_up").set(0.0);
        self.settled.send_modify(|count| *count += 1);
    }

    /// Waits until there is something to look at.
    pub(super) async fn wait_for_changes(&self) {
        self.changed.notified().await;
    }

    /// What has to be done. A group to be unsubscribed counts as not subscribed from here on.
    pub(super) fn take_changes(&self, registry: &Registry) -> Changes {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        let mut changes = Changes::default();
        for group in std::mem::take(&mut state.changed) {
            if registry.has_members(&group) {
                if !state.confirmed.contains(&group) {
                    changes.subscribe.push(group);
                }
            } else {
                state.owed.remove(&group);
                if state.confirmed.remove(&group) {
                    changes.unsubscribe.push(group);
                }
            }
        }
        changes
    }

    /// Redis confirmed these; returns those whose channels are owed a `Resync`.
    pub(super) fn confirm(&self, groups: &[GroupName]) -> Vec<GroupName> {
        let owed = {
            let mut guard = lock(&self.state);
            let state = &mut *guard;
            state.confirmed.extend(groups.iter().cloned());
            groups
                .iter()
                .filter(|group| state.up && state.owed.remove(*group))
                .cloned()
                .collect()
        };
        self.settled.send_modify(|count| *count += 1);
        owed
    }
}
