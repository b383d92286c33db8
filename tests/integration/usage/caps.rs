//! Caps: on three instances at once, over a restart, and what is left of runners that die.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use salon::db::usage::{AttemptState, UsageStore as _};
use salon::llm::registry::Providers;
use serde_json::{Value, json};

use super::{Api, DEADLINE};
use crate::replies::{build, endless, enter, read_text, salon_with};
use crate::support::app::config;
use crate::support::cluster::{Cluster, Postgres};
use crate::support::fake_provider::{Answer, FakeProvider};
use crate::support::instance::{FakeModel, Instance};
use crate::support::postgres::TestDatabase;
use crate::support::process::eventually;
use crate::support::salon::SalonProcess;

/// What one reply of the fake provider costs: 18 tokens, a thousandth each.
const COST: i64 = 18_000;
/// What all replies may cost: 15 of them and a part of one.
const CAP: i64 = 15 * COST + 1_000;
/// Questions asked at once.
const PROMPTS: usize = 200;

/// The day must not end under a test that counts by days.
async fn not_near_midnight() {
    let now = Utc::now();
    let left = salon::spending::Span::Day.end(now) - now;
    if left < chrono::TimeDelta::seconds(90) {
        tokio::time::sleep(left.to_std().unwrap() + Duration::from_secs(1)).await;
    }
}

fn code_of(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Twenty people of three instances, each in a room of its own.
async fn people_of(cluster: &Cluster) -> Vec<Api> {
    let mut people = Vec::new();
    for number in 0..20 {
        let url = cluster.instances[number % 3].url();
        let api = Api::guest(&url, &format!("guest {number}")).await;
        api.room(&format!("room-{number}")).await;
        people.push(api);
    }
    people
}

/// Asks so often at once; how each question ended, with why.
async fn ask_and_wait(api: &Api, room: String) -> Vec<(String, Option<String>)> {
    let prompts = (0..PROMPTS / 20).map(|_| api.prompt(&room));
    let mut ends = Vec::new();
    for accepted in join_all(prompts).await {
        if accepted["reply_seq"].is_null() {
            let until = accepted["refused_until"].as_str().unwrap();
            let until: DateTime<Utc> = until.parse().unwrap();
            assert_eq!(until, salon::spending::Span::Day.end(Utc::now()));
            ends.push(("failed".to_owned(), code_of(&accepted["reply_refused"])));
        }
    }
    for settled in api.all_settled(&room).await.into_values() {
        let error = code_of(&settled["reply"]["error"]);
        assert_eq!(
            error.is_some(),
            settled["reply"]["retry_at"].is_string(),
            "{settled}"
        );
        ends.push((settled["state"].as_str().unwrap().to_owned(), error));
    }
    assert_eq!(ends.len(), PROMPTS / 20, "each ends");
    ends
}

/// Two hundred questions, on three instances, of many people in many rooms: one reply beyond the cap at most, and each of the others
/// says why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s66_two_hundred_prompts_at_once_spend_one_reply_more_than_they_may_at_most() {
    not_near_midnight().await;
    let provider = FakeProvider::start([]);
    provider.otherwise(Answer::text(&["well", " then"]));
    let (url, cap) = (provider.openai_url(), format!("0.{CAP:06}"));
    let settings = [
        ("SALON_LLM", "openai"),
        ("OPENAI_API_KEY", "sk-test"),
        ("OPENAI_BASE_URL", url.as_str()),
        ("SALON_LLM_ALLOW", "127.0.0.1"),
        ("SALON_MODEL", "model-o"),
        ("SALON_MODEL_INPUT_PRICE", "1000"),
        ("SALON_MODEL_OUTPUT_PRICE", "1000"),
        ("SALON_SPEND_SERVER_DAY", cap.as_str()),
    ];
    let shared = Postgres::Shared(TestDatabase::shared().await);
    let cluster = Cluster::over(shared, 3, &settings).await;
    let people = people_of(&cluster).await;
    let asked = people.iter().enumerate();
    let asked = asked.map(|(place, api)| ask_and_wait(api, format!("room-{place}")));
    let mut ends: HashMap<(String, Option<String>), usize> = HashMap::new();
    for end in join_all(asked).await.into_iter().flatten() {
        *ends.entry(end).or_default() += 1;
    }
    let complete = ends.remove(&("complete".into(), None)).unwrap_or_default();
    let refused = ends.remove(&("failed".into(), Some("spend_limit_reached".into())));
    assert_eq!(ends, HashMap::new(), "each ends so or so");
    assert_eq!(
        (complete, refused),
        (16, Some(PROMPTS - 16)),
        "fifteen and the one that goes beyond"
    );
    assert_eq!(
        provider.requests().len(),
        16,
        "no provider is asked what is not answered"
    );
    // Whichever instance is asked.
    for (number, api) in people.iter().enumerate().take(3) {
        let accepted = api.prompt(&format!("room-{number}")).await;
        assert_eq!(
            accepted["reply_refused"], "spend_limit_reached",
            "{accepted}"
        );
    }
    let mut spent = 0;
    for (number, api) in people.iter().enumerate() {
        let usage = api.get(&format!("/api/rooms/room-{number}/usage")).await;
        spent += usage["spent"]["day"]["cost_micros"].as_i64().unwrap();
        assert_eq!(usage["spent"]["day"]["running"], 0, "{usage}");
    }
    assert_eq!(spent, 16 * COST);
}

