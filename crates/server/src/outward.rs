//! Calls that leave: HTTP to addresses that people have named. They name what they like, so here it
//! is decided where a call may go.
//!
//! What must not happen: a call reaches this machine or a network behind it that the operator has
//! not opened, be it by a name, a strange way to write an address, or a redirect; somebody who does
//! not answer, or never stops answering, holds a worker.

use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::config::Config;
use crate::limits;
use crate::peer::Network;
use crate::tls::{self, Wire};

/// Where calls may go, and how long they may take.
pub(crate) struct Outward {
    /// Networks that would be refused, but the operator has opened them. Only there `http://` does.
    opened: Vec<Network>,
    /// For connecting; see `limits::MAIL_STEPS` for a whole call.
    step: Duration,
}

/// Why there was no answer. No sentence holds the URL, which may hold a password.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// It may not be called, now or ever.
    Forbidden(String),
    /// It could not be reached.
    Away(String),
}

/// Networks of the internet that are not for everybody: this machine, private ones, those of one
/// cable, examples, multicast, what is reserved. After RFC 6890 and the registries it made.
const NOT_PUBLIC: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
    // Of IPv6 only 2000::/3 is public at all, and in it not what wraps an IPv4 address.
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
];

static CLOSED: LazyLock<Vec<Network>> = LazyLock::new(|| {
    let known = |text: &&str| Network::parse(text).expect("the table above holds networks");
    NOT_PUBLIC.iter().map(known).collect()
});

static PUBLIC_V6: LazyLock<Network> =
    LazyLock::new(|| Network::parse("2000::/3").expect("this is a network"));

impl Outward {
    pub(crate) fn new(config: &Config) -> Self {
        let opened = config.doors_opened.iter().filter_map(|text| Network::parse(text));
        let step = Duration::from_millis(config.timers.mail_step_ms);
        Self { opened: opened.collect(), step }
    }

    /// What can be said against a URL without asking anybody where its name leads.
    pub(crate) fn check(&self, url: &str) -> Result<(), String> {
        let target = Target::parse(url)?;
        match target.host.parse() {
            Ok(address) if !self.may_go(address, target.tls) => Err(target.closed()),
            // The name may belong to a network that was opened; if not, the call will say so.
            Err(_) if !target.tls && self.opened.is_empty() => Err(target.closed()),
            _ => Ok(()),
        }
    }

    /// One POST on a connection of its own. Redirects are answers and not orders; the answer's body
    /// is not read.
    pub(crate) async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<StatusCode, NoAnswer> {
        let target = Target::parse(url).map_err(NoAnswer::Forbidden)?;
        let request = request(&target, headers, body)?;
        let call = async {
            let wire = self.connect(&target).await?;
            exchange(wire, request).await.map_err(|error| away(&error))
        };
        match tokio::time::timeout(self.step * limits::MAIL_STEPS, call).await {
            Ok(answer) => answer,
            Err(_) => Err(NoAnswer::Away("it does not answer".into())),
        }
    }

    /// To the very address that was looked at: asked a second time, a name may lead elsewhere.
    async fn connect(&self, target: &Target) -> Result<Box<dyn Wire>, NoAnswer> {
        let found = tokio::net::lookup_host((&*target.host, target.port)).await;
        let found = found.map_err(|_| NoAnswer::Away("its name leads nowhere".into()))?;
        let open = found.filter(|address| self.may_go(address.ip(), target.tls));
        let open: Vec<SocketAddr> = open.take(limits::DOOR_ADDRESSES_MAX).collect();
        if open.is_empty() {
            return Err(NoAnswer::Forbidden(target.closed()));
        }
        let tcp = match tokio::time::timeout(self.step, TcpStream::connect(&*open)).await {
            Ok(connected) => connected.map_err(|error| away(&error))?,
            Err(_) => return Err(NoAnswer::Away("it cannot be reached".into())),
        };
        if !target.tls {
            return Ok(Box::new(tcp));
        }
        let secured = tls::to(&target.host, tcp).await;
        Ok(Box::new(secured.map_err(|error| away(&error))?))
    }

    fn may_go(&self, address: IpAddr, tls: bool) -> bool {
        let address = address.to_canonical();
        let is_opened = self.opened.iter().any(|network| network.contains(address));
        is_opened || (tls && is_public(address))
    }
}

fn is_public(address: IpAddr) -> bool {
    let closed = CLOSED.iter().any(|network| network.contains(address));
    !closed && (address.is_ipv4() || PUBLIC_V6.contains(address))
}

/// A URL, taken apart.
struct Target {
    uri: Uri,
    host: String,
    port: u16,
    tls: bool,
}

