//! Tests of the decoders against streams on file (`tests/fixtures/llm`): one for each deviation of a provider, written
//! after its documentation, source or issue threads. Each is read whole, cut in two at every byte, and broken off at
//! every byte. `expected.json` says what each gives.

use std::collections::{BTreeMap, VecDeque};

use serde::Deserialize;

use super::Delta;
use super::answer::Decoder;
use super::anthropic::AnthropicDecoder;
use super::event_stream::EventStreamParser;
use super::failure::Failure;
use super::openai::OpenAiDecoder;

/// What a recorded stream gives.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct Outcome {
    text: String,
    /// A stop reason, or the code of an error.
    end: String,
    #[serde(default)]
    usage: Option<(i64, i64)>,
    #[serde(default)]
    model: Option<String>,
}

impl Outcome {
    fn is_error(&self) -> bool {
        self.end.starts_with("provider_")
    }
}

fn folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/llm")
}

fn recordings() -> Vec<(String, Vec<u8>, Outcome)> {
    let table = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let table: BTreeMap<String, Outcome> = serde_json::from_str(&table).unwrap();
    let count = std::fs::read_dir(folder()).unwrap().count();
    assert_eq!(count, table.len() + 1, "each recording is in expected.json");
    table
        .into_iter()
        .map(|(name, outcome)| {
            let bytes = std::fs::read(folder().join(format!("{name}.sse"))).unwrap();
            (name, bytes, outcome)
        })
        .collect()
}

/// Reads pieces as `answer` does, and then the proper end of the response.
fn play<D: Decoder>(mut decoder: D, pieces: &[&[u8]]) -> Outcome {
    let mut parser = EventStreamParser::default();
    let mut deltas = VecDeque::new();
    let mut failed = None;
    'stream: for piece in pieces {
        let mut events = VecDeque::new();
        parser.push(piece, &mut events).unwrap();
        for event in &events {
            if let Err(failure) = decoder.event(event, &mut deltas) {
                failed = Some(failure);
                break 'stream;
            }
            if matches!(deltas.back(), Some(Delta::Done(_))) {
                break 'stream;
            }
        }
    }
    if failed.is_none() && !matches!(deltas.back(), Some(Delta::Done(_))) {
        failed = decoder.end(&mut deltas).err();
    }
    outcome(deltas, failed)
}

fn outcome(deltas: VecDeque<Delta>, failed: Option<Failure>) -> Outcome {
    let mut outcome = Outcome {
        text: String::new(),
        end: failed
            .map_or("nothing", |failure| failure.error.code.as_str())
            .to_owned(),
        usage: None,
        model: None,
    };
    for delta in deltas {
        match delta {
            Delta::Text(text) => {
                assert!(!text.is_empty());
                outcome.text.push_str(&text);
            }
            Delta::Used(_) => {}
            Delta::Done(completion) => {
                outcome.end = completion.stop_reason;
                outcome.usage = completion
                    .usage
                    .map(|usage| (usage.input_tokens, usage.output_tokens));
                outcome.model = completion.model;
            }
        }
    }
    outcome
}

fn play_named(name: &str, pieces: &[&[u8]]) -> Outcome {
    if name.starts_with("anthropic") {
        play(AnthropicDecoder::default(), pieces)
    } else {
        play(OpenAiDecoder::default(), pieces)
    }
}

#[test]
fn each_recording_gives_what_is_expected() {
    for (name, bytes, expected) in recordings() {
        assert_eq!(play_named(&name, &[&bytes]), expected, "{name}");
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(play_named(&name, &single), expected, "{name}, byte by byte");
    }
}

#[test]
fn what_a_provider_knew_from_before_is_told_apart() {
    fn cached<D: Decoder>(mut decoder: D, stream: &[u8]) -> Option<i64> {
        let (mut parser, mut events) = (EventStreamParser::default(), VecDeque::new());
        let mut deltas = VecDeque::new();
        parser.push(stream, &mut events).unwrap();
        for event in &events {
            decoder.event(event, &mut deltas).unwrap();
        }
        let _ = decoder.end(&mut deltas);
        match deltas.pop_back()? {
            Delta::Done(completion) => completion.usage.map(|usage| usage.cached_tokens),
            Delta::Text(_) | Delta::Used(_) => None,
        }
    }
    let anthropic = include_bytes!("../../tests/fixtures/llm/anthropic-cumulative-usage.sse");
    assert_eq!(cached(AnthropicDecoder::default(), anthropic), Some(3_000));
    let openai = |usage: &str| {
        let stream = format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"hi\"}},\"finish_reason\":\"stop\"}}]}}\n\n\
             data: {{\"choices\":[],\"usage\":{usage}}}\n\ndata: [DONE]\n\n"
        );
        cached(OpenAiDecoder::default(), stream.as_bytes())
    };
    let nested = "{\"prompt_tokens\":2006,\"completion_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":1920}}";
    assert_eq!(openai(nested), Some(1_920));
    let flat = "{\"prompt_tokens\":9,\"completion_tokens\":4,\"prompt_cache_hit_tokens\":7}";
    assert_eq!(openai(flat), Some(7));
    assert_eq!(
        openai("{\"prompt_tokens\":9,\"prompt_tokens_details\":null}"),
        Some(0)
    );
}

#[test]
fn a_cut_at_any_byte_changes_nothing() {
    for (name, bytes, expected) in recordings() {
        for place in 0..=bytes.len() {
            let (before, after) = bytes.split_at(place);
            assert_eq!(
                play_named(&name, &[before, after]),
                expected,
                "{name}, cut at {place}"
            );
        }
    }
}

#[test]
fn a_stream_that_breaks_off_is_never_taken_for_whole() {
    for (name, bytes, expected) in recordings() {
        for place in 0..bytes.len() {
            let Some(part) = bytes.get(..place) else {
                continue;
            };
            let got = play_named(&name, &[part]);
            assert!(
                expected.text.starts_with(&got.text),
                "{name}, broken off at {place}: {got:?}"
            );
            if !got.is_error() {
                assert_eq!(
                    (&got.text, &got.end),
                    (&expected.text, &expected.end),
                    "{name}, broken off at {place}"
                );
            }
        }
    }
}
