//! The resolver of the outgoing client: it looks a name up and hands on its addresses only when every one of them is allowed.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Rule;
use crate::addresses::AllowList;

/// Finds the addresses of a name. Tests have their own.
pub type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> + Send + Sync>;

/// As the system does it.
#[must_use]
pub fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// One of a name's addresses is not allowed.
#[derive(Debug, thiserror::Error)]
#[error("the address is not allowed")]
pub(super) struct NotAllowed;

/// A name has none.
#[derive(Debug, thiserror::Error)]
#[error("the name has no address")]
struct NoAddress;

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
    /// [`NotAllowed`], or that there is none.
    pub(super) async fn addresses(
        &self,
        name: &str,
    ) -> Result<Vec<IpAddr>, Box<dyn Error + Send + Sync>> {
        let found = (self.lookup)(name.to_owned()).await?;
        if found.is_empty() {
            return Err(NoAddress.into());
        }
        let allows = |address: &IpAddr| self.rule.allows(&self.allowed, *address);
        if !found.iter().all(allows) {
            return Err(NotAllowed.into());
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
