//! The two connections to one Redis server, and the heartbeat that finds them dead.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, PushInfo, PushKind, RedisError};
use tokio::task::AbortHandle;

use super::{Links, OnPush};
use crate::limits;

pub(crate) struct Pair {
    pub(super) address: String,
    commands: MultiplexedConnection,
    listening: MultiplexedConnection,
    lost: AtomicBool,
    /// An answer took too long: nobody waits for the next ones until a heartbeat came back.
    slow: AtomicBool,
    /// Channels that we have left and whose confirmation is on its way. Any other confirmation of
    /// that kind says that the server has given the channel away.
    leaving: AtomicI64,
    heartbeat: OnceLock<AbortHandle>,
}

impl Pair {
    pub(super) async fn connect(
        links: &Arc<Links>,
        client: &Client,
        address: String,
        on_push: &OnPush,
    ) -> Result<Arc<Self>, RedisError> {
        let commands = connect(links, client, None).await?;
        // What is heard has to know the pair that it comes from, and the pair the connection.
        let place: Arc<OnceLock<Weak<Self>>> = Arc::default();
        let (heard, on_push, doubted) =
            (Arc::clone(&place), Arc::clone(on_push), Arc::clone(links));
        let hear = move |push: PushInfo| {
            let Some(pair) = heard.get().and_then(Weak::upgrade) else {
                return Ok::<(), RedisError>(());
            };
            if pair.is_farewell(&push) {
                pair.lose();
                doubted.raise_doubt();
            }
            on_push(&pair, push);
            Ok(())
        };
        let listening = connect(links, client, Some(Box::new(hear))).await?;
        let pair = Arc::new(Self {
            address,
            commands,
            listening,
            lost: AtomicBool::new(false),
            slow: AtomicBool::new(false),
            leaving: AtomicI64::new(0),
            heartbeat: OnceLock::new(),
        });
        let set = place.set(Arc::downgrade(&pair));
        debug_assert!(set.is_ok(), "nobody else has the place");
        let beating = tokio::spawn(beat(Arc::clone(links), Arc::downgrade(&pair)));
        let _ = pair.heartbeat.set(beating.abort_handle());
        Ok(pair)
    }

    pub(crate) fn commands(&self) -> MultiplexedConnection {
        self.commands.clone()
    }

    pub(crate) fn listening(&self) -> MultiplexedConnection {
        self.listening.clone()
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    pub(crate) fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed)
    }

    pub(crate) fn set_slow(&self, slow: bool) {
        self.slow.store(slow, Ordering::Relaxed);
    }

    /// So many channels are about to be left.
    pub(crate) fn leave(&self, channels: usize) {
        self.leaving.fetch_add(channels as i64, Ordering::Relaxed);
    }

    /// The connection is gone, or the server gave a channel away that we had not left.
    fn is_farewell(&self, push: &PushInfo) -> bool {
        match push.kind {
            PushKind::Disconnection => true,
            PushKind::SUnsubscribe => self.leaving.fetch_sub(1, Ordering::Relaxed) <= 0,
            _ => false,
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        if let Some(beating) = self.heartbeat.get() {
            beating.abort();
        }
    }
}

pub(super) type Hear = Box<dyn Fn(PushInfo) -> Result<(), RedisError> + Send + Sync>;

pub(super) async fn connect(
    links: &Links,
    client: &Client,
    hear: Option<Hear>,
) -> Result<MultiplexedConnection, RedisError> {
    let mut config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(Duration::from_millis(limits::REDIS_CONNECT_MS_MAX)))
        .set_response_timeout(Some(Duration::from_millis(limits::REDIS_ANSWER_MS_MAX)));
    if let Some(hear) = hear {
        config = config.set_push_sender(hear);
    }
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let mut name = redis::cmd("CLIENT");
    connection.send_packed_command(name.arg("SETNAME").arg(&links.name)).await?;
    Ok(connection)
}

/// A connection that says nothing may be dead for hours before the system notices.
async fn beat(links: Arc<Links>, pair: Weak<Pair>) {
    let pause = Duration::from_millis(limits::REDIS_HEARTBEAT_MS);
    let ping = redis::cmd("PING");
    loop {
        tokio::time::sleep(pause).await;
        let Some(pair) = pair.upgrade() else {
            return;
        };
        for mut connection in [pair.commands(), pair.listening()] {
            if let Err(error) = connection.send_packed_command(&ping).await {
                tracing::warn!(%error, server = pair.address, "Redis does not answer");
                pair.lose();
                return links.raise_doubt();
            }
        }
        if pair.is_slow() {
            pair.set_slow(false);
            links.raise_doubt();
        }
    }
}
