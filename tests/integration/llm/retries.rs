//! When a provider is asked again: only before any text, only where it may help, and not too soon.

use std::sync::Arc;
use std::time::{Duration, Instant};

use salon::error::ErrorCode;
use salon::limits;
use salon::llm::LlmProvider;
use salon::llm::breaker::{Breaker, SharedCircuit};
use salon::llm::http::Timeouts;

use super::{BOTH, ask, provider, timeouts};
use crate::support::fake_provider::{Answer, FakeProvider};
use crate::support::process::eventually;

#[tokio::test]
async fn f37_what_may_pass_is_asked_again() {
    let troubles = [
        ("408", Answer::status(408, "x")),
        ("409", Answer::status(409, "x")),
        ("429", Answer::status(429, "rate_limit_error")),
        ("500", Answer::status(500, "api_error")),
        ("502", Answer::status(502, "x")),
        ("503", Answer::status(503, "server_is_overloaded")),
        ("529", Answer::status(529, "overloaded_error")),
        (
            "x-should-retry",
            Answer::status(400, "x").header("x-should-retry", "true"),
        ),
        (
            "error after 200",
            Answer::raw().bytes(b"data: {\"error\":{\"type\":\"overloaded_error\"}}\n\n"),
        ),
        (
            "error after begin",
            Answer::stream().ping().error("overloaded_error"),
        ),
        ("cut before text", Answer::stream().cut()),
        ("empty stream", Answer::raw()),
    ];
    for kind in BOTH {
        for (name, trouble) in &troubles {
            let server = FakeProvider::start([trouble.clone(), Answer::text(&["at last"])]);
            let answered = ask(&provider(kind, &server, timeouts())).await;
            assert_eq!(answered.text, "at last", "{kind:?} {name}");
            answered.end.unwrap();
            assert_eq!(server.requests().len(), 2, "{kind:?} {name}");
        }
    }
}

#[tokio::test]
async fn f37_what_lasts_is_not_asked_again() {
    let should = |answer: Answer| {
        answer
            .header("x-should-retry", "true")
            .header("retry-after", "0.01")
    };
    let troubles = [
        (
            Answer::status(400, "invalid_request_error"),
            ErrorCode::ProviderRefused,
        ),
        (
            Answer::status(404, "not_found_error"),
            ErrorCode::ProviderRefused,
        ),
        (
            Answer::status(413, "request_too_large"),
            ErrorCode::ProviderRefused,
        ),
        (
            should(Answer::status(401, "authentication_error")),
            ErrorCode::ProviderRefusedKey,
        ),
        (
            should(Answer::status(403, "permission_error")),
            ErrorCode::ProviderRefusedKey,
        ),
        (
            should(Answer::status(402, "billing_error")),
            ErrorCode::ProviderQuota,
        ),
        (
            should(Answer::status(429, "insufficient_quota")),
            ErrorCode::ProviderQuota,
        ),
        (
            should(Answer::status(429, "enforced_spend_limit_reached")),
            ErrorCode::ProviderQuota,
        ),
        (
            Answer::status(529, "overloaded_error").header("x-should-retry", "false"),
            ErrorCode::ProviderOverloaded,
        ),
        (
            Answer::status(429, "rate_limit_error").header("retry-after", "61"),
            ErrorCode::ProviderRateLimited,
        ),
        (
            Answer::stream().error("insufficient_quota"),
            ErrorCode::ProviderQuota,
        ),
        (
            Answer::raw().bytes(b"data: {broken\n\n"),
            ErrorCode::ProviderMalformed,
        ),
    ];
    for kind in BOTH {
        for (trouble, code) in &troubles {
            let server = FakeProvider::start([trouble.clone(), Answer::text(&["too much"])]);
            let answered = ask(&provider(kind, &server, timeouts())).await;
            assert_eq!(answered.code(), Some(*code), "{kind:?} {trouble:?}");
            assert_eq!(answered.text, "");
            assert_eq!(server.requests().len(), 1, "{kind:?} {trouble:?}");
        }
    }
}

