//! Deliveries whose instance dies, and receivers that hang.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::DEADLINE;
use super::receiver::{Receiver, Reply};
use crate::support::cluster::GENEROUS;
use crate::support::postgres::TestDatabase;
use crate::support::process::eventually;
use crate::support::salon::SalonProcess;

/// A person's requests to any instance.
struct Person {
    client: reqwest::Client,
    token: String,
}

impl Person {
    async fn new(salon: &SalonProcess, name: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let account = json!({"name": name, "password": "correct horse"});
        let made = client
            .post(format!("{}/api/users", salon.url()))
            .json(&account);
        let made: Value = made.send().await.unwrap().json().await.unwrap();
        let token = made["token"].as_str().unwrap().to_owned();
        Self { client, token }
    }

    async fn post(&self, salon: &SalonProcess, path: &str, body: Value) -> Value {
        let request = self.client.post(format!("{}/api/{path}", salon.url()));
        let answer = request
            .bearer_auth(&self.token)
            .json(&body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_whose_instance_was_killed_is_made_by_another_and_nothing_is_skipped() {
    let database = TestDatabase::shared().await;
    let url = database.url();
    let mut settings = vec![
        ("DATABASE_URL", url.as_str()),
        ("SALON_MIGRATE", "off"),
        ("SALON_WEBHOOK_ALLOW", "127.0.0.1"),
        ("SALON_LOG", "debug"),
    ];
    settings.extend(GENEROUS);
    let mut one = SalonProcess::start(&settings).await;
    let receiver = Receiver::start([Reply::Hang]).await;
    let ada = Person::new(&one, "ada").await;
    ada.post(&one, "rooms", json!({"slug": "den", "name": "Den"}))
        .await;
    let wanted = json!({"url": receiver.url(), "events": ["message", "message.changed"]});
    let made = ada.post(&one, "rooms/den/outgoing-webhooks", wanted).await;
    let secret = made["secret"].as_str().unwrap().to_owned();
    for number in 0..5 {
        ada.post(
            &one,
            "rooms/den/messages",
            json!({"body": format!("before {number}")}),
        )
        .await;
    }
    // It is in the middle of a delivery that the receiver neither takes nor refuses.
    receiver.wait_for(1).await;
    one.kill();
    let two = SalonProcess::start(&settings).await;
    for number in 0..5 {
        ada.post(
            &two,
            "rooms/den/messages",
            json!({"body": format!("after {number}")}),
        )
        .await;
    }
    // Its lease is over sooner than in life.
    database
        .execute("UPDATE outgoing_webhooks SET lease_until = lease_until - interval '60 s'")
        .await;
    let versions = || -> Vec<i64> {
        let taken = receiver.taken().into_iter();
        taken
            .flat_map(|record| record.events())
            .map(|(_, version)| version)
            .collect()
    };
    eventually("everything is delivered", DEADLINE, async || {
        versions().into_iter().collect::<BTreeSet<i64>>().len() == 10
    })
    .await;
    let versions = versions();
    assert!(versions.is_sorted(), "in order: {versions:?}");
    let records = receiver.records();
    assert_eq!(
        records[0].header("webhook-id"),
        records[1].header("webhook-id")
    );
    assert_eq!(
        records[0].body["to"], records[1].body["to"],
        "the same delivery again"
    );
    assert!(records.iter().all(|record| record.is_signed_with(&secret)));
    for log in [one.log_text(), two.log_text()] {
        assert!(
            !log.contains("whsec_") && !log.contains(&secret[6..]),
            "no secret in a log"
        );
        assert!(!log.contains("token=hidden"), "no target in a log");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_that_hang_hold_nobody_up() {
    let hanging = Receiver::start(vec![Reply::Hang; 20]).await;
    let good = Receiver::start([]).await;
    // Two connections: a delivery that held one would soon hold all.
    let database = TestDatabase::shared().await;
    let url = database.url();
    let mut settings = vec![
        ("DATABASE_URL", url.as_str()),
        ("SALON_MIGRATE", "off"),
        ("SALON_DATABASE_POOL", "2"),
        ("SALON_WEBHOOK_ALLOW", "127.0.0.0/8"),
    ];
    settings.extend(GENEROUS);
    let salon = SalonProcess::start(&settings).await;
    let ada = Person::new(&salon, "ada").await;
    ada.post(&salon, "rooms", json!({"slug": "den", "name": "Den"}))
        .await;
    for _ in 0..8 {
        let wanted = json!({"url": hanging.url()});
        ada.post(&salon, "rooms/den/outgoing-webhooks", wanted)
            .await;
    }
    ada.post(
        &salon,
        "rooms/den/outgoing-webhooks",
        json!({"url": good.url()}),
    )
    .await;
    ada.post(&salon, "rooms/den/messages", json!({"body": "hello"}))
        .await;
    hanging.wait_for(8).await;
    let began = std::time::Instant::now();
    for number in 0..20 {
        ada.post(
            &salon,
            "rooms/den/messages",
            json!({"body": format!("{number}")}),
        )
        .await;
    }
    good.wait("the last message", |records| {
        records.last().is_some_and(|last| last.body["to"] == 21)
    })
    .await;
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "before the first gives up: {:?}",
        began.elapsed()
    );
    // And a receiver that hangs is a timeout, tried again.
    let records = hanging.wait_for(9).await;
    let ids: BTreeSet<&str> = records
        .iter()
        .map(|record| record.header("webhook-id"))
        .collect();
    assert_eq!(ids.len(), 8, "the same deliveries again");
}
