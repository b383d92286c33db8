//! Nobody waits longer than the documented 5 s for an answer, also where two troubles meet: a process that stood still and a
//! database that does not answer, a lost commit and a locked room (P5, P11).

use std::time::Duration;

use salon::db::rows::Visibility;
use salon::ids::ClientId;
use salon::limits;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::communicator::message;
use crate::support::faulty_store::{Fault, FaultyStore};
use crate::support::instance::{Build, Instance, TestDatabase};

fn code(answer: &Value) -> &str {
    answer["code"].as_str().unwrap_or("accepted")
}

#[tokio::test]
async fn a_process_that_stood_still_and_cannot_look_around_refuses_in_time() {
    let database = TestDatabase::open().await;
    let mut build = Build::over(database.store.clone());
    build.runs = false;
    let salon = Instance::start(build);
    let mut socket = salon.arrive("ada").await;
    socket.join("lobby").await;
    // Nothing beats from here on, as if sessions and heads could not be read.
    let gate = salon.feeds.gate();
    gate.beat();
    tokio::time::pause();
    tokio::time::advance(limits::FROZEN).await;
    let first = ClientId::new();
    for (at_least, at_most) in [
        (limits::STALE_WAIT, Duration::from_secs(5)),
        (Duration::ZERO, Duration::from_millis(500)),
    ] {
        let asked = Instant::now();
        let answer = socket.send_as("lobby", first, "one").await;
        let took = asked.elapsed();
        assert_eq!(code(&answer), "unavailable");
        assert!(took >= at_least && took <= at_most, "{took:?}");
    }
    // Whatever it is about, each room gets an answer of its own.
    let joins =
        json!({"type": "room.join", "ref": "j", "rooms": [{"room": "lobby"}, {"room": "den"}]});
    socket.send_json_to(&joins).await;
    for room in ["lobby", "den"] {
        let answer = socket.receive_json_from().await;
        assert_eq!(answer["ref"], "j", "{answer}");
        assert_eq!(
            (&answer["room"], code(&answer)),
            (&json!(room), "unavailable")
        );
    }
    tokio::time::resume();
    gate.beat();
    // P10 holds through it.
    let ahead = socket.send_as("lobby", ClientId::new(), "two").await;
    assert_eq!(code(&ahead), "behind");
    gate.beat();
    assert_eq!(socket.send_as("lobby", first, "one").await["seq"], 1);
}

#[tokio::test]
async fn a_rerun_that_finds_its_room_locked_is_given_up_five_seconds_after_its_batch_began() {
    let database = TestDatabase::open().await;
    let store = FaultyStore::over(database.store.clone());
    let mut build = Build::over(store.clone());
    build.runs = false;
    let salon = Instance::start(build);
    let owner = salon.user("owner").await;
    let mut rooms = Vec::new();
    for slug in ["a", "b"] {
        rooms.push(salon.make_room(&owner, slug, Visibility::Public).await);
    }
    let mut ada = salon.arrive("ada").await;
    ada.join("a").await;
    ada.join("b").await;
    // Both rooms in one batch, whose commit is lost for as long as its first runs last; then one room is locked.
    store.hold();
    ada.send_json_to(&message("a", ClientId::new(), "alone"))
        .await;
    while store.applies() < 1 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let ids = [ClientId::new(), ClientId::new()];
    for (slug, id) in ["a", "b"].into_iter().zip(ids) {
        ada.send_json_to(&message(slug, id, "both")).await;
    }
    store.plan([Fault::Pass]);
    store.plan([Fault::LostUnknown; 20]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    tokio::time::pause();
    store.release();
    let began = Instant::now();
    // In the middle of the reruns: alone, it waits for the lock.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    store.lock_room(rooms[0].room.id);
    let mut told = Vec::new();
    while told.len() < 2 {
        let frame = ada.receive_json_from().await;
        let id = frame["client_id"].as_str().and_then(|id| id.parse().ok());
        if frame["type"] != "message" && id.is_some_and(|id| ids.contains(&id)) {
            told.push((code(&frame).to_owned(), began.elapsed()));
        }
    }
    tokio::time::resume();
    store.unlock_room(rooms[0].room.id);
    for (code, after) in &told {
        let in_time = *after < limits::OUTCOME_TIMEOUT + Duration::from_millis(500);
        assert!(in_time, "{told:?}");
        assert!(
            ["accepted", "outcome_unknown"].contains(&code.as_str()),
            "{told:?}"
        );
    }
    assert!(
        told.iter().any(|(code, _)| code == "outcome_unknown"),
        "{told:?}"
    );
}
