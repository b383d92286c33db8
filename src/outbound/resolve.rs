//! The resolver of the outgoing client: it looks a name up and hands on its addresses only when every one of them is allowed.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::Rule;
use crate::addresses::AllowList;
use crate::limits;

/// Finds the addresses of a name. Tests have their own.
pub type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> + Send + Sync>;

/// As the system does it, [`limits::WEBHOOK_LOOKUPS`] at once. A look-up takes a thread for as long as the system likes, also
/// when nobody waits for it any more, so it keeps its place until it has ended; the others wait for theirs.
#[must_use]
pub fn system_lookup() -> Lookup {
    let places = Arc::new(Semaphore::new(limits::WEBHOOK_LOOKUPS));
    Arc::new(move |name| {
        let places = Arc::clone(&places);
        Box::pin(async move {
            let place = places.acquire_owned().await;
            let looking = tokio::spawn(async move {
                let found = tokio::net::lookup_host((name, 0)).await;
                drop(place);
                found.map(|found| found.map(|address| address.ip()).collect())
            });
            looking.await?
        })
    })
}

/// One of a name's addresses is not allowed, or it has none.
#[derive(Debug, thiserror::Error)]
#[error("the address is not allowed")]
pub(super) struct NotAllowed;

/// The resolver of one rule.
#[derive(Clone)]
pub(super) struct Guard {
    rule: Rule,
    allowed: Arc<AllowList>,
    lookup: Lookup,
}

impl Guard {
    pub(super) fn new(rule: Rule, allowed: Arc<AllowList>, lookup: Lookup) -> Self {
        Self {
            rule,
            allowed,
            lookup,
        }
    }

    /// All addresses of a name, each of them allowed. One that is not makes the name suspect, so nothing is sent to it at all.
    ///
    /// # Errors
    /// That one is not, or that there is none.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, NotAllowed> {
        // That there is no such name is not told apart from that it may not be: see `TargetError::NotAllowed`.
        let found = (self.lookup)(name.to_owned()).await.unwrap_or_default();
        let allows = |address: &IpAddr| self.rule.allows(&self.allowed, *address);
        if found.is_empty() || !found.iter().all(allows) {
            return Err(NotAllowed);
        }
        Ok(found)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = guard.addresses(name.as_str()).await?;
            // Port 0: the URL's.
            let found = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(found) as Addrs)
        })
    }
}
