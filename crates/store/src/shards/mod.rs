//! WHERE A CONVERSATION IS: the map from the 1,024 logical shards to databases, the gate that each
//! database holds before its shards, and the mover. `docs/data.md`, "Shards", tells the whole.
//!
//! The map is in the directory, and every process has a copy that may be old. That is harmless,
//! because no copy is believed: a transaction that writes asks the gate of the database before it
//! writes, a read asks it after it has read. Where the gate says no, the map is read again.

mod copy;
mod gate;
mod learn;
pub(crate) mod mover;
pub(crate) mod report;
mod spread;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use proto::id;

use crate::databases::Databases;
use crate::engine::{Database, Reader, Tx};
use crate::{Away, Error, Reached, Result, Store, limits};

pub(crate) use gate::{Gates, Shut, enter, of_all as gates_of};

/// What a process knows of the shards.
pub(crate) struct Shards {
    map: RwLock<Arc<Map>>,
    /// Where each shard was when the store was opened: which writer commits for it. Never changes,
    /// so that two messages of one conversation are never under way through two writers.
    writers: Vec<usize>,
    /// For a shard that was found shut: by which move, and since when this process waits for it.
    waiting: Mutex<HashMap<u16, (i64, Instant)>>,
    /// Databases that did not answer when all were asked, and when that was.
    silent: Mutex<HashMap<usize, Instant>>,
    /// Databases are taken in one at a time.
    taking_in: tokio::sync::Mutex<()>,
}

/// The home of a shard whose database is away since the start: which of the URLs leads there is
/// known when it answers. There is no database of this number.
pub(super) const NOT_OPEN: usize = usize::MAX;

/// One state of the map, as it was read from the directory.
pub(crate) struct Map {
    /// The largest epoch in it.
    pub(crate) version: i64,
    /// What each database is called, in the order of the URLs. None: it has not answered yet.
    names: Vec<Option<String>>,
    /// For each shard the database that holds it, or `NOT_OPEN`.
    pub(crate) homes: Vec<usize>,
}

impl Map {
    /// The database that holds this conversation.
    pub(crate) fn home(&self, conv_id: i64) -> usize {
        self.homes[usize::from(id::shard_of(conv_id))]
    }

    pub(crate) fn name_of(&self, database: usize) -> &str {
        self.names.get(database).and_then(Option::as_deref).unwrap_or("?")
    }

    /// How many databases have said who they are. It only grows.
    fn known(&self) -> usize {
        self.names.iter().flatten().count()
    }
}

impl Shards {
    /// Everything in one database: nothing can be moved, and nothing is asked.
    fn single() -> Self {
        let names = vec![Some("d1".to_owned())];
        Self::new(Map { version: 0, names, homes: vec![0; id::SHARDS.into()] })
    }

    fn new(map: Map) -> Self {
        // Where one is away, it is this one; of several the first has to do.
        let away = map.names.iter().position(Option::is_none).unwrap_or_default();
        let writer = |home: &usize| if *home == NOT_OPEN { away } else { *home };
        let writers = map.homes.iter().map(writer).collect();
        let map = RwLock::new(Arc::new(map));
        Self {
            map,
            writers,
            waiting: Mutex::default(),
            silent: Mutex::default(),
            taking_in: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn map(&self) -> Arc<Map> {
        Arc::clone(&self.map.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether this database is worth a question, or did not answer a moment ago. After that moment
    /// one question goes to it, and the others still take the old answer. Without the directory
    /// nothing goes, so it is always asked.
    pub(crate) fn may_ask(&self, database: usize) -> bool {
        if database == 0 {
            return true;
        }
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        match silent.get_mut(&database) {
            None => true,
            Some(since) if since.elapsed() < limits::AWAY_ASKED_EVERY => false,
            Some(since) => {
                *since = Instant::now();
                true
            }
        }
    }

    /// Remembers whether it answered.
    pub(crate) fn asked<T>(&self, database: usize, answer: &Result<T>) {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Err(Error::Unavailable(_)) => drop(silent.insert(database, Instant::now())),
            _ => drop(silent.remove(&database)),
        }
    }

    pub(crate) fn is_silent(&self, database: usize) -> bool {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&database)
    }

    /// The newer one of this map and the one that is known. Two may have read it at the same time,
    /// and the older answer come later.
    fn remember(&self, read: Map) -> Arc<Map> {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        // That it is old where it knows more databases does no harm: the gate tells.
        if (read.known(), read.version) > (map.known(), map.version) {
            *map = Arc::new(read);
        }
        Arc::clone(&map)
    }

    /// Whether somebody here has been waiting for this move for `FENCE_WAIT`. So a shard that is
    /// stuck holds a writer up once, and not in each of its batches.
    fn waits_too_long(&self, shut: Shut) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = (shut.moved_by, Instant::now());
        let entry = waiting.entry(shut.shard).or_insert(fresh);
        if entry.0 != shut.moved_by {
            *entry = fresh;
        }
        entry.1.elapsed() >= limits::FENCE_WAIT
    }
}

impl Store {
    /// Which writer commits for this conversation: the one of the database where it was when the
    /// store was opened. It may have been moved since; `commit` knows.
    pub fn database_of(&self, conv_id: i64) -> usize {
        self.shards.writers[usize::from(id::shard_of(conv_id))]
    }

