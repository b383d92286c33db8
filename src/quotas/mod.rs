//! Who may do how much: budgets of each user, each address and the fleet, for all that costs others something. Called by the
//! edges (`http`, `consumer`), by [`crate::auth`] for tries at passwords and by [`crate::chat`] for prompts. What one socket may do is the consumer's own.
//!
//! Every instance counts by itself, in buckets that are taken from without a lock ([`crate::rate_limit::SharedBucket`]), at the rates
//! of the whole fleet. How instances agree depends on what is counted:
//!
//! - **Sends, joins, prompts** ([`Client::take_now`]) never ask anybody. What was taken is told to the fleet's counters every
//!   [`limits::QUOTA_REPORT_INTERVAL`] ([`report`]), and the answer sets the own bucket: for a moment each instance may let through its
//!   burst, and what was too much is waited for afterwards.
//! - **Searches, rooms, invites, sign-ins** ([`Client::take`]) take from the own bucket, then ask the fleet's counters, for at most
//!   [`limits::COUNTERS_WAIT`]. Without an answer the own count stands.
//! - **Sockets** ([`places`]) are counted, not rated: the own count, then the fleet's, likewise.
//!
//! So with the counters dead every instance holds the limits by itself, and a fleet of *n* lets through at most *n* times as much.
//!
//! It never looks at a request, and never decides what anybody may see or do, only how often.

pub mod attempts;
pub mod parties;
pub mod places;
pub mod rates;
pub mod report;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::channel_layer::counters::{Budget, Counters};
use crate::config::Config;
use crate::error::Refusal;
use crate::ids::UserId;
use crate::limits;
use crate::protocol::announced::Limits;
use attempts::Attempts;
use parties::{Parties, Party, Scope};
use rates::Rates;
use report::Told;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Operation {
    /// A message, or a change of one.
    Send,
    /// Beginning to follow a room, or becoming a member of one.
    Join,
    /// A message that calls the assistant, or having a reply written again.
    Prompt,
    /// A search.
    Search,
    /// Making a room, or asking for a direct one.
    Room,
    /// Making an invite.
    Invite,
    /// Looking at what an invite leads to.
    InviteLook,
    /// A sign-in, sign-up or guest.
    SignIn,
}

impl Operation {
    /// All of them, each at its number.
    pub const ALL: [Self; 8] = [
        Self::Send,
        Self::Join,
        Self::Prompt,
        Self::Search,
        Self::Room,
        Self::Invite,
        Self::InviteLook,
        Self::SignIn,
    ];

    /// As it stands in a budget's name and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Join => "join",
            Self::Prompt => "prompt",
            Self::Search => "search",
            Self::Room => "room",
            Self::Invite => "invite",
            Self::InviteLook => "invite_look",
            Self::SignIn => "sign_in",
        }
    }
}

/// The budgets of this instance and its share in those of the fleet.
pub struct Quotas {
    rates: Rates,
    users: Parties<UserId>,
    addresses: Parties<IpAddr>,
    fleet: Arc<Party>,
    counters: Arc<dyn Counters>,
    /// Tries at passwords.
    pub attempts: Attempts,
    /// To [`report`]: at most one of each bucket and count of sockets waits, so what may wait is bounded by the parties there are.
    tell: mpsc::UnboundedSender<Told>,
    told: std::sync::Mutex<Option<mpsc::UnboundedReceiver<Told>>>,
}

/// Whose budgets pay for something: a user's and its address'. Cheap to clone; a socket keeps one.
#[derive(Clone)]
pub struct Client {
    quotas: Arc<Quotas>,
    /// None for who has not signed in.
    user: Option<Arc<Party>>,
    address: Arc<Party>,
    /// None where the fleet's budget is judged later.
    fleet: Option<Arc<Party>>,
}

impl Quotas {
    /// Budgets with the rates of `config`.
    #[must_use]
    pub fn new(config: &Config, counters: Arc<dyn Counters>) -> Arc<Self> {
        let (tell, told) = mpsc::unbounded_channel();
        let rates = Rates::new(config);
        let sign_ins = rates.of(Scope::Fleet, Operation::SignIn);
        Arc::new(Self {
            rates,
            users: Parties::new(Scope::User, limits::RATE_KEYS),
            addresses: Parties::new(Scope::Address, limits::RATE_KEYS),
            fleet: Arc::new(Party::new(Scope::Fleet, "")),
            attempts: Attempts::new(config, sign_ins, Arc::clone(&counters)),
            counters,
            tell,
            told: std::sync::Mutex::new(Some(told)),
        })
    }

