//! The order of one socket's sends to one room (P10). When a send is refused in a way that may work later, what
//! the same socket pipelined behind it is refused too, until the first refused one comes again: otherwise a message
//! could overtake the one before it. Shared between the consumer and the lane.
//!
//! The consumer may refuse a send while earlier ones still wait in the lane; those go on, so each send carries its
//! place in the order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::db::changes::{Change, Outcome};
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
    /// Sends that were refused and have not come again, by their places: the first holds back all behind it, and when it is
    /// accepted after all, by a copy of it that was under way, the next does. At most [`limits::IN_FLIGHT_PER_SOCKET`].
    refused: BTreeMap<u64, Refused>,
    /// Between these places, both left out, every send is over: it came behind a refused one, which has come again since.
    /// Some may still wait in the lane, and their turn would be before that of what comes again.
    over: Vec<(u64, u64)>,
    /// The last sends that were accepted, or refused for good. Whoever sent one has its answer and sends it no more: a copy
    /// of it that was under way and is refused holds back nothing, or it would for ever. At most
    /// [`limits::SETTLED_SENDS`].
    settled: VecDeque<ClientId>,
}

/// A send that was refused.
#[derive(Clone, Copy, Debug)]
struct Refused {
    client_id: ClientId,
    /// How many sends had come by then. A copy that comes later is its second try, with all that is to follow behind it;
    /// one of these is not: whoever sent it did not know yet.
    told_at: u64,
}

impl State {
    fn is_over(&self, number: u64) -> bool {
        let between = |(after, before): &(u64, u64)| *after < number && number < *before;
        self.over.iter().any(between)
    }

    fn first(&self) -> Option<(u64, Refused)> {
        let first = self.refused.first_key_value();
        first.map(|(number, refused)| (*number, *refused))
    }

    fn place_of(&self, client_id: ClientId) -> Option<u64> {
        let mut refused = self.refused.iter();
        refused.find_map(|(number, known)| (known.client_id == client_id).then_some(*number))
    }

