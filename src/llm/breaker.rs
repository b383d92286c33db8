//! A circuit breaker around a provider: when answer after answer fails for reasons of its own, it is left alone for a
//! while, and replies fail at once instead of after all their tries. Then one answer tries it again. Made by
//! [`super::registry`] around every provider that is reached over a network; its models share one.
//!
//! Only what happened before the first text of an answer counts: a provider that gives text is there. Errors of a key,
//! of a quota or of a request count neither way: they say nothing of the next reply.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use tokio::time::Instant;

use super::{Delta, DeltaStream, LlmError, LlmProvider, Prompt};
use crate::error::ErrorCode;
use crate::limits;

/// A provider that is left alone while it fails.
pub struct Breaker {
    inner: Arc<dyn LlmProvider>,
    open_for: Duration,
    circuit: Arc<Mutex<Circuit>>,
}

/// What the models of one provider share.
#[derive(Clone)]
pub struct SharedCircuit {
    open_for: Duration,
    circuit: Arc<Mutex<Circuit>>,
}

impl SharedCircuit {
    /// Closed at first, that is: letting everything through. Once it opens it lets nothing through for `open_for`
    /// ([`limits::PROVIDER_CIRCUIT_OPEN`]; tests shorten it). The log and the metric name the provider.
    #[must_use]
    pub fn new(provider: &str, open_for: Duration) -> Self {
        let circuit = Circuit {
            provider: provider.to_owned(),
            ..Circuit::default()
        };
        Self {
            open_for,
            circuit: Arc::new(Mutex::new(circuit)),
        }
    }
}

impl Breaker {
    /// Around `inner`, which shares this circuit with other models of its provider.
    #[must_use]
    pub fn around(inner: Arc<dyn LlmProvider>, shared: &SharedCircuit) -> Self {
        Self {
            inner,
            open_for: shared.open_for,
            circuit: Arc::clone(&shared.circuit),
        }
    }
}

#[async_trait]
impl LlmProvider for Breaker {
    fn model(&self) -> &str {
        self.inner.model()
    }

    async fn answer(&self, prompt: Prompt) -> Result<DeltaStream, LlmError> {
        let pass = Pass::get(&self.circuit, self.open_for)?;
        match self.inner.answer(prompt).await {
            Ok(stream) => Ok(watched(stream, pass)),
            Err(error) => {
                pass.failed(error.code);
                Err(error)
            }
        }
    }

    /// Says nothing of answers, so it neither asks for leave nor tells.
    async fn count_tokens(&self, prompt: &Prompt) -> Result<Option<u64>, LlmError> {
        self.inner.count_tokens(prompt).await
    }

    async fn probe(&self) -> Result<String, LlmError> {
        self.inner.probe().await
    }
}

/// The same stream; what comes first decides what the pass tells.
fn watched(stream: DeltaStream, pass: Pass) -> DeltaStream {
    let mut pass = Some(pass);
    let tell = move |delta: &Result<Delta, LlmError>| {
        // What it has read tells nothing yet: some fail behind it.
        if matches!(delta, Ok(Delta::Used(_))) {
            return;
        }
        let Some(pass) = pass.take() else { return };
        match delta {
            Ok(_) => pass.answered(),
            Err(error) => pass.failed(error.code),
        }
    };
    let mut tell = tell;
    stream.inspect(move |delta| tell(delta)).boxed()
}

/// One answer's leave to ask the provider. Dropped untold (somebody pressed stop), it says nothing of the provider, and
/// another answer may try.
struct Pass {
    circuit: Arc<Mutex<Circuit>>,
    open_for: Duration,
    is_trial: bool,
    told: bool,
}

impl Pass {
    fn get(circuit: &Arc<Mutex<Circuit>>, open_for: Duration) -> Result<Self, LlmError> {
        let is_trial = lock(circuit).admit(Instant::now())?;
        Ok(Self {
            circuit: Arc::clone(circuit),
            open_for,
            is_trial,
            told: false,
        })
    }

    fn answered(mut self) {
        self.told = true;
        lock(&self.circuit).answered();
    }

    fn failed(mut self, code: ErrorCode) {
        if is_the_providers(code) {
            self.told = true;
            let until = Instant::now() + self.open_for;
            lock(&self.circuit).failed(code, self.is_trial, until);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.is_trial && !self.told {
            lock(&self.circuit).trial_is_out = false;
        }
    }
}

fn lock(circuit: &Mutex<Circuit>) -> MutexGuard<'_, Circuit> {
    circuit.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a failure says that the next answer would fail as well.
const fn is_the_providers(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::ProviderUnavailable
            | ErrorCode::ProviderOverloaded
            | ErrorCode::ProviderRateLimited
            | ErrorCode::ProviderTimeout
            | ErrorCode::ProviderTruncated
            | ErrorCode::ProviderMalformed
    )
}

