//! Who may ask an assistant, stop its replies and have them written again: by a frame and by a request alike, whatever the room
//! says; and that no bot is answered by either way.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::communicator::SocketClient;
use crate::support::server::TestServer;

/// Somebody with a socket in the den.
struct Person {
    name: &'static str,
    token: String,
    socket: SocketClient,
}

/// What a way answers: `ok`, or the code of a refusal.
type Said = String;

impl Person {
    async fn arrive(server: &TestServer, name: &'static str, token: String) -> Self {
        let mut socket = server.connect(&token).await;
        let joined = socket.join("den").await;
        assert_eq!(joined["type"], "room.joined", "{name}: {joined}");
        Self {
            name,
            token,
            socket,
        }
    }

    async fn by_frame(&mut self, frame: Value) -> Said {
        let answer = self.socket.ask(frame).await;
        match answer["code"].as_str() {
            Some(code) => code.to_owned(),
            None => answer["reply_refused"].as_str().unwrap_or("ok").to_owned(),
        }
    }

    async fn by_request(
        &self,
        server: &TestServer,
        method: &str,
        path: &str,
        body: &Value,
    ) -> (Said, Value) {
        let (status, answer) = server.request(method, path, Some(&self.token), body).await;
        let said = match answer["code"].as_str() {
            Some(code) => code.to_owned(),
            None => {
                assert!(status < 300, "{path}: {status} {answer}");
                answer["reply_refused"].as_str().unwrap_or("ok").to_owned()
            }
        };
        (said, answer)
    }

    /// Asks by both ways; what both said.
    async fn asks(&mut self, server: &TestServer) -> Said {
        let body = "@assistant hello";
        let id = uuid::Uuid::now_v7();
        let send = json!({"type": "message.send", "room": "den", "client_id": id, "body": body});
        let by_frame = self.by_frame(send).await;
        let path = "/api/rooms/den/messages";
        let (by_request, _) = self
            .by_request(server, "POST", path, &json!({ "body": body }))
            .await;
        assert_eq!(by_frame, by_request, "{} asks", self.name);
        by_frame
    }

    /// Does this to replies by both ways; what both said.
    async fn steers(&mut self, server: &TestServer, what: &str, [one, two]: [i64; 2]) -> Said {
        let frame = json!({"type": format!("reply.{what}"), "room": "den", "seq": one});
        let by_frame = self.by_frame(frame).await;
        let path = format!("/api/rooms/den/replies/{two}/{what}");
        let (by_request, _) = self.by_request(server, "POST", &path, &Value::Null).await;
        assert_eq!(by_frame, by_request, "{} {what}", self.name);
        by_frame
    }
}

/// Nobody waits: as many replies may stand in a room unsettled as it asks for here.
const FLAGS: [&str; 6] = [
    "--rate-prompts",
    "100000",
    "--rate-sign-ins",
    "100000",
    "--scripted-delay-ms",
    "0",
];

/// A server whose assistant answers at once, an owner's den, and people with each role.
async fn den() -> (TestServer, Vec<Person>, String) {
    let server = TestServer::start(&FLAGS).await;
    let account = json!({"name": "owner", "password": "correct horse"});
    let (_, made) = server.request("POST", "/api/users", None, &account).await;
    let owner = made["token"].as_str().unwrap().to_owned();
    let room = json!({"slug": "den", "name": "Den", "visibility": "public"});
    let (status, made) = server
        .request("POST", "/api/rooms", Some(&owner), &room)
        .await;
    assert_eq!(status, StatusCode::CREATED.as_u16(), "{made}");
    let mut people = vec![Person::arrive(&server, "owner", owner.clone()).await];
    for role in ["moderator", "member", "reader"] {
        let account = json!({"name": role, "password": "correct horse"});
        let (_, made) = server.request("POST", "/api/users", None, &account).await;
        let token = made["token"].as_str().unwrap().to_owned();
        let member = json!({"name": role, "role": role});
        let path = "/api/rooms/den/members";
        let (status, added) = server.request("POST", path, Some(&owner), &member).await;
        assert_eq!(status, 200, "{added}");
        people.push(Person::arrive(&server, role, token).await);
    }
    let path = "/api/rooms/den/assistants";
    let (_, all) = server
        .request("GET", path, Some(&owner), &Value::Null)
        .await;
    let assistant = all["assistants"][0]["id"].as_str().unwrap().to_owned();
    (server, people, assistant)
}

async fn set(server: &TestServer, owner: &str, assistant: &str, edit: Value) {
    let path = format!("/api/rooms/den/assistants/{assistant}");
    let (status, set) = server.request("PATCH", &path, Some(owner), &edit).await;
    assert_eq!(status, 200, "{set}");
}

/// The seq of a settled reply that this person asked for.
async fn settled(server: &TestServer, asker: &Person) -> i64 {
    let body = json!({"message": "hello", "room": "den"});
    let (_, answer) = asker.by_request(server, "POST", "/api/chat", &body).await;
    assert_eq!(answer["reply"]["state"], "complete", "{answer}");
    answer["reply_seq"].as_i64().unwrap()
}

