//! Waits for a provider are bounded: for its first byte, between two bytes, and in all.

use std::time::{Duration, Instant};

use salon::error::ErrorCode;
use salon::llm::http::Timeouts;

use super::{BOTH, ask, provider, timeouts};
use crate::support::fake_provider::{Answer, Ending, FakeProvider};

const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn f35_the_first_byte_must_come_in_time() {
    for kind in BOTH {
        for answer in [Answer::unanswered(), Answer::raw().silence()] {
            let server = FakeProvider::start([answer]);
            let short = Timeouts {
                first_byte: SHORT,
                ..timeouts()
            };
            let answered = ask(&provider(kind, &server, short)).await;
            assert_eq!(
                answered.code(),
                Some(ErrorCode::ProviderTimeout),
                "{kind:?}"
            );
            assert_eq!(server.ending(0).await, Ending::ClosedByClient);
            assert_eq!(server.requests().len(), 1, "nobody waits for it twice");
        }
    }
}

#[tokio::test]
async fn f36_a_silent_stream_is_given_up() {
    for kind in BOTH {
        let server = FakeProvider::start([Answer::stream().piece("so far").silence()]);
        let short = Timeouts {
            idle: SHORT,
            ..timeouts()
        };
        let answered = ask(&provider(kind, &server, short)).await;
        assert_eq!(answered.text, "so far", "{kind:?}");
        assert_eq!(
            answered.code(),
            Some(ErrorCode::ProviderTimeout),
            "{kind:?}"
        );
        assert_eq!(server.ending(0).await, Ending::ClosedByClient);
    }
}

#[tokio::test]
async fn pings_keep_a_stream_alive() {
    for kind in BOTH {
        let idle = Duration::from_millis(1_000);
        let step = Duration::from_millis(100);
        let pinged = (0..15).fold(Answer::stream().piece("a"), |answer, _| {
            answer.delay(step).ping()
        });
        let server = FakeProvider::start([pinged.piece("b").finish("end")]);
        let begun = Instant::now();
        let answered = ask(&provider(kind, &server, Timeouts { idle, ..timeouts() })).await;
        assert_eq!(answered.text, "ab", "{kind:?}");
        answered.end.unwrap();
        assert!(
            begun.elapsed() > idle,
            "without its pings it would have been given up"
        );
    }
}

#[tokio::test]
async fn f36_an_endless_answer_ends() {
    for kind in BOTH {
        let server = FakeProvider::start([Answer::stream().endless(Duration::from_millis(5))]);
        let total = Duration::from_millis(300);
        let begun = Instant::now();
        let answered = ask(&provider(
            kind,
            &server,
            Timeouts {
                total,
                ..timeouts()
            },
        ))
        .await;
        assert!(answered.text.starts_with("again again "), "{kind:?}");
        assert_eq!(
            answered.code(),
            Some(ErrorCode::ProviderTimeout),
            "{kind:?}"
        );
        assert!(begun.elapsed() >= total && begun.elapsed() < total * 20);
        assert_eq!(server.ending(0).await, Ending::ClosedByClient);
    }
}

#[tokio::test]
async fn the_time_in_all_bounds_the_retries_too() {
    for kind in BOTH {
        let server = FakeProvider::start([]);
        server.otherwise(Answer::status(529, "overloaded_error").header("retry-after", "30"));
        let total = Duration::from_secs(5);
        let begun = Instant::now();
        let answered = ask(&provider(
            kind,
            &server,
            Timeouts {
                total,
                ..timeouts()
            },
        ))
        .await;
        assert_eq!(
            answered.code(),
            Some(ErrorCode::ProviderOverloaded),
            "{kind:?}"
        );
        assert!(
            begun.elapsed() < total,
            "a wait that cannot be worth it is not begun"
        );
        assert_eq!(server.requests().len(), 1);
    }
}
