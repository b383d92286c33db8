//! Sends at the worst moment: their instance dies between commit, publication and ack; the same one goes to two instances;
//! the sender moves, or leaves while it is being answered.

use std::sync::Arc;
use std::time::Instant;

use salon::ids::ClientId;

use super::asking::guest;
use crate::cluster::redis::{SLACK, WITHOUT_REDIS};
use crate::cluster::{DEADLINE, settled_truth};
use crate::support::cluster::{Cluster, ROOM};
use crate::support::communicator::{SocketClient, message};
use crate::support::fault_proxy::{FaultProxy, Way};
use crate::support::member::Member;
use crate::support::process::eventually;
use crate::support::truth::read_postgres;

#[tokio::test(flavor = "multi_thread")]
async fn f2_what_was_committed_but_never_published_is_seen_by_the_check_of_heads() {
    let mut cluster = Cluster::start_with_redis_proxies(2).await;
    let sender = Member::join(cluster.instances[0].port(), "sender", ROOM).await;
    let reader = Member::join(cluster.instances[1].port(), "reader", ROOM).await;
    let other = cluster.instances[1].port();
    let mut took = Vec::new();
    for round in 0..3 {
        cluster.redis_proxies[0].change(Way::ToServer, |rules| rules.stalled = true);
        let client_id = sender.send(&format!("unpublished {round}"));
        sender.wait_for_acks(DEADLINE).await;
        sender.move_to(other);
        cluster.instances[0].kill();
        let ack = sender.book().acked[&client_id].clone();
        reader
            .wait("the other instance has it", WITHOUT_REDIS + SLACK, |book| {
                book.messages.contains_key(&ack.seq)
            })
            .await;
        let seen = reader.book().messages[&ack.seq].first_seen;
        took.push(seen.saturating_duration_since(ack.at));
        cluster.redis_proxies[0].heal();
        cluster.instances[0].restart().await;
        sender.move_to(cluster.instances[0].port());
        sender.cut();
        eventually("it is back on the first", DEADLINE, async || {
            cluster.metric(0, "salon_sockets").await >= Some(1.0)
        })
        .await;
        cluster.wait_for_layer(true, DEADLINE).await;
    }
    eprintln!("F2: seen {took:?} after the ack (≤ {WITHOUT_REDIS:?})");
    settled_truth(&cluster, &[sender, reader]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_what_was_published_but_never_acked_has_one_seq_and_is_seen_once() {
    let mut cluster = Cluster::start(2).await;
    let proxy = FaultProxy::start(cluster.instances[0].port()).await;
    let sender = Member::join(proxy.port(), "sender", ROOM).await;
    let reader = Member::join(cluster.instances[1].port(), "reader", ROOM).await;
    sender.send("before");
    sender.wait_for_acks(DEADLINE).await;
    proxy.hold(Way::ToClient, b"message.accepted", 1);
    let client_id = sender.send("published, and never acked");
    eventually("the ack is held", DEADLINE, async || proxy.held() == 1).await;
    reader
        .wait("it is published", DEADLINE, |book| {
            book.messages.contains_key(&2)
        })
        .await;
    assert!(!sender.book().acked.contains_key(&client_id));
    sender.move_to(cluster.instances[1].port());
    cluster.instances[0].kill();
    proxy.cut();
    sender.wait_for_acks(DEADLINE).await;
    let ack = sender.book().acked[&client_id].clone();
    assert!(ack.duplicate && ack.seq == 2, "{ack:?}");
    sender.send("after");
    sender.wait_for_acks(DEADLINE).await;
    let truth = settled_truth(&cluster, &[sender, reader]).await;
    assert_eq!(truth.last_seq, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn f42_the_asker_leaves_and_the_others_get_the_whole_reply_and_so_does_it_on_return() {
    let settings = [("SALON_SCRIPTED_DELAY_MS", "40")];
    let shared = crate::support::cluster::Postgres::Shared(
        crate::support::postgres::TestDatabase::shared().await,
    );
    let cluster = Cluster::over(shared, 2, &settings).await;
    let mut members = Vec::new();
    for instance in &cluster.instances {
        members.push(Member::join(instance.port(), "watcher", ROOM).await);
    }
    let token = guest(cluster.port(), "asker").await;
    let mut asker = SocketClient::connect(cluster.instances[0].port(), &token).await;
    let joined = asker.join(ROOM).await;
    let seq = asker.prompt(ROOM, "how do tides work?").await;
    let delta = asker.expect("reply.delta").await;
    assert_eq!(delta["seq"], seq);
    drop(asker);
    for member in &members {
        member
            .wait("the whole reply", DEADLINE, |book| {
                book.settled.contains_key(&seq)
            })
            .await;
        let settled = member.book().settled[&seq].clone();
        assert_eq!(
            (settled.state.as_str(), &settled.assembled),
            ("complete", &settled.stored)
        );
        assert!(settled.stored.len() > 100);
    }
    // It comes back where it stood when it asked, on the other instance.
    let mut asker = SocketClient::connect(cluster.instances[1].port(), &token).await;
    asker
        .join_after(
            ROOM,
            &joined["epoch"],
            joined["room"]["version"].as_i64().unwrap(),
        )
        .await;
    let reply = asker
        .expect_where("message", |frame| {
            frame["message"]["seq"] == seq && frame["message"]["state"] != "queued"
        })
        .await;
    assert_eq!(reply["message"]["state"], "complete");
    assert_eq!(
        reply["message"]["body"],
        members[0].book().settled[&seq].stored.as_str()
    );
    for instance in 0..2 {
        assert_eq!(
            cluster
                .metric(instance, "salon_replies_running")
                .await
                .unwrap_or(0.0)
                .round() as i64,
            0
        );
    }
    settled_truth(&cluster, &members).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f44_one_id_sent_on_two_instances_at_once_is_one_message() {
    const TRIES: usize = 150;
    let cluster = Cluster::start(2).await;
    let reader = Member::join(cluster.port(), "reader", ROOM).await;
    let token = guest(cluster.port(), "twice").await;
    let mut sockets = Vec::new();
    for instance in &cluster.instances {
        let mut socket = SocketClient::connect(instance.port(), &token).await;
        socket.join(ROOM).await;
        sockets.push(socket);
    }
    let [one, two] = &mut sockets[..] else {
        unreachable!()
    };
    let mut twice = 0;
    for number in 0..TRIES {
        let client_id = ClientId::new();
        let body = format!("{number}");
        let (first, second) = tokio::join!(
            one.send_as(ROOM, client_id, &body),
            two.send_as(ROOM, client_id, &body)
        );
        for field in ["type", "seq", "version", "created_at"] {
            assert_eq!(first[field], second[field], "{first} {second}");
        }
        assert_eq!(first["type"], "message.accepted", "{first}");
        let duplicates = [&first, &second].map(|ack| ack["duplicate"] == true);
        assert_eq!(
            duplicates.iter().filter(|is| **is).count(),
            1,
            "one of them was first"
        );
        twice += usize::from(duplicates[0]);
    }
    eprintln!(
        "F44: {TRIES} ids on two instances at once, one row each; the first instance lost {twice} of the races"
    );
    let truth = settled_truth(&cluster, &[reader]).await;
    assert_eq!(truth.last_seq, TRIES as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn f45_sends_on_two_overlapping_sockets_of_two_instances_keep_their_order() {
    const ROUNDS: usize = 20;
    const EACH: usize = 20;
    let cluster = Cluster::start(2).await;
    let members = Arc::new(Member::join_many(cluster.port(), 2, ROOM).await);
    let token = guest(cluster.port(), "mover").await;
    let mut order: Vec<ClientId> = Vec::new();
    let began = Instant::now();
    let mut repeats = 0;
    for round in 0..ROUNDS {
        let ports = [0, 1].map(|place: usize| cluster.instances[(round + place) % 2].port());
        let mut old = SocketClient::connect(ports[0], &token).await;
        old.join(ROOM).await;
        let ids: Vec<ClientId> = (0..EACH).map(|_| ClientId::new()).collect();
        let frame = |place: usize| message(ROOM, ids[place], &format!("{round}.{place}"));
        for place in 0..EACH / 2 {
            old.send_json_to(&frame(place)).await;
        }
        // The new socket is there before the old one is gone, and what has no ack goes out again, in order.
        let mut new = SocketClient::connect(ports[1], &token).await;
        new.join(ROOM).await;
        for place in 0..EACH {
            new.send_json_to(&frame(place)).await;
        }
        for _ in 0..EACH {
            let ack = new.expect("message.accepted").await;
            repeats += usize::from(ack["duplicate"] == true);
        }
        order.extend(ids);
    }
    let truth = read_postgres(&cluster.database_url(), ROOM).await;
    let stored: Vec<String> = truth
        .rows
        .iter()
        .filter_map(|row| row.client_id.clone())
        .collect();
    let wanted: Vec<String> = order.iter().map(ClientId::to_string).collect();
    assert_eq!(stored, wanted, "one row each, in the order of sending");
    eprintln!(
        "F45: {} sends over {ROUNDS} moves in {:?}, {repeats} repeats, one row each in order",
        wanted.len(),
        began.elapsed()
    );
    settled_truth(&cluster, &members).await;
}
