//! Judges what comes from Redis: opens it, drops what is our own or came before, notices what is missing, and gives the
//! rest to the channels here. Runs on the task that reads the connection, so it never waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::time::Instant;

use super::super::GroupName;
use super::super::registry::{Registry, lock};
use super::envelope::{Envelope, Kind, Sealer};
use crate::ids::InstanceId;
use crate::limits;

/// Takes in what other instances published.
pub(super) struct Inbox {
    sealer: Sealer,
    registry: Arc<Registry>,
    /// Where each origin stands in each group that has members here.
    positions: Mutex<HashMap<GroupName, Vec<Position>>>,
    /// Groups (`None`: everyone) with messages that could not be opened within the last
    /// [`limits::REFUSED_INTERVAL`].
    refused: Mutex<HashMap<Option<GroupName>, Refused>>,
    /// The Redis channel every instance listens on.
    everyone: String,
    /// The highest nonce of our own probes that came round.
    probe_seen: watch::Sender<u64>,
}

struct Position {
    origin: InstanceId,
    number: u64,
}

struct Refused {
    resynced_at: Instant,
    /// Another one came since.
    owed: bool,
}

/// How a message continues what came before it from its origin in its group.
#[derive(PartialEq, Eq, Debug)]
enum Step {
    Next,
    AfterGap,
    Repeat,
}

impl Inbox {
    /// Nothing has come yet.
    pub(super) fn new(sealer: Sealer, registry: Arc<Registry>) -> Self {
        Self {
            everyone: sealer.everyone_channel(),
            sealer,
            registry,
            positions: Mutex::default(),
            refused: Mutex::default(),
            probe_seen: watch::channel(0).0,
        }
    }

    /// Takes one message of one Redis channel.
    pub(super) fn take(&self, channel: &str, bytes: Vec<u8>) {
        let group = self.sealer.group_of(channel);
        let Some(envelope) = self.sealer.open(bytes) else {
            return self.refuse(channel, group.as_ref());
        };
        let own = envelope.origin == self.sealer.instance();
        match (envelope.kind, &group) {
            // Delivered when it was sent.
            (Kind::Message | Kind::Gap | Kind::GapAnywhere, _) if own => {}
            (Kind::Message, Some(group)) if group.as_str() == envelope.group => {
                self.deliver(group, &envelope);
            }
            (Kind::Gap, Some(group)) if group.as_str() == envelope.group => self.resync(group),
            (Kind::GapAnywhere, None) => self.resync_all(),
            (Kind::Probe, None) if own => {
                self.probe_seen
                    .send_modify(|seen| *seen = (*seen).max(envelope.number));
            }
            // Authentic, but moved to a channel it was not published to.
            _ => self.refuse(channel, group.as_ref()),
        }
    }

    /// Sees the nonces of our own probes come round.
    pub(super) fn probes(&self) -> watch::Receiver<u64> {
        self.probe_seen.subscribe()
    }

    /// The group is no longer subscribed.
    pub(super) fn forget(&self, group: &GroupName) {
        lock(&self.positions).remove(group);
        lock(&self.refused).remove(&Some(group.clone()));
    }

    /// A new session: nothing before it counts, and every channel is told.
    pub(super) fn start_again(&self) {
        lock(&self.positions).clear();
        lock(&self.refused).clear();
        self.resync_all();
    }

    /// The channels of one group read again.
    pub(super) fn resync(&self, group: &GroupName) {
        metrics::counter!("salon_layer_resyncs_total").increment(1);
        self.registry.resync(group);
    }

    /// Resyncs that were put off because too many came. Called regularly.
    pub(super) fn sweep(&self) {
        let due: Vec<Option<GroupName>> = {
            let mut refused = lock(&self.refused);
            refused.retain(|_, entry| {
                entry.owed || entry.resynced_at.elapsed() < limits::REFUSED_INTERVAL
            });
            refused
                .iter_mut()
                .filter(|(_, entry)| entry.resynced_at.elapsed() >= limits::REFUSED_INTERVAL)
                .map(|(group, entry)| {
                    entry.resynced_at = Instant::now();
                    entry.owed = false;
                    group.clone()
                })
                .collect()
        };
        for group in &due {
            self.resync_one_or_all(group.as_ref());
        }
    }

