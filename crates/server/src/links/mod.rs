//! The connections of this process to Redis: one pair to each server, one of the two for commands
//! and one for what we listen to. One Redis is a cluster of one.
//!
//! Sharded Pub/Sub is what both understand (Redis 7, Valkey), so there is one way for both: a key
//! or a channel has a slot, a slot has a server. Who keeps the pairs alive is `bus/keeper.rs`.

mod find;
pub(crate) mod inspect;
mod pair;
mod slots;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, IntoConnectionInfo, Pipeline, PushInfo, RedisError, Value};
use tokio::sync::{Notify, watch};

use crate::error::Error;
use crate::keys::Secret;
pub(crate) use find::find;
pub(crate) use pair::Pair;
use slots::Slots;

/// All gateways: number → `expires draining connections url`, by the clock of Redis.
pub(crate) const GATEWAYS: &str = "natter:{gateways}";

/// Whom a gateway has. On the same server as the list.
pub(crate) fn users_key(process: u64) -> String {
    format!("{GATEWAYS}:users:{process:016x}")
}

/// What is done with each word that comes unasked.
pub(crate) type OnPush = Arc<dyn Fn(&Pair, PushInfo) + Send + Sync>;

/// All connections to Redis, as they are now.
pub(crate) struct Links {
    /// Where Redis may be found.
    seeds: Vec<Client>,
    /// The number of this process, by which the others know it.
    pub(crate) process: u64,
    /// What the servers call our connections.
    name: String,
    network: watch::Sender<Arc<Network>>,
    /// A pair is broken, or the map of the slots is old.
    doubt: AtomicBool,
    doubted: Notify,
}

/// The servers and who has which slot.
#[derive(Default)]
pub(crate) struct Network {
    pairs: Vec<Arc<Pair>>,
    slots: Slots,
    /// Every slot has a server that we reach.
    whole: bool,
}

/// Redis did not take a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("Redis is not reached")]
    Away,
    #[error("{0}")]
    Redis(#[from] RedisError),
}

impl Links {
    /// Nothing is connected yet. Errors: a URL that is none.
    pub(crate) fn new(urls: &[Secret], process: u64) -> Result<Self, Error> {
        let mut seeds = Vec::with_capacity(urls.len());
        for url in urls {
            let bad = |why: RedisError| Error::Config(format!("{why} (setting `redis`)"));
            let info = (**url).into_connection_info().map_err(bad)?;
            // What comes unasked needs the third version of the protocol.
            let settings = info.redis_settings().clone();
            let settings = settings.set_protocol(redis::ProtocolVersion::RESP3);
            let client = Client::open(info.set_redis_settings(settings)).map_err(bad)?;
            seeds.push(client);
        }
        Ok(Self {
            seeds,
            process,
            name: name_of(process),
            network: watch::Sender::default(),
            doubt: AtomicBool::new(false),
            doubted: Notify::new(),
        })
    }

    pub(crate) fn network(&self) -> Arc<Network> {
        Arc::clone(&self.network.borrow())
    }

    pub(crate) fn set_network(&self, network: Arc<Network>) {
        self.network.send_replace(network);
    }

    /// Something is wrong with a pair or with the map: the keeper is to look.
    pub(crate) fn raise_doubt(&self) {
        self.doubt.store(true, Ordering::Relaxed);
        self.doubted.notify_one();
    }

    /// Waits for a doubt, and takes it.
    pub(crate) async fn doubted(&self) {
        while !self.doubt.swap(false, Ordering::Relaxed) {
            self.doubted.notified().await;
        }
    }

    /// One command about one key.
    pub(crate) async fn call(&self, key: &str, command: &Cmd) -> Result<Value, Fault> {
        let network = self.network();
        let pair = network.pair_of(key.as_bytes()).ok_or(Fault::Away)?;
        match pair.commands().send_packed_command(command).await {
            Ok(value) => Ok(value),
            Err(error) => {
                self.judge(&error);
                Err(error.into())
            }
        }
    }

    /// Many commands whose keys are all on this pair's server; what each was answered.
    pub(crate) async fn call_all(
        &self,
        mut connection: MultiplexedConnection,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Fault> {
        let asked = commands.len();
        match connection.send_packed_commands(commands, 0, asked).await {
            Ok(answers) => {
                let errors = answers.iter().filter_map(|answer| match answer {
                    Value::ServerError(error) => Some(error.clone()),
                    _ => None,
                });
                for error in errors {
                    self.judge(&error.into());
                }
                Ok(answers)
            }
            Err(error) => {
                self.judge(&error);
                Err(error.into())
            }
        }
    }

    /// Closes the connections of a process that does not live any more or does not know it. To be
    /// subscribed is to be online, so its users go offline by that.
    pub(crate) async fn cut_off(&self, process: u64) {
        let network = self.network();
        let name = format!(" name={} ", name_of(process));
        for pair in network.pairs() {
            let mut list = redis::cmd("CLIENT");
            list.arg("LIST").arg("TYPE").arg("PUBSUB");
            let listed = pair.commands().send_packed_command(&list).await;
            let listed: Option<String> = listed.ok().and_then(|v| redis::from_redis_value(v).ok());
            for line in listed.iter().flat_map(|text| text.lines()).filter(|l| l.contains(&name)) {
                let id = line.strip_prefix("id=").and_then(|rest| rest.split(' ').next());
                let mut kill = redis::cmd("CLIENT");
                kill.arg("KILL").arg("ID").arg(id);
                if let Err(error) = pair.commands().send_packed_command(&kill).await {
                    tracing::warn!(%error, "the connection of a dead gateway could not be closed");
                }
            }
        }
    }

    /// A server that has other slots than we think, or none that we reach.
    fn judge(&self, error: &RedisError) {
        tracing::debug!(%error, "Redis did not take a command");
        let moved = error.redirect_node().is_some() || error.code() == Some("CLUSTERDOWN");
        let read_only = error.code() == Some("READONLY");
        if moved || read_only || error.is_connection_dropped() || error.is_io_error() {
            self.raise_doubt();
        }
    }
}

fn name_of(process: u64) -> String {
    format!("natter-{process:016x}")
}

impl Network {
    /// Whose server has this key or channel.
    pub(crate) fn pair_of(&self, key: &[u8]) -> Option<&Arc<Pair>> {
        let pair = self.pairs.get(self.slots.server_of(key)?)?;
        (!pair.is_lost()).then_some(pair)
    }

    pub(crate) fn pairs(&self) -> &[Arc<Pair>] {
        &self.pairs
    }

    /// Every slot has a server that we reach.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole && !self.pairs.iter().any(|pair| pair.is_lost())
    }
}
