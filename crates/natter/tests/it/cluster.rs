//! Three gateways and two auth servers, each a process of its own, on two PostgreSQL databases and
//! one Redis: killed, stopped, restarted and set to a wrong time under load.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bench::proxy::Proxy;
use bench::redis::Redis;
use client::{Client, Event};
use rustix::process::Signal;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::talk::{Talk, person};
use crate::tls::Authority;
use crate::world::{PATIENCE, Running, World};

/// Short enough to see gateways die, long enough for a machine that does much else.
const LEASE_MS: &str = "4000";

struct Cluster {
    world: World,
    redis: Redis,
    /// Who signed the certificate of a Redis that has one.
    trusted: Option<PathBuf>,
    databases: Vec<String>,
    gateways: Vec<Node>,
    auths: Vec<Node>,
    runtime: Runtime,
}

/// One process of the system.
struct Node {
    address: String,
    running: Running,
}

impl Node {
    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Cluster {
    fn start() -> Self {
        Self::start_with(3, &[])
    }

    /// `clocks`: what the time is for each gateway, as libfaketime wants it.
    fn start_with(gateways: usize, clocks: &[&str]) -> Self {
        let (world, redis) = (World::new(), Redis::start().expect("a Redis"));
        Self::start_in(world, redis, None, gateways, clocks)
    }

    fn start_in(
        world: World,
        redis: Redis,
        trusted: Option<PathBuf>,
        gateways: usize,
        clocks: &[&str],
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let databases = vec![runtime.block_on(database()), runtime.block_on(database())];
        let (nobody, auths) = (Vec::new(), Vec::new());
        let mut cluster =
            Self { world, redis, trusted, databases, gateways: nobody, auths, runtime };
        for n in 0..2 {
            let auth =
                cluster.node("auth", &format!("auth{n}"), &["--listen", "127.0.0.1:0"], None);
            cluster.auths.push(auth);
        }
        for n in 0..gateways {
            let gateway = cluster.gateway(&format!("gateway{n}"), &[], clocks.get(n).copied());
            cluster.gateways.push(gateway);
        }
        cluster
    }

    fn gateway(&self, name: &str, more: &[&str], clock: Option<&str>) -> Node {
        self.node("gateway", name, &[&["--listen", "127.0.0.1:0"], more].concat(), clock)
    }

    fn node(&self, role: &str, name: &str, more: &[&str], clock: Option<&str>) -> Node {
        let data = self.world.home.path().join(name).display().to_string();
        let (databases, redis) = (self.databases.join(","), self.redis.url());
        let mut args = vec!["serve", "--role", role, "--data", &data];
        args.extend(["--database", &databases, "--redis", &redis]);
        args.extend(["--timers-lease-ms", LEASE_MS, "--timers-presence-grace-ms", "50"]);
        args.extend(["--log", "error"]);
        args.extend(more);
        let mut command = self.world.command(&args);
        if let Some(trusted) = &self.trusted {
            command.env("SSL_CERT_FILE", trusted);
        }
        if let Some(clock) = clock {
            command.env("LD_PRELOAD", faketime()).env("FAKETIME", clock);
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        let mut running = Running::start(command);
        let line = running.line();
        let address = line.strip_prefix("listening on http://");
        Node { address: address.unwrap_or_else(|| panic!("it said {line:?}")).into(), running }
    }

    fn urls(&self) -> Vec<String> {
        self.auths.iter().map(Node::url).collect()
    }

    /// Somebody whose line is with this very gateway: he comes again until chance has it so.
    fn person_at(&self, gateway: usize, handle: &str) -> (Client, mpsc::Receiver<Event>) {
        let before = self.connections(gateway);
        let (client, mut events) =
            self.runtime.block_on(person(&self.world, &self.auths[0].url(), handle));
        let since = Instant::now();
        while self.connections(gateway) <= before {
            assert!(since.elapsed() < PATIENCE, "{handle} never comes to gateway {gateway}");
            self.runtime.block_on(async {
                client.reconnect();
                // The event may be of the line before, and an order that meets a line which is
                // being made brings no other: so look again after a while, whatever came.
                let live = |e: &Event| matches!(e, Event::Line(client::Line::Live));
                let _ = timeout(Duration::from_secs(3), until(&mut events, live)).await;
            });
        }
        (client, events)
    }

    fn connections(&self, gateway: usize) -> u64 {
        let text = self.runtime.block_on(metrics(&self.gateways[gateway].address));
        let line = text.lines().find_map(|line| line.strip_prefix("natter_connections "));
        line.expect("it is told").parse().expect("a number")
    }

    fn end(self) {
        drop((self.gateways, self.auths));
        self.runtime.block_on(async {
            for url in &self.databases {
                drop_database(url).await;
            }
        });
    }
}

async fn metrics(address: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
    let call = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(call.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// The URL of an empty database on the PostgreSQL that `cargo xtask test` starts.
pub(crate) async fn database() -> String {
    let url = std::env::var("NATTER_TEST_POSTGRES").expect("`cargo xtask test` sets it");
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let name = format!("natter_cluster_{}", proto::id::random_key());
    let sql = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
    format!("{}/{name}", url.rsplit_once('/').unwrap().0)
}

pub(crate) async fn drop_database(url: &str) {
    let (server, name) = url.rsplit_once('/').unwrap();
    let mut admin = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
    let sql = AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
    sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
}

/// Where Debian puts it, whatever the processor.
fn faketime() -> PathBuf {
    let places = std::fs::read_dir("/usr/lib").expect("a Linux").flatten();
    let libraries = places.map(|place| place.path().join("faketime/libfaketimeMT.so.1"));
    libraries.into_iter().find(|p| p.exists()).expect("`cargo xtask test` installs faketime")
}

#[test]
fn gateways_killed_under_load_lose_nothing() {
    let mut cluster = Cluster::start();
    let urls = cluster.urls();
    let mut talk = cluster.runtime.block_on(Talk::start(&cluster.world, &urls, 6, 120));
    for round in 0..3 {
        cluster.runtime.block_on(talk.load(60));
        let mut killed = cluster.gateways.remove(0);
        killed.running.child.kill().expect("kill -9");
        let name = format!("gateway{}", 3 + round);
        let again = cluster.gateway(&name, &[], None);
        cluster.gateways.push(again);
    }
    cluster.runtime.block_on(talk.load(60));
    let messages = cluster.runtime.block_on(talk.judge(&cluster.databases));
    println!("{messages} messages, 3 kills");
    cluster.end();
}

#[test]
fn a_rolling_restart_loses_nothing_and_refuses_nobody() {
    let mut cluster = Cluster::start();
    let urls = cluster.urls();
    let mut talk = cluster.runtime.block_on(Talk::start(&cluster.world, &urls, 6, 120));
    for round in 0..3 {
        cluster.runtime.block_on(talk.load(60));
        let mut old = cluster.gateways.remove(0);
        old.running.signal(Signal::TERM);
        let again = cluster.gateway(&format!("gateway{}", 3 + round), &[], None);
        cluster.gateways.push(again);
        assert!(old.running.child.wait().expect("it ends").success(), "a graceful end");
    }
    cluster.runtime.block_on(talk.load(60));
    cluster.runtime.block_on(talk.judge(&cluster.databases));
    cluster.end();
}

#[test]
fn the_users_of_a_stopped_gateway_go_offline_and_it_says_nothing_more_to_them() {
    let mut cluster = Cluster::start_with(1, &[]);
    // The second gateway is reached through a line on which everything is counted.
    let hidden = cluster.gateway("hidden", &["--public-url", "ws://127.0.0.1:1"], None);
    let proxy = cluster.runtime.block_on(Proxy::start(&hidden.address)).unwrap();
    let (public, listen) = (format!("ws://{}", proxy.address), hidden.address.clone());
    drop(hidden);
    let more = ["--public-url", &public, "--listen", &listen];
    let behind = cluster.node("gateway", "behind", &more, None);
    cluster.gateways.push(behind);
    let (bob, mut bob_events) = cluster.person_at(0, "bob");
    let (ann, mut ann_events) = cluster.person_at(1, "ann");
    let friend = |who: i64| proto::client_frame::Body::Befriend(proto::Befriend { user_id: who });
    let accept = |who: i64| proto::client_frame::Body::Accept(proto::Accept { user_id: who });
    cluster.runtime.block_on(async {
        ann.call(friend(bob.me())).await.expect("a request");
        bob.call(accept(ann.me())).await.expect("friends");
    });
    let ann_id = ann.me();
    let conv_id = cluster.runtime.block_on(bob.find_conversation("ann")).expect("a conversation");
    cluster.gateways[1].running.signal(Signal::STOP);
    let since = Instant::now();
    cluster.runtime.block_on(async {
        let gone = |e: &Event| matches!(e, Event::Presence(p) if p.user_id == ann_id && !p.online);
        until(&mut bob_events, gone).await;
        println!("offline after {:?}", since.elapsed());
        bob.send(conv_id, "are you there?", 0, None).await.expect("the outbox takes it");
        until(&mut bob_events, |e| matches!(e, Event::Sent(_))).await;
    });
    let before = proxy.down().bytes();
    cluster.gateways[1].running.signal(Signal::CONT);
    cluster.runtime.block_on(async {
        until(&mut ann_events, |e| matches!(e, Event::Line(client::Line::Waiting { .. }))).await;
        assert_eq!(proxy.down().bytes(), before, "it spoke after it was taken for dead");
        let asked = |e: &Event| matches!(e, Event::New { message, .. } if message.seq == 1);
        until(&mut ann_events, asked).await;
        ann.close().await;
        bob.close().await;
    });
    cluster.end();
}

#[test]
fn gateways_ring_at_each_other_through_a_redis_that_speaks_tls() {
    let world = World::new();
    let [cert, key] = ["redis.pem", "redis.key"].map(|name| world.home.path().join(name));
    let authority = Authority::new("ours", world.home.path());
    authority.issue_for(&["localhost", "127.0.0.1"], 4096, &cert, &key);
    let stranger = Authority::new("a stranger", world.home.path());
    let redis = Redis::start_with_tls(&cert, &key).expect("a Redis");
    let url = redis.url();
    assert!(url.starts_with("rediss://"), "{url}");
    let trusted = Some(authority.file.clone());
    let cluster = Cluster::start_in(world, redis, trusted, 2, &[]);
    let (ann, _events) = cluster.person_at(0, "ann");
    let (bob, mut bob_events) = cluster.person_at(1, "bob");
    cluster.runtime.block_on(async {
        let conv_id = ann.find_conversation("bob").await.expect("a conversation");
        ann.send(conv_id, "over there", 0, None).await.expect("the outbox takes it");
        let heard = |e: &Event| matches!(e, Event::New { message, live: true } if message.seq == 1);
        until(&mut bob_events, heard).await;
        bob.close().await;
        ann.close().await;
    });
    // What an operator is told: it works; and it does not where its certificate is a stranger's.
    for (trusted, works) in [(&authority.file, true), (&stranger.file, false)] {
        let data = cluster.world.home.path().join("checked").display().to_string();
        let args = ["check", "--data", &data, "--listen", "127.0.0.1:0", "--redis", &url];
        let mut check = cluster.world.command(&args);
        check.args(["--database", &cluster.databases.join(",")]).env("SSL_CERT_FILE", trusted);
        let done = check.output().expect("natter ends");
        let text = String::from_utf8(done.stdout).unwrap();
        let line = text.lines().find(|line| line.contains("redis 1")).expect("it is told");
        assert_eq!(line.starts_with("ok"), works, "{text}");
        assert_eq!(done.status.success(), works, "{text}");
    }
    cluster.end();
}

/// Waits for an event that fits.
async fn until(events: &mut mpsc::Receiver<Event>, fits: impl Fn(&Event) -> bool) {
    let wait = async {
        while let Some(event) = events.recv().await {
            if fits(&event) {
                return;
            }
        }
        panic!("the client has ended");
    };
    timeout(2 * PATIENCE, wait).await.expect("the event comes");
}

#[test]
fn gateways_whose_clocks_differ_by_hours_keep_the_order() {
    let cluster = Cluster::start_with(3, &["-1h", "+0s", "+1d"]);
    let urls = cluster.urls();
    let mut talk = cluster.runtime.block_on(Talk::start(&cluster.world, &urls, 6, 120));
    for _ in 0..3 {
        cluster.runtime.block_on(talk.load(40));
        // Everybody goes on at another gateway, with another time.
        talk.clients.iter().for_each(Client::reconnect);
    }
    cluster.runtime.block_on(talk.judge(&cluster.databases));
    cluster.end();
}
