//! Replies that went back to the queue because their provider had no place for them. There they are told of and take their turn like all
//! others; this process takes none of them again before there is a place, or a while has passed. Other processes have places of
//! their own. Kept by [`super::Assistant`]; it is bounded, and what finds no room in it is only tried again sooner.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::ids::{RoomId, Seq};
use crate::limits;
use crate::llm::LlmProvider;

/// What a reply waits for.
struct Waiting {
    llm: Arc<dyn LlmProvider>,
    until: Instant,
}

/// What is not to be taken again yet.
#[derive(Default)]
pub(super) struct Parked(Mutex<BTreeMap<(RoomId, Seq), Waiting>>);

impl Parked {
    /// Notes a reply that is about to be given back.
    pub(super) fn park(&self, reply: (RoomId, Seq), llm: Arc<dyn LlmProvider>) {
        let until = Instant::now() + limits::PROVIDER_PLACE_HOLD;
        let mut parked = self.lock();
        if parked.len() < limits::REPLIES_PER_INSTANCE {
            parked.insert(reply, Waiting { llm, until });
        }
    }

    /// Those that are still to be left alone; the others are forgotten.
    pub(super) fn held(&self) -> Vec<(RoomId, Seq)> {
        let now = Instant::now();
        let mut parked = self.lock();
        parked.retain(|_, waiting| waiting.until > now && !waiting.llm.has_place());
        parked.keys().copied().collect()
    }

    /// Whether nothing waits for a place.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(RoomId, Seq), Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::llm::{DeltaStream, LlmError, Prompt};

    /// Has a place when it is told so.
    #[derive(Default)]
    struct Full(AtomicBool);

    #[async_trait]
    impl LlmProvider for Full {
        fn model(&self) -> &str {
            "full"
        }

        async fn answer(&self, _prompt: Prompt) -> Result<DeltaStream, LlmError> {
            Err(LlmError::no_place())
        }

        fn has_place(&self) -> bool {
            self.0.load(Ordering::SeqCst)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_is_left_alone_until_there_is_a_place_or_a_while_has_passed() {
        let (one, other) = (Arc::new(Full::default()), Arc::new(Full::default()));
        let (parked, room) = (Parked::default(), RoomId::new());
        parked.park((room, 1), Arc::clone(&one) as Arc<dyn LlmProvider>);
        parked.park((room, 2), other);
        assert_eq!(parked.held(), [(room, 1), (room, 2)]);
        one.0.store(true, Ordering::SeqCst);
        assert_eq!(parked.held(), [(room, 2)]);
        tokio::time::sleep(limits::PROVIDER_PLACE_HOLD).await;
        assert!(parked.held().is_empty() && parked.is_empty());
    }

    #[test]
    fn as_many_are_noted_as_may_run() {
        let (parked, room) = (Parked::default(), RoomId::new());
        let llm: Arc<dyn LlmProvider> = Arc::new(Full::default());
        for seq in 0..=Seq::try_from(limits::REPLIES_PER_INSTANCE).unwrap() {
            parked.park((room, seq), Arc::clone(&llm));
        }
        assert_eq!(parked.held().len(), limits::REPLIES_PER_INSTANCE);
    }
}
