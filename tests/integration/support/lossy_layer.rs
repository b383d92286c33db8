//! A channel layer between instances of one process that loses, doubles and delays what goes from one to another, as
//! a test's dice say. Within an instance it is as reliable as the specification wants.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use salon::channel_layer::in_memory::InMemoryLayer;
use salon::channel_layer::{Channel, ChannelLayer, GroupName};

/// What becomes of a message on its way to another instance, in parts of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) lost: f64,
    pub(crate) doubled: f64,
    pub(crate) delayed: f64,
}

/// One instance's layer.
pub(crate) struct LossyLayer {
    own: Arc<InMemoryLayer>,
    others: Vec<Arc<InMemoryLayer>>,
    weather: Weather,
    dice: Mutex<StdRng>,
}

/// Two instances' layers over one bad wire.
pub(crate) fn lossy_pair(weather: Weather, seed: u64) -> (Arc<LossyLayer>, Arc<LossyLayer>) {
    let (one, two) = (InMemoryLayer::new(), InMemoryLayer::new());
    let layer = |own: &Arc<InMemoryLayer>, other: &Arc<InMemoryLayer>, seed| {
        Arc::new(LossyLayer {
            own: Arc::clone(own),
            others: vec![Arc::clone(other)],
            weather,
            dice: Mutex::new(StdRng::seed_from_u64(seed)),
        })
    };
    (layer(&one, &two, seed), layer(&two, &one, seed + 1))
}

#[async_trait]
impl ChannelLayer for LossyLayer {
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
        for other in &self.others {
            let mut dice = self.dice.lock().unwrap();
            if dice.random_bool(self.weather.lost) {
                continue;
            }
            let times = 1 + usize::from(dice.random_bool(self.weather.doubled));
            for _ in 0..times {
                if dice.random_bool(self.weather.delayed) {
                    let delay = Duration::from_millis(dice.random_range(1..80));
                    let (other, group, payload) =
                        (Arc::clone(other), group.clone(), payload.clone());
                    tokio::spawn(async move {
                        tokio::time::sleep(delay).await;
                        other.group_send(&group, payload);
                    });
                } else {
                    other.group_send(group, payload.clone());
                }
            }
        }
    }

    fn is_up(&self) -> bool {
        self.weather.lost < 1.0
    }

    fn flush(&self) {
        self.own.flush();
    }

    async fn close(&self) {
        self.own.close().await;
    }
}
