//! What the model provider does wrong: silence, drips, errors before and in the stream, cuts, garbage. Whatever it does,
//! each prompt ends in one state (P8), and what was shown is a prefix of what is stored (P9).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rand::Rng;
use rand::rngs::StdRng;

use super::{Fault, Kind, PROVIDER};
use crate::load::ask_the_assistant;
use crate::support::fake_provider::Answer;
use crate::support::fault_proxy::FaultProxy;
use crate::world::World;

/// Prompts posted when the provider goes wrong, so that it is asked.
const PROMPTS: usize = 3;

/// The kinds of this file.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        row: "F35",
        parts: PROVIDER,
        lasts_ms: (3_000, 8_000),
        heals_ms: 100,
        make: |draws| misbehaves(draws, |_| ("never answers", Answer::unanswered())),
    },
    Kind {
        row: "F36",
        parts: PROVIDER,
        lasts_ms: (4_000, 9_000),
        heals_ms: 100,
        make: |draws| misbehaves(draws, |_| ("drips a word every 2 s", drips())),
    },
    Kind {
        row: "F37",
        parts: PROVIDER,
        lasts_ms: (2_000, 6_000),
        heals_ms: 100,
        make: |draws| misbehaves(draws, refuses),
    },
    Kind {
        row: "F38",
        parts: PROVIDER,
        lasts_ms: (1_500, 4_000),
        heals_ms: 100,
        make: |draws| {
            misbehaves(draws, |_| {
                (
                    "sends an error after HTTP 200",
                    begun().error("overloaded_error"),
                )
            })
        },
    },
    Kind {
        row: "F39",
        parts: PROVIDER,
        lasts_ms: (1_500, 4_000),
        heals_ms: 100,
        make: |draws| misbehaves(draws, |_| ("breaks off in mid-stream", begun().cut())),
    },
    Kind {
        row: "F40",
        parts: PROVIDER,
        lasts_ms: (2_000, 5_000),
        heals_ms: 100,
        make: |draws| misbehaves(draws, garbage),
    },
];

/// What a provider that is well answers: a page of text, a second long.
pub(crate) fn good_answer() -> Answer {
    let mut answer = Answer::stream();
    for number in 0..24 {
        answer = answer
            .piece(&format!("Piece {number} says **tides** and grüße 👋. "))
            .delay(Duration::from_millis(45));
    }
    answer.finish("end")
}

fn begun() -> Answer {
    Answer::stream()
        .piece("This much ")
        .delay(Duration::from_millis(80))
        .piece("was said, ")
        .delay(Duration::from_millis(80))
        .piece("and then")
}

fn drips() -> Answer {
    (0..30).fold(Answer::stream(), |answer, _| {
        answer.piece("drip ").delay(Duration::from_secs(2))
    })
}

fn refuses(draws: &mut StdRng) -> (&'static str, Answer) {
    match draws.random_range(0..3) {
        0 => (
            "answers 429",
            Answer::status(429, "rate_limit_exceeded").header("retry-after", "1"),
        ),
        1 => ("answers 500", Answer::status(500, "server_error")),
        _ => ("answers 529", Answer::status(529, "overloaded_error")),
    }
}

fn garbage(draws: &mut StdRng) -> (&'static str, Answer) {
    match draws.random_range(0..5) {
        0 => (
            "sends broken JSON",
            begun().bytes(b"data: {\"choices\": [{]\n\n"),
        ),
        1 => (
            "sends bad UTF-8",
            begun().bytes(b"data: \xff\xfe\xf0\x9f\n\n"),
        ),
        2 => ("sends a line of 2 MB", begun().bytes(&vec![b'x'; 2 << 20])),
        3 => (
            "sends a page of HTML",
            Answer::raw()
                .header("content-type", "text/html")
                .bytes(b"<html><body>Bad gateway</body></html>"),
        ),
        _ => (
            "streams without an end",
            Answer::stream().endless(Duration::from_millis(2)),
        ),
    }
}

/// A provider that does one thing wrong to every request.
struct Misbehaves {
    how: &'static str,
    answer: Answer,
    seed: u64,
}

fn misbehaves(
    draws: &mut StdRng,
    how: impl Fn(&mut StdRng) -> (&'static str, Answer),
) -> Box<dyn Fault> {
    let (how, answer) = how(draws);
    let seed = draws.random();
    Box::new(Misbehaves { how, answer, seed })
}

#[async_trait(?Send)]
impl Fault for Misbehaves {
    fn what(&self) -> String {
        format!("the provider {}", self.how)
    }

    async fn begin(&mut self, world: &Arc<World>) {
        world.deployment.provider.otherwise(self.answer.clone());
        ask_the_assistant(world, self.seed, PROMPTS);
    }

    async fn heal(&mut self, world: &Arc<World>) {
        world.deployment.provider.otherwise(good_answer());
        // What was left hanging would hang on.
        world
            .deployment
            .links
            .provider
            .iter()
            .for_each(FaultProxy::cut);
    }
}
