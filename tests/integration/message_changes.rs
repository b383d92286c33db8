//! Edits, deletions, reactions and pins as members meet them: told to everyone once, in order, whatever was held before;
//! nothing of a deleted text anywhere; nobody asked again by an edit.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use salon::db::changes::{Change, NewPost};
use salon::db::marks::Mark;
use salon::db::rows::{Identity, Visibility};
use salon::feed::{Attach, Reader};
use salon::ids::{ClientId, ConnectionId, Cursor, RoomRef, UserId};
use salon::llm::scripted::ScriptedProvider;
use salon::llm::{DeltaStream, LlmError, LlmProvider, Prompt};
use salon::protocol::CloseCode;
use salon::protocol::frame::Frame;
use serde_json::{Value, json};

use crate::support::client::RoomClient;
use crate::support::communicator::WebsocketCommunicator;
use crate::support::faulty_store::{Fault, FaultyStore};
use crate::support::instance::{Build, Instance, TestDatabase};

/// The version of an `ok`.
fn done(answer: &Value) -> i64 {
    assert_eq!(answer["type"], "ok", "{answer}");
    answer["version"].as_i64().unwrap()
}

fn on(kind: &str, seq: i64) -> Value {
    json!({"type": kind, "room": "lobby", "seq": seq})
}

fn react(seq: i64, emoji: &str) -> Value {
    json!({"type": "reaction.add", "room": "lobby", "seq": seq, "emoji": emoji})
}

fn edit(seq: i64, body: &str) -> Value {
    json!({"type": "message.edit", "room": "lobby", "seq": seq, "body": body})
}

#[tokio::test]
async fn every_change_of_a_message_reaches_everyone() {
    let (salon, _database) = Instance::alone().await;
    let ada = salon.user("ada").await;
    let mut writing = salon.connect(&ada).await;
    let mut reading = salon.arrive("bob").await;
    for socket in [&mut writing, &mut reading] {
        socket.join("lobby").await;
    }
    writing.send("lobby", "frist").await;
    reading.expect("message").await;

    let answer = writing.ask(edit(1, "**first**")).await;
    let told = reading.expect("message").await;
    assert_eq!(
        (done(&answer), &told["prev"]),
        (2, &json!(1)),
        "one more version"
    );
    assert_eq!(told["message"]["body"], "**first**");
    let html = told["message"]["html"].as_str().unwrap();
    assert!(html.contains("<strong>first</strong>"), "rendered anew");
    assert!(told["message"]["edited_at"].is_string());

    let answer = reading.ask(react(1, "👍🏽")).await;
    let bob = told_user(&mut writing, 3).await;
    let told = reading.expect("message").await;
    assert_eq!(done(&answer), 3);
    assert_eq!(told["partial"], true, "who holds it is told what changed");
    let reaction = json!({"emoji": "👍🏽", "count": 1, "added": bob});
    let message = json!({"seq": 1, "version": 3, "reaction": reaction});
    assert_eq!(told["message"], message);
    assert_eq!(
        done(&reading.ask(react(1, "👍🏽")).await),
        3,
        "it is so already"
    );

    let answer = writing.ask(on("message.delete", 1)).await;
    let told = reading.expect("message").await;
    assert_eq!(done(&answer), 4);
    assert!(told["message"]["deleted_at"].is_string());
    assert_eq!(told["message"]["body"], "");
    for gone in ["html", "edited_at", "reactions"] {
        assert!(told["message"].get(gone).is_none(), "{gone}: {told}");
    }
    let page = reading
        .ask(json!({"type": "message.history", "room": "lobby"}))
        .await;
    assert!(!page.to_string().contains("first"), "{page}");
    reading.receive_nothing(Duration::from_millis(100)).await;
}

/// Who reacted at that version.
async fn told_user(socket: &mut WebsocketCommunicator, version: i64) -> Value {
    let frame = socket
        .expect_where("message", |frame| frame["version"] == version)
        .await;
    frame["message"]["reaction"]["added"].clone()
}

