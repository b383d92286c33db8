//! How many sockets and event streams may be open at once: of a user, of an address, of the fleet. A [`Place`] is held for as long
//! as the stream is there. The own count decides first, then the fleet's counters, in which what an instance holds that died
//! expires.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::parties::{Party, Scope};
use super::report::Told;
use super::{Client, Quotas};
use crate::channel_layer::counters::Holding;
use crate::error::{ErrorCode, Refusal};
use crate::limits;

/// One open socket or event stream; dropping it gives its place to another.
pub struct Place {
    client: Client,
}

impl Client {
    /// Takes a place for one more socket or event stream.
    ///
    /// # Errors
    /// `too_many`, with the time after which to look again.
    pub async fn open(&self) -> Result<Place, Refusal> {
        let mut wanted = Vec::with_capacity(3);
        // Counted before it is judged, so that of two at once not both get the last place.
        let place = Place {
            client: self.clone(),
        };
        let mut full = None;
        for party in self.parties() {
            let held = 1 + party.open.fetch_add(1, Ordering::AcqRel);
            let cap = self.quotas.rates.sockets(party.scope);
            if held > cap {
                full = full.or(Some(party.scope));
            }
            let name = holding_name(party);
            wanted.push((Holding { name, held }, cap));
        }
        if full.is_none()
            && let Ok(Err(index)) = self.quotas.counters.open(&wanted).await
        {
            full = self.parties().nth(index).map(|party| party.scope);
        }
        match full {
            Some(scope) => {
                metrics::counter!("salon_rate_limited_total", "what" => "socket", "of" => scope.as_str()).increment(1);
                drop(place);
                Err(too_many(scope))
            }
            None => {
                self.tell_open();
                Ok(place)
            }
        }
    }

    fn tell_open(&self) {
        for party in self.parties() {
            self.quotas.tell_open(party);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for party in self.client.parties() {
            party.open.fetch_sub(1, Ordering::AcqRel);
        }
        self.client.tell_open();
    }
}

impl Quotas {
    fn tell_open(&self, party: &Arc<Party>) {
        if party.note_open() {
            // Fails only while the process ends.
            let _ = self.tell.send(Told::Open(Arc::clone(party)));
        }
    }

    /// All that is open here, by name.
    pub(super) fn holdings(&self) -> Vec<Holding> {
        let users = self.users.with_open();
        let addresses = self.addresses.with_open();
        let all = users.iter().chain(&addresses).chain([&self.fleet]);
        all.map(holding).collect()
    }
}

/// What is open of a party now.
pub(super) fn holding(party: &Arc<Party>) -> Holding {
    Holding {
        name: holding_name(party),
        held: party.take_open(),
    }
}

fn holding_name(party: &Party) -> String {
    format!("socket.{}", party.name)
}

fn too_many(scope: Scope) -> Refusal {
    let sentence = match scope {
        Scope::User => "You have too many connections open: close one.",
        Scope::Address => "Too many connections are open from your address.",
        Scope::Fleet => "The server has as many connections as it takes.",
    };
    Refusal::with_message(ErrorCode::TooMany, sentence).retry_after_ms(limits::SOCKET_RETRY_MS)
}
