//! The channel layer between simulated instances: the in-memory layer in each, and between them a wire that loses,
//! delays, doubles, reorders and garbles, and that can be cut for one instance. What a real layer promises it keeps: within an
//! instance everything arrives at once and in order, and an instance whose wire was cut gets a `Resync`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use salon::channel_layer::in_memory::InMemoryLayer;
use salon::channel_layer::{Channel, ChannelLayer, GroupName};

use super::dice::Dice;

/// After so long a silent wire is known to be one.
const NOTICED_MS: u64 = 1_500;

/// What becomes of a message on its way, in parts of one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    pub(super) lost: f64,
    pub(super) doubled: f64,
    pub(super) delayed: f64,
    pub(super) garbled: f64,
}

/// All wires.
pub(super) struct Wire {
    state: Mutex<State>,
    dice: Dice,
}

struct State {
    now_ms: u64,
    weather: Weather,
    ends: Vec<End>,
    /// What is under way, by when it arrives and in which order it was sent.
    under_way: BTreeMap<(u64, u64), (usize, GroupName, Bytes)>,
    sent: u64,
}

/// One instance's end.
#[derive(Default)]
struct End {
    layer: Option<Arc<InMemoryLayer>>,
    cut_since: Option<u64>,
}

impl Wire {
    pub(super) fn new(instances: usize, weather: Weather, dice: Dice) -> Arc<Self> {
        let state = State {
            now_ms: 0,
            weather,
            ends: (0..instances).map(|_| End::default()).collect(),
            under_way: BTreeMap::new(),
            sent: 0,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            dice,
        })
    }

    /// The layer of an instance that starts; what was under way to the one before is lost.
    pub(super) fn connect(self: &Arc<Self>, instance: usize) -> Arc<SimLayer> {
        let own = InMemoryLayer::new();
        let mut state = self.lock();
        state.under_way.retain(|_, (to, ..)| *to != instance);
        state.ends[instance].layer = Some(Arc::clone(&own));
        Arc::new(SimLayer {
            own,
            instance,
            wire: Arc::clone(self),
        })
    }

    /// The instance is gone.
    pub(super) fn disconnect(&self, instance: usize) {
        self.lock().ends[instance].layer = None;
    }

    /// Cuts an instance off; nobody is told.
    pub(super) fn cut(&self, instance: usize) {
        let mut state = self.lock();
        let now = state.now_ms;
        state.ends[instance].cut_since.get_or_insert(now);
    }

    /// Mends what was cut: messages flow again, and that some were lost is told.
    pub(super) fn mend(&self, instance: usize) {
        let layer = {
            let mut state = self.lock();
            let end = &mut state.ends[instance];
            end.cut_since.take().and_then(|_| end.layer.clone())
        };
        if let Some(layer) = layer {
            layer.resync();
        }
    }

    /// Fine weather from now on.
    pub(super) fn heal(&self) {
        self.lock().weather = Weather::default();
    }

    /// Delivers what arrives until now.
    pub(super) fn pass(&self, now_ms: u64) {
        loop {
            let (layer, group, payload) = {
                let mut state = self.lock();
                state.now_ms = now_ms;
                let Some(next) = state.under_way.first_entry() else {
                    return;
                };
                if next.key().0 > now_ms {
                    return;
                }
                let (to, group, payload) = next.remove();
                let end = &state.ends[to];
                match (&end.layer, end.cut_since) {
                    (Some(layer), None) => (Arc::clone(layer), group, payload),
                    _ => continue,
                }
            };
            layer.group_send(&group, payload);
        }
    }

    /// Takes a message of an instance to all others.
    fn send(&self, from: usize, group: &GroupName, payload: &Bytes) {
        let mut state = self.lock();
        if state.ends[from].cut_since.is_some() {
            return;
        }
        let weather = state.weather;
        for to in (0..state.ends.len()).filter(|to| *to != from) {
            if self.dice.chance(weather.lost) {
                continue;
            }
            for _ in 0..1 + usize::from(self.dice.chance(weather.doubled)) {
                let delay_ms = match self.dice.chance(weather.delayed) {
                    true => self.dice.range(5..400),
                    false => 1,
                };
                let payload = match self.dice.chance(weather.garbled) {
                    true => self.garble(payload),
                    false => payload.clone(),
                };
                state.sent += 1;
                let place = (state.now_ms + delay_ms, state.sent);
                state.under_way.insert(place, (to, group.clone(), payload));
            }
        }
    }

    /// What no authentication would let pass: the layer of a real deployment hands on a hint to read in its place.
    fn garble(&self, payload: &Bytes) -> Bytes {
        let end = self.dice.below(payload.len().min(3));
        payload.slice(..end)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One instance's layer.
pub(super) struct SimLayer {
    own: Arc<InMemoryLayer>,
    instance: usize,
    wire: Arc<Wire>,
}

#[async_trait]
impl ChannelLayer for SimLayer {
    fn new_channel(&self, capacity: usize) -> Channel {
        self.own.new_channel(capacity)
    }

    async fn group_add(&self, group: &GroupName, channel: &Channel) {
        self.own.group_add(group, channel).await;
    }

    fn group_discard(&self, group: &GroupName, channel: &Channel) {
        self.own.group_discard(group, channel);
    }

    fn group_send(&self, group: &GroupName, payload: Bytes) {
        self.own.group_send(group, payload.clone());
        self.wire.send(self.instance, group, &payload);
    }

    fn is_up(&self) -> bool {
        let state = self.wire.lock();
        let cut_since = state.ends[self.instance].cut_since;
        cut_since.is_none_or(|since| state.now_ms < since + NOTICED_MS)
    }

    fn flush(&self) {
        self.own.flush();
    }

    async fn close(&self) {
        self.own.close().await;
    }
}
