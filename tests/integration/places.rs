//! A provider that writes as many answers as it may: what finds no place waits in the queue, is told of there, and never fails for it.

use std::sync::Arc;
use std::time::Duration;

use salon::llm::calls::{Capped, Places};
use serde_json::json;

use crate::queue::{stop, told};
use crate::replies::{answer, build, read_settled, silent};
use crate::support::client::RoomClient;
use crate::support::instance::{FakeModel, Instance, TestDatabase};

#[tokio::test]
async fn what_finds_no_place_at_its_provider_waits_in_the_queue() {
    let database = TestDatabase::open().await;
    let model = FakeModel::new(|call| match call {
        0 => silent(),
        _ => answer(2, Duration::ZERO),
    });
    let places = Places::new(1, Duration::from_millis(50));
    let mut build = build(&database, Arc::new(Capped::around(model.clone(), places)));
    build.presence = true;
    let salon = Instance::start(build);
    let (mut ada, mut bob) = (salon.arrive("ada").await, salon.arrive("bob").await);
    ada.join("lobby").await;
    let mut client = RoomClient::new("lobby");
    client.take(&bob.join("lobby").await);
    let running = ada.prompt("lobby", "first").await;
    crate::support::process::eventually("it is asked", Duration::from_secs(20), async || {
        model.calls() == 1
    })
    .await;
    let waiting = bob.prompt("lobby", "mine").await;
    // Nothing but the provider holds it up: so many may run.
    told(&mut ada, &[(waiting, 1, "bob")]).await;
    assert_eq!(model.calls(), 1);
    assert_eq!(salon.assistant.count(), 1, "it runs nowhere");
    // One who waits is taken out as ever; the next one stays.
    let other = ada.prompt("lobby", "another").await;
    told(&mut ada, &[(waiting, 1, "bob"), (other, 2, "ada")]).await;
    stop(&mut ada, other).await;
    told(&mut ada, &[(waiting, 1, "bob")]).await;
    stop(&mut ada, running).await;
    let settled = read_settled(&mut bob, &mut client, waiting).await;
    assert_eq!(settled["state"], "complete", "{settled}");
    assert!(settled["reply"]["attempt"].as_i64() > Some(1), "{settled}");
    assert_eq!(model.calls(), 2);
    let stopped = read_settled(&mut bob, &mut client, other).await;
    assert_eq!(stopped["state"], json!("stopped"));
    told(&mut ada, &[]).await;
}
