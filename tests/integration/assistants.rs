//! The assistants of a room over HTTP and on the wire: set up by owners, called by name, each with a message of its own.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::replies::read_settled;
use crate::support::app::{TestApp, ask, person};
use crate::support::instance::Instance;

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story of a room's assistants")]
async fn owners_set_up_assistants_over_http() {
    let app = TestApp::start(&[]).await;
    let (ada, bob) = (person(&app, "ada").await, person(&app, "bob").await);
    let room = json!({"slug": "den", "name": "Den", "visibility": "public"});
    ask(&app, &ada, "POST /api/rooms", room).await;
    ask(&app, &bob, "POST /api/rooms/den/join", Value::Null).await;
    let list = "GET /api/rooms/den/assistants";
    let all = ask(&app, &bob, list, Value::Null).await.json();
    assert_eq!(all["assistants"][0]["name"], "assistant");
    assert_eq!(all["assistants"][0]["may_prompt"], "member");
    let add = "POST /api/rooms/den/assistants";
    let poet = json!({"name": "Poet", "system": "Answer in rhymes.", "temperature": 0.7, "max_tokens": 400});
    let added = ask(&app, &ada, add, poet).await;
    assert_eq!(added.status, StatusCode::CREATED);
    let id = added.json()["id"].as_str().unwrap().to_owned();
    let one = format!("/api/rooms/den/assistants/{id}");
    let edit = json!({"model": "large", "temperature": null, "may_prompt": "moderator"});
    let edited = ask(&app, &ada, &format!("PATCH {one}"), edit).await;
    assert_eq!(edited.status, StatusCode::OK, "{edited:?}");
    let all = ask(&app, &bob, list, Value::Null).await.json();
    let stands = &all["assistants"][1];
    assert_eq!(
        stands,
        &json!({"id": id, "name": "Poet", "enabled": true, "provider": null, "model": "large",
            "system": "Answer in rhymes.", "temperature": null, "max_tokens": 400, "history_tokens": null,
            "may_prompt": "moderator", "may_stop": "moderator", "may_regenerate": "moderator"})
    );
    // Bob's role does not ask it; the message itself is stored.
    let body = json!({"body": "@poet, and @assistant?"});
    let told = ask(&app, &bob, "POST /api/rooms/den/messages", body.clone())
        .await
        .json();
    assert_eq!(
        (&told["reply_seq"], &told["reply_refused"]),
        (&json!(2), &json!("forbidden"))
    );
    assert!(told.get("reply_seqs").is_none(), "{told}");
    let told = ask(&app, &ada, "POST /api/rooms/den/messages", body)
        .await
        .json();
    assert_eq!(
        (&told["seq"], &told["reply_seq"], &told["reply_seqs"]),
        (&json!(3), &json!(4), &json!([4, 5]))
    );

    let large = "x".repeat(salon::limits::SYSTEM_BYTES + 1);
    for (token, what, body, code) in [
        (&bob, add, json!({"name": "mine"}), "forbidden"),
        (&ada, add, json!({"name": "poet"}), "name_taken"),
        (&ada, add, json!({"name": "Bob"}), "name_taken"),
        (&ada, add, json!({"name": "assistant"}), "name_taken"),
        (&ada, add, json!({"name": " "}), "bad_request"),
        (
            &ada,
            add,
            json!({"name": "a", "temperature": 2.1}),
            "bad_request",
        ),
        (
            &ada,
            add,
            json!({"name": "a", "max_tokens": 0}),
            "bad_request",
        ),
        (
            &ada,
            add,
            json!({"name": "a", "history_tokens": 1_000_001}),
            "bad_request",
        ),
        (&ada, add, json!({"name": "a", "model": ""}), "bad_request"),
        (
            &ada,
            add,
            json!({"name": "a", "system": "\u{0}"}),
            "bad_request",
        ),
        (
            &ada,
            add,
            json!({"name": "a", "system": large}),
            "too_large",
        ),
        (
            &ada,
            add,
            json!({"name": "a", "may_stop": "god"}),
            "bad_request",
        ),
    ] {
        let answer = ask(&app, token, what, body.clone()).await;
        assert_eq!(answer.code(), code, "{body}");
    }
    let gone = ask(&app, &ada, &format!("DELETE {one}"), Value::Null).await;
    assert_eq!(gone.status, StatusCode::OK);
    for method in ["PATCH", "DELETE"] {
        let none = ask(&app, &ada, &format!("{method} {one}"), json!({})).await;
        assert_eq!(none.code(), "assistant_not_found");
    }
}

#[tokio::test]
async fn several_assistants_answer_one_message_each_under_its_name() {
    let (salon, _database) = Instance::alone().await;
    let owner = salon.user("ada").await;
    let room = salon
        .make_room(&owner, "den", salon::db::rows::Visibility::Public)
        .await;
    for name in ["poet", "critic"] {
        salon
            .change(
                &room,
                salon::db::changes::Change::AddAssistant(salon::db::assistants::NewAssistant {
                    actor: owner.user.id,
                    id: salon::ids::UserId::new(),
                    name: name.to_owned(),
                    settings: Default::default(),
                }),
            )
            .await
            .unwrap();
    }
    let mut socket = salon.connect(&owner).await;
    let mut client = crate::support::client::RoomClient::new("den");
    client.take(&socket.join("den").await);
    let sent = socket.send("den", "@critic and @poet, what of it?").await;
    assert_eq!(sent["reply_seq"], 2);
    assert_eq!(sent["reply_seqs"], json!([2, 3]));
    for (seq, name) in [(2, "critic"), (3, "poet")] {
        let settled = read_settled(&mut socket, &mut client, seq).await;
        assert_eq!(
            (&settled["state"], &settled["author"]["name"]),
            (&json!("complete"), &json!(name))
        );
        assert_eq!(settled["reply"]["prompt_seq"], 1);
    }
    // A reply that names an assistant asks nobody: what is written by one is no prompt.
    client.check();
    assert_eq!(client.messages.len(), 3);
    // Its settings are a version of the room, told to whoever reads it.
    let version = client.cursor;
    let all = salon
        .store
        .room_assistants(owner.user.id, "den")
        .await
        .unwrap();
    let off = salon::db::assistants::AssistantEdit {
        enabled: Some(false),
        ..Default::default()
    };
    let change = salon::db::changes::Change::EditAssistant {
        actor: owner.user.id,
        assistant: all[1].user.id,
        edit: off,
    };
    salon.change(&room, change).await.unwrap();
    let told = socket.expect("room.changed").await;
    assert_eq!(
        (told["version"].as_i64(), &told["change"]),
        (Some(version + 1), &json!("settings"))
    );
    assert_eq!(told["data"]["assistants"][1]["enabled"], false);
    let sent = socket.send("den", "@poet?").await;
    assert_eq!(
        (&sent["reply_seq"], &sent["reply_refused"]),
        (&Value::Null, &json!("no_assistant"))
    );
}
