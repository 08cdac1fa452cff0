//! A line that misbehaves: between a client and a server, each direction on its own. It goes dead,
//! is late, stumbles, trickles and hangs up. What it passes on is whole and in order, as TCP's is.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::Result;

/// What is read at once, in bytes.
const BUFFER_BYTES: usize = 16 * 1024;
/// Pieces that are under way in one direction. Full: nothing more is read, and TCP tells the
/// sender.
const PIECES_MAX: usize = 8;
/// The kernel's buffers of each socket, in bytes. Larger ones would hide a slow reader from the
/// server for a long time.
const SOCKET_BYTES: u32 = 64 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 4_096;
/// Until it is tried again when nobody could be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often a trickle is fed.
const TRICKLE: Duration = Duration::from_millis(50);

/// Passes on what comes, until it is told not to. Dropped, it accepts nobody any more.
#[derive(Debug)]
pub struct Proxy {
    pub address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

/// One direction.
#[derive(Debug, Default)]
pub struct Way {
    is_cut: watch::Sender<bool>,
    delay_ms: AtomicU64,
    stumbles: AtomicU64,
    trickle: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Debug)]
struct State {
    server: Mutex<String>,
    up: Way,
    down: Way,
    /// Changes whenever all connections are to end.
    hung_up: watch::Sender<()>,
    is_closed: AtomicBool,
}

