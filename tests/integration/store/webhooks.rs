//! Outgoing webhooks: who may make them, who delivers, and what is known of it.

use std::ops::Deref;

use chrono::Utc;
use salon::db::changes::{Change, RoomEdit};
use salon::db::rows::Visibility;
use salon::db::webhooks::{
    AttemptRow, ClaimedWebhook, NewWebhook, WebhookDisabled, WebhookEdit, WebhookEvent,
    WebhookEvents, WebhookOutcome, WebhookPlace, WebhookRow, WebhookSettled,
};
use salon::error::ErrorCode;
use salon::ids::{InstanceId, RoomId, UserId, WebhookId};
use salon::limits;
use salon::permissions::Role;
use secrecy::{ExposeSecret, SecretString};

use super::fixtures::{TestStore, changed, message, refused};

const DAY: i64 = 24 * 3_600;

fn new_webhook(secret: &str) -> NewWebhook {
    NewWebhook {
        id: WebhookId::new(),
        url: "https://hooks.example/in".into(),
        events: WebhookEvents::of(&[WebhookEvent::Message]),
        secret: SecretString::from(secret.to_owned()),
    }
}

impl TestStore {
    /// A webhook of the room `den`.
    async fn hook(&self, owner: UserId) -> WebhookRow {
        let made = self.create_webhook(owner, "den", new_webhook("one")).await;
        made.unwrap()
    }

    /// Claims the one webhook that is due.
    async fn claim_hook(&self, owner: InstanceId) -> ClaimedWebhook {
        let mut claimed = self.claim_webhooks(owner, 10).await.unwrap();
        assert_eq!(claimed.len(), 1, "one webhook is due");
        claimed.remove(0)
    }

    async fn settle(
        &self,
        owner: InstanceId,
        claimed: &ClaimedWebhook,
        settled: WebhookSettled,
    ) -> bool {
        let tried = Some(tried(&settled));
        self.deref()
            .settle_webhook(owner, claimed.id, claimed.attempt, settled, tried)
            .await
            .unwrap()
    }

    /// The one webhook of the room `den`.
    async fn shown(&self, owner: UserId) -> WebhookRow {
        self.webhooks(owner, "den").await.unwrap().remove(0)
    }
}

fn tried(settled: &WebhookSettled) -> AttemptRow {
    let delivered = matches!(settled, WebhookSettled::Advanced(_));
    AttemptRow {
        at: Utc::now(),
        from: 0,
        to: 1,
        events: 1,
        outcome: if delivered {
            WebhookOutcome::Delivered
        } else {
            WebhookOutcome::Refused
        },
        status: Some(if delivered { 204 } else { 500 }),
        detail: "said".into(),
        took_ms: 7,
    }
}

fn failed(wait_ms: i64) -> WebhookSettled {
    WebhookSettled::Failed {
        wait_ms,
        gone: false,
    }
}

fn advanced(claimed: &ClaimedWebhook, version: i64) -> WebhookSettled {
    WebhookSettled::Advanced(WebhookPlace {
        version,
        seen_seq: version,
        awaited: vec![7, 9],
        ..claimed.place.clone()
    })
}

fn texts(secrets: &[SecretString]) -> Vec<&str> {
    secrets
        .iter()
        .map(|secret| secret.expose_secret())
        .collect()
}

pub(super) async fn those_who_manage_a_room_make_its_webhooks(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let moderator = store
        .member(room, &owner, "moderator", Role::Moderator)
        .await;
    let member = store.member(room, &owner, "member", Role::Member).await;
    let stranger = store.person("stranger").await;
    store.post(room, message(&owner, "before")).await;
    let made = store.hook(moderator.id).await;
    assert_eq!((made.version, made.enabled, made.failures), (3, true, 0));
    assert_eq!((made.created_by, made.last.as_ref()), (moderator.id, None));
    assert_eq!(
        store.webhooks(owner.id, "den").await.unwrap(),
        std::slice::from_ref(&made)
    );
    store.make_room(&owner, "other", Visibility::Private).await;
    for (user, slug, code) in [
        (member.id, "den", ErrorCode::Forbidden),
        (stranger.id, "den", ErrorCode::NotAMember),
        (stranger.id, "other", ErrorCode::RoomNotFound),
        (owner.id, "nowhere", ErrorCode::RoomNotFound),
        (owner.id, "other", ErrorCode::WebhookNotFound),
    ] {
        let id = made.id;
        let edit = WebhookEdit::default();
        assert_eq!(
            refused(store.edit_webhook(user, slug, id, edit).await),
            code
        );
        assert_eq!(refused(store.delete_webhook(user, slug, id).await), code);
        assert_eq!(refused(store.webhook_attempts(user, slug, id).await), code);
        assert_eq!(refused(store.webhook_target(user, slug, id).await), code);
        if code != ErrorCode::WebhookNotFound {
            let new = new_webhook("two");
            assert_eq!(refused(store.create_webhook(user, slug, new).await), code);
            assert_eq!(refused(store.webhooks(user, slug).await), code);
        }
    }
    assert_eq!(store.webhooks(owner.id, "other").await.unwrap(), []);
}

