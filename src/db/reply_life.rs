//! What may become of a reply, and by whose hand: `queued → streaming → complete | stopped | failed | interrupted`, one owner
//! at a time, and from an end back to the queue. Pure: the one table that both stores and the model of the simulation judge by.
//! What runners write without a version (claims, saves, what they give back), Postgres says in SQL too, since it is done to many
//! in one statement; the suite of the stores compares them.
//!
//! An *attempt* is the fencing token: whoever writes names the one it was given, and a later one makes its word worth nothing.

use super::rows::{MessageState, ReplyState};
use crate::error::ErrorCode;
use crate::ids::{Attempt, InstanceId};

/// Where a reply stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// For its runners.
    pub state: ReplyState,
    /// The latest one; 0 before the first.
    pub attempt: Attempt,
    /// Whether text of that was shown.
    pub shown: bool,
    /// Who writes it: somebody exactly while it is streaming.
    pub owner: Option<InstanceId>,
    /// Whether the owner's lease has run out. It is the owner's all the same until somebody takes it.
    pub expired: bool,
    /// Whether somebody asked its runner to stop.
    pub stop_requested: bool,
}

/// What somebody wants to do to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A runner takes it.
    Claim(InstanceId),
    /// Its runner notes that text is shown, saves, renews.
    Hold(InstanceId, Attempt),
    /// Its runner gives it back, since it showed nothing. One that somebody wants no more of stays with it, to be ended.
    GiveBack(InstanceId, Attempt),
    /// Its runner's last word.
    Settle(InstanceId, Attempt, MessageState),
    /// Somebody found that the runner of this attempt died.
    Interrupt(Attempt),
    /// Somebody wants no more of it.
    Stop,
    /// Somebody wants what ended so, and was not deleted, written again.
    Retry(MessageState),
}

/// What becomes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Becomes {
    /// It waits, without an owner; nothing of it is shown, nobody asked to stop it.
    Queued,
    /// The owner writes it under this attempt.
    Streaming(InstanceId, Attempt),
    /// It goes on until its runner hears that it should stop.
    AskedToStop,
    /// It has ended, without an owner.
    Ended(MessageState),
}

impl Standing {
    /// Judges a step.
    ///
    /// # Errors
    /// The code of why it may not be, or no longer.
    pub fn judge(&self, step: Step) -> Result<Becomes, ErrorCode> {
        match (self.state, step) {
            (ReplyState::Queued, Step::Claim(by)) => Ok(Becomes::Streaming(by, self.attempt + 1)),
            (ReplyState::Streaming, Step::Claim(by)) if self.expired && !self.shown => {
                Ok(Becomes::Streaming(by, self.attempt + 1))
            }
            (_, Step::Hold(by, attempt)) if self.is_held(by, attempt) => {
                Ok(Becomes::Streaming(by, attempt))
            }
            (_, Step::GiveBack(by, attempt)) if self.is_held(by, attempt) && !self.shown => {
                // Queued, nobody would look at it before it is claimed again.
                Ok(match self.stop_requested {
                    true => Becomes::AskedToStop,
                    false => Becomes::Queued,
                })
            }
            (_, Step::Settle(by, attempt, end)) if self.is_held(by, attempt) => match end {
                MessageState::Queued => Err(ErrorCode::BadRequest),
                end => Ok(Becomes::Ended(end)),
            },
            (ReplyState::Streaming, Step::Interrupt(attempt))
                if attempt == self.attempt && self.shown && self.expired =>
            {
                Ok(Becomes::Ended(MessageState::Interrupted))
            }
            (ReplyState::Queued, Step::Stop) => Ok(Becomes::Ended(MessageState::Stopped)),
            // Its runner is gone, and nobody would claim it before there is a place.
            (ReplyState::Streaming, Step::Stop) if self.expired && !self.shown => {
                Ok(Becomes::Ended(MessageState::Stopped))
            }
            (ReplyState::Streaming, Step::Stop) => Ok(Becomes::AskedToStop),
            (ReplyState::Settled, Step::Retry(end)) if end != MessageState::Complete => {
                Ok(Becomes::Queued)
            }
            (ReplyState::Queued | ReplyState::Streaming, Step::Retry(_)) => {
                Err(ErrorCode::ReplyRunning)
            }
            // Whose hand it is no longer in, or never was.
            _ => Err(ErrorCode::ReplySettled),
        }
    }

