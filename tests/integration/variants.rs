//! Several texts of one reply on the wire: written another way, asked again by an edit, one of them selected for everybody.

use axum::http::StatusCode;
use futures_util::StreamExt;
use salon::db::Store as _;
use salon::db::changes::{Batch, Change, RoomChanges, Settlement};
use salon::db::rows::{MessageState, ReplyMeta};
use salon::ids::{BatchId, InstanceId};
use salon::llm::{Completion, Delta, DeltaStream};
use serde_json::{Value, json};

use crate::replies::{enter, read_settled, read_text, salon_with, silent};
use crate::store::fixtures::CAPS;
use crate::support::app::{TestApp, ask, person};
use crate::support::client::RoomClient;
use crate::support::communicator::WebsocketCommunicator;
use crate::support::instance::{Build, FakeModel, Instance};

/// Says these words and ends.
fn says(words: &str) -> DeltaStream {
    let done = Delta::Done(Completion {
        stop_reason: "end".into(),
        ..Completion::default()
    });
    futures_util::stream::iter([Ok(Delta::Text(words.to_owned())), Ok(done)]).boxed()
}

fn of_reply(kind: &str, seq: i64, variant: i64) -> Value {
    json!({"type": kind, "room": "lobby", "seq": seq, "variant": variant})
}

/// Sends a frame that takes a version, and reads up to it.
async fn done(socket: &mut WebsocketCommunicator, client: &mut RoomClient, frame: Value) -> i64 {
    let answer = socket.ask(frame).await;
    assert_eq!(answer["type"], "ok", "{answer}");
    let version = answer["version"].as_i64().unwrap();
    catch_up(socket, client, version).await;
    version
}

async fn catch_up(socket: &mut WebsocketCommunicator, client: &mut RoomClient, version: i64) {
    while client.cursor < version {
        client.take(&socket.receive_json_from().await);
    }
    client.check();
}

#[tokio::test]
async fn everybody_sees_the_variant_that_somebody_selected() {
    let model = FakeModel::new(|call| says(["first", "second", "third"][call as usize]));
    let (salon, database) = salon_with(model).await;
    let (mut ada, mut hers) = enter(salon.arrive("ada").await).await;
    // Of another instance: it hears of it through the database.
    let other = Instance::start(Build::over(database.store.clone()));
    let (mut bob, mut his) = enter(other.arrive("bob").await).await;
    let seq = ada.prompt("lobby", "go").await;
    let first = read_settled(&mut ada, &mut hers, seq).await;
    assert_eq!(
        (&first["body"], &first["reply"]["variants"]),
        (&json!("first"), &Value::Null)
    );

    done(&mut ada, &mut hers, of_reply("reply.regenerate", seq, 0)).await;
    let second = read_settled(&mut ada, &mut hers, seq).await;
    assert_eq!(second["body"], "second");
    assert_eq!(
        second["reply"]["variants"],
        json!({"count": 2, "selected": 2})
    );
    assert_eq!(second["reply"]["attempt"], 2);

    let chosen = done(&mut ada, &mut hers, of_reply("reply.select", seq, 1)).await;
    catch_up(&mut bob, &mut his, chosen).await;
    assert_eq!(his.messages[&seq], hers.messages[&seq]);
    assert_eq!(his.messages[&seq]["body"], "first");
    assert_eq!(
        his.messages[&seq]["reply"]["variants"],
        json!({"count": 2, "selected": 1})
    );
    // Who comes now is shown the same.
    let (mut eve, mut fresh) = enter(salon.arrive("eve").await).await;
    catch_up(&mut eve, &mut fresh, chosen).await;
    assert_eq!(fresh.messages[&seq], his.messages[&seq]);

    for (variant, code) in [(3, "variant_not_found"), (0, "variant_not_found")] {
        let no = ada.ask(of_reply("reply.select", seq, variant)).await;
        assert_eq!(no["code"], code);
    }
    assert_eq!(
        bob.ask(of_reply("reply.select", seq, 2)).await["code"],
        "forbidden"
    );
    assert_eq!(
        bob.ask(of_reply("reply.regenerate", seq, 0)).await["code"],
        "forbidden"
    );
}