#[tokio::test]
async fn what_may_not_be_is_refused_with_its_reason() {
    let (salon, _database) = Instance::alone().await;
    let mut writing = salon.arrive("ada").await;
    let mut other = salon.arrive("bob").await;
    for socket in [&mut writing, &mut other] {
        socket.join("lobby").await;
    }
    writing.send("lobby", "mine").await;
    let words = "word ".repeat(5_000);
    for (frame, code) in [
        (edit(1, "yours"), "forbidden"),
        (edit(1, "  "), "bad_request"),
        (edit(1, &words), "too_large"),
        (edit(7, "nothing"), "message_not_found"),
        (on("message.delete", 1), "forbidden"),
        (on("message.pin", 1), "forbidden"),
        (react(1, "hello"), "bad_request"),
        (react(1, "👍 "), "bad_request"),
        (react(1, ""), "bad_request"),
        (react(1, &"👍".repeat(13)), "bad_request"),
        (
            json!({"type": "reaction.add", "room": "lobby", "seq": 1}),
            "bad_request",
        ),
    ] {
        let answer = other.ask(frame).await;
        assert_eq!(answer["code"], code, "{answer}");
    }
    writing.ask(edit(1, "mine!")).await;
    let mut stale = edit(1, "mine?");
    stale["if_version"] = json!(1);
    let answer = writing.ask(stale).await;
    assert_eq!(
        (&answer["code"], &answer["version"]),
        (&json!("version_conflict"), &json!(2))
    );
    for emoji in ["👩🏿‍❤️‍💋‍👨🏾", "1️⃣", "❤️", "🇩🇪"] {
        assert_eq!(other.ask(react(1, emoji)).await["type"], "ok", "{emoji}");
    }
}

#[tokio::test]
async fn changes_of_messages_cost_a_token_of_the_rate_of_sends() {
    let database = TestDatabase::open().await;
    let mut build = Build::over(database.store.clone());
    build.flags = vec!["--rate-sends", "1", "--rate-sends-burst", "3"];
    let salon = Instance::start(build);
    let mut socket = salon.arrive("ada").await;
    socket.join("lobby").await;
    socket.send("lobby", "one").await;
    assert_eq!(socket.ask(edit(1, "two")).await["type"], "ok");
    assert_eq!(socket.ask(react(1, "👍")).await["type"], "ok");
    for frame in [edit(1, "three"), on("message.delete", 1), react(1, "🎉")] {
        let answer = socket.ask(frame).await;
        assert_eq!(answer["code"], "rate_limited", "{answer}");
        assert!(answer["retry_after_ms"].as_u64().unwrap() > 0);
    }
    // It was no send: what follows is not held back.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    socket.send("lobby", "four").await;
}

#[tokio::test]
async fn who_comes_back_gets_the_whole_message() {
    let (salon, _database) = Instance::alone().await;
    let mut writing = salon.arrive("ada").await;
    writing.join("lobby").await;
    writing.send("lobby", "one").await;
    let bob = salon.user("bob").await;
    let mut reading = salon.connect(&bob).await;
    let mut client = RoomClient::new("lobby");
    client.take(&reading.join("lobby").await);
    reading.disconnect().await;
    writing.ask(edit(1, "uno")).await;
    writing.ask(react(1, "👍")).await;
    let mut again = salon.connect(&bob).await;
    client.take(
        &again
            .join_after("lobby", &client.epoch, client.cursor)
            .await,
    );
    while client.cursor < 3 {
        let frame = again.expect("message").await;
        assert!(frame.get("partial").is_none(), "{frame}");
        client.take(&frame);
    }
    assert_eq!(client.bodies(), ["uno"]);
    assert_eq!(client.messages[&1]["reactions"][0]["count"], 1);
    client.check();
}

#[tokio::test]
async fn an_edit_whose_commit_was_lost_is_done_once() {
    let database = TestDatabase::open().await;
    let store = FaultyStore::over(database.store.clone());
    let salon = Instance::start(Build::over(store.clone()));
    let mut socket = salon.arrive("ada").await;
    let mut client = RoomClient::new("lobby");
    client.take(&socket.join("lobby").await);
    socket.send("lobby", "one").await;
    for (fault, frame, version) in [
        (Fault::CommittedUnknown, edit(1, "two"), 2),
        (Fault::LostUnknown, edit(1, "three"), 3),
        (Fault::CommittedUnknown, react(1, "👍"), 4),
        (Fault::CommittedUnknown, on("message.delete", 1), 5),
    ] {
        store.plan([fault]);
        assert_eq!(done(&socket.ask(frame).await), version, "{fault:?}");
    }
    while client.cursor < 5 {
        client.take(&socket.expect("message").await);
    }
    client.check();
    assert_eq!(client.bodies(), [""]);
}

/// A model that notes what it was asked.
struct Listening {
    inner: Arc<dyn LlmProvider>,
    heard: Mutex<Vec<String>>,
}

#[async_trait]
impl LlmProvider for Listening {
    fn model(&self) -> &str {
        self.inner.model()
    }

    async fn answer(&self, prompt: Prompt) -> Result<DeltaStream, LlmError> {
        self.heard.lock().unwrap().push(format!("{prompt:?}"));
        self.inner.answer(prompt).await
    }
}

