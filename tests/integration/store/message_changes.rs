//! Messages that are edited and deleted.

use salon::db::changes::{Batch, Change, NewPost, NewText, RoomEdit};
use salon::db::marks::Mark;
use salon::db::rows::{MessageRow, MessageState, StoredChange, UserRow, Visibility};
use salon::error::ErrorCode;
use salon::ids::{InstanceId, RoomId, Seq, Version};
use salon::limits::{CONTEXT_MESSAGES, EDITS_PER_MESSAGE};
use salon::permissions::Role;

use super::fixtures::{TestStore, batch, changed, code, done, message, refused, settlement};

pub(super) fn edit(actor: &UserRow, seq: Seq, body: &str, if_version: Option<Version>) -> Change {
    Change::EditMessage(NewText {
        actor: actor.id,
        seq,
        body: body.into(),
        html: Some(format!("<p>{body}</p>")),
        if_version,
        resend: None,
    })
}

pub(super) fn delete(actor: &UserRow, seq: Seq) -> Change {
    let actor = actor.id;
    Change::DeleteMessage { actor, seq }
}

pub(super) fn react(actor: &UserRow, seq: Seq, emoji: &str) -> Change {
    Change::Mark {
        actor: actor.id,
        seq,
        mark: Mark::Reaction(emoji.into()),
    }
}

/// The one message a change wrote, as it is read too.
pub(super) async fn written(store: &TestStore, room: RoomId, change: Change) -> MessageRow {
    let done = store.write(room, vec![change]).await;
    let version = changed(done.outcomes.into_iter().next().unwrap());
    assert_eq!((version, version), (done.from + 1, done.head.version));
    let [StoredChange::Message(row)] = done.changes.as_slice() else {
        panic!("one message: {:?}", done.changes);
    };
    assert_eq!(row.version, version);
    let read = store.changes_after(room, done.from, 9).await.unwrap();
    assert_eq!(read.changes, done.changes, "read as it was written");
    (**row).clone()
}

pub(super) async fn an_edit_keeps_the_text_before_it(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let first = store.post(room, message(&owner, "frist")).await;
    let row = written(store, room, edit(&owner, 1, "first", None)).await;
    assert_eq!((row.seq, row.body.as_str()), (1, "first"));
    assert_eq!(row.html.as_deref(), Some("<p>first</p>"));
    assert!(row.edited_at.is_some_and(|at| at >= row.created_at));
    let again = written(store, room, edit(&owner, 1, "first!", None)).await;
    assert_eq!(store.message(owner.id, "den", 1).await.unwrap(), again);
    let edits = store.edits(owner.id, "den", 1).await.unwrap();
    let told: Vec<_> = edits
        .iter()
        .map(|edit| (edit.version, edit.body.as_str()))
        .collect();
    assert_eq!(told, [(row.version, "frist"), (again.version, "first")]);
    assert_eq!(edits[0].written_at, first.created_at);
    assert_eq!(Some(edits[0].replaced_at), row.edited_at);
    assert_eq!(Some(edits[1].written_at), row.edited_at);
    assert_eq!(Some(edits[1].replaced_at), again.edited_at);
    // A prompt is built from the text there is.
    let context = store.context(room, 1, CONTEXT_MESSAGES).await.unwrap();
    assert_eq!(context[0].body, "first!");
    // The repeat of its post finds it as ever.
    assert_eq!(first.version, 1);
}

pub(super) async fn an_edit_is_of_the_text_that_was_seen(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.post(room, message(&owner, "one")).await;
    let reacted = written(store, room, react(&owner, 1, "👍")).await;
    // A reaction changed no text: both versions have it.
    written(store, room, edit(&owner, 1, "two", Some(1))).await;
    for stale in [1, reacted.version, 0, 99] {
        let refusal = store
            .change(room, edit(&owner, 1, "three", Some(stale)))
            .await
            .unwrap_err();
        assert_eq!(refusal.code, ErrorCode::VersionConflict, "{stale}");
        assert_eq!(refusal.version, Some(3), "the version there is");
    }
    // Asked for again, it is as was asked.
    let version = changed(store.change(room, edit(&owner, 1, "two", Some(1))).await);
    assert_eq!(
        (version, 3),
        (3, store.heads(&[room]).await.unwrap()[0].version)
    );
    let row = written(store, room, edit(&owner, 1, "three", Some(3))).await;
    assert_eq!((row.body.as_str(), row.marks.reactions.len()), ("three", 1));
}

