//! Invites, bans and giving a room away over HTTP: what is shown to whom, what is kept secret, and what is refused.

use axum::http::StatusCode;
use salon::limits;
use serde_json::{Value, json};

use crate::support::app::{Answer, TestApp, ask, person};

/// Enough for whoever asks often in a test.
const RATES: &[&str] = &["--rate-sign-ins", "1000", "--rate-frames", "1000"];

async fn id(app: &TestApp, token: &str) -> String {
    let me = ask(app, token, "GET /api/me", Value::Null).await.json();
    me["user"]["id"].as_str().unwrap().to_owned()
}

/// What somebody is answered; it must be a success.
async fn ok(app: &TestApp, token: &str, what: &str, body: Value) -> Value {
    let answer = ask(app, token, what, body).await;
    assert!(answer.status.is_success(), "{what}: {answer:?}");
    answer.json()
}

async fn look(app: &TestApp, token: &str, peer: &str) -> Answer {
    let request = app.request("POST".parse().unwrap(), "/api/invites/look");
    request
        .json(&json!({"token": token}))
        .peer(peer)
        .send()
        .await
}

#[tokio::test]
async fn an_invite_is_shown_once_and_leads_into_a_private_room() {
    let app = TestApp::start(RATES).await;
    let (ada, bo) = (app.guest("Ada").await, app.guest("Bo").await);
    let private = json!({"slug": "den", "name": "The Den", "visibility": "private"});
    ok(&app, &ada, "POST /api/rooms", private).await;
    let made = ask(
        &app,
        &ada,
        "POST /api/rooms/den/invites",
        json!({"role": "reader"}),
    )
    .await;
    assert_eq!(made.status, StatusCode::CREATED);
    let made = made.json();
    let token = made["token"].as_str().unwrap();
    assert_eq!(made["link"], format!("/#/invite/{token}"));
    assert_eq!(
        (&made["role"], &made["max_uses"]),
        (&json!("reader"), &json!(1))
    );
    let listed = ok(&app, &ada, "GET /api/rooms/den/invites", Value::Null).await;
    assert_eq!(listed["invites"][0]["uses"], 0);
    assert!(!listed.to_string().contains(token), "{listed}");

    let told = look(&app, token, "127.0.0.1").await.json();
    assert_eq!(
        (&told["room"], &told["name"]),
        (&json!("den"), &json!("The Den"))
    );
    assert_eq!(
        (&told["by"]["name"], &told["role"]),
        (&json!("Ada"), &json!("reader"))
    );
    let room = ok(
        &app,
        &bo,
        "POST /api/invites/accept",
        json!({"token": token}),
    )
    .await;
    assert_eq!(
        (&room["slug"], &room["role"]),
        (&json!("den"), &json!("reader"))
    );
    assert_eq!(
        room["version"], 1,
        "coming by an invite is told to the room"
    );
    // Used up: whoever holds it now is told no more than of one that never was.
    let cy = app.guest("Cy").await;
    let never = "0".repeat(64);
    for token in [token, &never, "short"] {
        let late = ask(
            &app,
            &cy,
            "POST /api/invites/accept",
            json!({"token": token}),
        )
        .await;
        let looked = look(&app, token, "127.0.0.1").await;
        assert_eq!(
            (late.code(), looked.code()),
            ("invite_invalid".into(), "invite_invalid".into())
        );
        assert_eq!(late.json()["detail"], looked.json()["detail"]);
        assert_eq!(late.status, StatusCode::NOT_FOUND);
    }
    let inviting = ask(&app, &bo, "POST /api/rooms/den/invites", json!({})).await;
    assert_eq!(inviting.code(), "forbidden");
}

#[tokio::test]
async fn looking_at_invites_is_bounded_for_each_address() {
    let app = TestApp::start(&[]).await;
    let unknown = "0".repeat(64);
    for _ in 0..app.app.config.rate_invites {
        assert_eq!(
            look(&app, &unknown, "10.0.0.1").await.code(),
            "invite_invalid"
        );
    }
    let more = look(&app, &unknown, "10.0.0.1").await;
    assert_eq!(more.code(), "rate_limited");
    assert!(more.json()["retry_after_ms"].as_u64().unwrap() > 0);
    assert_eq!(
        look(&app, &unknown, "10.0.0.2").await.code(),
        "invite_invalid"
    );
}

