//! The order of one socket's sends to one room (P10). When a send is refused in a way that may work later, what
//! the same socket pipelined behind it is refused too, until the first refused one comes again: otherwise a message
//! could overtake the one before it. Shared between the consumer and the lane.
//!
//! The consumer may refuse a send while earlier ones still wait in the lane; those go on, so each send carries its
//! place in the order. And when the refused one has come again, what was sent between its two tries may still wait
//! behind a locked room: that comes again too, so it must not go on before.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::db::changes::Change;
use crate::error::Refusal;
use crate::ids::ClientId;
use crate::limits;

/// Which send of one socket in one room was refused first, while it has not come again.
#[derive(Debug, Default)]
pub struct SendOrder(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Sends that have come.
    count: u64,
    /// The place and the id of the first refused one.
    refused: Option<(u64, ClientId)>,
    /// Places that lie behind a refused send and before its second try, both left out: they come again behind that. The
    /// latest [`limits::REFUSED_SPANS`].
    passed: VecDeque<(u64, u64)>,
}

impl State {
    fn has_passed(&self, number: u64) -> bool {
        let within = |(from, to): &(u64, u64)| *from < number && number < *to;
        self.passed.iter().any(within)
    }

    /// The first refused send may be forgotten, since it has come again as this place, or will.
    fn clear(&mut self, again: u64) {
        let Some((number, _)) = self.refused.take() else {
            return;
        };
        if again > number + 1 {
            self.passed.push_back((number, again));
            if self.passed.len() > limits::REFUSED_SPANS {
                self.passed.pop_front();
            }
        }
    }
}

/// The place of one send in its order.
#[derive(Clone, Debug)]
pub struct SendPlace {
    /// The order it is in.
    pub order: Arc<SendOrder>,
    number: u64,
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
        }
    }

    /// An order in which a send was refused before its room was known: it must come again first.
    #[must_use]
    pub fn held_back_by(client_id: ClientId) -> Self {
        Self(Mutex::new(State {
            refused: Some((0, client_id)),
            ..State::default()
        }))
    }

    /// The room was joined again: the client resends from where it stands.
    pub fn reset(&self) {
        let mut state = self.lock();
        let next = state.count + 1;
        state.clear(next);
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
        if state.has_passed(self.number) {
            return false;
        }
        match state.refused {
            Some((_, first)) if first == client_id => {
                state.clear(self.number);
                true
            }
            Some((number, _)) => self.number < number,
            None => true,
        }
    }

    /// Notes that this send was refused but may work later. Only the first of the order counts.
    pub fn refused(&self, client_id: ClientId) {
        let mut state = self.order.lock();
        // What comes again behind another's second try holds nothing back.
        if state.has_passed(self.number) {
            return;
        }
        if state.refused.is_none_or(|(number, _)| self.number < number) {
            state.refused = Some((self.number, client_id));
        }
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
    fn what_waited_behind_a_refused_send_does_not_overtake_its_second_try() {
        let (first, second, third) = (ClientId::new(), ClientId::new(), ClientId::new());
        let order = Arc::new(SendOrder::default());
        let (one, two, three) = (order.next(), order.next(), order.next());
        // All three wait for a room that is locked; the first is refused, comes again, and the others wait still.
        assert!(one.admits(first) && two.admits(second) && three.admits(third));
        one.refused(first);
        let again = order.next();
        assert!(again.admits(first));
        for (place, id) in [(&two, second), (&three, third)] {
            assert!(!place.admits(id));
            // As whoever is told no is noted; it is not the one to wait for.
            place.refused(id);
        }
        // It is asked about once more when its room is no longer locked.
        assert!(again.admits(first));
        assert!(order.next().admits(second));
        assert!(order.next().admits(third));
    }

    #[test]
    fn nor_that_after_a_join() {
        let (first, second) = (ClientId::new(), ClientId::new());
        let order = Arc::new(SendOrder::default());
        let (one, two) = (order.next(), order.next());
        assert!(one.admits(first) && two.admits(second));
        one.refused(first);
        order.reset();
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