#[tokio::test]
async fn an_edit_may_ask_again_and_the_answer_knows_the_new_words() {
    let (salon, _database) = {
        let database = crate::support::instance::TestDatabase::open().await;
        // The demo answers with what it was asked.
        (
            Instance::start(Build::over(database.store.clone())),
            database,
        )
    };
    let (mut ada, mut hers) = enter(salon.arrive("ada").await).await;
    let seq = ada.prompt("lobby", "echo apples").await;
    let first = read_settled(&mut ada, &mut hers, seq).await;
    let edit = json!({"type": "message.edit", "room": "lobby", "seq": seq - 1,
        "body": "@assistant echo pears", "resend": true});
    done(&mut ada, &mut hers, edit).await;
    assert_eq!(hers.messages[&(seq - 1)]["body"], "@assistant echo pears");
    let second = read_settled(&mut ada, &mut hers, seq).await;
    assert_eq!(
        second["reply"]["variants"],
        json!({"count": 2, "selected": 2})
    );
    assert_ne!(first["body"], second["body"]);
    assert!(
        second["body"].as_str().unwrap().contains("pears"),
        "{second}"
    );
    // Without `resend` an edit calls nobody, as ever.
    let edit = json!({"type": "message.edit", "room": "lobby", "seq": seq - 1, "body": "@assistant plums"});
    let version = done(&mut ada, &mut hers, edit).await;
    assert_eq!(hers.messages[&seq]["version"], second["version"]);
    assert_eq!(hers.cursor, version);
}

#[tokio::test]
async fn a_variant_is_stopped_and_the_one_before_is_shown_again() {
    let model = FakeModel::new(|call| match call {
        0 => says("first"),
        1 => futures_util::stream::iter([Ok(Delta::Text("half".into()))])
            .chain(silent())
            .boxed(),
        _ => says("again"),
    });
    let (salon, _database) = salon_with(model).await;
    let (mut ada, mut hers) = enter(salon.arrive("ada").await).await;
    let seq = ada.prompt("lobby", "go").await;
    read_settled(&mut ada, &mut hers, seq).await;
    done(&mut ada, &mut hers, of_reply("reply.regenerate", seq, 0)).await;
    assert_eq!(read_text(&mut ada, &mut hers, seq).await, "half");
    for kind in ["reply.regenerate", "reply.select", "reply.retry"] {
        let running = ada.ask(of_reply(kind, seq, 1)).await;
        assert_eq!(running["code"], "reply_running", "{kind}");
    }
    ada.ask(of_reply("reply.stop", seq, 0)).await;
    let stopped = read_settled(&mut ada, &mut hers, seq).await;
    assert_eq!(
        (&stopped["state"], &stopped["body"]),
        (&json!("stopped"), &json!("half"))
    );
    done(&mut ada, &mut hers, of_reply("reply.select", seq, 1)).await;
    assert_eq!(hers.messages[&seq]["state"], "complete");
    // A retry is of what is selected: `complete` is not retried, what was stopped is, in its place.
    let settled = ada.ask(of_reply("reply.retry", seq, 0)).await;
    assert_eq!(settled["code"], "reply_settled");
    done(&mut ada, &mut hers, of_reply("reply.select", seq, 2)).await;
    done(&mut ada, &mut hers, of_reply("reply.retry", seq, 0)).await;
    let again = read_settled(&mut ada, &mut hers, seq).await;
    assert_eq!(again["body"], "again");
    assert_eq!(
        again["reply"]["variants"],
        json!({"count": 2, "selected": 2})
    );
}