    fn resync_all(&self) {
        metrics::counter!("salon_layer_resyncs_total").increment(1);
        self.registry.resync_all();
    }

    fn deliver(&self, group: &GroupName, envelope: &Envelope) {
        if !self.registry.has_members(group) {
            return;
        }
        let step = {
            let mut positions = lock(&self.positions);
            advance(positions.entry(group.clone()).or_default(), envelope)
        };
        match step {
            Step::Repeat => {
                metrics::counter!("salon_layer_refused_total").increment(1);
                return;
            }
            Step::AfterGap => self.resync(group),
            Step::Next => {}
        }
        metrics::counter!("salon_layer_received_total").increment(1);
        self.registry.deliver(group, &envelope.payload);
    }

    /// What cannot be opened may still have been somebody's message (a newer format): read, but at most once in
    /// [`limits::REFUSED_INTERVAL`], so that a forger cannot make a storm of it.
    fn refuse(&self, channel: &str, group: Option<&GroupName>) {
        metrics::counter!("salon_layer_refused_total").increment(1);
        let concerned = match group {
            Some(group) => self.registry.has_members(group),
            None => channel == self.everyone,
        };
        if !concerned {
            return;
        }
        {
            let mut refused = lock(&self.refused);
            if let Some(entry) = refused.get_mut(&group.cloned()) {
                entry.owed = true;
                return;
            }
            let entry = Refused {
                resynced_at: Instant::now(),
                owed: false,
            };
            refused.insert(group.cloned(), entry);
        }
        self.resync_one_or_all(group);
    }

    fn resync_one_or_all(&self, group: Option<&GroupName>) {
        match group {
            Some(group) => self.resync(group),
            None => self.resync_all(),
        }
    }
}

/// Moves the origin's position; the first message of an origin sets it. The most recent origins stand last.
fn advance(positions: &mut Vec<Position>, envelope: &Envelope) -> Step {
    let known = positions
        .iter()
        .position(|position| position.origin == envelope.origin)
        .map(|index| positions.remove(index));
    let (number, step) = match &known {
        None => (envelope.number, Step::Next),
        Some(known) if envelope.number <= known.number => (known.number, Step::Repeat),
        Some(known) if envelope.previous == known.number => (envelope.number, Step::Next),
        Some(_) => (envelope.number, Step::AfterGap),
    };
    if positions.len() >= limits::GROUP_ORIGINS {
        positions.remove(0);
    }
    positions.push(Position {
        origin: envelope.origin,
        number,
    });
    step
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn gaps_and_repeats_are_told_apart_for_each_origin() {
        let (ada, bob) = (InstanceId::new(), InstanceId::new());
        let mut positions = Vec::new();
        let mut step = |origin, previous, number| {
            let envelope = Envelope {
                kind: Kind::Message,
                group: "g".to_owned(),
                origin,
                number,
                previous,
                payload: Bytes::new(),
            };
            advance(&mut positions, &envelope)
        };
        assert_eq!(step(ada, 3, 9), Step::Next, "the first one sets the place");
        assert_eq!(step(ada, 9, 12), Step::Next);
        assert_eq!(step(bob, 0, 1), Step::Next);
        assert_eq!(step(ada, 12, 12), Step::Repeat);
        assert_eq!(step(ada, 3, 9), Step::Repeat);
        assert_eq!(step(ada, 14, 15), Step::AfterGap);
        assert_eq!(step(ada, 15, 16), Step::Next);
        assert_eq!(step(bob, 0, 4), Step::AfterGap, "it forgot the group");
        for _ in 0..limits::GROUP_ORIGINS {
            assert_eq!(step(InstanceId::new(), 0, 1), Step::Next);
        }
        assert!(positions.len() <= limits::GROUP_ORIGINS);
    }
}
