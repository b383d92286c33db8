//! Tokens, bots and incoming webhooks, as every store keeps them.

use salon::db::LOBBY;
use salon::db::changes::Change;
use salon::db::integrations::{HookRow, NewHook, NewToken};
use salon::db::rows::{UserKind, UserRow, Visibility};
use salon::error::ErrorCode;
use salon::ids::{HookId, SessionId, UserId};
use salon::limits;
use salon::permissions::{Role, Scope};

use super::fixtures::{TestStore, account, living, mention, message, posted, refused};

fn new_token(user: &UserRow, lifetime_s: Option<i64>) -> NewToken {
    NewToken {
        id: SessionId::new(),
        user: user.id,
        name: "ci".into(),
        scope: Scope::Read,
        token_hash: rand::random(),
        lifetime_s,
    }
}

fn bot_named(name: &str) -> UserRow {
    UserRow {
        id: UserId::new(),
        name: name.into(),
        kind: UserKind::Bot,
    }
}

fn new_hook(name: &str) -> NewHook {
    NewHook {
        id: HookId::new(),
        user: bot_named(name),
        secret_hash: rand::random(),
    }
}

pub(super) async fn a_token_stands_for_its_user_until_it_is_revoked(store: &TestStore) {
    let ada = store.person("ada").await;
    let token = new_token(&ada, None);
    let made = store.create_token(ada.id, token.clone()).await.unwrap();
    assert_eq!((made.id, made.scope), (token.id, Scope::Read));
    assert_eq!((made.expires_at, made.last_used_at), (None, None));
    let found = store.token_identity(&token.token_hash).await.unwrap();
    let found = found.unwrap().identity;
    assert_eq!(found.user, ada);
    assert_eq!((found.session, found.scope), (token.id, Some(Scope::Read)));
    assert_eq!(found.expires_at, None);
    assert_eq!(
        store.identity(&token.token_hash).await.unwrap(),
        None,
        "it is no session"
    );
    assert_eq!(
        living(store, &[token.id]).await,
        [token.id],
        "but its sockets live by it"
    );
    assert!(!store.delete_session(token.id).await.unwrap());
    let ticket = store.create_ticket(token.id, &rand::random(), 30).await;
    assert_eq!(refused(ticket), ErrorCode::Unauthenticated);
    assert_eq!(store.tokens(ada.id, ada.id).await.unwrap(), [made]);
    assert!(store.delete_token(ada.id, token.id).await.unwrap());
    assert!(!store.delete_token(ada.id, token.id).await.unwrap());
    let gone = store.token_identity(&token.token_hash).await.unwrap();
    assert_eq!(gone, None);
    assert_eq!(living(store, &[token.id]).await, []);
    assert_eq!(store.tokens(ada.id, ada.id).await.unwrap(), []);
}

pub(super) async fn a_token_runs_out(store: &TestStore) {
    let ada = store.person("ada").await;
    let (short, long) = (new_token(&ada, Some(3_600)), new_token(&ada, None));
    let made = store.create_token(ada.id, short.clone()).await.unwrap();
    let lives_s = (made.expires_at.unwrap() - made.created_at).num_milliseconds();
    assert!((3_599_000..=3_601_000).contains(&lives_s), "{lives_s}");
    store.create_token(ada.id, long.clone()).await.unwrap();
    store.age(3_700).await;
    assert_eq!(store.token_identity(&short.token_hash).await.unwrap(), None);
    let both = [short.id, long.id];
    assert_eq!(living(store, &both).await, [long.id]);
    let listed = store.tokens(ada.id, ada.id).await.unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert!(!store.delete_token(ada.id, short.id).await.unwrap());
    store.sweep().await.unwrap();
    let kept = store.token_identity(&long.token_hash).await.unwrap();
    assert!(kept.is_some());
}

pub(super) async fn a_use_is_noted_once_a_minute(store: &TestStore) {
    let ada = store.person("ada").await;
    let token = new_token(&ada, None);
    store.create_token(ada.id, token.clone()).await.unwrap();
    let due = async || {
        let found = store.token_identity(&token.token_hash).await.unwrap();
        found.unwrap().note_due
    };
    assert!(due().await, "it was never used");
    store.note_token_used(token.id).await.unwrap();
    assert!(!due().await);
    let noted = store.tokens(ada.id, ada.id).await.unwrap()[0].last_used_at;
    assert!(noted.is_some());
    store.age(limits::LAST_USED_S + 1).await;
    assert!(due().await);
    store.note_token_used(SessionId::new()).await.unwrap();
}

