//! How much there is of everything, for a user, an address and the fleet: from the settings. Pure.

use super::Operation;
use super::parties::Scope;
use crate::config::Config;
use crate::limits;
use crate::protocol::announced::{PartyLimits, SocketLimits};
use crate::rate_limit::Rate;

/// The budgets' rates, and how many sockets may be open.
#[derive(Debug)]
pub struct Rates {
    /// By operation, each for a user, an address, the fleet.
    of: [[Rate; 3]; Operation::ALL.len()],
    sockets: [u64; 3],
}

impl Rates {
    /// Those of the settings: what is set is what one socket may do, or one user, or for sign-ins one address; the shares say how
    /// many times as much the others may.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let (user, address) = (
            f64::from(config.rate_share_user),
            f64::from(config.rate_share_address),
        );
        let fleet = f64::from(config.rate_share_fleet);
        let of_user = |rate: Rate| [rate, rate.times(address), rate.times(fleet)];
        let of_socket = |rate: Rate| of_user(rate.times(user));
        let of_address = |rate: Rate| {
            let everybody = (fleet / address).max(1.0);
            [rate, rate, rate.times(everybody)]
        };
        let rates = |operation| match operation {
            Operation::Send => {
                of_socket(Rate::per_second(config.rate_sends, config.rate_sends_burst))
            }
            Operation::Join => of_socket(joins(config)),
            Operation::Prompt => of_user(Rate::per_minute(config.rate_prompts)),
            Operation::Search => of_user(Rate::per_minute(config.rate_searches)),
            Operation::Room => of_user(Rate::per_minute(config.rate_rooms)),
            Operation::Invite => of_user(Rate::per_minute(config.rate_invites)),
            Operation::InviteLook => of_address(Rate::per_minute(config.rate_invites)),
            Operation::SignIn => of_address(Rate::per_minute(config.rate_sign_ins)),
        };
        Self {
            of: Operation::ALL.map(rates),
            sockets: [
                config.sockets_per_user.into(),
                config.sockets_per_address.into(),
                config.sockets_fleet.into(),
            ],
        }
    }

    /// Of what, for whom.
    #[expect(
        clippy::indexing_slicing,
        reason = "there is one for each operation and scope, at their numbers"
    )]
    #[must_use]
    pub const fn of(&self, scope: Scope, operation: Operation) -> Rate {
        self.of[operation as usize][scope as usize]
    }

    /// Sockets that may be open at once.
    #[expect(
        clippy::indexing_slicing,
        reason = "there is one for each scope, at its number"
    )]
    #[must_use]
    pub const fn sockets(&self, scope: Scope) -> u64 {
        self.sockets[scope as usize]
    }

    /// As `welcome` tells them.
    #[must_use]
    pub fn announced(&self, scope: Scope) -> PartyLimits {
        let per_second = |operation| whole(self.of(scope, operation).per_second);
        let burst = |operation| whole(self.of(scope, operation).burst);
        let per_minute = |operation| whole(self.of(scope, operation).per_second * 60.0);
        PartyLimits {
            sends_per_second: per_second(Operation::Send),
            sends_burst: burst(Operation::Send),
            joins_per_second: per_second(Operation::Join),
            joins_burst: burst(Operation::Join),
            prompts_per_minute: per_minute(Operation::Prompt),
            searches_per_minute: per_minute(Operation::Search),
            rooms_per_minute: per_minute(Operation::Room),
            invites_per_minute: per_minute(Operation::Invite),
            sockets: self.sockets(scope),
        }
    }
}

/// What one socket may do, as `welcome` tells it.
#[must_use]
pub fn of_socket(config: &Config) -> SocketLimits {
    SocketLimits {
        sends_per_second: config.rate_sends,
        sends_burst: config.rate_sends_burst,
        joins_per_second: config.rate_joins,
        joins_burst: joins_burst(config),
        frames_per_second: config.rate_frames,
    }
}

/// What one socket may join.
#[must_use]
pub fn joins(config: &Config) -> Rate {
    Rate::per_second(config.rate_joins, joins_burst(config))
}

fn joins_burst(config: &Config) -> u32 {
    config.rate_joins.max(limits::JOINS_BURST)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are positive, and `as` saturates"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}
