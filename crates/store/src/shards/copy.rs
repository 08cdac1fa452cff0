//! Copying a shard from one database to another beside its writers, and sweeping up after it.
//!
//! A log is copied as a client would catch up with it: what is behind the last `seq`, then what was
//! changed after the last `rev`. So a round costs what happened since the round before, and the
//! round behind the fence next to nothing.

use std::collections::HashMap;

use sqlx::AssertSqlSafe;

use super::gate::{self, State};
use crate::engine::{Database, Link, Tx, pg};
use crate::{Error, Result, limits};

/// Everything that belongs to a conversation, in the order in which it is swept up: the
/// conversation last, because by it the others are found. A test compares this with the schema.
pub(super) const TABLES: [&str; 6] =
    ["message", "sent_key", "reaction", "group_key", "member", "conversation"];

/// One copying, from its begin to its end.
pub(super) struct Copy<'a> {
    pub(super) source: &'a Database,
    pub(super) target: &'a Database,
    pub(super) shard: u16,
    /// The epoch of the move: whoever copies with another one has been replaced.
    pub(super) epoch: i64,
    /// How far each conversation is copied: its last seq and rev. As many as the shard has.
    pub(super) copied: HashMap<i64, (i64, i64)>,
    pub(super) rows: u64,
}

#[derive(sqlx::FromRow)]
struct End {
    conv_id: i64,
    last_seq: i64,
    last_rev: i64,
}

impl Copy<'_> {
    /// Copies what is missing, beside the writers. How many rows that were.
    pub(super) async fn round(&mut self) -> Result<u64> {
        let before = self.rows;
        let mut tx = self.begin_target().await?;
        // The last transaction, behind the fence, is synced and these with it.
        pg!(execute query, tx.link(), "SET LOCAL synchronous_commit = off")?;
        let mut committed = self.rows;
        let mut after = 0;
        loop {
            let ends = self.ends(after).await?;
            let Some(last) = ends.last() else {
                break;
            };
            after = last.conv_id;
            for end in ends {
                self.log(&mut tx, &end).await?;
                if self.rows - committed >= limits::COPY_COMMIT_ROWS {
                    tx.commit().await?;
                    tx = self.begin_target().await?;
                    pg!(execute query, tx.link(), "SET LOCAL synchronous_commit = off")?;
                    committed = self.rows;
                }
            }
        }
        tx.commit().await?;
        Ok(self.rows - before)
    }

    /// Behind the fence: the rest of the logs, and what has no number to go by. One transaction.
    pub(super) async fn rest(&mut self) -> Result<()> {
        let mut tx = self.begin_target().await?;
        let mut after = 0;
        loop {
            let ends = self.ends(after).await?;
            let Some(last) = ends.last() else {
                break;
            };
            after = last.conv_id;
            let ids: Vec<i64> = ends.iter().map(|end| end.conv_id).collect();
            for end in ends {
                self.log(&mut tx, &end).await?;
            }
            for table in ["group_key", "member", "conversation"] {
                let mut reader = self.source.reader().await?;
                let rows = json_of_list(&mut reader.link(), table, &ids).await?;
                let link = &mut tx.link();
                let sql = AssertSqlSafe(format!("DELETE FROM {table} WHERE conv_id = ANY($1)"));
                pg!(execute query, link, sql, &ids)?;
                self.rows += insert(link, table, &rows).await?;
            }
        }
        self.nudges(&mut tx).await?;
        tx.commit().await
    }

    /// A transaction of the target, as long as the shard arrives there by this move.
    async fn begin_target(&self) -> Result<Tx> {
        let mut tx = self.target.begin().await?;
        let arriving = State::Arriving;
        if gate::is_ours(&mut tx.link(), self.shard, arriving, self.epoch).await? {
            return Ok(tx);
        }
        Err(Error::Unavailable("another mover has taken over".to_owned()))
    }

    /// The next conversations of the shard and where they end.
    async fn ends(&self, after: i64) -> Result<Vec<End>> {
        let mut reader = self.source.reader().await?;
        pg!(
            fetch_all query_as,
            reader.link(),
            "SELECT conv_id, last_seq, last_rev FROM conversation
              WHERE ((conv_id >> 12) & 1023) = $1 AND conv_id > $2 ORDER BY conv_id LIMIT $3",
            i64::from(self.shard),
            after,
            limits::COPY_CONVERSATIONS
        )
    }

    /// One log from where it is copied to its `end`.
    async fn log(&mut self, tx: &mut Tx, end: &End) -> Result<()> {
        let known = self.copied.get(&end.conv_id).copied();
        let (mut seq, rev) = known.unwrap_or_default();
        if known.is_none() {
            let mut reader = self.source.reader().await?;
            let rows = json_of_list(&mut reader.link(), "conversation", &[end.conv_id]).await?;
            self.rows += insert(&mut tx.link(), "conversation", &rows).await?;
        }
        if end.last_rev > rev {
            self.changes(tx, end.conv_id, rev, seq).await?;
        }
        while seq < end.last_seq {
            let to = end.last_seq.min(seq + limits::COPY_ROWS);
            for table in ["message", "sent_key", "reaction"] {
                let mut reader = self.source.reader().await?;
                let rows = json_of_range(&mut reader.link(), table, end.conv_id, seq, to).await?;
                drop(reader);
                let count = insert(&mut tx.link(), table, &rows).await?;
                if table == "message" && count != (to - seq) as u64 {
                    let conv_id = end.conv_id;
                    return Err(Error::Internal(format!(
                        "conversation {conv_id} has {count} messages from {seq} to {to}: a hole"
                    )));
                }
                self.rows += count;
            }
            seq = to;
        }
        self.copied.insert(end.conv_id, (end.last_seq, end.last_rev));
        Ok(())
    }

    /// Messages that were copied before and changed since, with their reactions.
    async fn changes(&mut self, tx: &mut Tx, conv_id: i64, rev: i64, seq: i64) -> Result<()> {
        let mut reader = self.source.reader().await?;
        let changed: Vec<(i64,)> = pg!(
            fetch_all query_as,
            reader.link(),
            "SELECT seq FROM message
              WHERE conv_id = $1 AND rev > $2 AND rev IS NOT NULL AND seq <= $3",
            conv_id,
            rev,
            seq
        )?;
        let changed: Vec<i64> = changed.into_iter().map(|(seq,)| seq).collect();
        for slice in changed.chunks(limits::COPY_ROWS as usize) {
            for table in ["message", "reaction"] {
                let select = AssertSqlSafe(format!(
                    "SELECT COALESCE(json_agg(t), '[]')::text FROM (
                       SELECT * FROM {table} WHERE conv_id = $1 AND seq = ANY($2)) t"
                ));
                let rows: (String,) =
                    pg!(fetch_one query_as, reader.link(), select, conv_id, slice)?;
                let delete = AssertSqlSafe(format!(
                    "DELETE FROM {table} WHERE conv_id = $1 AND seq = ANY($2)"
                ));
                let link = &mut tx.link();
                pg!(execute query, link, delete, conv_id, slice)?;
                self.rows += insert(link, table, &rows.0).await?;
            }
        }
        Ok(())
    }

    /// Who has something unread here is looked for where the conversation is.
    async fn nudges(&mut self, tx: &mut Tx) -> Result<()> {
        let mut reader = self.source.reader().await?;
        let rows: (String,) = pg!(
            fetch_one query_as,
            reader.link(),
            "SELECT COALESCE(json_agg(t), '[]')::text FROM (
               SELECT DISTINCT n.* FROM conversation c
                 JOIN member m ON m.conv_id = c.conv_id
                 JOIN nudge n ON n.user_id = m.user_id
                WHERE ((c.conv_id >> 12) & 1023) = $1 AND m.left_at IS NULL
                  AND c.last_seq > m.read_seq) t",
            i64::from(self.shard)
        )?;
        self.rows += insert(&mut tx.link(), "nudge", &rows.0).await?;
        Ok(())
    }
}

