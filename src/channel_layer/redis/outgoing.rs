//! What waits to be published to Redis, bounded in number and bytes, and the groups whose readers must be told that
//! something was dropped. Senders only push; the session's publisher takes batches.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Mutex;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::GroupName;
use super::super::registry::lock;
use crate::limits;

/// The queue to Redis.
#[derive(Default)]
pub(super) struct Outgoing {
    state: Mutex<State>,
    /// Wakes the publisher.
    filled: Notify,
    /// Wakes who waits until nothing waits any more.
    emptied: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Numbered>,
    waiting_bytes: usize,
    /// Batches that were taken and not finished: 0 or 1.
    in_flight: usize,
    /// The number last given.
    last_number: u64,
    /// The number last given in each group.
    last_in_group: HashMap<GroupName, u64>,
    lost: Lost,
}

/// Groups whose readers must be told.
#[derive(Default)]
struct Lost {
    groups: HashSet<GroupName>,
    /// More groups than are remembered.
    anywhere: bool,
}

/// A message with its place among all that this process publishes.
pub(super) struct Numbered {
    pub(super) group: GroupName,
    pub(super) payload: Bytes,
    pub(super) number: u64,
    /// The number before it in its group; 0: forgotten, or the first.
    pub(super) previous: u64,
    queued_at: Instant,
}

/// What is published in one round trip. Dropped before [`Batch::written`], all of it counts as lost: it is not known
/// what arrived.
pub(super) struct Batch<'a> {
    outgoing: &'a Outgoing,
    pub(super) messages: Vec<Numbered>,
    /// Groups to be told of a loss.
    pub(super) gaps: Vec<GroupName>,
    /// Everyone is to be told of a loss.
    pub(super) gap_anywhere: bool,
    written: bool,
}

impl Outgoing {
    /// Takes a message, or drops it and remembers its group; false when dropped.
    pub(super) fn push(&self, group: &GroupName, payload: Bytes) -> bool {
        let taken = {
            let mut state = lock(&self.state);
            let (number, previous) = state.next_number(group);
            let full = state.waiting.len() >= limits::PUBLISH_QUEUE
                || state.waiting_bytes + payload.len() > limits::PUBLISH_QUEUE_BYTES
                || payload.len() > limits::LAYER_MESSAGE_BYTES;
            if full {
                state.lost.add(group.clone());
            } else {
                state.waiting_bytes += payload.len();
                state.waiting.push_back(Numbered {
                    group: group.clone(),
                    payload,
                    number,
                    previous,
                    queued_at: Instant::now(),
                });
            }
            !full
        };
        if !taken {
            metrics::counter!("salon_layer_dropped_total").increment(1);
        }
        self.filled.notify_one();
        taken
    }

    /// After an interruption: what waited too long is announced as lost instead.
    pub(super) fn drop_stale(&self) {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        while let Some(oldest) = state.waiting.front()
            && oldest.queued_at.elapsed() > limits::PUBLISH_STALE
            && let Some(stale) = state.waiting.pop_front()
        {
            state.waiting_bytes -= stale.payload.len();
            state.lost.add(stale.group);
            metrics::counter!("salon_layer_dropped_total").increment(1);
        }
    }

    /// The next batch; waits for one.
    pub(super) async fn take_batch(&self) -> Batch<'_> {
        loop {
            if let Some(batch) = self.try_take_batch() {
                return batch;
            }
            self.filled.notified().await;
        }
    }

    /// Waits until nothing waits and nothing is on its way.
    pub(super) async fn drained(&self) {
        while !lock(&self.state).is_empty() {
            self.emptied.notified().await;
        }
    }

    fn try_take_batch(&self) -> Option<Batch<'_>> {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        let mut batch = Batch {
            outgoing: self,
            messages: Vec::new(),
            gaps: state.lost.groups.drain().collect(),
            gap_anywhere: std::mem::take(&mut state.lost.anywhere),
            // Nothing to lose until the batch is whole.
            written: true,
        };
        let mut bytes = 0;
        while let Some(next) = state.waiting.front()
            && batch.messages.len() < limits::PUBLISH_BATCH
            && (batch.messages.is_empty()
                || bytes + next.payload.len() <= limits::PUBLISH_BATCH_BYTES)
            && let Some(message) = state.waiting.pop_front()
        {
            bytes += message.payload.len();
            batch.messages.push(message);
        }
        state.waiting_bytes -= bytes;
        if batch.messages.is_empty() && batch.gaps.is_empty() && !batch.gap_anywhere {
            return None;
        }
        state.in_flight += 1;
        batch.written = false;
        Some(batch)
    }
}

