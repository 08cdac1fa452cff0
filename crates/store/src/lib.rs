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
mod shards;
mod types;
mod users;
mod words;

pub use commit::Online;
pub use limits::DIGEST_MAX;
pub use proto::http::Preview;
pub use shards::mover::{MoveStep, Watch};
pub use shards::report::{DatabaseReport, ShardReport};
pub use types::*;

use std::sync::{Arc, Mutex};

use proto::id;

use engine::{Database, row};
use housekeeping::{KeyPosition, START};
use shards::Shards;

/// How our connections are called in `pg_stat_activity`; behind it a number for each store. A name
/// without one is a program that knows no map.
const PROCESS: &str = "natter";

/// The databases behind natter. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    databases: Arc<Vec<Database>>,
    shards: Arc<Shards>,
    /// For each of them: up to where the last round of forgetting went.
    forgotten: Arc<Mutex<Vec<KeyPosition>>>,
}

impl Store {
    /// Connects, brings the schema up to date (safe when several nodes start at once) and is ready
    /// for use.
    ///
    /// `urls`: the first is the directory (people, sessions, contacts), all of them may hold
    /// conversations. `sqlite:PATH` (exactly one) or `postgres://…` (one or more). The first start
    /// lays the shards out over all of them; one that comes later is empty until shards are moved
    /// to it.
    pub async fn open(urls: &[String], options: &Options) -> Result<Self> {
        if urls.is_empty() || urls.len() > limits::DATABASES_MAX {
            return Err(Error::Invalid("a store is one to 1,024 databases"));
        }
        let mut databases = Vec::with_capacity(urls.len());
        let process = format!("{PROCESS} {:08x}", id::random_key() >> 31);
        for url in urls {
            databases.push(Database::open(url, urls.len(), &process, options).await?);
        }
        let shards = Arc::new(shards::learn(&databases).await?);
        let forgotten = Arc::new(Mutex::new(vec![START; databases.len()]));
        Ok(Self { databases: Arc::new(databases), shards, forgotten })
    }

    /// Looks at one database without changing anything, also while others work with it.
    pub async fn inspect(url: &str, options: &Options) -> Result<Inspection> {
        engine::inspect(url, options).await
    }

    /// Waits for what is under way, checkpoints SQLite, closes all connections.
    pub async fn close(&self) {
        for database in self.databases.iter() {
            database.close().await;
        }
    }

    /// A cheap question to the directory, without which nothing goes: does it answer?
    pub async fn ping(&self) -> Result<()> {
        let mut reader = self.directory().reader().await?;
        let _: Option<(i64,)> = row!(&mut reader.link(), "SELECT CAST(1 AS BIGINT)")?;
        Ok(())
    }

    /// The connections to each database now.
    pub fn pools(&self) -> Vec<Pool> {
        let pools = self.databases.iter().map(Database::pool).enumerate();
        pools.map(|(n, pool)| Pool { away: self.shards.is_silent(n), ..pool }).collect()
    }

    /// How many databases there are; a grouping writer runs for each.
    pub fn databases(&self) -> usize {
        self.databases.len()
    }

    fn directory(&self) -> &Database {
        &self.databases[0]
    }
}
