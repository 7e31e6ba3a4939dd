//! Which addresses of the network may be reached, and looking up names so that no other is.
//!
//! An address that stands in a message may lead inward: to this machine, to a cloud's metadata, to a printer. So a name is looked up here, what may not be
//! reached is taken out, and the connection goes to what is left: nothing looks it up again in between, when it might stand for something else. What an
//! address may not be is what IANA's registries of special-purpose addresses say; of IPv6 nothing is reached but global unicast and what NAT64 maps.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Ranges of IPv4 that are not out in the world: this network, private, shared (CGNAT), loopback, link-local, protocol assignments, documentation, 6to4 relays,
/// benchmarking, multicast, reserved with broadcast.
const INWARD: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Why a name leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NameFault {
    /// All that it stands for may not be reached.
    #[error("the host leads to no address that may be reached")]
    NotAllowed,
    /// It stands for nothing, or nobody can say.
    #[error("the host was not found")]
    NotFound,
}

/// What may be reached.
#[derive(Debug, Clone, Default)]
pub(super) struct Reach {
    allowed: Arc<[IpNet]>,
}

impl Reach {
    /// The world, and these ranges.
    pub fn with(allowed: &[IpNet]) -> Self {
        Self { allowed: allowed.into() }
    }

    /// Whether this address may be reached.
    pub fn has(&self, address: IpAddr) -> bool {
        let inner = inner(address).map(IpAddr::V4);
        let is_allowed = |address: &IpAddr| self.allowed.iter().any(|range| range.contains(address));
        is_outward(address) || is_allowed(&address) || inner.is_some_and(|inner| is_allowed(&inner))
    }

    /// Whether what stands in an address as its host may be asked for, as far as that can be said before the name is looked up.
    pub fn may_have(&self, url: &Url) -> bool {
        literal(url).is_none_or(|address| self.has(address))
    }
}

/// The address that stands in place of a name. A connection goes to it without any look-up.
fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}

/// Whether this machine's own address stands there in place of a name.
pub(super) fn is_loopback(url: &Url) -> bool {
    literal(url).is_some_and(|address| address.is_loopback())
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, 6to4 and NAT64 ones.
fn inner(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let four = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => four(high, low),
        _ => None,
    }
}

fn is_outward(address: IpAddr) -> bool {
    match (address, inner(address)) {
        // `::` and `::1` are in 0.0.0.0/8 as such.
        (IpAddr::V4(four), _) | (IpAddr::V6(_), Some(four)) => is_outward_4(four),
        (IpAddr::V6(six), None) => is_outward_6(six),
    }
}

fn is_outward_4(address: Ipv4Addr) -> bool {
    let bits = u32::from(address);
    INWARD.iter().all(|(network, width)| (bits ^ u32::from(*network)).leading_zeros() < *width)
}

/// Global unicast (`2000::/3`) without protocol assignments (`2001::/23`, Teredo among them) and documentation.
fn is_outward_6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let special = (first == 0x2001 && (second < 0x200 || second == 0xdb8)) || (first == 0x3fff && second < 0x1000);
    (0x2000..0x4000).contains(&first) && !special
}

/// Looks names up for a client, and gives it none that may not be reached.
#[derive(Debug, Clone)]
pub(super) struct Resolver(pub Reach);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| NameFault::NotFound)?;
            let (mut any, mut allowed) = (false, Vec::<SocketAddr>::new());
            for address in found {
                any = true;
                if reach.has(address.ip()) {
                    allowed.push(address);
                }
            }
            match (allowed.is_empty(), any) {
                (false, _) => Ok(Box::new(allowed.into_iter()) as Addrs),
                (true, true) => Err(NameFault::NotAllowed.into()),
                (true, false) => Err(NameFault::NotFound.into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn url(host: &str) -> Url {
        Url::parse(&format!("https://{host}/x")).unwrap()
    }

    #[test]
    fn inward_in_whatever_spelling() {
        let world = Reach::default();
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "①②⑦.0.0.1",
            "0",
            "0.0.0.0",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]",
            "[::ffff:10.0.0.1]",
            "[::ffff:127.0.0.1]",
            "[::127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[2002:7f00:1::]",
            "[2002:a00:1::1]",
            "[64:ff9b::10.0.0.1]",
            "[64:ff9b::a9fe:a9fe]",
            "[64:ff9b:1::1]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd12::1]",
            "[ff02::1]",
            "[2001::1]",
            "[2001:db8::1]",
            "[3fff:1::1]",
            "[fec0::1]",
            "[5f00::1]",
            "[100::1]",
        ] {
            assert!(!world.may_have(&url(host)), "{host}");
            assert!(literal(&url(host)).is_some(), "{host}");
        }
    }

    #[test]
    fn outward() {
        let world = Reach::default();
        for host in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "193.0.0.1",
            "223.255.255.255",
            "[2606:4700::1111]",
            "[::ffff:1.1.1.1]",
            "[64:ff9b::1.1.1.1]",
            "[2001:4860:4860::8888]",
            "[3fff:1000::1]",
            "files.example",
        ] {
            assert!(world.may_have(&url(host)), "{host}");
        }
    }

    #[test]
    fn what_is_allowed_beside() {
        let reach = Reach::with(&["10.1.0.0/16".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        for (host, has) in
            [("10.1.2.3", true), ("10.2.0.1", false), ("[::ffff:10.1.0.1]", true), ("[fd01::1]", true), ("[fc01::1]", false), ("127.0.0.1", false)]
        {
            assert_eq!(reach.may_have(&url(host)), has, "{host}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inward() {
        let ask = |reach| async { Resolver(reach).resolve("localhost".parse().unwrap()).await.map(Iterator::collect::<Vec<_>>) };
        let fault = ask(Reach::default()).await.unwrap_err();
        assert_eq!(fault.downcast_ref::<NameFault>(), Some(&NameFault::NotAllowed));
        let allowed = ask(Reach::with(&["127.0.0.0/8".parse().unwrap()])).await.unwrap();
        assert!(!allowed.is_empty() && allowed.iter().all(|address| address.ip().is_loopback() && address.is_ipv4()));
    }
}
