//! From an address to bytes: TCP, TLS where the address says so, one HTTP call, one WebSocket.

use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use proto::limits::FRAME_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, error::ProtocolError};

use crate::{Error, Result, limits};

/// What bytes go over.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// How a line gets to a host and a port.
#[derive(Clone, Default)]
pub enum Way {
    /// Over TCP.
    #[default]
    Tcp,
    /// Over a network that is brought along. Without TLS.
    Brought(Dialer),
}

/// Opens a stream to a host and a port of its network.
pub type Dialer = Arc<dyn Fn(&str, u16) -> Dialing + Send + Sync>;
pub type Dialing = Pin<Box<dyn Future<Output = std::io::Result<Box<dyn Wire>>> + Send>>;

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tcp => "Tcp",
            Self::Brought(_) => "Brought",
        })
    }
}

pub(crate) type Socket = WebSocketStream<Box<dyn Wire>>;

/// The answer to an HTTP call. Redirects are answers, not orders.
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The operating system's roots; `SSL_CERT_FILE` adds a private one.
static TLS: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
});

/// One HTTP call on a connection of its own. `token` goes out as Bearer and nowhere else.
pub(crate) async fn call(
    way: &Way,
    method: Method,
    uri: &Uri,
    token: Option<&str>,
    json: Option<Vec<u8>>,
) -> Result<Answer> {
    within(uri, async {
        let wire = dial(way, uri).await?;
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(64 * 1024)
            .handshake(TokioIo::new(wire))
            .await
            .map_err(|e| no_http(uri, &e))?;
        let request = request(method, uri, token, json)?;
        // The connection is driven beside the call and ends with it.
        let answer = async {
            let response = sender.send_request(request).await.map_err(|e| no_http(uri, &e))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, limits::HTTP_BYTES_MAX)
                .collect()
                .await
                .map_err(|e| unreachable(uri, &e.to_string()))?
                .to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body })
        };
        tokio::pin!(answer, connection);
        tokio::select! {
            answer = &mut answer => answer,
            ended = &mut connection => match ended {
                Ok(()) => answer.await,
                Err(e) => Err(no_http(uri, &e)),
            },
        }
    })
    .await
}

/// Opens the WebSocket with a ticket in the header, where no proxy writes it down.
/// Err `Http{status}`: the gateway did not want it.
pub(crate) async fn open_socket(way: &Way, uri: &Uri, ticket: &str) -> Result<Socket> {
    within(uri, async {
        let mut request = uri
            .into_client_request()
            .map_err(|_| Error::Invalid(format!("{uri}: no WebSocket")))?;
        let value = secret(&format!("Ticket {ticket}"))?;
        request.headers_mut().insert(AUTHORIZATION, value);
        // The library's own defaults hold 64 MiB of one message and an unbounded queue.
        let config = WebSocketConfig::default()
            .read_buffer_size(16 * 1024)
            .write_buffer_size(4 * 1024)
            .max_write_buffer_size(1024 * 1024)
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        let wire = dial(way, uri).await?;
        match tokio_tungstenite::client_async_with_config(request, wire, Some(config)).await {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::Error::Http(response)) => Err(Error::Http {
                status: response.status().as_u16(),
                detail: format!("the gateway answered {}", response.status()),
            }),
            Err(tungstenite::Error::Protocol(ProtocolError::HandshakeIncomplete)) => {
                Err(unreachable(uri, "it hung up"))
            }
            Err(e) => Err(unreachable(uri, &e.to_string())),
        }
    })
    .await
}

/// An address as a person may have typed it. `http(s)://HOST[:PORT]`, without a path.
pub(crate) fn address(server: &str, path: &str) -> Result<Uri> {
    let wrong = || Error::Invalid(format!("{server}: want http://HOST:PORT or https://HOST"));
    let base: Uri = server.trim_end_matches('/').parse().map_err(|_| wrong())?;
    let plain = matches!(base.scheme_str(), Some("http" | "https")) && base.path() == "/";
    let Some(authority) = base.authority().filter(|a| plain && !a.as_str().contains('@')) else {
        return Err(wrong());
    };
    let scheme = base.scheme_str().unwrap_or("http");
    format!("{scheme}://{authority}{path}").parse().map_err(|_| wrong())
}

async fn dial(way: &Way, uri: &Uri) -> Result<Box<dyn Wire>> {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let tls = matches!(uri.scheme_str(), Some("https" | "wss"));
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    if let Way::Brought(dial) = way {
        return dial(host, port).await.map_err(|e| unreachable(uri, &e.to_string()));
    }
    let tcp =
        TcpStream::connect((host, port)).await.map_err(|e| unreachable(uri, &e.to_string()))?;
    // Frames are small and wanted now; an error here only costs time.
    let _ = tcp.set_nodelay(true);
    if !tls {
        return Ok(Box::new(tcp));
    }
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Error::Invalid(format!("{host} is no name for a certificate")))?;
    let stream = TlsConnector::from(TLS.clone())
        .connect(name, tcp)
        .await
        .map_err(|e| unreachable(uri, &e.to_string()))?;
    Ok(Box::new(stream))
}

fn request(
    method: Method,
    uri: &Uri,
    token: Option<&str>,
    json: Option<Vec<u8>>,
) -> Result<Request<Full<Bytes>>> {
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    let mut request = Request::new(Full::new(Bytes::new()));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().map_err(|_| Error::Invalid(format!("{path}: no path")))?;
    let host = uri.authority().map_or("", |a| a.as_str());
    set(&mut request, HOST, HeaderValue::from_str(host).map_err(|_| Error::Offline)?);
    if let Some(token) = token {
        set(&mut request, AUTHORIZATION, secret(&format!("Bearer {token}"))?);
    }
    if let Some(json) = json {
        *request.body_mut() = Full::new(Bytes::from(json));
        set(&mut request, CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(request)
}

fn set(request: &mut Request<Full<Bytes>>, name: HeaderName, value: HeaderValue) {
    request.headers_mut().insert(name, value);
}

/// A header value that shows itself in no debug output.
fn secret(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Error::SignedOut("the saved session is damaged".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn within<T>(uri: &Uri, work: impl Future<Output = Result<T>>) -> Result<T> {
    let longest = Duration::from_millis(limits::CONNECT_MS);
    match tokio::time::timeout(longest, work).await {
        Ok(done) => done,
        Err(_) => Err(Error::Silent(place(uri))),
    }
}

fn no_http(uri: &Uri, error: &hyper::Error) -> Error {
    unreachable(uri, &error.to_string())
}

fn unreachable(uri: &Uri, why: &str) -> Error {
    Error::Unreachable { server: place(uri), why: why.to_owned() }
}

/// Scheme, host and port: never the query, which may hold a ticket.
fn place(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |a| a.as_str());
    format!("{}://{authority}", uri.scheme_str().unwrap_or("http"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_type_them() {
        let good = |text, path| address(text, path).unwrap().to_string();
        assert_eq!(good("http://127.0.0.1:80/", "/v1/login"), "http://127.0.0.1:80/v1/login");
        assert_eq!(good("https://chat.example", "/v1/x"), "https://chat.example/v1/x");
        for bad in ["", "chat.example", "ftp://x", "http://a/b", "http://u:p@a", "http://"] {
            assert!(address(bad, "/").is_err(), "{bad}");
        }
    }
}
