//! THE GATEWAY ROLE: live connections. Each is one task that owns its state; what they share is in
//! [`Gateway`]. The journeys: `docs/flows/connect.md` and `docs/flows/send.md`.

mod accept;
mod brief;
mod change;
mod connect;
mod connection;
mod cursor;
mod dispatch;
mod fragments;
mod friends;
mod group;
mod history;
mod journey;
mod lease;
mod people;
mod presence;
mod pulse;
mod put_off;
#[cfg(test)]
mod race;
mod refusal;
mod send;
mod sync;
mod typing;
mod wire;
mod writer;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Router;
use axum::routing::get;
use futures_util::future::select_all;
use store::Store;
use tokio::sync::{Semaphore, watch};

use crate::bus::Bus;
use crate::cache::Cache;
use crate::config::Config;
use crate::counters::Counters;
use crate::limits;
use crate::spans::Spans;
use crate::tasks::Tasks;
use brief::Briefs;
use journey::Journeys;
use presence::Presence;
use pulse::Pulse;
#[cfg(test)]
pub(crate) use writer::DEADLY;
use writer::Writer;

/// What the connections of this process share.
pub(crate) struct Gateway {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Store,
    pub(crate) bus: Arc<Bus>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) spans: Spans,
    /// One for each database, by its number.
    writers: Vec<Writer>,
    presence: Presence,
    /// Where there are other gateways, which may take this one for dead.
    pulse: Option<Arc<Pulse>>,
    briefs: Briefs,
    journeys: Journeys,
    /// How many may read their Paint at once.
    paints: Semaphore,
    connection_ids: AtomicU64,
    /// True once the process is about to end.
    drain: watch::Receiver<bool>,
    /// How many connections there are: when it is 0, the drain goes on.
    open: watch::Sender<usize>,
}

/// What a gateway stands on.
pub(crate) struct Footing {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Store,
    pub(crate) bus: Arc<Bus>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) spans: Spans,
    pub(crate) drain: watch::Receiver<bool>,
}

#[cfg(test)]
impl Footing {
    /// Of a gateway that is alone and has the default settings. It drains when the sender says so.
    pub(crate) fn alone(store: Store) -> (Self, watch::Sender<bool>) {
        let (announce, drain) = watch::channel(false);
        let footing = Self {
            config: Arc::default(),
            store,
            bus: Arc::new(Bus::local()),
            cache: Arc::new(Cache::local()),
            counters: Arc::default(),
            spans: Spans::none(),
            drain,
        };
        (footing, announce)
    }
}

/// Does something to a PostgreSQL database behind the store's back.
#[cfg(test)]
async fn tamper(url: &str, sql: &'static str) {
    use sqlx::Connection;
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
}

/// A gateway whose tasks run.
pub(crate) struct Running {
    pub(crate) routes: Router,
    gateway: Arc<Gateway>,
    finish: watch::Sender<bool>,
}

/// Starts the tasks that connections rely on, among those of the process.
pub(crate) fn start(tasks: &mut Tasks, footing: Footing) -> Running {
    let Footing { config, store, bus, cache, counters, spans, drain } = footing;
    let (finish, finished) = watch::channel(false);
    let (writers, queues): (Vec<_>, Vec<_>) = (0..store.databases()).map(|_| writer::new()).unzip();
    let pulse = Pulse::new(config.timers.lease_ms);
    let pulse = (!config.redis.is_empty()).then(|| Arc::new(pulse));
    let gateway = Arc::new(Gateway {
        pulse,
        config,
        store,
        bus,
        cache,
        counters,
        spans,
        writers,
        presence: Presence::default(),
        briefs: Briefs::default(),
        journeys: Journeys::default(),
        paints: Semaphore::new(limits::PAINTS_AT_ONCE),
        connection_ids: AtomicU64::new(1),
        drain,
        open: watch::Sender::new(0),
    });
    for (database, queue) in queues.into_iter().enumerate() {
        let writing = writer::run(Arc::clone(&gateway), database, queue, finished.clone());
        tasks.spawn("the writer", writing);
    }
    tasks.spawn("presence", presence::run(Arc::clone(&gateway), finished));
    let routes =
        Router::new().route("/v1/ws", get(accept::accept)).with_state(Arc::clone(&gateway));
    Running { routes, gateway, finish }
}

impl Running {
    /// Other processes are told that clients can come to this `url`.
    pub(crate) fn announce(&self, tasks: &mut Tasks, url: String) {
        let lease = lease::run(Arc::clone(&self.gateway), url, self.finish.subscribe());
        tasks.spawn("the lease", lease);
        if let Some(pulse) = &self.gateway.pulse {
            let (gateway, pulse) = (Arc::clone(&self.gateway), Arc::clone(pulse));
            tasks.spawn("the pulse", pulse::run(gateway, pulse, self.finish.subscribe()));
        }
    }

    /// After the drain was announced: waits for the connections to end, then asks the writers to
    /// commit what they hold and presence to be written down.
    pub(crate) async fn finish(self) {
        let ended = self.gateway.open.subscribe().wait_for(|open| *open == 0).await.is_ok();
        debug_assert!(ended, "the gateway holds the sender");
        self.finish.send_replace(true);
    }
}

impl Gateway {
    /// Waits until a writer is gone. None is before the connections are, unless it died.
    async fn writer_gone(&self) {
        let gone = self.writers.iter().map(|writer| Box::pin(writer.sends.closed()));
        select_all(gone).await;
    }
}
