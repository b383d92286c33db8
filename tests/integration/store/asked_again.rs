//! A reply that is asked for again is judged as a message that asks, before anything of what stands is put aside.

use salon::db::assistants::{AssistantEdit, AssistantSettings, NewAssistant};
use salon::db::changes::{Change, NewText};
use salon::db::rows::{MessageRow, MessageState, UserKind, UserRow};
use salon::error::ErrorCode;
use salon::ids::{InstanceId, RoomId, Seq, UserId};
use salon::limits::REPLIES_PER_USER;
use salon::permissions::Role;
use salon::spending::{Cap, Caps, PeriodCaps};

use super::fixtures::{TestStore, changed, code, mention, settlement};
use super::usage;

/// Every way to have a reply written again: of one that was stopped.
fn ways(actor: &UserRow, seq: Seq) -> [Change; 3] {
    ways_under(Caps::default(), actor, seq)
}

/// The same where no more than so much may be spent.
fn ways_under(caps: Caps, actor: &UserRow, seq: Seq) -> [Change; 3] {
    let actor = actor.id;
    [
        Change::RetryReply { actor, seq, caps },
        Change::RegenerateReply { actor, seq, caps },
        Change::EditMessage(NewText {
            actor,
            seq: seq - 1,
            body: "@assistant again".to_owned(),
            html: None,
            if_version: None,
            resend: Some(caps),
        }),
    ]
}

/// Has the reply that waits end with some text.
async fn stopped(store: &TestStore, room: RoomId) {
    let runner = InstanceId::new();
    let claimed = store.claim_one(runner).await;
    let last = settlement(runner, &claimed, MessageState::Stopped, "as far as it came");
    changed(store.change(room, last).await);
}

/// The reply as it stands.
async fn stands(store: &TestStore, reader: &UserRow, seq: Seq) -> MessageRow {
    store.message(reader.id, "den", seq).await.unwrap()
}

/// That each of these is refused, and changes neither the reply nor the message that asked.
async fn all_refused(
    store: &TestStore,
    (room, seq): (RoomId, Seq),
    (reader, changes): (&UserRow, &[Change]),
    expected: ErrorCode,
) {
    let before = [
        stands(store, reader, seq - 1).await,
        stands(store, reader, seq).await,
    ];
    for change in changes {
        let refusal = store.change(room, change.clone()).await;
        assert_eq!(code(refusal), expected, "{change:?}");
    }
    let after = [
        stands(store, reader, seq - 1).await,
        stands(store, reader, seq).await,
    ];
    assert_eq!(after, before, "nothing is put aside");
    let variants = store.variants(reader.id, "den", seq, 0).await.unwrap();
    assert_eq!(variants.all.count, 1);
}

async fn set(
    store: &TestStore,
    room: RoomId,
    (owner, assistant): (&UserRow, &UserRow),
    edit: AssistantEdit,
) {
    let change = Change::EditAssistant {
        actor: owner.id,
        assistant: assistant.id,
        edit,
    };
    changed(store.change(room, change).await);
}

pub(super) async fn who_may_not_ask_may_not_ask_again(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let asker = store.member(room, &owner, "asker", Role::Member).await;
    let own = store.assistant().await.unwrap();
    let seq = store.prompt(room, &asker).await;
    stopped(store, room).await;
    let may_prompt = |role| AssistantEdit {
        may_prompt: Some(role),
        ..AssistantEdit::default()
    };
    set(store, room, (&owner, &own), may_prompt(Role::Moderator)).await;
    all_refused(
        store,
        (room, seq),
        (&owner, &ways(&asker, seq)),
        ErrorCode::Forbidden,
    )
    .await;
    // Who may ask may have it written again, for whom it was.
    changed(store.change(room, ways(&owner, seq)[0].clone()).await);
    stopped(store, room).await;
    let off = AssistantEdit {
        enabled: Some(false),
        ..may_prompt(Role::Member)
    };
    set(store, room, (&owner, &own), off).await;
    all_refused(
        store,
        (room, seq),
        (&owner, &ways(&asker, seq)),
        ErrorCode::NoAssistant,
    )
    .await;
    let on = AssistantEdit {
        enabled: Some(true),
        ..AssistantEdit::default()
    };
    set(store, room, (&owner, &own), on).await;
    changed(store.change(room, ways(&asker, seq)[2].clone()).await);
}