impl Proxy {
    /// On a free port of loopback, to `server`, `HOST:PORT`.
    pub async fn start(server: &str) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        small(&socket)?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            server: Mutex::new(server.to_owned()),
            up: Way::default(),
            down: Way::default(),
            hung_up: watch::Sender::default(),
            is_closed: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((client, _)) => drop(tokio::spawn(pass(client, Arc::clone(&shared)))),
                    // Out of files, most likely: those that close now make room.
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                }
            }
        });
        Ok(Self { address, state, accepting })
    }

    /// New connections go to this server.
    pub fn lead_to(&self, server: &str) {
        server.clone_into(&mut self.state.server.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What goes to the server.
    pub fn up(&self) -> &Way {
        &self.state.up
    }

    /// What comes from it.
    pub fn down(&self) -> &Way {
        &self.state.down
    }

    /// Ends all connections.
    pub fn hang_up(&self) {
        self.state.hung_up.send_replace(());
    }

    /// Ends all connections, and each new one as soon as it is there, or lets them through again.
    pub fn close(&self, closed: bool) {
        self.state.is_closed.store(closed, Ordering::SeqCst);
        if closed {
            self.hang_up();
        }
    }

    /// Both directions pass on everything at once again.
    pub fn heal(&self) {
        for way in [self.up(), self.down()] {
            way.cut(false);
            way.delay(Duration::ZERO);
            way.stumble(0);
            way.trickle(0);
        }
        self.close(false);
    }
}

impl Way {
    /// Nothing comes through any more, not even the end of a connection, until it does again: then
    /// what was sent meanwhile comes late, if both ends still want it.
    pub fn cut(&self, cut: bool) {
        self.is_cut.send_replace(cut);
    }

    /// What is read from now on arrives so much later.
    pub fn delay(&self, delay: Duration) {
        self.delay_ms.store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    /// Of a hundred pieces so many come 200 ms late, and what is behind them too: what a lost
    /// packet looks like from above TCP.
    pub fn stumble(&self, of_a_hundred: u64) {
        self.stumbles.store(of_a_hundred, Ordering::SeqCst);
    }

    /// Connections that begin from now on take so many bytes a second and no more; 0: as many as
    /// there are. Those that stand stay as they are.
    pub fn trickle(&self, bytes_a_second: u64) {
        self.trickle.store(bytes_a_second, Ordering::SeqCst);
    }

    /// How many bytes have come so far, passed on or not.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }

    fn lateness(&self) -> Duration {
        let late_ms = self.delay_ms.load(Ordering::SeqCst);
        let stumbles = self.stumbles.load(Ordering::SeqCst);
        let stumble = stumbles > 0 && rand::random_range(0..100) < stumbles;
        Duration::from_millis(late_ms + if stumble { 200 } else { 0 })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn small(socket: &TcpSocket) -> Result<()> {
    socket.set_recv_buffer_size(SOCKET_BYTES)?;
    Ok(socket.set_send_buffer_size(SOCKET_BYTES)?)
}

async fn connect(server: &str) -> Result<TcpStream> {
    let address = tokio::net::lookup_host(server).await?.next();
    let address = address.ok_or_else(|| std::io::Error::other("no such host"))?;
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    small(&socket)?;
    Ok(socket.connect(address).await?)
}

async fn pass(client: TcpStream, state: Arc<State>) {
    let mut hung_up = state.hung_up.subscribe();
    if state.is_closed.load(Ordering::SeqCst) {
        return;
    }
    let server = state.server.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let Ok(server) = connect(&server).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let both = async {
        tokio::join!(
            carry(from_client, to_server, &state.up),
            carry(from_server, to_client, &state.down),
        )
    };
    tokio::select! {
        _ = both => {}
        _ = hung_up.changed() => {}
    }
}

/// Until the one side ends; then the other one is told.
async fn carry(from: OwnedReadHalf, to: OwnedWriteHalf, way: &Way) {
    let (pieces, under_way) = mpsc::channel(PIECES_MAX);
    let trickle = way.trickle.load(Ordering::SeqCst);
    tokio::join!(take(from, pieces, way), give(under_way, to, trickle));
}

async fn take(mut from: OwnedReadHalf, pieces: mpsc::Sender<(Instant, Vec<u8>)>, way: &Way) {
    let (mut buffer, mut is_cut) = (vec![0; BUFFER_BYTES], way.is_cut.subscribe());
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        way.bytes.fetch_add(read as u64, Ordering::SeqCst);
        // The sender lives as long as the proxy's state, which we hold.
        let _ = is_cut.wait_for(|cut| !cut).await;
        let piece = (Instant::now() + way.lateness(), buffer[..read].to_vec());
        if read == 0 || pieces.send(piece).await.is_err() {
            return;
        }
    }
}

async fn give(
    mut under_way: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut to: OwnedWriteHalf,
    trickle: u64,
) {
    while let Some((due, bytes)) = under_way.recv().await {
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        if write(&mut to, &bytes, trickle).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

async fn write(to: &mut OwnedWriteHalf, mut bytes: &[u8], trickle: u64) -> std::io::Result<()> {
    if trickle == 0 {
        return to.write_all(bytes).await;
    }
    while !bytes.is_empty() {
        let some = (trickle as f64 * TRICKLE.as_secs_f64()).ceil() as usize;
        let (now, rest) = bytes.split_at(some.clamp(1, bytes.len()));
        to.write_all(now).await?;
        tokio::time::sleep(TRICKLE).await;
        bytes = rest;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A server that says everything back, and a line to it through a proxy.
    async fn line() -> (Proxy, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(&listener.local_addr().unwrap().to_string()).await.unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (mut from, mut to) = stream.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut from, &mut to).await });
            }
        });
        let line = TcpStream::connect(proxy.address).await.unwrap();
        (proxy, line)
    }

    async fn echo(line: &mut TcpStream, said: &[u8]) -> Duration {
        let since = Instant::now();
        line.write_all(said).await.unwrap();
        let mut heard = vec![0; said.len()];
        line.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, said);
        since.elapsed()
    }

    #[tokio::test]
    async fn each_direction_is_late_and_slow_as_it_was_told() {
        let (proxy, mut line) = line().await;
        echo(&mut line, b"at once").await;
        proxy.up().delay(Duration::from_millis(60));
        proxy.down().delay(Duration::from_millis(40));
        assert!(echo(&mut line, b"later").await >= Duration::from_millis(100));
        proxy.heal();
        proxy.down().trickle(1_000);
        let mut slow = TcpStream::connect(proxy.address).await.unwrap();
        assert!(echo(&mut slow, &[7; 200]).await >= Duration::from_millis(150));
        proxy.heal();
        assert!(echo(&mut slow, &[7; 200]).await >= Duration::from_millis(150), "it stays so");
        proxy.up().stumble(100);
        assert!(echo(&mut line, b"lost").await >= Duration::from_millis(200));
    }

    #[tokio::test]
    async fn a_line_that_was_dead_lives_again_and_one_that_is_hung_up_ends() {
        let (proxy, mut line) = line().await;
        proxy.up().cut(true);
        line.write_all(b"late").await.unwrap();
        while proxy.up().bytes() < 4 {
            tokio::task::yield_now().await;
        }
        assert_eq!(proxy.down().bytes(), 0);
        proxy.heal();
        let mut heard = [0; 4];
        line.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"late");
        proxy.close(true);
        let mut rest = Vec::new();
        assert!(matches!(line.read_to_end(&mut rest).await, Ok(0) | Err(_)));
        let mut again = TcpStream::connect(proxy.address).await.unwrap();
        assert!(matches!(again.read_to_end(&mut rest).await, Ok(0) | Err(_)));
        proxy.heal();
        echo(&mut TcpStream::connect(proxy.address).await.unwrap(), b"again").await;
    }
}