#[tokio::test]
async fn tries_are_counted() {
    for kind in BOTH {
        let server = FakeProvider::start([]);
        server.otherwise(Answer::status(529, "overloaded_error"));
        let answered = ask(&provider(kind, &server, timeouts())).await;
        assert_eq!(
            answered.code(),
            Some(ErrorCode::ProviderOverloaded),
            "{kind:?}"
        );
        assert_eq!(server.requests().len(), 3);

        // Tries inside a stream that began count among them.
        let server = FakeProvider::start([Answer::status(500, "api_error")]);
        server.otherwise(Answer::stream().error("overloaded_error"));
        let answered = ask(&provider(kind, &server, timeouts())).await;
        assert_eq!(
            answered.code(),
            Some(ErrorCode::ProviderOverloaded),
            "{kind:?}"
        );
        assert_eq!(server.requests().len(), 3);
    }
}

#[tokio::test]
async fn the_wait_that_the_provider_asks_for_is_kept() {
    let cases = [
        (vec![("retry-after", "0.4")], 400),
        (vec![("retry-after-ms", "300"), ("retry-after", "60")], 300),
    ];
    for kind in BOTH {
        for (headers, wait_ms) in &cases {
            let trouble = headers.iter().fold(
                Answer::status(429, "rate_limit_error"),
                |answer, (name, value)| answer.header(name, value),
            );
            let server = FakeProvider::start([trouble, Answer::text(&["x"])]);
            ask(&provider(kind, &server, timeouts())).await.end.unwrap();
            let requests = server.requests();
            let waited = requests[1].at - requests[0].at;
            assert!(
                waited >= Duration::from_millis(*wait_ms),
                "{kind:?} {headers:?} {waited:?}"
            );
            assert!(
                waited < Duration::from_secs(30),
                "{kind:?} {headers:?} {waited:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_unavailable() {
    for kind in BOTH {
        let server = FakeProvider::start([]);
        let provider = provider(kind, &server, timeouts());
        drop(server);
        let begun = Instant::now();
        let answered = ask(&provider).await;
        assert_eq!(
            answered.code(),
            Some(ErrorCode::ProviderUnavailable),
            "{kind:?}"
        );
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn f37_a_provider_that_fails_answer_after_answer_is_left_alone_and_then_tried_once() {
    let open_for = Duration::from_secs(1);
    let once = Timeouts {
        tries: 1,
        ..timeouts()
    };
    for kind in BOTH {
        let server = FakeProvider::start([]);
        server.otherwise(Answer::status(529, "overloaded_error"));
        let inner = provider(kind, &server, once.clone());
        let guarded: Arc<dyn LlmProvider> = Arc::new(Breaker::around(
            inner,
            &SharedCircuit::new("test", open_for),
        ));
        let overloaded = async || {
            let answered = ask(&guarded).await;
            assert_eq!(answered.code(), Some(ErrorCode::ProviderOverloaded));
        };
        // Whoever asks wrongly, or has no credit, says nothing of the others: before and in between.
        let failures = limits::PROVIDER_CIRCUIT_FAILURES as usize;
        for _ in 0..failures {
            server.push(Answer::status(400, "invalid_request_error"));
            ask(&guarded).await.end.unwrap_err();
            overloaded().await;
        }
        let asked = server.requests().len();
        assert_eq!(asked, 2 * failures);
        let opened = Instant::now();
        // Nobody asks, and all are told at once.
        while opened.elapsed() < open_for / 2 {
            overloaded().await;
        }
        assert_eq!(server.requests().len(), asked, "{kind:?}");
        // One tries, fails, and it is left alone again; the next that tries is answered, and so is everybody.
        eventually("one tries", Duration::from_secs(10), async || {
            overloaded().await;
            server.requests().len() > asked
        })
        .await;
        overloaded().await;
        assert_eq!(server.requests().len(), asked + 1, "{kind:?}");
        server.otherwise(Answer::text(&["well again"]));
        eventually("it is tried again", Duration::from_secs(10), async || {
            ask(&guarded).await.end.is_ok()
        })
        .await;
        assert_eq!(server.requests().len(), asked + 2, "{kind:?}");
        assert_eq!(ask(&guarded).await.text, "well again");
    }
}