impl Target {
    fn parse(url: &str) -> Result<Self, String> {
        proto::check::door_url(url).map_err(|refused| refused.0)?;
        let uri: Uri = url.parse().map_err(|_| "this is no URL".to_owned())?;
        let tls = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let port = match uri.port_u16() {
            Some(port) => port,
            None if authority.len() > uri.host().map_or(0, str::len) => {
                return Err("the port is a number up to 65535".to_owned());
            }
            None => {
                if tls {
                    443
                } else {
                    80
                }
            }
        };
        Ok(Self { uri, host, port, tls })
    }

    /// Why nothing goes there.
    fn closed(&self) -> String {
        match self.tls {
            true => "it leads into a network that this server does not call".into(),
            false => "this server calls https:// only".into(),
        }
    }
}

fn request(
    target: &Target,
    headers: &[(&'static str, String)],
    body: Vec<u8>,
) -> Result<Request<Full<Bytes>>, NoAnswer> {
    let path = target.uri.path_and_query().map_or("/", |path| path.as_str());
    let host = target.uri.authority().map_or("", |authority| authority.as_str());
    let agent = concat!("natter/", env!("CARGO_PKG_VERSION"));
    let mut request = Request::post(path)
        .header(HOST, host)
        .header(CONNECTION, HeaderValue::from_static("close"))
        .header(USER_AGENT, HeaderValue::from_static(agent));
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(Bytes::from(body)));
    request.map_err(|error| NoAnswer::Forbidden(error.to_string()))
}

/// The connection is driven beside the call and ends with it.
async fn exchange(wire: Box<dyn Wire>, request: Request<Full<Bytes>>) -> hyper::Result<StatusCode> {
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(limits::DOOR_HEAD_BYTES_MAX)
        .handshake(TokioIo::new(wire))
        .await?;
    let answer = async { Ok(sender.send_request(request).await?.status()) };
    tokio::pin!(answer, connection);
    tokio::select! {
        answer = &mut answer => answer,
        ended = &mut connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(error),
        },
    }
}

fn away(error: &impl std::error::Error) -> NoAnswer {
    let mut why = error.to_string();
    if let Some(source) = error.source() {
        why = format!("{why}: {source}");
    }
    NoAnswer::Away(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outward(opened: &[&str]) -> Outward {
        let doors_opened = opened.iter().map(|text| (*text).to_owned()).collect();
        Outward::new(&Config { doors_opened, ..Config::default() })
    }

    #[test]
    fn what_is_not_for_everybody_is_not_called_unless_the_operator_opens_it() {
        let closed = outward(&[]);
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "::7f00:1",
        ] {
            assert!(!closed.may_go(address.parse().unwrap(), true), "{address}");
        }
        for address in ["1.1.1.1", "172.32.0.1", "93.184.215.14", "2606:4700::1111"] {
            assert!(closed.may_go(address.parse().unwrap(), true), "{address}");
            assert!(!closed.may_go(address.parse().unwrap(), false), "{address} without TLS");
        }
        let opened = outward(&["10.0.0.0/8", "::1"]);
        for address in ["10.1.2.3", "::ffff:10.1.2.3", "::1"] {
            assert!(opened.may_go(address.parse().unwrap(), false), "{address}");
        }
        assert!(!opened.may_go("127.0.0.1".parse().unwrap(), true));
    }

    #[test]
    fn a_url_that_cannot_be_meant_is_refused_when_it_is_set() {
        let closed = outward(&[]);
        for good in ["https://hooks.example.org/x?y=z", "https://1.1.1.1:8443/"] {
            assert_eq!(closed.check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "hooks.example.org",
            "ftp://x.org/",
            "http://hooks.example.org/",
            "https://",
            "https://ann:secret@x.org/",
            "https://x.org/#a",
            "https://x.org/\r\nA: b",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://169.254.169.254/latest",
            "https://x.org:99999/",
        ] {
            assert!(closed.check(bad).is_err(), "{bad}");
        }
        let opened = outward(&["127.0.0.1"]);
        for good in ["http://127.0.0.1:80/x", "http://ntfy.lan/topic"] {
            assert_eq!(opened.check(good), Ok(()), "{good}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_into_a_closed_network_is_not_followed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let called = outward(&[]);
        for host in ["localhost", "2130706433", "0x7f.1", "127.1"] {
            let url = format!("https://{host}:{port}/");
            let error = called.post(&url, &[], Vec::new()).await.unwrap_err();
            // Systems differ in which strange spellings they take for an address at all.
            assert!(!matches!(&error, NoAnswer::Away(why) if why.contains("refused")), "{error:?}");
            if host == "localhost" {
                assert!(matches!(error, NoAnswer::Forbidden(_)), "{error:?}");
            }
        }
        let knocked = tokio::time::timeout(Duration::from_millis(1), listener.accept()).await;
        assert!(knocked.is_err(), "nobody has knocked");
    }
}