/// Waits until what was asked for again has settled.
async fn wait_settled(server: &TestServer, reader: &str, seqs: [i64; 2]) {
    for seq in seqs {
        let path = format!("/api/rooms/den/messages/{seq}");
        let is_settled = async || {
            let (_, message) = server
                .request("GET", &path, Some(reader), &Value::Null)
                .await;
            message["state"] != "queued"
        };
        let within = std::time::Duration::from_secs(20);
        crate::support::process::eventually("it is settled", within, is_settled).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_ask_stop_and_regenerate_is_the_same_by_frame_and_by_request() {
    let (server, mut people, assistant) = den().await;
    let owner = people[0].token.clone();
    // Who may, from the owner down to the reader; a reader writes nothing, whatever the room says.
    for (least, expected) in [
        ("owner", ["ok", "forbidden", "forbidden", "forbidden"]),
        ("moderator", ["ok", "ok", "forbidden", "forbidden"]),
        ("member", ["ok", "ok", "ok", "forbidden"]),
        ("reader", ["ok", "ok", "ok", "forbidden"]),
    ] {
        set(&server, &owner, &assistant, json!({ "may_prompt": least })).await;
        for (person, expected) in people.iter_mut().zip(expected) {
            assert_eq!(
                person.asks(&server).await,
                expected,
                "{} {least}",
                person.name
            );
        }
    }
    // Others' replies: by what the room says; one that ended is told as such to those who may.
    for (least, may) in [
        ("owner", [true, false, false, false]),
        ("moderator", [true, true, false, false]),
        ("member", [true, true, true, false]),
        ("reader", [true, true, true, false]),
    ] {
        let edit = json!({"may_prompt": "member", "may_stop": least, "may_regenerate": least});
        set(&server, &owner, &assistant, edit).await;
        for (place, may) in (0..people.len()).zip(may) {
            // Of the member, or of the owner where it is the member who steers.
            let asker = if place == 2 { 0 } else { 2 };
            let asked = [
                settled(&server, &people[asker]).await,
                settled(&server, &people[asker]).await,
            ];
            let person = &mut people[place];
            let (stop, again) = match may {
                true => ("reply_settled", "ok"),
                false => ("forbidden", "forbidden"),
            };
            let name = person.name;
            assert_eq!(
                person.steers(&server, "stop", asked).await,
                stop,
                "{name} {least}"
            );
            let regenerated = person.steers(&server, "regenerate", asked).await;
            assert_eq!(regenerated, again, "{name} {least}");
            wait_settled(&server, &owner, asked).await;
            let retried = person.steers(&server, "retry", asked).await;
            assert_eq!(retried, stop, "{name} {least}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_bot_is_answered_by_frame_or_request_and_none_asks_again() {
    let (server, mut people, assistant) = den().await;
    let owner = people[0].token.clone();
    let open = json!({"may_prompt": "reader", "may_stop": "reader", "may_regenerate": "reader"});
    set(&server, &owner, &assistant, open).await;
    let (status, bot) = server
        .request("POST", "/api/bots", Some(&owner), &json!({"name": "robot"}))
        .await;
    assert_eq!(status, 201, "{bot}");
    let id = bot["user"]["id"].as_str().or(bot["id"].as_str()).unwrap();
    let token = json!({"name": "robot", "scope": "write"});
    let path = format!("/api/bots/{id}/tokens");
    let (status, made) = server.request("POST", &path, Some(&owner), &token).await;
    assert_eq!(status, 201, "{made}");
    let member = json!({"name": "robot", "role": "owner"});
    let path = "/api/rooms/den/members";
    let (status, added) = server.request("POST", path, Some(&owner), &member).await;
    assert_eq!(status, 200, "{added}");
    let secret = made["secret"].as_str().unwrap().to_owned();
    let mut robot = Person::arrive(&server, "robot", secret).await;
    assert_eq!(robot.asks(&server).await, "bots_not_answered");
    // Its own view of a language model answers it as little.
    let chat = json!({"message": "hello", "room": "den"});
    let (said, _) = robot.by_request(&server, "POST", "/api/chat", &chat).await;
    assert_eq!(said, "bots_not_answered");
    // And nobody is answered for it, however much it may in the room.
    let asked = [
        settled(&server, &people[1]).await,
        settled(&server, &people[1]).await,
    ];
    for (what, expected) in [
        ("regenerate", "bots_not_answered"),
        ("stop", "reply_settled"),
    ] {
        assert_eq!(robot.steers(&server, what, asked).await, expected, "{what}");
    }
    // A bot that is mentioned answers by no hand of ours: nothing comes of it.
    let mention = json!({"body": "@robot hello"});
    let path = "/api/rooms/den/messages";
    let (said, told) = people[1].by_request(&server, "POST", path, &mention).await;
    assert_eq!((said.as_str(), &told["reply_seq"]), ("ok", &Value::Null));
    assert_eq!(people[1].asks(&server).await, "ok");
}
