//! The limit of the sockets: a server that does nothing but take frames and answer frames of the
//! asked sizes, with the same WebSocket library, the same buffers and the same one flush for all
//! that was ready.

use std::net::Ipv4Addr;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{FutureExt, SinkExt, StreamExt};
use proto::limits::FRAME_BYTES_MAX;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
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
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            // A client that just goes away is the usual end.
            let _ = echo(stream).await;
        });
    }
}

async fn echo(stream: TcpStream) -> Result<(), Error> {
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
        answer(&mut socket, message?, &zeros).await?;
        for _ in 1..limits::FRAMES_PER_TURN {
            let Some(Some(message)) = socket.next().now_or_never() else {
                break;
            };
            answer(&mut socket, message?, &zeros).await?;
        }
        socket.flush().await?;
    }
    Ok(())
}

async fn answer(
    socket: &mut WebSocketStream<TcpStream>,
    message: Message,
    zeros: &Bytes,
) -> Result<(), Error> {
    let Message::Binary(request) = message else {
        return Ok(());
    };
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

    #[test]
    fn bytes_that_are_no_request_are_refused() {
        for bad in [&[][..], &[1, 0, 0], &[200; 300]] {
            assert!(orders(bad).is_none(), "{bad:?}");
        }
        assert_eq!(orders(&[0]).unwrap().count(), 0);
    }
}
