//! People who write and read while something is broken, with the real client, and the journals
//! that they keep.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use bench::check::{self, Books, Line, Reader, Sighting, Writer};
use client::{Client, Event, Login, Profile};
use futures_util::{StreamExt, TryStreamExt, stream};
use proto::{client_frame, http, server_frame};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::limits;
use crate::sample::{Ack, Break, Sample};

const PASSWORD: &str = "correct horse battery";

/// How many people there are and how much they say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crowd {
    /// Pairs of them talk, one who writes and one who reads; all are friends in these pairs.
    pub(crate) people: usize,
    /// They are in groups of so many, too, each with one who writes.
    pub(crate) group: usize,
    /// Messages a second, over all pairs …
    pub(crate) pair_rate: f64,
    /// … and over all groups.
    pub(crate) group_rate: f64,
}

pub(crate) struct Talk {
    pub(crate) people: Vec<Person>,
    rooms: Vec<Room>,
    writing: watch::Sender<bool>,
    acked: Arc<AtomicU64>,
    /// Conversation → what was read of its log so far.
    logs: BTreeMap<i64, Vec<Line>>,
    _tasks: JoinSet<()>,
    /// The copies of the clients. What dies here are servers, so a disk in memory is safe enough.
    _home: TempDir,
}

pub(crate) struct Person {
    pub(crate) client: Client,
    pub(crate) handle: String,
    journal: Shared,
}

/// A conversation with one who writes.
struct Room {
    conv_id: i64,
    writer: usize,
    readers: Vec<usize>,
}

/// What one person was told, and when.
#[derive(Debug, Default)]
struct Journal {
    said: HashMap<i64, Writer>,
    shown: HashMap<i64, Reader>,
    reads: Vec<check::Read>,
    receipts: Vec<check::Read>,
    /// What is under way: where, the text, since when.
    waiting: HashMap<i64, (i64, String, Instant)>,
    acks: Vec<Ack>,
    breaks: Vec<Break>,
    /// Lines whose gateway has said that it goes.
    goodbyes: usize,
    /// Lines that this client has ended because it heard nothing.
    silences: usize,
    refused: Vec<String>,
}

type Shared = Arc<Mutex<Journal>>;

fn lock(journal: &Shared) -> MutexGuard<'_, Journal> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One clock for all journals. What happens before something has the lower number.
fn moment() -> u64 {
    static MOMENTS: AtomicU64 = AtomicU64::new(1);
    MOMENTS.fetch_add(1, Ordering::SeqCst)
}

// ── arriving ────────────────────────────────────────────────────────────────────────────────────

impl Talk {
    /// Everybody signs up, connects, and makes friends and groups. Nobody says anything yet.
    pub(crate) async fn start(urls: &[String], crowd: Crowd) -> Result<Self> {
        let home = in_memory()?;
        let arriving = (0..crowd.people).map(|n| arrive(&urls[n % urls.len()], n, home.path()));
        let arriving = stream::iter(arriving).buffered(limits::SIGN_UPS_AT_ONCE).try_collect();
        let arrived: Vec<_> = timeout(limits::ARRIVAL_WAIT, arriving)
            .await
            .context("not everybody is connected in time")??;
        let (writing, written) = watch::channel(false);
        let (people, events): (Vec<Person>, Vec<_>) = arrived.into_iter().unzip();
        let (acked, mut tasks) = (Arc::<AtomicU64>::default(), JoinSet::new());
        let mut rooms = pairs(&people).await?;
        let readers: BTreeMap<usize, i64> =
            rooms.iter().map(|room| (room.readers[0], room.conv_id)).collect();
        for (n, (person, events)) in people.iter().zip(events).enumerate() {
            let reads = readers.get(&n).copied();
            let (client, journal) = (person.client.clone(), Arc::clone(&person.journal));
            tasks.spawn(live(client, events, journal, reads, Arc::clone(&acked)));
        }
        let count = rooms.len();
        rooms.extend(groups(&people, crowd.group).await?);
        for (n, room) in rooms.iter().enumerate() {
            let (rate, of) = match n < count {
                true => (crowd.pair_rate, count),
                false => (crowd.group_rate, rooms.len() - count),
            };
            let every = Duration::from_secs_f64(of as f64 / rate);
            let writer = &people[room.writer];
            let (client, journal) = (writer.client.clone(), Arc::clone(&writer.journal));
            tasks.spawn(write(client, journal, room.conv_id, every, written.clone()));
        }
        let logs = BTreeMap::new();
        Ok(Self { people, rooms, writing, acked, logs, _tasks: tasks, _home: home })
    }

