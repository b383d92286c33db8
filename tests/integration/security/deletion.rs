//! What is left of a room that was deleted: line 79. What a deleted account leaves is shown beside the sessions.

use salon::db::Store;
use salon::ids::UserId;
use serde_json::{Value, json};

use super::{RATES, make_den, must, text};
use crate::support::app::{TestApp, ask, person};

/// Every answer of the API that could tell, and what a model would be told.
async fn told(app: &TestApp, who: &str) -> Vec<String> {
    let mut told = Vec::new();
    for what in [
        "GET /api/rooms",
        "GET /api/rooms/den",
        "GET /api/rooms/den/messages",
        "GET /api/rooms/den/messages/1",
        "GET /api/rooms/den/members",
        "GET /api/rooms/den/pins",
        "GET /api/rooms/den/export",
        "GET /api/search?q=kettle",
        "GET /api/search?q=kettle&room=den",
    ] {
        let answer = ask(app, who, what, Value::Null).await;
        told.push(format!("{what}: {} {}", answer.status, text(&answer)));
    }
    told
}

#[tokio::test]
async fn s79_of_a_deleted_room_nothing_stays() {
    let app = TestApp::start(RATES).await;
    let owner = person(&app, "owner").await;
    make_den(&app, &owner).await;
    let said = json!({"body": "the kettle sings in the den"});
    must(&app, &owner, "POST /api/rooms/den/messages", said).await;
    let me = must(&app, &owner, "GET /api/me", Value::Null).await;
    let me: UserId = serde_json::from_value(me["user"]["id"].clone()).unwrap();
    let room = app.store.room(me, "den").await.unwrap().room.id;
    let holds = |told: &[String]| {
        told.iter()
            .filter(|told| told.contains("kettle sings"))
            .count()
    };
    assert!(holds(&told(&app, &owner).await) >= 4, "it was there");

    let answer = ask(&app, &owner, "DELETE /api/rooms/den", Value::Null).await;
    assert!(answer.status.is_success(), "{answer:?}");
    let after = told(&app, &owner).await;
    assert_eq!(holds(&after), 0, "{after:?}");
    assert!(after.iter().all(|told| !told.contains("Den")), "{after:?}");
    // Within minutes, what even the database does not give to anybody any more is gone too.
    while app.store.purge_deleted_rooms(0, 100).await.unwrap() {}
    let left = app.store.changes_after(room, 0, 100).await.unwrap();
    assert_eq!(left.changes.len(), 1, "that it was deleted: {left:?}");
    assert_eq!(app.store.context(room, 9, 9).await.unwrap(), []);
    let after = told(&app, &owner).await;
    assert_eq!(holds(&after), 0, "{after:?}");
}
