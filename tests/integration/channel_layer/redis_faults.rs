//! What can happen to Redis and to what it carries: nothing is lost in silence, nothing forged is believed, and all heals
//! by itself.

use std::time::Instant;

use futures_util::{FutureExt, StreamExt};

use super::super::support::process::eventually;
use super::*;

/// P6: so long after Redis is back, messages flow.
const HEAL_WITHIN: Duration = Duration::from_secs(3);

/// Two instances with one channel each in the group "room.1".
struct Joined {
    redis: RedisServer,
    layers: [Arc<RedisLayer>; 2],
    channels: [Channel; 2],
    room: GroupName,
}

impl Joined {
    async fn start() -> Self {
        let redis = RedisServer::start().await;
        let layers = [
            redis_layer(&redis, &[SECRET]).await,
            redis_layer(&redis, &[SECRET]).await,
        ];
        let room = group("room.1");
        let channels = [layers[0].new_channel(4096), layers[1].new_channel(4096)];
        for (layer, channel) in layers.iter().zip(&channels) {
            layer.group_add(&room, channel).await;
            assert!(layer.is_up());
        }
        Self {
            redis,
            layers,
            channels,
            room,
        }
    }

    /// Both channels get a `Resync`; what was held before it is taken too.
    async fn both_resync(&mut self) {
        for channel in &mut self.channels {
            until(channel, &LayerEvent::Resync).await;
        }
    }

    /// Messages flow both ways once both layers are up.
    async fn messages_flow(&mut self) {
        for sender in 0..2 {
            let text = format!("from {sender} at {:?}", Instant::now());
            send(&*self.layers[sender], &self.room, &text);
            let expected = message(&self.room, &text);
            for channel in &mut self.channels {
                until(channel, &expected).await;
            }
        }
    }

    async fn both_are_up(&self, within: Duration) {
        eventually("both layers are up", within, async || {
            self.layers.iter().all(|layer| layer.is_up())
        })
        .await;
    }

