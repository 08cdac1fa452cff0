//! `kill -9` of the server under load, again and again: what was acked is there, once, in order.
//!
//! `NATTER_KILL_ROUNDS=30 cargo test -p natter kill` is the long run.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use client::{Client, Event, Login, Profile};
use proto::{history, http};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};

use crate::world::{PASSWORD, PATIENCE, Server, World};

const PAIRS: usize = 10;
/// Over all pairs, in messages per second.
const RATE: u64 = 500;
/// A round without so much load before its kill proves nothing.
const ACKS_BEFORE_KILL_MIN: u64 = 50;

#[test]
fn every_acked_message_survives_kill_9_under_load() {
    let rounds = std::env::var("NATTER_KILL_ROUNDS").map_or(3, |n| n.parse().expect("a number"));
    let seed = std::env::var("NATTER_SEED").map_or_else(|_| rand::random(), |n| n.parse().unwrap());
    println!("NATTER_SEED={seed} NATTER_KILL_ROUNDS={rounds}");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let world = World::new();
    let mut server = Server::start(&world);
    let (address, data) = (server.address().to_owned(), server.data.clone());
    let mut random = StdRng::seed_from_u64(seed);

    let mut talk = runtime.block_on(start_talk(&world, &server.url));
    let mut slowest = Duration::ZERO;
    for _ in 0..rounds {
        let acks = ACKS_BEFORE_KILL_MIN + random.random_range(0..200);
        runtime.block_on(talk.wait_for_acks(acks));
        server.kill();
        server = Server::start_at(&world, &address, &data);
        slowest = slowest.max(server.ready);
        talk.everybody_reconnects();
    }
    let journals = runtime.block_on(talk.finish());
    assert!(server.stop(), "a graceful stop after it all");
    let sent = runtime.block_on(check(&data, &journals));
    println!("{sent} messages, {rounds} kills, slowest start {slowest:?}");
    assert!(slowest < Duration::from_secs(5), "ready again in {slowest:?}");
}

/// What one pair of users saw.
struct Journal {
    ann: i64,
    conv_id: i64,
    /// client_key → seq, as the server acked it.
    acked: HashMap<i64, i64>,
    /// client_key → text.
    said: HashMap<i64, String>,
    /// seq and text, in the order in which the recipient was shown them.
    shown: Vec<(i64, String)>,
}

struct Talk {
    senders: Vec<Client>,
    receivers: Vec<Client>,
    pairs: Vec<JoinHandle<Journal>>,
    acks: mpsc::Receiver<()>,
    stop: tokio::sync::watch::Sender<bool>,
}

async fn login(world: &World, url: &str, handle: &str) -> (Client, mpsc::Receiver<Event>) {
    let signup = http::Signup {
        handle: handle.to_owned(),
        name: None,
        password: PASSWORD.into(),
        email: None,
        device: None,
    };
    let login: Login = client::account::signup(url, &signup).await.expect("signup");
    let profile = Profile::at(world.home.path().join("clients").join(handle)).unwrap();
    let (client, events) =
        client::start(&profile, login, client::Options::default()).await.unwrap();
    client.caught_up(PATIENCE.as_millis() as u64).await.expect("a line");
    (client, events)
}