    /// Whether it is still theirs; a lease that ran out is, as long as nobody took it.
    fn is_held(&self, by: InstanceId, attempt: Attempt) -> bool {
        self.state == ReplyState::Streaming && self.attempt == attempt && self.owner == Some(by)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUEUED: Standing = Standing {
        state: ReplyState::Queued,
        attempt: 0,
        shown: false,
        owner: None,
        expired: false,
        stop_requested: false,
    };

    /// What happens to a reply, with runners and attempts drawn; those of attempts count back from the present one.
    #[derive(Clone, Copy, Debug)]
    enum Event {
        Claim(usize),
        Show(usize, i32),
        GiveBack(usize, i32),
        Settle(usize, i32, MessageState),
        Interrupt(i32),
        Stop,
        Retry,
        LeaseRunsOut,
    }

    fn events() -> impl Strategy<Value = Event> {
        let (runner, ago) = (0_usize..3, -1_i32..3);
        let end = prop::sample::select(vec![
            MessageState::Queued,
            MessageState::Complete,
            MessageState::Stopped,
            MessageState::Failed,
            MessageState::Interrupted,
        ]);
        prop_oneof![
            3 => runner.clone().prop_map(Event::Claim),
            3 => (runner.clone(), ago.clone()).prop_map(|(by, ago)| Event::Show(by, ago)),
            1 => (runner.clone(), ago.clone()).prop_map(|(by, ago)| Event::GiveBack(by, ago)),
            2 => (runner, ago.clone(), end).prop_map(|(by, ago, end)| Event::Settle(by, ago, end)),
            2 => ago.prop_map(Event::Interrupt),
            1 => Just(Event::Stop),
            2 => Just(Event::Retry),
            2 => Just(Event::LeaseRunsOut),
        ]
    }

    /// A reply, and what its room saw of it.
    struct Life {
        now: Standing,
        ended: MessageState,
        /// The attempts whose runner, or whose death, ended it.
        ends: Vec<Attempt>,
    }

    impl Life {
        fn meet(&mut self, event: Event, runners: &[InstanceId]) {
            let of = |ago| self.now.attempt - ago;
            let step = match event {
                Event::LeaseRunsOut => {
                    self.now.expired = self.now.owner.is_some();
                    return;
                }
                Event::Claim(by) => Step::Claim(runners[by]),
                Event::Show(by, ago) => Step::Hold(runners[by], of(ago)),
                Event::GiveBack(by, ago) => Step::GiveBack(runners[by], of(ago)),
                Event::Settle(by, ago, end) => Step::Settle(runners[by], of(ago), end),
                Event::Interrupt(ago) => Step::Interrupt(of(ago)),
                Event::Stop => Step::Stop,
                Event::Retry => Step::Retry(self.ended),
            };
            let before = self.now;
            let Ok(becomes) = before.judge(step) else {
                return;
            };
            self.check(before, step, becomes);
            self.now = match becomes {
                Becomes::AskedToStop => Standing {
                    stop_requested: true,
                    ..before
                },
                Becomes::Streaming(owner, attempt) => Standing {
                    state: ReplyState::Streaming,
                    attempt,
                    shown: (before.attempt == attempt && before.shown)
                        || matches!(event, Event::Show(..)),
                    owner: Some(owner),
                    expired: false,
                    stop_requested: before.stop_requested,
                },
                Becomes::Queued => Standing {
                    attempt: before.attempt,
                    ..QUEUED
                },
                Becomes::Ended(end) => {
                    self.ended = end;
                    if step != Step::Stop {
                        self.ends.push(before.attempt);
                    }
                    let state = ReplyState::Settled;
                    Standing {
                        state,
                        owner: None,
                        expired: false,
                        ..before
                    }
                }
            };
        }

        /// Who may do what, said another way than the table says it.
        fn check(&self, before: Standing, step: Step, becomes: Becomes) {
            if let Step::Hold(by, attempt)
            | Step::GiveBack(by, attempt)
            | Step::Settle(by, attempt, _) = step
            {
                assert_eq!(
                    (before.owner, before.attempt),
                    (Some(by), attempt),
                    "an old word counted"
                );
            }
            match becomes {
                Becomes::Streaming(by, attempt) => {
                    let is_new = attempt == before.attempt + 1;
                    assert!(is_new || (attempt == before.attempt && before.owner == Some(by)));
                    assert!(!(is_new && before.shown), "shown text is not begun anew");
                    assert!(
                        !is_new || before.owner.is_none() || before.expired,
                        "two owners"
                    );
                }
                Becomes::Ended(end) => {
                    assert_ne!(end, MessageState::Queued);
                    assert_ne!(before.state, ReplyState::Settled, "ended twice");
                }
                Becomes::Queued => {
                    let is_new = before.state == ReplyState::Settled;
                    assert!(is_new || !(before.shown || before.stop_requested));
                }
                Becomes::AskedToStop => assert!(before.owner.is_some()),
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_happens_a_reply_has_one_owner_and_each_attempt_one_end(
            events in prop::collection::vec(events(), 0..60)
        ) {
            let runners: Vec<InstanceId> = (0..3).map(|_| InstanceId::new()).collect();
            let (ended, ends) = (MessageState::Queued, Vec::new());
            let mut life = Life { now: QUEUED, ended, ends };
            for event in events {
                let attempt = life.now.attempt;
                life.meet(event, &runners);
                let now = life.now;
                prop_assert_eq!(now.owner.is_some(), now.state == ReplyState::Streaming);
                prop_assert!(now.attempt >= attempt, "an attempt is never given twice");
                prop_assert!(now.state != ReplyState::Settled || life.ended != MessageState::Queued);
            }
            prop_assert!(life.ends.windows(2).all(|pair| pair[0] < pair[1]), "an attempt ended twice");
        }

        /// Wherever it was left: when no runner lives, it ends, or waits for the next, within two steps.
        #[test]
        fn no_reply_is_stuck(events in prop::collection::vec(events(), 0..60)) {
            let runners: Vec<InstanceId> = (0..4).map(|_| InstanceId::new()).collect();
            let (ended, ends) = (MessageState::Queued, Vec::new());
            let mut life = Life { now: QUEUED, ended, ends };
            for event in events {
                life.meet(event, &runners);
            }
            life.meet(Event::LeaseRunsOut, &runners);
            life.meet(Event::Interrupt(0), &runners);
            life.meet(Event::Claim(3), &runners);
            life.meet(Event::Settle(3, 0, MessageState::Complete), &runners);
            prop_assert_eq!(life.now.state, ReplyState::Settled);
        }
    }
}
