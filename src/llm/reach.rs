//! Which addresses a provider may have: public ones, and those that `SALON_LLM_ALLOW` names. Used by [`super::http`] for the
//! client of each provider.
//!
//! A base URL is the operator's, never a user's; what is judged here is where its name leads. The name is resolved once for
//! each connection, every address it has is judged, and the connection is made to one of exactly those, so that an answer of
//! DNS that changes, or that points inwards, gets no key and no prompt.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::addresses::{AllowEntry, AllowList, is_public};

/// Finds the addresses of a name. Tests have their own.
pub type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Where providers may be.
#[derive(Clone)]
pub struct Reach {
    allowed: Arc<AllowList>,
    lookup: Lookup,
}

impl std::fmt::Debug for Reach {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Reach").field(&self.allowed).finish()
    }
}

impl Reach {
    /// Public addresses, and these. Names are looked up as the system does it.
    #[must_use]
    pub fn new(allowed: Vec<AllowEntry>) -> Self {
        Self::with_lookup(allowed, system_lookup())
    }

    /// The same, with another way to look names up.
    #[must_use]
    pub fn with_lookup(allowed: Vec<AllowEntry>, lookup: Lookup) -> Self {
        Self {
            allowed: Arc::new(AllowList::new(allowed)),
            lookup,
        }
    }

    /// The resolver of one provider. An address that stands in the URL itself is never looked up, so it is judged here.
    ///
    /// # Errors
    /// A sentence for the operator, without its setting's name.
    pub(super) fn resolver(&self, base_url: &Url) -> Result<Judge, String> {
        let host = base_url.host_str().unwrap_or_default();
        let port = base_url.port_or_known_default().unwrap_or_default();
        let judge = Judge {
            is_named: self.allowed.names_place(host, port),
            reach: self.clone(),
        };
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = literal == "localhost" || literal.ends_with(".localhost");
        let addresses = match literal.parse::<IpAddr>() {
            Ok(address) => vec![address],
            // This machine's name for itself may have both.
            Err(_) if is_loopback => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            Err(_) => return Ok(judge),
        };
        if addresses.into_iter().all(|address| judge.allows(address)) {
            return Ok(judge);
        }
        Err(format!(
            "leads to {host}, which is no public address: name it in SALON_LLM_ALLOW={host}:{port} if a provider of yours is there."
        ))
    }
}

/// Looks names up for one provider, and hands on what may be connected to.
#[derive(Clone)]
pub(super) struct Judge {
    /// The operator named its host and port: it may be anywhere.
    is_named: bool,
    reach: Reach,
}

/// One of a name's addresses may not be connected to. One is enough: the name is suspect.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to an address that is neither public nor named in SALON_LLM_ALLOW")]
pub(super) struct NotAllowed;

impl Judge {
    fn allows(&self, address: IpAddr) -> bool {
        self.is_named || is_public(address) || self.reach.allowed.names_address(address)
    }
}

impl Resolve for Judge {
    fn resolve(&self, name: Name) -> Resolving {
        let judge = self.clone();
        Box::pin(async move {
            let found = (judge.reach.lookup)(name.as_str().to_owned()).await?;
            if !found.iter().all(|address| judge.allows(*address)) {
                return Err(NotAllowed.into());
            }
            // Port 0: the URL's.
            let found = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(found) as Addrs)
        })
    }
}

/// At most as many at once as there are calls of providers, each of which waits for its own.
fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(allowed: &[&str], url: &str) -> Result<(), String> {
        let allowed = allowed.iter().map(|entry| entry.parse().unwrap()).collect();
        let url = Url::parse(url).unwrap();
        Reach::new(allowed).resolver(&url).map(|_judge| ())
    }

    #[test]
    fn private_addresses_are_refused_unless_they_are_named() {
        for url in [
            "http://127.0.0.1:11434/v1",
            "http://localhost:11434/v1",
            "http://models.localhost/v1",
            "http://[::1]:8080",
            "https://10.1.2.3/v1",
            "http://169.254.169.254/",
            "http://0x7f000001/",
            "http://[::ffff:10.0.0.1]/",
        ] {
            let said = judged(&[], url).unwrap_err();
            assert!(said.contains("SALON_LLM_ALLOW="), "{said}");
        }
        for url in ["https://api.anthropic.com", "http://93.184.216.34:8080/v1"] {
            judged(&[], url).unwrap();
        }
        judged(&["localhost:11434"], "http://localhost:11434/v1").unwrap();
        judged(&["127.0.0.1", "::1"], "http://localhost:11434/v1").unwrap();
        judged(&["127.0.0.1"], "http://localhost:11434/v1").unwrap_err();
        judged(&["10.0.0.0/8"], "https://10.1.2.3/v1").unwrap();
        judged(&["[::1]:8080"], "http://[::1]:8080").unwrap();
        judged(&["localhost:80"], "http://localhost:11434/v1").unwrap_err();
    }

    #[tokio::test]
    async fn one_private_address_of_a_name_is_enough() {
        let found: &[(&[&str], &[&str], &str, bool)] = &[
            (&["93.184.216.34"], &[], "https://llm.example", true),
            (
                &["93.184.216.34", "127.0.0.1"],
                &[],
                "https://llm.example",
                false,
            ),
            (&["10.0.0.1"], &[], "https://llm.example", false),
            (&["10.0.0.1"], &["10.0.0.0/8"], "https://llm.example", true),
            (
                &["10.0.0.1"],
                &["llm.example:443"],
                "https://llm.example",
                true,
            ),
            (
                &["10.0.0.1"],
                &["llm.example:444"],
                "https://llm.example",
                false,
            ),
        ];
        for (addresses, allowed, url, is_fine) in found {
            let addresses: Vec<IpAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
            let lookup: Lookup =
                Arc::new(move |_| Box::pin(std::future::ready(Ok(addresses.clone()))));
            let allowed = allowed.iter().map(|entry| entry.parse().unwrap()).collect();
            let judge = Reach::with_lookup(allowed, lookup)
                .resolver(&Url::parse(url).unwrap())
                .unwrap();
            let resolved = judge.resolve("llm.example".parse().unwrap()).await;
            assert_eq!(resolved.is_ok(), *is_fine, "{url}");
        }
    }
}
