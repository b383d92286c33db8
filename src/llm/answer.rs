//! One answer over HTTP: opens the stream, reads it into [`Delta`]s through the provider's [`Decoder`], and, while no
//! text has come, tries again where that may help. Made by [`super::anthropic`] and [`super::openai`].
//!
//! It never retries after the first text, and never holds more than one read's events. Dropping the stream, or the
//! future that begins it, drops the response and so closes the connection.

use std::collections::VecDeque;

use futures_util::StreamExt;
use futures_util::stream;
use rand::Rng;
use reqwest::Response;
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep, timeout_at};

use super::event_stream::{Event, EventStreamParser};
use super::failure::{Failure, Retry, name_like};
use super::http::{Request, Timeouts, describe};
use super::{Delta, DeltaStream, LlmError};
use crate::limits;

/// Turns the events of one stream into deltas.
pub(super) trait Decoder: Send + Sync + 'static {
    /// Takes one event and appends what it gives. After it appended `Done` it is asked no more.
    ///
    /// # Errors
    /// When the provider says that it failed, or the event is not of its protocol.
    fn event(&mut self, event: &Event, deltas: &mut VecDeque<Delta>) -> Result<(), Failure>;

    /// The server ended its response properly, without the terminator. Appends what is left, or fails as truncated.
    ///
    /// # Errors
    /// When the answer is not whole.
    fn end(&mut self, deltas: &mut VecDeque<Delta>) -> Result<(), Failure>;
}

/// Appends text, if there is any. NUL characters go: no database takes them in a text.
pub(super) fn push_text(deltas: &mut VecDeque<Delta>, text: &str) {
    let text = if text.contains('\0') {
        text.replace('\0', "")
    } else {
        text.to_owned()
    };
    if !text.is_empty() {
        deltas.push_back(Delta::Text(text));
    }
}

