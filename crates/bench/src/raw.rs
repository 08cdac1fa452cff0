//! A natter client of one file: no copy on disk, no reconnecting, nothing that would be measured
//! instead of the server.

use std::time::Instant;

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use proto::client_frame::Body as Say;
use proto::server_frame::Body as Heard;
use proto::{Codec, Conversation, Hello, Position, frame, http};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header::AUTHORIZATION};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::{Error, Result, limits};

/// Somebody who has signed up.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) user_id: i64,
    token: String,
}

/// Permission to open one WebSocket within 30 seconds.
pub(crate) struct Ticket {
    /// `HOST:PORT` of the gateway.
    gateway: String,
    path: String,
    ticket: String,
}

impl Ticket {
    /// A ticket is good at every gateway of a system.
    pub(crate) fn at(self, gateway: &str) -> Self {
        Self { gateway: gateway.to_owned(), ..self }
    }
}

/// One WebSocket.
pub(crate) struct Socket {
    inner: WebSocketStream<TcpStream>,
}

/// What came between Hello and CaughtUp.
pub(crate) struct Arrival {
    /// When the last part of the Paint was there: a first screen can be drawn.
    pub(crate) painted: Instant,
    pub(crate) caught_up: Instant,
    /// The messages that were missing, in the order in which they came.
    pub(crate) missed: Vec<proto::Message>,
    /// The sizes of all the frames, in bytes.
    pub(crate) frame_bytes: Vec<usize>,
}

// ── HTTP ─────────────────────────────────────────────────────────────────────────────────────────

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

/// `HOST:PORT` of an address like `http://HOST:PORT`.
pub(crate) fn authority(server: &str) -> Result<String> {
    let rest = server.trim_end_matches('/').strip_prefix("http://");
    match rest.filter(|rest| !rest.is_empty() && !rest.contains(['/', '@'])) {
        Some(rest) if rest.contains(':') => Ok(rest.to_owned()),
        Some(rest) => Ok(format!("{rest}:80")),
        None => Err(Error::Invalid(format!(
            "{server}: want http://HOST:PORT; what TLS costs is not measured here"
        ))),
    }
}

/// Makes an account. `server` is `HOST:PORT`.
pub(crate) async fn sign_up(server: &str, handle: &str) -> Result<Person> {
    let signup = http::Signup {
        handle: handle.to_owned(),
        name: None,
        password: format!("{:016x}", rand::random::<u64>()),
        email: None,
        device: Some("bench".to_owned()),
    };
    let json = serde_json::to_vec(&signup).expect("strings fit JSON");
    let answer = call(server, "POST", "/v1/signup", "", &json).await?;
    let granted: http::SessionGranted = match answer.status {
        201 => serde_json::from_slice(&answer.body).map_err(|_| stranger(server))?,
        _ => return Err(refused("signing up", &answer)),
    };
    Ok(Person { user_id: granted.user_id, token: granted.token })
}

/// Asks for a ticket, on a TCP connection of its own, as every client does that starts.
pub(crate) async fn ticket(server: &str, person: &Person) -> Result<Ticket> {
    let answer = call(server, "GET", "/v1/connect", &person.token, b"").await?;
    if answer.status != 307 {
        return Err(refused("the ticket", &answer));
    }
    let location = header(&answer.head, "location").unwrap_or_default();
    let parts = location.strip_prefix("ws://").and_then(|rest| rest.split_once('/'));
    let Some((gateway, path)) = parts else {
        return Err(stranger(server));
    };
    let Some((path, ticket)) = path.split_once("?ticket=") else {
        return Err(stranger(server));
    };
    Ok(Ticket { gateway: gateway.to_owned(), path: format!("/{path}"), ticket: ticket.to_owned() })
}

/// The body of `GET path`, as text.
pub async fn get(server: &str, path: &str) -> Result<String> {
    let answer = call(server, "GET", path, "", b"").await?;
    match answer.status {
        200 => Ok(String::from_utf8_lossy(&answer.body).into_owned()),
        _ => Err(refused(path, &answer)),
    }
}