    /// One database: no shard can be anywhere else.
    pub(crate) fn is_single(&self) -> bool {
        self.databases.len() == 1
    }

    fn database_named(&self, name: &str) -> Result<usize> {
        let map = self.shards.map();
        map.names.iter().position(|known| known.as_deref() == Some(name)).ok_or_else(|| {
            Error::Unavailable(match self.missing().is_empty() {
                true => format!("no configured URL leads to the database {name}"),
                false => format!("no database that answered is {name}"),
            })
        })
    }

    fn database_called(&self, name: &str) -> Result<&Database> {
        self.databases.at(self.database_named(name)?)
    }

    /// A transaction that writes to this conversation, in the database where it is. While it runs
    /// the conversation cannot be moved.
    pub(crate) async fn begin_at(&self, conv_id: i64) -> Result<Tx> {
        self.enter(id::shard_of(conv_id), false).await
    }

    /// The same for one that makes room.
    pub(crate) async fn begin_freeing_at(&self, conv_id: i64) -> Result<Tx> {
        self.enter(id::shard_of(conv_id), true).await
    }

    async fn enter(&self, shard: u16, freeing: bool) -> Result<Tx> {
        loop {
            let map = self.shards.map();
            let database = self.databases.at(map.homes[usize::from(shard)])?;
            let mut tx = match freeing {
                true => database.begin_freeing().await?,
                false => database.begin().await?,
            };
            if self.is_single() {
                return Ok(tx);
            }
            let shut = enter(&mut tx.link(), &map, &[shard]).await?;
            let Some(shut) = shut.first() else {
                return Ok(tx);
            };
            drop(tx);
            self.wait_for(*shut, &map).await?;
        }
    }

    /// A turn at reading one conversation; `read_at!` is how it is used.
    pub(crate) fn turn(&self, conv_id: i64) -> Turn<'_> {
        Turn { store: self, shard: id::shard_of(conv_id), map: self.shards.map() }
    }