    /// A user at an address. The address is that of [`crate::addresses`]' rate keys: of IPv6 the network.
    #[must_use]
    pub fn client(self: &Arc<Self>, user: UserId, address: IpAddr) -> Client {
        Client {
            quotas: Arc::clone(self),
            user: Some(self.users.get(user)),
            address: self.addresses.get(address),
            fleet: Some(Arc::clone(&self.fleet)),
        }
    }

    /// Somebody at an address who has not said who it is.
    #[must_use]
    pub fn stranger(self: &Arc<Self>, address: IpAddr) -> Client {
        Client {
            quotas: Arc::clone(self),
            user: None,
            address: self.addresses.get(address),
            fleet: Some(Arc::clone(&self.fleet)),
        }
    }

    /// The same, where the address alone pays: the fleet's budget must not be what keeps out who is known once it has said its name.
    #[must_use]
    pub fn address_alone(self: &Arc<Self>, address: IpAddr) -> Client {
        Client {
            fleet: None,
            ..self.stranger(address)
        }
    }

    /// What `welcome` says of limits.
    #[must_use]
    pub fn limits(&self, config: &Config) -> Limits {
        let of = |scope| self.rates.announced(scope);
        Limits::new(
            rates::of_socket(config),
            of(Scope::User),
            of(Scope::Address),
            of(Scope::Fleet),
        )
    }
}

impl Client {
    /// Takes from the own buckets, at once and without a lock; the fleet hears of it soon. For what is done often.
    ///
    /// # Errors
    /// `rate_limited`; then nothing is taken.
    pub fn take_now(&self, operation: Operation) -> Result<(), Refusal> {
        self.take_own(operation).map_err(Refusal::too_fast)?;
        self.tell(operation);
        Ok(())
    }

    /// Whether [`Client::take_now`] would succeed.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn peek(&self, operation: Operation) -> Result<(), Refusal> {
        let now = now();
        for party in self.parties() {
            let rate = self.quotas.rates.of(party.scope, operation);
            party
                .bucket(operation)
                .peek(rate, now)
                .map_err(Refusal::too_fast)?;
        }
        Ok(())
    }

    /// Takes whether or not there is something to take: it is done already.
    pub fn charge(&self, operation: Operation) {
        let now = now();
        for party in self.parties() {
            let rate = self.quotas.rates.of(party.scope, operation);
            party.bucket(operation).charge(rate, now);
        }
        self.tell(operation);
    }

    /// Takes from the own buckets and then from the fleet's. For what is done seldom.
    ///
    /// # Errors
    /// `rate_limited`.
    pub async fn take(&self, operation: Operation) -> Result<(), Refusal> {
        self.take_own(operation).map_err(Refusal::too_fast)?;
        let budgets: Vec<Budget> = self
            .parties()
            .map(|party| self.quotas.budget(party, operation))
            .collect();
        match self.quotas.counters.take(&budgets).await {
            Ok(Err(wait)) => {
                refused(operation, "everywhere");
                Err(Refusal::too_fast(wait))
            }
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }

    /// Takes one token of each own bucket, or of none.
    fn take_own(&self, operation: Operation) -> Result<(), Duration> {
        let now = now();
        for (index, party) in self.parties().enumerate() {
            let rate = self.quotas.rates.of(party.scope, operation);
            if let Err(wait) = party.bucket(operation).take(rate, now) {
                for taken in self.parties().take(index) {
                    let rate = self.quotas.rates.of(taken.scope, operation);
                    taken.bucket(operation).give_back(rate);
                }
                refused(operation, party.scope.as_str());
                return Err(wait);
            }
        }
        Ok(())
    }

    fn tell(&self, operation: Operation) {
        for party in self.parties() {
            if party.note(operation) {
                // Fails only while the process ends.
                let _ = self
                    .quotas
                    .tell
                    .send(Told::Taken(Arc::clone(party), operation));
            }
        }
    }

    /// The narrowest first: whoever is over its own budget takes nothing of the others'.
    fn parties(&self) -> impl Iterator<Item = &Arc<Party>> {
        let address = [&self.address];
        self.user.iter().chain(address).chain(&self.fleet)
    }
}

impl Quotas {
    fn budget(&self, party: &Party, operation: Operation) -> Budget {
        Budget {
            name: format!("{}.{}", operation.as_str(), party.name),
            rate: self.rates.of(party.scope, operation),
        }
    }
}

fn refused(operation: Operation, of: &'static str) {
    metrics::counter!("salon_rate_limited_total", "what" => operation.as_str(), "of" => of)
        .increment(1);
}

/// Tokio's clock, so that tests can pause it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
