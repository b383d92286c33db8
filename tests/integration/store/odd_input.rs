//! What nobody sends by accident: refused, or found nowhere; never a panic, never a lost neighbour.

use salon::db::StoreError;
use salon::db::changes::Change;
use salon::db::rows::{UserKind, Visibility};
use salon::ids::{InstanceId, RoomId, UserId};

use super::fixtures::{CAPS, TestStore, account, append, batch, message, new_room};

/// Whether a call failed in a way the caller can act on, without having changed anything.
fn is_no<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Refused(_) | StoreError::Broken(_)))
}

pub(super) async fn a_nul_is_refused_and_its_neighbours_live(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let (bad, session) = account("a\0da", UserKind::User);
    assert!(is_no(&store.create_account(bad, session).await));
    let bad = new_room("de\0n", Visibility::Public);
    assert!(is_no(&store.create_room(bad, owner.id).await));

    let good = Change::Post(message(&owner, "good"));
    let bad = Change::Post(message(&owner, "b\0d"));
    match store
        .apply(batch(vec![(room, vec![good.clone(), bad])]))
        .await
    {
        // Either the one change is refused, or the batch is, for the writer to bisect.
        Ok(applied) => {
            let done = super::fixtures::done(applied.rooms.into_iter().next().unwrap());
            assert!(done.outcomes[0].is_ok() && done.outcomes[1].is_err());
            assert_eq!(done.head.version, 1);
        }
        Err(StoreError::Broken(_)) => {
            assert_eq!(store.heads(&[room]).await.unwrap()[0].version, 0);
            assert_eq!(store.write(room, vec![good]).await.head.version, 1);
        }
        Err(other) => panic!("{other}"),
    }
    store.prompt(room, &owner).await;
    let runner = InstanceId::new();
    let claimed = store.claim_one(runner).await;
    assert!(is_no(
        &store
            .append_chunks(runner, vec![append(&claimed, 1, 1, Some("\0"))])
            .await
    ));
    assert_eq!(store.post(room, message(&owner, "alive")).await.version, 4);
}

pub(super) async fn odd_names_are_only_not_found(store: &TestStore) {
    let owner = store.person("owner").await;
    let long = "x".repeat(100_000);
    for name in [
        "",
        " ",
        "\0",
        "a\0",
        "'; DROP TABLE users; --",
        "%",
        "\u{fffd}\u{10ffff}",
        &long,
    ] {
        assert!(is_no(&store.user_by_name(name).await), "{name:.20?}");
        assert!(is_no(&store.room(owner.id, name).await), "{name:.20?}");
        assert!(is_no(&store.join_room(owner.id, name).await), "{name:.20?}");
        assert!(
            is_no(&store.history(owner.id, name, None, 9).await),
            "{name:.20?}"
        );
        assert!(
            !matches!(store.credentials(name).await, Ok(Some(_))),
            "{name:.20?}"
        );
    }
    store.ping().await.unwrap();
    assert_eq!(store.user_by_name("owner").await.unwrap(), owner);
}

pub(super) async fn odd_numbers_are_only_empty(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.post(room, message(&owner, "one")).await;
    for number in [i64::MIN, -1, 0, i64::MAX] {
        assert!(is_no(&store.message(owner.id, "den", number).await));
        let down = store
            .history(owner.id, "den", Some(number), 9)
            .await
            .unwrap();
        let up = store
            .history_after(owner.id, "den", number, 9)
            .await
            .unwrap();
        assert_eq!(down.messages.len() + up.messages.len(), 1, "{number}");
        let changes = store.changes_after(room, number, 9).await.unwrap();
        assert_eq!(changes.head.version, 1);
        for change in [
            Change::StopReply {
                actor: owner.id,
                seq: number,
            },
            Change::RetryReply {
                actor: owner.id,
                seq: number,
                caps: salon::spending::Caps::default(),
            },
            Change::InterruptReply {
                seq: number,
                attempt: i32::MAX,
            },
        ] {
            assert!(store.change(room, change).await.is_err());
        }
        assert_eq!(store.reply_chunks(room, number, 1, 1).await.unwrap(), []);
    }
    assert_eq!(
        store
            .history(owner.id, "den", None, 0)
            .await
            .unwrap()
            .messages,
        []
    );
    assert_eq!(
        store
            .claim_replies(InstanceId::new(), 0, CAPS)
            .await
            .unwrap(),
        []
    );
    assert_eq!(store.running_replies(RoomId::new()).await.unwrap(), []);
    assert_eq!(store.context(RoomId::new(), 1, 9).await.unwrap(), []);
    assert_eq!(store.rooms(UserId::new(), None, 9).await.unwrap().len(), 2);
}
