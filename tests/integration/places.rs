//! A provider that writes as many answers as it may: what finds no place waits in the queue, is told of there, never fails for it and
//! costs nothing; an instance takes no more than it has places for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use salon::db::usage::UsageStore as _;
use salon::llm::calls::{Capped, Place, Places};
use salon::llm::{DeltaStream, LlmError, LlmProvider, Prompt};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::queue::{stop, told};
use crate::replies::{answer, build, enter, read_settled, silent};
use crate::support::client::RoomClient;
use crate::support::faulty_store::FaultyStore;
use crate::support::instance::{Build, FakeModel, Instance, TestDatabase};
use crate::support::process::eventually;

/// The longest wait for anything.
const DEADLINE: Duration = Duration::from_secs(20);

/// Says that it has places, and then has none: who wants one waits until it is told so.
struct Crowded {
    waiting: AtomicU64,
    is_told: watch::Sender<bool>,
}

impl Crowded {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            waiting: AtomicU64::new(0),
            is_told: watch::Sender::new(false),
        })
    }

    async fn waits(&self) {
        eventually("it waits for a place", DEADLINE, async || {
            self.waiting.load(Ordering::SeqCst) > 0
        })
        .await;
    }
}

#[async_trait]
impl LlmProvider for Crowded {
    fn model(&self) -> &str {
        "crowded"
    }

    async fn place(&self) -> Result<Place, LlmError> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _ = self.is_told.subscribe().wait_for(|told| *told).await;
        Err(LlmError::no_place())
    }

    async fn answer(&self, _: Prompt) -> Result<DeltaStream, LlmError> {
        panic!("asked without a place");
    }

    fn free_places(&self) -> usize {
        // Nobody takes what it was told it has no place for.
        if *self.is_told.borrow() {
            0
        } else {
            usize::MAX
        }
    }
}

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
    eventually("it is asked", DEADLINE, async || model.calls() == 1).await;
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
    assert_eq!(
        settled["reply"]["attempt"], 1,
        "nobody took it in vain: {settled}"
    );
    assert_eq!(model.calls(), 2);
    let stopped = read_settled(&mut bob, &mut client, other).await;
    assert_eq!(stopped["state"], json!("stopped"));
    told(&mut ada, &[]).await;
}

/// What a runner of this process would only wait with is left to one that has a place for it.
#[tokio::test]
async fn an_instance_takes_no_more_than_its_provider_has_places_for_and_others_take_the_rest() {
    let database = TestDatabase::open().await;
    let model = FakeModel::new(|_| silent());
    let start = |places| {
        let places = Places::new(places, Duration::from_secs(60));
        let capped = Capped::around(model.clone() as Arc<dyn LlmProvider>, places);
        Instance::start(build(&database, Arc::new(capped)))
    };
    let one = start(2);
    let (mut ada, mut hers) = enter(one.arrive("ada").await).await;
    let mut bob = one.arrive("bob").await;
    bob.join("lobby").await;
    let mut asked = Vec::new();
    for _ in 0..4 {
        asked.push((true, ada.prompt("lobby", "hers").await));
        asked.push((false, bob.prompt("lobby", "his").await));
        assert!(one.assistant.count() <= 2);
    }
    eventually("both places are taken", DEADLINE, async || {
        model.calls() == 2
    })
    .await;
    assert_eq!(one.assistant.count(), 2, "and nothing else");
    let other = start(3);
    eventually("the other has three", DEADLINE, async || model.calls() == 5).await;
    assert_eq!((one.assistant.count(), other.assistant.count()), (2, 3));
    // Each that ends makes place for the next, at whichever it was; and none is taken twice.
    for (stopped, (is_hers, seq)) in (1..).zip(asked) {
        stop(if is_hers { &mut ada } else { &mut bob }, seq).await;
        eventually("the next is asked", DEADLINE, async || {
            model.calls() >= (5 + stopped).min(8)
        })
        .await;
        let settled = read_settled(&mut ada, &mut hers, seq).await;
        assert_eq!(settled["state"], "stopped");
        assert!(settled["reply"]["attempt"].as_i64() <= Some(1), "{settled}");
        assert!(one.assistant.count() <= 2 && other.assistant.count() <= 3);
    }
}

#[tokio::test]
async fn who_is_stopped_while_it_waits_for_a_place_has_cost_nothing() {
    let database = TestDatabase::open().await;
    let model = Crowded::new();
    let salon = Instance::start(build(&database, model.clone()));
    let ada = salon.user("ada").await;
    let (mut socket, mut client) = enter(salon.connect(&ada).await).await;
    let seq = socket
        .prompt("lobby", "a question that is worth some tokens")
        .await;
    model.waits().await;
    stop(&mut socket, seq).await;
    let settled = read_settled(&mut socket, &mut client, seq).await;
    assert_eq!(settled["state"], "stopped");
    assert_eq!(settled["reply"].get("usage"), None, "{settled}");
    let page = database
        .store
        .own_usage(ada.user.id, None, 9)
        .await
        .unwrap();
    let used: Vec<_> = page
        .rows
        .iter()
        .map(|row| (row.input_tokens, row.output_tokens, row.state.as_str()))
        .collect();
    assert_eq!(used, [(0, 0, "stopped")]);
    let day = page.counted.day;
    assert_eq!((day.spent.tokens, day.held.tokens, day.running), (0, 0, 0));
}

/// The stop is committed behind the runner's last look and before it gives the reply back: nobody would hear of it for half a minute.
#[tokio::test]
async fn a_stop_that_meets_a_give_back_ends_the_reply_at_once() {
    let database = TestDatabase::open().await;
    let store = FaultyStore::over(database.store.clone());
    let model = Crowded::new();
    let mut build = Build::over(store.clone());
    build.provider = model.clone();
    let salon = Instance::start(build);
    let (mut ada, mut client) = enter(salon.arrive("ada").await).await;
    let seq = ada.prompt("lobby", "hello").await;
    model.waits().await;
    store.hold_releases();
    model.is_told.send_replace(true);
    store.wait_for_release().await;
    stop(&mut ada, seq).await;
    store.let_releases_go();
    let ends = read_settled(&mut ada, &mut client, seq);
    let settled: Value = tokio::time::timeout(Duration::from_secs(10), ends)
        .await
        .expect("it ends, and does not wait for the next runner");
    assert_eq!(settled["state"], "stopped", "{settled}");
    assert!(settled["reply"]["stopped_by"].is_string(), "{settled}");
}