pub(super) async fn only_its_author_edits_a_message(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let author = store.member(room, &owner, "author", Role::Member).await;
    let stranger = store.person("stranger").await;
    let posted = store.post(room, message(&author, "mine")).await;
    let seq = posted.seq;
    for (actor, seq, expected) in [
        (&owner, seq, ErrorCode::Forbidden),
        (&stranger, seq, ErrorCode::NotAMember),
        (&author, 99, ErrorCode::MessageNotFound),
        (&author, 0, ErrorCode::MessageNotFound),
    ] {
        let refused = store.change(room, edit(actor, seq, "no", None)).await;
        assert_eq!(code(refused), expected);
    }
    // A reply is nobody's to edit, not even who asked for it.
    let reply = store.prompt(room, &author).await;
    let refused = store.change(room, edit(&author, reply, "no", None)).await;
    assert_eq!(code(refused), ErrorCode::Forbidden);
    // Who only reads now, no longer edits.
    let demote = Change::SetMember {
        actor: owner.id,
        user: author.id,
        role: Role::Reader,
    };
    changed(store.change(room, demote).await);
    let refused = store.change(room, edit(&author, seq, "no", None)).await;
    assert_eq!(code(refused), ErrorCode::Forbidden);
    assert_eq!(
        store.message(author.id, "den", seq).await.unwrap().body,
        "mine"
    );
}

pub(super) async fn former_texts_are_read_by_some(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let author = store.member(room, &owner, "author", Role::Member).await;
    let keeper = store.member(room, &owner, "keeper", Role::Moderator).await;
    let other = store.member(room, &owner, "other", Role::Member).await;
    let stranger = store.person("stranger").await;
    let seq = store.post(room, message(&author, "was")).await.seq;
    written(store, room, edit(&author, seq, "is", None)).await;
    for reader in [&author, &keeper, &owner] {
        let edits = store.edits(reader.id, "den", seq).await.unwrap();
        assert_eq!(edits.len(), 1);
        assert_eq!(edits[0].body, "was");
    }
    for (reader, slug, seq, expected) in [
        (&other, "den", seq, ErrorCode::Forbidden),
        (&stranger, "den", seq, ErrorCode::NotAMember),
        (&author, "den", 99, ErrorCode::MessageNotFound),
        (&author, "nowhere", seq, ErrorCode::RoomNotFound),
    ] {
        assert_eq!(refused(store.edits(reader.id, slug, seq).await), expected);
    }
    let untouched = store.post(room, message(&author, "as it was")).await.seq;
    assert_eq!(store.edits(author.id, "den", untouched).await.unwrap(), []);
}

pub(super) async fn edits_of_one_message_are_bounded(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.post(room, message(&owner, "0")).await;
    let all = (1..=EDITS_PER_MESSAGE).map(|number| edit(&owner, 1, &number.to_string(), None));
    let done = store.write(room, all.collect()).await;
    assert!(done.outcomes.iter().all(Result::is_ok));
    let more = store.change(room, edit(&owner, 1, "more", None)).await;
    assert_eq!(code(more), ErrorCode::TooMany);
    let edits = store.edits(owner.id, "den", 1).await.unwrap();
    assert_eq!(edits.len() as i64, EDITS_PER_MESSAGE);
}

