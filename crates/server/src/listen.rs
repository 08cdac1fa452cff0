//! From the listening socket to one HTTP service per connection. Not `axum::serve`, because that
//! bounds neither the headers nor the number of connections.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{self, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::counters::Counters;
use crate::limits;
use crate::peer::{self, Network};
use crate::tls::Tls;

/// What bytes go over.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A network that is not the operating system's: its streams are accepted elsewhere and handed over
/// here. Without TLS.
pub struct Handed {
    /// Where clients find this server.
    pub address: SocketAddr,
    /// Each with where it comes from.
    pub streams: mpsc::Receiver<(Box<dyn Wire>, SocketAddr)>,
}

/// Where streams come from.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Handed(Handed),
}

impl Listener {
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr(),
            Self::Handed(handed) => Ok(handed.address),
        }
    }

    async fn accept(&mut self) -> io::Result<(Stream, SocketAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Frames are small and answered; waiting to fill a packet would only delay them.
                let _ = stream.set_nodelay(true);
                Ok((Stream::Plain(stream), address))
            }
            Self::Handed(handed) => match handed.streams.recv().await {
                Some((stream, address)) => Ok((Stream::Handed(stream), address)),
                // Nobody will come any more; the drain ends this.
                None => std::future::pending().await,
            },
        }
    }
}

/// Where clients come in.
pub(crate) struct Door {
    pub(crate) listener: Listener,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) connections_max: usize,
    /// Of whom `X-Forwarded-For` is believed.
    pub(crate) proxies: Vec<Network>,
}

/// A socket and its place among the connections, given back when the socket is dropped, whoever
/// owns it then.
pub(crate) struct Socket {
    stream: Stream,
    _place: OwnedSemaphorePermit,
}

impl Socket {
    pub(crate) fn new(stream: Stream, place: OwnedSemaphorePermit) -> Self {
        Self { stream, _place: place }
    }
}

pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Handed(Box<dyn Wire>),
}

/// Accepts until `drain` becomes true. Connections that are under way go on by themselves.
pub(crate) async fn accept(
    mut door: Door,
    router: Router,
    counters: Arc<Counters>,
    mut drain: watch::Receiver<bool>,
) {
    let proxies: Arc<[Network]> = door.proxies.into();
    let places = Arc::new(Semaphore::new(door.connections_max));
    loop {
        let accepted = tokio::select! {
            accepted = door.listener.accept() => accepted,
            () = announced(&mut drain) => return,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: those that close now make room.
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            counters.turned_away.add(1);
            continue;
        };
        let acceptor = door.tls.as_ref().map(|tls| tls.acceptor());
        let (router, drain, counters) = (router.clone(), drain.clone(), Arc::clone(&counters));
        let proxies = Arc::clone(&proxies);
        tokio::spawn(async move {
            let stream = match (acceptor, stream) {
                (Some(acceptor), Stream::Plain(stream)) => shake_hands(acceptor, stream).await,
                (_, stream) => Some(stream),
            };
            match stream {
                Some(stream) => {
                    serve(Socket::new(stream, place), address, proxies, router, drain).await;
                }
                None => counters.tls_failed.add(1),
            }
        });
    }
}

/// TLS, in time. `None`: the other side did not want it, or not like that, or was too slow.
async fn shake_hands(acceptor: TlsAcceptor, stream: TcpStream) -> Option<Stream> {
    let longest = Duration::from_millis(limits::HEADER_MS_MAX);
    match tokio::time::timeout(longest, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(Stream::Tls(Box::new(stream))),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}

/// Waits until a flag of the whole process is raised, or nobody is left who could.
pub(crate) async fn announced(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|raised| *raised).await;
}

/// HTTP on one connection, until it closes or becomes a WebSocket.
async fn serve(
    socket: Socket,
    address: SocketAddr,
    proxies: Arc<[Network]>,
    router: Router,
    mut drain: watch::Receiver<bool>,
) {
    let inner = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let peer = peer::of(address, request.headers(), &proxies);
        request.extensions_mut().insert(peer);
        hyper::service::Service::call(&inner, request)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits::HEADER_MS_MAX))
        .max_header_size(limits::HEADER_BYTES_MAX)
        .max_buf_size(2 * limits::HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = announced(&mut drain) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection broke");
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
            Stream::Handed(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
            Stream::Handed(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
            Stream::Handed(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            Stream::Handed(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