pub(super) async fn a_webhook_is_changed_switched_off_and_removed(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let made = store.hook(owner.id).await;
    let edit = WebhookEdit {
        url: Some("https://other.example/".into()),
        events: Some(WebhookEvents::of(WebhookEvent::ALL)),
        enabled: Some(false),
        secret: None,
    };
    let edited = store
        .edit_webhook(owner.id, "den", made.id, edit)
        .await
        .unwrap();
    assert_eq!(
        (edited.url.as_str(), edited.enabled),
        ("https://other.example/", false)
    );
    assert_eq!(edited.events.list(), WebhookEvent::ALL);
    store.post(room, message(&owner, "after")).await;
    let none: Vec<RoomId> = Vec::new();
    assert_eq!(store.rooms_with_webhooks(10).await.unwrap(), none);
    assert!(
        store
            .claim_webhooks(InstanceId::new(), 10)
            .await
            .unwrap()
            .is_empty(),
        "it is off"
    );
    store
        .delete_webhook(owner.id, "den", made.id)
        .await
        .unwrap();
    assert_eq!(store.webhooks(owner.id, "den").await.unwrap(), []);
    assert_eq!(
        refused(store.delete_webhook(owner.id, "den", made.id).await),
        ErrorCode::WebhookNotFound
    );
}

pub(super) async fn webhooks_of_a_room_are_bounded(store: &TestStore) {
    let (owner, _room) = store.owner_and_room().await;
    let most = usize::try_from(limits::WEBHOOKS_PER_ROOM).unwrap();
    let makes = (0..most + 3).map(|_| store.create_webhook(owner.id, "den", new_webhook("one")));
    let made = futures_util::future::join_all(makes).await;
    let refusals = made.into_iter().filter(Result::is_err).map(refused);
    assert_eq!(refusals.collect::<Vec<_>>(), [ErrorCode::TooMany; 3]);
    assert_eq!(store.webhooks(owner.id, "den").await.unwrap().len(), most);
}

pub(super) async fn a_new_secret_signs_beside_the_former_for_a_day(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let id = store.hook(owner.id).await.id;
    let target = async || store.webhook_target(owner.id, "den", id).await.unwrap();
    assert_eq!(texts(&target().await.secrets), ["one"]);
    let edit = |secret: &str| WebhookEdit {
        secret: Some(SecretString::from(secret.to_owned())),
        ..WebhookEdit::default()
    };
    store
        .edit_webhook(owner.id, "den", id, edit("two"))
        .await
        .unwrap();
    assert_eq!(texts(&target().await.secrets), ["two", "one"]);
    store.post(room, message(&owner, "hello")).await;
    let claimed = store.claim_hook(InstanceId::new()).await;
    assert_eq!(texts(&claimed.target.secrets), ["two", "one"]);
    assert!(!format!("{claimed:?} {:?}", claimed.target).contains("two"));
    store
        .edit_webhook(owner.id, "den", id, edit("three"))
        .await
        .unwrap();
    assert_eq!(texts(&target().await.secrets), ["three", "two"]);
    store.age(DAY + 1).await;
    assert_eq!(texts(&target().await.secrets), ["three"]);
    let claimed = store.claim_hook(InstanceId::new()).await;
    assert_eq!(texts(&claimed.target.secrets), ["three"]);
}

