//! One test for each rule of the specification in `src/channel_layer/mod.rs`, run for every layer.

use futures_util::FutureExt;

use super::*;

macro_rules! for_every_layer {
    ($($rule:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() { super::$rule(super::in_memory_pair()).await; })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() { super::$rule(super::redis_pair().await).await; })*
        }
        // One cluster for all of them: its nodes take seconds to find each other.
        #[tokio::test(flavor = "multi_thread")]
        async fn every_rule_holds_between_nodes_of_a_redis_cluster() {
            let nodes = RedisServer::start_cluster::<3>().await;
            $($rule(redis_cluster_pair(&nodes).await).await;)*
        }
    };
}

for_every_layer! {
    a_message_reaches_each_member_of_each_instance_once,
    groups_are_apart,
    adding_twice_is_adding_once,
    a_discarded_channel_gets_nothing_more,
    a_dropped_channel_is_in_no_group,
    one_senders_messages_keep_their_order,
    a_full_channel_lags_where_the_gap_is,
    a_group_is_joined_when_group_add_returns,
    receive_can_be_cancelled,
    a_flushed_layer_is_empty,
    a_closed_layer_ends_its_own_channels_only,
}

async fn a_message_reaches_each_member_of_each_instance_once(pair: Pair) {
    let room = group("room.1");
    let mut channels = [
        pair.one.new_channel(8),
        pair.one.new_channel(8),
        pair.two.new_channel(8),
        pair.two.new_channel(8),
    ];
    for (index, channel) in channels.iter().enumerate() {
        let layer = if index < 2 { &pair.one } else { &pair.two };
        layer.group_add(&room, channel).await;
    }
    send(&*pair.one, &room, "from one");
    send(&*pair.one, &room, "the end");
    for channel in &mut channels {
        let before = until(channel, &message(&room, "the end")).await;
        assert_eq!(before, [message(&room, "from one")]);
    }
    send(&*pair.two, &room, "from two");
    for channel in &mut channels {
        assert_eq!(next(channel).await, message(&room, "from two"));
        assert_eq!(channel.try_receive(), None);
    }
    assert!(pair.one.is_up() && pair.two.is_up());
}

async fn groups_are_apart(pair: Pair) {
    let (room, other) = (group("room.1"), group("room.2"));
    let mut channel = pair.two.new_channel(8);
    pair.two.group_add(&room, &channel).await;
    send(&*pair.one, &other, "not for this channel");
    send(&*pair.one, &room, "for this channel");
    assert_eq!(next(&mut channel).await, message(&room, "for this channel"));

    pair.two.group_add(&other, &channel).await;
    send(&*pair.one, &other, "now it is");
    assert_eq!(next(&mut channel).await, message(&other, "now it is"));
}

async fn adding_twice_is_adding_once(pair: Pair) {
    let room = group("room.1");
    let mut channel = pair.two.new_channel(8);
    pair.two.group_add(&room, &channel).await;
    pair.two.group_add(&room, &channel).await;
    for text in ["first", "second"] {
        send(&*pair.one, &room, text);
        assert_eq!(next(&mut channel).await, message(&room, text));
    }
    // Taken out once, it is out.
    let (mut witness, mark) = (pair.two.new_channel(8), group("mark"));
    pair.two.group_add(&room, &witness).await;
    pair.two.group_add(&mark, &channel).await;
    pair.two.group_discard(&room, &channel);
    send(&*pair.one, &room, "third");
    assert_eq!(next(&mut witness).await, message(&room, "third"));
    send(&*pair.one, &mark, "mark");
    assert_eq!(next(&mut channel).await, message(&mark, "mark"));
}

async fn a_discarded_channel_gets_nothing_more(pair: Pair) {
    let (room, mark) = (group("room.1"), group("mark"));
    let mut channel = pair.two.new_channel(8);
    pair.two.group_add(&room, &channel).await;
    pair.two.group_add(&mark, &channel).await;
    pair.two.group_discard(&room, &channel);
    pair.two.group_discard(&room, &channel);
    send(&*pair.one, &room, "too late");
    send(&*pair.one, &mark, "mark");
    assert_eq!(next(&mut channel).await, message(&mark, "mark"));

    pair.two.group_add(&room, &channel).await;
    send(&*pair.one, &room, "back again");
    assert_eq!(next(&mut channel).await, message(&room, "back again"));
}

async fn a_dropped_channel_is_in_no_group(pair: Pair) {
    let room = group("room.1");
    let (gone, mut stays) = (pair.two.new_channel(1), pair.two.new_channel(8));
    pair.two.group_add(&room, &gone).await;
    pair.two.group_add(&room, &stays).await;
    drop(gone);
    for text in ["one", "two", "three"] {
        send(&*pair.one, &room, text);
        assert_eq!(next(&mut stays).await, message(&room, text));
    }
}

