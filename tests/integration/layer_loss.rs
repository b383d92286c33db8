//! Two instances over a layer that loses, doubles and reorders: every client ends with everything, in order, once, within
//! 1.5 s (P3, P6).

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use salon::channel_layer::ChannelLayer;
use salon::ids::ClientId;
use salon::llm::scripted::ScriptedProvider;
use salon::llm::{Completion, Delta, LlmProvider};
use serde_json::json;
use tokio::time::Instant;

use crate::support::client::RoomClient;
use crate::support::communicator::{WebsocketCommunicator, message};
use crate::support::instance::{Build, FakeModel, Instance, TestDatabase, words};
use crate::support::lossy_layer::{Weather, lossy_pair};

/// The promise, and some leave for two busy cores.
const WITHIN: Duration = Duration::from_millis(1_500 + 500);

async fn instances(weather: Weather, seed: u64) -> (Instance, Instance, TestDatabase) {
    let model = ScriptedProvider::new(Duration::ZERO);
    instances_with(Arc::new(model), weather, seed).await
}

async fn instances_with(
    model: Arc<dyn LlmProvider>,
    weather: Weather,
    seed: u64,
) -> (Instance, Instance, TestDatabase) {
    let database = TestDatabase::open().await;
    let (first, second) = lossy_pair(weather, seed);
    // The second only reads: replies are written on the first.
    let start = |layer: Arc<dyn ChannelLayer>, runs| {
        let mut build = Build::over(database.store.clone());
        build.layer = layer;
        build.provider = Arc::clone(&model);
        build.runs = runs;
        Instance::start(build)
    };
    let (one, two) = (start(first, true), start(second, false));
    (one, two, database)
}

async fn enter(salon: &Instance, name: &str) -> (WebsocketCommunicator, RoomClient) {
    let mut socket = salon.arrive(name).await;
    let mut client = RoomClient::new("lobby");
    client.take(&socket.join("lobby").await);
    (socket, client)
}