/// Ends the reply that waits with these words; no runner runs here.
async fn answer(app: &TestApp, words: &str) {
    let runner = InstanceId::new();
    let mut claimed = app.store.claim_replies(runner, 2, CAPS).await.unwrap();
    assert_eq!(claimed.len(), 1, "one reply waits");
    let claimed = claimed.remove(0);
    let last_word = Change::SettleReply(Settlement {
        seq: claimed.seq,
        attempt: claimed.attempt,
        owner: runner,
        state: MessageState::Complete,
        body: words.to_owned(),
        html: None,
        meta: ReplyMeta {
            prompt_seq: claimed.prompt_seq,
            attempt: claimed.attempt,
            ..ReplyMeta::default()
        },
    });
    let changes = vec![last_word];
    let room = claimed.room;
    let batch = Batch {
        id: BatchId::new(),
        rerun: false,
        rooms: vec![RoomChanges {
            room,
            changes,
            origins: Vec::new(),
        }],
    };
    app.store.apply(batch).await.unwrap();
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story of a reply")]
async fn variants_are_made_read_and_selected_over_http() {
    let app = TestApp::start(&[]).await;
    let (ada, bob) = (person(&app, "ada").await, person(&app, "bob").await);
    let room = json!({"slug": "den", "name": "Den", "visibility": "public"});
    ask(&app, &ada, "POST /api/rooms", room).await;
    let body = json!({"body": "@assistant hello"});
    let posted = ask(&app, &ada, "POST /api/rooms/den/messages", body).await;
    assert_eq!(posted.json()["reply_seq"], 2);
    answer(&app, "apples").await;
    let again = ask(
        &app,
        &ada,
        "POST /api/rooms/den/replies/2/regenerate",
        Value::Null,
    )
    .await;
    assert_eq!(again.status, StatusCode::OK);
    answer(&app, "pears").await;
    let resend = json!({"body": "@assistant hello again", "resend": true});
    let edited = ask(&app, &ada, "PATCH /api/rooms/den/messages/1", resend).await;
    assert_eq!(edited.status, StatusCode::OK);
    answer(&app, "plums").await;
    let select = "POST /api/rooms/den/replies/2/select";
    let chosen = ask(&app, &ada, select, json!({"variant": 1})).await;
    assert_eq!(chosen.status, StatusCode::OK);
    let read = ask(
        &app,
        &ada,
        "GET /api/rooms/den/messages/2/variants",
        Value::Null,
    )
    .await
    .json();
    assert_eq!(
        (&read["count"], &read["selected"], &read["more"]),
        (&json!(3), &json!(1), &json!(false))
    );
    let all = read["variants"].as_array().unwrap();
    let numbers: Vec<_> = all
        .iter()
        .map(|row| row["variant"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(all[2]["body"], "plums");
    assert_eq!(all[2]["reply"]["attempt"], 3);
    let rest = ask(
        &app,
        &ada,
        "GET /api/rooms/den/messages/2/variants?after=2",
        Value::Null,
    )
    .await;
    assert_eq!(rest.json()["variants"], json!([all[2]]));
    let message = ask(&app, &ada, "GET /api/rooms/den/messages/2", Value::Null)
        .await
        .json();
    assert_eq!(message["body"], all[0]["body"]);

    for (token, what, body, code) in [
        (
            &bob,
            "GET /api/rooms/den/messages/2/variants",
            Value::Null,
            "not_a_member",
        ),
        (
            &ada,
            "GET /api/rooms/den/messages/1/variants",
            Value::Null,
            "reply_not_found",
        ),
        (
            &ada,
            "GET /api/rooms/den/messages/2/variants?after=x",
            Value::Null,
            "bad_request",
        ),
        (&ada, select, json!({"variant": 4}), "variant_not_found"),
        (&ada, select, json!({}), "bad_request"),
        (&bob, select, json!({"variant": 2}), "not_a_member"),
    ] {
        let answer = ask(&app, token, what, body).await;
        assert_eq!(answer.code(), code, "{what}");
    }
    // Deleted, nothing is left of any of them.
    ask(&app, &ada, "DELETE /api/rooms/den/messages/2", Value::Null).await;
    let gone = ask(
        &app,
        &ada,
        "GET /api/rooms/den/messages/2/variants",
        Value::Null,
    )
    .await;
    assert_eq!(gone.code(), "reply_not_found");
    let tombstone = ask(&app, &ada, "GET /api/rooms/den/messages/2", Value::Null)
        .await
        .json();
    assert_eq!(
        (&tombstone["body"], &tombstone["reply"]["variants"]),
        (&json!(""), &Value::Null)
    );
    let export = ask(
        &app,
        &ada,
        "GET /api/rooms/den/export?format=ndjson",
        Value::Null,
    )
    .await;
    let text = String::from_utf8_lossy(&export.bytes).into_owned();
    let words = ["apples", "pears", "plums"];
    assert!(
        text.contains("hello") && !words.iter().any(|word| text.contains(word)),
        "{text}"
    );
}
