//! A client of server-sent events, and calls of a running server over HTTP. Every wait has a deadline.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::salon::SalonProcess;

/// The longest wait for one answer or event, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// One user of a running server.
#[derive(Clone)]
pub(crate) struct ApiClient {
    http: Client,
    url: String,
    token: String,
}

/// One event.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamEvent {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
    /// Milliseconds to wait before coming back, where the event says so.
    pub(crate) retry: Option<u64>,
}

/// An event stream on its way.
pub(crate) struct EventStream {
    bytes: futures_util::stream::BoxStream<'static, bytes::Bytes>,
    buffer: Vec<u8>,
    /// Comments seen so far.
    pub(crate) comments: usize,
}

impl ApiClient {
    /// A guest of this name; a member of the lobby, like everybody.
    pub(crate) async fn guest(salon: &SalonProcess, name: &str) -> Self {
        Self::guest_at(salon.url(), name).await
    }

    /// The same at the server of an address.
    pub(crate) async fn guest_at(url: String, name: &str) -> Self {
        Self::made(url, "/api/guests", &json!({ "name": name })).await
    }

    /// What says who one is.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// An account of this name.
    pub(crate) async fn account(salon: &SalonProcess, name: &str) -> Self {
        let wanted = json!({ "name": name, "password": "correct horse" });
        Self::made(salon.url(), "/api/users", &wanted).await
    }

    /// Whoever holds this token.
    pub(crate) fn with_token(url: String, token: &str) -> Self {
        Self {
            http: Client::builder().no_proxy().build().unwrap(),
            url,
            token: token.to_owned(),
        }
    }

    async fn made(url: String, path: &str, wanted: &Value) -> Self {
        let mut client = Self {
            http: Client::builder().no_proxy().build().unwrap(),
            url,
            token: String::new(),
        };
        let made = client.post(path, wanted).await;
        assert_eq!(made.0, 201, "{}", made.1);
        client.token = made.1["token"].as_str().unwrap().to_owned();
        client
    }

    /// A request with the user's token.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        if self.token.is_empty() {
            request
        } else {
            request.bearer_auth(&self.token)
        }
    }

    /// Status and JSON of a GET.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, path)).await
    }

    /// Status and JSON of a POST.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(with_json(self.request(Method::POST, path), body)).await
    }

    /// Status and JSON of a DELETE.
    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        answer(self.request(Method::DELETE, path)).await
    }

    /// The event stream of `POST /api/chat`.
    pub(crate) async fn chat_events(&self, body: &Value) -> EventStream {
        let request = with_json(self.request(Method::POST, "/api/chat"), body);
        EventStream::open(request.header("accept", "text/event-stream")).await
    }

    /// The event stream of a reply, after an event.
    pub(crate) async fn reply_events(
        &self,
        room: &str,
        seq: i64,
        after: Option<&str>,
    ) -> EventStream {
        let path = format!("/api/rooms/{room}/replies/{seq}/events");
        let mut request = self.request(Method::GET, &path);
        if let Some(id) = after {
            request = request.header("last-event-id", id);
        }
        EventStream::open(request).await
    }

    /// The event stream of a room, after an event.
    pub(crate) async fn room_events(&self, room: &str, after: Option<&str>) -> EventStream {
        let mut request = self.request(Method::GET, &format!("/api/rooms/{room}/events"));
        if let Some(id) = after {
            request = request.header("last-event-id", id);
        }
        EventStream::open(request).await
    }
}

fn with_json(request: RequestBuilder, body: &Value) -> RequestBuilder {
    request
        .header("content-type", "application/json")
        .body(body.to_string())
}

async fn send(request: RequestBuilder) -> Response {
    tokio::time::timeout(PATIENCE * 2, request.send())
        .await
        .expect("the server did not answer")
        .unwrap()
}

/// Status and JSON; null where there is no body.
pub(crate) async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = send(request).await;
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

impl EventStream {
    async fn open(request: RequestBuilder) -> Self {
        let response = send(request).await;
        let (status, kind) = (
            response.status(),
            response.headers().get("content-type").cloned(),
        );
        if kind.as_ref().is_none_or(|kind| kind != "text/event-stream") {
            panic!("{status} {kind:?} {}", response.text().await.unwrap());
        }
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self::of(response.bytes_stream().map(|bytes| bytes.unwrap()))
    }

    /// The events in the bytes of a body.
    pub(crate) fn of(
        bytes: impl futures_util::Stream<Item = bytes::Bytes> + Send + 'static,
    ) -> Self {
        Self {
            bytes: bytes.boxed(),
            buffer: Vec::new(),
            comments: 0,
        }
    }

    /// The next event; `None` once the stream ended.
    pub(crate) async fn next(&mut self) -> Option<StreamEvent> {
        tokio::time::timeout(PATIENCE, self.read())
            .await
            .expect("no event came")
    }

    /// The next event, which must be there and have this name.
    pub(crate) async fn expect(&mut self, name: &str) -> StreamEvent {
        let event = self.next().await.expect("the stream ended");
        assert_eq!(event.name, name, "{event:?}");
        event
    }

    /// Every event up to the end.
    pub(crate) async fn rest(&mut self) -> Vec<StreamEvent> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    async fn read(&mut self) -> Option<StreamEvent> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                if let Some(event) = self.parse(&String::from_utf8(block).unwrap()) {
                    return Some(event);
                }
                continue;
            }
            match self.bytes.next().await {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None => return None,
            }
        }
    }

    fn parse(&mut self, block: &str) -> Option<StreamEvent> {
        let mut event = StreamEvent::default();
        let mut data = String::new();
        for line in block.lines().filter(|line| !line.is_empty()) {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" => self.comments += 1,
                "event" => event.name = value.to_owned(),
                "retry" => event.retry = Some(value.parse().unwrap()),
                "id" => event.id = Some(value.to_owned()),
                "data" => data.push_str(value),
                other => panic!("an unknown field {other}"),
            }
        }
        if event.name.is_empty() {
            return None;
        }
        event.data = serde_json::from_str(&data).unwrap();
        Some(event)
    }
}
