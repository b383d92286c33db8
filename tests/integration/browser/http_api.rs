//! What the server says over HTTP, beside the page: the truth that the page is compared with.

use serde_json::{Value, json};

/// A session of its own at one server.
pub(crate) struct HttpApi {
    client: reqwest::Client,
    base: String,
    token: String,
}

impl HttpApi {
    /// A new guest.
    pub(crate) async fn guest(base: &str, name: &str) -> Self {
        let client = reqwest::Client::new();
        let made: Value = client
            .post(format!("{base}/api/guests"))
            .json(&json!({ "name": name }))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let token = made["token"].as_str().unwrap().to_owned();
        let api = Self {
            client,
            base: base.to_owned(),
            token,
        };
        // Whoever reads the lobby has to be in it.

        api.post("rooms/lobby/join", &json!({})).await;
        api
    }

    /// Says something in the lobby.
    pub(crate) async fn send(&self, body: &str) {
        let message = json!({ "body": body });
        let accepted = self.post("rooms/lobby/messages", &message).await;
        assert!(accepted["seq"].is_u64(), "{accepted}");
    }

    /// Makes a public room.
    pub(crate) async fn make_room(&self, slug: &str) {
        self.post("rooms", &json!({ "slug": slug, "name": slug }))
            .await;
    }

    /// Says something in another room than the lobby.
    pub(crate) async fn send_to(&self, room: &str, body: &str) {
        let message = json!({ "body": body });
        self.post(&format!("rooms/{room}/messages"), &message).await;
    }

    /// All that is stored of the lobby, in order; at most one page of it.
    pub(crate) async fn messages(&self) -> Vec<Stored> {
        let url = format!("{}/api/rooms/lobby/messages", self.base);
        let request = self.client.get(url).bearer_auth(&self.token);
        let page: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(page["more"], false, "{page}");
        let messages = page["messages"].as_array().unwrap();
        messages.iter().map(Stored::from).collect()
    }

    /// Puts something there, without a body.
    pub(crate) async fn put(&self, path: &str) -> Value {
        let url = format!("{}/api/{path}", self.base);
        Self::asked(path, self.client.put(url).bearer_auth(&self.token)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}/api/{path}", self.base);
        let request = self.client.post(url).bearer_auth(&self.token).json(body);
        Self::asked(path, request).await
    }

    async fn asked(path: &str, request: reqwest::RequestBuilder) -> Value {
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}

/// A stored message, as far as a reader sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Stored {
    pub(crate) seq: u64,
    pub(crate) state: String,
    /// Its words without Markdown, each space one blank.
    pub(crate) text: String,
}

impl From<&Value> for Stored {
    fn from(message: &Value) -> Self {
        let text = match message["html"].as_str() {
            Some(html) => text_of(html),
            None => message["body"].as_str().unwrap().to_owned(),
        };
        Self {
            seq: message["seq"].as_u64().unwrap(),
            state: message["state"].as_str().unwrap().to_owned(),
            text: words_of(&text),
        }
    }
}

/// Text with each run of white space as one blank.
pub(crate) fn words_of(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a browser shows of the server's HTML, which holds no comments, scripts or rare entities.
fn text_of(html: &str) -> String {
    let mut text = String::new();
    for (place, part) in html.split('<').enumerate() {
        let shown = match place {
            0 => part,
            _ => part.split_once('>').unwrap().1,
        };
        text.push_str(shown);
    }
    for (entity, character) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&nbsp;", " "),
        ("&amp;", "&"),
    ] {
        text = text.replace(entity, character);
    }
    text
}
