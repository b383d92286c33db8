//! What attempts used, and how much of what may be spent is gone.

use chrono::{DateTime, TimeDelta, Utc};
use salon::db::changes::{Change, NewPost, NewPrompt};
use salon::db::rows::{ClaimedReply, MessageState, Usage, UserRow};
use salon::db::usage::{
    AttemptEnd, AttemptKey, AttemptRow, AttemptState, NewAttempt, Parts, SumBy,
};
use salon::error::ErrorCode;
use salon::ids::{AttemptId, InstanceId, RoomId, Seq};
use salon::permissions::Role;
use salon::spending::{Amount, Cap, Caps, Counted, Money, PeriodCaps, Span, Verdict};

use super::fixtures::{TestStore, append, changed, mention, settlement};
use super::usage_reports::sums;

/// The most that attempts of these tests can use.
const MOST: Amount = Amount {
    cost_micros: 900,
    tokens: 90,
};

fn cap(cost_micros: i64) -> Cap {
    Cap {
        cost: Some(Money::of_micros(cost_micros)),
        tokens: None,
    }
}

/// What that is made of: of the prompt somewhat more was thought possible than is likely.
const PARTS: Parts = Parts {
    prompt: Amount {
        cost_micros: 300,
        tokens: 30,
    },
    answer: Amount {
        cost_micros: 400,
        tokens: 40,
    },
};

/// So much a day, for a user.
fn user_day(cost_micros: i64) -> Caps {
    Caps {
        user: PeriodCaps {
            day: cap(cost_micros),
            month: Cap::default(),
        },
        ..Caps::default()
    }
}

pub(super) async fn attempt(
    store: &TestStore,
    room: RoomId,
    asker: &UserRow,
    (seq, attempt): (Seq, i32),
) -> NewAttempt {
    NewAttempt {
        id: AttemptId::new(),
        key: AttemptKey { room, seq, attempt },
        asker: asker.id,
        assistant: store.assistant().await.unwrap().id,
        provider: "default".into(),
        model: "scripted".into(),
        most: MOST,
        parts: PARTS,
        asked_at: None,
    }
}

/// That it used 50 tokens, for so much.
pub(super) fn end(new: &NewAttempt, cost_micros: i64) -> AttemptEnd {
    AttemptEnd {
        key: new.key,
        state: AttemptState::Complete,
        model: "scripted-2".into(),
        usage: Usage {
            input_tokens: 40,
            output_tokens: 10,
            cached_tokens: 7,
            estimated: false,
        },
        cost_micros: Some(cost_micros),
        first_token_ms: Some(12),
        stop_reason: Some("end".into()),
        error: None,
        ended_at: Utc::now(),
    }
}

async fn counted(store: &TestStore, user: &UserRow) -> Counted {
    store.own_usage(user.id, None, 0).await.unwrap().counted
}

/// A row of the one attempt there is, as its room and its asker read it.
async fn rows_tell_all(store: &TestStore, owner: &UserRow, (new, end): (&NewAttempt, &AttemptEnd)) {
    let room_page = store.room_usage(owner.id, "den", None, 9).await.unwrap();
    assert_eq!(room_page.counted.day.spent, end.used());

    let row = &room_page.rows[0];
    assert_eq!(
        store.own_usage(owner.id, None, 9).await.unwrap().rows[0],
        *row
    );
    assert_eq!(
        (row.id, row.room.as_str(), row.seq, row.attempt),
        (new.id, "den", 2, 1)
    );
    assert_eq!(
        (&row.user, row.assistant.name.as_str()),
        (owner, "assistant")
    );
    assert_eq!(
        (row.provider.as_str(), row.model.as_str()),
        ("default", "scripted-2")
    );
    assert_eq!(
        (row.input_tokens, row.output_tokens, row.cached_tokens),
        (40, 10, 7)
    );
    assert_eq!(
        (row.cost_micros, row.first_token_ms, row.estimated),
        (Some(123), Some(12), false)
    );
    assert_eq!(
        (row.state, row.stop_reason.as_deref()),
        (AttemptState::Complete, Some("end"))
    );
    assert_eq!(row.error, None);
    assert!(Utc::now() - row.asked_at < TimeDelta::seconds(60));
    let micros = |at: DateTime<Utc>| at.timestamp_micros();
    assert_eq!(row.ended_at.map(micros), Some(micros(end.ended_at)));
}

/// Ends of days are no concern of a test that does not ask for them.
async fn not_near_midnight() {
    let now = Utc::now();
    if Span::Day.end(now) - now < TimeDelta::seconds(20) {
        tokio::time::sleep(std::time::Duration::from_secs(21)).await;
    }
}