#[tokio::test]
async fn bans_are_listed_and_lifted_and_tell_their_reason_to_few() {
    let app = TestApp::start(RATES).await;
    let (ada, bo) = (app.guest("Ada").await, app.guest("Bo").await);
    let bo_id = id(&app, &bo).await;
    ok(&app, &ada, "POST /api/rooms", json!({"slug": "den"})).await;
    ok(&app, &bo, "POST /api/rooms/den/join", Value::Null).await;
    let of_bo = format!("/api/rooms/den/bans/{bo_id}");
    let longest = "é".repeat(limits::BAN_REASON_CHARS);
    let ban = format!("PUT {of_bo}");
    let banned = ok(&app, &ada, &ban, json!({"reason": format!(" {longest} ")})).await;
    assert_eq!(banned, json!({"version": 1}));
    let too_long = ask(&app, &ada, &ban, json!({"reason": format!("{longest}é")})).await;
    assert_eq!(too_long.code(), "bad_request");
    let listed = ok(&app, &ada, "GET /api/rooms/den/bans", Value::Null).await;
    let first = &listed["bans"][0];
    assert_eq!(
        (&first["user"]["name"], &first["by"]["name"]),
        (&json!("Bo"), &json!("Ada"))
    );
    assert_eq!(first["reason"], longest);
    let join = ask(&app, &bo, "POST /api/rooms/den/join", Value::Null).await;
    assert_eq!(
        (join.code(), join.status),
        ("banned".into(), StatusCode::FORBIDDEN)
    );
    let add = json!({"user": bo_id, "role": "member"});
    let added = ask(&app, &ada, "POST /api/rooms/den/members", add.clone()).await;
    assert_eq!(added.code(), "banned");
    ok(&app, &ada, &format!("DELETE {of_bo}"), Value::Null).await;
    assert_eq!(
        ok(&app, &ada, "POST /api/rooms/den/members", add).await,
        json!({"version": 2})
    );
    let either = json!({"user": bo_id, "name": "Bo"});
    let both = ask(&app, &ada, "POST /api/rooms/den/members", either).await;
    assert_eq!(both.code(), "bad_request");
}

#[tokio::test]
async fn who_was_never_there_is_banned_by_name() {
    let app = TestApp::start(RATES).await;
    let (ada, bo) = (app.guest("Ada").await, app.guest("Bo").await);
    let mary = person(&app, "Mary").await;
    ok(&app, &ada, "POST /api/rooms", json!({"slug": "den"})).await;
    let ban = "POST /api/rooms/den/bans";
    let wanted = json!({"name": "mary", "reason": " noise "});
    assert_eq!(
        ask(&app, &bo, ban, wanted.clone()).await.code(),
        "not_a_member"
    );
    for nobody in ["Nobody", "Bo", "\u{0}"] {
        let unknown = ask(&app, &ada, ban, json!({"name": nobody})).await;
        assert_eq!(unknown.code(), "user_not_found", "{nobody}");
    }
    ok(&app, &ada, ban, wanted).await;
    let listed = ok(&app, &ada, "GET /api/rooms/den/bans", Value::Null).await;
    let rows = listed["bans"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{listed}");
    assert_eq!(
        (&rows[0]["user"]["name"], &rows[0]["reason"]),
        (&json!("Mary"), &json!("noise"))
    );
    let join = ask(&app, &mary, "POST /api/rooms/den/join", Value::Null).await;
    assert_eq!(join.code(), "banned");
    let long = "é".repeat(limits::BAN_REASON_CHARS + 1);
    let too_long = ask(&app, &ada, ban, json!({"name": "mary", "reason": long})).await;
    assert_eq!(too_long.code(), "bad_request");
}

#[tokio::test]
async fn the_last_owner_gives_its_room_away_before_it_goes() {
    let app = TestApp::start(RATES).await;
    let (ada, bo) = (app.guest("Ada").await, app.guest("Bo").await);
    let (ada_id, bo_id) = (id(&app, &ada).await, id(&app, &bo).await);
    ok(&app, &ada, "POST /api/rooms", json!({"slug": "den"})).await;
    let leave = format!("DELETE /api/rooms/den/members/{ada_id}");
    assert_eq!(
        ask(&app, &ada, &leave, Value::Null).await.code(),
        "last_owner"
    );
    let step_down = json!({"user": ada_id, "role": "member"});
    let stepped = ask(&app, &ada, "POST /api/rooms/den/members", step_down).await;
    assert_eq!(stepped.code(), "last_owner");
    let give = json!({"user": bo_id});
    let transfer = "POST /api/rooms/den/transfer";
    assert_eq!(
        ask(&app, &ada, transfer, give.clone()).await.code(),
        "user_not_found"
    );
    ok(&app, &bo, "POST /api/rooms/den/join", Value::Null).await;
    assert_eq!(
        ok(&app, &ada, transfer, give.clone()).await,
        json!({"version": 2})
    );
    assert_eq!(ask(&app, &ada, transfer, give).await.code(), "forbidden");
    let room = ok(&app, &ada, "GET /api/rooms/den", Value::Null).await;
    assert_eq!(room["role"], "moderator");
    ok(&app, &ada, &leave, Value::Null).await;
    assert_eq!(
        ok(&app, &bo, "GET /api/rooms/den", Value::Null).await["role"],
        "owner"
    );
}