pub(super) async fn tokens_are_made_for_oneself_and_ones_own_bots(store: &TestStore) {
    let (ada, bob) = (store.person("ada").await, store.person("bob").await);
    let bot = store.create_bot(ada.id, bot_named("robot")).await.unwrap();
    let token = new_token(&bot.user, None);
    store.create_token(ada.id, token.clone()).await.unwrap();
    let found = store.token_identity(&token.token_hash).await.unwrap();
    assert_eq!(found.unwrap().identity.user, bot.user);
    for holder in [&bob, &bot.user] {
        let other = if holder.id == bob.id { &ada } else { &bob };
        let made = store.create_token(other.id, new_token(holder, None)).await;
        assert_eq!(refused(made), ErrorCode::UserNotFound);
        let listed = store.tokens(other.id, holder.id).await;
        assert_eq!(refused(listed), ErrorCode::UserNotFound);
    }
    let by_itself = store
        .create_token(bot.user.id, new_token(&bot.user, None))
        .await;
    assert_eq!(refused(by_itself), ErrorCode::UserNotFound);
    assert!(!store.delete_token(bob.id, token.id).await.unwrap());
    assert_eq!(store.tokens(ada.id, ada.id).await.unwrap(), []);
    assert_eq!(store.tokens(ada.id, bot.user.id).await.unwrap().len(), 1);
    assert!(store.delete_token(ada.id, token.id).await.unwrap());
    // Nobody acts as the author of a webhook's messages but the webhook.
    store.make_room(&ada, "den", Visibility::Private).await;
    let hook = store.create_hook(ada.id, "den", new_hook("ci")).await;
    let hook = hook.unwrap();
    let made = store
        .create_token(ada.id, new_token(&hook.user, None))
        .await;
    assert_eq!(refused(made), ErrorCode::UserNotFound);
}

pub(super) async fn tokens_of_one_user_are_bounded(store: &TestStore) {
    let ada = store.person("ada").await;
    store
        .create_token(ada.id, new_token(&ada, Some(60)))
        .await
        .unwrap();
    for _ in 1..limits::TOKENS_PER_USER {
        store
            .create_token(ada.id, new_token(&ada, None))
            .await
            .unwrap();
    }
    let more = store.create_token(ada.id, new_token(&ada, None)).await;
    assert_eq!(refused(more), ErrorCode::TooMany);
    store.age(70).await;
    let more = store.create_token(ada.id, new_token(&ada, None)).await;
    assert!(more.is_ok(), "one that ended is not counted");
}

pub(super) async fn a_bot_has_a_name_and_no_password(store: &TestStore) {
    let ada = store.person("ada").await;
    let bot = store.create_bot(ada.id, bot_named("Robot")).await.unwrap();
    assert_eq!(bot.user.kind, UserKind::Bot);
    assert_eq!(store.user_by_name("rObot").await.unwrap(), bot.user);
    assert!(store.credentials("robot").await.unwrap().is_none());
    assert_eq!(
        store.bots(ada.id).await.unwrap(),
        std::slice::from_ref(&bot)
    );
    let again = store.create_bot(ada.id, bot_named("ROBOT")).await;
    assert_eq!(refused(again), ErrorCode::NameTaken);
    let (taken, session) = account("robot", UserKind::User);
    let taken = store.create_account(taken, session).await;
    assert_eq!(refused(taken), ErrorCode::NameTaken);
    let of_a_bot = store.create_bot(bot.user.id, bot_named("child")).await;
    assert_eq!(refused(of_a_bot), ErrorCode::UserNotFound);
    let in_lobby = store.prove(&[(bot.user.id, LOBBY.into())]).await.unwrap();
    let refusal = in_lobby[0].as_ref().unwrap_err();
    assert_eq!(refusal.code, ErrorCode::NotAMember, "it is in no room");
    store.join_room(bot.user.id, LOBBY).await.unwrap();
    let members = store.members(bot.user.id, LOBBY, None, 10).await.unwrap();
    assert!(members.iter().any(|member| member.user == bot.user));
}

pub(super) async fn bots_of_one_user_are_bounded(store: &TestStore) {
    let ada = store.person("ada").await;
    let mut last = None;
    for number in 0..limits::BOTS_PER_USER {
        let bot = bot_named(&format!("robot {number}"));
        last = Some(store.create_bot(ada.id, bot).await.unwrap().user.id);
    }
    let more = store.create_bot(ada.id, bot_named("one more")).await;
    assert_eq!(refused(more), ErrorCode::TooMany);
    assert!(store.remove_bot(ada.id, last.unwrap()).await.unwrap());
    assert!(
        store
            .create_bot(ada.id, bot_named("one more"))
            .await
            .is_ok()
    );
}