/// Begins an answer. Each try gets a decoder of its own.
///
/// # Errors
/// When no try got a stream.
pub(super) async fn begin<D: Decoder>(
    request: Request,
    decoder: fn() -> D,
) -> Result<DeltaStream, LlmError> {
    let mut answer = Answer {
        deadline: Instant::now() + request.timeouts.total,
        request,
        decoder,
        tries: 0,
        reading: None,
        deltas: VecDeque::new(),
        failed: None,
        text_came: false,
    };
    answer.open().await?;
    let deltas = stream::unfold(Some(answer), |answer| async move {
        let mut answer = answer?;
        match answer.next().await {
            Ok(done @ Delta::Done(_)) => Some((Ok(done), None)),
            Ok(delta @ (Delta::Text(_) | Delta::Used(_))) => Some((Ok(delta), Some(answer))),
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(deltas.boxed())
}

/// A provider's name for a model, if it is one that may be stored and shown.
pub(super) fn model_name(value: Option<&Value>) -> Option<String> {
    value
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty() && name.len() <= 200 && !name.contains(char::is_control))
        .map(str::to_owned)
}

/// A provider's count of tokens, if it can be one.
pub(super) fn token_count(value: Option<&Value>) -> Option<i64> {
    value
        .and_then(Value::as_i64)
        .filter(|count| (0..=limits::PROVIDER_TOKENS).contains(count))
}

/// A provider's own stop reason, if it is one that may be stored and shown.
pub(super) fn own_stop_reason(reason: &str) -> String {
    name_like(reason).unwrap_or("other").to_owned()
}

struct Answer<D> {
    request: Request,
    decoder: fn() -> D,
    /// The end of all tries.
    deadline: Instant,
    tries: u32,
    reading: Option<Reading<D>>,
    /// Decoded and not yet given out.
    deltas: VecDeque<Delta>,
    /// What comes after them.
    failed: Option<Failure>,
    /// From now on nothing is retried.
    text_came: bool,
}

/// One open stream.
struct Reading<D> {
    response: Response,
    parser: EventStreamParser,
    decoder: D,
    /// When the next byte must have come.
    byte_due: Instant,
}

impl<D: Decoder> Answer<D> {
    /// Opens a stream, as often as is allowed.
    async fn open(&mut self) -> Result<(), LlmError> {
        loop {
            self.tries += 1;
            let byte_due = self
                .deadline
                .min(Instant::now() + self.request.timeouts.first_byte);
            match self.request.send(byte_due).await {
                Ok(response) => {
                    self.reading = Some(Reading {
                        response,
                        parser: EventStreamParser::default(),
                        decoder: (self.decoder)(),
                        byte_due,
                    });
                    return Ok(());
                }
                Err(failure) => self.wait_or_fail(failure).await?,
            }
        }
    }

    /// The next delta. After `Done` or an error it is not called again.
    async fn next(&mut self) -> Result<Delta, LlmError> {
        loop {
            if let Some(delta) = self.deltas.pop_front() {
                self.text_came |= !matches!(delta, Delta::Used(_));
                return Ok(delta);
            }
            if let Some(failure) = self.failed.take() {
                self.reading = None;
                self.wait_or_fail(failure).await?;
                self.open().await?;
            }
            if let Some(reading) = &mut self.reading
                && let Err(failure) = reading
                    .read(self.deadline, &self.request.timeouts, &mut self.deltas)
                    .await
            {
                self.failed = Some(failure);
            }
        }
    }

    /// Waits until another try may begin, or gives the failure back as final.
    async fn wait_or_fail(&self, failure: Failure) -> Result<(), LlmError> {
        let timeouts = &self.request.timeouts;
        let wait = match failure.retry {
            Retry::Backoff => backoff(timeouts, self.tries),
            Retry::After(wait) if wait <= timeouts.retry_after => wait,
            Retry::After(_) | Retry::Never => return Err(failure.error),
        };
        let is_last = self.tries >= timeouts.tries;
        if self.text_came || is_last || Instant::now() + wait >= self.deadline {
            return Err(failure.error);
        }
        tracing::info!(
            code = failure.error.code.as_str(),
            cause = %failure.error.cause,
            wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            "the model provider is asked again"
        );
        sleep(wait).await;
        Ok(())
    }
}

impl<D: Decoder> Reading<D> {
    /// Waits for more bytes and decodes the events that they finish.
    async fn read(
        &mut self,
        deadline: Instant,
        timeouts: &Timeouts,
        deltas: &mut VecDeque<Delta>,
    ) -> Result<(), Failure> {
        let due = self.byte_due.min(deadline);
        let bytes = match timeout_at(due, self.response.chunk()).await {
            Err(_elapsed) if due == deadline => {
                return Err(Failure::timeout(
                    "the answer was not finished in the time for one",
                ));
            }
            Err(_elapsed) => return Err(Failure::timeout("the stream went silent")),
            Ok(Err(error)) => return Err(Failure::truncated(describe(&error))),
            Ok(Ok(None)) => return self.decoder.end(deltas),
            Ok(Ok(Some(bytes))) => bytes,
        };
        self.byte_due = Instant::now() + timeouts.idle;
        let mut events = VecDeque::new();
        let parsed = self.parser.push(&bytes, &mut events);
        for event in &events {
            self.decoder.event(event, deltas)?;
            if matches!(deltas.back(), Some(Delta::Done(_))) {
                return Ok(());
            }
        }
        parsed.map_err(|error| Failure::malformed(error.to_string()))
    }
}

/// Our own wait before the next try: doubling, up to a bound, jittered down to three quarters.
fn backoff(timeouts: &Timeouts, tries: u32) -> Duration {
    let doubled = timeouts
        .retry_first
        .saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1)));
    doubled
        .min(timeouts.retry_longest)
        .mul_f64(rand::rng().random_range(0.75..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_with_jitter() {
        let timeouts = Timeouts::default();
        for (tries, longest_ms) in [(1, 500), (2, 1_000), (3, 2_000), (5, 8_000), (40, 8_000)] {
            let wait = backoff(&timeouts, tries).as_millis();
            assert!(
                wait <= longest_ms && wait * 4 >= longest_ms * 3 - 4,
                "{tries}: {wait}"
            );
        }
    }

    #[test]
    fn text_without_characters_is_no_text() {
        let mut deltas = VecDeque::new();
        push_text(&mut deltas, "");
        push_text(&mut deltas, "\0");
        push_text(&mut deltas, "a\0b");
        assert_eq!(deltas, [Delta::Text("ab".into())]);
    }
}
