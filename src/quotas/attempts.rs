//! Tries at the passwords of accounts. Addresses are limited before this ([`super::Operation::SignIn`]); here it is by account, so
//! that many addresses cannot try one account without end, and nobody can lock its owner out by trying.
//!
//! A try counts against one of two sets of budgets:
//!
//! - **From a device its owner has signed in with before** (it carries what a sign-in gave it, which proves itself against the
//!   account's stored password hash: see [`crate::auth`]): only the device's own budget, as large as one address'. Others cannot use it up, for
//!   they do not have the device; whoever stole one gets no more tries by it.
//! - **From anywhere else**: the budget of this account *at this address*, and the account's budget for everywhere else together,
//!   [`limits::ACCOUNT_TRIES_FACTOR`] times as large at once and no faster in the long run. So one address gets few tries at one account, a thousand
//!   addresses get ten times those and then the pace of one, and an account's owner at a new device waits only while somebody
//!   tries that hard. Sessions that are open, and known devices, go on as ever. Here the fleet's budget of sign-ins counts too, and
//!   for known devices it does not: a thousand machines that use it up keep out newcomers, not those who were there.
//!
//! A try that succeeds gives its tokens back: who knows the password uses nothing up. A name nobody has is counted like one that
//! somebody has, so that nothing is told by being refused (an account's name, folded, is the key; the database is not asked).

use std::net::IpAddr;
use std::sync::Arc;

use super::now;
use crate::channel_layer::counters::{Budget, Counters};
use crate::config::Config;
use crate::error::Refusal;
use crate::limits;
use crate::rate_limit::{KeyedLimiter, Rate};

/// The fleet's budget of sign-ins, which those of strangers, sign-ups and guests share.
const FLEET: &str = "sign_in.fleet";

/// The budgets of tries.
pub struct Attempts {
    /// Of one account at one address, or of one known device.
    one: (Rate, KeyedLimiter<String>),
    /// Of one account, everywhere but at its known devices.
    all: (Rate, KeyedLimiter<String>),
    /// Of everybody but known devices: what the fleet takes of sign-ins.
    fleet: (Rate, KeyedLimiter<String>),
    counters: Arc<dyn Counters>,
}

/// Where somebody tries from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A device the account's owner has used before, by its id.
    Device(&'a str),
    /// Anywhere else.
    Address(IpAddr),
}

/// A try that was admitted.
#[must_use]
pub struct Attempt<'a> {
    attempts: &'a Attempts,
    names: Vec<String>,
}

impl Attempts {
    pub(super) fn new(config: &Config, fleet: Rate, counters: Arc<dyn Counters>) -> Self {
        let one = Rate::per_minute(config.rate_tries);
        let all = Rate {
            burst: one.burst * f64::from(limits::ACCOUNT_TRIES_FACTOR),
            ..one
        };
        Self {
            one: (one, KeyedLimiter::new(one, limits::RATE_KEYS)),
            all: (all, KeyedLimiter::new(all, limits::RATE_KEYS)),
            fleet: (fleet, KeyedLimiter::new(fleet, 1)),
            counters,
        }
    }

    /// Admits a try at the account of this name.
    ///
    /// # Errors
    /// `rate_limited`.
    pub async fn begin(&self, account: &str, from: Source<'_>) -> Result<Attempt<'_>, Refusal> {
        // Names hold no control characters.
        let account = account.to_lowercase();
        let names = match from {
            Source::Device(device) => vec![format!("tries.{account}\n{device}")],
            Source::Address(address) => vec![
                format!("tries.{account}\n{address}"),
                format!("tries.{account}"),
                FLEET.to_owned(),
            ],
        };
        for (taken, (name, (_, limiter))) in names.iter().zip(self.budgets()).enumerate() {
            if let Err(wait) = limiter.take(name.clone(), now()) {
                self.give_back_own(names.iter().take(taken));
                return Err(Refusal::too_fast(wait));
            }
        }
        let attempt = Attempt {
            attempts: self,
            names,
        };
        match self.counters.take(&attempt.budgets()).await {
            Ok(Err(wait)) => Err(Refusal::too_fast(wait)),
            Ok(Ok(())) | Err(_) => Ok(attempt),
        }
    }

    fn budgets(&self) -> [&(Rate, KeyedLimiter<String>); 3] {
        [&self.one, &self.all, &self.fleet]
    }

    fn give_back_own<'n>(&self, names: impl Iterator<Item = &'n String>) {
        for (name, (_, limiter)) in names.zip(self.budgets()) {
            limiter.give_back(name);
        }
    }
}

impl Attempt<'_> {
    /// It was no try: the password was right, or nobody looked at it.
    pub async fn give_back(self) {
        self.attempts.give_back_own(self.names.iter());
        let budgets = self.budgets();
        let given: Vec<(Budget, i64)> = budgets.into_iter().map(|budget| (budget, -1)).collect();
        // Without an answer a token comes back by itself, later.
        let _ = self.attempts.counters.note(&given).await;
    }

    fn budgets(&self) -> Vec<Budget> {
        let named = self.names.iter().zip(self.attempts.budgets());
        named
            .map(|(name, (rate, _))| Budget {
                name: name.clone(),
                rate: *rate,
            })
            .collect()
    }
}
