//! What of others can be seen or taken over with requests that are well made: lines 28, 31, 33 and 35.

use salon::permissions::access::{Needs, Route};
use serde_json::{Value, json};

use super::{RATES, answering_routes, filled, make_den, must, request, text};
use crate::support::app::{TestApp, ask, person};
use crate::support::server::TestServer;

#[tokio::test]
async fn s28_what_one_may_not_see_answers_as_what_is_not_there() {
    let app = TestApp::start(RATES).await;
    let (ada, eve) = (person(&app, "ada").await, person(&app, "eve").await);
    make_den(&app, &ada).await;
    let body = json!({"body": "a canary sings"});
    must(&app, &ada, "POST /api/rooms/den/messages", body).await;
    let mut count = 0;
    // Administrators' routes refuse others before they look.
    let of_rooms =
        |route: &&Route| route.path.contains("{slug}") && route.needs != Needs::Administrator;
    for route in answering_routes().filter(of_rooms) {
        let hidden = request(&app, route, "den").bearer(&eve).send().await;
        let missing = request(&app, route, "nowhere").bearer(&eve).send().await;
        let what = format!("{} {}", route.method, route.path);
        assert_eq!(
            (hidden.status.as_u16(), text(&hidden)),
            (missing.status.as_u16(), text(&missing)),
            "{what}"
        );
        assert_eq!(hidden.code(), "room_not_found", "{what}");
        let names = |answer: &crate::support::app::Answer| -> Vec<String> {
            answer.headers.keys().map(ToString::to_string).collect()
        };
        assert_eq!(names(&hidden), names(&missing), "{what}");
        count += 1;
    }
    assert!(count > 30, "{count}");
    // By the streams, the search, the chat and the lists too.
    for path in ["events", "export", "replies/1/events"] {
        let asked = |slug: &str| format!("GET /api/rooms/{slug}/{path}");
        let hidden = ask(&app, &eve, &asked("den"), Value::Null).await;
        let missing = ask(&app, &eve, &asked("nowhere"), Value::Null).await;
        assert_eq!(hidden.status, 404, "{path}");
        assert_eq!(text(&hidden), text(&missing), "{path}");
    }
    let chat = async |slug: &str| {
        let body = json!({"room": slug, "message": "hi"});
        let answer = ask(&app, &eve, "POST /api/chat", body).await;
        (answer.status, text(&answer))
    };
    assert_eq!(chat("den").await, chat("nowhere").await);
    let found = async |query: &str| {
        let answer = ask(&app, &eve, &format!("GET /api/search?{query}"), Value::Null).await;
        (answer.status, text(&answer))
    };
    assert_eq!(
        found("q=canary&room=den").await,
        found("q=canary&room=nowhere").await
    );
    for list in ["/api/search?q=canary", "/api/rooms", "/api/rooms/public"] {
        let listed = must(&app, &eve, &format!("GET {list}"), Value::Null).await;
        let listed = listed.to_string();
        assert!(
            !listed.contains("canary") && !listed.contains("\"den\""),
            "{list}: {listed}"
        );
    }
}

#[tokio::test]
async fn s28_what_is_somebody_elses_answers_as_what_is_not_there() {
    let app = TestApp::start(RATES).await;
    let (ada, eve) = (person(&app, "ada").await, person(&app, "eve").await);
    let wanted = json!({"name": "ci", "scope": "read"});
    let token = must(&app, &ada, "POST /api/tokens", wanted.clone()).await;
    let bot = must(&app, &ada, "POST /api/bots", json!({"name": "helper"})).await;
    let token = token["token"]["id"].as_str().unwrap();
    let bot = bot["user"]["id"].as_str().unwrap();
    for (ours, theirs, body) in [
        ("DELETE /api/tokens/{token}", token, Value::Null),
        ("DELETE /api/bots/{bot}", bot, Value::Null),
        ("GET /api/bots/{bot}/tokens", bot, Value::Null),
        ("POST /api/bots/{bot}/tokens", bot, wanted),
    ] {
        let real = ours.replace("{token}", theirs).replace("{bot}", theirs);
        let hidden = ask(&app, &eve, &real, body.clone()).await;
        let missing = ask(&app, &eve, &filled(ours, ""), body).await;
        assert_eq!(hidden.status, 404, "{ours}: {hidden:?}");
        assert_eq!(text(&hidden), text(&missing), "{ours}");
    }
    let listed = must(&app, &ada, "GET /api/bots", Value::Null).await;
    assert_eq!(listed["bots"].as_array().unwrap().len(), 1);
}

