//! What is where: for an operator who thinks about moving.

use crate::engine::{Database, Link, pg};
use crate::{Error, Result, Store};

/// One database and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseReport {
    pub name: String,
    /// How PostgreSQL itself calls it.
    pub database: String,
    /// Its shards, in order; also those without a conversation.
    pub shards: Vec<ShardReport>,
}

/// One logical shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardReport {
    pub shard: u16,
    pub conversations: u64,
    pub messages: u64,
    /// Its share of the tables and indexes of its database, by its messages.
    pub bytes: u64,
}

impl Store {
    /// The map and what lies in each shard. Reads every conversation (no message): for an operator.
    /// `Invalid` on SQLite, which has no map.
    pub async fn shards(&self) -> Result<Vec<DatabaseReport>> {
        let map = self.load_map().await?;
        let mut reports = Vec::with_capacity(self.databases.len());
        for (at, database) in self.databases.all().enumerate() {
            let database = database?;
            let Database::Postgres(_) = database else {
                return Err(Error::Invalid("SQLite is one database and has no map"));
            };
            let mut tx = database.begin_long_read().await?;
            let link = &mut tx.link();
            let (name, bytes): (String, i64) = pg!(
                fetch_one query_as,
                link,
                "SELECT current_database()::text, (
                   SELECT sum(pg_total_relation_size(name::regclass))
                     FROM unnest(ARRAY['message', 'sent_key', 'reaction', 'member', 'conversation'])
                       AS t (name))::bigint"
            )?;
            let found = contents(link).await?;
            let all: u64 = found.iter().map(|(_, _, messages)| *messages as u64).sum();
            let shard = |shard: u16| {
                let row = found.iter().find(|(of, ..)| *of == i64::from(shard));
                let (conversations, messages) = row
                    .map_or((0, 0), |(_, conversations, messages)| {
                        (*conversations as u64, *messages as u64)
                    });
                let share = u128::from(bytes as u64) * u128::from(messages);
                let bytes = (share / u128::from(all.max(1))) as u64;
                ShardReport { shard, conversations, messages, bytes }
            };
            let mine = (0..proto::id::SHARDS).filter(|of| map.homes[usize::from(*of)] == at);
            reports.push(DatabaseReport {
                name: map.name_of(at).to_owned(),
                database: name,
                shards: mine.map(shard).collect(),
            });
        }
        Ok(reports)
    }
}

/// Shard, conversations, messages.
async fn contents(link: &mut Link<'_>) -> Result<Vec<(i64, i64, i64)>> {
    pg!(
        fetch_all query_as,
        link,
        "/* all */ SELECT (conv_id >> 12) & 1023, count(*), sum(last_seq)::bigint
           FROM conversation GROUP BY 1"
    )
}
