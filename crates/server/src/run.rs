//! Starts the roles of one process, and ends them in order. The only place that names all roles.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use store::{Options, Store};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::bus::Bus;
use crate::cache::Cache;
use crate::config::Config;
use crate::counters::Counters;
use crate::error::Error;
use crate::links::Links;
use crate::listen::{Door, Handed, Listener};
use crate::notify::{Mailer, Notify};
use crate::outward::Outward;
use crate::peer::Network;
use crate::queue::Queue;
use crate::spans::Spans;
use crate::tasks::Tasks;
use crate::tls::Tls;
use crate::{auth, clock, gateway, limits, listen, notify, process};

/// A server that runs in this process.
pub struct Server {
    /// Where it listens; the port is the real one.
    pub address: SocketAddr,
    /// Its databases.
    pub store: Store,
    /// How to reach it there, as `http://ADDRESS` or `https://ADDRESS`.
    pub url: String,
    tls: Option<Arc<Tls>>,
    drain: watch::Sender<bool>,
    ended: JoinHandle<Result<(), Error>>,
}

/// Opens the databases, listens, and serves in the background.
pub async fn start(config: Config) -> Result<Server, Error> {
    start_on(config, None).await
}

/// The same, on a network that is brought along.
pub async fn start_on(config: Config, network: Option<Handed>) -> Result<Server, Error> {
    config.check()?;
    process::begin();
    let config = Arc::new(config);
    let mailer = match config.roles.notify {
        true => Some((Mailer::open(&config)?, notify::queue(&config)?)),
        false => None,
    };
    let tls = Tls::open(&config)?;
    let links = match config.redis.as_slice() {
        [] => None,
        urls => Some(Arc::new(Links::new(urls, rand::random())?)),
    };
    let store = open_store(&config).await?;
    let listener = match network {
        Some(handed) => Listener::Handed(handed),
        None => Listener::Tcp(listen(&config).await?),
    };
    let address =
        listener.address().map_err(|source| Error::Listen { address: config.listen, source })?;
    let (drain, draining) = watch::channel(false);
    let url = format!("{}://{address}", config.scheme("http"));
    let proxies = config.trusted_proxies.iter().filter_map(|text| Network::parse(text)).collect();
    let connections_max = config.connections_max;
    let door = Door { listener, tls: tls.clone(), connections_max, proxies };
    let serving = serve(config, store.clone(), links, mailer, door, drain.clone(), draining);
    Ok(Server { address, store, url, tls, drain, ended: tokio::spawn(serving) })
}

/// Looks at what the settings name beside the databases: the certificate, the mail server. For each
/// the setting, and what is wrong with it.
pub fn check_files(config: &Config) -> Vec<(&'static str, Result<(), Error>)> {
    let certificate = ("tls_cert", Tls::open(config).map(|_| ()));
    let mail = ("smtp", Mailer::open(config).map(|_| ()));
    let is_set = |name: &str| match name {
        "tls_cert" => config.tls_cert.is_some(),
        _ => config.roles.notify && config.smtp.is_some(),
    };
    [certificate, mail].into_iter().filter(|(name, _)| is_set(name)).collect()
}

/// Whether the RabbitMQ that the settings name can be reached. None: they name none, or this
/// process has nothing to do with it.
pub async fn check_queue(config: &Config) -> Option<Result<(), Error>> {
    if !config.roles.notify {
        return None;
    }
    match notify::queue(config) {
        Ok(Queue::Direct) => None,
        Ok(Queue::Rabbit(rabbit)) => Some(notify::reach(&rabbit).await),
        Err(error) => Some(Err(error)),
    }
}

/// What lies in the RabbitMQ that the settings name: jobs that wait for a worker, and for a later
/// try. What it has given up is in `store` afterwards. None: the settings name no RabbitMQ.
pub async fn look_into_queue(config: &Config, store: &Store) -> Result<Option<(u32, u32)>, Error> {
    match notify::queue(config)? {
        Queue::Direct => Ok(None),
        Queue::Rabbit(rabbit) => Ok(Some(notify::look(&rabbit, store, clock::now()).await?)),
    }
}

impl Server {
    /// Reads the certificate and its key again, for new connections. `Err`: they do not work, and
    /// those from before stay. Nothing happens where there is no TLS.
    pub fn reload_certificate(&self) -> Result<(), Error> {
        self.tls.as_ref().map_or(Ok(()), |tls| tls.reload())
    }

    /// Says goodbye to the clients, finishes what it holds, closes the databases. At most
    /// [`limits::DRAIN_MS_MAX`] milliseconds, then it ends with what is committed.
    pub async fn stop(mut self) -> Result<(), Error> {
        self.drain.send_replace(true);
        self.ended().await
    }

    /// Waits until the server has ended, which it does by itself only when something in it has
    /// died: the error says what. Safe to be dropped while it waits.
    pub async fn ended(&mut self) -> Result<(), Error> {
        match (&mut self.ended).await {
            Ok(ended) => ended,
            Err(error) => Err(Error::Died { task: "the server", why: error.to_string() }),
        }
    }
}

