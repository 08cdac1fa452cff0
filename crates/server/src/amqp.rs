//! The lines to RabbitMQ as lapin wants them: its own sockets know no TLS without forty further
//! crates, so they are ours.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use async_compat::Compat;
use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_util::{AsyncRead, AsyncWrite, Stream};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};
use tokio::net::TcpStream;

use crate::tls::{self, Wire};

/// Through TLS, if the URL says so. The caller has the patience.
pub(crate) async fn dial(
    uri: AMQPUri,
    properties: ConnectionProperties,
) -> lapin::Result<Connection> {
    let tokio = Tokio::current();
    let runtime = Runtime::new(RuntimeParts::new(tokio.clone(), Wires(tokio)));
    let connect = async |uri: AMQPUri, _| Ok(AsyncTcpStream::Plain(Compat::new(wire(&uri).await?)));
    Connection::connector(uri, runtime, connect, properties).await
}

type BoxedWire = Box<dyn Wire>;

async fn wire(uri: &AMQPUri) -> io::Result<BoxedWire> {
    let host = uri.authority.host.trim_start_matches('[').trim_end_matches(']');
    let tcp = TcpStream::connect((host, uri.authority.port)).await?;
    tcp.set_nodelay(true)?;
    match uri.scheme {
        AMQPScheme::AMQP => Ok(Box::new(tcp)),
        AMQPScheme::AMQPS => match tls::to(host, tcp).await {
            Ok(secured) => Ok(Box::new(secured)),
            Err(error) => Err(io::Error::new(error.kind(), format!("TLS: {error}"))),
        },
    }
}

/// Tokio in everything but what a line is.
#[derive(Clone, Debug)]
struct Wires(Tokio);

impl Reactor for Wires {
    type TcpStream = Compat<BoxedWire>;
    type Sleep = <Tokio as Reactor>::Sleep;

    /// For sockets of other makers, of which lapin has none.
    fn register<H>(
        &self,
        _: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Self::TcpStream, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, pause: Duration) -> Self::Sleep {
        self.0.sleep(pause)
    }

    fn interval(&self, pause: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(pause)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        unsecured(address)
    }
}

async fn unsecured(address: SocketAddr) -> io::Result<Compat<BoxedWire>> {
    Ok(Compat::new(Box::new(TcpStream::connect(address).await?)))
}