pub(super) async fn a_deletion_leaves_nothing_of_the_text(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let post = message(&owner, "secret 1");
    store.post(room, post.clone()).await;
    store.post(room, message(&owner, "other")).await;
    written(store, room, edit(&owner, 1, "secret 2", None)).await;
    written(store, room, react(&owner, 1, "🤫")).await;
    let pin = Change::Mark {
        actor: owner.id,
        seq: 1,
        mark: Mark::Pin,
    };
    written(store, room, pin).await;
    let row = written(store, room, delete(&owner, 1)).await;
    assert_eq!((row.seq, &row.author), (1, &owner));
    assert!(row.deleted_at.is_some() && row.edited_at.is_none());
    assert_eq!((row.body.as_str(), &row.html), ("", &None));
    assert!(row.marks.is_empty());
    assert_eq!(store.pins(owner.id, "den").await.unwrap(), []);
    let gone = store.edits(owner.id, "den", 1).await;
    assert_eq!(refused(gone), ErrorCode::MessageNotFound);
    let context = store.context(room, 2, CONTEXT_MESSAGES).await.unwrap();
    assert_eq!(context.iter().map(|row| row.seq).collect::<Vec<_>>(), [2]);
    let page = store.history(owner.id, "den", None, 9).await.unwrap();
    let changes = store.all_changes(room, 0).await;
    let all = format!("{page:?} {changes:?}");
    assert!(!all.contains("secret") && !all.contains("🤫"), "{all}");
    // Nothing brings it back, and a repeat of its post is still known.
    for after in [
        edit(&owner, 1, "again", None),
        react(&owner, 1, "👍"),
        Change::Post(NewPost {
            reply_to: Some(1),
            ..message(&owner, "what?")
        }),
    ] {
        let refusal = code(store.change(room, after).await);
        assert_eq!(refusal, ErrorCode::MessageNotFound);
    }
    let repeat = store.post(room, post).await;
    assert_eq!((repeat.seq, repeat.duplicate), (1, true));
    let version = changed(store.change(room, delete(&owner, 1)).await);
    assert_eq!(version, row.version, "deleted already: no version is taken");
}

pub(super) async fn ones_own_and_those_who_keep_order_delete(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let author = store.member(room, &owner, "author", Role::Member).await;
    let other = store.member(room, &owner, "other", Role::Member).await;
    let keeper = store.member(room, &owner, "keeper", Role::Moderator).await;
    let stranger = store.person("stranger").await;
    let mut seqs = Vec::new();
    for body in ["one", "two", "three"] {
        seqs.push(store.post(room, message(&author, body)).await.seq);
    }
    for (actor, seq, expected) in [
        (&other, seqs[0], ErrorCode::Forbidden),
        (&stranger, seqs[0], ErrorCode::NotAMember),
        (&author, 99, ErrorCode::MessageNotFound),
    ] {
        let refusal = code(store.change(room, delete(actor, seq)).await);
        assert_eq!(refusal, expected);
    }
    for (actor, seq) in [(&author, seqs[0]), (&keeper, seqs[1]), (&owner, seqs[2])] {
        let row = written(store, room, delete(actor, seq)).await;
        assert_eq!((row.seq, &row.author), (seq, &author));
    }
}

pub(super) async fn what_a_reply_is_written_for_is_not_deleted(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let runner = InstanceId::new();
    let reply = store.prompt(room, &owner).await;
    let both = [reply - 1, reply];
    for seq in both {
        let refusal = code(store.change(room, delete(&owner, seq)).await);
        assert_eq!(refusal, ErrorCode::ReplyRunning, "it waits");
    }
    let claimed = store.claim_one(runner).await;
    for seq in both {
        let refusal = code(store.change(room, delete(&owner, seq)).await);
        assert_eq!(refusal, ErrorCode::ReplyRunning, "it runs");
    }
    let last = settlement(runner, &claimed, MessageState::Stopped, "said this");
    changed(store.change(room, last).await);
    let row = written(store, room, delete(&owner, reply)).await;
    assert_eq!((row.state, row.body.as_str()), (MessageState::Stopped, ""));
    let retry = Change::RetryReply {
        actor: owner.id,
        seq: reply,
        caps: salon::spending::Caps::default(),
    };
    let refusal = code(store.change(room, retry).await);
    assert_eq!(refusal, ErrorCode::ReplyNotFound, "it is gone");
    written(store, room, delete(&owner, reply - 1)).await;
}

