//! People who write and read while something is broken, and the books they keep.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bench::check::{Books, Line, Reader, Writer, judge};
use client::{Client, Event, Login, Profile};
use proto::{history, http};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};

use crate::world::{PASSWORD, PATIENCE, World};

/// Pairs of people, each with one who writes and one who reads.
pub(crate) struct Talk {
    pub(crate) clients: Vec<Client>,
    pairs: Vec<JoinHandle<(Writer, Reader)>>,
    acks: mpsc::Receiver<()>,
    stop: watch::Sender<bool>,
    acked_before: Option<u64>,
    acked_before_min: u64,
}

/// Signs up and connects.
pub(crate) async fn person(
    world: &World,
    url: &str,
    handle: &str,
) -> (Client, mpsc::Receiver<Event>) {
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

impl Talk {
    /// `rate`: messages a second, over all pairs. The auth servers are called in turn.
    pub(crate) async fn start(world: &World, urls: &[String], pairs: usize, rate: u64) -> Self {
        let (ack, acks) = mpsc::channel(100_000);
        let (stop, stopped) = watch::channel(false);
        let pause = Duration::from_micros(1_000_000 * pairs as u64 / rate);
        let (mut clients, mut tasks) = (Vec::new(), Vec::new());
        for n in 0..pairs {
            let url = |k: usize| &urls[k % urls.len()];
            let (ann, ann_events) = person(world, url(n), &format!("ann{n}")).await;
            let (bob, bob_events) = person(world, url(n + 1), &format!("bob{n}")).await;
            let conv_id = ann.find_conversation(&format!("bob{n}")).await.expect("a conversation");
            clients.extend([ann.clone(), bob]);
            let pair =
                pair(ann, ann_events, bob_events, conv_id, pause, ack.clone(), stopped.clone());
            tasks.push(tokio::spawn(pair));
        }
        Self { clients, pairs: tasks, acks, stop, acked_before: None, acked_before_min: 0 }
    }

    /// Load before a fault: what was acked before this call is not counted.
    pub(crate) async fn load(&mut self, acks: u64) {
        while self.acks.try_recv().is_ok() {}
        for _ in 0..acks {
            timeout(PATIENCE, self.acks.recv()).await.expect("an ack in time").expect("a writer");
        }
        self.acked_before.get_or_insert(acks);
        self.acked_before_min = acks;
    }

    /// Ends the writing, waits until everything has arrived, and holds the books against the
    /// databases. How many messages there were.
    pub(crate) async fn judge(self, databases: &[String]) -> usize {
        self.stop.send(true).expect("the pairs listen");
        let mut books = Books {
            acked_before: self.acked_before.unwrap_or(0),
            acked_before_min: self.acked_before_min.max(1),
            ..Books::default()
        };
        for pair in self.pairs {
            let (writer, reader) =
                timeout(2 * PATIENCE, pair).await.expect("all arrives").expect("no panic");
            books.writers.push(writer);
            books.readers.push(reader);
        }
        let urls = databases.to_vec();
        let store = store::Store::open(&urls, &store::Options::default()).await.expect("it opens");
        for (writer, ann) in books.writers.iter().zip(self.clients.iter().step_by(2)) {
            let log = whole_log(&store, ann.me(), writer.conv_id).await;
            books.logs.insert(writer.conv_id, log);
        }
        store.close().await;
        for client in &self.clients {
            client.close().await;
        }
        let verdict = judge(&books);
        assert!(verdict.is_clean(), "{verdict:#?}");
        books.logs.values().map(Vec::len).sum()
    }
}

/// Ann writes at a steady rate whether or not there is a server; bob is shown what arrives. Both go
/// on until everything that was said has arrived, or for ever.
async fn pair(
    ann: Client,
    mut ann_events: mpsc::Receiver<Event>,
    mut bob_events: mpsc::Receiver<Event>,
    conv_id: i64,
    pause: Duration,
    ack: mpsc::Sender<()>,
    mut stopped: watch::Receiver<bool>,
) -> (Writer, Reader) {
    let mut writer = Writer { conv_id, ..Writer::default() };
    let mut reader = Reader { conv_id, ..Reader::default() };
    let mut keys: HashMap<i64, String> = HashMap::new();
    // By key and not by number: what is sent again on a new line may be told twice.
    let mut waiting: HashSet<i64> = HashSet::new();
    let mut beat = interval(pause);
    let mut writing = true;
    while writing || reader.shown.len() < writer.said.len() || !waiting.is_empty() {
        tokio::select! {
            _ = beat.tick(), if writing => {
                let text = format!("message {}", writer.said.len());
                let key = ann.send(conv_id, &text, 0, None).await.expect("the outbox takes it");
                keys.insert(key, text.clone());
                waiting.insert(key);
                writer.said.push(text);
            }
            Some(event) = ann_events.recv() => match event {
                Event::Sent(sent) => {
                    let text = keys[&sent.client_key].clone();
                    waiting.remove(&sent.client_key);
                    writer.acked.push(Line { seq: sent.seq, text });
                    ack.try_send(()).expect("acks are read");
                }
                Event::SendRefused { text, .. } => panic!("refused: {text}"),
                _ => {}
            },
            Some(event) = bob_events.recv() => if let Event::New { message, .. } = event {
                reader.shown.push(Line { seq: message.seq, text: message.body });
            },
            _ = stopped.changed(), if writing => writing = false,
        }
    }
    (writer, reader)
}

async fn whole_log(store: &store::Store, user_id: i64, conv_id: i64) -> Vec<Line> {
    let mut log: Vec<Line> = Vec::new();
    loop {
        let after = history::From::AfterSeq(log.last().map_or(0, |line| line.seq));
        let page = store.history(user_id, conv_id, after, 100);
        let (messages, more) = page.await.expect("history");
        log.extend(messages.into_iter().map(|m| Line { seq: m.seq, text: m.body }));
        if !more {
            return log;
        }
    }
}
