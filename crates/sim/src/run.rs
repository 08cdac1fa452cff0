//! One seed from the beginning to the verdict.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bench::check::{self, Books, Line, Reader, Sighting, Verdict, Writer};
use client::{Options, Profile, Way};
use store::Store;
use turmoil::Sim;

use crate::ground::{self, Ground};
use crate::journal::{Fate, Journal};
use crate::people::{self, Person};
use crate::plan::Plan;
use crate::world::{self, SERVER, World};
use crate::{limits, server_host};

/// What became of one seed.
#[derive(Debug)]
pub struct Outcome {
    pub seed: u64,
    pub simulated: Duration,
    pub faults: u64,
    pub acked: u64,
    /// How many events there were, and their number: the same for each run of this seed.
    pub trace: (u64, u64),
    pub verdict: Verdict,
    /// What the judge of the books has no word for.
    pub complaints: Vec<String>,
}

impl Outcome {
    pub fn is_clean(&self) -> bool {
        self.verdict.is_clean() && self.complaints.is_empty()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_clean() { "ok    " } else { "BROKEN" };
        let (events, hash) = self.trace;
        let (simulated, faults, acked) = (self.simulated.as_secs_f64(), self.faults, self.acked);
        write!(
            f,
            "{word} seed {:>4}: {simulated:6.1} s, {faults:>3} faults, {acked:>4} stored, \
             {events:>5} events, trace {hash:016x}",
            self.seed
        )?;
        for case in self.verdict.cases.iter().chain(&self.complaints) {
            write!(f, "\n       {case}")?;
        }
        Ok(())
    }
}

/// Tasks that have panicked. They die alone, and a simulation must not overlook it.
static PANICS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static WORLD: RefCell<Option<Arc<World>>> = const { RefCell::new(None) };
    /// When the network began, and how long that was after the ground did.
    static BEGIN: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
}

/// The whole process is this seed's: whatever it draws by chance is the same each time.
pub(crate) fn run(seed: u64, seconds: u64, tell: bool) -> Result<Outcome> {
    let panicked = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        panicked(info);
    }));
    // A thread of its own has drawn nothing yet.
    let run = move || {
        let ground = Ground::enter(seed, clock, breathe);
        let outcome = simulate(&ground, seed, seconds, tell);
        WORLD.take();
        outcome
    };
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        // Who waited may have given up.
        let _ = done.send(run());
    });
    // Something in it may go round for ever at one moment.
    match ended.recv_timeout(limits::REAL_TIME_MAX) {
        Ok(outcome) => outcome,
        Err(error) => bail!("seed {seed} does not end: {error}"),
    }
}

/// Inside of a host it is as late as its own clock says.
fn clock() -> Option<u64> {
    let (begin, before) = BEGIN.get()?;
    tokio::runtime::Handle::try_current().ok()?;
    let since = tokio::time::Instant::now().into_std().checked_duration_since(begin)?;
    Some((before + since).as_nanos() as u64)
}

/// The server has synced its disk.
fn breathe() {
    WORLD.with_borrow(|world| {
        if let Some(world) = world {
            world.lives.now().breathe();
        }
    });
}

fn simulate(ground: &Ground, seed: u64, seconds: u64, tell: bool) -> Result<Outcome> {
    let world = World::new(seed, tell)?;
    WORLD.replace(Some(Arc::clone(&world)));
    let mut sim = network(seed);
    let (faults, ended) = play(ground, &world, &mut sim, Duration::from_secs(seconds));
    let mut complaints: Vec<String> = ended.err().into_iter().collect();
    complaints.extend(world.people.iter().filter_map(|person| open_holes(person)));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let sightings = runtime.block_on(sightings(&world))?;
    world.lives.now().die();
    let simulated = sim.elapsed();
    drop(sim);
    let logs = runtime.block_on(read_logs(&world))?;
    complaints.extend(runtime.block_on(compare_copies(&world, &logs))?);
    drop(runtime);
    for person in &world.people {
        let journal = person.journal();
        complaints.extend(journal.complaints.iter().map(|it| format!("{}: {it}", person.name)));
    }
    let panics = PANICS.load(Ordering::SeqCst);
    if panics > 0 {
        complaints.push(format!("{panics} tasks have panicked"));
    }
    let mut books = books(&world, logs);
    if !world::is_deaf(seed) {
        books.sightings = sightings;
    }
    let (verdict, acked) = (check::judge(&books), books.acked_before);
    Ok(Outcome { seed, simulated, faults, acked, trace: world.trace.sum(), verdict, complaints })
}