pub(super) async fn what_an_attempt_may_use_is_held_back_and_what_it_used_counts(
    store: &TestStore,
) {
    not_near_midnight().await;
    let (owner, room) = store.owner_and_room().await;
    let new = attempt(store, room, &owner, (2, 1)).await;
    let began = store.begin_attempt(new.clone(), Caps::default()).await;
    assert_eq!(began.unwrap(), Verdict::Fits);
    let now = counted(store, &owner).await;
    assert_eq!(now.day, now.month);
    assert_eq!(
        (now.day.spent, now.day.held, now.day.running),
        (Amount::default(), MOST, 1)
    );
    let running = store
        .own_usage(owner.id, None, 9)
        .await
        .unwrap()
        .rows
        .remove(0);
    assert_eq!(running.state, AttemptState::Running);
    assert_eq!((running.cost_micros, running.ended_at), (None, None));

    // Asked again, after an answer that was lost: it is the same attempt.
    let again = store.begin_attempt(new.clone(), user_day(1)).await.unwrap();
    assert_eq!(again, Verdict::Fits);
    assert_eq!(counted(store, &owner).await, now);

    let end = end(&new, 123);
    assert!(store.end_attempt(end.clone()).await.unwrap());
    assert!(!store.end_attempt(end.clone()).await.unwrap(), "once");
    let used = Amount {
        cost_micros: 123,
        tokens: 50,
    };
    for counter in [
        counted(store, &owner).await.day,
        counted(store, &owner).await.month,
    ] {
        assert_eq!(
            (counter.spent, counter.held, counter.running),
            (used, Amount::default(), 0)
        );
    }
    let server = sums(store, SumBy::Day, None).await;
    assert_eq!(server.1.month.spent, used);
    rows_tell_all(store, &owner, (&new, &end)).await;
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(super) async fn a_cap_holds_for_whom_it_is_until_its_period_ends(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let other = store.member(room, &owner, "other", Role::Member).await;
    let caps = user_day(1_000);
    let [noon, midnight] = ["2026-02-28T12:00:00Z", "2026-03-01T00:00:00Z"].map(time);
    let mut seq = 0;
    let mut new = async |asker: &UserRow, asked_at| {
        seq += 2;
        NewAttempt {
            asked_at: Some(asked_at),
            ..attempt(store, room, asker, (seq, 1)).await
        }
    };
    let begin =
        async |new: &NewAttempt, caps| store.begin_attempt(new.clone(), caps).await.unwrap();
    let first = new(&owner, noon).await;
    assert_eq!(begin(&first, caps).await, Verdict::Fits);
    let second = new(&owner, noon).await;
    assert_eq!(
        begin(&second, caps).await,
        Verdict::Waits,
        "what is held back"
    );
    let others = new(&other, noon).await;
    assert_eq!(begin(&others, caps).await, Verdict::Fits, "somebody else's");
    store.end_attempt(end(&first, 400)).await.unwrap();
    // 400 + 900 are more than 1,000, but nothing else runs: one beyond the cap is the most there can be.
    assert_eq!(begin(&second, caps).await, Verdict::Fits);
    store.end_attempt(end(&second, 900)).await.unwrap();
    let third = new(&owner, noon).await;
    assert_eq!(begin(&third, caps).await, Verdict::Full(midnight));
    let rows = store.own_usage(owner.id, None, 9).await.unwrap().rows;
    assert_eq!(rows.len(), 2, "what did not begin is no attempt");

    // Another day. What ends then counts where it began.
    let tomorrow = new(&owner, midnight).await;
    assert_eq!(begin(&tomorrow, caps).await, Verdict::Fits);
    store.end_attempt(end(&others, 100)).await.unwrap();
    let of_month = Caps {
        server: PeriodCaps {
            day: Cap::default(),
            month: cap(1_400),
        },
        ..Caps::default()
    };
    let last = new(&other, noon).await;
    assert_eq!(
        begin(&last, of_month).await,
        Verdict::Full(midnight),
        "400, 900 and 100 in February"
    );
    let in_march = new(&other, midnight).await;
    assert_eq!(
        begin(&in_march, of_month).await,
        Verdict::Waits,
        "what runs in March"
    );
    let of_room = Caps {
        room: PeriodCaps {
            day: Cap {
                cost: None,
                tokens: Some(150),
            },
            month: Cap::default(),
        },
        ..Caps::default()
    };
    assert_eq!(
        begin(&last, of_room).await,
        Verdict::Full(midnight),
        "three times 50 tokens"
    );
}

/// As many as there may be, from several tasks at once, with everything that ends making room.
pub(super) async fn racing_attempts_go_beyond_a_cap_by_no_more_than_one(store: &TestStore) {
    not_near_midnight().await;
    let (owner, room) = store.owner_and_room().await;
    let caps = Caps {
        server: PeriodCaps {
            day: cap(10 * MOST.cost_micros - 1),
            month: Cap::default(),
        },
        ..Caps::default()
    };
    let mut begun = Vec::new();
    let mut tasks = tokio::task::JoinSet::new();
    for seq in 1..=30 {
        let new = attempt(store, room, &owner, (seq, 1)).await;
        let store = std::sync::Arc::clone(&store.store);
        tasks.spawn(async move {
            loop {
                match store.begin_attempt(new.clone(), caps).await {
                    Ok(Verdict::Fits) => return Some(new),
                    Ok(_) => return None,
                    // Thirty at once, and few connections.
                    Err(error) => assert!(error.into_refusal().code.is_retryable()),
                }
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        begun.extend(ended.unwrap());
    }
    assert_eq!(begun.len(), 9, "a tenth does not fit");
    for new in &begun {
        assert!(store.end_attempt(end(new, MOST.cost_micros)).await.unwrap());
    }
    let one = attempt(store, room, &owner, (99, 1)).await;
    assert_eq!(
        store.begin_attempt(one.clone(), caps).await.unwrap(),
        Verdict::Fits
    );
    store
        .end_attempt(end(&one, MOST.cost_micros))
        .await
        .unwrap();
    let spent = counted(store, &owner).await.day;
    assert_eq!((spent.spent.cost_micros, spent.running), (9_000, 0));
    let none = attempt(store, room, &owner, (100, 1)).await;
    let full = store.begin_attempt(none, caps).await.unwrap();
    assert!(matches!(full, Verdict::Full(_)));
}

/// A reply that is being written, with what its attempt may cost held back: who asked, where, what was claimed, the attempt.
async fn being_written(
    store: &TestStore,
    runner: InstanceId,
) -> (UserRow, RoomId, ClaimedReply, NewAttempt) {
    let (owner, room) = store.owner_and_room().await;
    let seq = store.prompt(room, &owner).await;
    let claimed = store.claim_one(runner).await;
    let new = attempt(store, room, &owner, (seq, claimed.attempt)).await;
    let begun = store.begin_attempt(new.clone(), Caps::default()).await;
    assert_eq!(begun.unwrap(), Verdict::Fits);
    (owner, room, claimed, new)
}

/// The latest row of somebody's use.
async fn latest(store: &TestStore, user: &UserRow) -> AttemptRow {
    let usage = store.own_usage(user.id, None, 9).await.unwrap();
    usage.rows.into_iter().next().unwrap()
}

/// Of one whose reply is kept with its text it is known what it wrote; what it read is estimated.
pub(super) async fn a_lost_attempt_counts_its_prompt_as_read_and_what_was_saved_as_written(
    store: &TestStore,
) {
    not_near_midnight().await;
    let runner = InstanceId::new();
    let (owner, room, claimed, new) = being_written(store, runner).await;
    let seq = claimed.seq;
    assert!(store.mark_shown(runner, room, seq, 1, None).await.unwrap());
    let text = "zwölf Bytes mehr"; // 17 bytes: 5 tokens, rounded up.
    store
        .append_chunks(runner, vec![append(&claimed, 1, 1, Some(text))])
        .await
        .unwrap();
    store.age(100).await;
    let end_it = Change::InterruptReply { seq, attempt: 1 };
    changed(store.change(room, end_it).await);
    assert_eq!(store.end_lost_attempts(9).await.unwrap(), 1);
    let row = latest(store, &owner).await;
    assert_eq!((row.state, row.estimated), (AttemptState::Lost, true));
    assert_eq!((row.input_tokens, row.output_tokens), (30, 5));
    assert_eq!(row.cost_micros, Some(350));
    let counter = counted(store, &owner).await.day;
    let used = Amount {
        cost_micros: 350,
        tokens: 35,
    };
    assert_eq!(
        (counter.spent, counter.held, counter.running),
        (used, Amount::default(), 0)
    );
    // What was counted is taken back when more is known.
    assert!(store.end_attempt(end(&new, 5)).await.unwrap());
    let spent = counted(store, &owner).await.day.spent;
    assert_eq!((spent.cost_micros, spent.tokens), (5, 50));
}

pub(super) async fn an_attempt_whose_runner_died_counts_the_most_until_more_is_known(
    store: &TestStore,
) {
    not_near_midnight().await;
    let (owner, room, claimed, new) = being_written(store, InstanceId::new()).await;
    let seq = claimed.seq;
    assert_eq!(
        store.end_lost_attempts(9).await.unwrap(),
        0,
        "it is being written"
    );
    // Another runner takes it over.
    store.age(100).await;
    let next = store.claim_one(InstanceId::new()).await;
    assert_eq!((next.seq, next.attempt), (seq, claimed.attempt + 1));
    assert_eq!(store.end_lost_attempts(0).await.unwrap(), 0);
    assert_eq!(store.end_lost_attempts(9).await.unwrap(), 1);
    assert_eq!(store.end_lost_attempts(9).await.unwrap(), 0);
    let counter = counted(store, &owner).await.day;
    assert_eq!(
        (counter.spent, counter.held, counter.running),
        (MOST, Amount::default(), 0)
    );
    let row = latest(store, &owner).await;
    assert_eq!((row.state, row.estimated), (AttemptState::Lost, true));
    assert_eq!((row.input_tokens, row.output_tokens), (50, 40));
    assert_eq!(row.cost_micros, Some(MOST.cost_micros));
    // The first one was only slow.
    assert!(store.end_attempt(end(&new, 5)).await.unwrap());
    assert!(!store.end_attempt(end(&new, 6)).await.unwrap());
    let spent = counted(store, &owner).await.day.spent;
    assert_eq!((spent.cost_micros, spent.tokens), (5, 50));

    // What was settled without its attempt, and what went with its room.
    let second = attempt(store, room, &owner, (seq, next.attempt)).await;
    store.begin_attempt(second, Caps::default()).await.unwrap();
    assert_eq!(store.end_lost_attempts(9).await.unwrap(), 0);
    let delete = Change::DeleteRoom { actor: owner.id };
    store.change(room, delete).await.unwrap();
    assert_eq!(store.end_lost_attempts(9).await.unwrap(), 1);
    let rows = store.own_usage(owner.id, None, 9).await.unwrap().rows;
    assert_eq!(rows.len(), 2, "it outlives its room");
    assert_eq!(
        (rows[0].state, rows[0].room.as_str()),
        (AttemptState::Lost, "den")
    );
}

pub(super) async fn who_asks_when_what_may_be_spent_is_is_told_until_when(store: &TestStore) {
    not_near_midnight().await;
    let (owner, room) = store.owner_and_room().await;
    let other = store.member(room, &owner, "other", Role::Member).await;
    let assistant = store.assistant().await.unwrap();
    let ask = |asker: &UserRow, caps| {
        let post = mention(asker, &assistant, "@assistant hello");
        NewPost {
            prompt: post.prompt.map(|prompt| NewPrompt { caps, ..prompt }),
            ..post
        }
    };
    let caps = user_day(100);
    let first = store.post(room, ask(&owner, caps)).await;
    assert_eq!((first.reply_refused, first.refused_until), (None, None));
    let runner = InstanceId::new();
    let claimed = store.claim_one(runner).await;
    let new = attempt(store, room, &owner, (claimed.seq, claimed.attempt)).await;
    store.begin_attempt(new.clone(), caps).await.unwrap();
    // Held back is not spent: it may come back.
    let second = store.post(room, ask(&owner, caps)).await;
    assert!(second.reply_seq.is_some());
    store.end_attempt(end(&new, 100)).await.unwrap();
    let last_word = settlement(runner, &claimed, MessageState::Complete, "so");
    store.change(room, last_word).await.unwrap();
    let ask_again = ask(&owner, caps);
    let third = store.post(room, ask_again.clone()).await;
    assert_eq!(
        (third.reply_seq, third.reply_refused),
        (None, Some(ErrorCode::SpendLimitReached))
    );
    assert_eq!(third.refused_until, Some(Span::Day.end(Utc::now())));
    let repeat = store.post(room, ask_again).await;
    assert!(repeat.duplicate && repeat.reply_refused.is_none());
    assert!(
        store
            .post(room, ask(&other, caps))
            .await
            .reply_seq
            .is_some()
    );
    assert!(
        store
            .post(room, ask(&owner, Caps::default()))
            .await
            .reply_seq
            .is_some()
    );
    let of_all = Caps {
        server: user_day(100).user,
        ..Caps::default()
    };
    let everybody = store.post(room, ask(&other, of_all)).await;
    assert_eq!(everybody.reply_refused, Some(ErrorCode::SpendLimitReached));
}