/// Serves until `stop` is done, then drains. `ready` is told the address as soon as clients can
/// come.
pub async fn run(
    config: Config,
    ready: oneshot::Sender<SocketAddr>,
    stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    let mut server = start(config).await?;
    // Whoever started us may have stopped listening; that is no reason not to serve.
    let _ = ready.send(server.address);
    tokio::select! {
        ended = server.ended() => return ended,
        () = stop => {}
    }
    server.stop().await
}

async fn open_store(config: &Config) -> Result<Store, Error> {
    if config.database.is_empty() {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&config.data)
            .map_err(|source| Error::Data { path: config.data.display().to_string(), source })?;
    }
    let urls: Vec<String> = config.databases().iter().map(|url| (**url).to_owned()).collect();
    Ok(Store::open(&urls, &Options::default()).await?)
}

async fn listen(config: &Config) -> Result<TcpListener, Error> {
    let address = config.listen;
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })
}

/// The roles of this process, from the first connection to the end of the drain.
async fn serve(
    config: Arc<Config>,
    store: Store,
    links: Option<Arc<Links>>,
    mailer: Option<(Mailer, Queue)>,
    door: Door,
    drain: watch::Sender<bool>,
    draining: watch::Receiver<bool>,
) -> Result<(), Error> {
    let (mut tasks, counters) = (Tasks::default(), Arc::new(Counters::default()));
    let url = gateway_url(&config, &door.listener);
    let shared = share(links, &config, &url, &counters).await;
    let Shared { bus, cache, spans, mut keeping, finish } = shared;
    let mut router = health(&store, &counters, &draining);
    if config.roles.auth {
        router = router.merge(auth::routes(
            Arc::clone(&config),
            store.clone(),
            Arc::clone(&bus),
            Arc::clone(&cache),
            Arc::clone(&counters),
        ));
    }
    if let Some((mailer, queue)) = mailer {
        let notify = Notify {
            store: store.clone(),
            bus: Arc::clone(&bus),
            counters: Arc::clone(&counters),
            mailer,
            outward: Outward::new(&config),
            queue,
            timers: config.timers,
            site: site(&config, &door.listener),
        };
        tasks.spawn("the notify role", notify::run(notify, draining.clone()));
    }
    let running = config.roles.gateway.then(|| {
        let footing = gateway::Footing {
            config: Arc::clone(&config),
            store: store.clone(),
            bus,
            cache,
            counters: Arc::clone(&counters),
            spans,
            drain: draining.clone(),
        };
        gateway::start(&mut tasks, footing)
    });
    if let Some(running) = &running {
        if !config.redis.is_empty() {
            running.announce(&mut tasks, url);
        }
        router = router.merge(running.routes.clone());
    }
    tasks.spawn("taking databases in", take_in(store.clone(), draining.clone()));
    tasks.spawn("housekeeping", housekeeping(store.clone(), draining.clone()));
    let accepting = listen::accept(door, router, counters, draining);
    let died = tokio::select! {
        () = accepting => Ok(()),
        died = tasks.died() => Err(died),
        died = keeping.died() => Err(died),
    };
    drain.send_replace(true);
    died.and(end(running, tasks, keeping, &finish, &store).await)
}

/// Ends what was begun, each part before those that it stands on, and cuts it after
/// [`limits::DRAIN_MS_MAX`].
async fn end(
    running: Option<gateway::Running>,
    mut tasks: Tasks,
    mut keeping: Tasks,
    finish: &watch::Sender<bool>,
    store: &Store,
) -> Result<(), Error> {
    let drained = async {
        if let Some(running) = running {
            running.finish().await;
        }
        let ended = tasks.ended().await;
        finish.send_replace(true);
        let ended = ended.and(keeping.ended().await);
        store.close().await;
        ended
    };
    let longest = Duration::from_millis(limits::DRAIN_MS_MAX);
    tokio::time::timeout(longest, drained).await.unwrap_or_else(|_| {
        tracing::warn!("the drain took too long and was cut; what is committed is safe");
        Ok(())
    })
}

/// What the roles of this process stand on beside the store.
struct Shared {
    bus: Arc<Bus>,
    cache: Arc<Cache>,
    spans: Spans,
    /// What keeps the links to Redis and to the collector of spans, if there are any. All other
    /// tasks end before it …
    keeping: Tasks,
    /// … and this ends it.
    finish: watch::Sender<bool>,
}

/// With Redis, the processes that use it are one system; without it, this one is alone.
async fn share(
    links: Option<Arc<Links>>,
    config: &Config,
    url: &str,
    counters: &Arc<Counters>,
) -> Shared {
    let (finish, finished) = watch::channel(false);
    let mut keeping = Tasks::default();
    let spans = Spans::start(&mut keeping, config, url, counters, finished.clone());
    let Some(links) = links else {
        let (bus, cache) = (Arc::new(Bus::local()), Arc::new(Cache::local()));
        return Shared { bus, cache, spans, keeping, finish };
    };
    let cache = Arc::new(Cache::redis(Arc::clone(&links)));
    let bus = Bus::redis(&mut keeping, links, Arc::clone(counters), finished).await;
    Shared { bus: Arc::new(bus), cache, spans, keeping, finish }
}

