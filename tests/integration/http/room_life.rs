//! Topics, archiving, lists, muting and direct rooms over HTTP, by people with different rights.

use serde_json::{Value, json};

use crate::support::app::{TestApp, ask, person};

/// What is answered; it must be a success.
async fn ok(app: &TestApp, token: &str, what: &str, body: Value) -> Value {
    let answer = ask(app, token, what, body).await;
    assert!(answer.status.is_success(), "{what}: {answer:?}");
    answer.json()
}

/// The status and the code of a refusal.
async fn no(app: &TestApp, token: &str, what: &str, body: Value) -> (u16, String) {
    let answer = ask(app, token, what, body).await;
    assert!(!answer.status.is_success(), "{what}: {answer:?}");
    (answer.status.as_u16(), answer.code().to_owned())
}

/// Whose token it is.
async fn id_of(app: &TestApp, token: &str) -> Value {
    let me = ok(app, token, "GET /api/me", Value::Null).await;
    me["user"]["id"].clone()
}

fn refusal(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn a_room_gets_a_topic_and_is_archived() {
    let app = TestApp::start(&[]).await;
    let (ada, bob) = (person(&app, "ada").await, person(&app, "bob").await);
    let room = json!({"slug": "den", "name": "Den"});
    let made = ok(&app, &ada, "POST /api/rooms", room).await;
    assert_eq!(
        (&made["topic"], &made["archived"], &made["people"]),
        (&json!(""), &json!(false), &json!(0))
    );
    ok(&app, &bob, "POST /api/rooms/den/join", Value::Null).await;
    let patch = "PATCH /api/rooms/den";
    let topic = json!({"topic": "  The\n sea "});
    assert_eq!(
        no(&app, &bob, patch, topic.clone()).await,
        refusal(403, "forbidden")
    );
    assert_eq!(ok(&app, &ada, patch, topic).await["topic"], "The sea");
    for bad in [
        json!({}),
        json!({"topic": "x".repeat(257)}),
        json!({"archived": 1}),
    ] {
        assert_eq!(
            no(&app, &ada, patch, bad).await,
            refusal(400, "bad_request")
        );
    }
    let post = "POST /api/rooms/den/messages";
    ok(&app, &bob, post, json!({"body": "hello"})).await;
    let closed = ok(&app, &ada, patch, json!({"archived": true})).await;
    assert_eq!(
        (&closed["archived"], &closed["topic"]),
        (&json!(true), &json!("The sea"))
    );
    let archived = refusal(409, "room_archived");
    assert_eq!(
        no(&app, &bob, post, json!({"body": "more"})).await,
        archived
    );
    let mine = "/api/rooms/den/messages/1";
    let edit = json!({"body": "changed"});
    assert_eq!(
        no(&app, &bob, &format!("PATCH {mine}"), edit).await,
        archived
    );
    assert_eq!(
        no(&app, &ada, &format!("PUT {mine}/pin"), Value::Null).await,
        archived
    );
    ok(&app, &bob, &format!("DELETE {mine}"), Value::Null).await;
    ok(&app, &ada, patch, json!({"archived": false})).await;
    ok(&app, &bob, post, json!({"body": "more"})).await;
}

#[tokio::test]
async fn rooms_are_listed_searched_and_muted() {
    let app = TestApp::start(&[]).await;
    let (ada, bob) = (person(&app, "ada").await, person(&app, "bob").await);
    for slug in ["one", "two"] {
        ok(&app, &ada, "POST /api/rooms", json!({"slug": slug})).await;
    }
    ok(
        &app,
        &ada,
        "POST /api/rooms/one/messages",
        json!({"body": "hello"}),
    )
    .await;
    let mute = "PUT /api/rooms/one/mute";
    assert_eq!(
        ok(&app, &ada, mute, json!({"muted": true})).await,
        json!({"muted": true})
    );
    assert_eq!(
        no(&app, &bob, mute, json!({"muted": true})).await,
        refusal(403, "not_a_member")
    );
    let list = ok(&app, &ada, "GET /api/rooms", Value::Null).await;
    let first = &list["rooms"][0];
    assert_eq!(
        (&first["slug"], &first["muted"]),
        (&json!("one"), &json!(true))
    );
    let last = &first["last"];
    assert_eq!(
        (
            &last["seq"],
            &last["author"],
            &last["author_id"],
            &last["text"],
            &last["deleted"]
        ),
        (
            &json!(1),
            &json!("ada"),
            &id_of(&app, &ada).await,
            &json!("hello"),
            &json!(false)
        )
    );
    assert_eq!(list["rooms"][1]["last"], Value::Null);
    let taken = json!({"slug": "public"});
    assert_eq!(
        no(&app, &ada, "POST /api/rooms", taken).await,
        refusal(400, "bad_request")
    );
}

#[tokio::test]
async fn public_rooms_are_found_page_by_page() {
    let app = TestApp::start(&[]).await;
    let (ada, bob) = (person(&app, "ada").await, person(&app, "bob").await);
    for slug in ["one", "two"] {
        ok(&app, &ada, "POST /api/rooms", json!({"slug": slug})).await;
    }
    let found = ok(
        &app,
        &bob,
        "GET /api/rooms/public?q=%20TW%20&limit=1",
        Value::Null,
    )
    .await;
    assert_eq!(
        found,
        json!({"rooms": [{"slug": "two", "name": "two", "topic": "", "archived": false, "members": 1, "role": null}], "more": true})
    );
    let next = ok(
        &app,
        &bob,
        "GET /api/rooms/public?q=tw&after=two",
        Value::Null,
    )
    .await;
    assert_eq!(next, json!({"rooms": [], "more": false}));
    let long = format!("q={}", "x".repeat(101));
    for bad in ["limit=0", "limit=51", "after=%20", "q=%00", long.as_str()] {
        let what = format!("GET /api/rooms/public?{bad}");
        assert_eq!(
            no(&app, &bob, &what, Value::Null).await,
            refusal(400, "bad_request")
        );
    }
}

#[tokio::test]
async fn people_meet_in_direct_rooms() {
    let app = TestApp::start(&[]).await;
    let (ada, bob) = (person(&app, "Ada").await, person(&app, "bob").await);
    let eve = person(&app, "eve").await;
    let direct = "POST /api/direct";
    let pair = ok(&app, &ada, direct, json!({"users": ["Bob", "ada"]})).await;
    assert_eq!(
        (
            &pair["name"],
            &pair["visibility"],
            &pair["people"],
            &pair["role"]
        ),
        (
            &json!("Ada, bob"),
            &json!("direct"),
            &json!(2),
            &json!("member")
        )
    );
    let same = ok(&app, &bob, direct, json!({"users": ["ada"]})).await;
    assert_eq!(same["slug"], pair["slug"]);
    let group = ok(&app, &ada, direct, json!({"users": ["bob", "eve"]})).await;
    assert_eq!(group["people"], 3);
    let slug = pair["slug"].as_str().unwrap();
    assert_eq!(
        no(&app, &eve, &format!("GET /api/rooms/{slug}"), Value::Null).await,
        refusal(404, "room_not_found")
    );
    let posted = ok(
        &app,
        &bob,
        &format!("POST /api/rooms/{slug}/messages"),
        json!({"body": "hi"}),
    )
    .await;
    assert_eq!(
        posted["reply_seq"],
        Value::Null,
        "nobody called the assistant"
    );
    let me = ok(&app, &bob, "GET /api/me", Value::Null).await;
    let id = me["id"].as_str().or(me["user"]["id"].as_str()).unwrap();
    assert_eq!(
        no(
            &app,
            &bob,
            &format!("DELETE /api/rooms/{slug}/members/{id}"),
            Value::Null
        )
        .await,
        refusal(403, "forbidden")
    );
}

#[tokio::test]
async fn s28_by_an_id_only_who_shares_a_room_is_met() {
    let app = TestApp::start(&[]).await;
    let ada = person(&app, "ada").await;
    let (one, other) = (app.guest("Bob").await, app.guest("Bob").await);
    let (first, second) = (id_of(&app, &one).await, id_of(&app, &other).await);
    let direct = "POST /api/direct";
    let found = ok(&app, &ada, direct, json!({"user_ids": [first]})).await;
    let again = json!({"users": ["ada"], "user_ids": [first, second]});
    let group = ok(&app, &one, direct, again).await;
    assert_eq!((&found["people"], &group["people"]), (&json!(2), &json!(3)));
    let back = ok(&app, &one, direct, json!({"users": ["ada"]})).await;
    assert_eq!(back["slug"], found["slug"], "it is that very guest");

    // Out of every room, an id is nobody's, as one that never was.
    let second = second.as_str().unwrap();
    for slug in ["lobby", group["slug"].as_str().unwrap()] {
        let leave = format!("DELETE /api/rooms/{slug}/members/{second}");
        ok(&app, &other, &leave, Value::Null).await;
    }
    let never = "019a7b1d-0000-7000-8000-000000000009";
    for ids in [json!([second]), json!([first, never])] {
        let wish = json!({"user_ids": ids});
        assert_eq!(
            no(&app, &ada, direct, wish).await,
            refusal(404, "user_not_found")
        );
    }
    let (names, ids) = (vec!["x"; 5], vec![never; 5]);
    let many = json!({"users": names, "user_ids": ids});
    assert_eq!(
        no(&app, &ada, direct, many).await,
        refusal(400, "bad_request")
    );
}

#[tokio::test]
async fn a_direct_room_needs_people_to_meet() {
    let app = TestApp::start(&[]).await;
    let ada = person(&app, "Ada").await;
    person(&app, "bob").await;
    let direct = "POST /api/direct";
    let alone = ok(&app, &ada, direct, json!({"users": ["assistant"]})).await;
    assert_eq!(
        (&alone["people"], &alone["role"]),
        (&json!(0), &json!("owner"))
    );
    let many: Vec<String> = (0..10).map(|number| format!("user{number}")).collect();
    for (users, expected) in [
        (json!([]), refusal(400, "bad_request")),
        (json!(["ada"]), refusal(400, "bad_request")),
        (json!(["bob", "assistant"]), refusal(400, "bad_request")),
        (json!(many), refusal(400, "bad_request")),
        (json!(["nobody"]), refusal(404, "user_not_found")),
        (json!([""]), refusal(404, "user_not_found")),
    ] {
        assert_eq!(
            no(&app, &ada, direct, json!({"users": users})).await,
            expected
        );
    }
}

#[tokio::test]
async fn a_room_is_told_what_of_its_messages_it_keeps() {
    let app = TestApp::start(&[]).await;
    let ada = person(&app, "ada").await;
    ok(&app, &ada, "POST /api/rooms", json!({"slug": "den"})).await;
    let (show, set) = (
        "GET /api/rooms/den/retention",
        "PUT /api/rooms/den/retention",
    );
    for (wish, kept) in [
        (
            json!({"days": null, "messages": 100}),
            json!({"days": null, "messages": 100}),
        ),
        // As clients of before send it.
        (json!({"days": 7}), json!({"days": 7, "messages": 100})),
        (
            json!({"days": 7, "messages": null}),
            json!({"days": 7, "messages": null}),
        ),
    ] {
        ok(&app, &ada, set, wish).await;
        assert_eq!(ok(&app, &ada, show, Value::Null).await, kept);
    }
    for bad in [
        json!({"messages": 5}),
        json!({"days": null, "messages": 0}),
        json!({"days": null, "messages": 1_000_000_001}),
        json!({"days": 0, "messages": 5}),
    ] {
        assert_eq!(no(&app, &ada, set, bad).await, refusal(400, "bad_request"));
    }
}

#[tokio::test]
async fn the_list_of_rooms_comes_in_pages() {
    let app = TestApp::start(&[]).await;
    let ada = person(&app, "ada").await;
    for slug in ["one", "two", "three"] {
        ok(&app, &ada, "POST /api/rooms", json!({"slug": slug})).await;
    }
    let list = ok(&app, &ada, "GET /api/rooms", Value::Null).await;
    assert_eq!(
        (&list["more"], &list["next"]),
        (&json!(false), &Value::Null)
    );
    // The same, page by page.
    let (mut read, mut path) = (Vec::new(), "GET /api/rooms?limit=1".to_owned());
    loop {
        let page = ok(&app, &ada, &path, Value::Null).await;
        read.extend(page["rooms"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else {
            assert_eq!(page["more"], false);
            break;
        };
        path = format!("GET /api/rooms?limit=1&after={next}");
    }
    assert_eq!(json!(read), list["rooms"]);
    for bad in [
        "limit=0",
        "limit=501",
        "after=one",
        "after=own:1",
        "after=public:%20",
    ] {
        let what = format!("GET /api/rooms?{bad}");
        assert_eq!(
            no(&app, &ada, &what, Value::Null).await,
            refusal(400, "bad_request")
        );
    }
}