pub(super) async fn a_removed_bot_has_no_tokens_and_is_not_found(store: &TestStore) {
    let (ada, bob) = (store.person("ada").await, store.person("bob").await);
    let bot = store.create_bot(ada.id, bot_named("robot")).await.unwrap();
    let bot = bot.user;
    let token = new_token(&bot, None);
    store.create_token(ada.id, token.clone()).await.unwrap();
    assert!(!store.remove_bot(bob.id, bot.id).await.unwrap());
    assert!(!store.remove_bot(ada.id, ada.id).await.unwrap());
    assert!(store.remove_bot(ada.id, bot.id).await.unwrap());
    assert!(!store.remove_bot(ada.id, bot.id).await.unwrap());
    assert_eq!(store.token_identity(&token.token_hash).await.unwrap(), None);
    assert_eq!(living(store, &[token.id]).await, []);
    assert_eq!(store.bots(ada.id).await.unwrap(), []);
    let made = store.create_token(ada.id, new_token(&bot, None)).await;
    assert_eq!(refused(made), ErrorCode::UserNotFound);
    let found = store.user_by_name("robot").await;
    assert_eq!(refused(found), ErrorCode::UserNotFound);
    let again = store.create_bot(bob.id, bot_named("robot")).await;
    assert_eq!(refused(again), ErrorCode::NameTaken, "its messages keep it");
}

pub(super) async fn a_bots_message_asks_nobody(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let bot = store.create_bot(owner.id, bot_named("robot")).await;
    let bot = bot.unwrap().user;
    store.join_room(bot.id, "den").await.unwrap();
    let assistant = store.assistant().await.unwrap();
    let post = mention(&bot, &assistant, "@assistant hello");
    let asked = posted(store.change(room, Change::Post(post)).await);
    assert_eq!(asked.reply_seq, None);
    assert_eq!(asked.reply_refused, Some(ErrorCode::BotsNotAnswered));
    let stored = store.message(owner.id, "den", asked.seq).await.unwrap();
    assert_eq!(stored.author, bot, "all see that it is a bot");
    let changes = store.all_changes(room, 0).await;
    assert_eq!(changes.len(), 1, "{changes:?}");
    // Also alone with the assistant, where every message asks.
    let alone = super::fixtures::new_room("alone", Visibility::Direct);
    let alone = store
        .direct_room(bot.id, assistant.id, alone)
        .await
        .unwrap();
    let mut post = mention(&bot, &assistant, "hello");
    post.prompt.as_mut().unwrap().mentioned = false;
    let asked = store.change(alone.room.id, Change::Post(post)).await;
    let asked = posted(asked);
    assert_eq!(asked.reply_refused, Some(ErrorCode::BotsNotAnswered));
    // What asks nobody is not refused anything.
    let said = posted(
        store
            .change(room, Change::Post(message(&bot, "hello")))
            .await,
    );
    assert_eq!(said.reply_refused, None);
}

async fn hook_in(store: &TestStore, owner: &UserRow, slug: &str) -> (HookRow, NewHook) {
    let hook = new_hook("CI");
    let made = store.create_hook(owner.id, slug, hook.clone()).await;
    (made.unwrap(), hook)
}

pub(super) async fn a_webhook_belongs_to_its_room(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let head = store.heads(&[room]).await.unwrap();
    let (made, hook) = hook_in(store, &owner, "den").await;
    assert_eq!((made.id, &made.created_by), (hook.id, &owner));
    assert_eq!(made.user.kind, UserKind::Bot);
    assert_eq!(
        store.heads(&[room]).await.unwrap(),
        head,
        "without a version"
    );
    let members = store.members(owner.id, "den", None, 10).await.unwrap();
    assert!(
        members
            .iter()
            .any(|one| one.user == made.user && one.role == Role::Member)
    );
    let found = store.hook_by_secret(&hook.secret_hash).await.unwrap();
    let found = found.unwrap();
    assert_eq!((found.hook, found.slug.as_str()), (hook.id, "den"));
    assert!(found.note_due);
    store.note_hook_used(hook.id).await.unwrap();
    let found = store.hook_by_secret(&hook.secret_hash).await.unwrap();
    assert!(!found.unwrap().note_due);
    let listed = store.hooks(owner.id, "den").await.unwrap();
    assert!(listed[0].last_used_at.is_some());
    // Its name may be another's; it is nobody that is found by name.
    store.person("ci").await;
    let user = store.delete_hook(owner.id, "den", hook.id).await.unwrap();
    assert_eq!(user, made.user);
    assert_eq!(store.hook_by_secret(&hook.secret_hash).await.unwrap(), None);
    assert_eq!(store.hooks(owner.id, "den").await.unwrap(), []);
    let again = store.delete_hook(owner.id, "den", hook.id).await;
    assert_eq!(refused(again), ErrorCode::NotFound);
    // A deleted room's webhooks are unknown too.
    let (_, other) = hook_in(store, &owner, "den").await;
    let gone = Change::DeleteRoom { actor: owner.id };
    store.change(room, gone).await.unwrap();
    assert_eq!(
        store.hook_by_secret(&other.secret_hash).await.unwrap(),
        None
    );
    let made = store.create_hook(owner.id, "den", new_hook("late")).await;
    assert_eq!(refused(made), ErrorCode::RoomNotFound);
}