/// The names of all fields, however deep.
fn fields(value: &Value, found: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, inner) in object {
                found.insert(name.clone());
                fields(inner, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn s33_a_deleted_text_and_its_edits_are_in_no_answer() {
    let app = TestApp::start(RATES).await;
    let (ada, bob) = (person(&app, "ada").await, person(&app, "bob").await);
    make_den(&app, &ada).await;
    must(
        &app,
        &ada,
        "POST /api/rooms/den/members",
        json!({"name": "bob"}),
    )
    .await;
    let mine = "/api/rooms/den/messages/1";
    let body = json!({"body": "canary one"});
    must(&app, &bob, "POST /api/rooms/den/messages", body).await;
    let edit = json!({"body": "canary two"});
    must(&app, &bob, &format!("PATCH {mine}"), edit).await;
    must(&app, &ada, &format!("PUT {mine}/pin"), Value::Null).await;
    let answering = json!({"body": "what was that?", "reply_to": 1});
    must(&app, &ada, "POST /api/rooms/den/messages", answering).await;
    must(&app, &bob, &format!("DELETE {mine}"), Value::Null).await;
    let ways = [
        "/api/rooms/den/messages",
        "/api/rooms/den/messages?around=1",
        "/api/rooms/den/messages/1",
        "/api/rooms/den/messages/1/edits",
        "/api/rooms/den/messages/2",
        "/api/rooms/den/pins",
        "/api/rooms/den/export",
        "/api/rooms",
        "/api/rooms/den",
        "/api/search?q=canary",
    ];
    let mut names = std::collections::BTreeSet::new();
    for way in ways {
        for who in [&ada, &bob] {
            let answer = ask(&app, who, &format!("GET {way}"), Value::Null).await;
            assert!(
                !text(&answer).contains("canary"),
                "{way}: {}",
                text(&answer)
            );
            if let Ok(json) = serde_json::from_slice(&answer.bytes) {
                fields(&json, &mut names);
            }
        }
    }
    assert!(
        names.contains("deleted_at") && names.contains("author"),
        "{names:?}"
    );
    for kept in [
        "password",
        "password_hash",
        "token",
        "token_hash",
        "secret",
        "session",
        "admin",
        "email",
        "address",
        "ip",
    ] {
        assert!(!names.contains(kept), "{kept}");
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "every request that could take more")]
async fn s35_fields_that_are_not_for_clients_change_nothing() {
    let app = TestApp::start(RATES).await;
    let wanted = json!({
        "name": "eve", "password": "correct horse", "id": "018f0000-0000-7000-8000-000000000000", "kind": "assistant",
        "admin": true, "is_admin": true, "role": "owner", "scope": "admin", "password_hash": "x", "session": "x",
    });
    let made = app
        .request(axum::http::Method::POST, "/api/users")
        .json(&wanted)
        .send()
        .await;
    assert_eq!(made.status, 201);
    let eve = made.json()["token"].as_str().unwrap().to_owned();
    let ada = person(&app, "ada").await;
    let me = must(&app, &eve, "GET /api/me", Value::Null).await;
    assert_eq!(
        (&me["user"]["kind"], &me["scope"]),
        (&json!("user"), &Value::Null)
    );
    assert_ne!(me["user"]["id"], wanted["id"]);
    let of_ada = must(&app, &ada, "GET /api/me", Value::Null).await;

    make_den(&app, &ada).await;
    must(
        &app,
        &ada,
        "POST /api/rooms/den/members",
        json!({"name": "eve"}),
    )
    .await;
    let forged = json!({
        "body": "hi", "author": of_ada["user"], "author_id": of_ada["user"]["id"], "user": of_ada["user"]["id"], "kind": "assistant",
        "seq": 99, "version": 99, "created_at": "2001-01-01T00:00:00Z", "edited_at": "2001-01-01T00:00:00Z",
        "html": "<b>hi</b>", "pinned": {"by": of_ada["user"]}, "state": "complete", "room": "lobby", "role": "owner",
    });
    must(&app, &eve, "POST /api/rooms/den/messages", forged.clone()).await;
    let read = must(&app, &eve, "GET /api/rooms/den/messages/1", Value::Null).await;
    assert_eq!(
        (
            &read["author"]["name"],
            &read["seq"],
            &read["kind"],
            &read["body"]
        ),
        (&json!("eve"), &json!(1), &json!("user"), &json!("hi"))
    );
    assert!(!read["created_at"].as_str().unwrap().starts_with("2001"));
    assert!(
        read["edited_at"].is_null() && read["pinned"].is_null(),
        "{read}"
    );
    must(&app, &eve, "PATCH /api/rooms/den/messages/1", forged).await;
    let read = must(&app, &eve, "GET /api/rooms/den/messages/1", Value::Null).await;
    assert_eq!(
        (&read["author"]["name"], &read["kind"]),
        (&json!("eve"), &json!("user"))
    );

    let room = json!({"slug": "cave", "owner": of_ada["user"]["id"], "id": 1, "version": 99, "head": 99, "role": "reader", "archived": true, "members": []});
    let made = must(&app, &eve, "POST /api/rooms", room).await;
    assert_eq!(
        (&made["slug"], &made["archived"]),
        (&json!("cave"), &json!(false)),
        "{made}"
    );
    let members = must(&app, &eve, "GET /api/rooms/cave/members", Value::Null).await;
    assert_eq!(members["members"].as_array().unwrap().len(), 1);
    assert_eq!(
        (
            &members["members"][0]["user"]["name"],
            &members["members"][0]["role"]
        ),
        (&json!("eve"), &json!("owner"))
    );
    // A member gives itself no role by any way.
    let eve_id = me["user"]["id"].clone();
    for (what, body) in [
        (
            "POST /api/rooms/den/members",
            json!({"user": eve_id, "role": "owner"}),
        ),
        (
            "PATCH /api/rooms/den",
            json!({"name": "Eve's", "owner": eve_id}),
        ),
        ("POST /api/rooms/den/transfer", json!({"user": eve_id})),
        ("POST /api/rooms/den/invites", json!({"role": "moderator"})),
    ] {
        assert_eq!(
            ask(&app, &eve, what, body).await.code(),
            "forbidden",
            "{what}"
        );
    }
    let joined = json!({"role": "owner"});
    must(&app, &eve, "POST /api/rooms/lobby/join", joined).await;
    let members = must(&app, &eve, "GET /api/rooms/lobby/members", Value::Null).await;
    assert!(!members.to_string().contains("owner"), "{members}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s31_who_lost_a_right_has_lost_it_on_the_socket_it_holds() {
    let server = TestServer::start(&[]).await;
    let must = async |method: &str, path: &str, token: Option<&str>, body: Value| {
        let (status, answer) = server.request(method, path, token, &body).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    };
    let account = async |name: &str| {
        let wanted = json!({"name": name, "password": "correct horse"});
        let made = must("POST", "/api/users", None, wanted).await;
        made["token"].as_str().unwrap().to_owned()
    };
    let (ada, bob) = (account("ada").await, account("bob").await);
    let room = json!({"slug": "den", "visibility": "private"});
    must("POST", "/api/rooms", Some(&ada), room).await;
    let members = "/api/rooms/den/members";
    let moderator = json!({"name": "bob", "role": "moderator"});
    must("POST", members, Some(&ada), moderator).await;
    let mut owner = server.connect(&ada).await;
    owner.join("den").await;
    let first = owner.send("den", "one").await["seq"].clone();
    let second = owner.send("den", "two").await["seq"].clone();
    let mut socket = server.connect(&bob).await;
    socket.join("den").await;
    let delete = |seq: &Value| json!({"type": "message.delete", "room": "den", "seq": seq});
    let done = socket.ask(delete(&first)).await;
    assert_ne!(done["type"], "error", "{done}");
    for (role, may_send) in [("member", true), ("reader", false)] {
        let lower = json!({"name": "bob", "role": role});
        must("POST", members, Some(&ada), lower).await;
        assert_eq!(
            socket.ask(delete(&second)).await["code"],
            "forbidden",
            "{role}"
        );
        let client_id = salon::ids::ClientId::new();
        let send =
            json!({"type": "message.send", "room": "den", "client_id": client_id, "body": "hi"});
        let answer = socket.ask(send).await;
        assert_eq!(answer["code"] == "forbidden", !may_send, "{role}: {answer}");
    }
    server.shutdown.stop();
}