pub(super) async fn a_webhook_with_something_to_deliver_is_claimed_by_one(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.hook(owner.id).await;
    let (one, other) = (InstanceId::new(), InstanceId::new());
    assert!(
        store.claim_webhooks(one, 10).await.unwrap().is_empty(),
        "nothing was written"
    );
    assert_eq!(store.rooms_with_webhooks(10).await.unwrap(), [room]);
    store.post(room, message(&owner, "hello")).await;
    let (a, b) = tokio::join!(
        store.claim_webhooks(one, 10),
        store.claim_webhooks(other, 10)
    );
    assert_eq!(a.unwrap().len() + b.unwrap().len(), 1);
    assert!(store.claim_webhooks(one, 10).await.unwrap().is_empty());
    // It died.
    store.age(31).await;
    let claimed = store.claim_hook(other).await;
    assert_eq!(
        (
            claimed.attempt,
            claimed.slug.as_str(),
            claimed.place.version
        ),
        (2, "den", 0)
    );
    assert!(store.settle(other, &claimed, advanced(&claimed, 1)).await);
    assert!(
        store.claim_webhooks(one, 10).await.unwrap().is_empty(),
        "all is delivered"
    );
    store.post(room, message(&owner, "again")).await;
    let claimed = store.claim_hook(one).await;
    assert_eq!((claimed.place.version, claimed.place.seen_seq), (1, 1));
    assert_eq!(claimed.place.awaited, [7, 9]);
    let back = WebhookSettled::Released { wait_ms: 0 };
    assert!(
        store
            .deref()
            .settle_webhook(one, claimed.id, claimed.attempt, back, None)
            .await
            .unwrap()
    );
    assert_eq!(store.claim_hook(other).await.place, claimed.place);
    assert_eq!(store.shown(owner.id).await.last.unwrap().status, Some(204));
}

pub(super) async fn a_lost_claim_changes_nothing(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.hook(owner.id).await;
    store.post(room, message(&owner, "hello")).await;
    let (dead, alive) = (InstanceId::new(), InstanceId::new());
    let lost = store.claim_hook(dead).await;
    store.age(31).await;
    let held = store.claim_hook(alive).await;
    assert!(
        !store
            .begin_delivery(dead, lost.id, lost.attempt, 1)
            .await
            .unwrap()
    );
    for settled in [
        advanced(&lost, 1),
        failed(0),
        WebhookSettled::Released { wait_ms: 0 },
    ] {
        assert!(!store.settle(dead, &lost, settled.clone()).await);
        assert!(
            !store.settle(dead, &held, settled.clone()).await,
            "the token alone is not enough"
        );
        assert!(
            !store.settle(alive, &lost, settled).await,
            "nor the owner alone"
        );
    }
    assert_eq!(
        store
            .webhook_attempts(owner.id, "den", held.id)
            .await
            .unwrap(),
        []
    );
    assert!(
        store
            .begin_delivery(alive, held.id, held.attempt, 1)
            .await
            .unwrap()
    );
    assert!(store.settle(alive, &held, advanced(&held, 1)).await);
    assert!(
        !store.settle(alive, &held, advanced(&held, 1)).await,
        "it is over"
    );
}

pub(super) async fn a_delivery_that_was_begun_is_remembered(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.hook(owner.id).await;
    store.post(room, message(&owner, "hello")).await;
    let one = InstanceId::new();
    let claimed = store.claim_hook(one).await;
    assert_eq!(claimed.sending_to, None);
    assert!(
        store
            .begin_delivery(one, claimed.id, claimed.attempt, 1)
            .await
            .unwrap()
    );
    store.post(room, message(&owner, "more")).await;
    assert!(store.settle(one, &claimed, failed(0)).await);
    let again = store.claim_hook(one).await;
    assert_eq!((again.sending_to, again.failures), (Some(1), 1));
    assert!(store.settle(one, &again, advanced(&again, 1)).await);
    let next = store.claim_hook(one).await;
    assert_eq!(
        (next.sending_to, next.failures, next.place.version),
        (None, 0, 1)
    );
}

