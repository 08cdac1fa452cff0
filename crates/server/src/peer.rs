//! Who is at the other end: the address of the socket, or, behind proxies that the operator trusts,
//! the one that they saw.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

/// Where a request comes from; an extension of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// `10.0.0.0/8`, `::1/128`, or one address alone.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(width), |bits| bits.parse().ok())?;
        (bits <= width).then_some(Self { address, bits })
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u8| {
            // A shift by the whole width is none in Rust: /0 takes everybody.
            let rest = u32::from(width - self.bits);
            a.checked_shr(rest).unwrap_or(0) == b.checked_shr(rest).unwrap_or(0)
        };
        match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }
}

/// Each proxy puts the address it saw at the end of `X-Forwarded-For`. So the list is read from the
/// right, and only as long as it was written by who is trusted: what stands further left may be the
/// invention of a client. What cannot be read ends the walk at the last hop that could.
pub(crate) fn of(socket: SocketAddr, headers: &HeaderMap, trusted: &[Network]) -> Peer {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut peer = socket.ip().to_canonical();
    if !is_trusted(peer) {
        return Peer(peer);
    }
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let hops = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops {
        let Some(address) = address(hop) else { break };
        peer = address;
        if !is_trusted(peer) {
            break;
        }
    }
    Peer(peer)
}

/// `192.0.2.1`, `192.0.2.1:8080`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:8080`.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(socket: &str, lines: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted: Vec<Network> =
            trusted.iter().map(|text| Network::parse(text).unwrap()).collect();
        of(socket.parse().unwrap(), &headers, &trusted).0.to_string()
    }

    #[test]
    fn only_what_a_trusted_proxy_has_written_is_believed() {
        let proxy = ["127.0.0.1/32"];
        // Nobody is trusted, or not this one: a header is a claim.
        assert_eq!(seen("203.0.113.9:1", &["1.1.1.1"], &[]), "203.0.113.9");
        assert_eq!(seen("203.0.113.9:1", &["1.1.1.1"], &proxy), "203.0.113.9");
        assert_eq!(seen("127.0.0.1:1", &["198.51.100.7"], &proxy), "198.51.100.7");
        assert_eq!(seen("[::ffff:127.0.0.1]:1", &["198.51.100.7"], &proxy), "198.51.100.7");
        assert_eq!(seen("127.0.0.1:1", &[], &proxy), "127.0.0.1");
        // What the client put before it, in one line or in several.
        assert_eq!(seen("127.0.0.1:1", &["1.1.1.1, 198.51.100.7"], &proxy), "198.51.100.7");
        assert_eq!(seen("127.0.0.1:1", &["1.1.1.1", "198.51.100.7"], &proxy), "198.51.100.7");
        assert_eq!(seen("127.0.0.1:1", &["127.0.0.1, 198.51.100.7"], &proxy), "198.51.100.7");
        // Two proxies in a row.
        let two = ["127.0.0.1", "10.0.0.0/8"];
        let line = ["1.1.1.1, 198.51.100.7, 10.1.2.3"];
        assert_eq!(seen("127.0.0.1:1", &line, &two), "198.51.100.7");
        assert_eq!(seen("127.0.0.1:1", &line, &proxy), "10.1.2.3");
        assert_eq!(seen("127.0.0.1:1", &["10.0.0.1, 10.1.2.3"], &two), "10.0.0.1");
    }

    #[test]
    fn a_header_that_cannot_be_read_counts_for_the_last_hop_that_could() {
        let proxy = ["127.0.0.1"];
        for bad in ["", ",", "unknown", "1.2.3", "999.1.1.1", "a, ,", "[::1", "1.1.1.1, evil"] {
            assert_eq!(seen("127.0.0.1:1", &[bad], &proxy), "127.0.0.1", "{bad:?}");
        }
        let mut headers = HeaderMap::new();
        let bytes = axum::http::HeaderValue::from_bytes(b"\xff\xfe, 1.1.1.1, \xff").unwrap();
        headers.append("x-forwarded-for", bytes);
        let trusted = [Network::parse("127.0.0.1").unwrap()];
        let socket = "127.0.0.1:1".parse().unwrap();
        assert_eq!(of(socket, &headers, &trusted).0.to_string(), "127.0.0.1");
    }

    #[test]
    fn ports_and_brackets_are_passed_over() {
        for (hop, address) in [
            ("198.51.100.7:4711", "198.51.100.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
        ] {
            assert_eq!(seen("[::1]:1", &[hop], &["::1"]), address, "{hop}");
        }
    }

    #[test]
    fn networks_are_read_and_what_is_none_is_refused() {
        let all = Network::parse("0.0.0.0/0").unwrap();
        assert!(all.contains("203.0.113.9".parse().unwrap()));
        assert!(!all.contains("::1".parse().unwrap()));
        let six = Network::parse("2001:db8::/32").unwrap();
        assert!(six.contains("2001:db8:ffff::1".parse().unwrap()));
        assert!(!six.contains("2001:db9::1".parse().unwrap()));
        for bad in ["", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "::/129", "localhost", "/8"] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }
}