#[tokio::test]
async fn the_assistant_hears_what_stands_there_and_is_not_asked_by_edits() {
    let database = TestDatabase::open().await;
    let mut build = Build::over(database.store.clone());
    let model = Arc::new(Listening {
        inner: Arc::new(ScriptedProvider::new(Duration::ZERO)),
        heard: Mutex::default(),
    });
    build.provider = Arc::clone(&model) as Arc<dyn LlmProvider>;
    let salon = Instance::start(build);
    let mut socket = salon.arrive("ada").await;
    socket.join("lobby").await;
    socket.send("lobby", "the word is apple").await;
    socket.send("lobby", "the word is pear").await;
    let body = "@assistant the word is plum";
    assert_eq!(socket.ask(edit(1, body)).await["type"], "ok");
    assert_eq!(socket.ask(on("message.delete", 2)).await["type"], "ok");
    let reply = socket.prompt("lobby", "which word?").await;
    assert_eq!(reply, 4, "the edit asked nobody");
    let settled =
        |frame: &Value| frame["message"]["seq"] == reply && frame["message"]["state"] == "complete";
    socket.expect_where("message", settled).await;
    let heard = model.heard.lock().unwrap().join("\n");
    assert!(heard.contains("plum"), "{heard}");
    assert!(
        !heard.contains("apple") && !heard.contains("pear"),
        "{heard}"
    );
    // What was asked can go once its answer is there; the answer too.
    for seq in [reply, reply - 1] {
        let answer = socket.ask(on("message.delete", seq)).await;
        let expected = match seq == reply {
            true => "error",
            false => "ok",
        };
        assert_eq!(
            answer["type"], expected,
            "a member deletes its own: {answer}"
        );
    }
}

/// A reader that counts.
#[derive(Default)]
struct Counting {
    frames: Mutex<Vec<usize>>,
}

impl Reader for Counting {
    fn deliver(&self, run: &Frame) -> bool {
        let sizes = run.payloads().map(|json| json.len() + 4);
        self.frames.lock().unwrap().extend(sizes);
        true
    }

    fn close(&self, code: CloseCode) {
        panic!("closed with {code:?}");
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story of a thousand readers")]
async fn a_reaction_costs_each_reader_of_a_large_room_few_bytes() {
    const READERS: usize = 1_000;
    const BYTES: usize = 400;
    let (salon, _database) = Instance::alone().await;
    let owner = salon.user("owner").await;
    let slug = "s".repeat(salon::limits::SLUG_CHARS);
    let room = salon.make_room(&owner, &slug, Visibility::Public).await;
    let mut people = Vec::new();
    for number in 0..30 {
        let person = salon.user(&format!("member {number}")).await;
        salon.add(&room, &owner, &person).await;
        people.push(person);
    }
    let body = "a long text that nobody needs again ".repeat(100);
    salon.change(&room, post(&owner, &body)).await.unwrap();
    let head = salon.store.heads(&[room.room.id]).await.unwrap()[0];
    let place = RoomRef {
        id: room.room.id,
        slug: slug.as_str().into(),
    };
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let reader = Arc::new(Counting::default());
        let attach = Attach {
            connection: ConnectionId::new(),
            reader: Arc::clone(&reader) as Arc<dyn Reader>,
            user: UserId::new(),
            proof: head.version,
            cursor: Cursor {
                epoch: head.epoch,
                version: head.version,
            },
            whole_until: head.version,
            greeting: None,
        };
        salon.feeds.attach(&place, attach).await.unwrap();
        readers.push(reader);
    }
    // The longest emoji there may be; some come, some go again, from among the first and from behind them.
    let emoji = "👩🏿‍❤️‍💋‍👨🏾";
    let mark = || Mark::Reaction(emoji.to_owned());
    let mut changes = 0;
    for person in &people {
        let (actor, seq) = (person.user.id, 1);
        let mark = mark();
        salon
            .change(&room, Change::Mark { actor, seq, mark })
            .await
            .unwrap();
        changes += 1;
    }
    for person in people.iter().step_by(4) {
        let (actor, seq) = (person.user.id, 1);
        let mark = mark();
        salon
            .change(&room, Change::Unmark { actor, seq, mark })
            .await
            .unwrap();
        changes += 1;
    }
    let mut largest = 0;
    for reader in &readers {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(15);
        while reader.frames.lock().unwrap().len() < changes {
            assert!(
                tokio::time::Instant::now() < deadline,
                "not everybody was told"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let frames = reader.frames.lock().unwrap();
        assert_eq!(frames.len(), changes, "one frame each");
        largest = largest.max(*frames.iter().max().unwrap());
    }
    assert!(largest <= BYTES, "{largest} bytes");
}

pub(crate) fn post(author: &Identity, body: &str) -> Change {
    Change::Post(NewPost {
        author: author.user.id,
        client_id: ClientId::new(),
        body: body.to_owned(),
        html: None,
        reply_to: None,
        prompt: None,
        mentions: Vec::new(),
        over_rate: false,
    })
}