    pub(crate) fn begin(&self) {
        self.writing.send_replace(true);
    }

    /// A conversation in which nobody writes by himself; its number for `flood`.
    pub(crate) async fn room_for_a_flood(&mut self) -> Result<usize> {
        let (writer, reader) = (0, self.people.len() - 1);
        let user_id = self.people[reader].client.me();
        let open = client_frame::Body::OpenDirect(proto::OpenDirect { user_id });
        let conv_id = conversation(self.people[writer].client.call(open).await?)?;
        self.rooms.push(Room { conv_id, writer, readers: vec![reader] });
        Ok(self.rooms.len() - 1)
    }

    /// Who reads there comes by a new line.
    pub(crate) async fn move_flooded(&self, room: usize) -> Result<()> {
        let client = &self.people[self.rooms[room].readers[0]].client;
        let mut line = client.watch_line();
        line.mark_unchanged();
        client.reconnect();
        let moved = async {
            line.wait_for(|line| !matches!(line, client::Line::Live)).await?;
            line.wait_for(|line| matches!(line, client::Line::Live)).await.map(drop)
        };
        Ok(timeout(limits::ARRIVAL_WAIT, moved).await.context("he does not come back")??)
    }

    /// One message there. No text may be the same as another one.
    pub(crate) async fn flood(&self, room: usize, text: &str) {
        let room = &self.rooms[room];
        let writer = &self.people[room.writer];
        let key = proto::id::random_key();
        lock(&writer.journal).say(room.conv_id, key, text);
        send(&writer.client, &writer.journal, room.conv_id, key, text).await;
    }

    /// How many of those are in the log and were not shown to who reads there.
    pub(crate) fn owed(&self, room: usize) -> usize {
        let Room { conv_id, writer, readers } = &self.rooms[room];
        let acked = lock(&self.people[*writer].journal).said.get(conv_id).map(|s| s.acked.len());
        let shown =
            lock(&self.people[readers[0]].journal).shown.get(conv_id).map(|s| s.shown.len());
        acked.unwrap_or_default().saturating_sub(shown.unwrap_or_default())
    }

    /// Times of those who have nothing to do with that room.
    pub(crate) fn sample_beside(&self, room: usize, since: Instant) -> Sample {
        let Room { writer, readers, .. } = &self.rooms[room];
        let beside = |n: &usize| n != writer && !readers.contains(n);
        self.sample_of((0..self.people.len()).filter(beside), since)
    }

    /// How often clients have sent something again because its answer did not come.
    pub(crate) fn resent(&self) -> u64 {
        self.people.iter().map(|person| person.client.figures().resent).sum()
    }

    pub(crate) fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }
}

/// Below a file system in memory, where there is one.
fn in_memory() -> Result<TempDir> {
    let memory = std::path::Path::new("/dev/shm");
    let builder = tempfile::Builder::new().prefix("natter-chaos-").tempdir_in(memory);
    Ok(builder.or_else(|_| TempDir::with_prefix("natter-chaos-"))?)
}

async fn arrive(
    url: &str,
    n: usize,
    home: &std::path::Path,
) -> Result<(Person, mpsc::Receiver<Event>)> {
    let handle = format!("person{n}");
    let signup = http::Signup {
        handle: handle.clone(),
        name: None,
        password: PASSWORD.into(),
        email: None,
        device: None,
    };
    let login: Login = client::account::signup(url, &signup).await?;
    let profile = Profile::at(home.join(&handle))?;
    let (client, events) = client::start(&profile, login, client::Options::default()).await?;
    client.caught_up(limits::ARRIVAL_WAIT.as_millis() as u64).await?;
    Ok((Person { client, handle, journal: Shared::default() }, events))
}

