//! Fuzzing of what providers send, by the engine of `tests/integration/fuzz`: recorded streams (`tests/fixtures/llm`) and
//! mutations of them, through the event-stream parser and both decoders. However the bytes are cut they give the same; what
//! is held is bounded; an answer has one end.

#[path = "../../tests/integration/fuzz/engine.rs"]
mod engine;

use std::collections::VecDeque;

use rand::Rng;
use rand::rngs::StdRng;

use super::Delta;
use super::answer::Decoder;
use super::anthropic::AnthropicDecoder;
use super::event_stream::{Event, EventStreamParser, EventTooLong};
use super::openai::OpenAiDecoder;
use engine::Target;

/// A small bound beside the real one, so that inputs reach it.
const SMALL_LIMIT: usize = 200;

const WORDS: &[&str] = &[
    "data: ",
    "data:",
    "event: ",
    "id: 1\n",
    "retry: 5\n",
    ": ping\n",
    "\n\n",
    "\r\n\r\n",
    "\r\r",
    "[DONE]",
    "event: error\n",
    "event: content_block_delta\n",
    "\"index\":",
    "\"type\":\"text_delta\"",
    "\"finish_reason\":\"stop\"",
    "\"delta\":{\"content\":\"x\"}",
    "\"error\":{\"message\":\"x\"}",
    "\"usage\":{\"prompt_tokens\":1}",
    "data: {\"type\":\"message_stop\"}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n",
    "null",
    "{}",
    "[]",
];

fn recordings() -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/llm");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "sse"))
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// The bytes in pieces, cut anywhere.
fn cut<'a>(bytes: &'a [u8], rng: &mut StdRng) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = (0..rng.random_range(0..12))
        .map(|_| rng.random_range(0..=bytes.len()))
        .collect();
    places.sort_unstable();
    places.push(bytes.len());
    let mut from = 0;
    places
        .into_iter()
        .map(|to| &bytes[std::mem::replace(&mut from, to)..to])
        .collect()
}

/// The events, and whether one was too long.
fn parse(limit: usize, pieces: &[&[u8]]) -> (VecDeque<Event>, Option<EventTooLong>) {
    let mut parser = EventStreamParser::with_limit(limit);
    let mut events = VecDeque::new();
    for piece in pieces {
        if let Err(error) = parser.push(piece, &mut events) {
            return (events, Some(error));
        }
    }
    (events, None)
}

/// Events lie within the bound: U+FFFD takes three bytes where one was wrong.
fn check_events(limit: usize, whole: &[u8], pieces: &[&[u8]]) -> Result<(), String> {
    let parsed = parse(limit, &[whole]);
    for event in &parsed.0 {
        if event.name.len() > 3 * limit || event.data.len() > 3 * limit {
            return Err(format!("an event of {} bytes", event.data.len()));
        }
    }
    let held: usize = parsed.0.iter().map(|event| event.data.len()).sum();
    if held > 3 * whole.len() {
        return Err(format!("{held} bytes of {}", whole.len()));
    }
    let by_pieces = parse(limit, pieces);
    if parsed == by_pieces {
        return Ok(());
    }
    Err(format!("in pieces {by_pieces:?}, whole {parsed:?}"))
}

/// Reads pieces as `answer` does: the text, and its end or the code of what failed.
fn play<D: Decoder + Default>(pieces: &[&[u8]]) -> Result<(String, String), String> {
    let (mut parser, mut decoder) = (EventStreamParser::default(), D::default());
    let mut deltas = VecDeque::new();
    let mut failed = None;
    'stream: for piece in pieces {
        let mut events = VecDeque::new();
        let parsed = parser.push(piece, &mut events);
        for event in &events {
            if let Err(failure) = decoder.event(event, &mut deltas) {
                failed = Some(failure.error.code.as_str());
                break 'stream;
            }
            if matches!(deltas.back(), Some(Delta::Done(_))) {
                break 'stream;
            }
        }
        if parsed.is_err() {
            failed = Some("too long");
            break;
        }
    }
    if failed.is_none() && !matches!(deltas.back(), Some(Delta::Done(_))) {
        failed = decoder
            .end(&mut deltas)
            .err()
            .map(|failure| failure.error.code.as_str());
    }
    let (mut text, mut ends) = (String::new(), Vec::from_iter(failed.map(str::to_owned)));
    for delta in deltas {
        match delta {
            Delta::Text(piece) if piece.is_empty() || piece.contains('\0') => {
                return Err(format!("a delta of {piece:?}"));
            }
            Delta::Text(piece) => text.push_str(&piece),
            Delta::Used(usage) if usage.input_tokens < 0 || usage.output_tokens < 0 => {
                return Err(format!("less than nothing was used: {usage:?}"));
            }
            Delta::Used(_) => {}
            Delta::Done(completion) => ends.push(format!("{completion:?}")),
        }
    }
    match <[String; 1]>::try_from(ends) {
        Ok([end]) => Ok((text, end)),
        Err(ends) => Err(format!("it ends with {ends:?}")),
    }
}

fn check_answer<D: Decoder + Default>(whole: &[u8], pieces: &[&[u8]]) -> Result<(), String> {
    let played = play::<D>(&[whole])?;
    if played.0.len() > 3 * whole.len() {
        return Err(format!("a text of {} bytes", played.0.len()));
    }
    let by_pieces = play::<D>(pieces)?;
    if played == by_pieces {
        return Ok(());
    }
    Err(format!("in pieces {by_pieces:?}, whole {played:?}"))
}

#[test]
fn fuzz_provider() {
    let target = Target {
        name: "provider",
        words: WORDS,
        max_bytes: 64 * 1024,
        seeds: recordings(),
    };
    target.fuzz(|input, rng| {
        let pieces = cut(input, rng);
        check_events(SMALL_LIMIT, input, &pieces)?;
        check_events(64 * 1024, input, &pieces)?;
        check_answer::<AnthropicDecoder>(input, &pieces)?;
        check_answer::<OpenAiDecoder>(input, &pieces)
    });
}
