//! Tests of [`super::Replies`].

use super::*;
use crate::protocol::publication::Publication;
use proptest::prelude::*;

fn piece(attempt: Attempt, first: ChunkNumber, count: ChunkNumber, text: &str) -> DeltaPiece {
    DeltaPiece::encode("r", 2, attempt, first, count, text)
}

fn texts(frames: &[Delta]) -> String {
    frames
        .iter()
        .flat_map(|(_, frame)| frame.payloads().collect::<Vec<_>>())
        .map(|json| {
            serde_json::from_slice::<serde_json::Value>(&json).unwrap()["text"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

/// What was found in a room that an instance read again after the layer's silence: begun and ended in one range.
#[test]
fn nothing_comes_of_a_reply_that_begins_and_ends_in_one_range() {
    let entry = |version, effect| Entry {
        version,
        effect,
        offset: 0,
        length: 0,
    };
    let queued = |seq| Effect::ReplyQueued {
        seq,
        prompt_seq: 1,
        after_attempt: 0,
    };
    let mut replies = Replies::default();
    let other = DeltaPiece::encode("r", 3, 1, 1, 1, "other");
    for early in [piece(1, 1, 1, "late"), other] {
        assert!(replies.delta(early).is_empty());
    }
    let range = [
        entry(2, queued(2)),
        entry(3, queued(3)),
        entry(4, Effect::ReplySettled { seq: 2 }),
    ];
    let frames = replies.emitted(&range);
    assert_eq!(texts(&frames), "other");
    assert!(replies.delta(piece(1, 2, 1, "later")).is_empty());
    // The next attempt, after a retry.
    let again = Effect::ReplyQueued {
        seq: 2,
        prompt_seq: 1,
        after_attempt: 1,
    };
    assert!(replies.emitted(&[entry(5, again)]).is_empty());
    assert_eq!(texts(&replies.delta(piece(2, 1, 1, "again"))), "again");
}

#[test]
fn deltas_wait_for_the_message_they_belong_to() {
    let mut replies = Replies::default();
    assert!(replies.delta(piece(1, 1, 1, "a")).is_empty());
    assert!(replies.delta(piece(1, 2, 1, "b")).is_empty());
    assert_eq!(texts(&replies.queued(2, 1, 0, 2)), "ab");
    assert_eq!(texts(&replies.delta(piece(1, 3, 1, "c"))), "c");
}

#[test]
fn a_higher_attempt_starts_over_and_a_lower_one_is_dropped() {
    let mut replies = Replies::default();
    let _ = replies.queued(2, 1, 0, 2);
    let _ = replies.delta(piece(1, 1, 1, "old"));
    assert_eq!(texts(&replies.delta(piece(2, 1, 1, "new"))), "new");
    assert!(replies.delta(piece(1, 2, 1, "late")).is_empty());
    assert_eq!(replies.snapshot(9)[0].body, "new");
    let _ = replies.queued(2, 1, 2, 4);
    assert_eq!(replies.snapshot(9)[0].body, "");
    assert!(replies.delta(piece(2, 1, 1, "late")).is_empty());
    assert_eq!(replies.snapshot(9)[0].body, "");
}

#[test]
fn the_whole_text_is_what_was_shown_so_far() {
    let mut replies = Replies::default();
    let _ = replies.queued(2, 1, 0, 2);
    assert_eq!(replies.whole_text("r", 2), None);
    let mut whole = String::new();
    for (number, word) in (1..).zip(["a", "b", "c"]) {
        let _ = replies.delta(piece(1, number, 1, word));
        whole.push_str(word);
        let frame = replies.whole_text("r", 2).unwrap();
        assert_eq!(replies.whole_text("r", 2).as_ref(), Some(&frame));
        assert_eq!(texts(&[(2, frame)]), whole);
    }
    let _ = replies.queued(2, 1, 1, 3);
    assert_eq!(replies.whole_text("r", 2), None, "it starts over");
}

/// What is told in one frame is bounded as it goes out: a text of quotes and line ends is twice its length there.
#[test]
fn the_texts_of_a_greeting_are_counted_as_they_are_on_the_wire() {
    let text = "a \"quoted\" line,\n\ta back\\slash, \u{1} and \u{c}: grüße 👋\r\u{8}";
    let json = serde_json::to_string(text).unwrap();
    assert_eq!(encoded_bytes(text), json.len() - 2);
    let running = |seq, body: &str| RunningReply {
        context_from: None,
        seq,
        prompt_seq: 1,
        since: 2,
        state: ReplyState::Streaming,
        attempt: 1,
        chunks: 1,
        body: body.to_owned(),
    };
    let replies = [running(2, &"\n".repeat(50)), running(3, "x")];
    let told: Vec<bool> = bodies_within(&replies, 100)
        .iter()
        .map(|reply| reply.body.is_some())
        .collect();
    assert_eq!(told, [true, false]);
}

#[test]
fn who_stands_below_a_retry_is_not_told_of_it_before_the_end_of_what_it_repeats() {
    let mut replies = Replies::default();
    let _ = replies.queued(2, 1, 0, 2);
    let _ = replies.delta(piece(1, 1, 1, "old"));
    replies.settled(2);
    let _ = replies.queued(2, 1, 1, 7);
    let _ = replies.delta(piece(2, 1, 1, "new"));
    assert!(replies.snapshot(6).is_empty());
    assert_eq!(replies.snapshot(7)[0].body, "new");
    assert_eq!(replies.shown(), [2], "its text follows");
}

#[test]
fn a_feed_that_starts_tells_of_each_reply_whoever_has_come_to_where_it_began() {
    let saved = |seq, since, state| RunningReply {
        seq,
        prompt_seq: seq - 1,
        since,
        state,
        attempt: 1,
        chunks: 1,
        body: "so far".into(),
        context_from: None,
    };
    let mut replies = Replies::default();
    // The feed starts at 57; the second was queued after its head was read.
    replies.restore(vec![
        saved(2, 40, ReplyState::Streaming),
        saved(4, 58, ReplyState::Queued),
    ]);
    let told = |version| -> Vec<(Seq, Version)> {
        let told = replies.snapshot(version).into_iter();
        told.map(|reply| (reply.seq, reply.since)).collect()
    };
    assert_eq!(told(39), []);
    assert_eq!(told(50), [(2, 40)]);
    assert_eq!(told(57), [(2, 40)]);
    assert_eq!(told(58), [(2, 40), (4, 58)]);
}

#[test]
fn how_far_the_assistant_sees_is_told_with_the_first_text_however_it_comes() {
    let told = |frames: &[Frame]| -> Vec<Option<Seq>> {
        let payloads = frames.iter().flat_map(|frame| frame.payloads());
        let parsed = payloads.map(|json| serde_json::from_slice(&json).unwrap());
        parsed
            .map(|json: serde_json::Value| json["context_from"].as_i64())
            .collect()
    };
    let frames = |deltas: Vec<Delta>| {
        let frames = deltas.into_iter().map(|(_, frame)| frame);
        told(&frames.collect::<Vec<Frame>>())
    };
    let piece = |first| DeltaPiece::encode_from("r", (9, 1, Some(5)), (first, 1), "a");
    let mut replies = Replies::default();
    let _ = replies.queued(9, 8, 0, 9);
    // As it comes from another instance.
    let bytes = Publication::Delta(piece(1)).to_bytes();
    let Some(Publication::Delta(first)) = Publication::from_bytes(&bytes) else {
        panic!("it is a delta");
    };
    assert_eq!(frames(replies.delta(first)), [Some(5)]);
    assert_eq!(frames(replies.delta(piece(2))), [None], "once");
    assert_eq!(replies.snapshot(9)[0].context_from, Some(5));
    assert_eq!(told(&[replies.whole_text("r", 9).unwrap()]), [Some(5)]);
    // The next attempt sees everything.
    let _ = replies.delta(DeltaPiece::encode("r", 9, 2, 1, 1, "c"));
    assert_eq!(replies.snapshot(9)[0].context_from, None);
    // From the database, where the layer is silent.
    let saved = RunningReply {
        context_from: Some(6),
        attempt: 3,
        chunks: 1,
        body: "d".into(),
        ..replies.snapshot(9).remove(0)
    };
    assert_eq!(frames(replies.fill("r", vec![saved])), [Some(6)]);
}

#[test]
fn nothing_of_a_settled_reply_comes_out() {
    let mut replies = Replies::default();
    let _ = replies.queued(2, 1, 0, 2);
    replies.settled(2);
    assert!(replies.delta(piece(1, 1, 1, "late")).is_empty());
    assert!(replies.is_empty());
}

#[test]
fn a_gap_is_filled_from_what_was_saved() {
    let mut replies = Replies::default();
    let _ = replies.queued(2, 1, 0, 2);
    let _ = replies.delta(piece(1, 1, 1, "a"));
    assert!(replies.delta(piece(1, 4, 1, "d")).is_empty());
    assert!(replies.has_gap());
    let saved = RunningReply {
        seq: 2,
        prompt_seq: 1,
        since: 2,
        state: ReplyState::Streaming,
        attempt: 1,
        chunks: 3,
        body: "abc".into(),
        context_from: None,
    };
    assert_eq!(texts(&replies.fill("r", vec![saved])), "bcd");
    assert!(!replies.has_gap());
}

proptest! {
    /// Whatever is lost, doubled or reordered: what was shown is a prefix, and a fill makes it whole.
    #[test]
    fn what_was_shown_is_always_a_prefix(
        counts in prop::collection::vec(1_i32..4, 1..20),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let mut pieces = Vec::new();
        let (mut first, mut whole) = (1, String::new());
        for count in counts {
            let text: String = (first..first + count).map(|n| format!("{n} ")).collect();
            pieces.push(piece(1, first, count, &text));
            whole.push_str(&text);
            first += count;
        }
        let mut replies = Replies::default();
        let _ = replies.queued(2, 1, 0, 2);
        let mut shown = String::new();
        for index in order {
            shown.push_str(&texts(&replies.delta(index.get(&pieces).clone())));
            prop_assert!(whole.starts_with(&shown));
        }
        let saved = RunningReply {
            seq: 2, prompt_seq: 1, since: 2, state: ReplyState::Streaming, attempt: 1, chunks: first - 1, body: whole.clone(),
            context_from: None,
        };
        shown.push_str(&texts(&replies.fill("r", vec![saved])));
        prop_assert_eq!(shown, whole);
    }
}
