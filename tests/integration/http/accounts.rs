//! Coming, being somebody and going over HTTP, by token and by cookie.

use axum::http::Method;
use serde_json::json;

use crate::support::app::{ORIGIN, TestApp};

#[tokio::test]
async fn an_account_signs_up_in_and_out() {
    let app = TestApp::start(&[]).await;
    let ada = json!({"name": "Ada", "password": "correct horse"});

    let made = app
        .request(Method::POST, "/api/users")
        .json(&ada)
        .send()
        .await;
    assert_eq!(made.status, 201);
    assert_eq!(made.json()["user"]["name"], "Ada");
    assert_eq!(made.json()["user"]["kind"], "user");
    assert_eq!(made.headers["cache-control"], "no-store");

    let again = app
        .request(Method::POST, "/api/users")
        .json(&json!({"name": "ADA", "password": "other horse"}))
        .send()
        .await;
    assert_eq!(
        (again.status.as_u16(), again.code().as_str()),
        (409, "name_taken")
    );

    let entered = app
        .request(Method::POST, "/api/sessions")
        .json(&ada)
        .send()
        .await;
    assert_eq!(entered.status, 201);
    assert_eq!(entered.json()["user"], made.json()["user"]);
    let token = entered.json()["token"].as_str().unwrap().to_owned();
    assert_ne!(
        token,
        made.json()["token"].as_str().unwrap(),
        "each sign-in has a token of its own"
    );

    let me = app
        .request(Method::GET, "/api/me")
        .bearer(&token)
        .send()
        .await;
    assert_eq!(me.json()["user"]["name"], "Ada");

    let gone = app
        .request(Method::DELETE, "/api/sessions/current")
        .bearer(&token)
        .send()
        .await;
    assert_eq!(gone.status, 204);
    let dead = app
        .request(Method::GET, "/api/me")
        .bearer(&token)
        .send()
        .await;
    assert_eq!(
        (dead.status.as_u16(), dead.code().as_str()),
        (401, "unauthenticated")
    );
    let other = made.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(
        app.request(Method::GET, "/api/me")
            .bearer(&other)
            .send()
            .await
            .status,
        200,
        "the other session lives"
    );
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_are_answered_alike() {
    let app = TestApp::start(&[]).await;
    let ada = json!({"name": "Ada", "password": "correct horse"});
    app.request(Method::POST, "/api/users")
        .json(&ada)
        .send()
        .await;
    let mut answers = Vec::new();
    for name in ["Ada", "Nobody", "", "assistant", "a\u{0}b"] {
        let tried = json!({"name": name, "password": "wrong horse"});
        let answer = app
            .request(Method::POST, "/api/sessions")
            .json(&tried)
            .send()
            .await;
        assert_eq!(answer.status, 401, "{name:?}");
        assert!(!answer.headers.contains_key("set-cookie"));
        answers.push(answer.json());
    }
    answers.dedup();
    assert_eq!(
        answers.len(),
        1,
        "nothing in the answer tells which names there are"
    );
}

#[tokio::test]
async fn a_browser_lives_by_its_cookie() {
    let app = TestApp::start(&[]).await;
    let made = app
        .request(Method::POST, "/api/guests")
        .header("origin", ORIGIN)
        .json(&json!({"name": "Bo"}))
        .send()
        .await;
    let set = made.headers["set-cookie"].to_str().unwrap();
    assert!(set.starts_with("salon="), "{set}");
    assert!(
        set.contains("HttpOnly") && set.contains("SameSite=Lax") && set.contains("Path=/"),
        "{set}"
    );
    assert!(
        !set.contains("Secure") && set.contains("Max-Age=604800"),
        "{set}"
    );

    let cookie = made.cookie();
    let me = app
        .request(Method::GET, "/api/me")
        .header("cookie", &cookie)
        .send()
        .await;
    assert_eq!(me.json()["user"]["kind"], "guest");

    let left = app
        .request(Method::DELETE, "/api/sessions/current")
        .header("cookie", &cookie)
        .header("origin", ORIGIN)
        .send()
        .await;
    assert_eq!(left.status, 204);
    assert!(
        left.headers["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    let me = app
        .request(Method::GET, "/api/me")
        .header("cookie", &cookie)
        .send()
        .await;
    assert_eq!(me.status, 401);
}

#[tokio::test]
async fn a_public_https_origin_makes_the_cookie_a_host_cookie() {
    let app = TestApp::start(&["--public-origin", "https://chat.example.org"]).await;
    let made = app
        .request(Method::POST, "/api/guests")
        .json(&json!({"name": "Bo"}))
        .send()
        .await;
    let set = made.headers["set-cookie"].to_str().unwrap();
    assert!(
        set.starts_with("__Host-salon=") && set.contains("Secure"),
        "{set}"
    );
    assert_eq!(
        made.headers["strict-transport-security"],
        "max-age=31536000"
    );
    let plain = made.cookie().replace("__Host-salon", "salon");
    let me = app
        .request(Method::GET, "/api/me")
        .header("cookie", &plain)
        .send()
        .await;
    assert_eq!(me.status, 401, "the unprotected name is not read");
}

#[tokio::test]
async fn an_authorization_header_wins_over_a_cookie() {
    let app = TestApp::start(&[]).await;
    let token = app.guest("Bo").await;
    for header in ["Bearer nonsense", "Bearer", "Basic Ym86", ""] {
        let me = app
            .request(Method::GET, "/api/me")
            .header("cookie", &format!("salon={token}"))
            .header("authorization", header)
            .send()
            .await;
        assert_eq!(me.status, 401, "{header:?}");
    }
    let me = app
        .request(Method::GET, "/api/me")
        .header("authorization", &format!("bearer {token}"))
        .send()
        .await;
    assert_eq!(me.status, 200, "the scheme has no case");
}

#[tokio::test]
async fn switches_close_the_doors() {
    let app = TestApp::start(&["--guests", "off", "--signup", "off"]).await;
    let guest = app
        .request(Method::POST, "/api/guests")
        .json(&json!({"name": "Bo"}))
        .send()
        .await;
    assert_eq!(
        (guest.status.as_u16(), guest.code().as_str()),
        (403, "guests_off")
    );
    let user = app
        .request(Method::POST, "/api/users")
        .json(&json!({"name": "Bo", "password": "correct horse"}))
        .send()
        .await;
    assert_eq!(
        (user.status.as_u16(), user.code().as_str()),
        (403, "signup_off")
    );
    let config = app.request(Method::GET, "/api/config").send().await.json();
    assert_eq!(
        (&config["guests"], &config["signup"]),
        (&json!(false), &json!(false))
    );
}

#[tokio::test]
async fn the_public_settings_say_who_answers_and_who_asks() {
    let app = TestApp::start(&["--llm", "scripted"]).await;
    let config = || app.request(Method::GET, "/api/config");
    let of_newcomer = config().send().await;
    assert_eq!(of_newcomer.status, 200);
    let of_newcomer = of_newcomer.json();
    assert_eq!(
        of_newcomer["assistant"],
        json!({"name": "assistant", "model": "salon-demo", "scripted": true})
    );
    assert!(of_newcomer["user"].is_null(), "{of_newcomer}");
    assert_eq!(of_newcomer["page"].as_str().unwrap().len(), 16);

    let token = app.guest("Ada").await;
    let of_guest = config().header("cookie", &format!("salon={token}")).send();
    assert_eq!(of_guest.await.json()["user"]["name"], "Ada");

    // Nobody is no error, and neither is a session that has ended.
    let ended = config()
        .header("cookie", "salon=no-such-token")
        .send()
        .await;
    assert_eq!(ended.status, 200);
    assert!(ended.json()["user"].is_null());
}

#[tokio::test]
async fn one_address_cannot_try_without_end() {
    let app = TestApp::start(&["--rate-sign-ins", "3", "--trusted-proxies", "10.0.0.0/8"]).await;
    let guest = || {
        app.request(Method::POST, "/api/guests")
            .json(&json!({"name": "Bo"}))
    };
    for _ in 0..3 {
        assert_eq!(guest().peer("9.9.9.9").send().await.status, 201);
    }
    // What an untrusted peer says of itself does not matter.
    let refused = guest()
        .peer("9.9.9.9")
        .header("x-forwarded-for", "8.8.8.8")
        .send()
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (429, "rate_limited")
    );
    assert!(refused.headers.contains_key("retry-after"));
    assert!(refused.json()["retry_after_ms"].as_u64().unwrap() > 0);
    // Others are not held up, also behind one proxy.
    assert_eq!(guest().peer("8.8.8.8").send().await.status, 201);
    assert_eq!(
        guest()
            .peer("10.0.0.1")
            .header("x-forwarded-for", "7.7.7.7")
            .send()
            .await
            .status,
        201
    );
    let by_proxy = guest()
        .peer("10.0.0.1")
        .header("x-forwarded-for", "7.7.7.7, 9.9.9.9")
        .send()
        .await;
    assert_eq!(by_proxy.code(), "rate_limited");
}

#[tokio::test]
async fn a_ticket_opens_once() {
    let app = TestApp::start(&[]).await;
    let token = app.guest("Bo").await;
    let made = app
        .request(Method::POST, "/api/tickets")
        .bearer(&token)
        .send()
        .await;
    assert_eq!(
        (made.status.as_u16(), &made.json()["expires_in_s"]),
        (201, &json!(30))
    );
    let ticket = made.json()["ticket"].as_str().unwrap().to_owned();
    // A ticket is no token.
    assert_eq!(
        app.request(Method::GET, "/api/me")
            .bearer(&ticket)
            .send()
            .await
            .status,
        401
    );
    let identity = app.app.auth.redeem_ticket(&ticket).await.unwrap().unwrap();
    assert_eq!(identity.user.name, "Bo");
    assert_eq!(app.app.auth.redeem_ticket(&ticket).await.unwrap(), None);
    assert_eq!(app.app.auth.redeem_ticket("nonsense").await.unwrap(), None);
}
