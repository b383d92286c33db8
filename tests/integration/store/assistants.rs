//! The assistants of a room: added, set up, taken away; asked by name, one reply each; steered by those whom the room lets.

use salon::db::assistants::{AssistantEdit, AssistantSettings, NewAssistant};
use salon::db::changes::{Change, NewPost};
use salon::db::rows::{LogKind, MessageState, StoredChange, UserKind, UserRow, Visibility};
use salon::error::ErrorCode;
use salon::ids::{InstanceId, RoomId, Seq, UserId};
use salon::limits;
use salon::permissions::Role;

use super::fixtures::{
    CAPS, TestStore, account, changed, code, mention, message, posted, refused, settlement,
};

fn add(actor: &UserRow, name: &str) -> Change {
    Change::AddAssistant(NewAssistant {
        actor: actor.id,
        id: UserId::new(),
        name: name.to_owned(),
        settings: AssistantSettings::default(),
    })
}

fn edit(actor: &UserRow, assistant: &UserRow, edit: AssistantEdit) -> Change {
    Change::EditAssistant {
        actor: actor.id,
        assistant: assistant.id,
        edit,
    }
}

fn remove(actor: &UserRow, assistant: &UserRow) -> Change {
    Change::RemoveAssistant {
        actor: actor.id,
        assistant: assistant.id,
    }
}

/// Adds one; its user.
async fn added(store: &TestStore, room: RoomId, owner: &UserRow, name: &str) -> UserRow {
    changed(store.change(room, add(owner, name)).await);
    let all = store.room_assistants(owner.id, "den").await.unwrap();
    let found = all.into_iter().find(|one| one.user.name == name).unwrap();
    assert_eq!(found.user.kind, UserKind::Assistant);
    found.user
}

async fn names(store: &TestStore, reader: &UserRow, slug: &str) -> Vec<String> {
    let all = store.room_assistants(reader.id, slug).await.unwrap();
    all.into_iter().map(|one| one.user.name).collect()
}

/// A message that names these, in this order.
async fn naming(store: &TestStore, author: &UserRow, named: &[&str]) -> NewPost {
    let assistant = store.assistant().await.unwrap();
    let mentions = named.iter().map(|name| vec![name.to_lowercase()]).collect();
    let mentioned = named.contains(&"assistant");
    let mut post = mention(author, &assistant, "well?");
    post.prompt.as_mut().unwrap().mentioned = mentioned;
    NewPost { mentions, ..post }
}

async fn author(store: &TestStore, reader: &UserRow, seq: Seq) -> String {
    let message = store.message(reader.id, "den", seq).await.unwrap();
    message.author.name
}

#[expect(clippy::too_many_lines, reason = "one story of a room's assistants")]
pub(super) async fn owners_set_up_a_rooms_assistants(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let moderator = store.member(room, &owner, "mod", Role::Moderator).await;
    let stranger = store.person("stranger").await;
    let own = store.assistant().await.unwrap();
    assert_eq!(names(store, &moderator, "den").await, ["assistant"]);
    for (actor, expected) in [
        (&moderator, ErrorCode::Forbidden),
        (&stranger, ErrorCode::NotAMember),
    ] {
        let off = AssistantEdit {
            enabled: Some(false),
            ..AssistantEdit::default()
        };
        for change in [
            add(actor, "poet"),
            edit(actor, &own, off),
            remove(actor, &own),
        ] {
            assert_eq!(code(store.change(room, change).await), expected);
        }
    }
    let read = store.room_assistants(stranger.id, "den").await;
    assert_eq!(refused(read), ErrorCode::NotAMember);

    let poet = added(store, room, &owner, "poet").await;
    assert_eq!(names(store, &moderator, "den").await, ["assistant", "poet"]);
    let set = AssistantEdit {
        system: Some("Answer in rhymes.".into()),
        model: Some(Some("large".into())),
        temperature: Some(Some(70)),
        may_prompt: Some(Role::Moderator),
        ..AssistantEdit::default()
    };
    let done = store
        .write(room, vec![edit(&owner, &poet, set.clone())])
        .await;
    let version = changed(done.outcomes.into_iter().next().unwrap());
    let [StoredChange::Log(log)] = done.changes.as_slice() else {
        panic!("one change: {:?}", done.changes);
    };
    assert_eq!((log.version, log.kind), (version, LogKind::Settings));
    let told = &log.data["assistants"];
    assert_eq!(
        (&told[0]["name"], &told[1]["name"]),
        (&"assistant".into(), &"poet".into())
    );
    assert_eq!(told[1]["may_prompt"], "moderator");
    assert!(told[1].get("system").is_none(), "it is read, not told");
    assert_eq!(store.all_changes(room, version - 1).await, done.changes);
    let all = store.room_assistants(moderator.id, "den").await.unwrap();
    let expected = AssistantSettings::default().edited(&set);
    assert_eq!(all[1].settings, expected);
    // So already: no version. A null takes back.
    let again = changed(store.change(room, edit(&owner, &poet, set)).await);
    assert_eq!(again, version);
    let back = AssistantEdit {
        model: Some(None),
        ..AssistantEdit::default()
    };
    assert_eq!(
        changed(store.change(room, edit(&owner, &poet, back)).await),
        version + 1
    );
    let all = store.room_assistants(owner.id, "den").await.unwrap();
    assert_eq!(
        (&all[1].settings.model, all[1].settings.temperature),
        (&None, Some(70))
    );

    changed(store.change(room, remove(&owner, &poet)).await);
    assert_eq!(names(store, &owner, "den").await, ["assistant"]);
    for change in [
        remove(&owner, &poet),
        edit(&owner, &moderator, AssistantEdit::default()),
    ] {
        assert_eq!(
            code(store.change(room, change).await),
            ErrorCode::AssistantNotFound
        );
    }
}

