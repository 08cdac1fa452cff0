//! A line that can be cut without anybody being told: between a client and a server, with each
//! direction on its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::Result;

const BUFFER_BYTES: usize = 16 * 1024;

/// Passes on what comes, until it is told not to. Dropped, it accepts nobody any more.
#[derive(Debug)]
pub struct Proxy {
    pub address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    /// What goes to the server, and to the client, is swallowed. No connection is closed.
    up_is_cut: AtomicBool,
    down_is_cut: AtomicBool,
    /// What came from the server, swallowed or not.
    down_bytes: AtomicU64,
}

impl Proxy {
    /// On a free port of loopback, to `server`, `HOST:PORT`.
    pub async fn start(server: &str) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let (address, state) = (listener.local_addr()?, Arc::<State>::default());
        let (server, shared) = (server.to_owned(), Arc::clone(&state));
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server.clone(), Arc::clone(&shared)));
            }
        });
        Ok(Self { address, state, accepting })
    }

    /// Cuts what goes to the server, or lets it through again. What was swallowed stays so.
    pub fn cut_up(&self, cut: bool) {
        self.state.up_is_cut.store(cut, Ordering::SeqCst);
    }

    /// The same for what comes from it.
    pub fn cut_down(&self, cut: bool) {
        self.state.down_is_cut.store(cut, Ordering::SeqCst);
    }

    /// How many bytes have come from the server so far.
    pub fn down_bytes(&self) -> u64 {
        self.state.down_bytes.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(client: TcpStream, server: String, state: Arc<State>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        carry(from_client, to_server, &state.up_is_cut, None),
        carry(from_server, to_client, &state.down_is_cut, Some(&state.down_bytes)),
    );
}

/// Until the one side ends; then the other one is told.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    is_cut: &AtomicBool,
    count: Option<&AtomicU64>,
) {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        if let Some(count) = count {
            count.fetch_add(read as u64, Ordering::SeqCst);
        }
        if !is_cut.load(Ordering::SeqCst) && to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
