//! Sessions, sign-in and what is stored of secrets: lines 18, 20, 22 and 23.

use std::time::Duration;

use axum::http::Method;
use salon::db::Store;
use salon::db::accounts::Accounts;
use serde_json::{Value, json};

use super::RATES;
use crate::support::app::{ORIGIN, TestApp, ask, person};
use crate::support::server::TestServer;

#[tokio::test]
async fn s18_a_sign_in_ends_what_the_cookie_stood_for_before() {
    let app = TestApp::start(RATES).await;
    let ada = json!({"name": "ada", "password": "correct horse"});
    let status = async |token: &str| ask(&app, token, "GET /api/me", Value::Null).await.status;
    let enter = async |path: &str, body: &Value, cookie: &str| {
        let made = app
            .request(Method::POST, path)
            .header("cookie", &format!("salon={cookie}"))
            .header("origin", ORIGIN)
            .json(body)
            .send()
            .await;
        assert_eq!(made.status, 201, "{made:?}");
        made.json()["token"].as_str().unwrap().to_owned()
    };
    // What somebody else planted into the browser is worth nothing after the sign-in, and never became the victim's.
    let planted = app.guest("Eve").await;
    let first = enter("/api/users", &ada, &planted).await;
    assert_ne!(first, planted);
    assert_eq!(status(&planted).await, 401);
    let second = enter("/api/sessions", &ada, &first).await;
    assert_ne!(second, first);
    assert_eq!(status(&first).await, 401);
    assert_eq!(status(&second).await, 200);
    // A cookie of no session is replaced all the same.
    for planted in ["chosen-by-eve", &"a".repeat(64)] {
        let token = enter("/api/sessions", &ada, planted).await;
        assert_ne!(token, planted);
    }
    // A refused sign-in ends nothing.
    let refused = app
        .request(Method::POST, "/api/sessions")
        .header("cookie", &format!("salon={second}"))
        .header("origin", ORIGIN)
        .json(&json!({"name": "ada", "password": "wrong horse"}))
        .send()
        .await;
    assert_eq!(refused.status, 401);
    assert_eq!(status(&second).await, 200);
    // A program's own tokens stay.
    let third = app
        .request(Method::POST, "/api/sessions")
        .bearer(&second)
        .json(&ada)
        .send()
        .await;
    assert_eq!(third.status, 201);
    assert_eq!(status(&second).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s20_a_dump_of_the_database_holds_no_secret_that_lets_anybody_in() {
    let server = TestServer::start(&[]).await;
    let password = "correct horse battery";
    let account = json!({"name": "ada", "password": password});
    let must = async |method: &str, path: &str, token: Option<&str>, body: &Value| {
        let (status, answer) = server.request(method, path, token, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    };
    let session = must("POST", "/api/users", None, &account).await;
    let session = session["token"].as_str().unwrap().to_owned();
    let ada = Some(session.as_str());
    let room = json!({"slug": "den", "visibility": "private"});
    must("POST", "/api/rooms", ada, &room).await;
    let wanted = json!({"name": "ci", "scope": "write"});
    let program = must("POST", "/api/tokens", ada, &wanted).await;
    let ticket = must("POST", "/api/tickets", ada, &Value::Null).await;
    let invite = must("POST", "/api/rooms/den/invites", ada, &json!({})).await;
    let wanted = json!({"name": "CI"});
    let hook = must("POST", "/api/rooms/den/incoming-hooks", ada, &wanted).await;
    let hook = hook["path"].as_str().unwrap().rsplit('/').next().unwrap();
    // That the search finds what is there at all.
    let canary = json!({"body": "a canary sings"});
    must("POST", "/api/rooms/den/messages", ada, &canary).await;
    let secrets = [
        password,
        &session,
        program["secret"].as_str().unwrap(),
        ticket["ticket"].as_str().unwrap(),
        invite["token"].as_str().unwrap(),
        hook,
    ]
    .map(str::to_owned);
    server.shutdown.stop();
    let folder = server.stopped_with_data(Duration::from_secs(30)).await;
    let mut dump = Vec::new();
    for entry in std::fs::read_dir(folder.path().join("data")).unwrap() {
        dump.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let holds = |text: &[u8]| dump.windows(text.len()).any(|window| window == text);
    assert!(holds(b"a canary sings") && holds(b"$argon2id$v=19$m=19456,t=2,p=1$"));
    for secret in &secrets {
        assert!(!holds(secret.as_bytes()), "a secret is in the dump");
        // Nor in bytes, nor without what tells its kind.
        let digits = secret.rsplit('_').next().unwrap();
        assert!(!holds(digits.as_bytes()), "a secret is in the dump");
        let bytes: Option<Vec<u8>> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
            .collect();
        if let Some(bytes) = bytes {
            assert!(!holds(&bytes), "a secret is in the dump, in bytes");
        }
    }
}

#[tokio::test]
async fn s22_whether_a_guest_or_a_bot_has_a_name_is_not_told_by_a_sign_in() {
    let app = TestApp::start(RATES).await;
    let owner = person(&app, "ada").await;
    app.guest("Guest").await;
    let bot = json!({"name": "helper"});
    assert_eq!(ask(&app, &owner, "POST /api/bots", bot).await.status, 201);
    let mut answers = Vec::new();
    for name in ["ada", "Guest", "helper", "assistant", "nobody-at-all"] {
        let answer = app
            .request(Method::POST, "/api/sessions")
            .json(&json!({"name": name, "password": "wrong horse"}))
            .send()
            .await;
        let mut headers = answer.headers.clone();
        headers.remove("x-request-id");
        answers.push((answer.status, format!("{headers:?}"), answer.bytes));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn s22_only_the_right_password_tells_that_an_account_is_disabled() {
    let app = TestApp::start(RATES).await;
    person(&app, "ada").await;
    person(&app, "bob").await;
    let bob = app.store.credentials("bob").await.unwrap().unwrap().user;
    assert!(app.store.disable_user(bob.id).await.unwrap());
    let tried = async |name: &str, password: &str| {
        let answer = app
            .request(Method::POST, "/api/sessions")
            .json(&json!({"name": name, "password": password}))
            .send()
            .await;
        let mut headers = answer.headers.clone();
        headers.remove("x-request-id");
        (answer.status, format!("{headers:?}"), answer.bytes)
    };
    let wrong = tried("bob", "wrong horse").await;
    assert_eq!(wrong.0, 401);
    assert_eq!(wrong, tried("ada", "wrong horse").await);
    assert_eq!(wrong, tried("nobody-at-all", "wrong horse").await);
    let right = tried("bob", "correct horse").await;
    assert_eq!(right.0, 403);
    let said = String::from_utf8_lossy(&right.2).into_owned();
    assert!(said.contains("account_disabled"), "{said}");
    assert!(!right.1.contains("set-cookie"), "{}", right.1);
}

#[tokio::test]
async fn s22_a_sign_in_takes_as_long_for_a_name_that_is_not_there() {
    const TRIES: usize = 41;
    let app = TestApp::start(RATES).await;
    person(&app, "ada").await;
    app.guest("Guest").await;
    let names = ["ada", "nobody-at-all", "Guest", "assistant", "\u{202e}"];
    let mut times = vec![Vec::new(); names.len()];
    // In turn, so that a machine that is busy for a while is so for all of them.
    for _ in 0..TRIES {
        for (place, name) in names.iter().enumerate() {
            let began = std::time::Instant::now();
            let answer = app
                .request(Method::POST, "/api/sessions")
                .json(&json!({"name": name, "password": "wrong horse"}))
                .send()
                .await;
            times[place].push(began.elapsed().as_secs_f64());
            assert_eq!(answer.status, 401);
        }
    }
    // The quickest few of each: noise only ever adds.
    let typical = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[..3].iter().sum::<f64>() / 3.0
    };
    let typical: Vec<f64> = times.iter_mut().map(typical).collect();
    eprintln!("seconds for {names:?}: {typical:?}");
    for (name, time) in names.iter().zip(&typical) {
        // A hash takes tens of milliseconds; without one a sign-in would take less than a tenth of it.
        let ratio = time / typical[0];
        assert!((0.6..1.67).contains(&ratio), "{name}: {typical:?}");
    }
}

#[tokio::test]
async fn s23_what_is_guessed_first_is_no_password_and_what_is_long_is_taken_whole() {
    let app = TestApp::start(RATES).await;
    let sign_up = async |name: &str, password: &str| {
        app.request(Method::POST, "/api/users")
            .json(&json!({"name": name, "password": password}))
            .send()
            .await
    };
    for guessed in [
        "password",
        "12345678",
        "Qwertyuiop",
        "ILOVEYOU",
        "trustno1",
        "sunshine",
        "Salon2026",
        "adelheid",
        "Adelheid1",
        "1234567",
    ] {
        let refused = sign_up("adelheid", guessed).await;
        assert_eq!(refused.code(), "bad_request", "{guessed}");
        let said = super::text(&refused);
        assert!(guessed == "password" || !said.contains(guessed), "{said}");
    }
    let odd = "пароль 🐎 \u{0} \" \\ <b> ".repeat(3);
    let long = "long enough to hold a poem, ".repeat(36);
    for (name, password) in [
        ("bo", odd.as_str()),
        ("cy", &long[..1_000]),
        ("di", "                 "),
    ] {
        assert_eq!(sign_up(name, password).await.status, 201, "{name}");
        let sign_in = async |password: &str| {
            let asked = app.request(Method::POST, "/api/sessions");
            let asked = asked.json(&json!({"name": name, "password": password}));
            asked.send().await.status.as_u16()
        };
        assert_eq!(sign_in(password).await, 201, "{name}");
        let mut cut: String = password.to_owned();
        cut.pop();
        assert_eq!(sign_in(&cut).await, 401, "{name}: every letter counts");
        assert_eq!(
            sign_in(&password.to_uppercase()).await == 201,
            password.to_uppercase() == password
        );
    }
    assert_eq!(
        sign_up("ed", &"x".repeat(1_025)).await.code(),
        "bad_request"
    );
}
