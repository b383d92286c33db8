//! Limits against those who try without end: passwords, messages, connections, rooms. Each takes from one and leaves others as they
//! were. Instances that count together are in `quotas/fleet`.

use std::time::Duration;

use axum::http::{Method, header};
use serde_json::{Value, json};

use super::must;
use crate::support::app::{Answer, TestApp, ask, person};
use crate::support::communicator::SocketClient;
use crate::support::server::TestServer;

async fn sign_in(app: &TestApp, password: &str, peer: &str, cookie: Option<&str>) -> Answer {
    let wanted = json!({"name": "ada", "password": password});
    let mut request = app.request(Method::POST, "/api/sessions");
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
        request = request.header("origin", crate::support::app::ORIGIN);
    }
    request.json(&wanted).peer(peer).send().await
}

/// The cookie that tells the device, of an answer.
fn device(answer: &Answer) -> String {
    let cookies = answer.headers.get_all(header::SET_COOKIE).iter();
    let mut devices = cookies.filter_map(|set| {
        let set = set.to_str().unwrap();
        assert!(
            set.contains("HttpOnly") && set.contains("SameSite"),
            "{set}"
        );
        set.starts_with("salon-device=")
            .then(|| set.split(';').next().unwrap().to_owned())
    });
    devices.next().expect("a device")
}

