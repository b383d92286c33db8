//! How much of a room an assistant is told, on the wire: a reply tells from which message on, where something older is left out: while it is written, to whoever comes, and however it ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use salon::limits::CONTEXT_MESSAGES;
use salon::llm::{DeltaStream, LlmError, LlmProvider, Prompt};
use serde_json::{Value, json};

use crate::replies::{answer, build, endless, enter, read_settled, read_text, salon_with};
use crate::support::communicator::WebsocketCommunicator;
use crate::support::instance::{FakeModel, Instance};

/// A model that answers in a word and keeps what it was asked.
#[derive(Default)]
struct Listener(Mutex<Vec<Prompt>>);

#[async_trait]
impl LlmProvider for Listener {
    fn model(&self) -> &str {
        "listener"
    }

    async fn answer(&self, prompt: Prompt) -> Result<DeltaStream, LlmError> {
        self.0.lock().unwrap().push(prompt);
        Ok(answer(1, Duration::ZERO))
    }
}

impl Listener {
    fn last(&self) -> String {
        let prompts = self.0.lock().unwrap();
        let turns = prompts.last().unwrap().turns.iter();
        turns
            .map(|turn| turn.text.clone())
            .collect::<Vec<_>>()
            .join("\n\n")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_tells_from_which_message_on_its_assistant_saw_the_room() {
    let model = Arc::new(Listener::default());
    let (salon, _database) = salon_with(model.clone()).await;
    let (mut ada, mut hers) = enter(salon.arrive("ada").await).await;
    // Message 1 and 2: everything was seen, and nothing is said.
    let first = ada.prompt("lobby", "hello").await;
    let settled = read_settled(&mut ada, &mut hers, first).await;
    assert_eq!(settled["reply"].get("context_from"), None, "{settled}");
    // Up to the bound, with the prompt: 100 messages.
    for number in 3..CONTEXT_MESSAGES {
        ada.send("lobby", &format!("message {number}")).await;
    }
    let whole = ada.prompt("lobby", "all of it?").await;
    assert_eq!(whole, CONTEXT_MESSAGES + 1);
    let settled = read_settled(&mut ada, &mut hers, whole).await;
    assert_eq!(settled["reply"].get("context_from"), None, "{settled}");
    assert!(model.last().contains("hello"));
    // And beyond: with this one they are 102.
    let cut = ada.prompt("lobby", "and now?").await;
    let settled = read_settled(&mut ada, &mut hers, cut).await;
    assert_eq!(settled["reply"]["context_from"], 3, "{settled}");
    let told = model.last();
    assert!(
        told.starts_with("message 3\n") && !told.contains("hello"),
        "{told}"
    );
    // Whoever comes later, and whoever reads back, is told the same.
    let (mut bob, mut his) = enter(salon.arrive("bob").await).await;
    // A page shared with whoever joined just before has the newest behind it.
    assert_eq!(read_settled(&mut bob, &mut his, cut).await, settled);
    let history = json!({"type": "message.history", "room": "lobby", "around": cut, "limit": 1});
    let page = ada.ask(history).await;
    assert_eq!(page["messages"][0], settled);
    // Written another way after the oldest is deleted: as it is now. Message 2 is an answer, and none begins a prompt.
    let delete = json!({"type": "message.delete", "room": "lobby", "seq": 3});
    assert_eq!(ada.ask(delete).await["type"], "ok");
    let again = json!({"type": "reply.regenerate", "room": "lobby", "seq": cut});
    let version = ada.ask(again).await["version"].as_i64().unwrap();
    while hers.cursor < version {
        hers.take(&ada.receive_json_from().await);
    }
    let second = read_settled(&mut ada, &mut hers, cut).await;
    assert_eq!(second["reply"]["context_from"], 4, "{second}");
    // Each variant keeps its own.
    let select = json!({"type": "reply.select", "room": "lobby", "seq": cut, "variant": 1});
    let version = ada.ask(select).await["version"].as_i64().unwrap();
    while hers.cursor < version {
        hers.take(&ada.receive_json_from().await);
    }
    assert_eq!(hers.messages[&cut]["reply"]["context_from"], 3);
    assert_ne!(hers.messages[&cut]["reply"]["variants"], Value::Null);
}

/// Reads until the first text of a reply, and the piece behind it: what each says of how far its assistant sees.
async fn first_pieces(socket: &mut WebsocketCommunicator, seq: i64) -> [Value; 2] {
    let mut said = Vec::new();
    while said.len() < 2 {
        let frame = socket.receive_json_from().await;
        if frame["type"] == "reply.delta" && frame["seq"] == seq {
            said.push(frame["context_from"].clone());
        }
    }
    said.try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_far_an_assistant_sees_is_told_while_it_writes_and_kept_however_it_ends() {
    let (mut salon, database) = salon_with(FakeModel::new(|_| endless())).await;
    let mut ada = salon.arrive("ada").await;
    ada.join("lobby").await;
    for number in 1..=CONTEXT_MESSAGES {
        ada.send("lobby", &format!("message {number}")).await;
    }
    let seq = ada.prompt("lobby", "go on").await;
    let [first, second] = first_pieces(&mut ada, seq).await;
    assert_eq!((first.clone(), second), (json!(2), Value::Null), "once");
    // Who comes while it is written: in `room.joined`, or behind a page that is from before the reply.
    let (mut bob, mut his) = enter(salon.arrive("bob").await).await;
    read_text(&mut bob, &mut his, seq).await;
    assert_eq!(his.replies[&seq].context_from, first.as_i64());
    let stop = json!({"type": "reply.stop", "room": "lobby", "seq": seq});
    assert_eq!(ada.ask(stop).await["type"], "ok");
    let settled = read_settled(&mut bob, &mut his, seq).await;
    assert_eq!(settled["state"], "stopped");
    assert_eq!(settled["reply"]["context_from"], first, "{settled}");
    // Its runner dies: what it was told of is not forgotten.
    let orphaned = ada.prompt("lobby", "and on").await;
    let [first, _] = first_pieces(&mut ada, orphaned).await;
    assert!(first.as_i64() > Some(2), "{first}");
    salon.kill_runners();
    database.age_leases(100);
    let next = Instance::start(build(&database, FakeModel::new(|_| endless())));
    // A feed that begins now has it from the database.
    let (mut eve, mut hers) = enter(next.arrive("eve").await).await;
    let settled = read_settled(&mut eve, &mut hers, orphaned).await;
    assert_eq!(settled["state"], "interrupted");
    assert_eq!(settled["reply"]["context_from"], first, "{settled}");
}
