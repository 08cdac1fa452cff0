//! THE DATA: the only place where a message *is*. `docs/data.md` tells the tables, their keys and
//! what each query costs.
//!
//! Every query is written once and runs on SQLite and PostgreSQL. This room never sees a socket and
//! has no clock of its own: whoever calls says what time it is (unix milliseconds).

mod commit;
mod contacts;
mod conversations;
mod databases;
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
mod seam;
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

use databases::{Databases, PROCESS};
use engine::{Database, row};
use housekeeping::{KeyPosition, START};
use shards::Shards;

/// The databases behind natter. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    databases: Arc<Databases>,
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
    ///
    /// The first start needs all of them, every other one only the directory. Of the rest those
    /// that are `Unavailable` are passed over; `missing` names them and `take_in` brings them.
    pub async fn open(urls: &[String], options: &Options) -> Result<Self> {
        if urls.is_empty() || urls.len() > limits::DATABASES_MAX {
            return Err(Error::Invalid("a store is one to 1,024 databases"));
        }
        let databases = Databases::open(urls, options).await?;
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
        for database in self.databases.open_ones() {
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
        let pool = |(n, database): (usize, Result<&Database>)| match database {
            Ok(database) => Pool { away: self.shards.is_silent(n), ..database.pool() },
            Err(_) => Pool { open: 0, idle: 0, max: self.databases.connections_max(), away: true },
        };
        self.databases.all().enumerate().map(pool).collect()
    }

    /// How many databases there are; a grouping writer runs for each.
    pub fn databases(&self) -> usize {
        self.databases.len()
    }

    fn directory(&self) -> &Database {
        self.databases.directory()
    }
}