pub(super) async fn webhooks_are_managed_by_those_who_keep_order(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let (_, hook) = hook_in(store, &owner, "den").await;
    let hash = rand::random();
    let moderator = store.member(room, &owner, "mo", Role::Moderator).await;
    let member = store.member(room, &owner, "me", Role::Member).await;
    let stranger = store.person("stranger").await;
    for (user, code) in [
        (&member, ErrorCode::Forbidden),
        (&stranger, ErrorCode::NotAMember),
    ] {
        let user = user.id;
        assert_eq!(refused(store.hooks(user, "den").await), code);
        let made = store.create_hook(user, "den", new_hook("x")).await;
        assert_eq!(refused(made), code);
        let rotated = store.rotate_hook(user, "den", hook.id, &hash).await;
        assert_eq!(refused(rotated), code);
        assert_eq!(refused(store.delete_hook(user, "den", hook.id).await), code);
    }
    store.make_room(&owner, "secret", Visibility::Private).await;
    let unseen = store.hooks(stranger.id, "secret").await;
    assert_eq!(refused(unseen), ErrorCode::RoomNotFound);
    // A webhook of one room is none of another's.
    let elsewhere = store.delete_hook(owner.id, "secret", hook.id).await;
    assert_eq!(refused(elsewhere), ErrorCode::NotFound);
    assert_eq!(store.hooks(owner.id, "secret").await.unwrap(), []);
    assert_eq!(store.hooks(moderator.id, "den").await.unwrap().len(), 1);
    let ended = store.delete_hook(moderator.id, "den", hook.id).await;
    assert!(ended.is_ok());
}

pub(super) async fn a_webhook_posts_as_its_own_bot(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let (made, _) = hook_in(store, &owner, "den").await;
    let post = message(&made.user, "the build is green");
    let first = store.post(room, post.clone()).await;
    let again = store.post(room, post).await;
    assert_eq!((again.seq, again.duplicate), (first.seq, true));
    let stored = store.message(owner.id, "den", first.seq).await.unwrap();
    assert_eq!(stored.author, made.user);
    store
        .change(
            room,
            Change::RemoveMember {
                actor: owner.id,
                user: made.user.id,
            },
        )
        .await
        .unwrap();
    let late = Change::Post(message(&made.user, "late"));
    let late = store.change(room, late).await;
    assert_eq!(super::fixtures::code(late), ErrorCode::NotAMember);
}

pub(super) async fn a_rotated_secret_is_unknown(store: &TestStore) {
    let (owner, _) = store.owner_and_room().await;
    let (made, hook) = hook_in(store, &owner, "den").await;
    let fresh = rand::random();
    let rotated = store.rotate_hook(owner.id, "den", hook.id, &fresh).await;
    assert_eq!(rotated.unwrap(), made);
    assert_eq!(store.hook_by_secret(&hook.secret_hash).await.unwrap(), None);
    let found = store.hook_by_secret(&fresh).await.unwrap().unwrap();
    assert_eq!(found.hook, hook.id);
    let none = store
        .rotate_hook(owner.id, "den", HookId::new(), &rand::random())
        .await;
    assert_eq!(refused(none), ErrorCode::NotFound);
}

pub(super) async fn webhooks_of_one_room_are_bounded(store: &TestStore) {
    let (owner, _) = store.owner_and_room().await;
    for _ in 0..limits::HOOKS_PER_ROOM {
        hook_in(store, &owner, "den").await;
    }
    let more = store.create_hook(owner.id, "den", new_hook("more")).await;
    assert_eq!(refused(more), ErrorCode::TooMany);
}