    /// What was found in each database that answered, and which shards are in the others; an error
    /// if the directory is one of those. None: a shard was not where the map says; the map was read
    /// again, and all have to be asked again.
    pub(crate) async fn whole<T>(
        &self,
        map: &Map,
        answers: Vec<Result<(Vec<T>, Gates)>>,
    ) -> Result<Option<Reached<T>>> {
        let lost = (0..id::SHARDS).filter(|shard| map.homes[usize::from(*shard)] == NOT_OPEN);
        let (mut found, mut away) = (Vec::new(), Away(lost.collect()));
        for (database, answer) in answers.into_iter().enumerate() {
            let is_here = |shard: u16| map.homes[usize::from(shard)] == database;
            let (rows, gates) = match answer {
                Ok(answer) => answer,
                Err(Error::Unavailable(why)) if database > 0 => {
                    tracing::debug!(database, why, "a database is passed over");
                    away.0.extend((0..id::SHARDS).filter(|shard| is_here(*shard)));
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some(shut) = gates.unreadable(map.version).find(|shut| is_here(shut.shard)) {
                self.wait_for(shut, map).await?;
                return Ok(None);
            }
            found.extend(rows);
        }
        Ok(Some(Reached { found, away }))
    }

    /// The gate was shut for who knew the map as `known`. Reads the map again; if it still leads to
    /// the same place, the shard is being moved at this moment, and this waits a little.
    /// `Unavailable` when that has lasted for `FENCE_WAIT`: then the mover may have died, and what
    /// he left is put in order.
    pub(crate) async fn wait_for(&self, shut: Shut, known: &Map) -> Result<()> {
        let now = self.load_map().await?;
        let at = usize::from(shut.shard);
        if (now.homes[at], now.version) != (known.homes[at], known.version) {
            return Ok(());
        }
        if !self.shards.waits_too_long(shut) {
            tokio::time::sleep(limits::FENCE_ASKED_EVERY).await;
            return Ok(());
        }
        match Box::pin(self.mend()).await? {
            true => Ok(()),
            false => Err(Error::Unavailable(format!("shard {} is being moved", shut.shard))),
        }
    }

    /// Reads the map from the directory and remembers it.
    async fn load_map(&self) -> Result<Arc<Map>> {
        let known = self.shards.map();
        let loaded = learn::load(self.directory(), &known.names).await?;
        Ok(self.shards.remember(loaded))
    }

    /// The databases that did not answer when the store was opened and have not been taken in
    /// since, by their numbers from 0.
    pub fn missing(&self) -> Vec<usize> {
        self.databases.missing()
    }

    /// Tries to take in what is missing: its schema is brought up to date, it must be ours and not
    /// be there twice, and only then its shards are used. What is still missing, and why:
    /// `Unavailable` as long as it does not answer; anything else is for an operator.
    pub async fn take_in(&self) -> Vec<(usize, Error)> {
        let _alone = self.shards.taking_in.lock().await;
        let mut missing = Vec::new();
        for at in self.missing() {
            if let Err(error) = self.take_in_one(at).await {
                missing.push((at, error));
            }
        }
        missing
    }

    async fn take_in_one(&self, at: usize) -> Result<()> {
        let database = self.databases.connect(at).await?;
        let known = self.shards.map();
        let map = learn::take_in(self.directory(), at, &database, &known.names).await?;
        // The map leads to it only when it is in its place.
        self.databases.put(at, database);
        self.shards.remember(map);
        Ok(())
    }
}

/// Brings the map: who these databases are, and which shard is where.
pub(crate) async fn learn(databases: &Databases) -> Result<Shards> {
    match databases.directory() {
        Database::Sqlite(_) => Ok(Shards::single()),
        Database::Postgres(_) => learn::learn(databases).await,
    }
}

/// One try to read a conversation where the map says it is.
pub(crate) struct Turn<'a> {
    store: &'a Store,
    shard: u16,
    map: Arc<Map>,
}

impl Turn<'_> {
    pub(crate) async fn reader(&self) -> Result<Reader> {
        self.store.databases.at(self.map.homes[usize::from(self.shard)])?.reader().await
    }

    /// Whether the conversation was there during everything that was read; else the next turn can
    /// begin.
    pub(crate) async fn held(&mut self, mut reader: Reader) -> Result<bool> {
        if self.store.is_single() {
            return Ok(true);
        }
        let gates = gate::of_shard(&mut reader.link(), self.shard).await?;
        drop(reader);
        let Some(shut) = gates.unreadable(self.map.version).next() else {
            return Ok(true);
        };
        self.store.wait_for(shut, &self.map).await?;
        self.map = self.store.shards.map();
        Ok(false)
    }
}

/// `read_at!(store, conv_id, link => f(link, …).await)`: reads a conversation where it is, and
/// again if it was moved meanwhile. What was read is a `Result`, judged only then: in the wrong
/// place everything is "not found".
macro_rules! read_at {
    ($store:expr, $conv_id:expr, $link:ident => $read:expr) => {{
        let mut turn = $store.turn($conv_id);
        loop {
            let mut reader = turn.reader().await?;
            let found = {
                let $link = &mut reader.link();
                $read
            };
            if turn.held(reader).await? {
                break found;
            }
        }
    }};
}

/// `of_all!(store, |database| rows_and_gates_of(database, …))`: the rows of all databases that
/// answer, asked a bounded number at a time, and which shards are in the others: an answer in which
/// the conversations of one database are missing must not look like one in which there are none.
macro_rules! of_all {
    ($store:expr, $asked:expr) => {
        loop {
            let map = $store.shards.map();
            let ask = async |(number, database)| {
                if !$store.shards.may_ask(number) {
                    return Err($crate::Error::Unavailable("it was silent a moment ago".into()));
                }
                let answer = $asked(database?).await;
                $store.shards.asked(number, &answer);
                answer
            };
            let asked: Vec<_> = $store.databases.all().enumerate().map(ask).collect();
            let asked = futures_util::stream::iter(asked);
            let answers = futures_util::StreamExt::buffered(asked, limits::DATABASES_AT_ONCE);
            let answers: Vec<_> = futures_util::StreamExt::collect(answers).await;
            if let Some(reached) = $store.whole(&map, answers).await? {
                break reached;
            }
        }
    };
}

pub(crate) use {of_all, read_at};