/// Breaks things, mends them, and waits until everything has arrived. How many broke; `Err`: why it
/// never does.
fn play(
    ground: &Ground,
    world: &Arc<World>,
    sim: &mut Sim<'_>,
    length: Duration,
) -> (u64, Result<(), String>) {
    let before = ground::since_begin();
    BEGIN.set(Some((Instant::now(), before)));
    let shared = Arc::clone(world);
    sim.host(SERVER, move || server_host::live(Arc::clone(&shared)));
    for person in &world.people {
        let (shared, person) = (Arc::clone(world), Arc::clone(person));
        sim.host(person.name, move || people::live(Arc::clone(&shared), Arc::clone(&person)));
    }
    let end = limits::ARRIVAL + length;
    let mut plan = Plan::new(limits::ARRIVAL, end, world.people.len());
    let (mut look, mut deadline, mut quiet) = (end, end + limits::SETTLE, None);
    loop {
        if let Err(error) = sim.step() {
            return (plan.faults, Err(format!("a host has failed: {error}")));
        }
        let now = sim.elapsed();
        ground.time_is(before + now);
        plan.go_on(world, sim);
        if now < look {
            continue;
        }
        look = now + limits::LOOK;
        if plan.is_whole() && is_settled(world) {
            if plan.last_words(world) {
                deadline = now + limits::SETTLE;
            } else if now >= *quiet.get_or_insert(now + limits::QUIET) {
                return (plan.faults, Ok(()));
            }
        }
        if now > deadline {
            return (plan.faults, Err("something never arrives".to_owned()));
        }
    }
}

fn network(seed: u64) -> Sim<'static> {
    turmoil::Builder::new()
        .rng_seed(seed)
        .tick_duration(limits::STEP)
        .simulation_duration(Duration::from_secs(24 * 3_600))
        .min_message_latency(limits::STEP)
        .max_message_latency(Duration::from_millis(40))
        .tcp_capacity(limits::TCP_PACKETS)
        .enable_random_order()
        .build()
}

/// Everything that was kept is answered, and everybody has seen the last of everything.
fn is_settled(world: &World) -> bool {
    let journals: Vec<_> = world.people.iter().map(|person| person.journal()).collect();
    let answered = journals.iter().all(|journal| journal.is_answered());
    answered
        && world.rooms.iter().all(|room| {
            let ends = room.members.iter().map(|n| (*n, last_acked(&journals[*n], room.conv_id)));
            let ends: Vec<(usize, i64)> = ends.collect();
            room.members.iter().all(|reader| {
                let others = ends.iter().filter(|(writer, _)| writer != reader);
                let end = others.map(|(_, seq)| *seq).max().unwrap_or(0);
                let shown = journals[*reader].shown.get(&room.conv_id);
                shown.is_some_and(|lines| lines.iter().any(|line| line.seq >= end)) || end == 0
            })
        })
}

fn last_acked(journal: &Journal, conv_id: i64) -> i64 {
    let mine = journal.said.iter().filter(|said| said.conv_id == conv_id);
    let acked = mine.filter_map(|said| match said.fate {
        Fate::Acked(seq) => Some(seq),
        Fate::Waits | Fate::Gone => None,
    });
    acked.max().unwrap_or(0)
}

fn open_holes(person: &Person) -> Option<String> {
    let open = person.client()?.figures().gaps_open;
    (open > 0).then(|| format!("{} has {open} open holes", person.name))
}

/// The logs as the last server has left them.
async fn read_logs(world: &World) -> Result<BTreeMap<i64, Vec<Line>>> {
    let url = format!("sqlite:{}", world.lives.left().join("natter.db").display());
    let store = Store::open(&[url], &store::Options::default()).await?;
    let mut logs = BTreeMap::new();
    for room in &world.rooms {
        let user_id = world.people[room.members[0]].login.user_id;
        let log = logs.entry(room.conv_id).or_default();
        bench::log::read_on(&store, user_id, room.conv_id, log).await?;
    }
    store.close().await;
    Ok(logs)
}