/// What the breaker knows. Pure but for the log; the clock is handed in.
#[derive(Debug, Default)]
struct Circuit {
    /// Whose it is, for the log and the metric.
    provider: String,
    /// Answers in a row that failed.
    failures: u32,
    /// Open, that is: letting nothing through, until then; and why.
    open: Option<(Instant, ErrorCode)>,
    /// The one answer that tries an open circuit.
    trial_is_out: bool,
}

impl Circuit {
    /// Whether an answer may ask the provider now, and whether it is the one that tries.
    fn admit(&mut self, now: Instant) -> Result<bool, LlmError> {
        let Some((until, code)) = self.open else {
            return Ok(false);
        };
        if now < until || self.trial_is_out {
            return Err(LlmError::new(
                code,
                "not asked: the last answers all failed",
            ));
        }
        self.trial_is_out = true;
        Ok(true)
    }

    fn answered(&mut self) {
        if self.open.is_some() {
            tracing::info!(provider = self.provider, "the model provider answers again");
            self.show(0.0);
        }
        self.failures = 0;
        self.open = None;
        self.trial_is_out = false;
    }

    /// `until`: how long it is open if this opens it.
    fn failed(&mut self, code: ErrorCode, is_trial: bool, until: Instant) {
        self.failures = self.failures.saturating_add(1);
        if is_trial {
            self.trial_is_out = false;
        } else if self.open.is_some() || self.failures < limits::PROVIDER_CIRCUIT_FAILURES {
            return;
        }
        if self.open.is_none() {
            tracing::warn!(
                provider = self.provider,
                code = code.as_str(),
                failures = self.failures,
                "the model provider is left alone for a while"
            );
            self.show(1.0);
        }
        self.open = Some((until, code));
    }

    fn show(&self, open: f64) {
        let provider = self.provider.clone();
        metrics::gauge!("salon_provider_circuit_open", "provider" => provider).set(open);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: ErrorCode = ErrorCode::ProviderOverloaded;
    const OPEN: Duration = Duration::from_secs(15);

    fn opened(now: Instant) -> Circuit {
        let mut circuit = Circuit::default();
        for _ in 0..limits::PROVIDER_CIRCUIT_FAILURES {
            assert_eq!(circuit.admit(now), Ok(false));
            circuit.failed(CODE, false, now + OPEN);
        }
        circuit
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_answer_tries_it() {
        let now = Instant::now();
        let mut circuit = opened(now);
        assert_eq!(circuit.admit(now).unwrap_err().code, CODE);
        assert_eq!(circuit.admit(now + OPEN), Ok(true));
        assert!(circuit.admit(now + OPEN).is_err(), "one at a time");
        circuit.failed(CODE, true, now + OPEN * 2);
        assert!(circuit.admit(now + OPEN).is_err());
        assert_eq!(circuit.admit(now + OPEN * 2), Ok(true));
        circuit.answered();
        assert_eq!(circuit.admit(now + OPEN * 2), Ok(false));
        circuit.failed(CODE, false, now + OPEN * 3);
        assert_eq!(circuit.admit(now), Ok(false), "they count anew");
    }

    #[test]
    fn late_failures_of_answers_that_began_before_do_not_keep_it_open() {
        let now = Instant::now();
        let mut circuit = opened(now);
        circuit.failed(CODE, false, now + OPEN * 2);
        assert_eq!(circuit.admit(now + OPEN), Ok(true));
    }

    #[test]
    fn an_answer_in_between_starts_the_count_anew() {
        let now = Instant::now();
        let mut circuit = Circuit::default();
        for _ in 0..limits::PROVIDER_CIRCUIT_FAILURES * 3 {
            circuit.failed(CODE, false, now + OPEN);
            if circuit.failures == limits::PROVIDER_CIRCUIT_FAILURES - 1 {
                circuit.answered();
            }
            assert_eq!(circuit.admit(now), Ok(false));
        }
    }

    #[test]
    fn a_trial_that_tells_nothing_lets_another_try() {
        let now = Instant::now();
        let circuit = Arc::new(Mutex::new(opened(now)));
        lock(&circuit).open = Some((now, CODE));
        let trial = Pass::get(&circuit, OPEN).unwrap();
        assert!(Pass::get(&circuit, OPEN).is_err());
        drop(trial);
        let trial = Pass::get(&circuit, OPEN).unwrap();
        // Somebody's own mistake is nobody else's.
        trial.failed(ErrorCode::ProviderRefused);
        Pass::get(&circuit, OPEN).unwrap().answered();
        assert!(!Pass::get(&circuit, OPEN).unwrap().is_trial);
    }
}
