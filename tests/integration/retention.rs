//! What readers see of a room's retention: who is there hears where history now begins; who comes back from before it is
//! told to begin anew (P2, P3).

use std::sync::Arc;
use std::time::Duration;

use salon::db::rows::Visibility;
use salon::jobs::retention::{retain_once, run};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::client::RoomClient;
use crate::support::instance::Instance;

const DAY: i64 = 24 * 3_600;

#[tokio::test]
async fn readers_hear_where_history_begins_and_old_cursors_are_reset() {
    let (salon, database) = Instance::alone().await;
    let owner = salon.user("owner").await;
    salon.make_room(&owner, "den", Visibility::Public).await;
    let mut here = salon.connect(&owner).await;
    let joined = here.join("den").await;
    for number in 1..=5 {
        here.send("den", &format!("old {number}")).await;
    }
    database.age_messages(3 * DAY);
    let set = salon
        .app
        .chat
        .set_retention(&owner, "den", Some(2), None)
        .await;
    assert_eq!(set.unwrap(), 6);
    // It begins at once, and the second time there is nothing to do: nothing takes a version.
    assert!(!retain_once(&salon.store, &salon.writer).await);
    here.send("den", "new").await;
    let told = here
        .expect_where("room.changed", |frame| frame["version"] == 7)
        .await;
    assert_eq!(
        (&told["change"], &told["data"]),
        (&json!("settings"), &json!({"first_seq": 6}))
    );

    // From before the removal, at it, and after it.
    let epoch = joined["epoch"].clone();
    for (after, reset) in [
        (0, json!("retention")),
        (4, json!("retention")),
        (5, json!(null)),
        (8, json!(null)),
    ] {
        let mut back = salon.connect(&owner).await;
        let mut client = RoomClient::new("den");
        let joined = back.join_after("den", &epoch, after).await;
        assert_eq!(joined["reset"], reset, "after {after}");
        assert_eq!(joined["room"]["first_seq"], 6);
        client.take(&joined);
        while client.cursor < 8 {
            client.take(&back.receive_json_from().await);
        }
        client.check();
        let expected: &[&str] = if after < 8 { &["new"] } else { &[] };
        assert_eq!(client.bodies(), expected, "after {after}");
        back.receive_nothing(Duration::from_millis(50)).await;
    }
}

/// Nobody waits ten minutes for what a room is not to keep any more.
#[tokio::test]
async fn what_a_room_is_not_to_keep_goes_as_soon_as_it_is_told_so() {
    let (salon, _database) = Instance::alone().await;
    let owner = salon.user("owner").await;
    salon.make_room(&owner, "den", Visibility::Public).await;
    let mut here = salon.connect(&owner).await;
    here.join("den").await;
    for number in 1..=5 {
        here.send("den", &format!("{number}")).await;
    }
    let chat = &salon.app.chat;
    let stop = CancellationToken::new();
    let job = tokio::spawn(run(
        Arc::clone(&salon.store),
        Arc::clone(chat),
        stop.clone(),
    ));
    for (kept, first) in [(3, 3), (1, 5)] {
        let set = chat.set_retention(&owner, "den", None, Some(Some(kept)));
        set.await.unwrap();
        let told = here.expect_where("room.changed", |frame| {
            frame["data"]["first_seq"] == json!(first)
        });
        told.await;
    }
    stop.cancel();
    job.await.unwrap();
}