pub(super) async fn a_name_is_one_assistants_and_nobody_elses(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let other = store.make_room(&owner, "other", Visibility::Public).await;
    store.person("Ada").await;
    let (guest, session) = account("visitor", UserKind::Guest);
    let visitor = guest.user.clone();
    store.create_account(guest, session).await.unwrap();
    store.join_room(visitor.id, "den").await.unwrap();
    for taken in ["ADA", "assistant", "Visitor"] {
        let no = store.change(room, add(&owner, taken)).await;
        assert_eq!(code(no), ErrorCode::NameTaken, "{taken}");
    }
    let poet = added(store, room, &owner, "Poet").await;
    assert_eq!(
        code(store.change(room, add(&owner, "poet")).await),
        ErrorCode::NameTaken
    );
    // Another room has the same one, with settings of its own.
    changed(store.change(other.room.id, add(&owner, "poet")).await);
    let there = store.room_assistants(owner.id, "other").await.unwrap();
    assert_eq!(there[1].user, poet);
    let (account, session) = account("poet", UserKind::User);
    let late = store.create_account(account, session).await;
    assert_eq!(refused(late), ErrorCode::NameTaken);
    for number in 2..limits::ASSISTANTS_PER_ROOM {
        changed(
            store
                .change(room, add(&owner, &format!("helper {number}")))
                .await,
        );
    }
    let more = store.change(room, add(&owner, "one more")).await;
    assert_eq!(code(more), ErrorCode::TooMany);
}

pub(super) async fn each_assistant_that_is_named_answers_once(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    added(store, room, &owner, "Poet").await;
    added(store, room, &owner, "critic").await;
    let post = naming(store, &owner, &["critic", "assistant", "poet", "critic"]).await;
    let told = store.post(room, post.clone()).await;
    assert_eq!(
        (told.seq, told.reply_seq, &told.more_replies),
        (1, Some(2), &vec![3, 4])
    );
    assert_eq!(told.reply_refused, None);
    for (seq, name) in [(2, "critic"), (3, "assistant"), (4, "Poet")] {
        assert_eq!(author(store, &owner, seq).await, name);
        let replying = store.replying_assistant(room, seq).await.unwrap();
        assert_eq!(replying.user.name, name);
    }
    let again = store.post(room, post).await;
    assert!(again.duplicate);
    assert_eq!((again.reply_seq, again.more_replies), (Some(2), vec![3, 4]));
    // Each is claimed, settled and written another way for itself.
    let runner = InstanceId::new();
    for claimed in store.claim_replies(runner, 9, CAPS).await.unwrap() {
        assert_eq!(claimed.prompt_seq, 1);
        let done = settlement(runner, &claimed, MessageState::Complete, "so");
        changed(store.change(room, done).await);
    }
    let resend = Change::EditMessage(salon::db::changes::NewText {
        actor: owner.id,
        seq: 1,
        body: "well, then?".into(),
        html: None,
        if_version: None,
        resend: Some(salon::spending::Caps::default()),
    });
    let done = store.write(room, vec![resend]).await;
    assert_eq!(done.changes.len(), 4, "the prompt and its three replies");
    assert_eq!(store.running_replies(room).await.unwrap().len(), 3);
    let none = naming(store, &owner, &["nobody"]).await;
    let told = store.post(room, none).await;
    assert_eq!((told.reply_seq, told.reply_refused), (None, None));
}