pub(super) async fn what_failed_waits_and_is_switched_off_after_days(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.hook(owner.id).await;
    store.post(room, message(&owner, "hello")).await;
    let one = InstanceId::new();
    let claimed = store.claim_hook(one).await;
    assert!(store.settle(one, &claimed, failed(60_000)).await);
    assert!(
        store.claim_webhooks(one, 10).await.unwrap().is_empty(),
        "it waits"
    );
    store.age(61).await;
    let claimed = store.claim_hook(one).await;
    assert!(store.settle(one, &claimed, failed(0)).await);
    let shown = store.shown(owner.id).await;
    assert_eq!((shown.failures, shown.enabled), (2, true));
    assert_eq!(shown.last.unwrap().outcome, WebhookOutcome::Refused);
    store.age(3 * DAY).await;
    let claimed = store.claim_hook(one).await;
    assert!(store.settle(one, &claimed, failed(0)).await);
    let shown = store.shown(owner.id).await;
    assert_eq!(
        (shown.enabled, shown.disabled_reason),
        (false, Some(WebhookDisabled::Failing))
    );
    assert!(store.claim_webhooks(one, 10).await.unwrap().is_empty());
    let on = WebhookEdit {
        enabled: Some(true),
        ..WebhookEdit::default()
    };
    let shown = store
        .edit_webhook(owner.id, "den", shown.id, on)
        .await
        .unwrap();
    assert_eq!(
        (shown.enabled, shown.disabled_reason, shown.failures),
        (true, None, 0)
    );
    let claimed = store.claim_hook(one).await;
    assert_eq!(claimed.place.version, 0, "it goes on where it stopped");
    assert!(store.settle(one, &claimed, failed(0)).await);
    assert!(store.shown(owner.id).await.enabled, "days count anew");
}

pub(super) async fn who_is_gone_is_left_alone(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.hook(owner.id).await;
    store.post(room, message(&owner, "hello")).await;
    let one = InstanceId::new();
    let claimed = store.claim_hook(one).await;
    let gone = WebhookSettled::Failed {
        wait_ms: 0,
        gone: true,
    };
    assert!(store.settle(one, &claimed, gone).await);
    let shown = store.shown(owner.id).await;
    assert_eq!(
        (shown.enabled, shown.disabled_reason),
        (false, Some(WebhookDisabled::Gone))
    );
    let off = WebhookEdit {
        enabled: Some(false),
        ..WebhookEdit::default()
    };
    let shown = store
        .edit_webhook(owner.id, "den", shown.id, off)
        .await
        .unwrap();
    assert_eq!(
        (shown.enabled, shown.disabled_reason),
        (false, None),
        "by hand now"
    );
}

pub(super) async fn attempts_are_kept_up_to_a_bound(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let id = store.hook(owner.id).await.id;
    store.post(room, message(&owner, "hello")).await;
    let one = InstanceId::new();
    for number in 1..=limits::WEBHOOK_ATTEMPTS + 3 {
        let claimed = store.claim_hook(one).await;
        let row = AttemptRow {
            took_ms: i32::try_from(number).unwrap(),
            ..tried(&failed(0))
        };
        let settled = store
            .deref()
            .settle_webhook(one, id, claimed.attempt, failed(0), Some(row));
        assert!(settled.await.unwrap());
    }
    let kept = store.webhook_attempts(owner.id, "den", id).await.unwrap();
    let numbers: Vec<i64> = kept.iter().map(|row| i64::from(row.took_ms)).collect();
    let last = limits::WEBHOOK_ATTEMPTS + 3;
    assert_eq!(numbers, (4..=last).rev().collect::<Vec<_>>());
    assert_eq!(store.shown(owner.id).await.last.as_ref(), kept.first());
}

pub(super) async fn webhooks_end_with_their_room(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.hook(owner.id).await;
    store.post(room, message(&owner, "hello")).await;
    let edit = RoomEdit {
        archived: Some(true),
        ..RoomEdit::default()
    };
    let archive = Change::EditRoom {
        actor: owner.id,
        edit,
    };
    changed(store.change(room, archive).await);
    let one = InstanceId::new();
    let claimed = store.claim_hook(one).await;
    assert!(
        store.settle(one, &claimed, failed(0)).await,
        "an archived room still delivers"
    );
    assert_eq!(store.sweep().await.unwrap().webhooks, 0);
    changed(
        store
            .change(room, Change::DeleteRoom { actor: owner.id })
            .await,
    );
    assert!(store.claim_webhooks(one, 10).await.unwrap().is_empty());
    let none: Vec<RoomId> = Vec::new();
    assert_eq!(store.rooms_with_webhooks(10).await.unwrap(), none);
    assert_eq!(store.sweep().await.unwrap().webhooks, 1);
    assert_eq!(store.sweep().await.unwrap().webhooks, 0);
}
