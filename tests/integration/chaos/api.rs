//! Salon over HTTP, as the users of a chaos run need it: accounts, rooms, members, posts. An answer that did not come is
//! none; whoever asks decides what that means.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::Session;

/// One request, whatever is broken meanwhile.
const PATIENCE: Duration = Duration::from_secs(8);
/// Of every account.
pub(crate) const PASSWORD: &str = "chaos-password-that-no-log-holds";

/// A way in: the balancer's or an instance's port.
#[derive(Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    port: u16,
}

/// A status with its body, null where there was none.
pub(crate) type Answer = Option<(u16, Value)>;

impl Api {
    /// Through that port of 127.0.0.1.
    pub(crate) fn at(port: u16) -> Self {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        Self { http, port }
    }

    /// A new account.
    pub(crate) async fn sign_up(&self, name: &str) -> Session {
        let body = json!({ "name": name, "password": PASSWORD });
        let answer = self.ask(reqwest::Method::POST, "users", None, body).await;
        session(name, &answer).unwrap_or_else(|| panic!("no account {name}: {answer:?}"))
    }

    /// A new session of an account.
    pub(crate) async fn sign_in(&self, name: &str) -> Option<Session> {
        let body = json!({ "name": name, "password": PASSWORD });
        let answer = self
            .ask(reqwest::Method::POST, "sessions", None, body)
            .await;
        session(name, &answer)
    }

    /// Ends a session.
    pub(crate) async fn sign_out(&self, who: &Session) -> Answer {
        let path = "sessions/current";
        self.ask(reqwest::Method::DELETE, path, Some(who), Value::Null)
            .await
    }

    /// A private room.
    pub(crate) async fn make_room(&self, who: &Session, slug: &str) {
        let body = json!({ "slug": slug, "name": slug, "visibility": "private" });
        let answer = self
            .ask(reqwest::Method::POST, "rooms", Some(who), body)
            .await;
        assert_eq!(status(&answer), 201, "no room {slug}: {answer:?}");
    }

    /// Puts a user into a room.
    pub(crate) async fn add(&self, who: &Session, room: &str, user_name: &str) -> Answer {
        self.add_as(who, room, user_name, "member").await
    }

    /// The same with a role.
    pub(crate) async fn add_as(
        &self,
        who: &Session,
        room: &str,
        user_name: &str,
        role: &str,
    ) -> Answer {
        let body = json!({ "name": user_name, "role": role });
        let path = format!("rooms/{room}/members");
        self.ask(reqwest::Method::POST, &path, Some(who), body)
            .await
    }

    /// Takes a user out.
    pub(crate) async fn remove(&self, who: &Session, room: &str, user: &str) -> Answer {
        let path = format!("rooms/{room}/members/{user}");
        self.ask(reqwest::Method::DELETE, &path, Some(who), Value::Null)
            .await
    }

    /// Has a room keep so many of its messages, or all.
    pub(crate) async fn keep(&self, who: &Session, room: &str, messages: Option<i64>) -> Answer {
        let path = format!("rooms/{room}/retention");
        let body = json!({ "days": null, "messages": messages });
        self.ask(reqwest::Method::PUT, &path, Some(who), body).await
    }

    /// Posts a message.
    pub(crate) async fn post(&self, who: &Session, room: &str, id: &str, body: &str) -> Answer {
        let path = format!("rooms/{room}/messages");
        let body = json!({ "client_id": id, "body": body });
        self.ask(reqwest::Method::POST, &path, Some(who), body)
            .await
    }

    async fn ask(
        &self,
        method: reqwest::Method,
        path: &str,
        who: Option<&Session>,
        body: Value,
    ) -> Answer {
        let url = format!("http://127.0.0.1:{}/api/{path}", self.port);
        let mut request = self.http.request(method, url);
        if let Some(who) = who {
            request = request.bearer_auth(&who.token);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let text = answer.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }
}

/// The status of an answer, 0 without one.
pub(crate) fn status(answer: &Answer) -> u16 {
    answer.as_ref().map_or(0, |(status, _)| *status)
}

fn session(name: &str, answer: &Answer) -> Option<Session> {
    let (200..=299, body) = answer.as_ref()? else {
        return None;
    };
    Some(Session {
        user: body["user"]["id"].as_str()?.to_owned(),
        user_name: name.to_owned(),
        token: body["token"].as_str()?.to_owned(),
    })
}
