//! One WebSocket: frames in, frames out, and an end that the other side is told.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use proto::limits::FRAME_BYTES_MAX;
use proto::server_frame::Body;
use proto::{ClientFrame, CloseCode, Codec, Goodbye, GoodbyeReason, ServerFrame, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes, error::ProtocolError};

use super::fragments::{TooManyFragments, Watched};
use crate::limits;
use crate::outbound::{Event, Outbound};

/// Why a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The client closed, or the line broke.
    Gone,
    /// For a reason that has its own word.
    Goodbye(GoodbyeReason),
    /// The client broke the protocol; which rule, for a person.
    Broken(CloseCode, String),
    /// A fault of ours.
    Fault,
}

/// What one WebSocket message is to us.
pub(crate) enum Incoming {
    Frame(ClientFrame),
    /// Only a sign of life.
    Alive,
}

/// The socket and the language that is spoken on it.
pub(crate) struct Wire {
    socket: WebSocketStream<Watched>,
    codec: Codec,
    queue: Arc<Outbound>,
    write_max: Duration,
    reconnect_within_ms: u64,
    /// While catching up, a queue that overflows is not the client's fault.
    pub(crate) patient: bool,
}

impl Wire {
    pub(crate) async fn new(
        socket: Watched,
        codec: Codec,
        queue: Arc<Outbound>,
        timers: &crate::config::Timers,
    ) -> Self {
        let bounds = WebSocketConfig::default()
            .read_buffer_size(limits::READ_BUFFER_BYTES)
            .write_buffer_size(limits::WRITE_BUFFER_BYTES)
            .max_write_buffer_size(limits::WRITE_BUFFER_BYTES_MAX)
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        Self {
            socket: WebSocketStream::from_raw_socket(socket, Role::Server, Some(bounds)).await,
            codec,
            queue,
            write_max: Duration::from_millis(timers.write_ms),
            reconnect_within_ms: timers.reconnect_within_ms,
            patient: true,
        }
    }

    /// The next thing the client says. Safe to be dropped while it waits.
    pub(crate) async fn read(&mut self) -> Result<Incoming, End> {
        let message = match self.socket.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(End::from(error)),
            None => return Err(End::Gone),
        };
        let bytes = match (&message, self.codec) {
            (Message::Binary(bytes), Codec::Protobuf) => &bytes[..],
            (Message::Text(text), Codec::Json) => text.as_bytes(),
            (Message::Binary(_), Codec::Json) => return Err(wrong_kind("text")),
            (Message::Text(_), Codec::Protobuf) => return Err(wrong_kind("binary")),
            (Message::Ping(_) | Message::Pong(_) | Message::Frame(_), _) => {
                return Ok(Incoming::Alive);
            }
            (Message::Close(_), _) => return Err(End::Gone),
        };
        let frame = self.codec.read_client(bytes);
        let frame = frame.map_err(|why| End::Broken(CloseCode::BadData, why.to_string()))?;
        Ok(Incoming::Frame(frame))
    }

    /// The next thing the client has said already.
    pub(crate) fn read_now(&mut self) -> Option<Result<Incoming, End>> {
        self.read().now_or_never()
    }

    /// Puts a frame into the write buffer; writes when that is full.
    pub(crate) async fn feed(&mut self, frame: &ServerFrame) -> Result<(), End> {
        let bytes = self.codec.write_server(frame);
        self.feed_message(match self.codec {
            Codec::Protobuf => Message::Binary(bytes.into()),
            Codec::Json => text(bytes),
        })
        .await
    }

    /// The same for an event, whose Protobuf is shared by all who get it.
    pub(crate) async fn feed_event(&mut self, event: &Event) -> Result<(), End> {
        match self.codec {
            Codec::Protobuf => self.feed_message(Message::Binary(event.wire.clone())).await,
            Codec::Json => self.feed(&frame::push(event.body.clone())).await,
        }
    }

    async fn feed_message(&mut self, message: Message) -> Result<(), End> {
        let fed = self.socket.feed(message);
        in_time(fed, &self.queue, self.patient, self.write_max).await
    }

    /// Writes everything that was fed.
    pub(crate) async fn flush(&mut self) -> Result<(), End> {
        let flushed = self.socket.flush();
        in_time(flushed, &self.queue, self.patient, self.write_max).await
    }

    /// Says why, and gives the client a moment to read it: a socket that is closed with unread
    /// bytes in it takes back what was just written.
    pub(crate) async fn close(mut self, end: &End) {
        let patience = Duration::from_millis(limits::LINGER_MS);
        let _ = tokio::time::timeout(patience, self.say_goodbye(end)).await;
        let mut raw = self.socket.into_inner();
        let _ = tokio::time::timeout(patience, async {
            raw.shutdown().await?;
            let mut unread = [0; 1_024];
            while raw.read(&mut unread).await? > 0 {}
            Ok::<(), std::io::Error>(())
        })
        .await;
    }

    async fn say_goodbye(&mut self, end: &End) -> Result<(), Error> {
        let Some((code, goodbye)) = last_words(end, self.reconnect_within_ms) else {
            // What is flushed here is the answer to the client's own close frame.
            return self.socket.flush().await;
        };
        let reason = Utf8Bytes::from(goodbye.text.clone());
        if goodbye.reason() != GoodbyeReason::Unspecified {
            let bytes = self.codec.write_server(&frame::push(Body::Goodbye(goodbye)));
            self.socket
                .feed(match self.codec {
                    Codec::Protobuf => Message::Binary(bytes.into()),
                    Codec::Json => text(bytes),
                })
                .await?;
        }
        self.socket.send(Message::Close(Some(CloseFrame { code, reason }))).await
    }
}