    async fn command(&self, words: &[&str]) -> redis::Value {
        let mut connection = self.redis.connection().await;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut connection).await.unwrap()
    }

    /// How many group subscriptions Redis knows of this deployment.
    async fn subscribed_groups(&self) -> usize {
        let pattern = format!("salon:{DEPLOYMENT}:group:*");
        let names = self.command(&["PUBSUB", "CHANNELS", &pattern]).await;
        redis::from_redis_value::<Vec<String>>(names).unwrap().len()
    }

    fn redis_channel(&self) -> String {
        format!("salon:{DEPLOYMENT}:group:{}", self.room)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_killed_connections_are_made_again_and_announced() {
    let mut joined = Joined::start().await;
    for kind in ["pubsub", "normal"] {
        joined.command(&["CLIENT", "KILL", "TYPE", kind]).await;
        joined.both_resync().await;
        joined.both_are_up(HEAL_WITHIN).await;
        joined.messages_flow().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f7_a_restarted_empty_redis_is_joined_again() {
    let mut joined = Joined::start().await;
    joined.redis.kill();
    eventually("both layers notice", DEADLINE, async || {
        joined.layers.iter().all(|layer| !layer.is_up())
    })
    .await;
    // Down, it still delivers here, and never waits.
    send(&*joined.layers[0], &joined.room, "while down");
    assert_eq!(
        next(&mut joined.channels[0]).await,
        message(&joined.room, "while down")
    );
    // A group joined meanwhile is subscribed with the others.
    let mut late = joined.layers[1].new_channel(8);
    let joining = Instant::now();
    joined.layers[1].group_add(&group("late"), &late).await;
    assert!(joining.elapsed() < Duration::from_secs(1));

    joined.redis.restart().await;
    let restarted = Instant::now();
    joined.both_resync().await;
    joined.both_are_up(HEAL_WITHIN).await;
    assert!(
        restarted.elapsed() < HEAL_WITHIN,
        "{:?}",
        restarted.elapsed()
    );
    joined.messages_flow().await;
    assert_eq!(next(&mut late).await, LayerEvent::Resync);
    send(&*joined.layers[0], &group("late"), "hello");
    assert_eq!(next(&mut late).await, message(&group("late"), "hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_a_frozen_redis_is_noticed_by_the_probe() {
    let mut joined = Joined::start().await;
    joined.redis.freeze();
    // Nobody sends anything: only the probe can tell.
    let frozen = Instant::now();
    eventually("both layers notice", DEADLINE, async || {
        joined.layers.iter().all(|layer| !layer.is_up())
    })
    .await;
    assert!(
        frozen.elapsed() < Duration::from_secs(4),
        "{:?}",
        frozen.elapsed()
    );
    joined.redis.thaw();
    joined.both_resync().await;
    joined.both_are_up(HEAL_WITHIN).await;
    joined.messages_flow().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_sending_to_a_frozen_redis_never_waits_and_what_is_dropped_is_announced() {
    let mut joined = Joined::start().await;
    joined.redis.freeze();
    let started = Instant::now();
    for _ in 0..salon::limits::PUBLISH_QUEUE * 2 {
        joined.layers[0].group_send(&joined.room, Bytes::from_static(b"flood"));
    }
    assert!(started.elapsed() < Duration::from_secs(5));
    joined.redis.thaw();
    until(&mut joined.channels[1], &LayerEvent::Resync).await;
    until(&mut joined.channels[0], &LayerEvent::Lagged).await;
    joined.both_are_up(HEAL_WITHIN).await;
    joined.messages_flow().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_dead_at_the_start_is_awaited() {
    let mut redis = RedisServer::start().await;
    redis.kill();
    let layers = [
        redis_layer(&redis, &[SECRET]).await,
        redis_layer(&redis, &[SECRET]).await,
    ];
    assert!(layers.iter().all(|layer| !layer.is_up()));
    let room = group("room.1");
    let mut channel = layers[1].new_channel(8);
    layers[1].group_add(&room, &channel).await;
    redis.restart().await;
    assert_eq!(next(&mut channel).await, LayerEvent::Resync);
    eventually("both layers are up", HEAL_WITHIN, async || {
        layers.iter().all(|layer| layer.is_up())
    })
    .await;
    send(&*layers[0], &room, "hello");
    until(&mut channel, &message(&room, "hello")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_too_large_for_redis_is_announced() {
    let mut joined = Joined::start().await;
    let large = Bytes::from(vec![b'x'; salon::limits::LAYER_MESSAGE_BYTES + 1]);
    joined.layers[0].group_send(&joined.room, large.clone());
    assert_eq!(
        next(&mut joined.channels[0]).await,
        LayerEvent::Message {
            group: joined.room.clone(),
            payload: large
        }
    );
    assert_eq!(next(&mut joined.channels[1]).await, LayerEvent::Resync);
    joined.messages_flow().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_a_forged_message_only_makes_its_group_read_and_not_too_often() {
    let mut joined = Joined::start().await;
    let other = group("room.2");
    let mut bystander = joined.layers[1].new_channel(8);
    joined.layers[1].group_add(&other, &bystander).await;

    let channel = joined.redis_channel();
    let started = Instant::now();
    for _ in 0..200 {
        joined.command(&["PUBLISH", &channel, "forged"]).await;
    }
    let most = started.elapsed().as_secs() as usize + 2;
    let mark = LayerEvent::Message {
        group: joined.room.clone(),
        payload: Bytes::from_static(b"mark"),
    };
    joined.layers[0].group_send(&joined.room, Bytes::from_static(b"mark"));
    for channel in &mut joined.channels {
        let before = until(channel, &mark).await;
        assert!((1..=most).contains(&before.len()), "{before:?}");
        assert!(before.iter().all(|event| *event == LayerEvent::Resync));
    }
    // What came while it was held back is not forgotten.
    assert_eq!(next(&mut joined.channels[1]).await, LayerEvent::Resync);
    assert_eq!(bystander.try_receive(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_a_replayed_or_redirected_message_is_not_delivered_again() {
    let mut joined = Joined::start().await;
    let other = group("room.2");
    joined.layers[1]
        .group_add(&other, &joined.channels[1])
        .await;
    let mut wire = redis::Client::open(joined.redis.url())
        .unwrap()
        .get_async_pubsub()
        .await
        .unwrap();
    wire.subscribe(joined.redis_channel()).await.unwrap();
    joined.messages_flow().await;
    let captured: Vec<u8> = tokio::time::timeout(DEADLINE, wire.on_message().next())
        .await
        .unwrap()
        .unwrap()
        .get_payload()
        .unwrap();

    let mut connection = joined.redis.connection().await;
    let elsewhere = format!("salon:{DEPLOYMENT}:group:{other}");
    for channel in [joined.redis_channel(), elsewhere] {
        redis::Cmd::publish(channel, captured.clone())
            .exec_async(&mut connection)
            .await
            .unwrap();
    }
    joined.layers[0].group_send(&joined.room, Bytes::from_static(b"mark"));
    let before = until(&mut joined.channels[1], &message(&joined.room, "mark")).await;
    assert!(
        before.iter().all(|event| *event == LayerEvent::Resync),
        "{before:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_can_be_rotated() {
    const NEW: &str = "the next secret of the cluster, just as long";
    let redis = RedisServer::start().await;
    let old = redis_layer(&redis, &[SECRET]).await;
    let both = redis_layer(&redis, &[NEW, SECRET]).await;
    let new = redis_layer(&redis, &[NEW]).await;
    let room = group("room.1");
    let mut channels = Vec::new();
    for layer in [&old, &both, &new] {
        let channel = layer.new_channel(8);
        layer.group_add(&room, &channel).await;
        channels.push(channel);
    }
    // The one in between hears the old one and is heard by the new one; a stranger's message is only a hint.
    old.group_send(&room, Bytes::from_static(b"old"));
    assert_eq!(next(&mut channels[1]).await, message(&room, "old"));
    assert_eq!(next(&mut channels[2]).await, LayerEvent::Resync);
    both.group_send(&room, Bytes::from_static(b"both"));
    assert_eq!(next(&mut channels[2]).await, message(&room, "both"));
    let mut heard = [next(&mut channels[0]).await, next(&mut channels[0]).await];
    heard.sort_by_key(|event| *event == LayerEvent::Resync);
    assert_eq!(heard, [message(&room, "old"), LayerEvent::Resync]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_joins_and_dropped_channels_leave_no_subscription() {
    let joined = Joined::start().await;
    assert_eq!(joined.subscribed_groups().await, 1);
    for number in 0..100 {
        let channel = joined.layers[0].new_channel(1);
        let name = group(&format!("left.{number}"));
        // Polled once and dropped, while Redis is being asked.
        let _ = joined.layers[0].group_add(&name, &channel).now_or_never();
        if number % 2 == 0 {
            joined.layers[0].group_discard(&name, &channel);
        }
    }
    let kept = joined.layers[1].new_channel(1);
    let names: Vec<GroupName> = (0..100).map(|n| group(&format!("kept.{n}"))).collect();
    for name in &names {
        joined.layers[1].group_add(name, &kept).await;
    }
    assert_eq!(joined.subscribed_groups().await, 101);
    drop(kept);
    eventually("only the room is subscribed", DEADLINE, async || {
        joined.subscribed_groups().await == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_groups_are_subscribed_again() {
    let mut joined = Joined::start().await;
    let names: Vec<GroupName> = (0..3_000).map(|n| group(&format!("many.{n}"))).collect();
    let channel = joined.layers[1].new_channel(8);
    let joins = names
        .iter()
        .map(|name| joined.layers[1].group_add(name, &channel));
    futures_util::future::join_all(joins).await;
    joined.redis.restart().await;
    joined.both_resync().await;
    joined.both_are_up(HEAL_WITHIN).await;
    assert_eq!(joined.subscribed_groups().await, 3_001);
    joined.messages_flow().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_layer_writes_out_what_was_sent() {
    let mut joined = Joined::start().await;
    for number in 0..500 {
        joined.layers[0].group_send(&joined.room, Bytes::from(number.to_string()));
    }
    joined.layers[0].close().await;
    for number in 0..500 {
        assert_eq!(
            next(&mut joined.channels[1]).await,
            message(&joined.room, &number.to_string())
        );
    }
    assert!(!joined.layers[0].is_up());
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_with_a_server_of_a_trusted_authority_only() {
    let (redis, port) = RedisServer::start_with_tls().await;
    let layer = async |query: &str| {
        RedisLayer::connect(RedisSettings {
            url: format!("rediss://127.0.0.1:{port}/{query}").into(),
            secrets: vec![SECRET.into()],
            deployment: DEPLOYMENT.to_owned(),
            instance: InstanceId::new(),
        })
        .await
    };
    let trusting = format!("?sslrootcert={}", redis.authority_file().display());
    let trusting = layer(&trusting).await.unwrap();
    assert!(trusting.is_up());
    assert!(!layer("").await.unwrap().is_up());
    assert!(layer("?sslrootcert=/nowhere.pem").await.is_err());

    let room = group("room.1");
    let mut channel = trusting.new_channel(8);
    trusting.group_add(&room, &channel).await;
    let plain = redis_layer(&redis, &[SECRET]).await;
    plain.group_send(&room, Bytes::from_static(b"hello"));
    assert_eq!(next(&mut channel).await, message(&room, "hello"));
}

#[tokio::test]
async fn settings_that_can_never_work_are_refused_without_showing_them() {
    let settings = |url: &str, secrets: &[&str], deployment: &str| RedisSettings {
        url: url.into(),
        secrets: secrets.iter().map(|secret| (*secret).into()).collect(),
        deployment: deployment.to_owned(),
        instance: InstanceId::new(),
    };
    for bad in [
        settings("http://:hunter2@127.0.0.1/", &[SECRET], "test"),
        settings("redis://127.0.0.1/", &[], "test"),
        settings("redis://127.0.0.1/", &[SECRET], "a name"),
    ] {
        let Err(error) = RedisLayer::connect(bad).await else {
            panic!("these settings cannot work");
        };
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
