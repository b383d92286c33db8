//! A client that only asks: it sends, notes what each answer was and how long it took, and never tries again. What the
//! rows of the matrix say of refusals is measured with it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use salon::ids::ClientId;
use serde_json::{Value, json};

use crate::support::communicator::{SocketClient, message};

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    /// `accepted`, or the refusal's code.
    pub(super) code: String,
    pub(super) took: Duration,
}

impl Answered {
    pub(super) fn is_ack(&self) -> bool {
        self.code == "accepted"
    }
}

/// Whether a refusal may be tried again.
pub(super) fn is_retryable(code: &str) -> bool {
    ["unavailable", "busy", "behind", "outcome_unknown"].contains(&code)
}

/// One socket in one room.
pub(super) struct Asker {
    pub(super) socket: SocketClient,
    room: String,
    /// The first that was refused: nothing else is taken of this socket until it comes again (P10).
    refused: Option<ClientId>,
}

impl Asker {
    /// A new guest at this port, in the room.
    pub(super) async fn enter(port: u16, name: &str, room: &str) -> Self {
        Self::with(port, &guest(port, name).await, room).await
    }

    /// The user of this token.
    pub(super) async fn with(port: u16, token: &str, room: &str) -> Self {
        let mut socket = SocketClient::connect(port, token).await;
        socket.expect("welcome").await;
        socket.join(room).await;
        Self {
            socket,
            room: room.to_owned(),
            refused: None,
        }
    }

    /// Sends one message and waits for its answer.
    pub(super) async fn ask(&mut self, client_id: ClientId, body: &str) -> Answered {
        self.ask_these(&[client_id], body).await.remove(0)
    }

    /// The same under the id that was refused first, or a new one.
    pub(super) async fn ask_again(&mut self, body: &str) -> Answered {
        self.ask(self.refused.unwrap_or_default(), body).await
    }

    /// Sends so many at once and waits for every answer.
    pub(super) async fn ask_many(&mut self, count: usize, body: &str) -> Vec<Answered> {
        let ids: Vec<ClientId> = (0..count).map(|_| ClientId::new()).collect();
        self.ask_these(&ids, body).await
    }

    async fn ask_these(&mut self, ids: &[ClientId], body: &str) -> Vec<Answered> {
        let mut asked = HashMap::new();
        for client_id in ids {
            asked.insert(client_id.to_string(), Instant::now());
            self.socket
                .send_json_to(&message(&self.room, *client_id, body))
                .await;
        }
        let mut answers = Vec::new();
        while !asked.is_empty() {
            let frame = self.socket.receive_json_from().await;
            let Some(began) = frame["client_id"].as_str().and_then(|id| asked.remove(id)) else {
                continue;
            };
            answers.push(Answered {
                code: code_of(&frame),
                took: began.elapsed(),
            });
            let id = frame["client_id"].as_str().and_then(|id| id.parse().ok());
            if frame["type"] == "message.accepted" {
                self.refused = self.refused.filter(|refused| Some(*refused) != id);
            } else {
                self.refused = self.refused.or(id);
            }
        }
        answers
    }

    /// Asks one after the other, with a pause between, for as long as `on` says; what was refused first of all again.
    pub(super) async fn keep_asking(
        &mut self,
        pause: Duration,
        mut on: impl FnMut() -> bool,
    ) -> Vec<Answered> {
        let mut answers = Vec::new();
        while on() {
            let answer = self.ask_again("and on").await;
            answers.push(answer);
            tokio::time::sleep(pause).await;
        }
        answers
    }

    /// Sends one message again and again until it is taken; how long that took.
    pub(super) async fn until_acked(&mut self, within: Duration) -> Duration {
        let began = Instant::now();
        let client_id = self.refused.unwrap_or_default();
        loop {
            let answer = self.ask(client_id, "once more").await;
            if answer.is_ack() {
                return began.elapsed();
            }
            assert!(is_retryable(&answer.code), "{answer:?}");
            assert!(began.elapsed() < within, "no ack within {within:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn code_of(frame: &Value) -> String {
    match frame["type"].as_str() {
        Some("message.accepted") => "accepted".to_owned(),
        _ => frame["code"].as_str().unwrap_or("message").to_owned(),
    }
}

/// A guest's token.
pub(super) async fn guest(port: u16, name: &str) -> String {
    let answer: Value = reqwest::Client::new()
        .post(format!("http://127.0.0.1:{port}/api/guests"))
        .json(&json!({ "name": name }))
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap()
        .json()
        .await
        .unwrap();
    answer["token"].as_str().unwrap().to_owned()
}

/// Public rooms of one owner.
pub(super) async fn make_rooms(port: u16, slugs: &[&str]) {
    let token = guest(port, "owner").await;
    for slug in slugs {
        reqwest::Client::new()
            .post(format!("http://127.0.0.1:{port}/api/rooms"))
            .bearer_auth(&token)
            .json(&json!({ "slug": slug, "name": slug, "visibility": "public" }))
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
    }
}

/// The time that so many in a hundred did not exceed.
pub(super) fn percentile(times: &[Duration], hundredth: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len() * hundredth / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).copied().unwrap_or_default()
}

/// The times of the answers that fit.
pub(super) fn times(answers: &[Answered], fits: impl Fn(&Answered) -> bool) -> Vec<Duration> {
    let fitting = answers.iter().filter(|answer| fits(answer));
    fitting.map(|answer| answer.took).collect()
}

/// How many of each answer.
pub(super) fn counts(answers: &[Answered]) -> String {
    let mut counts = std::collections::BTreeMap::new();
    for answer in answers {
        *counts.entry(answer.code.as_str()).or_insert(0) += 1;
    }
    format!("{counts:?}")
}

/// Every refusal can be tried again and came within the time; of a COMMIT whose answer was lost the outcome is settled for
/// 5 s more.
pub(super) fn check_refusals(answers: &[Answered], within: Duration) {
    for answer in answers {
        assert!(answer.is_ack() || is_retryable(&answer.code), "{answer:?}");
        let limit = match answer.code.as_str() {
            "accepted" | "outcome_unknown" => within + Duration::from_millis(2_500),
            _ => within,
        };
        assert!(answer.took < limit, "{answer:?} in {}", counts(answers));
    }
}