/// Each two are friends and have a conversation: the first one writes.
async fn pairs(people: &[Person]) -> Result<Vec<Room>> {
    let mut rooms = Vec::new();
    for (n, pair) in people.chunks_exact(2).enumerate() {
        let [ann, bob] = pair else { unreachable!("chunks of two") };
        let (ann_id, bob_id) = (ann.client.me(), bob.client.me());
        let befriend = client_frame::Body::Befriend(proto::Befriend { user_id: bob_id });
        ann.client.call(befriend).await?;
        let accept = client_frame::Body::Accept(proto::Accept { user_id: ann_id });
        bob.client.call(accept).await?;
        let open = client_frame::Body::OpenDirect(proto::OpenDirect { user_id: bob_id });
        let conv_id = conversation(ann.client.call(open).await?)?;
        rooms.push(Room { conv_id, writer: 2 * n, readers: vec![2 * n + 1] });
    }
    Ok(rooms)
}

async fn groups(people: &[Person], size: usize) -> Result<Vec<Room>> {
    let mut rooms = Vec::new();
    for (n, members) in people.chunks_exact(size).enumerate() {
        let user_ids = members[1..].iter().map(|person| person.client.me()).collect();
        let title = format!("group {n}");
        let create = proto::CreateGroup { title, user_ids, client_key: 0 };
        let made = members[0].client.call(client_frame::Body::CreateGroup(create)).await?;
        let (conv_id, first) = (conversation(made)?, n * size);
        rooms.push(Room { conv_id, writer: first, readers: (first + 1..first + size).collect() });
    }
    Ok(rooms)
}

fn conversation(answer: server_frame::Body) -> Result<i64> {
    match answer {
        server_frame::Body::Conversation(conversation) => Ok(conversation.conv_id),
        other => Err(anyhow!("no conversation but {other:?}")),
    }
}

// ── talking ─────────────────────────────────────────────────────────────────────────────────────

