//! Edits, deletions, reactions and pins over HTTP, by people with different rights.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::app::{TestApp, ask, person};

#[tokio::test]
async fn a_message_is_edited_marked_and_deleted() {
    let app = TestApp::start(&[]).await;
    let (ada, bob) = (person(&app, "ada").await, person(&app, "bob").await);
    let room = json!({"slug": "den", "name": "Den", "visibility": "public"});
    assert_eq!(
        ask(&app, &ada, "POST /api/rooms", room).await.status,
        StatusCode::CREATED
    );
    ask(&app, &bob, "POST /api/rooms/den/join", Value::Null).await;
    let mine = "/api/rooms/den/messages/1";
    let thumb = format!("{mine}/reactions/%F0%9F%91%8D");
    let body = json!({"body": "frist"});
    ask(&app, &bob, "POST /api/rooms/den/messages", body).await;

    let done = async |token: &str, what: String, body: Value| {
        let answer = ask(&app, token, &what, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{what}: {answer:?}");
        answer.json()["version"].as_i64().unwrap()
    };
    let edit = json!({"body": "first", "if_version": 1});
    assert_eq!(done(&bob, format!("PATCH {mine}"), edit).await, 2);
    for (who, version) in [(&ada, 3), (&bob, 4), (&bob, 4)] {
        assert_eq!(
            done(who, format!("PUT {thumb}"), Value::Null).await,
            version
        );
    }
    assert_eq!(done(&ada, format!("DELETE {thumb}"), Value::Null).await, 5);
    assert_eq!(done(&ada, format!("PUT {mine}/pin"), Value::Null).await, 6);

    let read = ask(&app, &ada, &format!("GET {mine}"), Value::Null)
        .await
        .json();
    assert_eq!(
        (&read["body"], &read["version"]),
        (&json!("first"), &json!(6))
    );
    assert_eq!(read["reactions"][0]["emoji"], "👍");
    assert_eq!(read["reactions"][0]["count"], 1);
    assert!(read["edited_at"].is_string() && read["pinned"]["at"].is_string());
    let pins = ask(&app, &bob, "GET /api/rooms/den/pins", Value::Null).await;
    assert_eq!(pins.json()["messages"], json!([read]));
    let edits = ask(&app, &ada, &format!("GET {mine}/edits"), Value::Null)
        .await
        .json();
    assert_eq!(edits["edits"][0]["body"], "frist");
    assert_eq!(edits["edits"][0]["version"], 2);
    assert!(edits["edits"][0]["written_at"].is_string());

    assert_eq!(
        done(&ada, format!("DELETE {mine}/pin"), Value::Null).await,
        7
    );
    assert_eq!(done(&ada, format!("DELETE {mine}"), Value::Null).await, 8);
    let read = ask(&app, &bob, &format!("GET {mine}"), Value::Null)
        .await
        .json();
    assert_eq!((&read["body"], read.get("reactions")), (&json!(""), None));
    assert!(read["deleted_at"].is_string());
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of refusals")]
async fn what_may_not_be_is_a_problem_with_its_code() {
    let app = TestApp::start(&[]).await;
    let (ada, bob) = (person(&app, "ada").await, person(&app, "bob").await);
    for who in [&ada, &bob] {
        ask(&app, who, "POST /api/rooms/lobby/join", Value::Null).await;
    }
    let body = json!({"body": "mine"});
    ask(&app, &ada, "POST /api/rooms/lobby/messages", body).await;
    ask(
        &app,
        &ada,
        "PATCH /api/rooms/lobby/messages/1",
        json!({"body": "mine!"}),
    )
    .await;
    let at = |rest: &str| format!("/api/rooms/lobby/messages/1{rest}");
    for (what, body, status, code) in [
        (
            format!("PATCH {}", at("")),
            json!({"body": "yours"}),
            403,
            "forbidden",
        ),
        (
            format!("PATCH {}", at("")),
            json!({"body": " "}),
            400,
            "bad_request",
        ),
        (format!("PATCH {}", at("")), json!({}), 400, "bad_request"),
        (format!("DELETE {}", at("")), Value::Null, 403, "forbidden"),
        (format!("PUT {}", at("/pin")), Value::Null, 403, "forbidden"),
        (
            format!("GET {}", at("/edits")),
            Value::Null,
            403,
            "forbidden",
        ),
        (
            format!("PUT {}", at("/reactions/no")),
            Value::Null,
            400,
            "bad_request",
        ),
        (
            format!("PUT {}", at("/reactions/%00")),
            Value::Null,
            400,
            "bad_request",
        ),
        (
            "DELETE /api/rooms/lobby/messages/9".into(),
            Value::Null,
            404,
            "message_not_found",
        ),
        (
            "DELETE /api/rooms/lobby/messages/x".into(),
            Value::Null,
            400,
            "bad_request",
        ),
        (
            "GET /api/rooms/nowhere/pins".into(),
            Value::Null,
            404,
            "room_not_found",
        ),
    ] {
        let answer = ask(&app, &bob, &what, body).await;
        let got = (answer.status.as_u16(), answer.code());
        assert_eq!(got, (status, code.to_owned()), "{what}");
    }
    let stale = json!({"body": "mine?", "if_version": 1});
    let answer = ask(&app, &ada, &format!("PATCH {}", at("")), stale).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (409, "version_conflict".into())
    );
    assert_eq!(answer.json()["version"], 2, "the version there is");
}