/// The operator's command.
fn usage_by_user(salon: &SalonProcess) {
    let shown = std::process::Command::new(env!("CARGO_BIN_EXE_salon"))
        .args(["usage", "--by", "user", "--since", "1d", "--json"])
        .env("SALON_DATA", salon.data())
        .output()
        .unwrap();
    let rows: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let mut names: Vec<&str> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["ada", "bob"], "{rows}");
}

/// What is spent is spent over a restart, and a message says what it cost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s66_a_cap_holds_over_a_restart_and_for_whom_it_is() {
    not_near_midnight().await;
    let settings = [
        ("SALON_TOKENS_USER_DAY", "1"),
        ("SALON_MODEL_INPUT_PRICE", "3"),
        ("SALON_MODEL_OUTPUT_PRICE", "15"),
        ("SALON_SCRIPTED_DELAY_MS", "0"),
    ];
    let mut salon = SalonProcess::start(&settings).await;
    let ada = Api::guest(&salon.url(), "ada").await;
    ada.room("den").await;
    let first = ada.reply("den").await;
    assert_eq!(first["state"], "complete", "{first}");
    let usage = &first["reply"]["usage"];
    let (input, output) = (&usage["input_tokens"], &usage["output_tokens"]);
    let (input, output) = (input.as_i64().unwrap(), output.as_i64().unwrap());
    assert_eq!(
        first["reply"]["cost_micros"],
        3 * input + 15 * output,
        "{first}"
    );
    assert!(first["reply"]["first_token_ms"].is_i64(), "{first}");
    for restarts in 0..2 {
        if restarts > 0 {
            salon.restart().await;
        }
        let next = ada.prompt("den").await;
        assert_eq!(
            (&next["reply_seq"], &next["reply_refused"]),
            (&Value::Null, &json!("spend_limit_reached"))
        );
        // Written again it would be asked for again: refused before what stands is put aside.
        let seq = first["seq"].as_i64().unwrap();
        let path = format!("/api/rooms/den/replies/{seq}/regenerate");
        let (status, body) = ada.post(&path, Value::Null).await;
        assert_eq!(
            (status, &body["code"]),
            (429, &json!("spend_limit_reached"))
        );
        assert!(body["retry_after_ms"].as_i64() > Some(0), "{body}");
        assert_eq!(ada.settled("den", seq).await, first);
        let (status, told) = ada.post("/api/chat", json!({"message": "hello?"})).await;
        assert_eq!(
            (status, &told["code"]),
            (429, &json!("spend_limit_reached"))
        );
        assert!(told["retry_after_ms"].as_i64() > Some(0), "{told}");
    }
    let mine = ada.get("/api/me/usage").await;
    assert_eq!(
        mine["rows"].as_array().unwrap().len(),
        1,
        "what asked no model is no attempt: {mine}"
    );
    assert_eq!(mine["spent"]["day"]["tokens_limit"], 1);
    let bob = Api::guest(&salon.url(), "bob").await;
    assert_eq!(bob.post("/api/rooms/den/join", Value::Null).await.0, 200);
    assert_eq!(bob.reply("den").await["state"], "complete");
    salon.kill();
    usage_by_user(&salon);
}