/// Writes at a steady rate, whether or not there is a server.
async fn write(
    client: Client,
    journal: Shared,
    conv_id: i64,
    every: Duration,
    mut writing: watch::Receiver<bool>,
) {
    let mut beat = interval(every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for n in 0_u64.. {
        if writing.wait_for(|writes| *writes).await.is_err() {
            return;
        }
        beat.tick().await;
        let (key, text) = (proto::id::random_key(), format!("message {n}"));
        {
            let mut journal = lock(&journal);
            // Under the lock: who has stopped the writing finds nothing new in the journals.
            if !*writing.borrow() {
                continue;
            }
            journal.say(conv_id, key, &text);
        }
        send(&client, &journal, conv_id, key, &text).await;
    }
}

async fn send(client: &Client, journal: &Shared, conv_id: i64, key: i64, text: &str) {
    if let Err(error) = client.send(conv_id, text, 0, Some(key)).await {
        lock(journal).refused.push(format!("{text}: {error}"));
    }
}

impl Journal {
    fn say(&mut self, conv_id: i64, key: i64, text: &str) {
        let said = self.said.entry(conv_id).or_default();
        said.conv_id = conv_id;
        said.said.push(text.to_owned());
        self.waiting.insert(key, (conv_id, text.to_owned(), Instant::now()));
    }
}

/// Writes down what is told, and says of one conversation that it was read.
async fn live(
    client: Client,
    mut events: mpsc::Receiver<Event>,
    journal: Shared,
    reads: Option<i64>,
    acked: Arc<AtomicU64>,
) {
    let me = client.me();
    while let Some(event) = events.recv().await {
        let mut furthest = 0;
        let mut next = Some(event);
        while let Some(event) = next {
            if let Event::New { message, .. } = &event
                && Some(message.conv_id) == reads
            {
                furthest = message.seq;
            }
            let is_ack = matches!(event, Event::Sent(_));
            note(&journal, event);
            acked.fetch_add(u64::from(is_ack), Ordering::Relaxed);
            next = events.try_recv().ok();
        }
        if let Some(conv_id) = reads.filter(|_| furthest > 0) {
            let read = check::Read { at: moment(), conv_id, user_id: me, seq: furthest };
            lock(&journal).reads.push(read);
            // A client that has ended reads nothing more.
            let _ = client.read(conv_id, furthest).await;
        }
    }
}

fn note(journal: &Shared, event: Event) {
    let mut journal = lock(journal);
    let now = Instant::now();
    match event {
        Event::New { message, .. } => {
            let shown = journal.shown.entry(message.conv_id).or_default();
            shown.conv_id = message.conv_id;
            shown.shown.push(Line { seq: message.seq, text: message.body });
        }
        Event::Sent(sent) => {
            let Some((conv_id, text, since)) = journal.waiting.remove(&sent.client_key) else {
                journal.refused.push(format!("an answer to nothing, or a second one: {sent:?}"));
                return;
            };
            let said = journal.said.entry(conv_id).or_default();
            said.acked.push(Line { seq: sent.seq, text });
            journal.acks.push(Ack { since, took: now - since });
        }
        Event::SendRefused { text, .. } => journal.refused.push(text),
        Event::Receipt(receipt) if receipt.read_seq > 0 => {
            let (conv_id, user_id) = (receipt.conv_id, receipt.user_id);
            let at = moment();
            journal.receipts.push(check::Read { at, conv_id, user_id, seq: receipt.read_seq });
        }
        Event::Line(client::Line::Live) => {
            if let Some(broken) = journal.breaks.last_mut() {
                broken.until.get_or_insert(now);
            }
        }
        Event::Line(line @ (client::Line::Waiting { .. } | client::Line::Connecting)) => {
            if let client::Line::Waiting { why, .. } = line {
                journal.goodbyes += usize::from(why == "the gateway restarts");
                journal.silences += usize::from(why == "nothing was heard from the gateway");
            }
            if journal.breaks.last().is_none_or(|broken| broken.until.is_some()) {
                journal.breaks.push(Break { since: now, until: None });
            }
        }
        _ => {}
    }
}

// ── judging ─────────────────────────────────────────────────────────────────────────────────────

impl Talk {
    /// Nobody writes any more, and waits until everything has arrived; how long that took. `None`:
    /// something never arrives.
    pub(crate) async fn settle(&self) -> Option<Duration> {
        self.writing.send_replace(false);
        let since = Instant::now();
        while !self.rooms.iter().all(|room| self.is_settled(room)) {
            if since.elapsed() > limits::SETTLE_WAIT {
                return None;
            }
            tokio::time::sleep(limits::LOOK_EVERY).await;
        }
        Some(since.elapsed())
    }

    /// Everything is acked, and every reader has seen the last of it. (A group has a line that
    /// nobody wrote, so counting would not do.)
    fn is_settled(&self, room: &Room) -> bool {
        let last = {
            let journal = lock(&self.people[room.writer].journal);
            let Some(said) = journal.said.get(&room.conv_id) else {
                return true;
            };
            if said.acked.len() < said.said.len() {
                return false;
            }
            said.acked.iter().map(|line| line.seq).max().unwrap_or(0)
        };
        room.readers.iter().all(|reader| {
            let journal = lock(&self.people[*reader].journal);
            let shown = journal.shown.get(&room.conv_id).and_then(|shown| shown.shown.last());
            shown.map_or(0, |line| line.seq) >= last
        })
    }

    /// The journals and the databases as they are now.
    pub(crate) async fn books(&mut self, databases: &[String]) -> Result<Books> {
        self.read_logs(databases).await?;
        let mut books = Books { logs: self.logs.clone(), ..Books::default() };
        for room in &self.rooms {
            let conv_id = room.conv_id;
            let said = lock(&self.people[room.writer].journal).said.get(&conv_id).cloned();
            books.writers.extend(said);
            for reader in &room.readers {
                let shown = lock(&self.people[*reader].journal).shown.get(&conv_id).cloned();
                books.readers.push(shown.unwrap_or(Reader { conv_id, shown: Vec::new() }));
            }
        }
        for person in &self.people {
            let journal = lock(&person.journal);
            books.reads.extend_from_slice(&journal.reads);
            books.receipts.extend_from_slice(&journal.receipts);
        }
        // Only who reads in a pair says that he has read. Who writes has read his own words, which
        // the store says for him.
        let reads = |room: &Room| (room.conv_id, self.people[room.readers[0]].client.me());
        let pairs = self.rooms.iter().filter(|room| room.readers.len() == 1);
        let readers: BTreeSet<(i64, i64)> = pairs.map(reads).collect();
        books.receipts.retain(|receipt| readers.contains(&(receipt.conv_id, receipt.user_id)));
        Ok(books)
    }

    /// What came since the last time is read from the databases.
    async fn read_logs(&mut self, databases: &[String]) -> Result<()> {
        let store = store::Store::open(databases, &store::Options::default()).await?;
        for room in &self.rooms {
            let user_id = self.people[room.writer].client.me();
            let log = self.logs.entry(room.conv_id).or_default();
            bench::log::read_on(&store, user_id, room.conv_id, log).await?;
        }
        store.close().await;
        Ok(())
    }

    /// Messages that servers did not take, and holes that clients have not filled.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut all = Vec::new();
        for person in &self.people {
            all.extend(lock(&person.journal).refused.iter().cloned());
            let open = person.client.figures().gaps_open;
            if open > 0 {
                all.push(format!("{} has {open} open holes", person.handle));
            }
        }
        all
    }

    /// Times of answers and of broken lines since a moment.
    pub(crate) fn sample(&self, since: Instant) -> Sample {
        self.sample_of(0..self.people.len(), since)
    }

    fn sample_of(&self, people: impl Iterator<Item = usize>, since: Instant) -> Sample {
        let mut sample = Sample::default();
        for n in people {
            let journal = lock(&self.people[n].journal);
            sample.add(&journal.acks, &journal.breaks, since);
        }
        sample
    }

    /// How many lines were ended with a word of the gateway's that it goes.
    pub(crate) fn goodbyes(&self) -> usize {
        self.people.iter().map(|person| lock(&person.journal).goodbyes).sum()
    }

    /// How many lines clients have ended because they heard nothing.
    pub(crate) fn silences(&self) -> usize {
        self.people.iter().map(|person| lock(&person.journal).silences).sum()
    }

    /// Everybody must see the other one of his pair online; then every second one leaves, and must
    /// be seen to be gone. Nothing works after it.
    pub(crate) async fn sightings(&mut self) -> Result<Vec<Sighting>> {
        let mut sightings = self.sighted(true).await?;
        for bob in self.people.iter().skip(1).step_by(2) {
            bob.client.close().await;
        }
        sightings.extend(self.sighted(false).await?);
        for ann in self.people.iter().step_by(2) {
            ann.client.close().await;
        }
        Ok(sightings)
    }

    /// What every first one of a pair believes of the second one, as soon as it is right.
    async fn sighted(&self, is_online: bool) -> Result<Vec<Sighting>> {
        let since = Instant::now();
        let mut sightings = Vec::new();
        for pair in self.people.chunks_exact(2) {
            let (ann, user_id) = (&pair[0].client, pair[1].client.me());
            loop {
                let seen_online = ann.person(user_id).await?.is_some_and(|person| person.online);
                if seen_online == is_online || since.elapsed() > limits::PRESENCE_WAIT {
                    let watcher_id = ann.me();
                    sightings.push(Sighting { watcher_id, user_id, seen_online, is_online });
                    break;
                }
                tokio::time::sleep(limits::LOOK_EVERY).await;
            }
        }
        Ok(sightings)
    }
}