pub(super) async fn a_room_says_who_may_ask(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let member = store.member(room, &owner, "member", Role::Member).await;
    let own = store.assistant().await.unwrap();
    let poet = added(store, room, &owner, "poet").await;
    let only = AssistantEdit {
        may_prompt: Some(Role::Owner),
        ..AssistantEdit::default()
    };
    changed(store.change(room, edit(&owner, &poet, only)).await);
    let both = naming(store, &member, &["poet", "assistant"]).await;
    let told = store.post(room, both).await;
    assert_eq!(
        (told.reply_seq, told.reply_refused),
        (Some(told.seq + 1), Some(ErrorCode::Forbidden))
    );
    assert_eq!(author(store, &member, told.seq + 1).await, "assistant");
    let off = AssistantEdit {
        enabled: Some(false),
        ..AssistantEdit::default()
    };
    changed(store.change(room, edit(&owner, &own, off)).await);
    let told = store
        .post(room, naming(store, &owner, &["assistant"]).await)
        .await;
    assert_eq!(
        (told.reply_seq, told.reply_refused),
        (None, Some(ErrorCode::NoAssistant))
    );
    let told = store
        .post(room, naming(store, &owner, &["poet"]).await)
        .await;
    assert_eq!(
        (told.reply_seq, told.reply_refused),
        (Some(told.seq + 1), None)
    );
    // Taken away, the server's own is as it was at first.
    changed(store.change(room, remove(&owner, &own)).await);
    let told = store
        .post(room, naming(store, &member, &["assistant"]).await)
        .await;
    assert!(told.reply_seq.is_some());
    // Nobody but those who are there is asked.
    changed(store.change(room, remove(&owner, &poet)).await);
    let told = store
        .post(room, naming(store, &owner, &["poet"]).await)
        .await;
    assert_eq!((told.reply_seq, told.reply_refused), (None, None));
    assert!(
        posted(store.change(room, Change::Post(message(&owner, "x"))).await)
            .reply_seq
            .is_none()
    );
}

pub(super) async fn a_room_says_who_may_steer(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let asker = store.member(room, &owner, "asker", Role::Member).await;
    let other = store.member(room, &owner, "other", Role::Member).await;
    let moderator = store.member(room, &owner, "mod", Role::Moderator).await;
    let reader = store.member(room, &owner, "reader", Role::Reader).await;
    let own = store.assistant().await.unwrap();
    let seq = store.prompt(room, &asker).await;
    let stop = |actor: &UserRow| Change::StopReply {
        actor: actor.id,
        seq,
    };
    let again = |actor: &UserRow| Change::RegenerateReply {
        actor: actor.id,
        seq,
        caps: salon::spending::Caps::default(),
    };
    let set = |may_stop, may_regenerate| {
        let wish = AssistantEdit {
            may_stop: Some(may_stop),
            may_regenerate: Some(may_regenerate),
            ..AssistantEdit::default()
        };
        edit(&owner, &own, wish)
    };
    assert_eq!(
        code(store.change(room, stop(&other)).await),
        ErrorCode::Forbidden
    );
    changed(store.change(room, set(Role::Reader, Role::Owner)).await);
    // A reader writes nothing, and stops nothing.
    assert_eq!(
        code(store.change(room, stop(&reader)).await),
        ErrorCode::Forbidden
    );
    changed(store.change(room, stop(&other)).await);
    for actor in [&moderator, &other] {
        assert_eq!(
            code(store.change(room, again(actor)).await),
            ErrorCode::Forbidden
        );
    }
    changed(store.change(room, again(&asker)).await);
    changed(store.change(room, stop(&asker)).await);
    changed(store.change(room, again(&owner)).await);
    changed(store.change(room, set(Role::Owner, Role::Member)).await);
    assert_eq!(
        code(store.change(room, stop(&moderator)).await),
        ErrorCode::Forbidden
    );
    changed(store.change(room, stop(&owner)).await);
    changed(store.change(room, again(&other)).await);
}