/// A stopped one, one that fails in the middle, one that is refused, and one whose runner dies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s66_every_attempt_is_counted_however_it_ends() {
    not_near_midnight().await;
    let model = FakeModel::new(|_| endless());
    let (mut salon, database) = salon_with(model).await;
    let ada = salon.user("ada").await;
    let (mut socket, mut client) = enter(salon.connect(&ada).await).await;
    let stopped = socket.prompt("lobby", "go on").await;
    read_text(&mut socket, &mut client, stopped).await;
    socket
        .ask(json!({"type": "reply.stop", "room": "lobby", "seq": stopped}))
        .await;
    crate::replies::read_settled(&mut socket, &mut client, stopped).await;
    let rows = database
        .store
        .own_usage(ada.user.id, None, 9)
        .await
        .unwrap()
        .rows;
    assert_eq!(
        (rows[0].seq, rows[0].state),
        (stopped, AttemptState::Stopped)
    );
    assert!(rows[0].estimated && rows[0].output_tokens > 0 && rows[0].input_tokens > 0);
    assert!(rows[0].first_token_ms.is_some());

    let orphaned = socket.prompt("lobby", "go on").await;
    read_text(&mut socket, &mut client, orphaned).await;
    salon.kill_runners();
    let held = database
        .store
        .own_usage(ada.user.id, None, 0)
        .await
        .unwrap()
        .counted
        .day;
    assert_eq!(held.running, 1);
    let before = held.spent.tokens;
    database.age_leases(100);
    let next = Instance::start(build(&database, FakeModel::new(|_| endless())));
    eventually("the dead one is counted", DEADLINE, async || {
        let page = database
            .store
            .own_usage(ada.user.id, None, 9)
            .await
            .unwrap();
        page.counted.day.running == 0
    })
    .await;
    let page = database
        .store
        .own_usage(ada.user.id, None, 9)
        .await
        .unwrap();
    assert_eq!(
        (page.rows[0].seq, page.rows[0].state),
        (orphaned, AttemptState::Lost)
    );
    // What it read, by an estimate, and the text that was kept of it: not all that it could have written.
    let (row, spent) = (&page.rows[0], page.counted.day.spent.tokens - before);
    assert!(row.input_tokens > 0 && row.estimated, "{row:?}");
    assert_eq!(spent, row.input_tokens + row.output_tokens);
    assert!(
        row.input_tokens < 1_000 && row.output_tokens < 1_000,
        "{row:?}"
    );
    drop(next);
}

#[test]
fn money_is_not_capped_where_a_model_has_no_price() {
    let providers = |flags: &[&str]| Providers::from_config(&config(flags)).map(drop);
    let said = providers(&["--spend-user-day", "1"]).unwrap_err();
    assert!(
        said.contains("has no price") && said.contains("salon-demo"),
        "{said}"
    );
    let priced = ["--model-input-price", "0", "--model-output-price", "0.5"];
    providers(&[&priced[..], &["--spend-room-month", "2.5"]].concat()).unwrap();
    providers(&["--tokens-user-day", "1"]).unwrap();
    let said = providers(&priced[..2]).unwrap_err();
    assert!(said.contains("SALON_MODEL_OUTPUT_PRICE"), "{said}");
}
