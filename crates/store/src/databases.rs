//! THE DATABASES OF ONE STORE, in the order of their URLs: those that are open, and a place for
//! each that did not answer when the store was opened. `shards/learn.rs` takes those in when they
//! do.

use std::sync::OnceLock;

use futures_util::StreamExt;
use proto::id;

use crate::engine::Database;
use crate::{Error, Options, Result, limits};

/// How our connections are called in `pg_stat_activity`; behind it a number for each store. A name
/// without one is a program that knows no map.
pub(crate) const PROCESS: &str = "natter";

pub(crate) struct Databases {
    /// Empty: it did not answer yet. Once filled, for good.
    places: Vec<OnceLock<Database>>,
    urls: Vec<String>,
    process: String,
    options: Options,
}

impl Databases {
    /// Connects to all at once, a bounded number at a time, and brings their schemas up to date.
    /// Without the first nothing goes; of the others some may be `Unavailable`.
    pub(crate) async fn open(urls: &[String], options: &Options) -> Result<Self> {
        let databases = Self {
            places: urls.iter().map(|_| OnceLock::new()).collect(),
            urls: urls.to_vec(),
            process: format!("{PROCESS} {:08x}", id::random_key() >> 31),
            options: options.clone(),
        };
        // The directory first: if it cannot be had, nobody waits for the others.
        databases.put(0, databases.connect(0).await?);
        let others = (1..urls.len()).map(|at| databases.connect(at));
        let others: Vec<_> = futures_util::stream::iter(others.collect::<Vec<_>>())
            .buffered(limits::DATABASES_AT_ONCE)
            .collect()
            .await;
        for (at, other) in (1..).zip(others) {
            match other {
                Ok(database) => databases.put(at, database),
                Err(Error::Unavailable(why)) => {
                    tracing::warn!(database = at, why, "a database is away at the start");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(databases)
    }

    pub(crate) async fn connect(&self, at: usize) -> Result<Database> {
        Database::open(&self.urls[at], self.urls.len(), &self.process, &self.options).await
    }

    /// From here on it is used. If two have brought it, the first stays.
    pub(crate) fn put(&self, at: usize, database: Database) {
        drop(self.places[at].set(database));
    }

    pub(crate) fn directory(&self) -> &Database {
        self.places[0].get().expect("a store does not open without its directory")
    }

    /// `Unavailable`: it is not open, or there is none of that number.
    pub(crate) fn at(&self, at: usize) -> Result<&Database> {
        self.places.get(at).and_then(OnceLock::get).ok_or_else(|| {
            Error::Unavailable("it was away when this process started, and still is".to_owned())
        })
    }

    /// All of them; `Unavailable` in the place of one that is not open.
    pub(crate) fn all(&self) -> impl Iterator<Item = Result<&Database>> {
        (0..self.places.len()).map(|at| self.at(at))
    }

    pub(crate) fn open_ones(&self) -> impl Iterator<Item = &Database> {
        self.places.iter().filter_map(OnceLock::get)
    }

    /// The numbers of those that are not open, from 0.
    pub(crate) fn missing(&self) -> Vec<usize> {
        (0..self.places.len()).filter(|at| self.places[*at].get().is_none()).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Connections that one that is not open would have.
    pub(crate) fn connections_max(&self) -> u32 {
        self.options.connections.max(1)
    }
}