/// Waits for a write, but not for ever, and not when the queue behind it has run over.
async fn in_time(
    write: impl Future<Output = Result<(), Error>>,
    queue: &Outbound,
    patient: bool,
    longest: Duration,
) -> Result<(), End> {
    tokio::pin!(write);
    // Nearly always the socket takes it at once, and no timer has to be set.
    if let Some(written) = write.as_mut().now_or_never() {
        return written.map_err(End::from);
    }
    // In a box, so that a connection which does not wait here does not carry the room for it.
    Box::pin(async {
        tokio::select! {
            written = write => written.map_err(End::from),
            () = queue.cut(patient) => {
                Err(End::Goodbye(queue.wanted_end().unwrap_or(GoodbyeReason::TooSlow)))
            }
            () = tokio::time::sleep(longest) => Err(End::Goodbye(GoodbyeReason::TooSlow)),
        }
    })
    .await
}

fn text(json: Vec<u8>) -> Message {
    let json = String::from_utf8(json).expect("JSON is written as UTF-8");
    Message::Text(json.into())
}

fn wrong_kind(wanted: &str) -> End {
    End::Broken(CloseCode::Unsupported, format!("this subprotocol wants {wanted} messages"))
}

/// The close code and the Goodbye that belong to an end; none where nobody listens any more.
fn last_words(
    end: &End,
    reconnect_within_ms: u64,
) -> Option<(tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode, Goodbye)> {
    use GoodbyeReason as Reason;
    let soon = reconnect_within_ms as i64;
    let (code, reason, text, within_ms) = match end {
        End::Gone => return None,
        End::Goodbye(reason) => match reason {
            Reason::Draining => (CloseCode::GoingAway, reason, "the gateway restarts", soon),
            Reason::Revoked => (CloseCode::Revoked, reason, "this session was ended", 0),
            Reason::TooSlow => (CloseCode::TryAgain, reason, "frames were not read", soon),
            Reason::Silent => (CloseCode::Policy, reason, "nothing was heard", soon),
            Reason::TooMany => (CloseCode::TooMany, reason, "too many connections", 0),
            Reason::Broken => (CloseCode::Protocol, reason, "the protocol was broken", 0),
            Reason::Unspecified => (CloseCode::Internal, reason, "", soon),
        },
        End::Broken(code, why) => (*code, &Reason::Broken, why.as_str(), 0),
        End::Fault => (CloseCode::Internal, &Reason::Unspecified, "a fault of the server's", soon),
    };
    // A close frame has room for 123 bytes of reason (RFC 6455, section 5.5).
    let text = text.chars().filter(char::is_ascii).take(120).collect();
    let goodbye = Goodbye { reason: (*reason).into(), text, reconnect_within_ms: within_ms };
    Some(((code as i32 as u16).into(), goodbye))
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        match error {
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Gone,
            Error::Protocol(why) => Self::Broken(CloseCode::Protocol, why.to_string()),
            Error::Capacity(_) => too_big("a message over 64 KiB"),
            Error::Io(why) if why.get_ref().is_some_and(|e| e.is::<TooManyFragments>()) => {
                too_big("a message in too many fragments")
            }
            Error::Utf8(_) => Self::Broken(CloseCode::BadData, "text that is not UTF-8".into()),
            Error::WriteBufferFull(_) => Self::Goodbye(GoodbyeReason::TooSlow),
            _ => Self::Gone,
        }
    }
}

fn too_big(why: &str) -> End {
    End::Broken(CloseCode::TooBig, why.to_owned())
}

/// A fault of the store while a connection is being served, for the one that waits for it.
impl From<store::Error> for End {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Unavailable(_) | store::Error::Full => {
                tracing::warn!(%error, "a connection ends because the database does not answer");
                Self::Fault
            }
            _ => {
                tracing::error!(%error, "a connection ends because of a fault");
                Self::Fault
            }
        }
    }
}

/// The end of a conversation is always an `End`.
pub(crate) type Never = Infallible;
