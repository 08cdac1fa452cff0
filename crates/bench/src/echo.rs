//! The limit of the sockets: a server that does nothing but take frames and answer frames of the
//! asked sizes, with the same WebSocket library, the same buffers and the same one flush for all
//! that was ready.

use std::net::Ipv4Addr;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{FutureExt, SinkExt, StreamExt};
use proto::limits::FRAME_BYTES_MAX;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::limits;

/// "Answer with so many frames of so many bytes each."
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) frames: u16,
    pub(crate) bytes: u16,
}

/// A request of `bytes` bytes (or as many as the orders need) that asks for these answers.
///
/// The first byte is the number of orders; each is two little-endian numbers of 16 bits. Zeros fill
/// the rest.
pub(crate) fn request(bytes: usize, orders: &[Order]) -> Bytes {
    assert!(orders.len() <= limits::ECHO_ORDERS_MAX, "the scenarios ask for less");
    let mut request = BytesMut::with_capacity(bytes);
    request.put_u8(orders.len() as u8);
    for order in orders {
        request.put_u16_le(order.frames);
        request.put_u16_le(order.bytes);
    }
    if request.len() < bytes {
        request.put_bytes(0, bytes - request.len());
    }
    request.freeze()
}

/// The first byte of a request "answer with one frame of so many bytes, and pass another one on to
/// all listeners": two little-endian numbers of 16 bits follow.
const TO_ALL: u8 = 254;
/// The whole request "make this connection a listener"; it is answered with itself.
const LISTEN: u8 = 255;

/// A request of `bytes` bytes that brings the sender `answer_bytes` and each listener `all_bytes`.
pub(crate) fn to_all(bytes: usize, answer_bytes: u16, all_bytes: u16) -> Bytes {
    let mut request = BytesMut::with_capacity(bytes);
    request.put_u8(TO_ALL);
    request.put_u16_le(answer_bytes);
    request.put_u16_le(all_bytes);
    request.resize(bytes.max(request.len()), 0);
    request.freeze()
}

pub(crate) fn listen() -> Bytes {
    Bytes::from_static(&[LISTEN])
}

/// None: not a request of ours.
fn orders(request: &[u8]) -> Option<impl Iterator<Item = Order> + '_> {
    let count = usize::from(*request.first()?);
    let orders = request.get(1..1 + 4 * count).filter(|_| count <= limits::ECHO_ORDERS_MAX)?;
    Some(orders.chunks_exact(4).map(|four| Order {
        frames: u16::from_le_bytes([four[0], four[1]]).min(limits::ECHO_FRAMES_MAX),
        bytes: u16::from_le_bytes([four[2], four[3]]),
    }))
}

/// Listens on a free port of this machine, says so in one line on standard output, and serves until
/// standard input ends: an echo server never outlives the benchmark that started it.
pub async fn echo_server() -> crate::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    say_ready(&listener)?;
    let mut stdin = tokio::io::stdin();
    let mut ignored = [0; 64];
    let until_end = async { while stdin.read(&mut ignored).await.is_ok_and(|bytes| bytes > 0) {} };
    tokio::select! {
        served = serve(&listener) => served,
        () = until_end => Ok(()),
    }
}

#[expect(clippy::print_stdout, reason = "the one line that the benchmark waits for")]
fn say_ready(listener: &TcpListener) -> std::io::Result<()> {
    use std::io::Write;
    println!("listening on http://{}", listener.local_addr()?);
    std::io::stdout().flush()
}

async fn serve(listener: &TcpListener) -> crate::Result<()> {
    let (all, _) = broadcast::channel(limits::ECHO_BACKLOG);
    loop {
        let (stream, _) = listener.accept().await?;
        let all = all.clone();
        tokio::spawn(async move {
            // A client that just goes away is the usual end.
            let _ = Box::pin(echo(stream, all)).await;
        });
    }
}

type Everybody = broadcast::Sender<u16>;

