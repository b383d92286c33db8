//! A bound on the answers that one provider writes at once: a local model has few places, an account has a rate. Made by
//! [`super::registry`] around every provider that is reached over a network; the models of one provider share it.
//!
//! Who finds no place waits a little for one, then is told so; how many wait is bounded by the replies that an instance runs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::{DeltaStream, LlmError, LlmProvider, Prompt};

/// The places of one provider.
#[derive(Clone)]
pub struct Places {
    free: Arc<Semaphore>,
    /// Who has waited so long is told that there is none.
    wait: Duration,
}

impl Places {
    /// So many, each waited for so long ([`crate::limits::PROVIDER_PLACE_WAIT`]; tests shorten it).
    #[must_use]
    pub fn new(count: usize, wait: Duration) -> Self {
        let free = Arc::new(Semaphore::new(count));
        Self { free, wait }
    }
}

/// A place to write one answer at; free again when it is dropped. The default is of a provider that does not count them.
#[derive(Debug, Default)]
pub struct Place {
    _permit: Option<OwnedSemaphorePermit>,
}

/// A provider that writes so many answers at once.
pub struct Capped {
    inner: Arc<dyn LlmProvider>,
    places: Places,
}

impl Capped {
    /// Around `inner`, which shares these places with others.
    #[must_use]
    pub fn around(inner: Arc<dyn LlmProvider>, places: Places) -> Self {
        Self { inner, places }
    }
}

#[async_trait]
impl LlmProvider for Capped {
    fn model(&self) -> &str {
        self.inner.model()
    }

    async fn place(&self) -> Result<Place, LlmError> {
        let free = Arc::clone(&self.places.free);
        // It is never closed.
        match timeout(self.places.wait, free.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place {
                _permit: Some(permit),
            }),
            _ => Err(LlmError::no_place()),
        }
    }

    async fn answer(&self, prompt: Prompt) -> Result<DeltaStream, LlmError> {
        self.inner.answer(prompt).await
    }

    async fn count_tokens(&self, prompt: &Prompt) -> Result<Option<u64>, LlmError> {
        self.inner.count_tokens(prompt).await
    }

    fn free_places(&self) -> usize {
        self.places.free.available_permits()
    }

    async fn probe(&self) -> Result<String, LlmError> {
        self.inner.probe().await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};

    use super::*;

    /// Answers that do not end.
    struct Endless;

    #[async_trait]
    impl LlmProvider for Endless {
        fn model(&self) -> &str {
            "endless"
        }

        async fn answer(&self, _prompt: Prompt) -> Result<DeltaStream, LlmError> {
            Ok(stream::pending().boxed())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_as_there_are_places_and_the_next_waits_its_time() {
        let wait = Duration::from_secs(60);
        let places = Places::new(2, wait);
        let one = Capped::around(Arc::new(Endless), places.clone());
        let other = Capped::around(Arc::new(Endless), places);
        let first = one.place().await.unwrap();
        let _second = other.place().await.unwrap();
        let begun = tokio::time::Instant::now();
        let refused = other.place().await.err().unwrap();
        assert!(refused.is_no_place() && one.free_places() == 0);
        assert_eq!(begun.elapsed(), wait);

        // Whoever waits gets the place of the one that ends.
        let waiting = tokio::spawn(async move { one.place().await.is_ok() });
        tokio::time::sleep(wait / 2).await;
        assert!(!waiting.is_finished());
        drop(first);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn who_stops_waiting_leaves_nothing_behind() {
        let places = Places::new(1, Duration::from_secs(60));
        let capped = Arc::new(Capped::around(Arc::new(Endless), places));
        let first = capped.place().await.unwrap();
        let impatient = Arc::clone(&capped);
        let waiting = tokio::spawn(async move { impatient.place().await.is_ok() });
        tokio::task::yield_now().await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        drop(first);
        drop(capped.place().await.unwrap());
    }
}