async fn start_talk(world: &World, url: &str) -> Talk {
    let (ack, acks) = mpsc::channel(100_000);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let (mut senders, mut receivers, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..PAIRS {
        let (ann, ann_events) = login(world, url, &format!("ann{n}")).await;
        let (bob, bob_events) = login(world, url, &format!("bob{n}")).await;
        let conv_id = ann.find_conversation(&format!("bob{n}")).await.expect("a conversation");
        senders.push(ann.clone());
        receivers.push(bob);
        let pair = pair(ann, ann_events, bob_events, conv_id, ack.clone(), stopped.clone());
        pairs.push(tokio::spawn(pair));
    }
    Talk { senders, receivers, pairs, acks, stop }
}

/// Ann writes at a steady rate whether or not there is a server; bob is shown what arrives.
async fn pair(
    ann: Client,
    mut ann_events: mpsc::Receiver<Event>,
    mut bob_events: mpsc::Receiver<Event>,
    conv_id: i64,
    ack: mpsc::Sender<()>,
    mut stopped: tokio::sync::watch::Receiver<bool>,
) -> Journal {
    let (acked, said, shown) = (HashMap::new(), HashMap::new(), Vec::new());
    let mut journal = Journal { ann: ann.me(), conv_id, acked, said, shown };
    let mut beat = interval(Duration::from_micros(1_000_000 * PAIRS as u64 / RATE));
    let mut writing = true;
    while writing
        || journal.shown.len() < journal.said.len()
        || journal.acked.len() < journal.said.len()
    {
        tokio::select! {
            _ = beat.tick(), if writing => {
                let text = format!("message {}", journal.said.len());
                let key = ann.send(conv_id, &text, 0, None).await.expect("the outbox takes it");
                journal.said.insert(key, text);
            }
            Some(event) = ann_events.recv() => match event {
                Event::Sent(sent) => {
                    let first = journal.acked.insert(sent.client_key, sent.seq);
                    assert_eq!(first, None, "acked twice");
                    ack.try_send(()).expect("acks are read");
                }
                Event::SendRefused { text, .. } => panic!("refused: {text}"),
                _ => {}
            },
            Some(event) = bob_events.recv() => if let Event::New { message, .. } = event {
                journal.shown.push((message.seq, message.body));
            },
            _ = stopped.changed(), if writing => writing = false,
        }
    }
    journal
}

impl Talk {
    async fn wait_for_acks(&mut self, count: u64) {
        // What was acked before the last kill is not load of this round.
        while self.acks.try_recv().is_ok() {}
        for _ in 0..count {
            timeout(PATIENCE, self.acks.recv()).await.expect("an ack in time").expect("a sender");
        }
    }

    /// The server is back: do not wait for the back-off.
    fn everybody_reconnects(&self) {
        for client in self.senders.iter().chain(&self.receivers) {
            client.reconnect();
        }
    }

    async fn finish(self) -> Vec<Journal> {
        self.stop.send(true).expect("the pairs listen");
        let mut journals = Vec::new();
        for pair in self.pairs {
            journals.push(
                timeout(PATIENCE, pair).await.expect("all arrives in time").expect("no panic"),
            );
        }
        for client in self.senders.iter().chain(&self.receivers) {
            let figures = client.figures();
            assert_eq!(figures.gaps_open, 0, "{figures:?}");
            client.close().await;
        }
        journals
    }
}

/// Holds the journals against the database. How many messages there were.
async fn check(data: &Path, journals: &[Journal]) -> usize {
    let url = format!("sqlite:{}", data.join("natter.db").display());
    let store = store::Store::open(&[url], &store::Options::default()).await.expect("it opens");
    assert_eq!(store.integrity().await.expect("it can be checked"), Vec::<String>::new());
    let mut count = 0;
    for journal in journals {
        let stored = whole_log(&store, journal).await;
        let seqs: Vec<i64> = stored.iter().map(|(seq, _)| *seq).collect();
        let dense: Vec<i64> = (1..=seqs.len() as i64).collect();
        assert_eq!(seqs, dense, "seq is dense");
        assert_eq!(stored.len(), journal.said.len(), "each message is stored once");
        assert_eq!(stored, journal.shown, "the recipient was shown the log, each once, in order");
        for (n, (_, text)) in stored.iter().enumerate() {
            assert_eq!(*text, format!("message {n}"), "in the order of writing");
        }
        for (key, seq) in &journal.acked {
            assert_eq!(stored[*seq as usize - 1].1, journal.said[key], "acked under this seq");
        }
        count += stored.len();
    }
    store.close().await;
    count
}

async fn whole_log(store: &store::Store, journal: &Journal) -> Vec<(i64, String)> {
    let mut stored: Vec<(i64, String)> = Vec::new();
    loop {
        let after = history::From::AfterSeq(stored.last().map_or(0, |(seq, _)| *seq));
        let page = store.history(journal.ann, journal.conv_id, after, 100);
        let (messages, more) = page.await.expect("history");
        stored.extend(messages.into_iter().map(|m| (m.seq, m.body)));
        if !more {
            return stored;
        }
    }
}