async fn one_senders_messages_keep_their_order(pair: Pair) {
    const MESSAGES: usize = 2_000;
    let room = group("room.1");
    let mut channels = [
        pair.one.new_channel(MESSAGES),
        pair.two.new_channel(MESSAGES),
    ];
    pair.one.group_add(&room, &channels[0]).await;
    pair.two.group_add(&room, &channels[1]).await;
    for number in 0..MESSAGES {
        send(&*pair.one, &room, &number.to_string());
    }
    for channel in &mut channels {
        for number in 0..MESSAGES {
            assert_eq!(next(channel).await, message(&room, &number.to_string()));
        }
    }
}

async fn a_full_channel_lags_where_the_gap_is(pair: Pair) {
    let room = group("room.1");
    let (mut small, mut large) = (pair.two.new_channel(3), pair.two.new_channel(100));
    pair.two.group_add(&room, &small).await;
    pair.two.group_add(&room, &large).await;
    for text in ["1", "2", "3", "4", "5"] {
        send(&*pair.one, &room, text);
    }
    // The large one is behind the small one in the group, so it has it when both have.
    until(&mut large, &message(&room, "5")).await;
    assert_eq!(next(&mut small).await, message(&room, "1"));
    // There is space again, but what came now would stand before the gap.
    send(&*pair.one, &room, "6");
    until(&mut large, &message(&room, "6")).await;
    for text in ["2", "3"] {
        assert_eq!(next(&mut small).await, message(&room, text));
    }
    assert_eq!(next(&mut small).await, LayerEvent::Lagged);
    assert_eq!(small.try_receive(), None);
    send(&*pair.one, &room, "7");
    assert_eq!(next(&mut small).await, message(&room, "7"));
    assert_eq!(next(&mut large).await, message(&room, "7"));
}

async fn a_group_is_joined_when_group_add_returns(pair: Pair) {
    for number in 0..50 {
        let room = group(&format!("room.{number}"));
        let mut channel = pair.two.new_channel(8);
        pair.two.group_add(&room, &channel).await;
        send(&*pair.one, &room, "hello");
        assert_eq!(next(&mut channel).await, message(&room, "hello"));
    }
}

async fn receive_can_be_cancelled(pair: Pair) {
    let room = group("room.1");
    let mut channel = pair.two.new_channel(200);
    pair.two.group_add(&room, &channel).await;
    for number in 0..100 {
        // Polled once and dropped, before and after there is something.
        if let Some(event) = channel.receive().now_or_never() {
            panic!("{event:?} was not expected yet");
        }
        send(&*pair.one, &room, &number.to_string());
        assert_eq!(
            next(&mut channel).await,
            message(&room, &number.to_string())
        );
    }
}

async fn a_flushed_layer_is_empty(pair: Pair) {
    let room = group("room.1");
    let (mut flushed, mut other) = (pair.one.new_channel(1), pair.two.new_channel(8));
    pair.one.group_add(&room, &flushed).await;
    pair.two.group_add(&room, &other).await;
    send(&*pair.one, &room, "held");
    send(&*pair.one, &room, "lagging");
    until(&mut other, &message(&room, "lagging")).await;
    pair.one.flush();
    assert_eq!(flushed.try_receive(), None);

    send(&*pair.one, &room, "to nobody here");
    assert_eq!(next(&mut other).await, message(&room, "to nobody here"));
    assert_eq!(flushed.try_receive(), None);

    pair.one.group_add(&room, &flushed).await;
    send(&*pair.two, &room, "joined again");
    assert_eq!(next(&mut flushed).await, message(&room, "joined again"));
}

async fn a_closed_layer_ends_its_own_channels_only(pair: Pair) {
    let room = group("room.1");
    let (mut closed, mut open) = (pair.one.new_channel(8), pair.two.new_channel(8));
    pair.one.group_add(&room, &closed).await;
    pair.two.group_add(&room, &open).await;
    send(&*pair.one, &room, "last words");
    pair.one.close().await;
    assert_eq!(next(&mut closed).await, message(&room, "last words"));
    assert_eq!(closed.receive().await, None);
    assert_eq!(pair.one.new_channel(1).receive().await, None);
    assert_eq!(next(&mut open).await, message(&room, "last words"));
    send(&*pair.two, &room, "still here");
    assert_eq!(next(&mut open).await, message(&room, "still here"));
}

#[test]
fn names_are_those_of_channels() {
    for good in ["a", "room.1-2_3", &"x".repeat(100)] {
        assert_eq!(GroupName::new(good).unwrap().as_str(), good);
    }
    for bad in ["", "a b", "a:b", "ä", "a/b", "a*", &"x".repeat(101)] {
        assert_eq!(GroupName::new(bad), None, "{bad:?}");
    }
}