#[tokio::test]
async fn s21_tries_at_one_account_run_out_and_its_owner_still_signs_in() {
    let flags = ["--rate-tries", "3", "--rate-sign-ins", "100000"];
    let app = TestApp::start(&flags).await;
    person(&app, "ada").await;
    let known = device(&sign_in(&app, "correct horse", "192.0.2.1", None).await);
    // One address has few tries at one account, right or wrong.
    for _ in 0..3 {
        assert_eq!(sign_in(&app, "wrong", "9.9.9.9", None).await.status, 401);
    }
    let refused = sign_in(&app, "correct horse", "9.9.9.9", None).await;
    assert_eq!(refused.code(), "rate_limited");
    assert!(refused.headers.contains_key("retry-after"));
    // A hundred addresses together have ten times as many, and then none has.
    let mut tried = 0;
    for number in 0..100 {
        let answer = sign_in(&app, "wrong", &format!("203.0.113.{number}"), None).await;
        tried += usize::from(answer.status == 401);
    }
    assert!((27..=30).contains(&tried), "{tried}");
    let stranger = sign_in(&app, "correct horse", "192.0.2.77", None).await;
    assert_eq!(stranger.code(), "rate_limited");
    // Its owner's device is not counted with them, wherever it is, and signs in as often as it likes.
    for number in 0..10 {
        let peer = format!("198.51.100.{number}");
        let answer = sign_in(&app, "correct horse", &peer, Some(&known)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    // Whoever has the device and not the password has few tries too.
    for _ in 0..3 {
        let answer = sign_in(&app, "wrong", "9.9.9.9", Some(&known)).await;
        assert_eq!(answer.status, 401);
    }
    let stolen = sign_in(&app, "wrong", "9.9.9.8", Some(&known)).await;
    assert_eq!(stolen.code(), "rate_limited");
}

#[tokio::test]
async fn s21_many_accounts_of_one_address_run_out_and_unknown_names_are_counted_alike() {
    let app = TestApp::start(&["--rate-tries", "3", "--rate-sign-ins", "12"]).await;
    let wanted = |name: &str| json!({"name": name, "password": "wrong"});
    let tries = async |name: &str, peer: &str| {
        let request = app.request(Method::POST, "/api/sessions");
        request.json(&wanted(name)).peer(peer).send().await
    };
    person(&app, "ada").await;
    for name in ["ada", "nobody"] {
        for _ in 0..3 {
            assert_eq!(tries(name, "9.9.9.9").await.code(), "bad_credentials");
        }
        assert_eq!(
            tries(name, "9.9.9.9").await.code(),
            "rate_limited",
            "{name}"
        );
    }
    // Eight so far: four more names, then the address has none left for any.
    for number in 0..4 {
        let answer = tries(&format!("name {number}"), "9.9.9.9").await;
        assert_eq!(answer.code(), "bad_credentials");
    }
    assert_eq!(tries("another", "9.9.9.9").await.code(), "rate_limited");
    assert_eq!(tries("another", "9.9.9.8").await.code(), "bad_credentials");
}

#[tokio::test]
async fn s21_a_device_is_of_its_account_only_and_a_forged_one_is_none() {
    let app = TestApp::start(&["--rate-tries", "2", "--rate-sign-ins", "100000"]).await;
    person(&app, "ada").await;
    let bo = json!({"name": "bo", "password": "correct horse"});
    let made = app.request(Method::POST, "/api/users").json(&bo);
    let of_bo = device(&made.send().await);
    let forged = format!("salon-device={}.{}", "0".repeat(32), "0".repeat(64));
    for cookie in [&of_bo, &forged, &"salon-device=x~~y".to_owned()] {
        let peer = "9.9.9.9";
        let answer = sign_in(&app, "wrong", peer, Some(cookie)).await;
        // They are counted as strangers: the third is one too many.
        let expected = if cookie.ends_with("x~~y") { 429 } else { 401 };
        assert_eq!(answer.status, expected, "{answer:?}");
    }
    // A browser that two people share is known to both.
    let both = sign_in(&app, "correct horse", "192.0.2.1", Some(&of_bo)).await;
    let both = device(&both);
    assert!(
        both.ends_with(of_bo.strip_prefix("salon-device=").unwrap()),
        "{both}"
    );
    assert_eq!(both.split('~').count(), 2);
}

#[tokio::test]
async fn s21_who_uses_up_the_sign_ins_of_all_keeps_out_nobody_who_was_there() {
    let flags = [
        "--rate-sign-ins",
        "10",
        "--rate-share-address",
        "1",
        "--rate-share-fleet",
        "2",
    ];
    let app = TestApp::start(&flags).await;
    person(&app, "ada").await;
    let known = device(&sign_in(&app, "correct horse", "192.0.2.1", None).await);
    let mut tried = 0;
    for number in 0..40 {
        let wanted = json!({"name": format!("name {number}"), "password": "wrong"});
        let request = app.request(Method::POST, "/api/sessions").json(&wanted);
        let answer = request.peer(&format!("203.0.113.{number}")).send().await;
        tried += usize::from(answer.status == 401);
    }
    assert!((18..=21).contains(&tried), "{tried}");
    let stranger = sign_in(&app, "correct horse", "192.0.2.77", None).await;
    assert_eq!(stranger.code(), "rate_limited");
    let guest = app.request(Method::POST, "/api/guests");
    let guest = guest.json(&json!({"name": "Bo"})).peer("192.0.2.78");
    assert_eq!(guest.send().await.code(), "rate_limited");
    let owner = sign_in(&app, "correct horse", "192.0.2.2", Some(&known)).await;
    assert_eq!(owner.status, 201, "{owner:?}");
}

#[tokio::test]
async fn s43_a_flood_of_one_socket_user_or_address_leaves_others_as_they_were() {
    let flags = [
        "--rate-sends",
        "20",
        "--rate-sends-burst",
        "20",
        "--rate-frames",
        "100000",
        "--rate-share-user",
        "2",
        "--rate-share-address",
        "2",
        "--trusted-proxies",
        "127.0.0.1",
        "--rate-sign-ins",
        "100000",
    ];
    let server = TestServer::start(&flags).await;
    let began = std::time::Instant::now();
    let mut accepted = Vec::new();
    // Three users at one address, three sockets each, as fast as they can.
    for user in 0..3 {
        let token = server.guest(&format!("user {user}")).await;
        for _ in 0..3 {
            let socket = SocketClient::try_connect_for(server.port, &token, "203.0.113.9");
            let mut socket = socket.await.unwrap();
            socket.expect("welcome").await;
            socket.join("lobby").await;
            accepted.push(flood(&mut socket, 200).await);
        }
    }
    // What the whole address may do in this time, and each user and socket.
    let extra = |per_second: u64| per_second * (began.elapsed().as_secs() + 1);
    assert!(
        accepted.iter().all(|count| *count <= 20 + extra(20)),
        "{accepted:?}"
    );
    for users in accepted.chunks(3) {
        assert!(users.iter().sum::<u64>() <= 40 + extra(40), "{accepted:?}");
    }
    let all: u64 = accepted.iter().sum();
    assert!((80..=80 + extra(80)).contains(&all), "{accepted:?}");
    // Somebody elsewhere writes as ever.
    let token = server.guest("bo").await;
    let socket = SocketClient::try_connect_for(server.port, &token, "198.51.100.7").await;
    let mut bo = socket.unwrap();
    bo.expect("welcome").await;
    bo.join("lobby").await;
    for _ in 0..20 {
        bo.send("lobby", "hello").await;
    }
}

/// Sends so many without waiting; how many were accepted. Every refusal says when to come again.
async fn flood(socket: &mut SocketClient, count: usize) -> u64 {
    for number in 0..count {
        let id = uuid::Uuid::now_v7();
        let frame = json!({"type": "message.send", "ref": format!("f{number}"), "room": "lobby", "client_id": id, "body": "x"});
        socket.send_json_to(&frame).await;
    }
    let mut accepted = 0;
    for number in 0..count {
        let answer = socket.answer(&format!("f{number}")).await;
        match (answer["type"].as_str(), answer["code"].as_str()) {
            (Some("message.accepted"), _) => accepted += 1,
            (_, Some("rate_limited")) => assert!(answer["retry_after_ms"].as_u64() > Some(0)),
            (_, code) => assert_eq!(code, Some("behind"), "{answer}"),
        }
    }
    accepted
}

#[tokio::test]
async fn s44_connections_of_one_user_and_one_address_have_an_end() {
    let flags = [
        "--sockets-per-user",
        "3",
        "--sockets-per-address",
        "5",
        "--sockets-fleet",
        "7",
        "--trusted-proxies",
        "127.0.0.1",
    ];
    let server = TestServer::start(&flags).await;
    let (ada, bo) = (server.guest("ada").await, server.guest("bo").await);
    let open = async |token: &str, address: &str| {
        SocketClient::try_connect_for(server.port, token, address).await
    };
    let refused = async |token: &str, address: &str| {
        let (status, body) = open(token, address).await.err().expect("no place");
        assert_eq!((status, &body["code"]), (429, &json!("too_many")));
        assert!(body["retry_after_ms"].as_u64() > Some(0), "{body}");
        body["detail"].as_str().unwrap().to_owned()
    };
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(open(&ada, "203.0.113.9").await.ok().unwrap());
    }
    // Wherever it comes from.
    assert!(refused(&ada, "203.0.113.9").await.contains("You have"));
    assert!(refused(&ada, "198.51.100.7").await.contains("You have"));
    for _ in 0..2 {
        kept.push(open(&bo, "203.0.113.9").await.ok().unwrap());
    }
    assert!(refused(&bo, "203.0.113.9").await.contains("your address"));
    kept.push(open(&bo, "198.51.100.7").await.ok().unwrap());
    let cy = server.guest("cy").await;
    kept.push(open(&cy, "198.51.100.8").await.ok().unwrap());
    assert!(refused(&cy, "198.51.100.9").await.contains("The server"));
    // Who closes one may open another, at once.
    kept.remove(0).disconnect().await;
    let opened = tokio::time::timeout(Duration::from_secs(5), async {
        while open(&ada, "203.0.113.9").await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    opened.await.expect("there is room");
}

#[tokio::test]
async fn s44_rooms_invites_and_searches_have_an_end_for_each() {
    let flags = [
        "--rate-rooms",
        "2",
        "--rate-invites",
        "2",
        "--rate-searches",
        "2",
    ];
    let app = TestApp::start(&flags).await;
    let (ada, bo) = (app.guest("ada").await, app.guest("bo").await);
    for (user, slug) in [(&ada, "a"), (&bo, "b")] {
        // One's end is not the other's.
        for number in 0..2 {
            let room = json!({"slug": format!("{slug}-{number}"), "visibility": "private"});
            must(&app, user, "POST /api/rooms", room).await;
            let what = format!("POST /api/rooms/{slug}-0/invites");
            must(&app, user, &what, json!({})).await;
            must(&app, user, "GET /api/search?q=x", Value::Null).await;
        }
        for (what, body) in [
            ("POST /api/rooms".to_owned(), json!({"slug": "more"})),
            (format!("POST /api/rooms/{slug}-0/invites"), json!({})),
            ("GET /api/search?q=x".to_owned(), Value::Null),
        ] {
            let refused = ask(&app, user, &what, body).await;
            assert_eq!(refused.code(), "rate_limited", "{what}");
            assert!(refused.headers.contains_key("retry-after"), "{what}");
        }
    }
}
