//! The channel layer's specification, rule by rule, for every implementation (`rules`), and what only a layer between
//! processes can go through (`redis_faults`). Two layer objects stand for two instances.

mod redis_faults;
mod rules;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use salon::channel_layer::in_memory::InMemoryLayer;
use salon::channel_layer::redis::{RedisLayer, RedisSettings};
use salon::channel_layer::{Channel, ChannelLayer, GroupName, LayerEvent};
use salon::ids::InstanceId;

use super::support::redis::RedisServer;

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(10);
const SECRET: &str = "a secret of the cluster, 32 characters or more";
const DEPLOYMENT: &str = "test";

/// Two instances that hear each other.
struct Pair {
    one: Arc<dyn ChannelLayer>,
    two: Arc<dyn ChannelLayer>,
    /// What they hear each other over, if it is not memory.
    _redis: Option<RedisServer>,
}

fn in_memory_pair() -> Pair {
    let one = InMemoryLayer::new();
    Pair {
        two: one.another_instance(),
        one,
        _redis: None,
    }
}

async fn redis_pair() -> Pair {
    let redis = RedisServer::start().await;
    Pair {
        one: redis_layer(&redis, &[SECRET]).await,
        two: redis_layer(&redis, &[SECRET]).await,
        _redis: Some(redis),
    }
}

/// Two instances at two nodes of a Redis Cluster, whose nodes the caller keeps.
async fn redis_cluster_pair(nodes: &[RedisServer; 3]) -> Pair {
    Pair {
        one: redis_layer(&nodes[0], &[SECRET]).await,
        two: redis_layer(&nodes[1], &[SECRET]).await,
        _redis: None,
    }
}

async fn redis_layer(redis: &RedisServer, secrets: &[&str]) -> Arc<RedisLayer> {
    RedisLayer::connect(RedisSettings {
        url: redis.url().into(),
        secrets: secrets.iter().map(|secret| (*secret).into()).collect(),
        deployment: DEPLOYMENT.to_owned(),
        instance: InstanceId::new(),
    })
    .await
    .unwrap()
}

fn group(name: &str) -> GroupName {
    GroupName::new(name).unwrap()
}

fn message(group: &GroupName, text: &str) -> LayerEvent {
    LayerEvent::Message {
        group: group.clone(),
        payload: Bytes::copy_from_slice(text.as_bytes()),
    }
}

fn send(layer: &(impl ChannelLayer + ?Sized), group: &GroupName, text: &str) {
    layer.group_send(group, Bytes::copy_from_slice(text.as_bytes()));
}

/// The next event, which must come.
async fn next(channel: &mut Channel) -> LayerEvent {
    tokio::time::timeout(DEADLINE, channel.receive())
        .await
        .expect("nothing arrived")
        .expect("the layer is closed")
}

/// Events up to and without `last`, which must come.
async fn until(channel: &mut Channel, last: &LayerEvent) -> Vec<LayerEvent> {
    let mut events = Vec::new();
    loop {
        let event = next(channel).await;
        if event == *last {
            return events;
        }
        events.push(event);
    }
}
