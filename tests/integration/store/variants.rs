//! Several texts of one reply: written another way, asked again by an edit, one of them selected, all of them gone with it.

use salon::db::changes::{Change, NewText};
use salon::db::rows::{MessageRow, MessageState, ReplyMeta, StoredChange, UserRow};
use salon::db::variants::Variants;
use salon::error::ErrorCode;
use salon::ids::{InstanceId, RoomId, Seq};
use salon::limits;
use salon::permissions::Role;

use super::fixtures::{TestStore, changed, code, message, refused, settlement};

fn regenerate(actor: &UserRow, seq: Seq) -> Change {
    Change::RegenerateReply {
        actor: actor.id,
        seq,
        caps: salon::spending::Caps::default(),
    }
}

fn select(actor: &UserRow, seq: Seq, variant: i32) -> Change {
    Change::SelectVariant {
        actor: actor.id,
        seq,
        variant,
    }
}

fn resend(actor: &UserRow, seq: Seq, body: &str) -> Change {
    Change::EditMessage(NewText {
        actor: actor.id,
        seq,
        body: body.to_owned(),
        html: None,
        if_version: None,
        resend: Some(salon::spending::Caps::default()),
    })
}

fn meta(message: &MessageRow) -> &ReplyMeta {
    message.meta.reply.as_ref().unwrap()
}

fn told(message: &MessageRow) -> Option<(i32, i32)> {
    let variants = meta(message).variants;
    variants.map(|Variants { count, selected }| (count, selected))
}

/// The messages a change wrote.
async fn written(store: &TestStore, room: RoomId, change: Change) -> Vec<MessageRow> {
    let done = store.write(room, vec![change]).await;
    changed(done.outcomes.into_iter().next().unwrap());
    let messages = done.changes.into_iter().map(|change| match change {
        StoredChange::Message(message) => *message,
        StoredChange::Log(log) => panic!("a message: {log:?}"),
    });
    messages.collect()
}

