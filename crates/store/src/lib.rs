//! THE DATA: the only place where a message *is*. `docs/data.md` tells the tables, their keys and
//! what each query costs.
//!
//! Every query is written once and runs on SQLite and PostgreSQL. This room never sees a socket and
//! has no clock of its own: whoever calls says what time it is (unix milliseconds).

mod commit;
mod contacts;
mod conversations;
mod engine;
mod find;
mod groups;
mod history;
mod housekeeping;
mod limits;
mod log;
mod mail;
mod nudge;
mod outbox;
mod paint;
mod sessions;
mod types;
mod users;
mod words;

pub use commit::Online;
pub use limits::DIGEST_MAX;
pub use types::*;

use std::sync::{Arc, Mutex};

use proto::id;

use engine::{Database, row};
use housekeeping::{KeyPosition, START};

/// The databases behind natter. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    databases: Arc<Vec<Database>>,
    /// For each of them: up to where the last round of forgetting went.
    forgotten: Arc<Mutex<Vec<KeyPosition>>>,
}

impl Store {
    /// Connects, brings the schema up to date (safe when several nodes start at once) and is ready
    /// for use.
    ///
    /// `urls`: the first is the directory (people, sessions, contacts), all of them hold
    /// conversations. `sqlite:PATH` (exactly one) or `postgres://…` (one or more).
    pub async fn open(urls: &[String], options: &Options) -> Result<Self> {
        if urls.is_empty() || urls.len() > limits::DATABASES_MAX {
            return Err(Error::Invalid("a store is one to 1,024 databases"));
        }
        let mut databases = Vec::with_capacity(urls.len());
        for (part, url) in urls.iter().enumerate() {
            databases.push(Database::open(url, part, urls.len(), options).await?);
        }
        let forgotten = Arc::new(Mutex::new(vec![START; databases.len()]));
        Ok(Self { databases: Arc::new(databases), forgotten })
    }

    /// Waits for what is under way, checkpoints SQLite, closes all connections.
    pub async fn close(&self) {
        for database in self.databases.iter() {
            database.close().await;
        }
    }

    /// A cheap question to every database: does it answer?
    pub async fn ping(&self) -> Result<()> {
        for database in self.databases.iter() {
            let mut reader = database.reader().await?;
            let _: Option<(i64,)> = row!(&mut reader.link(), "SELECT CAST(1 AS BIGINT)")?;
        }
        Ok(())
    }

    /// The connections to each database now.
    pub fn pools(&self) -> Vec<Pool> {
        self.databases.iter().map(Database::pool).collect()
    }

    /// How many databases hold conversations; a grouping writer runs for each.
    pub fn databases(&self) -> usize {
        self.databases.len()
    }

    /// Which of them holds this conversation: the 1,024 logical shards lie over the databases in
    /// even ranges.
    pub fn database_of(&self, conv_id: i64) -> usize {
        usize::from(id::shard_of(conv_id)) * self.databases.len() / usize::from(id::SHARDS)
    }

    fn directory(&self) -> &Database {
        &self.databases[0]
    }

    fn home(&self, conv_id: i64) -> &Database {
        &self.databases[self.database_of(conv_id)]
    }
}
