//! What replies use and cost, from the wire: told with each message, read by pages and as tables, and bounded by caps that hold on all
//! instances, over restarts and deaths.

mod caps;
mod reports;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::process::eventually;

/// The longest wait for anything.
const DEADLINE: Duration = Duration::from_secs(40);

/// A client of one instance.
struct Api {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Api {
    /// A guest of that name.
    async fn guest(url: &str, name: &str) -> Self {
        let http = reqwest::Client::builder()
            .timeout(DEADLINE)
            .build()
            .unwrap();
        let asked = http
            .post(format!("{url}/api/guests"))
            .json(&json!({"name": name}));
        let made: Value = asked.send().await.unwrap().json().await.unwrap();
        Self {
            http,
            url: url.to_owned(),
            token: made["token"].as_str().unwrap().to_owned(),
        }
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> reqwest::Response {
        let url = format!("{}{path}", self.url);
        let method = method.parse().unwrap();
        let mut asked = self.http.request(method, url).bearer_auth(&self.token);
        if !body.is_null() {
            asked = asked.json(body);
        }
        asked.send().await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.send("GET", path, &Value::Null).await;
        let (status, body) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let answer = self.send("POST", path, &body).await;
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// Makes a public room of its own.
    async fn room(&self, slug: &str) {
        let wanted = json!({"slug": slug, "name": slug, "visibility": "public"});
        let (status, body) = self.post("/api/rooms", wanted).await;
        assert_eq!(status, 201, "{body}");
    }

    /// Posts a question; what it was told.
    async fn prompt(&self, room: &str) -> Value {
        let path = format!("/api/rooms/{room}/messages");
        let (status, accepted) = self.post(&path, json!({"body": "@assistant hi"})).await;
        assert_eq!(status, 201, "{accepted}");
        accepted
    }

    /// A reply's message once it is settled.
    async fn settled(&self, room: &str, seq: i64) -> Value {
        let path = format!("/api/rooms/{room}/messages/{seq}");
        eventually("the reply is settled", DEADLINE, async || {
            self.get(&path).await["state"] != "queued"
        })
        .await;
        self.get(&path).await
    }

    /// All replies of a room once they are settled, by their seqs.
    async fn all_settled(&self, room: &str) -> BTreeMap<i64, Value> {
        let path = format!("/api/rooms/{room}/messages");
        let read = async || -> Vec<Value> {
            let page = self.send("GET", &path, &Value::Null).await;
            let page: Value = page.json().await.unwrap_or_default();
            let replies = page["messages"].as_array().cloned().unwrap_or_default();
            replies
                .into_iter()
                .filter(|message| message["kind"] == "assistant")
                .collect()
        };
        let mut all = Vec::new();
        eventually("every reply is settled", DEADLINE, async || {
            tokio::time::sleep(Duration::from_millis(300)).await;
            all = read().await;
            !all.is_empty() && all.iter().all(|reply| reply["state"] != "queued")
        })
        .await;
        let by_seq = all
            .into_iter()
            .map(|reply| (reply["seq"].as_i64().unwrap(), reply));
        by_seq.collect()
    }

    /// Asks and waits.
    async fn reply(&self, room: &str) -> Value {
        let seq = self.prompt(room).await["reply_seq"].as_i64().unwrap();
        self.settled(room, seq).await
    }
}