pub(super) async fn nobody_answers_what_its_batch_deleted(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.post(room, message(&owner, "here")).await;
    let answer = Change::Post(NewPost {
        reply_to: Some(1),
        ..message(&owner, "what?")
    });
    let done = store
        .write(room, vec![delete(&owner, 1), answer.clone(), answer])
        .await;
    assert!(done.outcomes[0].is_ok());
    for outcome in done.outcomes.into_iter().skip(1) {
        assert_eq!(code(outcome), ErrorCode::MessageNotFound);
    }
}

pub(super) async fn a_rerun_tells_the_same_conflict(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.post(room, message(&owner, "one")).await;
    let changes = vec![
        edit(&owner, 1, "two", Some(1)),
        edit(&owner, 1, "three", Some(1)),
        delete(&owner, 7),
    ];
    let first = batch(vec![(room, changes)]);
    let answered = done(store.apply(first.clone()).await.unwrap().rooms.remove(0));
    let rerun = Batch {
        rerun: true,
        ..first
    };
    let again = done(store.apply(rerun).await.unwrap().rooms.remove(0));
    assert_eq!(again.outcomes, answered.outcomes);
    assert_eq!(again.outcomes[1].as_ref().unwrap_err().version, Some(2));
}

/// A room's latest page, and what stands in it.
async fn snapshot(store: &TestStore, room: RoomId) -> (Version, Vec<MessageRow>) {
    let page = store.latest_page(room, 100).await.unwrap();
    (page.head.version, page.messages)
}

/// Whatever was done: what one had, and all that changed since in pages of any size, is what one would read now.
pub(super) async fn a_snapshot_and_its_tail_are_a_fresh_snapshot(store: &TestStore) {
    let owner = store.person("owner").await;
    let room = store.make_room(&owner, "den", Visibility::Public).await;
    let room = room.room.id;
    let mark = |seq, mark| Change::Mark {
        actor: owner.id,
        seq,
        mark,
    };
    let unmark = |seq, mark| Change::Unmark {
        actor: owner.id,
        seq,
        mark,
    };
    let heart = || Mark::Reaction("❤️".into());
    let rename = |name: &str| Change::EditRoom {
        actor: owner.id,
        edit: RoomEdit {
            name: Some(name.into()),
            ..RoomEdit::default()
        },
    };
    let steps = vec![
        vec![Change::Post(message(&owner, "1"))],
        vec![Change::Post(message(&owner, "2")), mark(1, heart())],
        vec![edit(&owner, 1, "one", None), mark(1, Mark::Pin)],
        vec![rename("other"), unmark(1, heart())],
        vec![Change::Post(message(&owner, "3")), mark(3, heart())],
        vec![edit(&owner, 2, "two", None), edit(&owner, 2, "zwei", None)],
        vec![delete(&owner, 3), unmark(1, Mark::Pin)],
        vec![mark(2, heart()), mark(2, Mark::Pin), delete(&owner, 1)],
    ];
    let mut cuts = vec![snapshot(store, room).await];
    for step in steps {
        let done = store.write(room, step).await;
        assert!(done.outcomes.iter().all(Result::is_ok), "{done:?}");
        cuts.push(snapshot(store, room).await);
    }
    let fresh = cuts.last().unwrap().clone();
    for (version, held) in &cuts {
        for limit in [1, 2, 50] {
            let mut rows: std::collections::BTreeMap<Seq, MessageRow> =
                held.iter().map(|row| (row.seq, row.clone())).collect();
            let mut cursor = *version;
            loop {
                let page = store.changes_after(room, cursor, limit).await.unwrap();
                for change in page.changes {
                    assert!(change.version() > cursor, "ascending");
                    cursor = change.version();
                    if let StoredChange::Message(row) = change {
                        rows.insert(row.seq, *row);
                    }
                }
                if page.complete {
                    break;
                }
            }
            let rows: Vec<MessageRow> = rows.into_values().collect();
            assert_eq!(rows, fresh.1, "from {version} in pages of {limit}");
        }
    }
}