#[tokio::test]
async fn f14_whatever_is_lost_doubled_or_late_everyone_ends_with_all_in_order() {
    const EACH: usize = 150;
    let weather = Weather {
        lost: 0.3,
        doubled: 0.3,
        delayed: 0.3,
    };
    let (one, two, _database) = instances(weather, 11).await;
    let mut readers = Vec::new();
    for (salon, name) in [(&one, "reader"), (&two, "other reader")] {
        readers.push(enter(salon, name).await);
    }
    let mut writers = Vec::new();
    for (salon, name) in [(&one, "ada"), (&two, "bob")] {
        let (mut socket, _) = enter(salon, name).await;
        writers.push(tokio::spawn(async move {
            for number in 0..EACH {
                socket
                    .send_json_to(&message("lobby", ClientId::new(), &format!("{number}")))
                    .await;
                if number % 5 == 0 {
                    tokio::time::sleep(Duration::from_millis(4)).await;
                }
            }
            for _ in 0..EACH {
                socket.expect("message.accepted").await;
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let last = Instant::now();
    for (socket, client) in &mut readers {
        while client.cursor < 2 * EACH as i64 {
            client.take(&socket.receive_json_from().await);
        }
        assert!(last.elapsed() < WITHIN, "{:?}", last.elapsed());
        client.check();
        assert_eq!(client.applied, (1..=2 * EACH as i64).collect::<Vec<_>>());
        socket.receive_nothing(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn with_a_dead_layer_others_hear_through_the_database() {
    let weather = Weather {
        lost: 1.0,
        doubled: 0.0,
        delayed: 0.0,
    };
    let (one, two, _database) = instances(weather, 5).await;
    let (mut ada, _) = enter(&one, "ada").await;
    let (mut bob, mut client) = enter(&two, "bob").await;
    for number in 1..=4 {
        ada.send("lobby", &format!("{number}")).await;
        let acked = Instant::now();
        while client.cursor < number {
            client.take(&bob.receive_json_from().await);
        }
        assert!(acked.elapsed() < WITHIN, "{:?}", acked.elapsed());
    }
    client.check();
    // A reply's settled text comes the same way.
    let seq = ada.prompt("lobby", "hello").await;
    while client
        .messages
        .get(&seq)
        .is_none_or(|message| message["state"] == "queued")
    {
        client.take(&bob.receive_json_from().await);
    }
    client.check();
    assert_eq!(client.messages[&seq]["state"], "complete");
}

#[tokio::test]
async fn a_removal_that_the_layer_lost_is_exact_all_the_same() {
    let weather = Weather {
        lost: 1.0,
        doubled: 0.0,
        delayed: 0.0,
    };
    let (one, two, _database) = instances(weather, 7).await;
    let owner = one.user("owner").await;
    let room = one
        .make_room(&owner, "club", salon::db::rows::Visibility::Private)
        .await;
    let ada = one.user("ada").await;
    one.add(&room, &owner, &ada).await;
    let mut socket = two.connect(&ada).await;
    let mut client = RoomClient::new("club");
    client.take(&socket.join("club").await);
    let mut writing = one.connect(&owner).await;
    writing.join("club").await;
    writing.send("club", "before").await;
    let removal = one.remove(&room, &owner, &ada).await;
    writing.send("club", "secret").await;
    let removed = Instant::now();
    while !client.removed {
        client.take(&socket.receive_json_from().await);
    }
    assert!(removed.elapsed() < WITHIN, "{:?}", removed.elapsed());
    client.check();
    assert_eq!(
        (client.cursor, client.bodies()),
        (removal - 1, vec!["before"])
    );
    socket.receive_nothing(Duration::from_millis(200)).await;
    assert_eq!(
        socket
            .ask(json!({"type": "room.join", "room": "club"}))
            .await["code"],
        "room_not_found"
    );
}

#[tokio::test]
async fn with_a_dead_layer_text_comes_through_the_database_while_it_is_written() {
    // Ten words, and then the model thinks for longer than this test takes.
    let model = FakeModel::new(|_| {
        words(10, Duration::from_millis(5), || {
            std::future::pending().boxed()
        })
    });
    let weather = Weather {
        lost: 1.0,
        doubled: 0.0,
        delayed: 0.0,
    };
    let (one, two, _database) = instances_with(model, weather, 3).await;
    let (mut ada, _) = enter(&one, "ada").await;
    let (mut bob, mut client) = enter(&two, "bob").await;
    let seq = ada.prompt("lobby", "think").await;
    let whole: String = (0..10).map(|number| format!("wörd{number} ")).collect();
    while client
        .replies
        .get(&seq)
        .is_none_or(|reply| reply.text != whole)
    {
        client.take(&bob.receive_json_from().await);
    }
    client.check();
    assert!(client.replies[&seq].deltas > 0, "it came as deltas");
}

/// Who comes to an instance that has not heard of a reply's end yet is told of it by the page, and of nothing behind it.
#[tokio::test]
async fn nobody_is_told_of_a_reply_that_runs_when_the_page_says_it_is_over() {
    const ROUNDS: usize = 20;
    let goes_on = Arc::new(tokio::sync::Notify::new());
    let end = Arc::clone(&goes_on);
    let model = FakeModel::new(move |_| {
        let end = Arc::clone(&end);
        words(3, Duration::ZERO, move || {
            async move {
                end.notified().await;
                Some(Ok(Delta::Done(Completion::default())))
            }
            .boxed()
        })
    });
    let silent = Weather {
        lost: 1.0,
        doubled: 0.0,
        delayed: 0.0,
    };
    let (one, two, _database) = instances_with(model, silent, 5).await;
    let (mut ada, _) = enter(&one, "ada").await;
    let (mut bob, mut client) = enter(&two, "bob").await;
    for round in 0..ROUNDS {
        let seq = ada.prompt("lobby", "think").await;
        while client
            .replies
            .get(&seq)
            .is_none_or(|reply| reply.deltas == 0)
        {
            client.take(&bob.receive_json_from().await);
        }
        goes_on.notify_one();
        let settled = |frame: &serde_json::Value| {
            frame["message"]["seq"] == seq && frame["message"]["state"] != "queued"
        };
        ada.expect_where("message", settled).await;
        let mut late = two.arrive(&format!("late {round}")).await;
        let joined = late.join("lobby").await;
        assert_eq!(joined["replies"], json!([]), "round {round}");
        late.disconnect().await;
    }
}
