//! The order of one socket's sends to one room (P10). When a send is refused in a way that may work later, what
//! the same socket pipelined behind it is refused too, until the first refused one comes again: otherwise a message
//! could overtake the one before it. Shared between the consumer and the lane.
//!
//! The consumer may refuse a send while earlier ones still wait in the lane; those go on, so each send carries its
//! place in the order. A join clears the way for what is sent after it, never for what was pipelined before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::db::changes::Change;
use crate::error::Refusal;
use crate::ids::ClientId;

/// Which send of one socket in one room was refused first, while it has not come again.
#[derive(Debug, Default)]
pub struct SendOrder(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Sends that have come.
    count: u64,
    /// The place and the id of the first refused one.
    refused: Option<(u64, ClientId)>,
    /// What is shared by the sends since the last join that cleared the way.
    since_join: Arc<SinceJoin>,
}

/// The sends between two joins.
#[derive(Debug)]
struct SinceJoin {
    /// What comes here or behind was pipelined behind a refused send when the room was joined again: the client sends
    /// all of it again.
    cut: AtomicU64,
}

impl Default for SinceJoin {
    fn default() -> Self {
        Self {
            cut: AtomicU64::new(u64::MAX),
        }
    }
}

/// The place of one send in its order.
#[derive(Clone, Debug)]
pub struct SendPlace {
    /// The order it is in.
    pub order: Arc<SendOrder>,
    number: u64,
    since_join: Arc<SinceJoin>,
}

impl SendOrder {
    /// The place of the send that has just come.
    #[must_use]
    pub fn next(self: &Arc<Self>) -> SendPlace {
        let mut state = self.lock();
        state.count += 1;
        SendPlace {
            order: Arc::clone(self),
            number: state.count,
            since_join: Arc::clone(&state.since_join),
        }
    }

    /// An order in which a send was refused before its room was known: it must come again first.
    #[must_use]
    pub fn held_back_by(client_id: ClientId) -> Self {
        Self(Mutex::new(State {
            count: 0,
            refused: Some((0, client_id)),
            ..State::default()
        }))
    }

    /// The room was joined again: the client resends from where it stands.
    pub fn reset(&self) {
        let mut state = self.lock();
        if let Some((number, _)) = state.refused.take() {
            state.since_join.cut.store(number, Ordering::Relaxed);
            state.since_join = Arc::default();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SendPlace {
    /// Whether this send may go on. The first refused one clears the way for those behind it.
    #[must_use]
    pub fn admits(&self, client_id: ClientId) -> bool {
        let mut state = self.order.lock();
        if self.is_cut() {
            return false;
        }
        match state.refused {
            Some((_, first)) if first == client_id => {
                state.refused = None;
                true
            }
            Some((number, _)) => self.number < number,
            None => true,
        }
    }

    /// Notes that this send was refused but may work later. Only the first of the order counts.
    pub fn refused(&self, client_id: ClientId) {
        let mut state = self.order.lock();
        if self.is_cut() {
            return;
        }
        if state.refused.is_none_or(|(number, _)| self.number < number) {
            state.refused = Some((self.number, client_id));
        }
    }

    /// Whether it was pipelined behind a refused send before a join cleared the way. Asked under the order's lock.
    fn is_cut(&self) -> bool {
        self.number >= self.since_join.cut.load(Ordering::Relaxed)
    }
}

/// Notes a refusal if it is one that must hold back what follows.
pub(crate) fn note_refusal(place: Option<&SendPlace>, change: &Change, refusal: &Refusal) {
    if let (Some(place), Change::Post(post), true) = (place, change, refusal.code.is_retryable()) {
        place.refused(post.client_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overtakes_a_refused_send() {
        let (first, second) = (ClientId::new(), ClientId::new());
        let order = Arc::new(SendOrder::default());
        let (one, two) = (order.next(), order.next());
        assert!(one.admits(first));
        one.refused(first);
        two.refused(second);
        assert!(!two.admits(second));
        assert!(order.next().admits(first));
        assert!(order.next().admits(second));
    }

    #[test]
    fn a_send_refused_before_its_room_was_known_holds_back_what_follows() {
        let (first, second) = (ClientId::new(), ClientId::new());
        let order = Arc::new(SendOrder::held_back_by(first));
        assert!(!order.next().admits(second));
        assert!(order.next().admits(first));
        assert!(order.next().admits(second));
    }

    #[test]
    fn a_join_clears_the_way_only_for_what_follows_it() {
        let (first, second) = (ClientId::new(), ClientId::new());
        let order = Arc::new(SendOrder::default());
        let (one, two) = (order.next(), order.next());
        one.refused(first);
        // The second still waits in the lane when the room is joined again.
        order.reset();
        assert!(!two.admits(second));
        two.refused(second);
        assert!(order.next().admits(first));
        assert!(order.next().admits(second));
    }

    #[test]
    fn what_came_before_a_refused_send_goes_on() {
        let (first, second, third) = (ClientId::new(), ClientId::new(), ClientId::new());
        let order = Arc::new(SendOrder::default());
        let (one, two, three) = (order.next(), order.next(), order.next());
        // The third is refused at once; the others still wait.
        three.refused(third);
        assert!(one.admits(first));
        assert!(two.admits(second));
        // The second turns out to be refused after all: now it must come first.
        two.refused(second);
        assert!(!order.next().admits(third));
        assert!(order.next().admits(second));
        assert!(order.next().admits(third));
    }
}