async fn one(store: &TestStore, room: RoomId, change: Change) -> MessageRow {
    let mut all = written(store, room, change).await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// Has the reply that waits end so.
async fn answer(store: &TestStore, room: RoomId, state: MessageState, body: &str) -> MessageRow {
    let runner = InstanceId::new();
    let claimed = store.claim_one(runner).await;
    one(store, room, settlement(runner, &claimed, state, body)).await
}

/// A reply of two texts, the second one selected.
async fn two(store: &TestStore, room: RoomId, asker: &UserRow) -> Seq {
    let seq = store.prompt(room, asker).await;
    answer(store, room, MessageState::Complete, "first").await;
    one(store, room, regenerate(asker, seq)).await;
    answer(store, room, MessageState::Complete, "second").await;
    seq
}

async fn texts(store: &TestStore, reader: &UserRow, seq: Seq) -> Vec<(i32, String)> {
    let page = store.variants(reader.id, "den", seq, 0).await.unwrap();
    assert!(!page.more);
    let rows = page.variants.into_iter();
    rows.map(|row| (row.variant, row.body)).collect()
}

pub(super) async fn a_regenerated_reply_keeps_its_text(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let seq = store.prompt(room, &owner).await;
    assert_eq!(
        code(store.change(room, regenerate(&owner, seq)).await),
        ErrorCode::ReplyRunning
    );
    let first = answer(store, room, MessageState::Complete, "first").await;
    assert_eq!(told(&first), None);
    let queued = one(store, room, regenerate(&owner, seq)).await;
    // To whoever knows nothing of variants it is a retry.
    assert_eq!((queued.seq, queued.state), (seq, MessageState::Queued));
    assert_eq!((queued.body.as_str(), meta(&queued).attempt), ("", 1));
    assert_eq!(told(&queued), Some((2, 2)));
    assert_eq!(texts(store, &owner, seq).await, [(1, "first".to_owned())]);
    assert_eq!(store.running_replies(room).await.unwrap()[0].body, "");
    let second = answer(store, room, MessageState::Stopped, "second").await;
    assert_eq!((told(&second), meta(&second).attempt), (Some((2, 2)), 2));
    assert_eq!(store.message(owner.id, "den", seq).await.unwrap(), second);
    let page = store.variants(owner.id, "den", seq, 0).await.unwrap();
    let kept: Vec<_> = page
        .variants
        .iter()
        .map(|row| (row.variant, row.state, row.meta.attempt))
        .collect();
    assert_eq!(
        kept,
        [
            (1, MessageState::Complete, 1),
            (2, MessageState::Stopped, 2)
        ]
    );
    assert!(page.variants.iter().all(|row| row.meta.variants.is_none()));
    // What was stopped can be retried: the same variant, and no further one.
    let retry = Change::RetryReply {
        actor: owner.id,
        seq,
        caps: salon::spending::Caps::default(),
    };
    assert_eq!(told(&one(store, room, retry).await), Some((2, 2)));
    let again = answer(store, room, MessageState::Complete, "again").await;
    assert_eq!((told(&again), meta(&again).attempt), (Some((2, 2)), 3));
    let now = [(1, "first".to_owned()), (2, "again".to_owned())];
    assert_eq!(texts(store, &owner, seq).await, now);
}

pub(super) async fn a_selected_variant_is_the_message(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let seq = two(store, room, &owner).await;
    let before = store.heads(&[room]).await.unwrap()[0].version;
    let chosen = one(store, room, select(&owner, seq, 1)).await;
    assert_eq!(chosen.version, before + 1);
    assert_eq!(
        (chosen.body.as_str(), chosen.state),
        ("first", MessageState::Complete)
    );
    assert_eq!((told(&chosen), meta(&chosen).attempt), (Some((2, 1)), 1));
    assert_eq!(store.message(owner.id, "den", seq).await.unwrap(), chosen);
    let changes = store.all_changes(room, before).await;
    assert_eq!(changes, [StoredChange::Message(Box::new(chosen))]);
    // It is what models are told, and what is found.
    let later = store.post(room, message(&owner, "so?")).await.seq;
    let context = store.context(room, later, 10).await.unwrap();
    let said: Vec<&str> = context.iter().map(|row| row.body.as_str()).collect();
    assert_eq!(said, ["@assistant hello", "first", "so?"]);
    // Selected already: no version. Never there: refused, and nothing is lost.
    let version = changed(store.change(room, select(&owner, seq, 1)).await);
    assert_eq!(
        version,
        store.heads(&[room]).await.unwrap()[0].version,
        "no version is taken"
    );
    for variant in [0, 3, -1, i32::MAX] {
        let none = store.change(room, select(&owner, seq, variant)).await;
        assert_eq!(code(none), ErrorCode::VariantNotFound);
    }
    let both = [(1, "first".to_owned()), (2, "second".to_owned())];
    assert_eq!(texts(store, &owner, seq).await, both);
    // One more is of another number, whichever is selected, and its attempt the next one.
    let third = one(store, room, regenerate(&owner, seq)).await;
    assert_eq!((told(&third), meta(&third).attempt), (Some((3, 3)), 2));
    assert_eq!(
        code(store.change(room, select(&owner, seq, 2)).await),
        ErrorCode::ReplyRunning
    );
    let third = answer(store, room, MessageState::Failed, "").await;
    assert_eq!((told(&third), meta(&third).attempt), (Some((3, 3)), 3));
    let back = one(store, room, select(&owner, seq, 2)).await;
    assert_eq!((back.body.as_str(), told(&back)), ("second", Some((3, 2))));
}

pub(super) async fn variants_of_one_reply_are_bounded(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let seq = store.prompt(room, &owner).await;
    for number in 1..=limits::VARIANTS_PER_REPLY {
        answer(store, room, MessageState::Complete, &number.to_string()).await;
        let more = store.change(room, regenerate(&owner, seq)).await;
        if number < limits::VARIANTS_PER_REPLY {
            changed(more);
        } else {
            assert_eq!(code(more), ErrorCode::TooMany);
        }
    }
    let edit = store.change(room, resend(&owner, seq - 1, "again")).await;
    assert_eq!(code(edit), ErrorCode::TooMany);
    let prompt = store.message(owner.id, "den", seq - 1).await.unwrap();
    assert_eq!(
        prompt.body, "@assistant hello",
        "what is refused is not half done"
    );
    let all = texts(store, &owner, seq).await;
    assert_eq!(all.len(), limits::VARIANTS_PER_REPLY as usize);
    // As many replies as may run in a room bound this too.
    let other = store.prompt(room, &owner).await;
    answer(store, room, MessageState::Complete, "other").await;
    for _ in 0..limits::REPLIES_PER_ROOM {
        store.prompt(room, &owner).await;
    }
    let one_more = store.change(room, regenerate(&owner, other)).await;
    assert_eq!(code(one_more), ErrorCode::TooManyReplies);
}

pub(super) async fn who_steers_a_reply_writes_it_another_way(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let asker = store.member(room, &owner, "asker", Role::Member).await;
    let other = store.member(room, &owner, "other", Role::Member).await;
    let moderator = store
        .member(room, &owner, "moderator", Role::Moderator)
        .await;
    let stranger = store.person("stranger").await;
    let seq = two(store, room, &asker).await;
    for (actor, seq, expected) in [
        (&other, seq, ErrorCode::Forbidden),
        (&stranger, seq, ErrorCode::NotAMember),
        (&asker, seq - 1, ErrorCode::ReplyNotFound),
        (&asker, 99, ErrorCode::ReplyNotFound),
    ] {
        for change in [regenerate(actor, seq), select(actor, seq, 1)] {
            assert_eq!(code(store.change(room, change).await), expected);
        }
    }
    one(store, room, select(&moderator, seq, 1)).await;
    one(store, room, regenerate(&moderator, seq)).await;
    answer(store, room, MessageState::Complete, "third").await;
    let archived = Change::EditRoom {
        actor: owner.id,
        edit: salon::db::changes::RoomEdit {
            archived: Some(true),
            ..Default::default()
        },
    };
    changed(store.change(room, archived).await);
    for change in [
        regenerate(&asker, seq),
        select(&asker, seq, 1),
        resend(&asker, seq - 1, "x"),
    ] {
        let refusal = code(store.change(room, change).await);
        assert_eq!(refusal, ErrorCode::RoomArchived);
    }
}

pub(super) async fn an_edit_that_asks_again_makes_a_variant(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let seq = store.prompt(room, &owner).await;
    let prompt = seq - 1;
    let running = store.change(room, resend(&owner, prompt, "again")).await;
    assert_eq!(code(running), ErrorCode::ReplyRunning);
    answer(store, room, MessageState::Complete, "first").await;
    let both = written(store, room, resend(&owner, prompt, "@assistant hello?")).await;
    let [edited, queued] = both.as_slice() else {
        panic!("the prompt and its reply: {both:?}");
    };
    assert_eq!(
        (edited.seq, edited.body.as_str()),
        (prompt, "@assistant hello?")
    );
    assert!(edited.edited_at.is_some());
    assert_eq!((queued.seq, queued.version), (seq, edited.version + 1));
    assert_eq!(
        (queued.state, told(queued)),
        (MessageState::Queued, Some((2, 2)))
    );
    let context = store.context(room, prompt, 10).await.unwrap();
    assert_eq!(context.last().unwrap().body, "@assistant hello?");
    answer(store, room, MessageState::Complete, "second").await;
    // The same words once more: only the reply changes.
    let same = one(store, room, resend(&owner, prompt, "@assistant hello?")).await;
    assert_eq!((same.seq, told(&same)), (seq, Some((3, 3))));
    answer(store, room, MessageState::Complete, "third").await;
    // Seen an older text: nothing of it is done.
    let Change::EditMessage(text) = resend(&owner, prompt, "older") else {
        unreachable!()
    };
    let stale = Change::EditMessage(NewText {
        if_version: Some(1),
        ..text
    });
    let head = store.heads(&[room]).await.unwrap()[0];
    assert_eq!(
        code(store.change(room, stale).await),
        ErrorCode::VersionConflict
    );
    assert_eq!(store.heads(&[room]).await.unwrap()[0], head);
    assert_eq!(texts(store, &owner, seq).await.len(), 3);
}

pub(super) async fn asking_again_needs_a_reply_of_ones_own_message(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let asker = store.member(room, &owner, "asker", Role::Member).await;
    let plain = store.post(room, message(&asker, "hello")).await.seq;
    let nobody = store.change(room, resend(&asker, plain, "hi")).await;
    assert_eq!(code(nobody), ErrorCode::ReplyNotFound);
    let text = store.message(asker.id, "den", plain).await.unwrap();
    assert_eq!(text.body, "hello", "what is refused is not half done");
    let seq = two(store, room, &asker).await;
    let others = store.change(room, resend(&owner, seq - 1, "mine")).await;
    assert_eq!(code(others), ErrorCode::Forbidden);
    let delete = Change::DeleteMessage {
        actor: asker.id,
        seq,
    };
    assert_eq!(
        code(store.change(room, delete.clone()).await),
        ErrorCode::Forbidden
    );
    let delete = Change::DeleteMessage {
        actor: owner.id,
        seq,
    };
    changed(store.change(room, delete).await);
    let gone = store.change(room, resend(&asker, seq - 1, "hi")).await;
    assert_eq!(code(gone), ErrorCode::ReplyNotFound);
}

pub(super) async fn a_deleted_reply_has_no_variants(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let seq = two(store, room, &owner).await;
    one(store, room, select(&owner, seq, 1)).await;
    let delete = Change::DeleteMessage {
        actor: owner.id,
        seq,
    };
    let gone = one(store, room, delete).await;
    assert_eq!((gone.body.as_str(), told(&gone)), ("", None));
    assert_eq!(store.message(owner.id, "den", seq).await.unwrap(), gone);
    let read = store.variants(owner.id, "den", seq, 0).await;
    assert_eq!(refused(read), ErrorCode::ReplyNotFound);
    for change in [regenerate(&owner, seq), select(&owner, seq, 2)] {
        let none = code(store.change(room, change).await);
        assert_eq!(none, ErrorCode::ReplyNotFound);
    }
    for text in ["first", "second"] {
        let search = super::search::search(text);
        let found = store.search(owner.id, search).await.unwrap();
        assert_eq!(found.hits, [], "{text}");
    }
}

pub(super) async fn variants_are_read_by_members_in_pages(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let stranger = store.person("stranger").await;
    let seq = store.prompt(room, &owner).await;
    let large = "x".repeat(limits::PAGE_BYTES / 2 - 1);
    for place in 1..=3 {
        answer(store, room, MessageState::Complete, &large).await;
        if place < 3 {
            changed(store.change(room, regenerate(&owner, seq)).await);
        }
    }
    changed(store.change(room, select(&owner, seq, 2)).await);
    let first = store.variants(owner.id, "den", seq, 0).await.unwrap();
    let numbers = |page: &salon::db::variants::VariantPage| -> Vec<i32> {
        page.variants.iter().map(|row| row.variant).collect()
    };
    assert_eq!((numbers(&first), first.more), (vec![1, 2], true));
    assert_eq!((first.all.count, first.all.selected), (3, 2));
    let rest = store.variants(owner.id, "den", seq, 2).await.unwrap();
    assert_eq!((numbers(&rest), rest.more), (vec![3], false));
    let none = store.variants(owner.id, "den", seq, 3).await.unwrap();
    assert_eq!((numbers(&none), none.more), (vec![], false));
    for (reader, slug, place, expected) in [
        (&stranger, "den", seq, ErrorCode::NotAMember),
        (&owner, "nowhere", seq, ErrorCode::RoomNotFound),
        (&owner, "den", seq - 1, ErrorCode::ReplyNotFound),
        (&owner, "den", 99, ErrorCode::ReplyNotFound),
    ] {
        let read = store.variants(reader.id, slug, place, 0).await;
        assert_eq!(refused(read), expected);
    }
}
