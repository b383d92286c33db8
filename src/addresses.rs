//! Which network addresses a server may send to on somebody's behalf: public ones, and those its operator named. Pure; names
//! are resolved elsewhere, and each resolved address is judged here. Settings of this kind are read with [`AllowEntry`].
//!
//! It judges by what an address is for, not by what it might lead to: everything that is not plainly a public host's is refused,
//! also where it only wraps another address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

/// Something an operator named as an exception.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AllowEntry {
    /// Every address in it, on every port.
    Network(IpNet),
    /// This host on this port, whatever its addresses are.
    Place {
        /// As a URL has it: in small letters, IPv6 in brackets.
        host: String,
        /// Its port.
        port: u16,
    },
}

impl FromStr for AllowEntry {
    type Err = String;

    /// `10.0.0.0/8`, `127.0.0.1`, `fd00::/8`, `hooks.internal:8080`, `[::1]:8080`.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self::Network(network.trunc()));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Network(address.into()));
        }
        let place = text.rsplit_once(':').and_then(|(host, port)| {
            let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            let bracketed = host
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
                .and_then(|inner| inner.parse::<Ipv6Addr>().ok())
                .map(|address| format!("[{address}]"));
            let host = bracketed.or_else(|| {
                let is_name = !host.is_empty() && host.chars().all(is_host);
                is_name.then(|| host.to_ascii_lowercase())
            })?;
            let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
            Some(Self::Place { host, port })
        });
        place.ok_or_else(|| {
            "not an address, a network such as 10.0.0.0/8, or a host with its port such as hooks.internal:8080".to_owned()
        })
    }
}

/// All that an operator named.
#[derive(Clone, Default, Debug)]
pub struct AllowList(Vec<AllowEntry>);

impl AllowList {
    /// These.
    #[must_use]
    pub const fn new(entries: Vec<AllowEntry>) -> Self {
        Self(entries)
    }

    /// Whether this host is named with this port.
    #[must_use]
    pub fn names_place(&self, host: &str, port: u16) -> bool {
        self.0.iter().any(|entry| match entry {
            AllowEntry::Place {
                host: named,
                port: at,
            } => named == host && *at == port,
            AllowEntry::Network(_) => false,
        })
    }

    /// Whether this address lies in a network that is named.
    #[must_use]
    pub fn names_address(&self, address: IpAddr) -> bool {
        self.0.iter().any(|entry| match entry {
            AllowEntry::Network(network) => network.contains(&address),
            AllowEntry::Place { .. } => false,
        })
    }
}

/// Whether an address is a public host's.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// The registry of special IPv4 addresses (RFC 6890 and what followed), multicast and the reserved end.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127, _, _)        // this network, private, loopback
            | (100, 64..=127, _)    // shared by carriers
            | (169, 254, _)         // link-local, and where clouds keep their keys
            | (172, 16..=31, _)     // private
            | (192, 0, 0)           // of protocols
            | (192, 0, 2)           // documentation
            | (192, 88, 99)         // 6to4 relays
            | (192, 168, _)         // private
            | (198, 18 | 19, _)     // benchmarks
            | (198, 51, 100)        // documentation
            | (203, 0, 113)         // documentation
            | (224..=255, _, _) // multicast, reserved, broadcast
    )
}

/// Only global unicast (`2000::/3`), without what in it is of protocols, tunnels (Teredo, 6to4) or documents. So no address is
/// taken that wraps an IPv4 one: mapped, compatible and translated ones lie outside.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let is_global = first & 0xe000 == 0x2000;
    let is_special = matches!(
        (first, second),
        (0x2001, 0..=0x1ff)         // of protocols: Teredo, benchmarks, ORCHID
            | (0x2001, 0x0db8)      // documentation
            | (0x2002, _)           // 6to4
            | (0x3fff, 0..=0x0fff) // documentation
    );
    is_global && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = "\
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 \
    169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0 \
    198.17.255.255 198.20.0.0 203.0.112.255 223.255.255.255 2606:4700:4700::1111 2001:4860:4860::8888 \
    2a00:1450:4001:: 2003::1 3ffd::1";
    const REFUSED: &str = "\
    0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 \
    169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 \
    198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 \
    ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:8.8.8.8 ::8.8.8.8 ::7f00:1 64:ff9b::8.8.8.8 64:ff9b::7f00:1 \
    64:ff9b:1::1 100::1 2001::1 2001:0:4136:e378:: 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: \
    2002:808:808:: 3fff::1 5f00::1 fc00::1 fd12:3456::1 fe80::1 fec0::1 ff02::1 4000::1";

    #[test]
    fn only_public_addresses_are_public() {
        assert!(PUBLIC.split(' ').count() > 20 && REFUSED.split(' ').count() > 45);
        for address in PUBLIC.split(' ') {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in REFUSED.split(' ') {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn exceptions_are_networks_or_places() {
        let list = AllowList::new(
            [
                "10.1.0.0/16",
                " 127.0.0.1",
                "::1",
                "Hooks.Internal:8080",
                "[::1]:9000",
                "192.168.0.9:443",
            ]
            .map(|entry| entry.parse().unwrap())
            .to_vec(),
        );
        let named = |address: &str| list.names_address(address.parse().unwrap());
        assert!(named("10.1.2.3") && named("127.0.0.1") && named("::1"));
        assert!(
            !named("10.2.0.1")
                && !named("127.0.0.2")
                && !named("::ffff:127.0.0.1")
                && !named("192.168.0.9")
        );
        assert!(list.names_place("hooks.internal", 8080) && list.names_place("[::1]", 9000));
        assert!(list.names_place("192.168.0.9", 443));
        assert!(!list.names_place("hooks.internal", 8081) && !list.names_place("internal", 8080));
        for wrong in [
            "",
            "10.0.0.0/33",
            "host",
            "host:",
            "host:0",
            "host:70000",
            ":80",
            "a b:80",
            "http://a:80",
            "[::1]",
            "[x]:80",
        ] {
            assert!(wrong.parse::<AllowEntry>().is_err(), "{wrong}");
        }
    }
}