/// Where clients find this gateway.
fn gateway_url(config: &Config, listener: &Listener) -> String {
    let address = listener.address().unwrap_or(config.listen);
    let url = config.public_url.clone();
    url.unwrap_or_else(|| format!("{}://{address}", config.scheme("ws")))
        .trim_end_matches('/')
        .to_owned()
}

/// Where the links in mails lead to.
fn site(config: &Config, listener: &Listener) -> String {
    let address = listener.address().unwrap_or(config.listen);
    let site = config.site_url.clone();
    let site = site.unwrap_or_else(|| format!("{}://{address}", config.scheme("http")));
    site.trim_end_matches('/').to_owned()
}

/// Is the process alive; does it want new connections; what has it done.
fn health(store: &Store, counters: &Arc<Counters>, draining: &watch::Receiver<bool>) -> Router {
    let (store, counters, draining) = (store.clone(), Arc::clone(counters), draining.clone());
    let pools = store.clone();
    let metrics = async move || {
        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], counters.text(&pools.pools()))
    };
    let ready = move || {
        let (store, draining) = (store.clone(), draining.clone());
        async move {
            if *draining.borrow() {
                return (StatusCode::SERVICE_UNAVAILABLE, "draining\n");
            }
            match store.ping().await {
                // It can serve everybody else, and all others could do no more.
                Ok(()) if store.pools().iter().any(|pool| pool.away) => {
                    (StatusCode::OK, "ready, but not every database answers\n")
                }
                Ok(()) => (StatusCode::OK, "ready\n"),
                Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n"),
            }
        }
    };
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// Brings the databases that were away at the start, as soon as each is there.
async fn take_in(store: Store, mut drain: watch::Receiver<bool>) {
    let mut interval = tokio::time::interval(Duration::from_millis(limits::TAKE_IN_MS));
    let mut told = Vec::new();
    while !store.missing().is_empty() {
        tokio::select! {
            _ = interval.tick() => {}
            () = listen::announced(&mut drain) => return,
        }
        let before = store.missing();
        let missing = tokio::select! {
            missing = store.take_in() => missing,
            () = listen::announced(&mut drain) => return,
        };
        for at in before.iter().filter(|at| !missing.iter().any(|(still, _)| still == *at)) {
            tracing::info!(database = at, "a database that was away at the start is taken in");
        }
        for (at, error) in missing.iter().filter(|one| !told.contains(*one)) {
            match error {
                store::Error::Unavailable(why) => {
                    tracing::warn!(database = at, why, "a database is still away");
                }
                // It answers, and is not what it should be: time alone does not mend that.
                error => tracing::error!(database = at, %error, "a database is not taken in"),
            }
        }
        told = missing;
    }
}

/// Forgets what nobody may need any more, in bounded slices, so that it never holds the database
/// for long.
async fn housekeeping(store: Store, mut drain: watch::Receiver<bool>) {
    let mut interval = tokio::time::interval(Duration::from_millis(limits::HOUSEKEEPING_MS));
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = listen::announced(&mut drain) => return,
        }
        for _ in 0..limits::HOUSEKEEPING_SLICES {
            match store.forget(clock::now()).await {
                Ok(0) => break,
                Ok(rows) => tracing::debug!(rows, "forgot"),
                Err(error) => {
                    tracing::warn!(%error, "housekeeping has to wait");
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::client_frame::Body as Say;
    use proto::{CloseCode, GoodbyeReason};

    use super::*;
    use crate::gateway::DEADLY;
    use crate::harness::{PATIENCE, host, send};

    #[tokio::test]
    async fn a_server_whose_writer_has_died_says_goodbye_and_ends_with_an_error() {
        let mut host = host().await;
        let mut ann = host.user("ann").await;
        let mut bob = host.user("bob").await;
        let chat = ann.open(bob.id).await;
        ann.line.send(chat, "this is stored").await;
        ann.line.say(Say::Send(send(chat, DEADLY, 7))).await;
        ann.line.say(Say::Send(send(chat, "this is not", 8))).await;
        let since = std::time::Instant::now();
        let ended = tokio::time::timeout(PATIENCE, host.server.ended()).await.expect("it ends");
        let error = ended.unwrap_err();
        assert!(matches!(error, Error::Died { task: "the writer", .. }), "{error}");
        assert!(error.to_string().contains("wants this writer to die"), "{error}");
        // Who waited for the dead writer does not keep the others waiting.
        assert!(since.elapsed() < Duration::from_millis(limits::DRAIN_MS_MAX));
        for line in [&mut ann.line, &mut bob.line] {
            let (code, goodbye) = line.closed().await;
            let reason = goodbye.expect("a goodbye").reason();
            assert_eq!((code, reason), (CloseCode::GoingAway, GoodbyeReason::Draining));
        }
    }
}