async fn call(server: &str, method: &str, path: &str, token: &str, json: &[u8]) -> Result<Answer> {
    let bearer = match token {
        "" => String::new(),
        token => format!("Authorization: Bearer {token}\r\n"),
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n{bearer}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        json.len()
    );
    let call = async {
        let mut wire = TcpStream::connect(server).await?;
        wire.set_nodelay(true)?;
        wire.write_all(&[request.as_bytes(), json].concat()).await?;
        let mut answer = Vec::new();
        // "Connection: close" makes the end of the stream the end of the answer.
        wire.take(limits::HTTP_BYTES_MAX).read_to_end(&mut answer).await?;
        Ok::<_, Error>(answer)
    };
    let bytes = timeout(limits::PATIENCE, call).await.map_err(|_| Error::Silent("HTTP"))??;
    read_answer(&bytes).ok_or_else(|| stranger(server))
}

fn read_answer(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some(Answer { status, head, body: bytes[end + 4..].to_vec() })
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn refused(what: &str, answer: &Answer) -> Error {
    let problem = serde_json::from_slice::<http::Problem>(&answer.body).ok();
    let why = problem.map_or_else(String::new, |problem| format!(": {}", problem.detail));
    Error::Refused(format!("{what}: the server answered {}{why}", answer.status))
}

fn stranger(server: &str) -> Error {
    Error::Refused(format!("{server} is no natter server"))
}

// ── WebSocket ────────────────────────────────────────────────────────────────────────────────────

/// Opens the WebSocket that a ticket is for.
pub(crate) async fn open(ticket: &Ticket) -> Result<Socket> {
    let mut request = format!("ws://{}{}", ticket.gateway, ticket.path).into_client_request()?;
    let value = HeaderValue::from_str(&format!("Ticket {}", ticket.ticket));
    let value = value.map_err(|_| stranger(&ticket.gateway))?;
    request.headers_mut().insert(AUTHORIZATION, value);
    handshake(&ticket.gateway, request).await
}

/// Opens a WebSocket to the echo server.
pub(crate) async fn open_echo(address: &str) -> Result<Socket> {
    handshake(address, format!("ws://{address}/").into_client_request()?).await
}

async fn handshake(
    address: &str,
    request: tungstenite::handshake::client::Request,
) -> Result<Socket> {
    let config = WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(limits::WRITE_BUFFER_BYTES)
        .max_write_buffer_size(limits::WRITE_BUFFER_BYTES_MAX);
    let opening = async {
        let wire = TcpStream::connect(address).await?;
        wire.set_nodelay(true)?;
        let opened =
            tokio_tungstenite::client_async_with_config(request, wire, Some(config)).await?;
        Ok::<_, Error>(Socket { inner: opened.0 })
    };
    timeout(limits::PATIENCE, opening).await.map_err(|_| Error::Silent("opening a WebSocket"))?
}

impl Socket {
    /// Puts a frame into the write buffer.
    pub(crate) async fn feed(&mut self, r#ref: u32, body: Say) -> Result<()> {
        let bytes = Codec::Protobuf.write_client(&frame::from_client(r#ref, body));
        self.feed_bytes(bytes.into()).await
    }

    /// … of the echo server.
    pub(crate) async fn feed_bytes(&mut self, bytes: Bytes) -> Result<()> {
        Ok(self.inner.feed(Message::Binary(bytes)).await?)
    }

    pub(crate) async fn flush(&mut self) -> Result<()> {
        Ok(self.inner.flush().await?)
    }

    /// The next frame. Safe to be dropped while it waits. `Refused`: the gateway sent an Error or a
    /// Goodbye.
    pub(crate) async fn hear(&mut self) -> Result<Heard> {
        read(&self.hear_bytes().await?)
    }

    /// The next frame that is here already.
    pub(crate) fn hear_now(&mut self) -> Option<Result<Heard>> {
        self.hear().now_or_never()
    }

    /// The next binary message that is here already.
    pub(crate) fn hear_bytes_now(&mut self) -> Option<Result<Bytes>> {
        self.hear_bytes().now_or_never()
    }

    /// The next binary message, whatever it means.
    pub(crate) async fn hear_bytes(&mut self) -> Result<Bytes> {
        loop {
            match self.inner.next().await {
                Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
                Some(Ok(Message::Close(why))) => {
                    let why = why
                        .map_or_else(String::new, |why| format!(": {} {}", why.code, why.reason));
                    return Err(Error::Refused(format!("the server closed a connection{why}")));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err(Error::Refused("the server closed a connection".into())),
            }
        }
    }

    /// Says something that has one direct answer, and waits for it; what comes in between is passed
    /// over.
    pub(crate) async fn ask(&mut self, r#ref: u32, body: Say) -> Result<Heard> {
        self.feed(r#ref, body).await?;
        self.flush().await?;
        let waiting = async {
            loop {
                let bytes = self.hear_bytes().await?;
                let frame = Codec::Protobuf.read_server(&bytes).map_err(malformed)?;
                if frame.r#ref == r#ref {
                    return read(&bytes);
                }
            }
        };
        timeout(limits::PATIENCE, waiting).await.map_err(|_| Error::Silent("an answer"))?
    }

    /// Hello, and everything up to CaughtUp.
    pub(crate) async fn arrive(&mut self, have: Vec<Position>) -> Result<Arrival> {
        let client = "natter bench".to_owned();
        self.feed(1, Say::Hello(Hello { have, client, brief: false })).await?;
        self.flush().await?;
        let now = Instant::now();
        let mut arrival =
            Arrival { painted: now, caught_up: now, missed: Vec::new(), frame_bytes: Vec::new() };
        let waiting = async {
            loop {
                let bytes = self.hear_bytes().await?;
                arrival.frame_bytes.push(bytes.len());
                match read(&bytes)? {
                    Heard::Paint(paint) if !paint.more => arrival.painted = Instant::now(),
                    Heard::Page(page) => arrival.missed.extend(page.messages),
                    Heard::Message(message) => arrival.missed.push(message),
                    Heard::CaughtUp(_) => {
                        arrival.caught_up = Instant::now();
                        return Ok::<_, Error>(());
                    }
                    _ => {}
                }
            }
        };
        timeout(limits::PATIENCE, waiting).await.map_err(|_| Error::Silent("catching up"))??;
        Ok(arrival)
    }

    /// The direct conversation with somebody.
    pub(crate) async fn open_direct(&mut self, user_id: i64) -> Result<Conversation> {
        match self.ask(2, Say::OpenDirect(proto::OpenDirect { user_id })).await? {
            Heard::Conversation(conversation) => Ok(conversation),
            _ => Err(Error::Refused("OpenDirect was not answered with a Conversation".into())),
        }
    }

    /// Closes in order, so that the server sees a client that leaves and not a line that broke.
    pub(crate) async fn close(mut self) {
        let closing = async {
            self.inner.close(None).await?;
            while let Some(rest) = self.inner.next().await {
                rest?;
            }
            Ok::<_, tungstenite::Error>(())
        };
        // A server that has gone first has closed as well.
        let _ = timeout(limits::PATIENCE, closing).await;
    }
}

/// The meaning of a frame. `Refused`: the gateway sent an Error or a Goodbye.
pub(crate) fn read(bytes: &[u8]) -> Result<Heard> {
    let frame = Codec::Protobuf.read_server(bytes).map_err(malformed)?;
    match frame.body {
        Some(Heard::Error(error)) => {
            let code = error.code().as_str_name();
            Err(Error::Refused(format!("{code}: {}{}", error.text, hint(error.code()))))
        }
        Some(Heard::Goodbye(goodbye)) => {
            let reason = goodbye.reason().as_str_name();
            Err(Error::Refused(format!("{reason}: {}", goodbye.text)))
        }
        Some(body) => Ok(body),
        None => {
            Err(Error::Refused("the server sent a frame that this program does not know".into()))
        }
    }
}

fn hint(code: proto::ErrorCode) -> &'static str {
    match code {
        proto::ErrorCode::TooFast => {
            " (raise [rates] in its natter.toml, or use fewer pairs and a smaller window)"
        }
        _ => "",
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn malformed(why: frame::Malformed) -> Error {
    Error::Refused(format!("the server sent bytes that are no frame: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_servers() {
        assert_eq!(authority("http://127.0.0.1:7667/").unwrap(), "127.0.0.1:7667");
        assert_eq!(authority("http://chat.example").unwrap(), "chat.example:80");
        for bad in ["https://a", "a:1", "http://", "http://a/b", "http://u@a"] {
            assert!(authority(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn answers_of_http() {
        let answer =
            read_answer(b"HTTP/1.1 307 Away\r\nLOCATION: ws://a/b \r\nx: y\r\n\r\nbody").unwrap();
        assert_eq!((answer.status, &answer.body[..]), (307, &b"body"[..]));
        assert_eq!(header(&answer.head, "location"), Some("ws://a/b"));
        for bad in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 2\r\n\r\n", "SSH-2.0-x\r\n\r\n"] {
            assert!(read_answer(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