/// Everybody is there, and everybody must see that.
async fn sightings(world: &World) -> Result<Vec<Sighting>> {
    let mut sightings = Vec::new();
    for watcher in &world.people {
        let Some(client) = watcher.client() else {
            continue;
        };
        let watcher_id = watcher.login.user_id;
        for user_id in world.people.iter().map(|person| person.login.user_id) {
            if user_id != watcher_id {
                let seen_online = client.person(user_id).await?.is_some_and(|it| it.online);
                sightings.push(Sighting { watcher_id, user_id, seen_online, is_online: true });
            }
        }
    }
    Ok(sightings)
}

/// What is on the disk of each client, read by a client without a network.
async fn compare_copies(world: &World, logs: &BTreeMap<i64, Vec<Line>>) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for person in &world.people {
        let nowhere: client::Dialer = Arc::new(|_, _| Box::pin(std::future::pending()));
        let options = Options { way: Way::Brought(nowhere), ..Options::default() };
        let profile = Profile::at(person.home.clone())?;
        let (client, _) = client::start(&profile, person.login.clone(), options).await?;
        for conv_id in &person.conv_ids {
            let copy = people::whole_copy(&client, *conv_id).await?;
            let copy: Vec<Line> =
                copy.into_iter().map(|m| Line { seq: m.seq, text: m.body }).collect();
            let log = &logs[conv_id];
            // What came before the person connected may not be here.
            let begin = copy.first().map_or(0, |line| line.seq);
            let kept: Vec<&Line> = log.iter().filter(|line| line.seq >= begin).collect();
            if !copy.iter().eq(kept.iter().copied()) {
                let (has, is) = (copy.len(), kept.len());
                let name = person.name;
                complaints.push(format!("{name} has {has} of {is} messages of {conv_id}"));
            }
        }
        let waiting = client.queued().await?.len();
        if waiting > 0 {
            complaints.push(format!("{waiting} messages of {} are not sent", person.name));
        }
    }
    Ok(complaints)
}

fn books(world: &World, logs: BTreeMap<i64, Vec<Line>>) -> Books {
    // The first line of the group was read by who has made it, before anybody connected.
    let is_group = |conv_id| logs[&conv_id].first().is_some_and(|it| it.text == world::GROUP);
    let mut books = Books { acked_before_min: 1, ..Books::default() };
    for person in &world.people {
        let journal = person.journal();
        for conv_id in &person.conv_ids {
            let writer = writer(&journal, *conv_id, &logs[conv_id]);
            books.acked_before += writer.acked.len() as u64;
            books.writers.push(writer);
            books.readers.push(reader(&journal, *conv_id, &logs[conv_id]));
        }
        books.reads.extend_from_slice(&journal.reads);
        books.reads.extend(journal.own_reads(person.login.user_id, &logs));
        let receipts = journal.receipts.iter().filter(|it| it.seq > 1 || !is_group(it.conv_id));
        books.receipts.extend(receipts);
    }
    books.logs = logs;
    books
}

/// What was kept; and what was not, if it is stored nevertheless: the client died between the two.
fn writer(journal: &Journal, conv_id: i64, log: &[Line]) -> Writer {
    let mut writer = Writer { conv_id, ..Writer::default() };
    for said in journal.said.iter().filter(|said| said.conv_id == conv_id) {
        let stored = log.iter().find(|line| line.text == said.text);
        if !said.kept && said.fate == Fate::Waits && stored.is_none() {
            continue;
        }
        writer.said.push(said.text.clone());
        let seq = match said.fate {
            Fate::Acked(seq) => Some(seq),
            Fate::Gone => stored.map(|line| line.seq),
            Fate::Waits => None,
        };
        writer.acked.extend(seq.map(|seq| Line { seq, text: said.text.clone() }));
    }
    writer
}

/// What was shown, and one's own words, which are where they are stored.
fn reader(journal: &Journal, conv_id: i64, log: &[Line]) -> Reader {
    // Whoever has made the group has made its first line, too.
    let mine = |line: &&Line| {
        if line.text == world::GROUP {
            return true;
        }
        let said = |said: &crate::journal::Said| said.conv_id == conv_id && said.text == line.text;
        journal.said.iter().any(said)
    };
    let mut shown = journal.shown.get(&conv_id).cloned().unwrap_or_default();
    for line in log.iter().filter(mine) {
        if shown.iter().all(|other| other.seq != line.seq) {
            let at = shown.iter().position(|other| other.seq > line.seq).unwrap_or(shown.len());
            shown.insert(at, line.clone());
        }
    }
    Reader { conv_id, shown }
}
