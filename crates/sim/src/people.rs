//! The people: each has a client on a host of its own, writes by chance, and writes down what the
//! client tells. Some look away for a while.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use client::{Client, Dialer, Event, Login, Options, Profile, Way, Wire};
use proto::Message;
use rand::RngExt;
use tokio::sync::{mpsc, watch};
use turmoil::net::TcpStream;

use crate::journal::Journal;
use crate::network::Dialled;
use crate::world::World;
use crate::{ground, limits};

pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) login: Login,
    pub(crate) conv_ids: Vec<i64>,
    pub(crate) home: PathBuf,
    journal: Mutex<Journal>,
    /// Rounds of last words in which he has spoken.
    rounds: AtomicU64,
    /// The client that is now, if there is one.
    client: Mutex<Option<Client>>,
    /// Texts so far.
    texts: AtomicU64,
    /// How often the lines were cut.
    pub(crate) cuts: watch::Sender<u64>,
}

impl Person {
    pub(crate) fn new(name: &'static str, login: Login, home: PathBuf, conv_ids: Vec<i64>) -> Self {
        Self {
            name,
            login,
            conv_ids,
            home,
            journal: Mutex::default(),
            rounds: AtomicU64::new(0),
            client: Mutex::default(),
            texts: AtomicU64::new(0),
            cuts: watch::Sender::default(),
        }
    }

    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn client(&self) -> Option<Client> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The host is down.
    pub(crate) fn died(&self) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// One life of a client: it begins with its disk, and ends when it is dropped.
pub(crate) async fn live(world: Arc<World>, person: Arc<Person>) -> turmoil::Result {
    world.note(person.name, "starts");
    let profile = Profile::at(person.home.clone())?;
    let options = Options { way: Way::Brought(dialer(&person)), ..Options::default() };
    let (client, events) = client::start(&profile, person.login.clone(), options).await?;
    let mut copy = Vec::new();
    for conv_id in &person.conv_ids {
        copy.push((*conv_id, whole_copy(&client, *conv_id).await?));
    }
    let queued = client.queued().await?;
    person.journal().begin(client.me(), &copy, &queued);
    *person.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
    tokio::spawn(write(Arc::clone(&world), Arc::clone(&person), client.clone()));
    listen(&world, &person, &client, events).await;
    Ok(())
}

/// Everything that this client has of a conversation, from its end back to the first hole.
pub(crate) async fn whole_copy(client: &Client, conv_id: i64) -> client::Result<Vec<Message>> {
    let (mut copy, mut before) = (Vec::new(), 0);
    loop {
        let max = client::limits::MESSAGES_PER_READ_MAX;
        let mut messages = client.messages(conv_id, before, max).await?;
        let Some(first) = messages.first() else {
            return Ok(copy);
        };
        before = first.seq;
        messages.append(&mut copy);
        copy = messages;
    }
}

fn dialer(person: &Person) -> Dialer {
    let cuts = person.cuts.subscribe();
    Arc::new(move |host, port| {
        let (host, cuts) = (host.to_owned(), cuts.clone());
        Box::pin(async move {
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            Ok(Box::new(Dialled::new(stream, cuts)) as Box<dyn Wire>)
        })
    })
}

/// A message now and then, whether or not there is a line; then some in each round of last words.
async fn write(world: Arc<World>, person: Arc<Person>, client: Client) {
    let mut rounds = world.last_words.subscribe();
    loop {
        let pause_ms = rand::rng().random_range(1..=limits::PAUSE_MS_MAX);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
            _ = rounds.wait_for(|round| *round > 0) => break,
        }
        // Now and then several at once: they share transactions and overtake bells.
        let burst = if rand::rng().random_ratio(1, 8) { limits::BURST } else { 1 };
        let conv_id = person.conv_ids[rand::rng().random_range(0..person.conv_ids.len())];
        for _ in 0..burst {
            if ground::since_begin() >= limits::ARRIVAL {
                say(&world, &person, &client, conv_id).await;
            }
        }
    }
    loop {
        let heard = person.rounds.load(Ordering::SeqCst);
        let Ok(round) = rounds.wait_for(|round| *round > heard).await.map(|round| *round) else {
            return;
        };
        person.rounds.store(round, Ordering::SeqCst);
        // Not everywhere: whoever says something there learns what he has missed.
        let somewhere = |_: &&i64| rand::rng().random_ratio(1, 3);
        for conv_id in person.conv_ids.iter().filter(somewhere) {
            say(&world, &person, &client, *conv_id).await;
        }
    }
}

async fn say(world: &World, person: &Person, client: &Client, conv_id: i64) {
    let n = person.texts.fetch_add(1, Ordering::SeqCst);
    let (key, text) = (proto::id::random_key(), format!("{} {n}", person.name));
    person.journal().say(world, conv_id, key, &text);
    world.note(person.name, &format!("says {text:?}"));
    match client.send(conv_id, &text, 0, Some(key)).await {
        Ok(_) => person.journal().kept(key),
        Err(error) => person.journal().complaints.push(format!("{text}: {error}")),
    }
}

async fn listen(
    world: &World,
    person: &Person,
    client: &Client,
    mut events: mpsc::Receiver<Event>,
) {
    let me = client.me();
    while let Some(event) = events.recv().await {
        if let Some(told) = told(&event) {
            world.note(person.name, &told);
        }
        person.journal().note(world, me, &event);
        let Event::New { message, .. } = event else {
            continue;
        };
        if rand::rng().random_ratio(1, 3) {
            let (conv_id, seq) = (message.conv_id, message.seq);
            let read = bench::check::Read { at: world.moment(), conv_id, user_id: me, seq };
            person.journal().reads.push(read);
            // A client that ends reads nothing more.
            let _ = client.read(conv_id, seq).await;
        }
        if rand::rng().random_ratio(1, 12) {
            let away_ms = rand::rng().random_range(1..=500);
            tokio::time::sleep(Duration::from_millis(away_ms)).await;
        }
    }
}

/// An event for the trace.
fn told(event: &Event) -> Option<String> {
    match event {
        Event::Line(line) => Some(format!("{line:?}")),
        Event::New { message, live } => {
            let (seq, text) = (message.seq, &message.body);
            Some(format!("sees {seq} {text:?}{}", if *live { "" } else { " later" }))
        }
        Event::Sent(sent) => Some(format!("has {} stored", sent.seq)),
        Event::SendRefused { text, .. } => Some(format!("is refused: {text}")),
        Event::Presence(it) => Some(format!("hears that {} is {}", it.user_id, it.online)),
        Event::Person(it) => Some(format!("meets {} who is {}", it.handle, it.online)),
        Event::Receipt(receipt) => Some(format!("hears of {} read", receipt.read_seq)),
        _ => None,
    }
}
