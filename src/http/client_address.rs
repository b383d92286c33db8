//! Whose request this is, as an address: the peer's, or what a trusted proxy says of it. Used for rate limits and
//! the log; never for rights. Pure but for reading the request's parts.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use ipnet::IpNet;

use crate::addresses::is_public;
use crate::app::App;
/// The client's address: the TCP peer, unless that is a trusted proxy; then the last address in `X-Forwarded-For`
/// that is not one. The server puts `ConnectInfo<SocketAddr>` into each request's extensions.
#[must_use]
pub fn client_address(extensions: &Extensions, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| {
            peer.0.ip().to_canonical()
        });
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
        .collect();
    let mut address = peer;
    for hop in forwarded.iter().rev() {
        if !is_trusted(address) {
            break;
        }
        // What a proxy did not write as an address says nothing: stay with the proxy.
        let Some(next) = parse_hop(hop.trim()) else {
            break;
        };
        address = next;
    }
    address
}

/// The key under which this request's address is counted.
#[derive(Clone, Copy, Debug)]
pub struct RateKey(pub IpAddr);

impl FromRequestParts<Arc<App>> for RateKey {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let trusted = &app.config.trusted_proxies;
        let client = client_address(&parts.extensions, &parts.headers, trusted);
        Ok(Self(rate_key(client)))
    }
}

/// Whether a request came without TLS over a network that is not the operator's own: a trusted proxy says so in
/// `X-Forwarded-Proto`, or the peer is no proxy and has a public address. A proxy that says nothing is believed to end TLS.
#[must_use]
pub fn is_plain(extensions: &Extensions, headers: &HeaderMap, trusted: &[IpNet]) -> bool {
    let Some(ConnectInfo(peer)) = extensions.get::<ConnectInfo<SocketAddr>>() else {
        return false;
    };
    let peer = peer.ip().to_canonical();
    if !trusted.iter().any(|network| network.contains(&peer)) {
        return is_public(peer);
    }
    // The first hop is the client's: a later one may well be plain, inside.
    let hops = headers.get_all("x-forwarded-proto").iter();
    let first = hops
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
        .next();
    first.is_some_and(|scheme| {
        let scheme = scheme.trim();
        !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("wss")
    })
}

/// The key under which an address is counted: an IPv6 customer has at least a /64 of them.
#[must_use]
pub fn rate_key(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
    }
}

fn parse_hop(hop: &str) -> Option<IpAddr> {
    hop.parse::<IpAddr>()
        .or_else(|_| hop.parse::<SocketAddr>().map(|address| address.ip()))
        .ok()
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&'static str], trusted: &[&str]) -> String {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        client_address(&extensions, &headers, &trusted).to_string()
    }

    #[test]
    fn an_untrusted_peer_is_not_believed() {
        assert_eq!(seen("9.9.9.9", &["1.1.1.1"], &[]), "9.9.9.9");
        assert_eq!(seen("9.9.9.9", &["1.1.1.1"], &["10.0.0.0/8"]), "9.9.9.9");
        assert_eq!(seen("::ffff:9.9.9.9", &[], &[]), "9.9.9.9");
    }

    #[test]
    fn the_last_untrusted_hop_of_a_trusted_proxy_counts() {
        let nets = ["10.0.0.0/8"];
        assert_eq!(seen("10.0.0.1", &["6.6.6.6, 1.1.1.1"], &nets), "1.1.1.1");
        assert_eq!(
            seen("10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.0.0.2"], &nets),
            "1.1.1.1"
        );
        assert_eq!(seen("10.0.0.1", &["6.6.6.6", "1.1.1.1"], &nets), "1.1.1.1");
        assert_eq!(seen("10.0.0.1", &["1.1.1.1:555"], &nets), "1.1.1.1");
        assert_eq!(seen("10.0.0.1", &["junk"], &nets), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &[], &nets), "10.0.0.1");
    }

    #[test]
    fn ipv6_is_counted_by_its_network() {
        let key = |text: &str| rate_key(text.parse().unwrap()).to_string();
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(key("192.0.2.1"), "192.0.2.1");
    }
}