async fn echo(stream: TcpStream, all: Everybody) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(limits::READ_BUFFER_BYTES)
        .write_buffer_size(limits::WRITE_BUFFER_BYTES)
        .max_write_buffer_size(limits::WRITE_BUFFER_BYTES_MAX)
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    let mut socket = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await?;
    // All answers are cuts of this one: filling them is no part of the limit.
    let zeros = Bytes::from_static(&[0; FRAME_BYTES_MAX]);
    while let Some(message) = socket.next().await {
        let message = message?;
        if matches!(&message, Message::Binary(request) if request[..] == [LISTEN]) {
            return Box::pin(pass_on(socket, all.subscribe(), &zeros)).await;
        }
        answer(&mut socket, message, &all, &zeros).await?;
        for _ in 1..limits::FRAMES_PER_TURN {
            let Some(Some(message)) = socket.next().now_or_never() else {
                break;
            };
            answer(&mut socket, message?, &all, &zeros).await?;
        }
        socket.flush().await?;
    }
    Ok(())
}

/// A listener: gets what is for all, one flush for what is ready; what he says is thrown away.
async fn pass_on(
    mut socket: WebSocketStream<TcpStream>,
    mut heard: broadcast::Receiver<u16>,
    zeros: &Bytes,
) -> Result<(), Error> {
    socket.send(Message::Binary(listen())).await?;
    loop {
        let bytes = tokio::select! {
            heard = heard.recv() => heard.map_err(|_| Error::ConnectionClosed)?,
            said = socket.next() => match said {
                Some(said) => {
                    said?;
                    continue;
                }
                None => return Ok(()),
            },
        };
        socket.feed(Message::Binary(zeros.slice(..usize::from(bytes)))).await?;
        while let Ok(bytes) = heard.try_recv() {
            socket.feed(Message::Binary(zeros.slice(..usize::from(bytes)))).await?;
        }
        socket.flush().await?;
    }
}

async fn answer(
    socket: &mut WebSocketStream<TcpStream>,
    message: Message,
    all: &Everybody,
    zeros: &Bytes,
) -> Result<(), Error> {
    let Message::Binary(request) = message else {
        return Ok(());
    };
    if let [TO_ALL, a, b, c, d, ..] = request[..] {
        // Where nobody listens there is nobody to miss it.
        let _ = all.send(u16::from_le_bytes([c, d]));
        let answer = zeros.slice(..usize::from(u16::from_le_bytes([a, b])));
        return socket.feed(Message::Binary(answer)).await;
    }
    let Some(orders) = orders(&request) else {
        return Err(Error::ConnectionClosed);
    };
    for order in orders {
        for _ in 0..order.frames {
            socket.feed(Message::Binary(zeros.slice(..usize::from(order.bytes)))).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw;

    #[tokio::test]
    async fn a_request_is_answered_with_the_frames_it_asks_for() -> anyhow::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        let server = tokio::spawn(async move { serve(&listener).await });
        let mut socket = raw::open_echo(&address).await?;
        let orders = [Order { frames: 2, bytes: 100 }, Order { frames: 1, bytes: 7 }];
        let request = request(80, &orders);
        assert_eq!(request.len(), 80);
        socket.feed_bytes(request).await?;
        socket.flush().await?;
        for bytes in [100, 100, 7] {
            assert_eq!(socket.hear_bytes().await?.len(), bytes);
        }
        socket.close().await;
        server.abort();
        Ok(())
    }

    #[tokio::test]
    async fn a_listener_hears_what_is_for_all() -> anyhow::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        let server = tokio::spawn(async move { serve(&listener).await });
        let (mut ear, mut mouth) =
            (raw::open_echo(&address).await?, raw::open_echo(&address).await?);
        ear.feed_bytes(listen()).await?;
        ear.flush().await?;
        assert_eq!(ear.hear_bytes().await?.len(), 1);
        mouth.feed_bytes(to_all(80, 20, 90)).await?;
        mouth.flush().await?;
        assert_eq!(mouth.hear_bytes().await?.len(), 20);
        assert_eq!(ear.hear_bytes().await?.len(), 90);
        server.abort();
        Ok(())
    }

    #[test]
    fn bytes_that_are_no_request_are_refused() {
        for bad in [&[][..], &[1, 0, 0], &[200; 300]] {
            assert!(orders(bad).is_none(), "{bad:?}");
        }
        assert_eq!(orders(&[0]).unwrap().count(), 0);
    }
}