pub(super) async fn an_assistant_that_was_taken_away_writes_nothing_again(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let add = || {
        Change::AddAssistant(NewAssistant {
            actor: owner.id,
            id: UserId::new(),
            name: "poet".to_owned(),
            settings: AssistantSettings {
                model: Some("dear".into()),
                ..AssistantSettings::default()
            },
        })
    };
    changed(store.change(room, add()).await);
    let own = store.assistant().await.unwrap();
    let mut post = mention(&owner, &own, "@poet well?");
    post.mentions = vec![vec!["poet".into()]];
    post.prompt.as_mut().unwrap().mentioned = false;
    let seq = store.post(room, post).await.reply_seq.unwrap();
    let poet = stands(store, &owner, seq).await.author;
    let writes = store.replying_assistant(room, seq).await.unwrap().settings;
    assert_eq!(
        (writes.enabled, writes.model.as_deref()),
        (true, Some("dear"))
    );
    let remove = Change::RemoveAssistant {
        actor: owner.id,
        assistant: poet.id,
    };
    changed(store.change(room, remove).await);
    // What waits is not written by what the server has instead.
    let gone = store.replying_assistant(room, seq).await.unwrap();
    assert_eq!((gone.user, gone.settings.enabled), (poet, false));
    stopped(store, room).await;
    all_refused(
        store,
        (room, seq),
        (&owner, &ways(&owner, seq)),
        ErrorCode::NoAssistant,
    )
    .await;
    changed(store.change(room, add()).await);
    changed(store.change(room, ways(&owner, seq)[1].clone()).await);
    assert!(
        store
            .replying_assistant(room, seq)
            .await
            .unwrap()
            .settings
            .enabled
    );
    // The server's own is there with or without a row.
    let own_seq = store.prompt(room, &owner).await;
    assert!(
        store
            .replying_assistant(room, own_seq)
            .await
            .unwrap()
            .settings
            .enabled
    );
}

pub(super) async fn a_reply_whose_asker_is_gone_keeps_its_text(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let asker = store.member(room, &owner, "asker", Role::Member).await;
    let seq = store.prompt(room, &asker).await;
    stopped(store, room).await;
    let [retry, regenerate, _] = ways(&owner, seq);
    let both = [retry.clone(), regenerate];
    let set = |role| Change::SetMember {
        actor: owner.id,
        user: asker.id,
        role,
    };
    // Reads only by now: at its claim the reply would fail.
    changed(store.change(room, set(Role::Reader)).await);
    all_refused(store, (room, seq), (&owner, &both), ErrorCode::Forbidden).await;
    let remove = Change::RemoveMember {
        actor: owner.id,
        user: asker.id,
    };
    changed(store.change(room, remove).await);
    all_refused(store, (room, seq), (&owner, &both), ErrorCode::Forbidden).await;
    let refusal = store.change(room, retry.clone()).await.unwrap_err();
    assert!(refusal.message.contains("Whoever asked"), "{refusal}");
    changed(store.change(room, set(Role::Member)).await);
    store.disable_user(asker.id).await.unwrap();
    all_refused(store, (room, seq), (&owner, &both), ErrorCode::Forbidden).await;
    store.enable_user(asker.id).await.unwrap();
    changed(store.change(room, retry).await);
}

