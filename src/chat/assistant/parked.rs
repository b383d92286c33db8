//! Replies that went back to the queue because their provider had no place for them. There they are told of and take their turn like all
//! others; this process takes none of them again before there is a place, or a while has passed. Other processes have places of
//! their own. Kept by [`super::Assistant`]; it is bounded, and what finds no room in it is only tried again sooner.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::db::rows::ClaimedReply;
use crate::ids::{RoomId, Seq};
use crate::limits;
use crate::llm::LlmProvider;

/// What a reply waits for.
struct Waiting {
    llm: Arc<dyn LlmProvider>,
    /// Since when it has: a reply that was let go and found no place again keeps its turn.
    since: Instant,
    until: Instant,
}

/// What a claim may take of what is parked.
#[derive(Default)]
pub(super) struct Turn {
    /// To be left alone.
    pub(super) held: Vec<(RoomId, Seq)>,
    let_go: Vec<(RoomId, Seq)>,
}

/// What is not to be taken again yet.
#[derive(Default)]
pub(super) struct Parked(Mutex<BTreeMap<(RoomId, Seq), Waiting>>);

impl Parked {
    /// Notes a reply that is about to be given back.
    pub(super) fn park(&self, reply: (RoomId, Seq), llm: Arc<dyn LlmProvider>) {
        let now = Instant::now();
        let until = now + limits::PROVIDER_PLACE_HOLD;
        let mut parked = self.lock();
        let since = parked.get(&reply).map_or(now, |known| known.since);
        if parked.len() < limits::REPLIES_PER_INSTANCE {
            parked.insert(reply, Waiting { llm, since, until });
        }
    }

    /// A reply has its place, or needs none any more.
    pub(super) fn forget(&self, reply: (RoomId, Seq)) {
        self.lock().remove(&reply);
    }

    /// Whose turn it is: of each model as many as have a place now, who has waited longest first.
    pub(super) fn turn(&self) -> Turn {
        let now = Instant::now();
        let mut parked = self.lock();
        parked.retain(|_, waiting| waiting.until > now);
        let mut by_age: Vec<_> = parked.iter().collect();
        by_age.sort_by_key(|(_, waiting)| waiting.since);
        let mut free: HashMap<*const (), usize> = HashMap::new();
        let mut turn = Turn::default();
        for (reply, waiting) in by_age {
            let model = Arc::as_ptr(&waiting.llm).cast();
            let free = free
                .entry(model)
                .or_insert_with(|| waiting.llm.free_places());
            match *free {
                0 => turn.held.push(*reply),
                _ => turn.let_go.push(*reply),
            }
            *free = free.saturating_sub(1);
        }
        turn
    }

    /// What was let go and not taken is somebody else's by now, or waits for something else: it keeps no place from the next.
    pub(super) fn taken(&self, turn: &Turn, claimed: &[ClaimedReply]) {
        let is_taken =
            |reply: &(RoomId, Seq)| claimed.iter().any(|one| (one.room, one.seq) == *reply);
        let mut parked = self.lock();
        for reply in turn.let_go.iter().filter(|reply| !is_taken(reply)) {
            parked.remove(reply);
        }
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::llm::{DeltaStream, LlmError, Prompt};

    /// Has as many places as it is told.
    #[derive(Default)]
    struct Full(AtomicUsize);

    #[async_trait]
    impl LlmProvider for Full {
        fn model(&self) -> &str {
            "full"
        }

        async fn answer(&self, _prompt: Prompt) -> Result<DeltaStream, LlmError> {
            Err(LlmError::no_place())
        }

        fn free_places(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_is_left_alone_until_there_is_a_place_or_a_while_has_passed() {
        let (one, other) = (Arc::new(Full::default()), Arc::new(Full::default()));
        let (parked, room) = (Parked::default(), RoomId::new());
        parked.park((room, 1), Arc::clone(&one) as Arc<dyn LlmProvider>);
        parked.park((room, 2), other);
        assert_eq!(parked.turn().held, [(room, 1), (room, 2)]);
        one.0.store(1, Ordering::SeqCst);
        assert_eq!(parked.turn().held, [(room, 2)]);
        tokio::time::sleep(limits::PROVIDER_PLACE_HOLD).await;
        assert!(parked.turn().held.is_empty() && parked.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_lets_go_of_one_whoever_has_waited_longest_also_after_another_try() {
        let (llm, parked, room) = (Arc::new(Full::default()), Parked::default(), RoomId::new());
        let park = |seq| parked.park((room, seq), Arc::clone(&llm) as Arc<dyn LlmProvider>);
        for seq in [3, 1, 2] {
            park(seq);
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        llm.0.store(1, Ordering::SeqCst);
        assert_eq!(parked.turn().held, [(room, 1), (room, 2)]);
        // It found none after all.
        llm.0.store(0, Ordering::SeqCst);
        park(3);
        assert_eq!(parked.turn().held, [(room, 3), (room, 1), (room, 2)]);
        llm.0.store(2, Ordering::SeqCst);
        assert_eq!(parked.turn().held, [(room, 2)]);
        // Another process took one of those that were let go.
        parked.taken(&parked.turn(), &[]);
        assert_eq!(parked.turn().held, []);
        park(3);
        parked.forget((room, 3));
        assert!(parked.turn().held.is_empty() && !parked.is_empty());
    }

    #[test]
    fn as_many_are_noted_as_may_run() {
        let (parked, room) = (Parked::default(), RoomId::new());
        let llm: Arc<dyn LlmProvider> = Arc::new(Full::default());
        for seq in 0..=Seq::try_from(limits::REPLIES_PER_INSTANCE).unwrap() {
            parked.park((room, seq), Arc::clone(&llm));
        }
        assert_eq!(parked.turn().held.len(), limits::REPLIES_PER_INSTANCE);
    }
}
