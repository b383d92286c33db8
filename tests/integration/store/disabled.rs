//! What somebody made who is disabled: it rests until that one is enabled again.

use salon::db::changes::Change;
use salon::db::invites::NewInvite;
use salon::db::webhooks::{NewWebhook, WebhookEvent, WebhookEvents};
use salon::error::ErrorCode;
use salon::ids::{InstanceId, InviteId, WebhookId};
use salon::permissions::Role;

use super::fixtures::{TestStore, changed, code, message, refused};

pub(super) async fn what_somebody_disabled_made_rests(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Moderator).await;
    let invite = NewInvite {
        id: InviteId::new(),
        token_hash: rand::random(),
        role: Role::Member,
        lifetime_s: 3_600,
        max_uses: 9,
    };
    let make = Change::MakeInvite {
        actor: ada.id,
        invite: invite.clone(),
    };
    store.change(room, make).await.unwrap();
    let webhook = NewWebhook {
        id: WebhookId::new(),
        url: "https://hooks.example/in".into(),
        events: WebhookEvents::of(&[WebhookEvent::Message]),
        secret: "a secret".to_owned().into(),
    };
    store.create_webhook(ada.id, "den", webhook).await.unwrap();
    store.post(room, message(&owner, "hello")).await;
    assert!(store.disable_user(ada.id).await.unwrap());
    let friend = store.person("friend").await;
    let accept = Change::AcceptInvite {
        user: friend.id,
        invite: invite.id,
    };
    let late = store.change(room, accept.clone()).await;
    assert_eq!(code(late), ErrorCode::InviteInvalid);
    let looked = store.invite(&invite.token_hash).await;
    assert_eq!(refused(looked), ErrorCode::InviteInvalid);
    let listed = store.invites(owner.id, "den").await.unwrap();
    assert!(!listed[0].works);
    let runner = InstanceId::new();
    assert!(store.claim_webhooks(runner, 9).await.unwrap().is_empty());
    assert!(store.enable_user(ada.id).await.unwrap());
    changed(store.change(room, accept).await);
    assert_eq!(store.claim_webhooks(runner, 9).await.unwrap().len(), 1);
}
