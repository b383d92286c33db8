//! Posts that ask the assistant.

use salon::db::changes::{Change, NewPost, NewPrompt};
use salon::db::rows::{MessageKind, MessageState, ReplyMeta, ReplyState, StoredChange, Visibility};
use salon::error::ErrorCode;
use salon::ids::UserId;
use salon::limits::REPLIES_PER_ROOM;

use super::fixtures::{TestStore, changed, mention, message, new_room};

pub(super) async fn a_mention_queues_a_reply(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let assistant = store.assistant().await.unwrap();
    let ask = mention(&owner, &assistant, "@assistant hello");
    let done = store
        .write(
            room,
            vec![Change::Post(ask), Change::Post(message(&owner, "next"))],
        )
        .await;
    assert_eq!((done.head.version, done.head.last_seq), (3, 3));
    let StoredChange::Message(reply) = &done.changes[1] else {
        panic!("the reply is a message");
    };
    assert_eq!((reply.seq, reply.version), (2, 2));
    assert_eq!(reply.author, assistant);
    assert_eq!(reply.kind, MessageKind::Assistant);
    assert_eq!(reply.state, MessageState::Queued);
    assert_eq!(
        (reply.body.as_str(), &reply.html, reply.client_id),
        ("", &None, None)
    );
    let meta = ReplyMeta {
        prompt_seq: 1,
        ..ReplyMeta::default()
    };
    assert_eq!(reply.meta.reply, Some(meta));
    let posted = super::fixtures::posted(done.outcomes[0].clone());
    assert_eq!(
        (posted.seq, posted.reply_seq, posted.reply_refused),
        (1, Some(2), None)
    );
    let running = store.running_replies(room).await.unwrap();
    assert_eq!(running.len(), 1);
    assert_eq!((running[0].seq, running[0].prompt_seq), (2, 1));
    assert_eq!(
        (running[0].state, running[0].chunks),
        (ReplyState::Queued, 0)
    );
    assert_eq!(running[0].body, "");
}

pub(super) async fn without_a_mention_only_a_direct_room_prompts(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let assistant = store.assistant().await.unwrap();
    let direct = store
        .direct_room(owner.id, assistant.id, new_room("ours", Visibility::Direct))
        .await
        .unwrap();
    let unmentioned = |body| NewPost {
        prompt: Some(NewPrompt {
            assistant: assistant.id,
            mentioned: false,
            over_rate: false,
            caps: Default::default(),
        }),
        ..message(&owner, body)
    };
    let open = store.post(room, unmentioned("hello all")).await;
    assert_eq!((open.reply_seq, open.reply_refused), (None, None));
    let alone = store.post(direct.room.id, unmentioned("hello you")).await;
    assert_eq!((alone.reply_seq, alone.reply_refused), (Some(2), None));
    let unasked = store
        .post(direct.room.id, message(&owner, "no prompt"))
        .await;
    assert_eq!(unasked.reply_seq, None);
}

pub(super) async fn a_repeated_prompt_names_its_reply(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let assistant = store.assistant().await.unwrap();
    let ask = mention(&owner, &assistant, "@assistant");
    let first = store.post(room, ask.clone()).await;
    store.post(room, message(&owner, "between")).await;
    let other = mention(&owner, &assistant, "@assistant and?");
    let second = store.post(room, other.clone()).await;
    for (post, before) in [(ask, first), (other, second)] {
        let again = store.post(room, post).await;
        assert!(again.duplicate);
        assert_eq!(again.reply_seq, before.reply_seq);
    }
    assert_eq!(store.running_replies(room).await.unwrap().len(), 2);
}

pub(super) async fn a_room_has_a_bounded_number_of_replies(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let assistant = store.assistant().await.unwrap();
    let ask = || mention(&owner, &assistant, "@assistant");
    let many = (0..=REPLIES_PER_ROOM)
        .map(|_| Change::Post(ask()))
        .collect();
    let done = store.write(room, many).await;
    let posts: Vec<_> = done
        .outcomes
        .into_iter()
        .map(super::fixtures::posted)
        .collect();
    let (last, others) = posts.split_last().unwrap();
    assert!(others.iter().all(|posted| posted.reply_seq.is_some()));
    assert_eq!(last.reply_seq, None, "the message itself is stored");
    assert_eq!(last.reply_refused, Some(ErrorCode::TooManyReplies));
    assert_eq!(done.head.last_seq, 2 * REPLIES_PER_ROOM + 1);
    let stop = Change::StopReply {
        actor: owner.id,
        seq: others[0].reply_seq.unwrap(),
    };
    changed(store.change(room, stop).await);
    assert!(store.post(room, ask()).await.reply_seq.is_some());
}

pub(super) async fn a_prompt_needs_an_assistant(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    for nobody in [UserId::new(), owner.id] {
        let ask = NewPost {
            prompt: Some(NewPrompt {
                assistant: nobody,
                mentioned: true,
                over_rate: false,
                caps: Default::default(),
            }),
            ..message(&owner, "@assistant")
        };
        let posted = store.post(room, ask).await;
        assert_eq!(posted.reply_seq, None);
        assert_eq!(posted.reply_refused, Some(ErrorCode::NoAssistant));
    }
}
