//! Whether the author of a post is too fast, in sending or in prompting: what its budgets said before the post was written, and what
//! they hear of it afterwards. Only the writer knows whether a post is a repeat, and only the store whether it asks for a
//! reply, so an author who is over a rate is not refused here: the post goes on, marked.
//!
//! A message that calls the assistant takes a prompt beforehand. In a direct room with the assistant every message asks, and any
//! name may be that of one of the room's other assistants; neither is known here: there a prompt is looked for beforehand, and
//! taken for each reply that was queued.

use std::time::Duration;

use crate::db::changes::Outcome;
use crate::error::{ErrorCode, Refusal};
use crate::ids::RoomRef;
use crate::quotas::{Client, Operation};

/// What every direct room's address begins with; other rooms' may too.
const DIRECT: &str = "direct-";

/// One post's author and its budgets.
#[derive(Default)]
pub struct Pace {
    client: Option<Client>,
    /// When there is room for another send.
    sends_in: Option<u64>,
    /// When there is room for another prompt.
    prompts_in: Option<u64>,
    /// Whether a prompt was taken beforehand.
    has_prompted: bool,
    /// What to say of the post unless it is a repeat.
    unless_repeated: Option<Refusal>,
}

impl Pace {
    /// Nobody is limited here: what posts has limits of its own.
    #[must_use]
    pub fn free() -> Self {
        Self::default()
    }

    /// One send of `client`, on a socket that must wait for `own`, if it must.
    #[must_use]
    pub fn of(client: &Client, own: Option<Duration>) -> Self {
        let refused = match own {
            Some(wait) => Err(Refusal::too_fast(wait)),
            None => client.take_now(Operation::Send),
        };
        Self {
            sends_in: wait(refused),
            client: Some(client.clone()),
            ..Self::default()
        }
    }

    /// Prompts of `client`, whose send was judged already.
    #[must_use]
    pub fn sent(client: Client) -> Self {
        Self {
            client: Some(client),
            ..Self::default()
        }
    }

    /// The same for a post that is good only as a repeat of one that was stored before; any other is refused so.
    pub(super) fn unless_repeated(self, refusal: Refusal) -> Self {
        Self {
            unless_repeated: Some(refusal),
            ..self
        }
    }

    /// Whether the post is over the rate of sends, or refused for another reason unless it is a repeat.
    pub(super) const fn sends_too_fast(&self) -> bool {
        self.sends_in.is_some() || self.unless_repeated.is_some()
    }

    /// Whether it is over that of prompts, should it turn out to be one.
    /// `names` tells whether it names anybody.
    pub(super) fn prompts_too_fast(
        &mut self,
        mentioned: bool,
        names: bool,
        room: &RoomRef,
    ) -> bool {
        let Some(client) = self.client.as_ref().filter(|_| self.sends_in.is_none()) else {
            return false;
        };
        if mentioned {
            self.has_prompted = true;
            self.prompts_in = wait(client.take_now(Operation::Prompt));
        } else if names || room.slug.starts_with(DIRECT) {
            self.prompts_in = wait(client.peek(Operation::Prompt));
        }
        self.prompts_in.is_some()
    }

    /// What came of it: a reply that was queued is paid for, and who was too fast hears when there is room again.
    ///
    /// # Errors
    /// The outcome's own.
    pub fn settle(self, outcome: Result<Outcome, Refusal>) -> Result<Outcome, Refusal> {
        match (outcome, self.client) {
            (Ok(Outcome::Posted(posted)), Some(client)) if !posted.duplicate => {
                let queued = posted.reply_seq.iter().chain(&posted.more_replies).count();
                for _ in usize::from(self.has_prompted)..queued {
                    client.charge(Operation::Prompt);
                }
                Ok(Outcome::Posted(posted))
            }
            (Err(refusal), _) if refusal.code == ErrorCode::RateLimited => {
                if let Some(instead) = self.unless_repeated {
                    return Err(instead);
                }
                match self.sends_in.max(self.prompts_in) {
                    Some(wait) => Err(refusal.retry_after_ms(wait)),
                    None => Err(refusal),
                }
            }
            (outcome, _) => outcome,
        }
    }
}

/// After how long to try again, where something was refused.
fn wait(taken: Result<(), Refusal>) -> Option<u64> {
    taken
        .err()
        .map(|refusal| refusal.retry_after_ms.unwrap_or(1))
}
