//! Rooms, members and messages over HTTP, by several people with different rights.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::app::{Answer, TestApp};

/// Somebody with a token.
struct Person<'a> {
    app: &'a TestApp,
    token: String,
    name: String,
    id: String,
}

impl<'a> Person<'a> {
    /// Signs up.
    async fn new(app: &'a TestApp, name: &str) -> Self {
        let wanted = json!({"name": name, "password": "correct horse"});
        let made = app
            .request(Method::POST, "/api/users")
            .json(&wanted)
            .send()
            .await
            .json();
        Self {
            app,
            token: made["token"].as_str().unwrap().to_owned(),
            name: name.to_owned(),
            id: made["user"]["id"].as_str().unwrap().to_owned(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.app
            .request(Method::GET, path)
            .bearer(&self.token)
            .send()
            .await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.app
            .request(Method::POST, path)
            .bearer(&self.token)
            .json(body)
            .send()
            .await
    }

    async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.app
            .request(Method::PATCH, path)
            .bearer(&self.token)
            .json(body)
            .send()
            .await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.app
            .request(Method::DELETE, path)
            .bearer(&self.token)
            .send()
            .await
    }

    async fn slugs(&self) -> Vec<String> {
        let rooms = self.get("/api/rooms").await.json();
        let rooms = rooms["rooms"].as_array().unwrap();
        rooms
            .iter()
            .map(|room| room["slug"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn refused(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.code())
}

fn says(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn a_room_is_made_changed_and_deleted_by_its_owner() {
    let app = TestApp::start(&[]).await;
    let (ada, bo) = (
        Person::new(&app, "Ada").await,
        Person::new(&app, "Bo").await,
    );
    assert_eq!(ada.slugs().await, ["lobby"]);

    let made = ada
        .post(
            "/api/rooms",
            &json!({"slug": "garden", "name": " The  Garden "}),
        )
        .await;
    assert_eq!(
        (
            made.status.as_u16(),
            made.headers["location"].to_str().unwrap()
        ),
        (201, "/api/rooms/garden")
    );
    let room = made.json();
    assert_eq!(
        (
            &room["name"],
            &room["visibility"],
            &room["role"],
            &room["version"]
        ),
        (
            &json!("The Garden"),
            &json!("public"),
            &json!("owner"),
            &json!(0)
        )
    );
    assert_eq!(
        refused(&bo.post("/api/rooms", &json!({"slug": "garden"})).await),
        says(409, "slug_taken")
    );

    assert_eq!(
        bo.get("/api/rooms/garden").await.json()["role"],
        Value::Null,
        "seen, not joined"
    );
    assert_eq!(
        refused(&bo.get("/api/rooms/garden/messages").await),
        says(403, "not_a_member")
    );
    assert_eq!(
        bo.post("/api/rooms/garden/join", &json!(null)).await.json()["role"],
        "member"
    );
    assert_eq!(
        refused(
            &bo.patch("/api/rooms/garden", &json!({"name": "Mine"}))
                .await
        ),
        says(403, "forbidden")
    );
    assert_eq!(
        refused(&bo.delete("/api/rooms/garden").await),
        says(403, "forbidden")
    );

    let edited = ada
        .patch(
            "/api/rooms/garden",
            &json!({"name": "Park", "visibility": "private"}),
        )
        .await
        .json();
    assert_eq!(
        (&edited["name"], &edited["visibility"], &edited["version"]),
        (&json!("Park"), &json!("private"), &json!(1))
    );
    assert_eq!(
        ada.delete("/api/rooms/garden").await.json(),
        json!({"version": 2})
    );
    assert_eq!(
        refused(&ada.get("/api/rooms/garden").await),
        says(404, "room_not_found")
    );
    assert_eq!(
        refused(&ada.post("/api/rooms", &json!({"slug": "garden"})).await),
        says(409, "slug_taken")
    );
}

#[tokio::test]
async fn a_private_room_does_not_exist_for_others() {
    let app = TestApp::start(&[]).await;
    let (ada, eve) = (
        Person::new(&app, "Ada").await,
        Person::new(&app, "Eve").await,
    );
    ada.post(
        "/api/rooms",
        &json!({"slug": "den", "visibility": "private"}),
    )
    .await;
    ada.post("/api/rooms/den/messages", &json!({"body": "secret"}))
        .await;
    assert_eq!(eve.slugs().await, ["lobby"]);
    let member = format!("/api/rooms/den/members/{}", ada.id);
    for (private, missing) in [
        (
            eve.get("/api/rooms/den").await,
            eve.get("/api/rooms/none").await,
        ),
        (
            eve.get("/api/rooms/den/messages").await,
            eve.get("/api/rooms/none/messages").await,
        ),
        (
            eve.get("/api/rooms/den/messages/1").await,
            eve.get("/api/rooms/none/messages/1").await,
        ),
        (
            eve.get("/api/rooms/den/members").await,
            eve.get("/api/rooms/none/members").await,
        ),
        (
            eve.post("/api/rooms/den/join", &json!(null)).await,
            eve.post("/api/rooms/none/join", &json!(null)).await,
        ),
        (
            eve.post("/api/rooms/den/messages", &json!({"body": "hi"}))
                .await,
            eve.post("/api/rooms/none/messages", &json!({"body": "hi"}))
                .await,
        ),
        (
            eve.post("/api/rooms/den/members", &json!({"name": "Eve"}))
                .await,
            eve.post("/api/rooms/none/members", &json!({"name": "Eve"}))
                .await,
        ),
        (
            eve.post("/api/rooms/den/replies/1/stop", &json!(null))
                .await,
            eve.post("/api/rooms/none/replies/1/stop", &json!(null))
                .await,
        ),
        (
            eve.patch("/api/rooms/den", &json!({"name": "x"})).await,
            eve.patch("/api/rooms/none", &json!({"name": "x"})).await,
        ),
        (
            eve.delete(&member).await,
            eve.delete(&member.replace("den", "none")).await,
        ),
        (
            eve.delete("/api/rooms/den").await,
            eve.delete("/api/rooms/none").await,
        ),
    ] {
        assert_eq!(refused(&private), says(404, "room_not_found"));
        assert_eq!(
            private.json(),
            missing.json(),
            "hidden and missing look the same"
        );
    }
}

#[tokio::test]
async fn members_come_change_and_go() {
    let app = TestApp::start(&[]).await;
    let (ada, bo, cy) = (
        Person::new(&app, "Ada").await,
        Person::new(&app, "Bo").await,
        Person::new(&app, "Cy").await,
    );
    ada.post(
        "/api/rooms",
        &json!({"slug": "den", "visibility": "private"}),
    )
    .await;
    let members = "/api/rooms/den/members";
    assert_eq!(
        ada.post(members, &json!({"name": "bo", "role": "moderator"}))
            .await
            .json(),
        json!({"version": 1})
    );
    assert_eq!(
        bo.post(members, &json!({"name": "Cy", "role": "reader"}))
            .await
            .json(),
        json!({"version": 2})
    );
    assert_eq!(
        refused(
            &bo.post(members, &json!({"name": "Cy", "role": "owner"}))
                .await
        ),
        says(403, "forbidden")
    );
    assert_eq!(
        refused(&ada.post(members, &json!({"name": "Nobody"})).await),
        says(404, "user_not_found")
    );
    assert_eq!(
        refused(
            &ada.post(members, &json!({"name": "Ada", "role": "member"}))
                .await
        ),
        says(409, "last_owner")
    );

    let listed = cy.get(members).await.json();
    let listed: Vec<_> = listed["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| {
            (
                member["user"]["name"].as_str().unwrap(),
                member["role"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        listed,
        [
            (ada.name.as_str(), "owner"),
            (bo.name.as_str(), "moderator"),
            (cy.name.as_str(), "reader")
        ]
    );
    let after = cy.get(&format!("{members}?after={}", bo.id)).await.json();
    assert_eq!(after["members"].as_array().unwrap().len(), 1);
    assert_eq!(after["more"], false);

    assert_eq!(
        refused(
            &cy.post("/api/rooms/den/messages", &json!({"body": "hi"}))
                .await
        ),
        says(403, "forbidden")
    );
    assert_eq!(
        refused(&cy.delete(&format!("{members}/{}", bo.id)).await),
        says(403, "forbidden")
    );
    assert_eq!(
        bo.delete(&format!("{members}/{}", cy.id)).await.json(),
        json!({"version": 3})
    );
    assert_eq!(
        refused(&cy.get("/api/rooms/den/messages").await),
        says(404, "room_not_found")
    );
    assert_eq!(
        bo.delete(&format!("{members}/{}", bo.id)).await.status,
        200,
        "anyone may leave"
    );
    assert_eq!(
        refused(&ada.delete(&format!("{members}/{}", ada.id)).await),
        says(409, "last_owner")
    );
}

#[tokio::test]
async fn messages_are_posted_once_and_paged() {
    let app = TestApp::start(&[]).await;
    let ada = Person::new(&app, "Ada").await;
    let messages = "/api/rooms/lobby/messages";
    let client_id = "018f0000-0000-7000-8000-000000000001";
    let sent = json!({"body": "hello", "client_id": client_id, "author": "root", "seq": 99});
    let first = ada.post(messages, &sent).await;
    assert_eq!(
        (
            first.status.as_u16(),
            first.headers["location"].to_str().unwrap()
        ),
        (201, "/api/rooms/lobby/messages/1")
    );
    let accepted = first.json();
    assert_eq!(
        (
            &accepted["seq"],
            &accepted["version"],
            &accepted["duplicate"],
            &accepted["reply_seq"]
        ),
        (&json!(1), &json!(1), &json!(false), &Value::Null)
    );
    let again = ada.post(messages, &sent).await;
    assert_eq!(
        (
            again.status.as_u16(),
            &again.json()["seq"],
            &again.json()["duplicate"]
        ),
        (200, &json!(1), &json!(true))
    );

    for number in 2..=5 {
        let posted = ada
            .post(
                messages,
                &json!({"body": format!("number {number}"), "reply_to": 1}),
            )
            .await;
        assert_eq!(posted.json()["seq"], number);
    }
    assert_eq!(
        refused(
            &ada.post(messages, &json!({"body": "x", "reply_to": 77}))
                .await
        ),
        says(404, "message_not_found")
    );

    let page = |query: &'static str| {
        let ada = &ada;
        async move {
            let page = ada.get(&format!("{messages}{query}")).await.json();
            let seqs: Vec<i64> = page["messages"]
                .as_array()
                .unwrap()
                .iter()
                .map(|message| message["seq"].as_i64().unwrap())
                .collect();
            (seqs, page["more"].as_bool().unwrap())
        }
    };
    assert_eq!(page("").await, (vec![1, 2, 3, 4, 5], false));
    assert_eq!(page("?limit=2").await, (vec![4, 5], true));
    assert_eq!(page("?limit=2&before=4").await, (vec![2, 3], true));
    assert_eq!(page("?limit=2&before=2").await, (vec![1], false));
    assert_eq!(page("?limit=2&after=0").await, (vec![1, 2], true));
    assert_eq!(page("?after=3").await, (vec![4, 5], false));
    assert_eq!(page("?after=5").await, (vec![], false));

    let one = ada.get("/api/rooms/lobby/messages/1").await.json();
    assert_eq!(
        (
            &one["body"],
            &one["author"]["name"],
            &one["client_id"],
            &one["state"]
        ),
        (
            &json!("hello"),
            &json!("Ada"),
            &json!(client_id),
            &json!("complete")
        )
    );
    assert_eq!(
        refused(&ada.get("/api/rooms/lobby/messages/77").await),
        says(404, "message_not_found")
    );
}

#[tokio::test]
async fn a_reply_is_stopped_and_asked_for_again() {
    let app = TestApp::start(&[]).await;
    let (ada, bo) = (
        Person::new(&app, "Ada").await,
        Person::new(&app, "Bo").await,
    );
    let prompt = ada
        .post(
            "/api/rooms/lobby/messages",
            &json!({"body": "@assistant are you there?"}),
        )
        .await
        .json();
    assert_eq!(prompt["reply_seq"], 2);
    assert_eq!(
        ada.get("/api/rooms/lobby/messages/2").await.json()["state"],
        "queued"
    );
    assert_eq!(
        refused(
            &bo.post("/api/rooms/lobby/replies/2/stop", &json!(null))
                .await
        ),
        says(403, "forbidden")
    );
    assert_eq!(
        refused(
            &ada.post("/api/rooms/lobby/replies/1/stop", &json!(null))
                .await
        ),
        says(404, "reply_not_found")
    );
    assert_eq!(
        ada.post("/api/rooms/lobby/replies/2/stop", &json!(null))
            .await
            .json(),
        json!({"version": 3})
    );
    assert_eq!(
        ada.get("/api/rooms/lobby/messages/2").await.json()["state"],
        "stopped"
    );
    assert_eq!(
        refused(
            &ada.post("/api/rooms/lobby/replies/2/stop", &json!(null))
                .await
        ),
        says(409, "reply_settled")
    );
    assert_eq!(
        ada.post("/api/rooms/lobby/replies/2/retry", &json!(null))
            .await
            .json(),
        json!({"version": 4})
    );
    assert_eq!(
        refused(
            &ada.post("/api/rooms/lobby/replies/2/retry", &json!(null))
                .await
        ),
        says(409, "reply_running")
    );
}