    /// The first refused one comes again, or all does, from this place on.
    fn comes_again(&mut self, first: u64, from: u64) {
        self.refused.clear();
        if from > first + 1 {
            if self.over.len() >= limits::REFUSED_RANGES {
                self.over.remove(0);
            }
            self.over.push((first, from));
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
        let told_at = 0;
        Self(Mutex::new(State {
            refused: BTreeMap::from([(0, Refused { client_id, told_at })]),
            ..State::default()
        }))
    }

    /// The room was joined again: the client resends from where it stands.
    pub fn reset(&self) {
        let mut state = self.lock();
        if let Some((number, _)) = state.first() {
            let next = state.count + 1;
            state.comes_again(number, next);
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
        if state.is_over(self.number) {
            return false;
        }
        match state.first() {
            Some((number, first)) if first.client_id == client_id => {
                if self.number > first.told_at {
                    state.comes_again(number, self.number);
                }
                true
            }
            Some((number, _)) => self.number < number,
            None => true,
        }
    }

    /// Notes that this send was refused but may work later.
    pub fn refused(&self, client_id: ClientId) {
        let mut state = self.order.lock();
        if state.is_over(self.number) || state.settled.contains(&client_id) {
            return;
        }
        let told_at = state.count;
        let refused = match state.place_of(client_id) {
            Some(known) if known <= self.number => return,
            // Another copy of it was refused before this one.
            Some(known) => state.refused.remove(&known),
            None => None,
        };
        let refused = refused.unwrap_or(Refused { client_id, told_at });
        state.refused.insert(self.number, refused);
        if state.refused.len() > limits::IN_FLIGHT_PER_SOCKET {
            state.refused.pop_last();
        }
    }

    /// Notes that a send was accepted, or refused for good: nobody sends it again, so it holds back nothing.
    pub fn settled(&self, client_id: ClientId) {
        let mut state = self.order.lock();
        if let Some(number) = state.place_of(client_id) {
            state.refused.remove(&number);
        }
        if state.settled.len() >= limits::SETTLED_SENDS {
            state.settled.pop_front();
        }
        state.settled.push_back(client_id);
    }
}

/// Notes what became of a send.
pub(crate) fn note_outcome(
    place: Option<&SendPlace>,
    change: &Change,
    outcome: &Result<Outcome, Refusal>,
) {
    match outcome {
        Ok(_) => {
            if let (Some(place), Change::Post(post)) = (place, change) {
                place.settled(post.client_id);
            }
        }
        Err(refusal) => note_refusal(place, change, refusal),
    }
}

/// Notes a refusal: one that may pass holds back what follows.
pub(crate) fn note_refusal(place: Option<&SendPlace>, change: &Change, refusal: &Refusal) {
    if let (Some(place), Change::Post(post)) = (place, change) {
        if refusal.code.is_retryable() {
            place.refused(post.client_id);
        } else {
            place.settled(post.client_id);
        }
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
    fn what_still_waits_from_before_cannot_hold_back_what_comes_again() {
        let ids: Vec<ClientId> = (0..4).map(|_| ClientId::new()).collect();
        let order = Arc::new(SendOrder::default());
        let first: Vec<SendPlace> = ids.iter().map(|_| order.next()).collect();
        first[0].refused(ids[0]);
        first[1].refused(ids[1]);
        // All comes again while the last two of the first time still wait in the lane.
        let again: Vec<SendPlace> = ids.iter().map(|_| order.next()).collect();
        assert!(again[0].admits(ids[0]));
        assert!(again[1].admits(ids[1]));
        // One of those is refused for its wait, the other comes to its turn: both are over.
        first[2].refused(ids[2]);
        assert!(!first[3].admits(ids[3]));
        assert!(again[2].admits(ids[2]));
        assert!(again[3].admits(ids[3]));
    }

    #[test]
    fn a_refused_send_that_was_accepted_after_all_holds_back_only_what_was_refused_behind_it() {
        let ids: Vec<ClientId> = (0..4).map(|_| ClientId::new()).collect();
        let order = Arc::new(SendOrder::default());
        let under_way = order.next();
        assert!(under_way.admits(ids[0]));
        // It comes again while it is under way, with others behind it, and waits for too long.
        let again: Vec<SendPlace> = ids.iter().map(|_| order.next()).collect();
        again[0].refused(ids[0]);
        again[1].refused(ids[1]);
        assert!(!again[2].admits(ids[2]));
        again[2].refused(ids[2]);
        under_way.settled(ids[0]);
        // Nobody sends the first again; the second must come before the fourth.
        assert!(!again[3].admits(ids[3]));
        again[3].refused(ids[3]);
        for id in &ids[1..] {
            let place = order.next();
            assert!(place.admits(*id));
            place.settled(*id);
        }
        assert!(order.next().admits(ClientId::new()));
    }

    #[test]
    fn a_copy_that_came_before_the_refusal_does_not_clear_the_way() {
        let (first, second, third) = (ClientId::new(), ClientId::new(), ClientId::new());
        let order = Arc::new(SendOrder::default());
        let (one, two, copy, three) = (order.next(), order.next(), order.next(), order.next());
        one.refused(first);
        two.refused(second);
        // Its sender did not know of any refusal and does not send the second behind it.
        assert!(copy.admits(first));
        assert!(!three.admits(third));
        three.refused(third);
        copy.settled(first);
        assert!(!three.admits(third));
        assert!(order.next().admits(second));
        assert!(order.next().admits(third));
    }

    #[test]
    fn a_copy_that_is_refused_after_another_was_accepted_holds_back_nothing() {
        let (first, second) = (ClientId::new(), ClientId::new());
        let order = Arc::new(SendOrder::default());
        let (one, two, copy) = (order.next(), order.next(), order.next());
        one.refused(first);
        two.refused(second);
        let again = order.next();
        assert!(again.admits(first));
        again.settled(first);
        // It has waited for too long; its sender has had its answer.
        copy.refused(first);
        order.next().refused(first);
        let again = order.next();
        assert!(again.admits(second));
        again.settled(second);
        assert!(order.next().admits(ClientId::new()));
    }

    #[test]
    fn what_is_known_to_be_settled_is_bounded() {
        let order = Arc::new(SendOrder::default());
        let ids: Vec<ClientId> = (0..limits::SETTLED_SENDS + 10)
            .map(|_| ClientId::new())
            .collect();
        for id in &ids {
            order.next().settled(*id);
        }
        assert_eq!(order.lock().settled.len(), limits::SETTLED_SENDS);
        for id in ids.iter().rev().take(limits::SETTLED_SENDS) {
            order.next().refused(*id);
        }
        assert!(order.lock().refused.is_empty());
    }

    #[test]
    fn when_the_first_is_accepted_after_all_the_next_of_the_order_counts() {
        let ids: Vec<ClientId> = (0..4).map(|_| ClientId::new()).collect();
        let order = Arc::new(SendOrder::default());
        let first: Vec<SendPlace> = ids.iter().map(|_| order.next()).collect();
        // A later one is refused before the earlier ones, which were being written.
        first[2].refused(ids[2]);
        let copy = order.next();
        for place in [0, 1, 3] {
            first[place].refused(ids[place]);
        }
        assert!(copy.admits(ids[0]));
        copy.settled(ids[0]);
        assert!(!order.next().admits(ids[2]));
        for id in &ids[1..] {
            assert!(order.next().admits(*id));
        }
    }

    #[test]
    fn what_still_waits_when_the_room_is_joined_again_is_over() {
        let (first, second) = (ClientId::new(), ClientId::new());
        let order = Arc::new(SendOrder::default());
        let (one, two) = (order.next(), order.next());
        one.refused(first);
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
    #[test]
    fn ranges_that_are_over_are_bounded_and_the_latest_hold() {
        let order = Arc::new(SendOrder::default());
        let mut waiting = Vec::new();
        for _ in 0..limits::REFUSED_RANGES * 2 {
            let (first, behind) = (ClientId::new(), ClientId::new());
            let (one, two) = (order.next(), order.next());
            assert!(one.admits(first));
            one.refused(first);
            let again = order.next();
            assert!(again.admits(first));
            again.settled(first);
            waiting.push((two, behind));
        }
        assert_eq!(order.lock().over.len(), limits::REFUSED_RANGES);
        for (place, id) in &waiting[limits::REFUSED_RANGES..] {
            assert!(!place.admits(*id));
        }
    }
}