pub(super) async fn asking_again_counts_with_what_the_asker_has_waiting(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let asker = store.member(room, &owner, "asker", Role::Member).await;
    let seq = store.prompt(room, &asker).await;
    stopped(store, room).await;
    let waiting = super::queue::fill(store, &asker).await;
    assert_eq!(waiting.len() as i64, REPLIES_PER_USER);
    let by_owner = ways(&owner, seq)[1].clone();
    let mut all = ways(&asker, seq).to_vec();
    // It stays the asker's, whoever wants it.
    all.push(by_owner.clone());
    all_refused(
        store,
        (room, seq),
        (&owner, &all),
        ErrorCode::TooManyPrompts,
    )
    .await;
    let (place, other) = waiting[0];
    let stop = Change::StopReply {
        actor: asker.id,
        seq: other,
    };
    changed(store.change(place, stop).await);
    changed(store.change(room, by_owner).await);
}

pub(super) async fn a_bot_has_nothing_written_again(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let bot = UserRow {
        id: UserId::new(),
        name: "robot".into(),
        kind: UserKind::Bot,
    };
    let bot = store.create_bot(owner.id, bot).await.unwrap().user;
    let join = Change::SetMember {
        actor: owner.id,
        user: bot.id,
        role: Role::Moderator,
    };
    changed(store.change(room, join).await);
    let seq = store.prompt(room, &owner).await;
    stopped(store, room).await;
    let [retry, regenerate, _] = ways(&bot, seq);
    let both = [retry, regenerate];
    all_refused(
        store,
        (room, seq),
        (&owner, &both),
        ErrorCode::BotsNotAnswered,
    )
    .await;
}

pub(super) async fn texts_that_an_older_release_left_are_swept(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let mut replies = Vec::new();
    for _ in 0..2 {
        let seq = store.prompt(room, &owner).await;
        stopped(store, room).await;
        changed(store.change(room, ways(&owner, seq)[1].clone()).await);
        stopped(store, room).await;
        replies.push(seq);
    }
    assert_eq!(store.sweep().await.unwrap().variants, 0);
    // It knew of no other texts than the message's.
    store.back_end.bury(room, replies[0]).await;
    assert_eq!(store.sweep().await.unwrap().variants, 1);
    assert_eq!(store.sweep().await.unwrap().variants, 0);
    let left = store
        .variants(owner.id, "den", replies[1], 0)
        .await
        .unwrap();
    assert_eq!(left.variants.len(), 2);
}

/// A cap that is reached refuses at once whoever wants another answer; whose it is, is whoever asked at first.
pub(super) async fn what_may_be_spent_is_asked_of_who_asked_at_first(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let asker = store.member(room, &owner, "asker", Role::Member).await;
    let seq = store.prompt(room, &asker).await;
    stopped(store, room).await;
    let new = usage::attempt(store, room, &asker, (seq, 1)).await;
    store
        .begin_attempt(new.clone(), Caps::default())
        .await
        .unwrap();
    store.end_attempt(usage::end(&new, 100)).await.unwrap();
    let of_user = |tokens| Caps {
        user: PeriodCaps {
            day: Cap {
                tokens: Some(tokens),
                ..Cap::default()
            },
            ..PeriodCaps::default()
        },
        ..Caps::default()
    };
    // 50 tokens are spent.
    for who in [&asker, &owner] {
        let mut ways = ways_under(of_user(50), who, seq).to_vec();
        if who == &owner {
            // It is not the owner's message.
            ways.pop();
        }
        let place = (room, seq);
        all_refused(store, place, (&owner, &ways), ErrorCode::SpendLimitReached).await;
    }
    let full = ways_under(of_user(50), &asker, seq)[0].clone();
    let refusal = store.change(room, full).await.unwrap_err();
    let left = refusal.retry_after_ms.unwrap();
    assert!((1..=86_400_000).contains(&left), "{left}");
    let [retry, ..] = ways_under(of_user(51), &owner, seq);
    changed(store.change(room, retry).await);
    // A room's own cap is of the room, whoever asks.
    stopped(store, room).await;
    let of_room = Caps {
        room: of_user(50).user,
        ..Caps::default()
    };
    let ways = ways_under(of_room, &asker, seq);
    let place = (room, seq);
    all_refused(store, place, (&owner, &ways), ErrorCode::SpendLimitReached).await;
}