/// The rows of these conversations as JSON, which knows columns by name.
async fn json_of_list(link: &mut Link<'_>, table: &str, ids: &[i64]) -> Result<String> {
    let sql = AssertSqlSafe(format!(
        "SELECT COALESCE(json_agg(t), '[]')::text FROM (
           SELECT * FROM {table} WHERE conv_id = ANY($1)) t"
    ));
    let rows: (String,) = pg!(fetch_one query_as, link, sql, ids)?;
    Ok(rows.0)
}

/// The same for what belongs to the messages behind `after`, up to `to`.
async fn json_of_range(
    link: &mut Link<'_>,
    table: &str,
    conv_id: i64,
    after: i64,
    to: i64,
) -> Result<String> {
    let sql = AssertSqlSafe(format!(
        "SELECT COALESCE(json_agg(t), '[]')::text FROM (
           SELECT * FROM {table} WHERE conv_id = $1 AND seq > $2 AND seq <= $3) t"
    ));
    let rows: (String,) = pg!(fetch_one query_as, link, sql, conv_id, after, to)?;
    Ok(rows.0)
}

async fn insert(link: &mut Link<'_>, table: &str, rows: &str) -> Result<u64> {
    if rows == "[]" {
        return Ok(0);
    }
    let unless = if table == "nudge" { "ON CONFLICT DO NOTHING" } else { "" };
    let sql = AssertSqlSafe(format!(
        "INSERT INTO {table}
         SELECT * FROM json_populate_recordset(NULL::{table}, $1::json) {unless}"
    ));
    Ok(pg!(execute query, link, sql, rows)?.rows_affected())
}

/// Deletes what is left of a shard where it is not, in slices. `state` says why it may: the gate
/// must stand so, by this move, whenever something is deleted.
pub(super) async fn sweep(
    database: &Database,
    shard: u16,
    state: State,
    moved_by: i64,
) -> Result<()> {
    loop {
        let mut reader = database.reader().await?;
        let ids: Vec<(i64,)> = pg!(
            fetch_all query_as,
            reader.link(),
            "SELECT conv_id FROM conversation
              WHERE ((conv_id >> 12) & 1023) = $1 ORDER BY conv_id LIMIT $2",
            i64::from(shard),
            limits::COPY_CONVERSATIONS
        )?;
        drop(reader);
        if ids.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = ids.into_iter().map(|(id,)| id).collect();
        for table in TABLES {
            while sweep_some(database, table, &ids, (shard, state, moved_by)).await? {}
        }
    }
}

/// Whether there may be more.
async fn sweep_some(
    database: &Database,
    table: &str,
    ids: &[i64],
    (shard, state, moved_by): (u16, State, i64),
) -> Result<bool> {
    let mut tx = database.begin_freeing().await?;
    let link = &mut tx.link();
    if !gate::is_ours(link, shard, state, moved_by).await? {
        return Err(Error::Unavailable("another mover has taken over".to_owned()));
    }
    let sql = AssertSqlSafe(format!(
        "DELETE FROM {table} WHERE ctid = ANY(ARRAY(
           SELECT ctid FROM {table} WHERE conv_id = ANY($1) LIMIT $2))"
    ));
    let gone = pg!(execute query, link, sql, ids, limits::SWEEP_ROWS)?.rows_affected();
    tx.commit().await?;
    Ok(gone == limits::SWEEP_ROWS as u64)
}