impl Batch<'_> {
    /// Redis has answered for all of it.
    pub(super) fn written(mut self) {
        self.written = true;
        let emptied = {
            let mut state = lock(&self.outgoing.state);
            state.in_flight -= 1;
            state.is_empty()
        };
        metrics::counter!("salon_layer_published_total").increment(self.messages.len() as u64);
        if emptied {
            self.outgoing.emptied.notify_one();
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if self.written {
            return;
        }
        metrics::counter!("salon_layer_dropped_total").increment(self.messages.len() as u64);
        let mut state = lock(&self.outgoing.state);
        state.in_flight -= 1;
        state.lost.anywhere |= self.gap_anywhere;
        for group in self.gaps.drain(..) {
            state.lost.add(group);
        }
        for message in self.messages.drain(..) {
            state.lost.add(message.group);
        }
    }
}

impl State {
    /// Numbers are given to what is dropped too: the next message of the group then shows the gap.
    fn next_number(&mut self, group: &GroupName) -> (u64, u64) {
        self.last_number += 1;
        let number = self.last_number;
        if self.last_in_group.len() >= limits::NUMBERED_GROUPS
            && !self.last_in_group.contains_key(group)
        {
            let kept = (limits::NUMBERED_GROUPS / 2) as u64;
            self.last_in_group.retain(|_, last| *last + kept > number);
        }
        let previous = self.last_in_group.insert(group.clone(), number);
        (number, previous.unwrap_or(0))
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty()
            && self.in_flight == 0
            && self.lost.groups.is_empty()
            && !self.lost.anywhere
    }
}

impl Lost {
    fn add(&mut self, group: GroupName) {
        if self.groups.len() < limits::PUBLISH_QUEUE {
            self.groups.insert(group);
        } else if !self.groups.contains(&group) {
            self.anywhere = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(number: usize) -> GroupName {
        GroupName::new(&format!("group.{number}")).unwrap()
    }

    #[tokio::test]
    async fn a_full_queue_drops_and_announces() {
        let outgoing = Outgoing::default();
        for _ in 0..limits::PUBLISH_QUEUE {
            assert!(outgoing.push(&group(1), Bytes::from_static(b"x")));
        }
        assert!(!outgoing.push(&group(2), Bytes::from_static(b"x")));
        let batch = outgoing.take_batch().await;
        assert_eq!(batch.gaps, [group(2)]);
        assert_eq!(batch.messages.len(), limits::PUBLISH_BATCH);
        assert_eq!(
            (batch.messages[1].number, batch.messages[1].previous),
            (2, 1)
        );
    }

    #[tokio::test]
    async fn a_batch_that_was_not_written_is_announced_and_never_sent_again() {
        let outgoing = Outgoing::default();
        outgoing.push(&group(1), Bytes::from_static(b"x"));
        drop(outgoing.take_batch().await);
        let batch = outgoing.take_batch().await;
        assert_eq!(
            (batch.gaps.as_slice(), batch.messages.len()),
            ([group(1)].as_slice(), 0)
        );
        batch.written();
        outgoing.drained().await;
    }

    #[tokio::test]
    async fn too_large_a_message_is_announced() {
        let outgoing = Outgoing::default();
        assert!(!outgoing.push(&group(1), vec![0; limits::LAYER_MESSAGE_BYTES + 1].into()));
        assert_eq!(outgoing.take_batch().await.gaps, [group(1)]);
    }

    #[tokio::test]
    async fn more_lost_groups_than_are_remembered_are_announced_to_everyone() {
        let outgoing = Outgoing::default();
        let large = Bytes::from(vec![0; limits::LAYER_MESSAGE_BYTES + 1]);
        for number in 0..=limits::PUBLISH_QUEUE {
            outgoing.push(&group(number), large.clone());
        }
        let batch = outgoing.take_batch().await;
        assert!(batch.gap_anywhere);
        assert_eq!(batch.gaps.len(), limits::PUBLISH_QUEUE);
    }

    #[tokio::test]
    async fn forgotten_groups_start_again_without_a_previous() {
        let outgoing = Outgoing::default();
        let large = Bytes::from(vec![0; limits::LAYER_MESSAGE_BYTES + 1]);
        for number in 0..limits::NUMBERED_GROUPS + 10 {
            outgoing.push(&group(number), large.clone());
        }
        let state = lock(&outgoing.state);
        assert!(state.last_in_group.len() <= limits::NUMBERED_GROUPS);
        assert!(!state.last_in_group.contains_key(&group(0)));
        assert!(
            state
                .last_in_group
                .contains_key(&group(limits::NUMBERED_GROUPS))
        );
    }
}
