//! A guest becomes an account over HTTP: by cookie and by token, whom it is refused, and what stays.

use axum::http::{Method, header};
use salon::limits::{GUEST_SESSION_S, SESSION_S};
use serde_json::{Value, json};

use crate::support::app::{Answer, ORIGIN, TestApp, ask, person};

const UPGRADE: &str = "POST /api/me/account";

fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.code())
}

#[tokio::test]
async fn a_guest_keeps_its_rooms_as_an_account_and_signs_in_again() {
    let app = TestApp::start(&[]).await;
    let guest = json!({"name": "Ada"});
    let came = app.request(Method::POST, "/api/guests").json(&guest);
    let came = came.send().await;
    let max_age = |answer: &Answer| {
        let set = answer.headers[header::SET_COOKIE].to_str().unwrap();
        set.rsplit("Max-Age=")
            .next()
            .unwrap()
            .parse::<i64>()
            .unwrap()
    };
    assert_eq!(max_age(&came), GUEST_SESSION_S);
    let token = came.json()["token"].as_str().unwrap().to_owned();
    let den = json!({"slug": "den", "name": "Den", "visibility": "private"});
    assert_eq!(ask(&app, &token, "POST /api/rooms", den).await.status, 201);
    let words = json!({"body": "mine"});
    let posted = ask(&app, &token, "POST /api/rooms/den/messages", words).await;
    assert_eq!(posted.status, 201, "{posted:?}");

    // As a browser asks.
    let kept = app
        .request(Method::POST, "/api/me/account")
        .header("cookie", &came.cookie())
        .header("origin", ORIGIN)
        .json(&json!({"password": "correct horse"}))
        .send()
        .await;
    assert_eq!(kept.status, 201, "{kept:?}");
    let user = json!({"id": came.json()["user"]["id"], "name": "Ada", "kind": "user"});
    assert_eq!(kept.json()["user"], user);
    assert_eq!(kept.headers["cache-control"], "no-store");
    assert_eq!(max_age(&kept), SESSION_S, "an account's");
    assert_ne!(kept.cookie(), came.cookie());
    let cookies = kept.headers.get_all(header::SET_COOKIE).iter();
    assert_eq!(cookies.count(), 2, "this browser is one it signed in with");
    assert_eq!(
        ask(&app, &token, "GET /api/me", Value::Null).await.status,
        401
    );

    // Signed out and in again, all is there.
    let fresh = kept.json()["token"].as_str().unwrap().to_owned();
    let out = ask(&app, &fresh, "DELETE /api/sessions/current", Value::Null).await;
    assert_eq!(out.status, 204);
    let account = json!({"name": "ada", "password": "correct horse"});
    let back = app.request(Method::POST, "/api/sessions").json(&account);
    let back = back.send().await.json();
    assert_eq!(back["user"], user);
    let token = back["token"].as_str().unwrap();
    let room = ask(&app, token, "GET /api/rooms/den", Value::Null)
        .await
        .json();
    assert_eq!(room["role"], "owner");
    let page = ask(&app, token, "GET /api/rooms/den/messages", Value::Null).await;
    assert_eq!(page.json()["messages"][0]["author"], user);
    assert_eq!(page.json()["messages"][0]["body"], "mine");
    // What guests have not, it has.
    let bot = ask(&app, token, "POST /api/bots", json!({"name": "ci"})).await;
    assert_eq!(bot.status, 201, "{bot:?}");
}

#[tokio::test]
async fn only_a_guest_becomes_an_account_and_by_the_rules_of_accounts() {
    let app = TestApp::start(&[]).await;
    let mary = person(&app, "mary").await;
    let wanted = json!({"name": "bob", "password": "correct horse"});
    let refused = ask(&app, &mary, UPGRADE, wanted.clone()).await;
    assert_eq!(refusal(&refused), (409, "not_a_guest".into()));
    let token = json!({"name": "ci", "scope": "write"});
    let made = ask(&app, &mary, "POST /api/tokens", token).await.json();
    let program = made["secret"].as_str().unwrap();
    let refused = ask(&app, program, UPGRADE, wanted.clone()).await;
    assert_eq!(refusal(&refused), (403, "session_required".into()));
    let refused = app.request(Method::POST, "/api/me/account").json(&wanted);
    assert_eq!(
        refusal(&refused.send().await),
        (401, "unauthenticated".into())
    );

    let guest = app.guest("Bob").await;
    for (wanted, answer) in [
        (
            json!({"name": "Mary", "password": "correct horse"}),
            (409, "name_taken"),
        ),
        (
            json!({"name": "assistant", "password": "correct horse"}),
            (409, "name_taken"),
        ),
        (
            json!({"name": " ", "password": "correct horse"}),
            (400, "bad_request"),
        ),
        (json!({"password": "short"}), (400, "bad_request")),
        (
            json!({"name": "sunflower seller", "password": "sunflower seller"}),
            (400, "bad_request"),
        ),
        (json!({"name": "bob"}), (400, "bad_request")),
        (json!({"name": null, "password": 7}), (400, "bad_request")),
    ] {
        let refused = ask(&app, &guest, UPGRADE, wanted.clone()).await;
        assert_eq!(refusal(&refused), (answer.0, answer.1.into()), "{wanted}");
    }
    let me = ask(&app, &guest, "GET /api/me", Value::Null).await.json();
    assert_eq!(
        (&me["user"]["name"], &me["user"]["kind"]),
        (&json!("Bob"), &json!("guest"))
    );
    let kept = ask(
        &app,
        &guest,
        UPGRADE,
        json!({"name": null, "password": "correct horse"}),
    )
    .await;
    assert_eq!(kept.status, 201, "{kept:?}");
    let token = kept.json()["token"].as_str().unwrap().to_owned();
    let again = ask(&app, &token, UPGRADE, json!({"password": "correct horse"})).await;
    assert_eq!(refusal(&again), (409, "not_a_guest".into()));
}

#[tokio::test]
async fn a_server_that_takes_no_accounts_makes_none_of_guests() {
    let app = TestApp::start(&["--signup", "off"]).await;
    let guest = app.guest("Ada").await;
    let refused = ask(&app, &guest, UPGRADE, json!({"password": "correct horse"})).await;
    assert_eq!(refusal(&refused), (403, "signup_off".into()));
    assert_eq!(
        ask(&app, &guest, "GET /api/me", Value::Null).await.status,
        200
    );
}

#[tokio::test]
async fn guests_become_accounts_no_faster_than_people_sign_up() {
    let app = TestApp::start(&["--rate-sign-ins", "3"]).await;
    let guest = app.guest("Ada").await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        let refused = ask(&app, &guest, UPGRADE, json!({"password": "short"})).await;
        answers.push(refusal(&refused));
    }
    let limited = answers.iter().filter(|(status, _)| *status == 429);
    assert_eq!(
        limited.count(),
        2,
        "the guest was the first of three: {answers:?}"
    );
    assert_eq!(answers.last().unwrap(), &(429, "rate_limited".into()));
}
