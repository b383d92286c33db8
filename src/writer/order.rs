//! The order of one socket's sends to one room (P10). When a send is refused in a way that may work later, what
//! the same socket pipelined behind it is refused too, until the first refused one comes again: otherwise a message
//! could overtake the one before it. Shared between the consumer and the lane.

use std::sync::{Mutex, PoisonError};

use crate::db::changes::Change;
use crate::error::Refusal;
use crate::ids::ClientId;

/// The first refused send of one socket in one room, while it has not come again.
#[derive(Debug, Default)]
pub struct SendOrder(Mutex<Option<ClientId>>);

impl SendOrder {
    /// Whether a send may go on. The first refused one clears the way for those behind it.
    #[must_use]
    pub fn admits(&self, client_id: ClientId) -> bool {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.is_some_and(|first| first != client_id) {
            return false;
        }
        *refused = None;
        true
    }

    /// Notes a send that was refused but may work later. Only the first counts.
    pub fn refused(&self, client_id: ClientId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(client_id);
    }

    /// The room was joined again: the client resends from where it stands.
    pub fn reset(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Notes a refusal if it is one that must hold back what follows.
pub(crate) fn note_refusal(order: Option<&SendOrder>, change: &Change, refusal: &Refusal) {
    if let (Some(order), Change::Post(post), true) = (order, change, refusal.code.is_retryable()) {
        order.refused(post.client_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overtakes_a_refused_send() {
        let (first, second) = (ClientId::new(), ClientId::new());
        let order = SendOrder::default();
        assert!(order.admits(first));
        order.refused(first);
        order.refused(second);
        assert!(!order.admits(second));
        assert!(order.admits(first));
        assert!(order.admits(second));
    }
}
